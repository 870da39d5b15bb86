//! The root: pivoted to, the old one gone, writable or not.

use crate::bundle::Bundle;
use testkit::requires;

#[test]
fn it_is_the_bundles_and_the_old_one_is_gone() {
    requires!(root, busybox);
    let bundle = Bundle::script("cat /mark; cd /; ls -d ..; cat /proc/self/mountinfo");
    bundle.rootfs.file("mark", "this one\n");
    let outcome = bundle.ok();
    outcome.stdout_contains("this one");
    let mounts: Vec<&str> = outcome.lines().into_iter().filter(|line| line.contains(" - ")).collect();
    assert!(!mounts.iter().any(|line| line.split(' ').nth(4).is_some_and(|at| at.contains("old"))));
    let known = ["/", "/proc", "/dev", "/sys"];
    for line in &mounts {
        let at = line.split(' ').nth(4).unwrap();
        assert!(known.iter().any(|top| at == *top || at.starts_with(&format!("{top}/"))), "{line}");
        assert_eq!(mounts.iter().filter(|other| other.split(' ').nth(4) == Some("/")).count(), 1);
    }
}

#[test]
fn chroot_does_not_lead_out() {
    requires!(root, busybox);
    // The classic: a chroot below the current directory, then up and up.
    let bundle = Bundle::script("mkdir -p /x; cd /; chroot /x /busybox sh -c 'cd ../../../../../../..; echo *'");
    std::fs::create_dir(bundle.rootfs.inside("x")).unwrap();
    std::fs::copy(bundle.rootfs.inside("bin/busybox"), bundle.rootfs.inside("x/busybox")).unwrap();
    bundle.ok().stdout_is("busybox\n");
}

#[test]
fn the_hosts_mounts_are_the_same_afterwards() {
    requires!(root, busybox);
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let bundle = Bundle::script("mount -t tmpfs x /mnt; mount --make-rshared /");
    let mut bundle = bundle;
    bundle.capabilities(&["CAP_SYS_ADMIN"]);
    let before = mounts();
    bundle.ok();
    assert_eq!(mounts(), before);
}

#[test]
fn a_read_only_root_is_one() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("touch /x; touch /dev/x && echo dev is writable");
    bundle.set("/root/readonly", true);
    let outcome = bundle.ok();
    outcome.stdout_is("dev is writable\n").stderr_contains("Read-only file system");
    assert!(!bundle.rootfs.inside("x").exists());
}

#[test]
fn a_writable_root_keeps_what_was_written() {
    requires!(root, busybox);
    let bundle = Bundle::script("echo here > /x");
    bundle.ok();
    assert_eq!(std::fs::read_to_string(bundle.rootfs.inside("x")).unwrap(), "here\n");
}

#[test]
fn its_path_may_be_absolute() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /mark");
    bundle.rootfs.file("mark", "absolute\n");
    let path = bundle.rootfs.path().to_string_lossy().into_owned();
    bundle.set("/root/path", path);
    bundle.ok().stdout_is("absolute\n");
}

#[test]
fn proc_is_its_own() {
    requires!(root, busybox);
    let bundle = Bundle::script("readlink /proc/self; cat /proc/sys/kernel/hostname; grep -c . /proc/self/mountinfo");
    let outcome = bundle.ok();
    let lines = outcome.lines();
    assert!(lines[0].parse::<u32>().unwrap() < 10);
    assert_eq!(lines[1], "box");
}
