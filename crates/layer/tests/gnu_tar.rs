//! Whatever tree GNU tar packs, in whatever format, comes out as GNU tar itself unpacks it.

use layer::{Devices, Limits, Options, OverlayXattrs, Ownership, apply};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use testkit::{Invocation, requires};

/// One thing in a random tree; numbers choose among the directories and files made so far.
#[derive(Debug, Clone)]
enum Thing {
    Directory { within: usize, name: String, mode: u32 },
    File { within: usize, name: String, mode: u32, data: Vec<u8>, owner: (u32, u32) },
    Sparse { within: usize, name: String, at: Vec<u64> },
    Symlink { within: usize, name: String, target: String },
    Link { within: usize, name: String, to: usize },
    Fifo { within: usize, name: String },
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[a-zäß \n'\\\\*]{1,20}", "[a-z]{90,130}", Just("...".to_owned())]
}

fn thing() -> impl Strategy<Value = Thing> {
    let mode = prop_oneof![Just(0o644), Just(0o4755), Just(0o2711), Just(0o400), 0o000..0o7777u32];
    let owner = (0..70_000u32, prop_oneof![0..100u32, Just(3_000_000)]);
    let at = || any::<usize>();
    prop_oneof![
        3 => (at(), name(), mode.clone()).prop_map(|(within, name, mode)| Thing::Directory { within, name, mode }),
        4 => (at(), name(), mode, prop::collection::vec(any::<u8>(), 0..3000), owner)
            .prop_map(|(within, name, mode, data, owner)| Thing::File { within, name, mode, data, owner }),
        1 => (at(), name(), prop::collection::vec(0..2_900_000u64, 0..30))
            .prop_map(|(within, name, at)| Thing::Sparse { within, name, at }),
        2 => (at(), name(), "[a-z./]{1,150}").prop_map(|(within, name, target)| Thing::Symlink { within, name, target }),
        2 => (at(), name(), at()).prop_map(|(within, name, to)| Thing::Link { within, name, to }),
        1 => (at(), name()).prop_map(|(within, name)| Thing::Fifo { within, name }),
    ]
}

fn make(root: &Path, things: &[Thing]) {
    let mut dirs = vec![root.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    let mut modes = Vec::new();
    for thing in things {
        let (Thing::Directory { within, name, .. }
        | Thing::File { within, name, .. }
        | Thing::Sparse { within, name, .. }
        | Thing::Symlink { within, name, .. }
        | Thing::Link { within, name, .. }
        | Thing::Fifo { within, name }) = thing;
        let path = dirs[within % dirs.len()].join(name);
        if fs::symlink_metadata(&path).is_ok() || path.as_os_str().len() > 2000 {
            continue;
        }
        match thing {
            Thing::Directory { mode, .. } => {
                fs::create_dir(&path).expect("mkdir");
                dirs.push(path.clone());
                modes.push((path, *mode));
            }
            Thing::File { mode, data, owner, .. } => {
                fs::write(&path, data).expect("write");
                std::os::unix::fs::chown(&path, Some(owner.0), Some(owner.1)).expect("chown");
                files.push(path.clone());
                modes.push((path, *mode));
            }
            Thing::Sparse { at, .. } => {
                let file = fs::File::create(&path).expect("create");
                for &at in at {
                    file.write_all_at(b"data", at).expect("write");
                }
                file.set_len(3_000_000).expect("truncate");
                files.push(path);
            }
            Thing::Symlink { target, .. } => symlink(target, &path).expect("symlink"),
            Thing::Link { to, .. } => {
                if let Some(file) = files.get(to % files.len().max(1)) {
                    fs::hard_link(file, &path).expect("link");
                }
            }
            Thing::Fifo { .. } => {
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
                sys::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("mkfifo");
            }
        }
    }
    for (path, mode) in modes {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }
}

/// Everything about a tree, as lines; files of several names by the first of them.
fn described(root: &Path) -> String {
    let mut lines = String::new();
    let mut first = std::collections::HashMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).expect("metadata");
        let same = first.entry(meta.ino()).or_insert_with(|| path.clone()).clone();
        let content = match meta.file_type() {
            kind if kind.is_file() => oci::digest::Digest::of(&fs::read(&full).expect("read")).to_string(),
            kind if kind.is_symlink() => fs::read_link(&full).expect("a link").display().to_string(),
            kind if kind.is_dir() => {
                let mut inner: Vec<_> =
                    fs::read_dir(&full).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
                inner.sort_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
                pending.extend(inner.iter().map(|name| path.join(name)));
                String::new()
            }
            kind => format!("{kind:?}"),
        };
        let time = if path.as_os_str().is_empty() { (0, 0) } else { (meta.mtime(), meta.mtime_nsec()) };
        let numbers = (meta.mode(), meta.uid(), meta.gid(), meta.nlink(), meta.len() * u64::from(!meta.is_dir()));
        let (path, same) = (path.display(), same.display());
        writeln!(lines, "{path} {numbers:?} {time:?} {same} {content}").expect("in memory");
    }
    lines
}

#[test]
fn trees_come_out_as_gnu_tar_unpacks_them() {
    requires!(root);
    let sparse = [None, Some("--sparse-version=0.0"), Some("--sparse-version=0.1"), Some("--sparse-version=1.0")];
    let input = (
        prop::collection::vec(thing(), 0..40),
        prop::sample::select(vec!["gnu", "posix"]),
        prop::sample::select(sparse.to_vec()),
    );
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let compared = TestRunner::new(config).run(&input, |(things, format, sparse)| compare(&things, format, sparse));
    compared.unwrap_or_else(|error| panic!("{error}"));
}

fn compare(things: &[Thing], format: &str, sparse: Option<&str>) -> Result<(), TestCaseError> {
    let temp = tempfile::tempdir().expect("a directory");
    let [tree, theirs, ours] = ["tree", "theirs", "ours"].map(|name| temp.path().join(name));
    for path in [&tree, &theirs, &ours] {
        fs::create_dir(path).expect("mkdir");
    }
    make(&tree, things);
    let archive = temp.path().join("tar");
    let mut pack = Invocation::new("/bin/tar").arg(format!("--format={format}"));
    if let Some(version) = sparse {
        pack = pack.arg("--sparse");
        if format == "posix" {
            pack = pack.arg(version);
        }
    }
    pack.args(["--numeric-owner", "-cf"]).arg(&archive).arg("-C").arg(&tree).arg(".").ok();
    Invocation::new("/bin/tar").args(["--numeric-owner", "-xpf"]).arg(&archive).arg("-C").arg(&theirs).ok();
    let options = Options {
        ownership: Ownership::AsRecorded,
        xattrs: OverlayXattrs::Trusted,
        devices: Devices::Create,
        lowers: &[],
        limits: Limits::default(),
    };
    let applied = apply(fs::File::open(&archive).expect("open"), fs::File::open(&ours).expect("open"), &options);
    let applied = applied.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    prop_assert_eq!(applied.diff_id.0, oci::digest::Digest::of(&fs::read(&archive).expect("read")));
    prop_assert_eq!(described(&ours), described(&theirs));
    Ok(())
}
