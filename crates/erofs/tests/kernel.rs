//! The kernel reads what we write: images are mounted straight from their file, and every file in them is compared with
//! what was asked for. `fsck.erofs`, which nobody here wrote, has to agree.

#![allow(clippy::disallowed_methods, reason = "tests look at files by themselves")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use erofs::{Attributes, Child, Directory, Error, Node, Special, Time, Writer};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use testkit::requires;

/// What an image is to hold, by path; the empty path is the root.
type Model = BTreeMap<Vec<u8>, (Attributes, Content)>;

#[derive(Debug, Clone)]
enum Content {
    Directory,
    File(Vec<u8>),
    /// This many zeroes, then one byte.
    Hole(u64),
    Symlink(Vec<u8>),
    Special(Special),
    /// One more name of what stands at this path.
    LinkTo(Vec<u8>),
}

fn attributes(mode: u16) -> Attributes {
    Attributes { mode, uid: 1000, gid: 4_000_000_000, mtime: Time { seconds: -5, nanoseconds: 7 }, xattrs: Vec::new() }
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |at| &path[..at])
}

fn name(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(path, |at| &path[at + 1..])
}

fn write(model: &Model, file: File) -> Result<File, Error> {
    let mut writer = Writer::new(file);
    let mut directories: Vec<Directory> = Vec::new();
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut nodes: BTreeMap<&[u8], Node> = BTreeMap::new();
    for (path, (attributes, content)) in model {
        let child = match content {
            Content::Directory => {
                directories.push(Directory { attributes: attributes.clone(), ..Directory::default() });
                places.insert(path, directories.len() - 1);
                Child::Directory(directories.len() - 1)
            }
            Content::File(bytes) => {
                let mut file = writer.file(attributes, bytes.len() as u64)?;
                for piece in bytes.chunks(3000) {
                    file.write(piece)?;
                }
                Child::Node(file.finish()?)
            }
            Content::Hole(length) => {
                let mut file = writer.file(attributes, length + 1)?;
                file.skip(*length)?;
                file.write(b"x")?;
                Child::Node(file.finish()?)
            }
            Content::Symlink(target) => Child::Node(writer.symlink(attributes, target)?),
            Content::Special(special) => Child::Node(writer.special(attributes, *special)?),
            Content::LinkTo(other) => Child::Node(nodes[&other[..]]),
        };
        if let Child::Node(node) = child {
            nodes.insert(path, node);
        }
        if !path.is_empty() {
            directories[places[parent(path)]].entries.insert(name(path).to_vec(), child);
        }
    }
    writer.finish(&directories).map(|(file, _)| file)
}

/// A mount that ends with its test.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &File, at: &Path) -> Self {
        fs::create_dir_all(at).expect("a mount point");
        let source = format!("/proc/self/fd/{}", image.as_raw_fd());
        let context = sys::mount::FsContext::open("erofs").expect("erofs");
        context.set("source", source.as_str()).expect("a source");
        let mount = context.mount(0).expect("the kernel mounts it");
        let target = sys::fs::open(at, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("a mount point");
        sys::mount::move_mount(&mount, &target).expect("a place");
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        sys::mount::detach(&*self.0).expect("unmounted");
    }
}

fn compare(model: &Model, root: &Path) {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        found.push(dir.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec());
        if dir.symlink_metadata().expect("there").is_dir() {
            waiting.extend(fs::read_dir(&dir).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
    }
    found.sort();
    assert_eq!(found, model.keys().cloned().collect::<Vec<_>>(), "the names");
    for (path, (wanted, content)) in model {
        let at = root.join(OsStr::from_bytes(path));
        let is = at.symlink_metadata().expect("there");
        let shown = at.display();
        let (wanted, content) = if let Content::LinkTo(other) = content {
            assert_eq!(is.ino(), root.join(OsStr::from_bytes(other)).symlink_metadata().expect("there").ino());
            let (wanted, content) = &model[other];
            (wanted, content)
        } else {
            (wanted, content)
        };
        assert_eq!((is.mode() & 0o7777, is.uid(), is.gid()), (wanted.mode.into(), wanted.uid, wanted.gid), "{shown}");
        assert_eq!((is.mtime(), is.mtime_nsec()), (wanted.mtime.seconds, wanted.mtime.nanoseconds.into()), "{shown}");
        for (name, value) in &wanted.xattrs {
            let mut buffer = vec![0; 1 << 16];
            let length = rustix::fs::lgetxattr(&at, name.as_slice(), &mut buffer).expect("an attribute");
            assert!(buffer[..length] == value[..], "{shown}: {}", String::from_utf8_lossy(name));
        }
        let names = model.iter().filter(|(_, (_, other))| matches!(other, Content::LinkTo(to) if to == path)).count();
        match content {
            Content::Directory => {
                let inside = |(other, (_, content)): (&Vec<u8>, &(Attributes, Content))| {
                    !other.is_empty() && parent(other) == &path[..] && matches!(content, Content::Directory)
                };
                assert_eq!(is.nlink(), 2 + model.iter().filter(|entry| inside(*entry)).count() as u64, "{shown}");
                let up = at.join("..").metadata().expect("there").ino();
                let above = root.join(OsStr::from_bytes(parent(path))).metadata().expect("there").ino();
                assert!(path.is_empty() || up == above, "{shown}");
            }
            Content::File(bytes) => assert!(fs::read(&at).expect("readable") == *bytes, "the content of {shown}"),
            Content::Hole(length) => {
                let bytes = fs::read(&at).expect("readable");
                assert!(bytes.len() as u64 == length + 1 && bytes.ends_with(b"x"), "{shown}");
                assert!(bytes[..*length as usize].iter().all(|byte| *byte == 0), "{shown}");
            }
            Content::Symlink(target) => {
                assert_eq!(fs::read_link(&at).expect("a link").as_os_str().as_bytes(), &target[..]);
            }
            Content::Special(Special::Fifo) => assert!(is.file_type().is_fifo()),
            Content::Special(Special::Socket) => assert!(is.file_type().is_socket()),
            Content::Special(Special::CharDevice { major, minor }) => {
                assert!(is.file_type().is_char_device());
                assert_eq!(is.rdev(), rustix::fs::makedev(*major, *minor));
            }
            Content::Special(Special::BlockDevice { major, minor }) => {
                assert!(is.file_type().is_block_device());
                assert_eq!(is.rdev(), rustix::fs::makedev(*major, *minor));
            }
            Content::LinkTo(_) => unreachable!("a link leads to what is none"),
        }
        if !matches!(content, Content::Directory) && names > 0 {
            assert_eq!(is.nlink(), names as u64 + 1, "{shown}");
        }
    }
}

fn hold(model: &Model) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("image");
    let options = &mut File::options();
    let file = options.read(true).write(true).create_new(true).open(&path).expect("a file");
    let file = write(model, file).expect("an image");
    let checked = Command::new("fsck.erofs").arg(&path).output().expect("fsck.erofs runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let mounted = Mounted::new(&file, &dir.path().join("mnt"));
    compare(model, &mounted.0);
}

fn root() -> Model {
    Model::from([(Vec::new(), (attributes(0o755), Content::Directory))])
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 4096) as u8).collect()
}

#[test]
fn files_of_all_lengths_around_a_block() {
    requires!(root, kernel = (6, 12), package = "fsck.erofs");
    let mut model = root();
    for length in [0, 1, 63, 4000, 4031, 4032, 4033, 4095, 4096, 4097, 8128, 8192, 12_287, 1 << 20, (3 << 20) + 77] {
        model.insert(format!("f{length}").into_bytes(), (attributes(0o4711), Content::File(bytes(length))));
    }
    model.insert(b"hole".to_vec(), (attributes(0o600), Content::Hole(5 << 20)));
    model.insert(b"small hole".to_vec(), (attributes(0o600), Content::Hole(300)));
    hold(&model);
}

#[test]
fn every_kind_of_file_with_its_attributes() {
    requires!(root, kernel = (6, 12), package = "fsck.erofs");
    let mut model = root();
    let mut put = |path: &[u8], content| drop(model.insert(path.to_vec(), (attributes(0o640), content)));
    put(b"dir", Content::Directory);
    put(b"dir/fifo", Content::Special(Special::Fifo));
    put(b"dir/socket", Content::Special(Special::Socket));
    put(b"dir/null", Content::Special(Special::CharDevice { major: 1, minor: 3 }));
    put(b"dir/whiteout", Content::Special(Special::CharDevice { major: 0, minor: 0 }));
    put(b"dir/disk", Content::Special(Special::BlockDevice { major: 259, minor: 70_000 }));
    put(b"dir/link", Content::Symlink(b"../somewhere".to_vec()));
    put(b"dir/\xff\xfe not UTF-8", Content::File(bytes(10)));
    put(b"long link", Content::Symlink(vec![b'x'; 4095]));
    put(b"first", Content::File(bytes(5000)));
    put(b"second", Content::LinkTo(b"first".to_vec()));
    put(b"third", Content::LinkTo(b"first".to_vec()));
    let xattrs = vec![
        (b"user.one".to_vec(), b"1".to_vec()),
        (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
        (b"security.capability".to_vec(), vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (b"user.large".to_vec(), bytes(30_000)),
    ];
    model.get_mut(&b"first"[..]).expect("there").0.xattrs.clone_from(&xattrs);
    model.get_mut(&b"dir"[..]).expect("there").0.xattrs = xattrs;
    model.get_mut(&b""[..]).expect("there").0.xattrs = vec![(b"user.root".to_vec(), b"yes".to_vec())];
    hold(&model);
}

#[test]
fn directories_of_many_and_of_long_names() {
    requires!(root, kernel = (6, 12), package = "fsck.erofs");
    let mut model = root();
    for at in 0..2000 {
        model.insert(format!("{at:04}").into_bytes(), (attributes(0o644), Content::File(Vec::new())));
    }
    model.insert(b"long".to_vec(), (attributes(0o700), Content::Directory));
    for at in 0..100 {
        let path = format!("long/{at:02}{}", "n".repeat(253));
        model.insert(path.into_bytes(), (attributes(0o644), Content::Directory));
    }
    let mut deep = b"deep".to_vec();
    for _ in 0..200 {
        model.insert(deep.clone(), (attributes(0o755), Content::Directory));
        deep.extend(b"/d");
    }
    hold(&model);
}

#[test]
fn the_same_files_are_the_same_bytes_and_wrong_ones_are_refused() {
    let mut model = root();
    model.insert(b"f".to_vec(), (attributes(0o644), Content::File(bytes(9000))));
    let image = || {
        let file = write(&model, tempfile::tempfile().expect("a file")).expect("an image");
        fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("readable")
    };
    assert!(image() == image());

    let mut writer = Writer::new(tempfile::tempfile().expect("a file"));
    let plain = attributes(0o644);
    assert!(matches!(writer.file(&plain, 3).and_then(erofs::FileWriter::finish), Err(Error::Length { .. })));
    assert!(matches!(writer.file(&plain, 3).and_then(|mut file| file.write(b"four")), Err(Error::Length { .. })));
    assert!(matches!(writer.symlink(&plain, b""), Err(Error::Target(0))));
    let node = writer.special(&plain, Special::Fifo).expect("a FIFO");
    let entries = BTreeMap::from([(b"a/b".to_vec(), Child::Node(node))]);
    assert!(matches!(writer.finish(&[Directory { attributes: plain, entries }]), Err(Error::Name(3))));
}

fn any_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        3 => Just(Content::Directory),
        6 => (0_usize..20_000).prop_map(|length| Content::File(bytes(length))),
        1 => (0_u64..30_000).prop_map(Content::Hole),
        1 => proptest::collection::vec(1_u8..255, 1..300).prop_map(Content::Symlink),
        1 => Just(Content::Special(Special::Fifo)),
    ]
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let xattr = ("trusted\\.[a-z]{1,20}", (0_usize..3000).prop_map(bytes));
    let xattrs = proptest::collection::btree_map(xattr.0, xattr.1, 0..3);
    (0_u16..0o10000, any::<u16>(), any::<i32>(), xattrs).prop_map(|(mode, uid, seconds, xattrs)| Attributes {
        mode,
        uid: uid.into(),
        gid: 0,
        mtime: Time { seconds: seconds.into(), nanoseconds: 0 },
        xattrs: xattrs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect(),
    })
}

#[test]
fn any_tree_comes_back_as_it_was() {
    requires!(root, kernel = (6, 12), package = "fsck.erofs");
    let file = ("[a-z.]{1,40}", any_content(), any_attributes(), any::<prop::sample::Index>());
    let files = proptest::collection::vec(file, 0..60);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&files, |files| {
            let mut model = root();
            let mut directories = vec![Vec::new()];
            for (name, content, attributes, within) in files {
                let within: &Vec<u8> = within.get(&directories);
                let slash: &[u8] = if within.is_empty() { b"" } else { b"/" };
                let path = [within, slash, name.as_bytes()].concat();
                if name == "." || name == ".." || model.contains_key(&path) {
                    continue;
                }
                if matches!(content, Content::Directory) {
                    directories.push(path.clone());
                }
                model.insert(path, (attributes, content));
            }
            hold(&model);
            Ok(())
        })
        .expect("every tree");
}
