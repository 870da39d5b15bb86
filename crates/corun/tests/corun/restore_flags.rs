//! What else flags of `checkpoint` and `restore` do: cgroups, terminals, labels, and what a criu does not know.

use crate::bundle::Bundle;
use crate::counting::{COUNTS, Counting, SOON, criu, criu_with, knows};
use crate::lifecycle_sockets::{reads, received, types};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use testkit::{Pty, requires, within};

#[test]
fn it_is_in_its_cgroup_however_criu_treats_cgroups() {
    requires!(root, busybox, cgroups, that = criu());
    let counting = Counting::new();
    let memberships = || fs::read_to_string(format!("/proc/{}/cgroup", counting.pid())).unwrap();
    let before = memberships();
    assert!(before.contains(&counting.bundle.id));
    for mode in ["soft", "full", "ignore"] {
        let mode = ["--manage-cgroups-mode", mode];
        counting.again(&mode, &mode);
        assert_eq!(memberships(), before, "{mode:?}");
    }
    // It has been made already, as runc does: what strict forbids.
    counting.checkpoint(&["--manage-cgroups-mode", "strict"]).code(0);
    let strict = counting.corun("restore", &["--detach", "--manage-cgroups-mode", "strict"]);
    counting.quiet(strict).run().code(1);
    assert!(counting.errors().contains("existing cgroups"), "{}", counting.errors());
    counting.restore(&[]);
    assert_eq!(memberships(), before);
}

#[test]
fn its_network_is_left_to_others() {
    requires!(root, busybox, cgroups, that = criu());
    let mut bundle = Bundle::script(&format!("ip addr add 192.0.2.1/24 dev lo; {COUNTS}"));
    bundle.capabilities(&["CAP_NET_ADMIN"]);
    let counting = Counting::of(bundle);
    assert!(counting.says("ip -4 -o addr").contains("192.0.2.1"));
    counting.again(&["--empty-ns", "network"], &["--empty-ns", "network", "--no-pivot", "--no-subreaper"]);
    assert_eq!(counting.says("ip -4 -o addr; ls /sys/class/net"), "lo\n");
}

#[test]
fn the_terminal_comes_through_a_socket_again() {
    requires!(root, busybox, cgroups, that = criu());
    let mut bundle = Bundle::script(&format!("({COUNTS}) & while read line; do echo got $line; done"));
    bundle.set("/process/terminal", true);
    let path = bundle.sandbox.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = ["--console-socket", &path.to_string_lossy()];
    let counting = Counting::with(bundle, &socket);
    let (bytes, fds) = received(&listener);
    let first = types(&bytes, fds);
    counting.again(&[], &socket);
    drop(first);
    let (bytes, fds) = received(&listener);
    let mut second = types(&bytes, fds);
    std::io::Write::write_all(&mut second, b"word\r").unwrap();
    reads(&mut second, "got word");
}

#[test]
fn a_terminal_of_somebody_elses_is_that_of_the_restore_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, that = criu(), that = knows((4, 0)));
    let bundle = Bundle::script(&format!("({COUNTS}) & while read line; do echo got $line; done"));
    let counting = Counting::planned(bundle);
    // A shell job: it has the terminal in which its command was typed, which 3.17 looks for among its mounts.
    let typed = |verb: &str, options: &[&str]| {
        let command = counting.corun(verb, options).under(["sh", "-c", "\"$@\"; echo ended $?; exec sleep 600", "sh"]);
        let mut pty = Pty::spawn(&command.timeout(2 * SOON));
        pty.expect("ended 0");
        pty
    };
    let answers = |pty: &mut Pty| {
        pty.send("word\r");
        pty.expect("got word");
    };
    let mut first = typed("run", &["--detach"]);
    answers(&mut first);
    counting.checkpoint(&[]).code(1).stderr_contains("/dev/pts/");
    counting.checkpoint(&["--shell-job"]).code(0);
    drop(first);
    let last = counting.count();
    let mut second = typed("restore", &["--detach", "--shell-job"]);
    answers(&mut second);
    assert!(within(SOON, || counting.count() > last + 2), "it goes on from {last}");
}

#[test]
fn pages_that_are_there_twice_are_kept_once_if_that_is_asked_for() {
    requires!(root, busybox, cgroups, that = criu_with("mem_dirty_track"));
    let counting = Counting::new();
    let held = |dir: &str| fs::metadata(counting.bundle.dir().join(dir).join("pages-1.img")).unwrap().blocks();
    counting.checkpoint(&["--pre-dump", "--image-path", "before"]).code(0);
    let all = held("before");
    let last = counting.count();
    assert!(within(SOON, || counting.count() > last), "its memory changes");
    counting.checkpoint(&["--image-path", "after", "--parent-path", "../before", "--auto-dedup"]).code(0);
    assert!(held("before") < all, "{} of {all}", held("before"));
    let written = held("after");
    counting.restore(&["--image-path", "after", "--auto-dedup"]);
    assert!(held("after") < written, "{} of {written}", held("after"));
}

#[test]
fn a_label_for_mounts_changes_nothing_where_no_mount_has_one() {
    requires!(root, busybox, cgroups, that = criu());
    Counting::new().again(&[], &["--lsm-mount-context", "system_u:object_r:container_file_t:s0:c1,c2"]);
}

#[test]
fn a_profile_that_this_kernel_has_not_is_refused() {
    requires!(root, busybox, cgroups, that = criu(), that = knows((4, 0)), that = without_apparmor());
    let counting = Counting::new();
    counting.checkpoint(&[]).code(0);
    counting.quiet(counting.corun("restore", &["--detach", "--lsm-profile", "apparmor:none-of-ours"])).run().code(1);
    assert!(counting.errors().contains("apparmor"), "{}", counting.errors());
    assert!(!counting.errors().contains("tun.c"), "{}", counting.errors());
}

fn without_apparmor() -> testkit::requires::Need {
    let there = std::path::Path::new("/sys/kernel/security/apparmor").exists();
    if there { Err("a kernel without AppArmor".to_owned()) } else { Ok(()) }
}

#[test]
fn what_a_criu_does_not_know_is_refused_with_its_version() {
    requires!(root, busybox, cgroups, package = "criu", that = older_than_skip());
    let counting = Counting::new();
    let outcome = counting.checkpoint(&["--network-lock", "skip"]);
    outcome.code(1).stderr_contains("criu 3.").stderr_contains("does not know --network-lock skip, criu 3.19 does");
    counting.corun("state", &[]).ok().stdout_contains("\"running\"");
}

fn older_than_skip() -> testkit::requires::Need {
    if knows((3, 19)).is_ok() { Err("a criu older than 3.19".to_owned()) } else { Ok(()) }
}
