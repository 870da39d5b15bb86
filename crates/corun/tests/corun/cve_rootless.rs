//! The attacks once more on the runtime of an ordinary user: an image has no more rights than its user, but no fewer
//! either, and what is his on the host is not the image's.

use crate::bundle::{Bait, Bundle};
use crate::cve_races::{Racer, starts};
use crate::rootless::{bundle_of, by};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use testkit::{Invocation, Outcome, Pty, User, requires};

/// `run` of a user's bundle.
pub fn line(bundle: &Bundle, user: &User) -> Invocation {
    let dir = bundle.dir().to_string_lossy().into_owned();
    by(bundle, user, &["run", "--bundle", &dir, &bundle.id])
}

pub fn run(bundle: &Bundle, user: &User) -> Outcome {
    line(bundle, user).run()
}

/// Gives the user what a test has put into his bundle.
pub fn give(bundle: &Bundle, user: &User) {
    Invocation::new("chown").args(["-R", "-h", &format!("{}:{}", user.uid, user.gid)]).arg(bundle.dir()).ok();
}

/// Takes away what stands at a place in the root, and plants a link there.
fn plant(bundle: &Bundle, at: &str, target: impl AsRef<std::path::Path>) {
    let path = bundle.rootfs.inside(at);
    let _ = fs::remove_dir_all(&path);
    symlink(target, path).unwrap();
}

fn without_dev(bundle: &mut Bundle) {
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
}

#[test]
fn cve_2019_19921_a_proc_or_sys_that_is_a_link_is_refused_to_a_user_as_well() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    for name in ["proc", "sys"] {
        for target in ["/tmp", "/", "../../../../../../tmp"] {
            let bundle = bundle_of(&user, "echo ran");
            plant(&bundle, name, target);
            give(&bundle, &user);
            run(&bundle, &user).code(1).stdout_lacks("ran").stderr_contains(&format!("/{name}"));
        }
    }
    for destination in ["/proc", "/proc/self/attr"] {
        let mut bundle = bundle_of(&user, "echo ran");
        bundle.mount("tmpfs", "tmpfs", destination, &[]);
        run(&bundle, &user).code(1).stdout_lacks("ran").stderr_contains("only procfs may stand at /proc");
    }
}

#[test]
fn cve_2026_41579_links_of_an_image_never_lead_to_a_users_own_files() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    for (name, end) in [
        ("dev", ""),
        ("dev/null", "/file"),
        ("dev/ptmx", "/file"),
        ("dev/core", "/new"),
        ("dev/console", "/file"),
        ("dev/stdin", "/new"),
        ("dev/pts", ""),
        ("dev/shm", ""),
        ("etc", ""),
        ("new", ""),
    ] {
        let mut bundle = bundle_of(&user, "true");
        let bait = Bait::of(&bundle, &user);
        without_dev(&mut bundle);
        bundle.mount("devpts", "devpts", "/dev/pts", &["newinstance"]).mount("tmpfs", "shm", "/dev/shm", &[]);
        let file = bundle.sandbox.file("source", "x");
        bundle.mount("bind", file, "/etc/new/file", &["bind"]).mount("tmpfs", "tmpfs", "/new/dir", &[]);
        plant(&bundle, name, format!("{}{end}", bait.path().display()));
        give(&bundle, &user);
        run(&bundle, &user);
        bait.assert_untouched();
    }
}

#[test]
fn cve_2021_30465_and_45310_a_race_never_reaches_a_users_own_files() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    let mut bundle = bundle_of(&user, "cat /vol/a/file /bait/file 2>/dev/null; true");
    let bait = Bait::of(&bundle, &user);
    let vol = bundle.dir().join("vol");
    fs::create_dir_all(vol.join("a/b")).unwrap();
    symlink(bait.path(), vol.join("x")).unwrap();
    bundle.mount("bind", &vol, "/vol", &["rbind"]).mount("tmpfs", "tmpfs", "/vol/a", &[]);
    let file = bundle.sandbox.file("source", "");
    for n in 0..4 {
        bundle.mount("bind", &file, &format!("/vol/a/b/c{n}/file"), &["bind"]);
        bundle.mount("tmpfs", "tmpfs", &format!("/vol/a/d{n}/deep"), &[]);
    }
    give(&bundle, &user);
    let racer = Racer::new(vec![(vol.join("a"), vol.join("x"))]);
    let mut started = 0;
    for _ in 0..starts() / 2 {
        let outcome = run(&bundle, &user);
        outcome.stdout_lacks("the host's own");
        started += usize::from(outcome.exit_code() == Some(0));
    }
    assert!(racer.turns() > 100 && started > 0, "{started} starts won");
    bait.assert_untouched();
}

#[test]
fn cve_2023_25809_a_users_own_cgroup_cannot_be_written_from_within() {
    let unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|dir| fs::exists(format!("{dir}/cgroup.controllers")).unwrap_or(false));
    let has = unified.ok_or_else(|| "a cgroup v2 hierarchy".to_owned());
    requires!(root, busybox, subuid_user, user_namespaces, that = has.map(drop));
    let user = User::with_subuids();
    let script = "for d in $(find /sys/fs/cgroup -name 'coracle-*' -type d); do echo seen; mkdir $d/pwned \
        && echo wrote; echo 0 > $d/cgroup.procs && echo wrote; done 2>/dev/null; true";
    let sys = json!({ "type": "none", "source": "/sys", "destination": "/sys",
        "options": ["rbind", "nosuid", "noexec", "nodev", "ro"] });
    let view = json!({ "type": "cgroup", "source": "cgroup", "destination": "/sys/fs/cgroup", "options": ["ro"] });
    let mut seen = 0;
    for (own_sys, mounts) in [(false, vec![view.clone()]), (true, vec![sys.clone()]), (true, vec![sys, view])] {
        let mut bundle = bundle_of(&user, script);
        bundle.without_namespace("cgroup");
        if own_sys {
            bundle.without_mount("/sys");
        }
        for mount in mounts {
            bundle.push("/mounts", mount);
        }
        // What systemd gives a user: a cgroup that is his.
        let own = format!("{}/{}-own", unified.unwrap(), bundle.id);
        fs::create_dir(&own).unwrap();
        Invocation::new("chown").args(["-R", &format!("{}:{}", user.uid, user.gid)]).arg(&own).ok();
        let outcome = run(&bundle, &user);
        let left = fs::remove_dir(format!("{own}/pwned")).is_ok();
        fs::remove_dir(&own).unwrap();
        outcome.code(0).stdout_lacks("wrote");
        assert!(!left, "{outcome}");
        seen += usize::from(outcome.stdout.contains("seen"));
    }
    assert!(seen > 0, "the attack is one");
}

#[test]
fn cve_2024_21626_no_descriptor_of_a_users_runtime_leads_out() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    let mut bundle = bundle_of(&user, "ls /proc/self/fd | tr '\\n' ' '");
    let open = ["sh", "-c", "exec \"$@\" </ 3</ 4</etc/passwd 8</proc", "sh"];
    line(&bundle, &user).under(open).run().code(0).stdout_is("0 1 2 3 ");
    for n in 0..32 {
        for cwd in [format!("/proc/self/fd/{n}"), format!("/proc/self/fd/{n}/../../..")] {
            bundle.command(&["sh", "-c", "pwd; cat etc/passwd"]).set("/process/cwd", cwd.as_str());
            line(&bundle, &user).under(open).run().code(1).stdout_is("");
        }
        bundle.set("/process/cwd", "/").command(&[&format!("/proc/self/fd/{n}"), "--version"]);
        run(&bundle, &user).code(1).stdout_is("");
    }
}

#[test]
fn cve_2026_88264_and_88265_consoles_and_streams_of_a_user_go_through_no_link() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::with_subuids();
    for (at, terminal) in [("dev/console", true), ("dev/pts/ptmx", true), ("dev/null", false)] {
        let mut bundle = bundle_of(&user, "echo ran");
        let bait = Bait::of(&bundle, &user);
        without_dev(&mut bundle);
        if at == "dev/console" {
            bundle.mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"]);
        }
        let _ = fs::create_dir(bundle.rootfs.inside("dev/pts"));
        plant(&bundle, at, bait.path().join("file"));
        give(&bundle, &user);
        bundle.set("/process/terminal", terminal);
        let line = line(&bundle, &user);
        let null = ["sh", "-c", "exec \"$@\" </dev/null >/dev/null 2>/dev/null", "sh"];
        let outcome = if terminal { Pty::spawn(&line).wait() } else { line.under(null).run() };
        // A node is the host's own, bound over whatever the link leads to within the root.
        if at != "dev/null" {
            outcome.code(1);
        }
        outcome.stdout_lacks("ran");
        bait.assert_untouched();
    }
}
