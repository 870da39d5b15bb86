//! Cgroups in the hands of others than root: of an ordinary user who was given some, and of a container that makes its
//! own.

use crate::bundle::{Bundle, CLEARING};
use crate::container::Container;
use crate::rootless;
use cgroup::{Cgroup, CgroupPath, Layout};
use rustix::fs::{Gid, Uid};
use serde_json::json;
use std::path::PathBuf;
use testkit::{Invocation, User, requires, within};

/// What systemd gives a user, without systemd: a cgroup that is his, with his shell's in it.
struct Slice {
    cgroup: Cgroup,
    path: PathBuf,
}

impl Slice {
    fn of(user: &User, name: &str) -> Self {
        let cgroup =
            Cgroup::create(&Layout::detect().unwrap(), &CgroupPath::new(&format!("/{name}")).unwrap()).unwrap();
        cgroup.give_to(Uid::from_raw(user.uid), Gid::from_raw(user.gid)).unwrap();
        let path = PathBuf::from(&cgroup.paths()[""]);
        std::fs::create_dir(path.join("shell")).unwrap();
        Self { cgroup, path }
    }

    /// A verb of the user's, from his shell's cgroup.
    fn corun(&self, bundle: &Bundle, user: &User, words: &[&str]) -> Invocation {
        let become_user =
            format!("setpriv --reuid={} --regid={} --clear-groups --inh-caps=-all --", user.uid, user.gid);
        let enter = format!("echo $$ > {}/shell/cgroup.procs && exec {become_user} \"$@\"", self.path.display());
        rootless::corun(bundle, words).under(["sh", "-c", &enter, "sh"])
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let removed = self.cgroup.remove(CLEARING);
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

#[test]
fn a_users_container_has_its_cgroup_below_what_was_given_to_him() {
    requires!(root, busybox, subuid_user, cgroup_v2);
    let user = User::with_subuids();
    let mut bundle = rootless::bundle_of(&user, "while :; do sleep 0.1; done");
    bundle.set("/linux/resources", json!({ "pids": { "limit": 17 }, "memory": { "limit": 33_554_432 } }));
    let slice = Slice::of(&user, &format!("{}-slice", bundle.id));
    let corun = |words: &[&str]| slice.corun(&bundle, &user, words);
    let (dir, id) = (bundle.dir().display().to_string(), bundle.id.as_str());
    corun(&["create", "--bundle", &dir, id]).ok().stderr_is("");
    corun(&["start", id]).ok();
    let own = slice.path.join(id);
    let has = |file: &str| std::fs::read_to_string(own.join(file)).unwrap();
    assert_eq!((has("pids.max"), has("memory.max")), ("17\n".to_owned(), "33554432\n".to_owned()));
    assert_ne!(has("cgroup.procs"), "");
    let seen = corun(&["exec", id, "cat", "/proc/self/cgroup"]).ok();
    seen.stdout_is("0::/\n");
    corun(&["update", "--pids-limit", "18", id]).ok();
    assert_eq!(has("pids.max"), "18\n");
    corun(&["pause", id]).ok();
    corun(&["state", id]).ok().stdout_contains("\"paused\"");
    corun(&["resume", id]).ok();
    corun(&["delete", "--force", id]).ok();
    assert!(!own.exists());
}

#[test]
fn without_a_cgroup_a_users_container_runs_and_one_that_shares_pids_is_warned_of() {
    requires!(root, busybox, subuid_user, user_namespaces);
    let user = User::without_subuids();
    for shares in [false, true] {
        let mut bundle = rootless::bundle_of(&user, "echo it runs");
        if shares {
            bundle.without_namespace("pid").without_mount("/proc");
        }
        let dir = bundle.dir().display().to_string();
        let outcome = rootless::by(&bundle, &user, &["run", "--bundle", &dir, &bundle.id]).ok();
        outcome.stdout_is("it runs\n");
        assert_eq!(outcome.stderr.contains("neither a cgroup nor a pid namespace"), shares, "{outcome}");
    }
    // A limit that nobody could hold is no limit.
    let mut bundle = rootless::bundle_of(&user, "true");
    bundle.set("/linux/resources", json!({ "pids": { "limit": 17 } }));
    let dir = bundle.dir().display().to_string();
    rootless::by(&bundle, &user, &["run", "--bundle", &dir, &bundle.id]).run().code(1).one_line_error("pids.limit");
}

#[test]
fn a_cgroup_that_a_user_names_and_may_not_make_is_an_error() {
    requires!(root, busybox, cgroups, subuid_user, user_namespaces);
    let user = User::without_subuids();
    let mut bundle = rootless::bundle_of(&user, "true");
    bundle.set("/linux/cgroupsPath", format!("/{}", bundle.id));
    let (dir, id) = (bundle.dir().display().to_string(), bundle.id.clone());
    for verb in ["run", "create"] {
        let outcome = rootless::by(&bundle, &user, &[verb, "--bundle", &dir, &id]).run();
        outcome.code(1).one_line_error("cgroupsPath").stderr_contains("permission denied");
        rootless::by(&bundle, &user, &["state", &id]).run().code(1).stderr_contains("does not exist");
    }
    // The one of the same name that the id gives him is a wish.
    bundle.unset("/linux/cgroupsPath");
    rootless::by(&bundle, &user, &["run", "--bundle", &dir, &id]).ok();
}

/// The container may write its cgroups.
fn writable(bundle: &mut Bundle) -> &mut Bundle {
    let options = ["nosuid", "noexec", "nodev", "relatime"];
    bundle.without_mount("/sys/fs/cgroup").mount("cgroup", "cgroup", "/sys/fs/cgroup", &options)
}

#[test]
fn the_cgroup_belongs_to_the_containers_user_where_he_may_write_it() {
    requires!(root, busybox, cgroup_v2);
    let script = "cd /sys/fs/cgroup; stat -c %u . cgroup.procs cgroup.subtree_control cgroup.threads pids.max
        mkdir sub && echo 0 > sub/cgroup.procs && cat /proc/self/cgroup";
    let mut bundle = Bundle::script(script);
    writable(bundle.user_namespace());
    bundle.ok().stdout_is("0\n0\n0\n0\n65534\n0::/sub\n");
    // Another user than root, and without a user namespace.
    let mut bundle = Bundle::script(script);
    writable(&mut bundle).set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    bundle.ok().stdout_is("1000\n1000\n1000\n1000\n0\n0::/sub\n");
    // What is shown read-only stays root's, and so does what others are in, too.
    let mut bundle = Bundle::script("stat -c %u /sys/fs/cgroup");
    bundle.user_namespace();
    bundle.ok().stdout_is("65534\n");
    let mut bundle = Bundle::script("grep -c . /proc/self/cgroup; stat -c %u /sys/fs/cgroup");
    writable(bundle.user_namespace()).without_namespace("cgroup");
    bundle.ok().stdout_is("1\n65534\n");
}

/// A container that shows the host's files and may do all that root may, in which `corun` finds what it needs.
fn host_like(script: &str) -> Bundle {
    let mut bundle = Bundle::script(script);
    let all: Vec<String> = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .unwrap()
        .trim()
        .parse::<usize>()
        .map(|last| runtime::CAPABILITIES.iter().take(last + 1).map(|name| (*name).to_owned()).collect())
        .unwrap();
    bundle.capabilities(&all.iter().map(String::as_str).collect::<Vec<_>>());
    bundle.set("/root/path", "/").set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    bundle.set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }]));
    writable(&mut bundle);
    bundle
}

#[test]
fn a_container_in_a_container_has_its_cgroup_below_the_outer_one() {
    requires!(root, busybox, cgroup_v2);
    let mut inner = Bundle::script("cat /proc/self/cgroup /sys/fs/cgroup/pids.max");
    inner.set("/linux/resources/pids", json!({ "limit": 11 }));
    let run = inner.invocation().line();
    // A cgroup with processes hands no controllers down: who wants limits below moves aside first.
    let outer = host_like(&format!(
        "{run}; echo = $?; mkdir /sys/fs/cgroup/aside && echo $$ > /sys/fs/cgroup/aside/cgroup.procs
        {run}; echo = $?; cat /proc/self/cgroup"
    ));
    let outcome = outer.run();
    outcome.stdout_is("= 1\n0::/\n11\n= 0\n0::/aside\n").stderr_contains("pids.limit");
}

#[test]
fn exec_follows_a_first_process_that_has_moved_itself() {
    requires!(root, busybox, cgroup_v2);
    let mut bundle = Bundle::script(
        "mkdir /sys/fs/cgroup/aside && echo $$ > /sys/fs/cgroup/aside/cgroup.procs
        echo +pids > /sys/fs/cgroup/cgroup.subtree_control && echo moved; while :; do sleep 0.1; done",
    );
    writable(&mut bundle);
    let container = Container::running(bundle);
    container.says("moved");
    // The container's own cgroup takes no processes any more.
    container.exec(&["cat", "/proc/self/cgroup"]).ok().stdout_is("0::/aside\n");
    container.verb("pause").ok();
    assert_eq!(container.status(), "paused");
    container.verb("resume").ok();
    container.corun(&["kill", "--all", &container.bundle.id, "KILL"]).ok();
    assert!(within(CLEARING, || container.status() == "stopped"));
}

#[test]
fn a_cgroup_below_a_threaded_one_is_refused() {
    requires!(root, busybox, cgroup_v2);
    let mut bundle = Bundle::new();
    let place = PathBuf::from(format!("/sys/fs/cgroup/{}-threads", bundle.id));
    std::fs::create_dir(&place).unwrap();
    std::fs::create_dir(place.join("sub")).unwrap();
    std::fs::write(place.join("sub/cgroup.type"), "threaded").unwrap();
    let own = format!("/{}-threads/box", bundle.id);
    bundle.set("/linux/cgroupsPath", own);
    let outcome = bundle.invocation().run();
    let left = place.join("box").exists();
    let _ = std::fs::remove_dir(place.join("box"));
    std::fs::remove_dir(place.join("sub")).unwrap();
    std::fs::remove_dir(&place).unwrap();
    outcome.code(1).one_line_error("threaded");
    assert!(!left);
}

#[test]
fn without_anybody_who_makes_cgroups_it_stays_in_its_makers() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script("cat /proc/self/cgroup");
    bundle.without_namespace("cgroup");
    let _ = bundle.invocation();
    let run = |words: &[&str]| {
        let corun = bundle.sandbox.corun(words).args(["run", "--bundle"]).arg(bundle.dir()).arg(&bundle.id);
        bundle.run_as(corun)
    };
    let ours = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    run(&["--cgroup-manager=disabled"]).code(0).stdout_is(&ours);
    run(&["--cgroup-manager=cgroupfs"]).code(0).stdout_contains(&bundle.id);
    // The last word counts among those of one flag, and crun's flag before runc's.
    run(&["--systemd-cgroup", "--cgroup-manager", "disabled"]).code(0).stdout_is(&ours);
    let mut limited = Bundle::new();
    limited.set("/linux/resources/pids", json!({ "limit": 11 }));
    let _ = limited.invocation();
    let words = ["--cgroup-manager=disabled", "run", "--bundle"];
    let corun = limited.sandbox.corun(words).arg(limited.dir()).arg(&limited.id);
    limited.run_as(corun).code(1).one_line_error("pids.limit");
}
