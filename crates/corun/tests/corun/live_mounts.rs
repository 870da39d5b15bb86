//! Mounts that are added to a container that runs, and removed from it.

use crate::bundle::{Bait, Bundle, CLEARING};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use testkit::{Invocation, Leavings, Outcome, requires};

/// A container that runs a script, until this goes.
struct Live {
    bundle: Bundle,
}

impl Live {
    #[track_caller]
    fn new(bundle: Bundle) -> Self {
        // Its streams are nobody's: else the test waits for their end.
        let quiet =
            bundle.invocation_with(&["--detach"]).under(["sh", "-c", "exec \"$0\" \"$@\" </dev/null >/dev/null 2>&1"]);
        quiet.ok();
        Self { bundle }
    }

    fn corun(&self, words: &[&str]) -> Invocation {
        self.bundle.sandbox.corun(words)
    }

    #[track_caller]
    fn exec(&self, script: &str) -> Outcome {
        self.corun(&["exec", &self.bundle.id, "sh", "-c", script]).run()
    }

    /// `mounts add` or `mounts remove`.
    fn mounts(&self, what: &str, list: &Value) -> Outcome {
        self.corun(&["mounts", what, &self.bundle.id, "-"]).stdin(list.to_string()).run()
    }

    fn record(&self) -> Value {
        let path = self.bundle.sandbox.runroot().join(&self.bundle.id).join("state.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.corun(&["delete", "--force", &self.bundle.id]).run();
    }
}

fn bind(source: impl AsRef<std::path::Path>, destination: &str, options: &[&str]) -> Value {
    json!({ "type": "bind", "source": source.as_ref(), "destination": destination, "options": options })
}

fn tmpfs(destination: &str, options: &[&str]) -> Value {
    json!({ "type": "tmpfs", "source": "tmpfs", "destination": destination, "options": options })
}

const FOREVER: &str = "while :; do sleep 1; done";

#[test]
fn mounts_come_and_go_with_their_options() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::script(FOREVER);
    let file = bundle.sandbox.file("vol/file", "from the host\n");
    let before = Leavings::count(&testkit::Scope::new().cgroup(&bundle.id));
    let live = Live::new(bundle);
    let list =
        json!([bind(file.parent().unwrap(), "/vol", &["bind", "ro"]), tmpfs("/new/deep", &["size=1m", "nodev"])]);
    live.mounts("add", &list).code(0);
    live.exec("cat /vol/file; touch /new/deep/x && echo made; stat -f -c %T /new/deep; touch /vol/x")
        .stdout_is("from the host\nmade\ntmpfs\n")
        .stderr_contains("Read-only file system");
    let recorded = live.record();
    let places: Vec<&Value> =
        recorded["corun"]["mounts"].as_array().unwrap().iter().map(|mount| &mount["destination"]).collect();
    assert_eq!(places, ["/vol", "/new/deep"]);
    live.mounts("remove", &list).code(0);
    live.exec("ls -A /vol /new/deep; grep -c -e ' /vol ' -e ' /new/deep ' /proc/self/mountinfo")
        .stdout_contains("\n0\n");
    assert_eq!(live.record()["corun"].get("mounts"), None);
    drop(live);
    before.assert_nothing_new(CLEARING);
}

#[test]
fn a_paused_container_gets_them_and_stays_paused() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::script(FOREVER);
    let file = bundle.sandbox.file("vol/file", "meanwhile\n");
    let live = Live::new(bundle);
    let id = live.bundle.id.as_str();
    live.corun(&["pause", id]).ok();
    live.mounts("add", &json!([bind(file.parent().unwrap(), "/vol", &["bind"])])).code(0);
    live.corun(&["state", id]).ok().stdout_contains("\"paused\"");
    live.corun(&["resume", id]).ok();
    live.exec("cat /vol/file").stdout_is("meanwhile\n");
}

#[test]
fn a_container_with_a_user_namespace_gets_them_as_at_its_start() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script(FOREVER);
    bundle.user_namespace();
    let file = bundle.sandbox.file("vol/file", "mapped\n");
    let live = Live::new(bundle);
    let proc = json!({ "type": "mqueue", "source": "mqueue", "destination": "/queues" });
    let list = json!([bind(file.parent().unwrap(), "/vol", &["bind", "ro"]), tmpfs("/scratch", &[]), proc]);
    live.mounts("add", &list).code(0);
    live.exec("cat /vol/file; stat -c %u:%g /scratch; test $(stat -c %d /queues) = $(stat -c %d /dev/mqueue) && echo queues; echo x > /scratch/x && cat /scratch/x")
        .stdout_is("mapped\n0:0\nqueues\nx\n");
    live.mounts("remove", &list).code(0);
    live.exec("grep -c -e ' /vol ' -e ' /scratch ' -e ' /queues ' /proc/self/mountinfo").stdout_is("0\n");
}

#[test]
fn all_of_a_list_is_added_or_nothing() {
    requires!(root, busybox, cgroups);
    let live = Live::new(Bundle::script(FOREVER));
    // A directory cannot be mounted over a file.
    let list = json!([tmpfs("/one", &[]), tmpfs("/two", &[]), tmpfs("/bin/busybox", &[])]);
    live.mounts("add", &list).code(1).stderr_contains("/bin/busybox");
    live.exec("grep -c -e ' /one ' -e ' /two ' /proc/self/mountinfo").stdout_is("0\n");
    assert_eq!(live.record()["corun"].get("mounts"), None);
}

#[test]
fn a_link_leads_into_the_container_and_never_out_of_it() {
    requires!(root, busybox, cgroups);
    let bundle = Bundle::script(FOREVER);
    let bait = Bait::new(&bundle);
    symlink(bait.path(), bundle.rootfs.inside("absolute")).unwrap();
    symlink(format!("../../../../../../..{}", bait.path().display()), bundle.rootfs.inside("upwards")).unwrap();
    symlink("/proc/sys", bundle.rootfs.inside("sys-of-proc")).unwrap();
    symlink("/proc/self/root/tmp", bundle.rootfs.inside("magic")).unwrap();
    let before = Leavings::count(&testkit::Scope::new().cgroup(&bundle.id));
    let live = Live::new(bundle);
    for place in ["/absolute/new", "/upwards/new"] {
        live.mounts("add", &json!([tmpfs(place, &[])])).code(0);
    }
    live.exec(&format!("grep -c ' {}/new ' /proc/self/mountinfo", bait.path().display())).stdout_is("2\n");
    live.mounts("add", &json!([tmpfs("/sys-of-proc/kernel", &[])])).code(1);
    live.mounts("add", &json!([tmpfs("/magic/x", &[])])).code(1);
    for refused in ["/", "/proc/sys", "relative", "/x/../proc"] {
        live.mounts("add", &json!([tmpfs(refused, &[])])).code(1);
    }
    bait.assert_untouched();
    drop(live);
    before.assert_nothing_new(CLEARING);
}

#[test]
fn a_container_that_swaps_the_destination_meanwhile_gains_nothing() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::new();
    let bait = Bait::new(&bundle);
    let at = bait.path().display().to_string();
    bundle.command(&["sh", "-c", &format!("while :; do mkdir /d; mv -T /d /e; ln -s {at} /d; rm -rf /d /e; ln -s ../../..{at} /d; echo >> /turns; rm -f /d; done")]);
    let before = Leavings::count(&testkit::Scope::new().cgroup(&bundle.id));
    let live = Live::new(bundle);
    let list = json!([tmpfs("/d/sub/mount", &[])]);
    let added = (0..100).filter(|_| live.mounts("add", &list).exit_code() == Some(0)).count();
    assert!(added > 0, "some were added");
    let turns = fs::read(live.bundle.rootfs.inside("turns")).unwrap().len();
    assert!(turns > 10, "the race was one: {turns}");
    bait.assert_untouched();
    drop(live);
    before.assert_nothing_new(CLEARING);
}

#[test]
fn a_planted_link_does_not_have_another_mount_removed() {
    requires!(root, busybox, cgroups);
    let mut bundle = Bundle::script(FOREVER);
    bundle.push("/linux/maskedPaths", json!("/proc/meminfo"));
    let file = bundle.sandbox.file("trigger", "harmless\n");
    let live = Live::new(bundle);
    let list = json!([bind(file, "/mnt/meminfo", &["bind"])]);
    live.mounts("add", &list).code(0);
    // What hides that of the machine is mounted at /proc/meminfo.
    live.exec("mv /mnt /old && ln -s /proc /mnt").code(0);
    live.mounts("remove", &list).code(1).stderr_contains("not what is mounted there now");
    live.mounts("remove", &json!([tmpfs("/proc/meminfo", &[])])).code(1).stderr_contains("stays");
    live.exec("grep -c ' /proc/meminfo ' /proc/self/mountinfo").stdout_is("1\n");
    live.exec("rm /mnt; mv /old /mnt").code(0);
    live.mounts("remove", &list).code(0);
    live.exec("ln -s /proc /out").code(0);
    live.mounts("remove", &json!([tmpfs("/out/meminfo", &[])])).code(1).stderr_contains("a link stands in the way");
}

#[test]
fn what_is_no_mount_and_no_list_is_told() {
    requires!(root, busybox, cgroups);
    let live = Live::new(Bundle::script(FOREVER));
    live.mounts("remove", &json!([tmpfs("/bin", &[])])).code(1).stderr_contains("nothing is mounted there");
    live.mounts("remove", &json!([tmpfs("/", &[])])).code(1);
    live.mounts("add", &json!({ "destination": "/x" })).code(1).stderr_contains("line 1 column");
    live.mounts("add", &json!([{ "type": "cgroup", "destination": "/x" }])).code(1).stderr_contains("not later");
    live.mounts("add", &json!([{ "type": "bind", "source": "/nowhere", "destination": "/x" }])).code(1);
    live.mounts("swap", &json!([])).code(1).stderr_contains("add or remove");
    live.corun(&["mounts", "add", "nobody", "-"]).stdin("[]").run().code(1).stderr_contains("does not exist");
}
