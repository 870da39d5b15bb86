//! `host:`, this machine's own files: they can be read, nothing can be changed, and what is nobody's business is not there.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::os::unix::net::UnixListener;

use testkit::{Invocation, requires};
use world::World;

/// Every way in which root and ordinary users run it.
fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    if requires::root().is_ok() {
        worlds.extend([World::root(), World::root_auto()]);
    }
    if requires::subuid_user().is_ok() && requires::user_namespaces().is_ok() {
        worlds.extend([World::user(), World::single_id()]);
    }
    worlds
}

#[test]
fn the_machines_programs_and_settings_are_there() {
    requires!(root);
    for world in worlds() {
        world
            .sh(&[], "test -x /usr/bin/env && test -f /etc/passwd && ls /usr/share >/dev/null && echo fine")
            .stdout_is("fine\n");
    }
}

#[test]
fn coracles_own_store_is_not_there() {
    requires!(root);
    // The usual place stands in /tmp here, which is hidden as a whole; so the store is put where nothing else hides it.
    let world = World::root();
    let dir = tempfile_below("/var/lib");
    let place = dir.path().display().to_string();
    let script = format!("ls {place}/data 2>&1; ls {place}/run; ls /var/lib/coracle 2>/dev/null; true");
    let run = world.invocation(&[], &["host:", "sh", "-c", &script]);
    let run = run.env("CORACLE_ROOT", format!("{place}/data")).env("CORACLE_RUNROOT", format!("{place}/run"));
    run.ok().stdout_is("");
    assert!(fs::read_dir(dir.path().join("data")).expect("the store").count() > 2);
}

fn tempfile_below(dir: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix("coracle-test.").tempdir_in(dir).expect("a directory")
}

#[test]
fn run_and_tmp_and_the_sockets_in_them_are_not_there() {
    requires!(root);
    let run = tempfile_below("/run");
    let tmp = tempfile_below("/tmp");
    for dir in [&run, &tmp] {
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).expect("a link");
    }
    let _sockets = [&run, &tmp].map(|dir| UnixListener::bind(dir.path().join("socket")).expect("a socket"));
    for world in worlds() {
        let script = format!("ls -d {} {} 2>/dev/null | wc -l", run.path().display(), tmp.path().display());
        world.sh(&[], &script).code(0).stdout_is("0\n");
        world.sh(&[], "touch /run/x /tmp/x && stat -c %a /tmp").code(0).stdout_is("1777\n");
    }
}

#[test]
fn nothing_that_is_written_reaches_the_machine() {
    requires!(root);
    let sums = || {
        Invocation::new("stat").args(["-c", "%n %Y %Z %s %i", "/etc", "/usr", "/root", "/etc/passwd", "/"]).ok().stdout
    };
    for world in worlds() {
        let home = tempfile_below("/home");
        fs::write(home.path().join("file"), "before").expect("a file");
        if let Some(user) = world.sandbox.user() {
            // What belongs to ids that an ordinary user's container lacks cannot be changed even there.
            user.give(home.path());
            user.give(home.path().join("file"));
        }
        let before = sums();
        let home = home.path().display();
        let script = format!(
            "for d in /etc /usr /usr/bin /home /opt /srv /var /; do (touch $d/coracle-wrote) 2>/dev/null; done; \
             (echo after >{home}/file) 2>/dev/null; cat {home}/file; \
             rm -rf /usr/share/doc /etc/apt 2>/dev/null; rm -f /bin/true 2>/dev/null; true"
        );
        let seen = world.sh(&[], &script);
        // The guest's root can map no ids: all of it is nobody's for a container with ids of its own.
        if requires::timing().is_ok() {
            seen.code(0).stdout_is("after\n");
        }
        assert_eq!(sums(), before);
        for dir in ["/etc", "/usr", "/usr/bin", "/home", "/opt", "/srv", "/var", "/"] {
            assert!(!std::path::Path::new(dir).join("coracle-wrote").exists(), "{dir}");
        }
        assert_eq!(fs::read_to_string(format!("{home}/file")).expect("the file"), "before");
    }
}

#[test]
fn a_disk_mounted_below_is_shown_and_not_changed() {
    requires!(root, package = "mkfs.ext4");
    let at = tempfile_below("/srv");
    let image = tempfile_below("/var/lib");
    let file = image.path().join("disk");
    Invocation::new("truncate").args(["-s", "8M"]).arg(&file).ok();
    Invocation::new("mkfs.ext4").arg("-q").arg(&file).ok();
    if !Invocation::new("mount").args(["-o", "loop"]).arg(&file).arg(at.path()).run().status.success() {
        // Without loop devices there is no other disk to be had.
        return;
    }
    let mounted = Mounted(at.path().display().to_string());
    fs::write(at.path().join("on-disk"), "yes").expect("a file on the disk");
    fs::set_permissions(at.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("a mode");
    for world in worlds() {
        let script = format!("cat {0}/on-disk; echo x >{0}/new; ls {0} | grep -c new", at.path().display());
        world.sh(&[], &script).code(0).stdout_is("yes1\n");
        assert!(!at.path().join("new").exists());
    }
    drop(mounted);
}

struct Mounted(String);

impl Drop for Mounted {
    fn drop(&mut self) {
        Invocation::new("umount").arg("--lazy").arg(&self.0).ok();
    }
}
