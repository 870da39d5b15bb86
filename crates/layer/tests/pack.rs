//! Trees packed into tars: what is applied again is the same tree, as find(1) and python3 see it.

use layer::{
    Change, Devices, Limits, Options, OverlayXattrs, Ownership, Packed, Upper, apply, changes, differences, pack,
};
use oci::runtime::IdMapping;
use proptest::prelude::*;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use testkit::requires;

fn options() -> Options<'static> {
    Options {
        ownership: Ownership::AsRecorded,
        xattrs: OverlayXattrs::Trusted,
        devices: Devices::Create,
        lowers: &[],
        limits: Limits::default(),
    }
}

fn sh(dir: &Path, script: &str) -> String {
    let output = Command::new("sh").arg("-ec").arg(script).current_dir(dir).output().expect("sh");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that find tells of a tree, content, and attributes.
fn listing(dir: &Path) -> String {
    let find =
        "find . \\( -type d -printf '%p %y %m %U %G %T@\\n' \\) -o -printf '%p %y %m %U %G %s %T@ %l %n\\n' | sort";
    let sums = "find . -type f -print0 | sort -z | xargs -0r sha256sum";
    let attributes = "python3 -c 'import os
for top, dirs, files in sorted(os.walk(b\".\")):
    for path in sorted(os.path.join(top, name) for name in [b\".\"] + files):
        if not os.path.islink(path):
            print(path, sorted((name, os.getxattr(path, name)) for name in os.listxattr(path)))'";
    [find, sums, attributes].map(|script| sh(dir, script)).concat()
}

fn packed(dir: &Path, tree: Packed<'_>) -> Vec<u8> {
    let mut tar = Vec::new();
    pack(File::open(dir).expect("a directory"), tree, Ownership::AsRecorded, &mut tar).expect("packed");
    tar
}

fn applied(tar: &[u8], options: &Options<'_>) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    apply(tar, File::open(dir.path()).expect("a directory"), options).expect("applied");
    dir
}

#[test]
fn a_tree_with_everything_comes_back() {
    requires!(root, package = "python3");
    let tree = tempfile::tempdir().expect("a directory");
    let long = "n".repeat(200);
    let script = format!(
        "mkdir -p d/e/f {long}; echo 1 > d/file; ln d/file d/other; ln -s ../d/file d/link; ln -s {long}{long} {long}/l
         mkfifo -m 600 d/fifo; mknod d/null c 1 3; mknod d/disk b 7 1000; chmod 4711 d/file; chmod 1777 d/e
         truncate -s 5000000 sparse; printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
         truncate -s 100000 hole; chown 70000:3000000 d/e; cp /bin/true d/true
         python3 -c 'import os; os.setxattr(\"d/file\", \"user.x\", b\"\\0\\xff=\\n\")
os.setxattr(\"d/true\", \"security.capability\", bytes([1, 0, 0, 2, 0, 32] + 14 * [0]))'
         touch -d '1969-01-01 00:00:00.25Z' d/e/f
         touch -h -d '2030-01-01 00:00:00.123456789Z' d/link; touch -d '2001-01-01Z' d ."
    );
    sh(tree.path(), &script);
    let tar = packed(tree.path(), Packed::Whole);
    let again = applied(&tar, &options());
    assert_eq!(listing(again.path()), listing(tree.path()));
    assert_eq!(packed(again.path(), Packed::Whole), tar, "the same tree gives the same bytes");
    assert!(tar.len() < 2_000_000, "holes are not stored: {}", tar.len());
    // GNU tar reads it without a word, and makes the same of it.
    let gnu = tempfile::tempdir().expect("a directory");
    let file = gnu.path().join("t.tar");
    fs::write(&file, &tar).expect("a tar");
    fs::create_dir(gnu.path().join("out")).expect("mkdir");
    sh(&gnu.path().join("out"), "tar -xpf ../t.tar --xattrs --xattrs-include='*' --numeric-owner");
    assert_eq!(listing(&gnu.path().join("out")), listing(tree.path()));
}

/// Lowers and an upper of the kernel's own making.
struct Overlay {
    dir: TempDir,
}

impl Overlay {
    fn new(lower: &str, changes: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(dir.path().join(name)).expect("mkdir");
        }
        let overlay = Self { dir };
        sh(&overlay.path("lower"), lower);
        // A namespace of its own: the mount ends with the script.
        let script = format!(
            "mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work,index=off,metacopy=off merged
             cd merged; {changes}"
        );
        let run = Command::new("unshare").args(["-m", "sh", "-ec", &script]).current_dir(overlay.dir.path()).output();
        let run = run.expect("unshare");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        overlay
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn tar(&self) -> Vec<u8> {
        let lower = File::open(self.path("lower")).expect("the lower");
        packed(&self.path("upper"), Packed::Upper(upper(&[lower.as_fd()])))
    }

    fn names(&self) -> Vec<String> {
        let mut archive = layer::Archive::new(std::io::Cursor::new(self.tar()));
        let mut names = Vec::new();
        while let Some(entry) = archive.next_entry().expect("a header") {
            names.push(entry.shown());
        }
        names
    }

    fn changes(&self) -> Vec<String> {
        let lower = File::open(self.path("lower")).expect("the lower");
        let root = File::open(self.path("upper")).expect("the upper");
        let changes = changes(root, &upper(&[lower.as_fd()]), Ownership::AsRecorded).expect("changes");
        told(&changes)
    }
}

/// As a container's upper is read that had something mounted at `mnt`.
fn upper<'a>(lowers: &'a [BorrowedFd<'a>]) -> Upper<'a> {
    static MOUNTS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| vec![b"mnt".to_vec()]);
    Upper { style: OverlayXattrs::Trusted, lowers, mounts: &MOUNTS }
}

fn told(changes: &[layer::Changed]) -> Vec<String> {
    let letter = |change: &Change| match change {
        Change::Added => 'A',
        Change::Changed => 'C',
        Change::Deleted => 'D',
    };
    changes.iter().map(|(path, change)| format!("{} {}", letter(change), String::from_utf8_lossy(path))).collect()
}

const LOWER: &str = "mkdir -p d/sub e; touch d/a d/b d/sub/c e/x f; ln f g";
const CHANGES: &str =
    "rm d/a; rm -r e; mkdir e; touch e/new; mkdir n; touch n/y; echo 1 >> d/b; rm f; mkdir gone; rmdir gone; mkdir -p mnt/in;
    mkdir mount; touch d/sub/z; rm d/sub/z";

#[test]
fn what_an_overlay_hides_becomes_whiteouts_and_nothing_else_does() {
    requires!(root);
    let names = Overlay::new(LOWER, CHANGES).names();
    assert_eq!(
        names,
        ["./", "d/", "d/.wh.a", "d/b", "d/sub/", "e/", "e/.wh..wh..opq", "e/new", ".wh.f", "mount/", "n/", "n/y"],
        "as docker's archiver names them (docs of the image specification, layer.md)"
    );
}

#[test]
fn a_packed_upper_shows_over_the_same_lower_what_the_overlay_showed() {
    requires!(root, package = "python3");
    let overlay = Overlay::new(LOWER, &format!("{CHANGES}; rm -r mnt; cp -a . ../seen"));
    let lower = File::open(overlay.path("lower")).expect("the lower");
    let again = applied(&overlay.tar(), &Options { lowers: &[lower.as_fd()], ..options() });
    let script = format!("mount -t overlay o -o lowerdir={}:lower merged; cp -a merged again", again.path().display());
    let run = Command::new("unshare").args(["-m", "sh", "-ec", &script]).current_dir(overlay.dir.path()).status();
    assert!(run.expect("unshare").success());
    assert_eq!(listing(&overlay.path("again")), listing(&overlay.path("seen")));
}

#[test]
fn changes_are_told_as_docker_tells_them() {
    requires!(root);
    let changes = Overlay::new(LOWER, CHANGES).changes();
    assert_eq!(changes, ["C /d", "D /d/a", "C /d/b", "C /e", "A /e/new", "D /f", "A /mount", "A /n", "A /n/y"]);
}

#[test]
fn two_trees_differ_by_what_was_done_to_one() {
    requires!(root);
    let dir = tempfile::tempdir().expect("a directory");
    sh(
        dir.path(),
        &format!("mkdir old; cd old; {LOWER}; mkdir same; touch same/s; cd ..; cp -a old new; cd new; {CHANGES}"),
    );
    let open = |name: &str| File::open(dir.path().join(name)).expect("a tree");
    let changes = told(&differences(open("old"), open("new")).expect("differences"));
    assert_eq!(
        changes,
        [
            "C /d",
            "D /d/a",
            "C /d/b",
            "C /e",
            "A /e/new",
            "D /e/x",
            "D /f",
            "A /mnt",
            "A /mnt/in",
            "A /mount",
            "A /n",
            "A /n/y"
        ]
    );
}

#[test]
fn owners_are_mapped_back() {
    requires!(root);
    let tree = tempfile::tempdir().expect("a directory");
    fs::write(tree.path().join("file"), "x").expect("a file");
    for path in [tree.path().to_owned(), tree.path().join("file")] {
        chown(path, Some(500_007), Some(500_000)).expect("chown");
    }
    let back = [IdMapping { container_id: 500_000, host_id: 0, size: 1000 }];
    let mut tar = Vec::new();
    let ownership = Ownership::Mapped { uids: &back, gids: &back };
    pack(File::open(tree.path()).expect("a tree"), Packed::Whole, ownership, &mut tar).expect("packed");
    let again = applied(&tar, &options());
    assert_eq!(sh(again.path(), "stat -c '%u %g' file"), "7 0\n");
    chown(tree.path().join("file"), Some(1), Some(1)).expect("chown");
    let refused = pack(File::open(tree.path()).expect("a tree"), Packed::Whole, ownership, &mut Vec::new());
    assert!(refused.expect_err("an owner of nobody's").to_string().contains("file"));
}

#[test]
fn a_tree_deeper_than_fds_can_be_held_is_packed() {
    requires!(root);
    let tree = tempfile::tempdir().expect("a directory");
    let path = "d/".repeat(300);
    fs::create_dir_all(tree.path().join(&path)).expect("mkdir");
    fs::write(tree.path().join(path).join("f"), "deep").expect("a file");
    let tar = packed(tree.path(), Packed::Whole);
    let again = applied(&tar, &options());
    assert_eq!(packed(again.path(), Packed::Whole), tar);
}

/// Something done to a tree, at one of a few paths so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Directory(u32),
    File(Vec<u8>, u32),
    Link(String),
    HardLink(usize),
    Remove,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        (0..0o1000u32).prop_map(|mode| Step::Directory(mode | 0o700)),
        (proptest::collection::vec(any::<u8>(), 0..2000), 0..0o7777u32).prop_map(|(data, mode)| Step::File(data, mode)),
        "[a-z./]{1,120}".prop_map(Step::Link),
        (0..PATHS.len()).prop_map(Step::HardLink),
        Just(Step::Remove),
    ];
    proptest::collection::vec((0..PATHS.len(), step), 0..30)
}

const PATHS: [&str; 8] = ["a", "b", "a/c", "a/d", "a/c/e", "b/f", "b/\u{e9}", "b/f/.whx"];

fn make(root: &Path, steps: &[(usize, Step)]) {
    for (at, step) in steps {
        let path = root.join(PATHS[*at]);
        // What is in the way of a step makes it nothing; what matters is that trees of all kinds come about.
        let _ = match step {
            Step::Directory(mode) => {
                fs::create_dir(&path).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode)))
            }
            Step::File(data, mode) => fs::symlink_metadata(&path).map_or_else(
                |_| fs::write(&path, data).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode))),
                |_| Ok(()),
            ),
            Step::Link(target) => symlink(target, &path),
            Step::HardLink(other) => fs::hard_link(root.join(PATHS[*other]), &path),
            Step::Remove => fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 40 } else { 400 }))]

    #[test]
    fn any_tree_comes_back(steps in steps()) {
        if testkit::requires::root().is_err() {
            return Ok(());
        }
        let tree = tempfile::tempdir().expect("a directory");
        make(tree.path(), &steps);
        let tar = packed(tree.path(), Packed::Whole);
        let again = applied(&tar, &options());
        let find = "find . \\( -type d -printf '%p %y %m %U %G %T@\\n' \\) -o -printf '%p %y %m %U %G %s %T@ %l %n\\n' | sort";
        prop_assert_eq!(sh(again.path(), find), sh(tree.path(), find));
        prop_assert_eq!(packed(again.path(), Packed::Whole), tar);
    }
}
