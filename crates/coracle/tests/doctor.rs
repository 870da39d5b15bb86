//! `coracle doctor`: a healthy machine is told so; each thing that is broken has its line, and is well again once the
//! remedy of that line was followed.

#![forbid(unsafe_code)]

mod machine;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use testkit::{Invocation, Outcome, Sandbox, User, requires, within};

const SOON: Duration = Duration::from_secs(10);

/// An examination.
struct Examined(Outcome);

impl Examined {
    #[track_caller]
    fn of(sandbox: &Sandbox) -> Self {
        Self(sandbox.coracle(["doctor"]).run())
    }

    /// The grade of a line, and the rest of it.
    #[track_caller]
    fn line(&self, check: &str) -> (&str, &str) {
        let of = |line: &&str| line.get(9..).is_some_and(|rest| rest.starts_with(&format!("{check} ")));
        let lines = self.0.lines();
        let line = lines.into_iter().find(of).unwrap_or_else(|| panic!("no line {check:?}\n{}", self.0));
        let (grade, rest) = line.split_once(' ').expect("a grade");
        (grade, rest.trim_start().strip_prefix(check).unwrap_or_default().trim_start())
    }

    #[track_caller]
    fn is(&self, check: &str, grade: &str, words: &[&str]) -> &Self {
        let (found, rest) = self.line(check);
        assert_eq!(found, grade, "{check}\n{}", self.0);
        for word in words {
            assert!(rest.contains(word), "no {word:?} in {check}\n{}", self.0);
        }
        self
    }

    /// The first command of a line's remedy, given to a shell of root's.
    #[track_caller]
    fn follow(&self, check: &str) {
        let (_, rest) = self.line(check);
        let remedy = rest.rsplit_once(" (").map_or("", |(_, remedy)| remedy).trim_end_matches(')');
        let first = remedy.split("; or ").next().and_then(|first| first.split(", or ").next()).unwrap_or(remedy);
        Invocation::new("sh").args(["-ec", first.rsplit(": ").next().unwrap_or(first)]).ok();
    }
}

#[test]
fn a_healthy_machine_is_told_so_and_nothing_is_left() {
    requires!(root, cgroups, subuid_user, user_namespaces);
    for sandbox in [Sandbox::new(), Sandbox::of(&User::with_subuids())] {
        let examined = Examined::of(&sandbox);
        examined.0.code(0).stderr_is("");
        for check in ["kernel", "system calls", "overlay", "user namespaces", "storage", "disk", "container"] {
            examined.is(check, "ok", &[]);
        }
        assert!(!examined.0.stdout.contains("broken"), "{}", examined.0);
        // Neither store nor run state is made by being looked for, nor anything else.
        let left = |dir: &str| fs::read_dir(sandbox.join(dir)).expect("a directory").count();
        assert_eq!((left("data"), left("run"), left("home")), (0, 0, 0));
        let before = sandbox.leavings();
        Examined::of(&sandbox).0.code(0);
        before.assert_nothing_new(SOON);
        sandbox.run(["system", "doctor"]).code(0);
    }
}

#[test]
fn programs_read_it_as_json_and_by_templates() {
    requires!(root);
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(["doctor", "--format", "json"]);
    outcome.code(0);
    for line in outcome.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object");
        let is_well = object["Grade"] == "ok";
        assert_eq!(is_well, object["Remedy"] == "", "what is well has no remedy, and all else one: {line}");
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let seen = sandbox.run(["doctor", "--format", "{{.Check}}={{.Seen}}"]);
    seen.code(0).stdout_contains(&format!("kernel=Linux {}", kernel.trim()));
}

#[test]
fn a_disk_that_is_full_is_broken_until_there_is_room() {
    requires!(root);
    let sandbox = Sandbox::new();
    let data = sandbox.root();
    Invocation::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs"]).arg(&data).ok();
    fs::write(data.join("filler"), vec![0; 1 << 20]).expect_err("the tmpfs is full");
    let examined = Examined::of(&sandbox);
    examined.0.code(1);
    examined.is("disk", "broken", &["0 MiB are free", "make room"]).is("container", "broken", &["is full"]);
    fs::remove_file(data.join("filler")).expect("room");
    Invocation::new("mount").args(["-o", "remount,size=2g"]).arg(&data).ok();
    let examined = Examined::of(&sandbox);
    examined.0.code(0);
    examined.is("disk", "ok", &[]).is("container", "ok", &[]);
}

#[test]
fn a_read_only_store_is_broken_until_it_is_remounted() {
    requires!(root);
    let sandbox = Sandbox::new();
    Invocation::new("mount").args(["-t", "tmpfs", "-o", "ro,mode=755", "tmpfs"]).arg(sandbox.root()).ok();
    let examined = Examined::of(&sandbox);
    examined.0.code(1);
    examined.is("storage", "broken", &["read-only"]).follow("storage");
    Examined::of(&sandbox).is("storage", "ok", &[]).0.code(0);
}

#[test]
fn a_store_where_no_overlay_can_be_is_broken() {
    requires!(root);
    let sandbox = Sandbox::new();
    for name in ["lower", "layers"] {
        fs::create_dir(sandbox.join(name)).expect("a directory");
    }
    Invocation::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(sandbox.join("layers")).ok();
    for name in ["upper", "work"] {
        fs::create_dir(sandbox.join("layers").join(name)).expect("a directory");
    }
    let [lower, layers] = ["lower", "layers"].map(|name| sandbox.join(name).display().to_string());
    let options = format!("lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work");
    Invocation::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(sandbox.root()).ok();
    let examined = Examined::of(&sandbox);
    examined.0.code(1);
    examined.is("storage", "broken", &["another overlay", "--root DIR"]);
    let elsewhere = sandbox.coracle(["--root", &format!("{layers}/data"), "doctor"]).run();
    Examined(elsewhere).is("storage", "ok", &[]).0.code(0);
}

#[test]
fn a_store_of_another_format_and_files_that_cannot_be_read_are_named() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "--rm", "host:", "true"]).code(0);
    let record = sandbox.root().join("store.json");
    let whole = fs::read_to_string(&record).expect("the record");
    fs::write(&record, "{\"version\":4711}").expect("another format");
    let examined = Examined::of(&sandbox);
    examined.is("store", "broken", &["format 4711", "another store"]).0.code(1);
    fs::write(&record, whole).expect("its own");
    Examined::of(&sandbox).is("store", "ok", &[]).0.code(0);
    let conf = sandbox.file("home/registries.conf", "unqualified-search-registries = [");
    let run = || Examined(sandbox.coracle(["doctor"]).env("CONTAINERS_REGISTRIES_CONF", &conf).run());
    run().is("registries", "warning", &["registries.conf", "mend the file"]).0.code(0);
    fs::write(&conf, "unqualified-search-registries = []\n").expect("a file");
    run().is("registries", "ok", &[]);
}

#[test]
fn helpers_and_ranges_of_users_are_mended_by_what_is_said() {
    requires!(root, subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::with_subuids());
    machine::own_copies_of(&["/etc", "/usr/bin"]);
    let check = "subordinate ids";
    let broken = |grade, words: &[&str]| {
        let examined = Examined::of(&sandbox);
        examined.is(check, grade, words).0.code(i32::from(grade == "broken"));
        examined
    };
    fs::set_permissions("/usr/bin/newuidmap", fs::Permissions::from_mode(0o755)).expect("a mode");
    broken("broken", &["/usr/bin/newuidmap has mode 0755"]).is("container", "broken", &[]).follow(check);
    Examined::of(&sandbox).is(check, "ok", &[]).is("container", "ok", &[]);
    fs::rename("/usr/bin/newuidmap", "/usr/bin/away").expect("another name");
    broken("warning", &["newuidmap is not installed", "install the package uidmap"]);
    fs::rename("/usr/bin/away", "/usr/bin/newuidmap").expect("its name");
    fs::write("/etc/subgid", "coracle-test:300000:65536\ncoracle-test:310000:65536\n").expect("other ranges");
    broken("broken", &["in /etc/subgid have ids in common"]).follow(check);
    Examined::of(&sandbox).is(check, "ok", &[]).is("container", "ok", &[]);
    fs::write("/etc/subuid", "").expect("no ranges");
    broken("warning", &["/etc/subuid has no line for coracle-test"]).follow(check);
    Examined::of(&sandbox).is(check, "ok", &[]);
}

#[test]
fn what_a_user_without_ranges_can_have_is_a_warning() {
    requires!(root, subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::without_subuids());
    let examined = Examined::of(&sandbox);
    examined.is("subordinate ids", "warning", &["usermod --add-subuids"]).is("container", "ok", &[]).0.code(0);
}

#[test]
fn user_namespaces_that_cannot_be_had_are_broken_for_users() {
    requires!(root, subuid_user, user_namespaces);
    let sandbox = Sandbox::of(&User::with_subuids());
    // The limit is that of a user namespace which is otherwise like the machine's own, so that nobody else has it.
    let mapped = "until grep -q 4294967295 /proc/self/gid_map; do sleep 0.05; done; exec \"$@\"";
    let script = "echo 0 >/proc/sys/user/max_user_namespaces; \"$@\"; echo \"code $?\"\n\
                  sysctl -qw user.max_user_namespaces=15000; \"$@\"";
    let examination = sandbox.coracle(["doctor"]);
    let running = examination.above(["unshare", "--user", "sh", "-c", mapped, "sh", "sh", "-c", script, "sh"]).spawn();
    let apart = || fs::read_to_string(format!("/proc/{}/comm", running.pid())).is_ok_and(|name| name == "sh\n");
    assert!(within(SOON, apart), "it is in its namespace");
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", running.pid()), "0 0 4294967295").expect("a map");
    }
    let outcome = running.wait();
    outcome.code(0);
    let (before, after) = outcome.stdout.split_once("code 1\n").unwrap_or_else(|| panic!("{outcome}"));
    let line = before.lines().find(|line| line.contains("user namespaces ")).expect("a line");
    assert!(line.starts_with("broken") && line.contains("(sysctl -w user.max_user_namespaces="), "{line}");
    assert!(after.lines().any(|line| line.starts_with("ok") && line.contains("user namespaces ")), "{after}");
}

#[test]
fn a_users_way_to_the_network_is_opened_by_what_is_said() {
    requires!(root, subuid_user, user_namespaces, package = "pasta");
    let sandbox = Sandbox::of(&User::with_subuids());
    machine::open_tun();
    fs::set_permissions("/dev/net/tun", fs::Permissions::from_mode(0o600)).expect("a mode");
    let examined = Examined::of(&sandbox);
    examined.is("tun", "warning", &["chmod 666 /dev/net/tun"]).follow("tun");
    Examined::of(&sandbox).is("tun", "ok", &[]);
    let bare = sandbox.coracle(["doctor"]).env("PATH", "/sbin").run();
    Examined(bare).is("pasta", "warning", &["install the package passt"]);
}

#[test]
fn cgroups_that_are_not_mounted_are_mounted_by_what_is_said() {
    requires!(root, cgroups);
    let sandbox = Sandbox::new();
    let script = "umount -lR /sys/fs/cgroup; \"$@\"; echo \"code $?\"\n\
                  mount -t cgroup2 cgroup2 /sys/fs/cgroup; \"$@\"";
    let outcome = sandbox.coracle(["doctor"]).above(["unshare", "-m", "sh", "-c", script, "sh"]).run();
    outcome.code(0);
    let (before, after) = outcome.stdout.split_once("code 1\n").unwrap_or_else(|| panic!("{outcome}"));
    for check in ["cgroups", "container"] {
        let line = |text: &str| text.lines().find(|line| line[9..].starts_with(check)).unwrap_or_default().to_owned();
        let broken = line(before);
        assert!(broken.starts_with("broken"), "{broken}");
        assert!(
            broken.ends_with("no cgroup file system is mounted (mount -t cgroup2 cgroup2 /sys/fs/cgroup)"),
            "{broken}"
        );
        assert!(line(after).starts_with("ok"), "{after}");
    }
}
