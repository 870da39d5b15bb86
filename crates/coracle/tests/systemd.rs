//! Under systemd: what an ordinary user may limit in a cgroup that systemd has delegated to him.

use std::time::Duration;

use testkit::{Invocation, Outcome, Sandbox, User, requires, within};

const SOON: Duration = Duration::from_mins(1);

/// Runs a container as a service of this user. The service's shell first moves into a cgroup of its own below the
/// service's, as a login session's programs are below their slice: a cgroup with processes hands no controllers down.
fn as_a_service(delegate: &str, run: &str) -> Outcome {
    let user = User::with_subuids();
    let sandbox = Sandbox::of(&user);
    // Asking for it puts a copy where the user may read it.
    drop(sandbox.coracle(["version"]));
    let coracle = sandbox.join("bin/coracle").display().to_string();
    let script = format!(
        "own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $own/session 2>/dev/null && \
         echo 0 >$own/session/cgroup.procs; exec {coracle} {run}"
    );
    let (root, runroot) = (sandbox.root(), sandbox.runroot());
    Invocation::new("systemd-run")
        .args(["--quiet", "--wait", "--pipe", "--collect", "-p", delegate])
        .arg(format!("--uid={}", user.name))
        .arg(format!("--setenv=CORACLE_ROOT={}", root.display()))
        .arg(format!("--setenv=CORACLE_RUNROOT={}", runroot.display()))
        .arg("--setenv=CORACLE_NETWORK=none")
        .args(["/bin/sh", "-c", &script])
        .run()
}

#[test]
fn an_ordinary_user_sets_limits_in_a_delegated_cgroup() {
    requires!(root, systemd, subuid_user, user_namespaces);
    let show = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max";
    let outcome = as_a_service("Delegate=yes", &format!("run --rm -m 64m --pids-limit 50 host: sh -c '{show}'"));
    outcome.code(0).stdout_is("67108864\n50\n");
}

#[test]
fn without_delegation_a_limit_is_refused_and_a_container_without_limits_runs() {
    requires!(root, systemd, subuid_user, user_namespaces);
    as_a_service("Delegate=no", "run --rm host: echo runs").code(0).stdout_is("runs\n");
    let outcome = as_a_service("Delegate=no", "run --rm -m 64m host: true");
    outcome.code(125).one_line_error("--memory");
}

#[test]
fn a_log_in_the_journal_is_found_there_by_the_container() {
    requires!(root, systemd, package = "journalctl");
    let sandbox = Sandbox::new();
    let options = ["--log-driver", "journald", "--log-opt", "tag={{.Name}}/x", "--name", "box"];
    let script = "echo to the journal; echo to it as well >&2";
    sandbox.coracle(["run"]).args(options).args(["host:", "sh", "-c", script]).run().code(0);
    let read = |field: &str| {
        let journal = Invocation::new("journalctl").args(["-o", "json", "--no-pager", field]).ok();
        let lines = journal.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        lines.collect::<Vec<serde_json::Value>>()
    };
    assert!(within(SOON, || read("CONTAINER_NAME=box").len() == 2));
    let id = sandbox.run(["inspect", "--format={{.Id}}", "box"]).code(0).stdout.trim().to_owned();
    let lines = read(&format!("CONTAINER_ID_FULL={id}"));
    let told = |line: &serde_json::Value| {
        ["MESSAGE", "PRIORITY", "CONTAINER_TAG", "CONTAINER_ID"].map(|name| line[name].as_str().map(str::to_owned))
    };
    let expected =
        |message: &str, priority: &str| [message, priority, "box/x", &id[..12]].map(|text| Some(text.to_owned()));
    assert_eq!(told(&lines[0]), expected("to the journal", "6"));
    assert_eq!(told(&lines[1]), expected("to it as well", "3"));
    sandbox.run(["logs", "box"]).code(1).one_line_error("journalctl CONTAINER_ID_FULL=");
}

/// A user's own service manager, as a login brings it, which goes with the test.
struct Manager {
    sandbox: Sandbox,
    unit: String,
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.sandbox.coracle(["rm", "-f", "-a"]).run();
        let _ = Invocation::new("systemctl").args(["stop", &self.unit]).run();
    }
}

impl Manager {
    fn start() -> Self {
        let user = User::with_subuids();
        let sandbox = Sandbox::of(&user);
        let unit = format!("manager-{}", std::process::id());
        let runtime = sandbox.join("xdg");
        Invocation::new("systemd-run")
            .args(["--quiet", "--collect", "-p", "Delegate=yes"])
            .args([format!("--unit={unit}"), format!("--uid={}", user.name)])
            .arg(format!("--setenv=XDG_RUNTIME_DIR={}", runtime.display()))
            .arg(format!("--setenv=HOME={}", sandbox.join("home").display()))
            .args(["/lib/systemd/systemd", "--user"])
            .ok();
        assert!(within(SOON, || runtime.join("bus").exists()), "the user's bus");
        Self { sandbox, unit }
    }

    /// A command of the user's that talks to it.
    fn command(&self, program: &str) -> Invocation {
        let bus = format!("unix:path={}", self.sandbox.join("xdg/bus").display());
        self.sandbox.command(program).env("DBUS_SESSION_BUS_ADDRESS", bus)
    }
}

#[test]
fn a_container_in_the_background_has_limits_and_stays_in_a_scope_of_the_users_manager() {
    requires!(root, systemd, subuid_user, user_namespaces);
    let manager = Manager::start();
    let sandbox = &manager.sandbox;
    drop(sandbox.coracle(["version"]));
    let coracle = sandbox.join("bin/coracle").display().to_string();
    let run = ["run", "-d", "--name", "box", "-m", "64m", "--pids-limit", "50", "host:", "sleep", "1000"];
    let scope = |unit: &str| {
        let words = ["--quiet", "--user", "--scope", "-p", "Delegate=yes", &format!("--unit={unit}"), &coracle];
        manager.command("systemd-run").args(words)
    };
    scope("box").args(run).ok();
    sandbox.run(["exec", "box", "true"]).code(125).one_line_error("systemd-run --user --scope");
    // From outside of what systemd has delegated nobody but root enters a cgroup within it.
    let limits = ["exec", "box", "cat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max"];
    scope("beside").args(limits).ok().stdout_is("67108864\n50\n");
    // Its monitor is all that keeps the scope, which is no part of any session that could end.
    let active = || manager.command("systemctl").args(["--user", "is-active", "box.scope"]).run();
    active().stdout_is("active\n");
    sandbox.run(["stop", "-t", "0", "box"]).code(0);
    assert!(within(SOON, || active().stdout != "active\n"));
    sandbox.run(["rm", "box"]).code(0);
}
