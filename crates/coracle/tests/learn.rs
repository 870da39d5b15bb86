//! What is learnt of a run lets the same run pass, and refuses what was not seen.

#![forbid(unsafe_code)]

mod machine;
#[path = "seed/world.rs"]
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::{Outcome, requires};
use world::World;

/// What was learnt.
struct Learnt {
    dir: PathBuf,
    flags: Vec<String>,
}

/// Learns of a workload, replays it, and expects both to say the same.
#[track_caller]
fn learn(world: &World, name: &str, options: &[&str], command: &[&str], says: &str) -> Learnt {
    let dir = world.sandbox.join(format!("home/{name}"));
    let out = format!("--out={}", dir.display());
    let words = ["learn", &out, "--replay", "--name", name, "--network=none"];
    let learnt = world.sandbox.run([&words[..], options, &["host:"], command].concat());
    learnt.code(0).stderr_contains("the same run passes with what was learnt");
    learnt.stdout_is(&says.repeat(2));
    let flags = fs::read_to_string(dir.join("flags")).expect("flags");
    Learnt { dir, flags: flags.split_whitespace().map(str::to_owned).collect() }
}

impl Learnt {
    fn run(&self, world: &World, command: &[&str]) -> Outcome {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        world.sandbox.run([&["run", "--rm"], &flags[..], &["host:"], command].concat())
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read(self.dir.join("seccomp.json")).expect("a profile");
        let profile: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        let rules = profile["syscalls"].as_array().expect("rules").iter();
        let allowed = rules.filter(|rule| rule["action"] == "SCMP_ACT_ALLOW");
        let names = allowed.flat_map(|rule| rule["names"].as_array().cloned().unwrap_or_default());
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

#[test]
fn of_a_script_its_files_and_capabilities_are_learnt_and_no_others() {
    requires!(root, cgroups);
    let world = World::root();
    let script =
        "echo a > /tmp/a; echo b > /opt/b; chown 5 /opt/b; cat /opt/b; mkdir -p /etc; touch /nowhere/x 2>/dev/null";
    let learnt = learn(&world, "script", &[], &["sh", "-c", &format!("{script}; true")], "b\n");
    for flag in ["--cap-drop=all", "--cap-add=CHOWN", "--read-only", "--tmpfs=/opt"] {
        assert!(learnt.has(flag), "{flag} of {:?}", learnt.flags);
    }
    for capability in ["DAC_OVERRIDE", "SETUID", "KILL", "NET_BIND_SERVICE", "SYS_ADMIN"] {
        assert!(!learnt.has(&format!("--cap-add={capability}")), "{:?}", learnt.flags);
    }
    // A write elsewhere, a capability and a call that were not seen.
    learnt.run(&world, &["sh", "-c", "echo x > /opt/x && echo x > /tmp/x"]).code(0);
    learnt.run(&world, &["sh", "-c", "echo x > /etc/x"]).code(2).stderr_contains("Read-only file system");
    let calls = learnt.calls();
    assert!(calls.contains(&"fchownat".to_owned()) && !calls.contains(&"symlinkat".to_owned()), "{calls:?}");
    learnt.run(&world, &["ln", "-s", "a", "/tmp/b"]).code(1).stderr_contains("Operation not permitted");
    learnt.run(&world, &["setpriv", "--reuid=1", "true"]).code(1).stderr_contains("Operation not permitted");
    learnt.run(&world, &["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait"]).code(2);
}

#[test]
fn python_gets_what_it_uses_and_no_sockets() {
    requires!(root, cgroups, package = "python3");
    let world = World::root();
    let script = "import subprocess, tempfile, threading\n\
        t = threading.Thread(target=lambda: tempfile.NamedTemporaryFile().write(b'x')); t.start(); t.join()\n\
        print(subprocess.run(['id', '-u'], capture_output=True, text=True).stdout, end='')";
    let learnt = learn(&world, "python", &[], &["python3", "-c", script], "0\n");
    assert!(!learnt.flags.iter().any(|flag| flag.starts_with("--cap-add")), "{:?}", learnt.flags);
    let refused = learnt.run(&world, &["python3", "-c", "import socket; socket.socket(socket.AF_INET)"]);
    refused.code(1).stderr_contains("PermissionError: [Errno 1]");
}

const NGINX: &str = "daemon off; pid /run/nginx.pid; error_log stderr; events {}\n\
    http { access_log off; server { listen 80; location / { return 200 \"hello\\n\"; } } }\n";

#[test]
fn nginx_serves_with_what_was_learnt() {
    requires!(root, cgroups, package = "nginx", package = "curl");
    let world = World::root();
    let conf = format!("{}:/nginx.conf:ro", world.sandbox.file("home/nginx.conf", NGINX).display());
    let script = "nginx -c /nginx.conf & for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; curl -sf http://127.0.0.1/ && break; done; \
                  kill $!; wait";
    let learnt = learn(&world, "web", &["-v", &conf], &["sh", "-c", script], "hello\n");
    for flag in ["--cap-add=SETUID", "--cap-add=SETGID", "--tmpfs=/var/lib/nginx"] {
        assert!(learnt.has(flag), "{flag} of {:?}", learnt.flags);
    }
    assert!(!learnt.flags.iter().any(|flag| flag.starts_with("--publish")), "it has no network");
    learnt.run(&world, &["sh", "-c", "echo x > /etc/nginx/x"]).code(2).stderr_contains("Read-only file system");
    learnt.run(&world, &["unshare", "-U", "true"]).code(1).stderr_contains("Operation not permitted");
}

#[test]
fn postgresql_serves_with_what_was_learnt() {
    requires!(root, cgroups, package = "psql", that = programs().map(drop));
    let world = World::root();
    let bin = programs().expect("its programs");
    let script = format!(
        "set -e; D=/var/lib/postgresql/d; mkdir -p $D; chown postgres $D; P='setpriv --reuid=postgres --clear-groups'\n\
         $P {bin}/initdb -N -A trust -D $D >/dev/null\n\
         $P {bin}/pg_ctl -D $D -l $D/log -o '-k /tmp -F' -w start >/dev/null\n\
         psql -qh /tmp -U postgres -Atc 'create table t as select generate_series(1,1000) n' -c 'select sum(n) from t'\n\
         $P {bin}/pg_ctl -D $D -m fast stop >/dev/null\n"
    );
    let learnt = learn(&world, "db", &["--shm-size=64m"], &["sh", "-c", &script], "500500\n");
    assert!(learnt.has("--tmpfs=/var/lib/postgresql") && learnt.has("--shm-size=64m"), "{:?}", learnt.flags);
    learnt.run(&world, &["mknod", "/tmp/null", "c", "1", "3"]).code(1).stderr_contains("Operation not permitted");
}

/// Where Debian has the programs of PostgreSQL.
fn programs() -> Result<String, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let bin = versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists());
    bin.map(|bin| bin.display().to_string()).ok_or_else(|| "PostgreSQL".to_owned())
}

#[test]
fn a_user_learns_by_trying_which_capabilities_are_needed() {
    requires!(subuid_user, user_namespaces);
    let world = World::user();
    let script = "echo a > /tmp/a && chown 5 /tmp/a && cat /tmp/a";
    let dir = world.sandbox.join("home/least");
    let out = format!("--out={}", dir.display());
    let words = ["learn", &out, "--replay", "--network=none", "host:", "sh", "-c", script];
    let learnt = world.sandbox.run(words);
    learnt.code(0).stderr_contains("the same run passes with what was learnt").stderr_contains("--replay tries");
    let flags = fs::read_to_string(dir.join("flags")).expect("flags");
    let added: Vec<&str> = flags.split_whitespace().filter(|flag| flag.starts_with("--cap-add")).collect();
    assert_eq!(added, ["--cap-add=CHOWN"], "{flags}");
    let flags = flags.split_whitespace();
    let refused = ["run", "--rm"].into_iter().chain(flags).chain(["host:", "sh", "-c", "echo x > /etc/x"]);
    world.sandbox.run(refused).code(2).stderr_contains("Read-only file system");
}

#[test]
fn ports_are_learnt_and_the_unit_becomes_a_service() {
    requires!(root, cgroups, package = "ip", package = "python3");
    let world = machine::World::new();
    let dir = world.sandbox.join("ports");
    let out = format!("--out={}", dir.display());
    let script = "import socket\n\
        a = socket.socket(); a.bind(('0.0.0.0', 8123)); a.listen()\n\
        b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); b.bind(('::', 8124))\n\
        c = socket.socket(); c.bind(('127.0.0.1', 8125)); c.listen()";
    world.words(&["learn", &out, "--name", "ports", "host:", "python3", "-c", script]).code(0);
    let flags = fs::read_to_string(dir.join("flags")).expect("flags");
    assert!(flags.contains("--publish=8123:8123 --publish=8124:8124/udp") && !flags.contains("8125"), "{flags}");
    let unit = fs::read_to_string(dir.join("ports.container")).expect("a unit");
    for line in ["Image=host:", "DropCapability=all", "ReadOnly=true", "PublishPort=8123:8123"] {
        assert!(unit.lines().any(|known| known == line), "{line} in {unit}");
    }
    let profile = format!("SeccompProfile={}", dir.join("seccomp.json").display());
    assert!(unit.contains(&profile), "{unit}");
}

#[test]
fn other_runtimes_start_containers_under_a_learnt_profile() {
    requires!(root, busybox, package = "runc");
    let world = World::root();
    let learnt = learn(&world, "other", &[], &["sh", "-c", "echo hello"], "hello\n");
    let bundle = world.sandbox.join("home/bundle");
    fs::create_dir(&bundle).expect("a directory");
    let rootfs = world.sandbox.rootfs("home/bundle/rootfs");
    let config = spec(&rootfs.path().join("bin/busybox"), &learnt.dir);
    fs::write(bundle.join("config.json"), config).expect("a specification");
    let root = world.sandbox.join("home/runc");
    let outcome = world.sandbox.command("/usr/sbin/runc").args(["--root".as_ref(), root.as_os_str()]);
    let id = format!("learnt-{}", std::process::id());
    outcome.args(["run", "--bundle"]).arg(&bundle).arg(&id).run().code(0).stdout_is("hello\n");
}

/// A specification for runc, with the profile.
fn spec(busybox: &Path, learnt: &Path) -> String {
    assert!(busybox.parent().is_some());
    let profile: Value = serde_json::from_slice(&fs::read(learnt.join("seccomp.json")).expect("it")).expect("JSON");
    serde_json::json!({
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh", "-c", "echo hello"], "env": ["PATH=/bin"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}], "seccomp": profile},
    })
    .to_string()
}
