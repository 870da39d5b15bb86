//! Somebody who shares the root or a volume and swaps names while the start goes on: CVE-2021-30465, CVE-2024-45310,
//! CVE-2025-31133.

use crate::bundle::{Bait, Bundle};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use testkit::requires;

/// How many starts a race gets; `cargo xtask proof` asks for many.
pub fn starts() -> usize {
    if std::env::var_os("CORACLE_LONG").is_some() { 10_000 } else { 100 }
}

/// Exchanges pairs of names, over and over.
pub struct Racer {
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Racer {
    pub fn new(pairs: Vec<(PathBuf, PathBuf)>) -> Self {
        let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (seen, count) = (Arc::clone(&stop), Arc::clone(&turns));
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                for (one, other) in &pairs {
                    let _ = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, turns, thread: Some(thread) }
    }

    /// Ends it; how often it has turned.
    pub fn turns(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
        self.turns.load(Ordering::Relaxed)
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn cve_2021_30465_a_destination_that_turns_into_a_link_never_shows_the_host() {
    requires!(root, busybox);
    let mut bundle =
        Bundle::script("ls /vol/dir /vol/link /mnt 2>/dev/null; cat /vol/dir/file /bait/file 2>/dev/null; true");
    let bait = Bait::new(&bundle);
    let vol = bundle.sandbox.join("vol");
    fs::create_dir_all(vol.join("dir")).unwrap();
    symlink("/", vol.join("link")).unwrap();
    fs::create_dir_all(vol.join("dir2/sub")).unwrap();
    symlink(bait.path(), vol.join("link2")).unwrap();
    bundle.mount("bind", &vol, "/vol", &["rbind"]).mount("tmpfs", "tmpfs", "/vol/dir", &[]);
    bundle.mount("tmpfs", "tmpfs", "/vol/dir2/sub/new", &[]);
    let host: Vec<String> =
        fs::read_dir("/").unwrap().flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let unlike: Vec<&String> = host.iter().filter(|name| !bundle.rootfs.inside(name).exists()).collect();
    let racer = Racer::new(vec![(vol.join("dir"), vol.join("link")), (vol.join("dir2"), vol.join("link2"))]);
    let mut started = 0;
    for _ in 0..starts() {
        let outcome = bundle.invocation().run();
        started += usize::from(outcome.exit_code() == Some(0));
        for name in &unlike {
            assert!(!outcome.stdout.lines().any(|line| line == name.as_str()), "{name}: {outcome}");
        }
        outcome.stdout_lacks("the host's own");
    }
    bait.assert_untouched();
    assert!(racer.turns() > 100, "the race was one");
    assert!(started > 0, "some starts won");
}

#[test]
fn cve_2024_45310_names_that_are_made_never_land_on_the_host() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    let bait = Bait::new(&bundle);
    let vol = bundle.sandbox.join("vol");
    fs::create_dir_all(vol.join("a/b")).unwrap();
    symlink(bait.path(), vol.join("x")).unwrap();
    fs::create_dir_all(vol.join("c")).unwrap();
    symlink(format!("../../../../../..{}", bait.path().display()), vol.join("y")).unwrap();
    let file = bundle.sandbox.file("source", "");
    bundle.mount("bind", &vol, "/vol", &["rbind"]);
    for n in 0..8 {
        bundle.mount("bind", &file, &format!("/vol/a/b/c{n}/d/file"), &["bind"]);
        bundle.mount("tmpfs", "tmpfs", &format!("/vol/c/dir{n}/deep"), &[]);
    }
    bundle.set("/linux/devices", json!([{ "type": "c", "path": "/vol/c/node", "major": 1, "minor": 5 }]));
    let racer = Racer::new(vec![(vol.join("a"), vol.join("x")), (vol.join("c"), vol.join("y"))]);
    for _ in 0..starts() {
        bundle.invocation().run();
        for name in ["a", "c", "x", "y"] {
            for n in 0..8 {
                let _ = fs::remove_dir_all(vol.join(format!("{name}/dir{n}")));
                let _ = fs::remove_dir_all(vol.join(format!("{name}/b/c{n}")));
            }
            let _ = fs::remove_file(vol.join(name).join("node"));
        }
    }
    bait.assert_untouched();
    assert!(racer.turns() > 100, "the race was one");
}

#[test]
fn cve_2025_31133_nodes_of_a_raced_dev_never_touch_the_host() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    let bait = Bait::new(&bundle);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let dev = bundle.rootfs.inside("dev");
    // Each node is now the right one, now a link to the host's; and /dev itself now a directory, now a link.
    for (name, minor) in [("null", "3"), ("zero", "5")] {
        testkit::Invocation::new("mknod").args(["-m", "600"]).arg(dev.join(name)).args(["c", "1", minor]).ok();
    }
    symlink(bait.path().join("file"), dev.join("null.x")).unwrap();
    symlink("/proc/sys/kernel/core_pattern", dev.join("zero.x")).unwrap();
    symlink(bait.path(), bundle.rootfs.inside("dev.x")).unwrap();
    let mut devices = vec![];
    for (name, minor) in [("null", 3), ("zero", 5)] {
        let path = format!("/dev/{name}");
        devices.push(
            json!({ "type": "c", "path": path, "major": 1, "minor": minor, "fileMode": 0o777, "uid": 77, "gid": 77 }),
        );
    }
    bundle.set("/linux/devices", json!(devices));
    let racer = Racer::new(vec![
        (dev.join("null"), dev.join("null.x")),
        (dev.join("zero"), dev.join("zero.x")),
        (dev.clone(), bundle.rootfs.inside("dev.x")),
    ]);
    for _ in 0..starts() {
        bundle.invocation().run();
    }
    assert!(racer.turns() > 100, "the race was one");
    bait.assert_untouched();
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), pattern);
}

#[test]
fn cve_2025_31133_a_node_that_turns_into_a_link_keeps_its_target_as_it_is() {
    requires!(root, busybox);
    // One pair alone, so that it turns as often as can be between our look at it and what we do to it.
    let mut bundle = Bundle::new();
    let bait = Bait::new(&bundle);
    let dir = bundle.rootfs.inside("raced");
    fs::create_dir(&dir).unwrap();
    testkit::Invocation::new("mknod").args(["-m", "600"]).arg(dir.join("node")).args(["c", "1", "5"]).ok();
    symlink(bait.path().join("file"), dir.join("link")).unwrap();
    let racer = Racer::new(vec![(dir.join("node"), dir.join("link"))]);
    for turn in 0..starts() {
        // Another mode and owner each time, or there would be nothing to change.
        let (mode, uid) = if turn % 2 == 0 { (0o777, 77) } else { (0o666, 78) };
        let device = json!({ "type": "c", "path": "/raced/node", "major": 1, "minor": 5, "fileMode": mode, "uid": uid, "gid": uid });
        bundle.set("/linux/devices", json!([device]));
        bundle.invocation().run();
    }
    assert!(racer.turns() > 100, "the race was one");
    bait.assert_untouched();
}

#[test]
fn cve_2025_52565_a_terminal_of_a_raced_devpts_is_its_own_or_none() {
    requires!(root, busybox);
    // The image's /dev, in which both the devpts and the console are now what they should be, now links to the host.
    let mut bundle =
        Bundle::script("stat -c %t:%T /dev/console; stat -c %t:%T $(tty); cat /dev/console.seen 2>/dev/null");
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle.mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"]);
    bundle.set("/process/terminal", true);
    let bait = Bait::new(&bundle);
    let dev = bundle.rootfs.inside("dev");
    fs::create_dir(dev.join("pts")).unwrap();
    fs::write(dev.join("console"), "").unwrap();
    symlink("/dev/pts", dev.join("pts.x")).unwrap();
    symlink(bait.path().join("file"), dev.join("console.x")).unwrap();
    symlink(bait.path(), bundle.rootfs.inside("dev.x")).unwrap();
    let racer = Racer::new(vec![
        (dev.join("pts"), dev.join("pts.x")),
        (dev.join("console"), dev.join("console.x")),
        (dev.clone(), bundle.rootfs.inside("dev.x")),
    ]);
    let before = mounts();
    let mut started = 0;
    for _ in 0..starts() {
        let outcome = bundle.invocation().run();
        started += usize::from(outcome.exit_code() == Some(0));
        outcome.stdout_lacks("the host's own");
    }
    assert!(racer.turns() > 100, "the race was one");
    bait.assert_untouched();
    assert_eq!(mounts(), before, "nothing was mounted on the host");
    println!("{started} of {} started", starts());
}

/// What stands at /dev of the host.
fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter(|line| line.contains(" /dev")).map(str::to_owned).collect()
}

#[test]
fn cve_2025_52881_a_sysctl_that_is_mounted_over_meanwhile_is_never_another_one() {
    requires!(root, busybox);
    // Somebody with the caller's mounts puts another parameter over the one that is written, and takes it away again.
    let pattern = || fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let before = pattern();
    let mut bundle = Bundle::script("cat /proc/sys/kernel/domainname");
    bundle.set("/linux/sysctl", json!({ "kernel.domainname": "raced" }));
    let line = bundle.invocation().line();
    let script = format!(
        "( while :; do mount --bind /proc/sys/kernel/core_pattern /proc/sys/kernel/domainname
             umount /proc/sys/kernel/domainname; echo turn >> {0}/turns; done ) & racer=$!
        i=0; while [ $i -lt {1} ]; do i=$((i+1)); {line}; done; kill $racer; wait",
        bundle.sandbox.path().display(),
        starts() / 2
    );
    let outcome = testkit::Invocation::new("unshare").args(["--mount", "sh", "-c", &script]).run();
    assert_eq!(pattern(), before, "{outcome}");
    assert!(outcome.lines().iter().all(|line| *line == "raced"), "{outcome}");
    let turns = fs::read_to_string(bundle.sandbox.join("turns")).unwrap().lines().count();
    assert!(turns > 20, "the race was one");
}

#[test]
fn masks_on_a_raced_path_hide_or_refuse_and_never_hide_something_of_the_hosts() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /vol/secret/key 2>/dev/null; true");
    let bait = Bait::new(&bundle);
    let vol = bundle.sandbox.join("vol");
    fs::create_dir_all(vol.join("secret")).unwrap();
    fs::write(vol.join("secret/key"), "hidden").unwrap();
    symlink(bait.path(), vol.join("other")).unwrap();
    bundle.mount("bind", &vol, "/vol", &["rbind"]);
    bundle.push("/linux/maskedPaths", json!("/vol/secret/key")).push("/linux/readonlyPaths", json!("/vol/secret"));
    let racer = Racer::new(vec![(vol.join("secret"), vol.join("other"))]);
    for _ in 0..starts() / 2 {
        bundle.invocation().run().stdout_lacks("the host's own");
    }
    assert!(racer.turns() > 100, "the race was one");
    bait.assert_untouched();
}
