//! Mounts of all kinds, with their options.

use crate::bundle::{Bundle, CLEARING};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use testkit::{Invocation, Leavings, Outcome, requires};

#[test]
fn a_bind_shows_the_hosts_files_and_changes_go_both_ways() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /vol/in; echo back > /vol/out");
    let file = bundle.sandbox.file("vol/in", "hello\n");
    bundle.mount("bind", file.parent().unwrap(), "/vol", &["bind"]);
    bundle.ok().stdout_is("hello\n");
    assert_eq!(fs::read_to_string(bundle.sandbox.join("vol/out")).unwrap(), "back\n");
}

#[test]
fn a_file_is_bound_over_a_file_and_over_nothing() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /etc/passwd /new/deep/file");
    let file = bundle.sandbox.file("one", "one line\n");
    bundle.mount("bind", &file, "/etc/passwd", &["bind"]).mount("bind", &file, "/new/deep/file", &["bind"]);
    bundle.ok().stdout_is("one line\none line\n");
}

#[test]
fn a_destination_goes_through_links_that_stay_inside() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /run/resolv.conf");
    symlink("../run/resolv.conf", bundle.rootfs.inside("etc/resolv.conf")).unwrap();
    let file = bundle.sandbox.file("resolv.conf", "nameserver 192.0.2.1\n");
    bundle.mount("bind", file, "/etc/resolv.conf", &["bind", "ro"]);
    bundle.ok().stdout_is("nameserver 192.0.2.1\n");
}

#[test]
fn read_only_nosuid_nodev_noexec_and_nosymfollow_hold() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("touch /vol/x; /vol/run; cat /vol/link; grep ' /vol ' /proc/self/mountinfo");
    let run = bundle.sandbox.file("vol/run", "#!/bin/sh\necho it ran\n");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run", bundle.sandbox.join("vol/link")).unwrap();
    bundle.mount("bind", run.parent().unwrap(), "/vol", &["bind", "ro", "nosuid", "nodev", "noexec", "nosymfollow"]);
    let outcome = bundle.ok();
    outcome.stderr_contains("Read-only file system").stderr_contains("Permission denied").stdout_lacks("it ran");
    outcome.stdout_contains("ro,nosuid,nodev,noexec").stdout_contains("nosymfollow");
}

#[test]
fn the_access_time_modes_are_the_kernels() {
    requires!(root, busybox);
    for (word, shown) in
        [("noatime", "noatime"), ("strictatime", ""), ("relatime", "relatime"), ("nodiratime", "nodiratime")]
    {
        let mut bundle = Bundle::script("grep ' /vol ' /proc/self/mountinfo | cut -d' ' -f6");
        bundle.mount("tmpfs", "tmpfs", "/vol", &[word]);
        let outcome = bundle.ok();
        let words: Vec<&str> = outcome.stdout.trim().split(',').collect();
        let atime: Vec<&str> = words.iter().copied().filter(|word| word.ends_with("time")).collect();
        assert_eq!(atime.contains(&shown), !shown.is_empty(), "{word}: {words:?}");
        if shown.is_empty() {
            assert!(atime.is_empty(), "{word}: {words:?}");
        }
    }
}

/// A directory of the host with another file system mounted in it.
fn tree(bundle: &Bundle) -> std::path::PathBuf {
    let top = bundle.sandbox.join("tree");
    fs::create_dir_all(top.join("sub")).unwrap();
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(top.join("sub")).ok();
    fs::write(top.join("sub/file"), "below\n").unwrap();
    top
}

/// What a bind mount of a directory that is mounted with `source`'s attributes has of its own with `options`; with a user
/// namespace, too, if the container has one.
fn bound(source: &str, options: &[&str], user: bool) -> Outcome {
    let mut bundle = Bundle::script("grep ' /vol ' /proc/self/mountinfo | cut -d' ' -f6");
    let dir = bundle.sandbox.join("source");
    fs::create_dir(&dir).unwrap();
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&dir).ok();
    Invocation::new("mount").args(["-o", &format!("remount,bind,{source}")]).arg(&dir).ok();
    bundle.mount("bind", &dir, "/vol", options);
    if user {
        bundle.user_namespace();
    }
    bundle.run()
}

#[test]
fn a_bind_has_what_its_source_has_or_what_it_is_asked_for() {
    requires!(root, busybox);
    for (source, options, expected) in [
        ("ro,noexec,nosymfollow", "bind", "ro,noexec,relatime,nosymfollow"),
        ("ro,noexec,nosymfollow", "bind,rprivate,defaults", "ro,noexec,relatime,nosymfollow"),
        ("ro,noexec,nosymfollow", "bind,dev", "rw,relatime"),
        ("nosuid,nodev,noatime", "bind,ro,exec", "ro,noatime"),
        ("noatime", "bind,atime", "rw,noatime"),
        ("noatime", "bind,relatime", "rw,relatime"),
        ("noatime", "bind,nodiratime", "rw,nodiratime,relatime"),
        ("nodiratime", "bind,strictatime", "rw"),
        ("nodiratime", "bind,diratime", "rw,nodiratime,relatime"),
    ] {
        let options: Vec<&str> = options.split(',').collect();
        let outcome = bound(source, &options, false);
        assert_eq!(outcome.code(0).stdout.trim(), expected, "{source}: {options:?}");
    }
}

#[test]
fn in_a_user_namespace_a_bind_keeps_what_its_source_has_and_does_not_take_it_away() {
    requires!(root, busybox);
    for (source, options, expected) in [
        ("ro,noexec,nosymfollow", "bind,dev", "ro,noexec,relatime"),
        ("nosuid,nodev,noatime", "bind,ro,exec", "ro,nosuid,nodev,noatime"),
        ("nodev", "bind,rw", "rw,nodev,relatime"),
    ] {
        let options: Vec<&str> = options.split(',').collect();
        let outcome = bound(source, &options, true);
        assert_eq!(outcome.code(0).stdout.trim(), expected, "{source}: {options:?}");
    }
    for (source, option) in [("ro", "rw"), ("nosuid", "suid"), ("noatime", "relatime")] {
        let outcome = bound(source, &["bind", option], true);
        outcome.code(1).stderr_contains("error mounting").stderr_contains("operation not permitted");
    }
}

#[test]
fn rbind_takes_what_is_mounted_below_and_bind_does_not() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /one/sub/file; cat /all/sub/file");
    let top = tree(&bundle);
    bundle.mount("bind", &top, "/one", &["bind"]).mount("bind", &top, "/all", &["rbind"]);
    let outcome = bundle.invocation().run();
    outcome.code(0).stdout_is("below\n").stderr_contains("/one/sub/file");
}

#[test]
fn recursive_read_only_reaches_what_is_mounted_below() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("touch /top/sub/x && echo top; touch /whole/sub/x && echo whole");
    let top = tree(&bundle);
    bundle.mount("bind", &top, "/top", &["rbind", "ro"]).mount("bind", &top, "/whole", &["rbind", "rro"]);
    let outcome = bundle.invocation().run();
    outcome.stdout_is("top\n").stderr_contains("/whole/sub/x: Read-only file system");
}

#[test]
fn a_tmpfs_has_its_size_and_mode() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("stat -c %a /vol; dd if=/dev/zero of=/vol/x bs=1M count=2");
    bundle.mount("tmpfs", "tmpfs", "/vol", &["size=1m", "mode=1711", "nodev"]);
    bundle.run().code(1).stdout_is("1711\n").stderr_contains("No space left on device");
    assert!(bundle.rootfs.inside("vol").is_dir());
    assert!(!bundle.rootfs.inside("vol/x").exists());
}

#[test]
fn a_tmpfs_takes_its_mode_from_what_it_covers_as_an_option() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("stat -c %a /vol; grep ' /vol ' /proc/self/mounts");
    bundle.rootfs.file("vol/x", "").mode("vol", 0o1710);
    bundle.mount("tmpfs", "tmpfs", "/vol", &["ro", "nodev"]);
    bundle.ok().stdout_contains("1710\n").stdout_contains("mode=1710");
}

#[test]
fn destinations_are_the_roots_however_they_are_written() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /vol/file /other/file");
    let file = bundle.sandbox.file("src/file", "there\n");
    let (from, inside) = (file.parent().unwrap().to_owned(), bundle.rootfs.inside("other"));
    bundle.mount("bind", &from, "vol", &["bind"]).mount("bind", &from, &inside.to_string_lossy(), &["bind"]);
    bundle.ok().stdout_is("there\nthere\n").stderr_contains("mount destination vol is not absolute");
}

#[test]
fn a_source_in_the_root_has_what_earlier_mounts_brought_there() {
    requires!(root, busybox);
    let ways = [(false, "rbind"), (true, "rbind"), (true, "rbind,idmap")];
    for (user, options) in ways.into_iter().take(if mapped_ids().is_ok() { 3 } else { 2 }) {
        let mut bundle = Bundle::script("cat /copy/file /copy/sub/file; stat -c %u /copy/file");
        let file = bundle.sandbox.file("one/file", "one\n");
        let below = bundle.sandbox.file("two/file", "two\n");
        bundle.sandbox.file("one/sub/covered", "");
        let inside = bundle.rootfs.inside("vol");
        let options: Vec<&str> = options.split(',').collect();
        bundle.mount("bind", file.parent().unwrap(), "/vol", &["bind"]);
        bundle.mount("bind", below.parent().unwrap(), "/vol/sub", &["bind"]);
        bundle.mount("bind", &inside, "/copy", &options);
        if user {
            bundle.user_namespace();
        }
        let owner = match (user, options.len()) {
            (true, 1) => "65534",
            _ => "0",
        };
        bundle.ok().stdout_is(&format!("one\ntwo\n{owner}\n"));
    }
}

#[test]
fn later_mounts_stand_on_earlier_ones() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /vol/sub/file; ls /vol");
    let file = bundle.sandbox.file("src/file", "on top\n");
    bundle.mount("tmpfs", "tmpfs", "/vol", &[]).mount("bind", file.parent().unwrap(), "/vol/sub", &["bind"]);
    bundle.ok().stdout_is("on top\nsub\n");
}

#[test]
fn new_file_systems_are_listed_in_the_order_of_the_configuration() {
    requires!(root, busybox);
    for user in [false, true] {
        let mut bundle = Bundle::script("cut -d' ' -f5 /proc/self/mountinfo");
        if user {
            bundle.user_namespace();
        }
        let mounts = bundle.spec["mounts"].as_array().unwrap();
        let wanted: Vec<&str> = mounts.iter().map(|mount| mount["destination"].as_str().unwrap()).collect();
        assert!(wanted.starts_with(&["/proc", "/dev"]));
        let outcome = bundle.ok();
        let listed: Vec<&str> = outcome.lines().into_iter().filter(|at| wanted.contains(at)).collect();
        assert_eq!(listed, wanted, "user namespace: {user}");
    }
}

/// The file system of temporary files has mapped ids, which an overlay of a guest has not.
fn mapped_ids() -> Result<(), String> {
    const EXT4_XFS_BTRFS: [i64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];
    let kind = rustix::fs::statfs(std::env::temp_dir()).map_or(0, |stat| stat.f_type);
    if EXT4_XFS_BTRFS.contains(&kind) { Ok(()) } else { Err("ext4, XFS or Btrfs below /tmp".to_owned()) }
}

#[test]
fn an_idmapped_bind_keeps_owners_apart() {
    requires!(root, busybox, that = mapped_ids());
    let mut bundle = Bundle::script("stat -c %u:%g /vol/file; echo mine > /vol/new");
    bundle.user_namespace();
    let file = bundle.sandbox.file("vol/file", "");
    bundle.mount("bind", file.parent().unwrap(), "/vol", &["bind", "idmap"]);
    bundle.ok().stdout_is("0:0\n");
    assert_eq!(fs::metadata(bundle.sandbox.join("vol/new")).unwrap().uid(), 0);
}

#[test]
fn an_idmapped_bind_may_have_maps_of_its_own() {
    requires!(root, busybox, that = mapped_ids());
    let mut bundle = Bundle::script("stat -c %u:%g /vol/file");
    let file = bundle.sandbox.file("vol/file", "");
    std::os::unix::fs::chown(&file, Some(1000), Some(1000)).unwrap();
    let map = json!([{ "containerID": 1000, "hostID": 5000, "size": 1 }]);
    let source = file.parent().unwrap().to_string_lossy().into_owned();
    bundle.push(
        "/mounts",
        json!({
            "destination": "/vol", "type": "bind", "source": source, "options": ["bind", "idmap"],
            "uidMappings": map, "gidMappings": map
        }),
    );
    bundle.ok().stdout_is("5000:5000\n");
}

#[test]
fn ids_that_are_not_mapped_are_nobodys() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("stat -c %u /vol/file; echo x > /vol/file");
    bundle.user_namespace();
    let file = bundle.sandbox.file("vol/file", "");
    bundle.mount("bind", file.parent().unwrap(), "/vol", &["bind"]);
    bundle.run().code(1).stdout_is("65534\n").stderr_contains("Permission denied");
}

#[test]
fn mqueue_and_shm_are_its_own() {
    requires!(root, busybox);
    let outcome = Bundle::script("stat -f -c %T /dev/shm /dev/mqueue; stat -c %a /dev/shm; ls -A /dev/mqueue").ok();
    let lines = outcome.lines();
    assert_eq!((lines[0], lines[2]), ("tmpfs", "1777"));
    assert_eq!(lines.len(), 3, "no queue of the host's: {lines:?}");
}

#[test]
fn the_source_of_a_bind_is_relative_to_the_bundle() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("cat /vol/file");
    bundle.sandbox.file("bundle/data/file", "beside\n");
    bundle.mount("bind", "data", "/vol", &["bind"]);
    bundle.ok().stdout_is("beside\n");
}

#[test]
fn many_mounts_are_no_trouble() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep -c ' /many/' /proc/self/mountinfo");
    let dir = bundle.sandbox.file("src/file", "").parent().unwrap().to_owned();
    for i in 0..300 {
        bundle.mount("bind", &dir, &format!("/many/{i}"), &["rbind", "ro"]);
    }
    bundle.ok().stdout_is("300\n");
}

#[test]
fn a_start_that_fails_at_its_last_mount_leaves_nothing() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    let dir = bundle.sandbox.file("src/file", "").parent().unwrap().to_owned();
    bundle.mount("bind", dir, "/vol", &["rbind"]).mount("nosuchfs", "x", "/nosuch", &[]);
    let before = Leavings::count(&testkit::Scope::new().dir(bundle.sandbox.path()).cgroup(&bundle.id));
    bundle.run().code(1).stderr_contains("/nosuch").stderr_contains("/proc/filesystems");
    fs::remove_dir(bundle.rootfs.inside("vol")).unwrap();
    fs::remove_file(bundle.dir().join("config.json")).unwrap();
    before.assert_same(CLEARING);
}

#[test]
fn every_option_of_a_mount_is_taken_on_new_and_on_bound_file_systems() {
    requires!(root, busybox);
    let words = [
        "async",
        "sync",
        "dirsync",
        "lazytime",
        "nolazytime",
        "mand",
        "nomand",
        "iversion",
        "noiversion",
        "silent",
        "loud",
        "nosymfollow",
        "symfollow",
        "rnosymfollow",
        "rsymfollow",
        "rstrictatime",
        "rnostrictatime",
        "rro",
        "rrw",
    ];
    for word in words {
        let mut bundle = Bundle::new();
        let file = bundle.sandbox.file("vol/in", "");
        bundle.mount("tmpfs", "tmpfs", "/new", &[word]).mount(
            "bind",
            file.parent().unwrap(),
            "/bound",
            &["bind", word],
        );
        bundle.ok();
    }
    let mut bundle = Bundle::script("grep -E ' (/new|/lazy) ' /proc/self/mountinfo | sed 's/.* - //'");
    bundle.mount("tmpfs", "tmpfs", "/new", &["sync", "dirsync"]).mount("tmpfs", "tmpfs", "/lazy", &["lazytime"]);
    bundle.ok().stdout_contains("sync,dirsync").stdout_contains("lazytime");
    let mut bundle = Bundle::new();
    bundle.mount("tmpfs", "tmpfs", "/new", &["no-such-option"]);
    bundle.run().code(1).stderr_contains("/new");
}

#[test]
fn recursive_attributes_reach_what_is_mounted_below() {
    requires!(root, busybox);
    for (word, shown) in [
        ("rnosuid", "nosuid"),
        ("rnodev", "nodev"),
        ("rnoexec", "noexec"),
        ("rnodiratime", "nodiratime"),
        ("rnoatime", "noatime"),
        ("rnosymfollow", "nosymfollow"),
    ] {
        let mut bundle = Bundle::script("grep ' /vol/sub ' /proc/self/mountinfo | cut -d' ' -f6");
        let top = tree(&bundle);
        bundle.mount("bind", &top, "/vol", &["rbind", word]);
        let outcome = bundle.invocation().run();
        outcome.code(0);
        assert!(outcome.stdout.trim().split(',').any(|attribute| attribute == shown), "{word}: {outcome}");
    }
}

#[test]
fn a_new_file_system_may_have_mapped_ids() {
    requires!(root, busybox, kernel = (6, 3));
    let mut bundle = Bundle::script("stat -c %u:%g /vol");
    let map = json!([{ "containerID": 0, "hostID": 5000, "size": 1 }]);
    for options in [json!(["idmap"]), json!([])] {
        bundle.without_mount("/vol");
        bundle.push(
            "/mounts",
            json!({
                "destination": "/vol", "type": "tmpfs", "source": "tmpfs", "options": options,
                "uidMappings": map, "gidMappings": map
            }),
        );
        bundle.ok().stdout_is("5000:5000\n");
    }
}

#[test]
fn mapped_ids_without_maps_are_refused() {
    requires!(root, busybox);
    let mut bundle = Bundle::new();
    bundle.mount("tmpfs", "tmpfs", "/vol", &["idmap"]);
    bundle.refused("uidMappings");
}

#[test]
fn a_link_is_copied_where_that_is_asked() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("readlink /new/link; cat /new/file");
    let file = bundle.sandbox.file("vol/file", "followed\n");
    let link = bundle.sandbox.join("vol/link");
    symlink("somewhere", &link).unwrap();
    bundle.mount("bind", &link, "/new/link", &["bind", "copy-symlink"]);
    bundle.mount("bind", &file, "/new/file", &["bind", "copy-symlink"]);
    bundle.ok().stdout_is("somewhere\nfollowed\n");
    bundle.mount("bind", &link, "/x", &["bind", "copy-symlink", "src-nofollow"]);
    bundle.run().code(1).stderr_contains("copy-symlink");
}

#[test]
fn links_are_mounted_and_mounted_over_where_that_is_asked() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("readlink /place; cat /target");
    symlink("target", bundle.rootfs.inside("place")).unwrap();
    bundle.rootfs.file("target", "untouched\n");
    let link = bundle.sandbox.join("link");
    symlink("from the host", &link).unwrap();
    bundle.mount("bind", &link, "/place", &["bind", "src-nofollow", "dest-nofollow"]);
    bundle.ok().stdout_is("from the host\nuntouched\n");
}

#[test]
fn what_is_mounted_already_gets_other_attributes_by_remount() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("grep -E ' (/vol|/vol/sub|/new) ' /proc/self/mountinfo | cut -d' ' -f5,6");
    let top = tree(&bundle);
    bundle.mount("bind", &top, "/vol", &["rbind", "nosuid"]).mount("tmpfs", "tmpfs", "/new", &["ro", "nodev"]);
    bundle.mount("none", "none", "/vol", &["remount", "ro", "rnoexec"]).mount(
        "",
        "",
        "/new",
        &["remount", "bind", "rw"],
    );
    let outcome = bundle.invocation().run();
    outcome.code(0).stdout_is("/vol ro,nosuid,noexec,relatime\n/vol/sub rw,noexec,relatime\n/new rw,nodev,relatime\n");
    let mut bundle = Bundle::new();
    bundle.mount("none", "none", "/bin", &["remount", "ro"]);
    bundle.run().code(1).one_line_error("/bin");
    let mut bundle = Bundle::new();
    bundle.mount("none", "none", "/dev/shm", &["remount", "size=1m"]);
    bundle.run().code(1).one_line_error("size=1m");
}

#[test]
fn maps_of_ids_may_stand_in_the_option_as_crun_has_them() {
    requires!(root, busybox, that = mapped_ids());
    for (option, owner, user) in [
        ("idmap=uids=1000-5000-1;gids=1000-6000-1", "5000:6000\n", false),
        ("ridmap=uids=0-1-1#1000-5000-10;gids=1000-6000-1", "5000:6000\n", false),
        // Behind @ stand ids of the container.
        ("idmap=uids=@1000-7-1;gids=@1000-8-1", "7:8\n", true),
    ] {
        let mut bundle = Bundle::script("stat -c %u:%g /vol/file");
        if user {
            bundle.user_namespace();
        }
        let file = bundle.sandbox.file("vol/file", "");
        std::os::unix::fs::chown(&file, Some(1000), Some(1000)).unwrap();
        bundle.mount("bind", file.parent().unwrap(), "/vol", &["bind", option]);
        bundle.ok().stdout_is(owner);
    }
    for (option, told) in [
        ("idmap=", "/vol: idmap=: neither uids"),
        ("idmap=uids=1", "id-id-count"),
        ("idmap=uids=0-0-1x", "id-id-count"),
        ("idmap=uids=@0-0-1", "none of the container's"),
        ("idmap=uids=0-0-0;gids=0-0-1", "uidMappings: range 0 is empty"),
        ("idmap=uids=0-0-1", "needs uidMappings and gidMappings"),
    ] {
        let mut bundle = Bundle::new();
        bundle.mount("bind", "/bin", "/vol", &["bind", option]);
        bundle.run().code(1).one_line_error(told);
    }
}
