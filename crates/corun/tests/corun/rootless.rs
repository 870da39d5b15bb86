//! Containers of ordinary users: made, started, entered, ended by a corun that has no privilege of its own.

use crate::bundle::{Bundle, CLEARING};
use serde_json::json;
use testkit::{Invocation, User, requires, within};

/// Runs until it is killed.
const WAITS: &str = "while :; do sleep 0.1; done";

/// A bundle of this user, whose ids inside are his own as root and, where he has some, his subordinate ones.
pub fn bundle_of(user: &User, script: &str) -> Bundle {
    let mut bundle = Bundle::script(script);
    let (uid, gid) = (user.uid, user.gid);
    let owner = format!("{uid}:{gid}");
    Invocation::new("chown").args(["-R", "-h", &owner]).arg(bundle.dir()).ok();
    bundle
        .namespace("user", None)
        .without_mount("/sys/fs/cgroup")
        .unset("/linux/resources")
        .unset("/linux/cgroupsPath");
    for (field, file, id) in [("uidMappings", "/etc/subuid", uid), ("gidMappings", "/etc/subgid", gid)] {
        let mut map = vec![json!({ "containerID": 0, "hostID": id, "size": 1 })];
        if let Some(first) = first_subordinate(file, user) {
            map.push(json!({ "containerID": 1, "hostID": first, "size": 1000 }));
        }
        bundle.set(&format!("/linux/{field}"), json!(map));
    }
    bundle
}

fn first_subordinate(file: &str, user: &User) -> Option<u32> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{}:", user.name)).map(str::to_owned))?;
    line.split(':').next()?.parse().ok()
}

/// A verb of this user on this container.
pub fn by(bundle: &Bundle, user: &User, words: &[&str]) -> Invocation {
    corun(bundle, words).user(user)
}

/// The same, for who becomes the user in a way of his own.
pub fn corun(bundle: &Bundle, words: &[&str]) -> Invocation {
    bundle.sandbox.file("bundle/config.json", bundle.spec.to_string());
    let program = bundle.sandbox.join("bin/corun");
    if !program.exists() {
        std::fs::copy(testkit::Program::Corun.path(), &program).unwrap();
    }
    let corun = bundle.sandbox.command(program).arg("--root").arg(bundle.dir().join("state"));
    corun.args(words)
}

#[track_caller]
fn life(user: &User, others: bool) {
    let bundle = bundle_of(user, WAITS);
    let before = testkit::Leavings::count(&testkit::Scope::new().cgroup(&bundle.id));
    let dir = bundle.dir().display().to_string();
    let id = bundle.id.as_str();
    by(&bundle, user, &["create", "--bundle", &dir, id]).ok();
    by(&bundle, user, &["state", id]).ok().stdout_contains("\"created\"");
    by(&bundle, user, &["start", id]).ok();
    by(&bundle, user, &["exec", id, "sh", "-c", "id -u; hostname; echo x > /dev/null"]).ok().stdout_is("0\nbox\n");
    if others {
        by(&bundle, user, &["exec", "--user", "7:8", id, "sh", "-c", "id -u; id -g"]).ok().stdout_is("7\n8\n");
    }
    by(&bundle, user, &["exec", id, "sh", "-c", "exit 5"]).run().code(5);
    by(&bundle, user, &["list", "-q"]).ok().stdout_is(&format!("{id}\n"));
    by(&bundle, user, &["delete", id]).run().code(1).stderr_contains("not stopped");
    by(&bundle, user, &["kill", id, "KILL"]).ok();
    assert!(within(CLEARING, || by(&bundle, user, &["state", id]).run().stdout.contains("\"stopped\"")));
    by(&bundle, user, &["exec", id, "true"]).run().code(255).stderr_contains("stopped container");
    by(&bundle, user, &["delete", id]).ok();
    by(&bundle, user, &["state", id]).run().code(1).stderr_contains("does not exist");
    before.assert_nothing_new(CLEARING);
}

#[test]
fn a_container_of_a_user_with_subordinate_ids_lives_through_all_verbs() {
    requires!(root, busybox, subuid_user, user_namespaces);
    life(&User::with_subuids(), true);
}

#[test]
fn a_container_of_a_user_with_one_id_lives_through_all_verbs() {
    requires!(root, busybox, subuid_user, user_namespaces);
    life(&User::without_subuids(), false);
}
