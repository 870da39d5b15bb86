//! Commands in containers that run: what they get of the container, whom they run as, and what is left of them.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::time::Duration;

use rustix::process::Signal;
use testkit::{Invocation, Outcome, Pty, requires};
use world::{World, eventually};

/// A container with a monitor that sleeps, and its id.
#[track_caller]
fn detached(world: &World, options: &[&str]) -> String {
    let options: Vec<&str> = ["-d", "--network=none"].into_iter().chain(options.iter().copied()).collect();
    let id = world.invocation(&options, &["host:", "sleep", "1000"]).ok().stdout;
    id.trim_end().to_owned()
}

fn exec(world: &World, options: &[&str], id: &str, command: &[&str]) -> Invocation {
    world.sandbox.coracle(["exec"]).args(options).arg(id).args(command)
}

#[track_caller]
fn sh(world: &World, options: &[&str], id: &str, script: &str) -> Outcome {
    exec(world, options, id, &["sh", "-c", script]).run()
}

#[track_caller]
fn remove(world: &World, id: &str) {
    world.sandbox.run(["rm", "-f", id]).code(0);
}

const LIKE: &str = "grep -E '^(Cap|NoNew|Seccomp:|Groups|Uid|Gid)' /proc/self/status; readlink /proc/self/ns/*; pwd; \
    echo $A $HOME $HOSTNAME; cat /proc/self/cgroup; umask; ulimit -n";

#[test]
fn it_is_what_the_containers_command_is() {
    requires!(root);
    let world = World::root();
    for options in [
        &["-e", "A=b", "-w", "/usr"][..],
        &["-u", "daemon", "--cap-add", "NET_RAW", "--security-opt", "no-new-privileges", "--ulimit", "nofile=99:100"],
        &["--privileged", "--pid", "host", "--group-add", "77"],
        &["--userns", "auto"],
    ] {
        let (mut running, id) = world.start(options, &format!("{LIKE}; echo end; sleep 1000"));
        let first = running.stdout_until("end\n").stdout();
        let first = first.trim_start_matches("started\n");
        sh(&world, &[], &id, &format!("{LIKE}; echo end")).code(0).stdout_is(first);
        world.end(running, &id);
    }
}

#[test]
fn variables_directory_and_user_are_as_asked() {
    requires!(root);
    let world = World::root();
    let file = world.sandbox.file("home/env", "A=file\nB=file\n");
    let id = detached(&world, &["-e", "A=container", "-e", "C=container"]);
    let options = ["-e", "B=flag", "--env-file", &file.display().to_string(), "-w", "/tmp", "-u", "daemon"];
    sh(&world, &options, &id, "echo $A $B $C $HOME; pwd; id -un; id -gn; id -G")
        .code(0)
        .stdout_is("file flag container /usr/sbin\n/tmp\ndaemon\ndaemon\n1\n");
    sh(&world, &["-u", "4242:4343"], &id, "id -u; id -g; echo $HOME").code(0).stdout_is("4242\n4343\n/\n");
    sh(&world, &["-u", "no-such"], &id, "id").code(125).one_line_error("no user \"no-such\" in the container");
    sh(&world, &["-w", "here"], &id, "pwd").code(125).one_line_error("not an absolute path");
    remove(&world, &id);
}

#[test]
fn exit_codes_are_the_commands_or_say_why_there_was_none() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    sh(&world, &[], &id, "exit 42").code(42);
    sh(&world, &[], &id, "kill -TERM $$").code(143);
    exec(&world, &[], &id, &["no-such-command"]).run().code(127).one_line_error("no-such-command");
    exec(&world, &[], &id, &["/etc/hosts"]).run().code(126).one_line_error("/etc/hosts");
    exec(&world, &["-w", "/nope"], &id, &["true"]).run().code(127).one_line_error("/nope");
    exec(&world, &["-w", "/etc/hosts"], &id, &["true"]).run().code(126).one_line_error("/etc/hosts");
    sh(&world, &[], "no-such", "true").code(125).one_line_error("no container \"no-such\"");
    world.sandbox.run(["pause", &id]).code(0);
    sh(&world, &[], &id, "true").code(125).one_line_error("is paused: coracle unpause");
    world.sandbox.run(["unpause", &id]).code(0);
    sh(&world, &[], &id, "true").code(0);
    remove(&world, &id);
    let kept = world.sandbox.run(["run", "--name=kept", "--network=none", "host:", "true"]);
    kept.code(0);
    sh(&world, &[], "kept", "true").code(125).one_line_error("is not running: coracle start");
}

#[test]
fn input_and_output_are_the_callers_own() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let expected = Invocation::new("sha256sum").stdin(bytes.clone()).ok().stdout;
    exec(&world, &["-i"], &id, &["sha256sum"]).stdin(bytes).ok().stdout_is(&expected);
    exec(&world, &[], &id, &["cat"]).stdin("not read").ok().stdout_is("");
    sh(&world, &[], &id, "echo out; echo err >&2").code(0).stdout_is("out\n").stderr_is("err\n");
    remove(&world, &id);
}

#[test]
fn one_in_the_background_holds_nothing_of_the_callers() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    // The caller's pipes end while it runs, or these would wait for the whole time.
    let piped = |options: &[&str], script: &str| {
        let run = exec(&world, options, &id, &["sh", "-c", script]).timeout(Duration::from_secs(20));
        run.under(["sh", "-c", "\"$@\" 2>&1 | cat", "sh"]).ok().stdout_is("");
    };
    piped(&["-d"], "exec sleep 300");
    piped(&["-d", "-t"], "test -t 1 && touch /tmp/terminal; exec sleep 300");
    eventually("its terminal", || sh(&world, &[], &id, "test -e /tmp/terminal").exit_code() == Some(0));
    let count = "n=0; for f in /proc/[0-9]*/comm; do read -r c <$f; test $c = sleep && n=$((n+1)); done; echo $n";
    sh(&world, &[], &id, count).code(0).stdout_is("3\n");
    exec(&world, &["-d"], &id, &["no-such-command"]).run().code(127);
    // A child of one that has ended keeps nobody waiting either.
    sh(&world, &[], &id, "sleep 300 >/dev/null 2>&1 & echo $?").code(0).stdout_is("0\n");
    remove(&world, &id);
}

#[test]
fn no_descriptor_but_what_is_handed_over_comes_along() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    let file = world.sandbox.file("home/handed", "handed over\n");
    let with = |options: &[&str], script: &str| {
        let open = format!("exec 3<{0} 4<{0} 7<{0}; exec \"$@\"", file.display());
        exec(&world, options, &id, &["sh", "-c", script]).under(["sh", "-c", &open, "sh"]).run()
    };
    let list = "for fd in 0 1 2 3 4 5 6 7 8 9; do if test -e /proc/$$/fd/$fd; then echo $fd; fi; done";
    with(&[], list).code(0).stdout_is("0\n1\n2\n");
    with(&["--preserve-fds=1"], &format!("{list}; cat <&3")).code(0).stdout_is("0\n1\n2\n3\nhanded over\n");
    with(&["--preserve-fds=3"], "true").code(125).stderr_contains("file descriptor 5");
    remove(&world, &id);
}

#[test]
fn another_user_has_no_capabilities_and_a_privileged_one_all() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &["--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN"]);
    let sets = |options: &[&str]| {
        let said = sh(&world, options, &id, "grep -E '^(Cap|Seccomp:)' /proc/self/status | cut -f2 | tr '\\n' ' '");
        said.code(0).stdout.trim_end().to_owned()
    };
    // Podman's default eleven, with bit 12 and without bit 0, and nothing that files could inherit (CVE-2022-24769).
    assert_eq!(sets(&[]), "0000000000000000 00000000800415fa 00000000800415fa 00000000800415fa 0000000000000000 2");
    assert_eq!(
        sets(&["-u", "1"]),
        "0000000000001000 0000000000001000 0000000000001000 00000000800415fa 0000000000001000 2"
    );
    let all = std::fs::read_to_string("/proc/self/status").expect("our status");
    let all = all.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).expect("our bounding set");
    assert_eq!(sets(&["--privileged"]), format!("0000000000000000 {all} {all} {all} 0000000000000000 0"));
    remove(&world, &id);
}

#[test]
fn hostile_user_files_of_a_container_are_read_to_no_harm() {
    requires!(root, busybox);
    let world = World::root();
    let rootfs = world.sandbox.rootfs("home/tree");
    let path = rootfs.path().display().to_string();
    let run = world.invocation(&["-d", "--network=none", "--rootfs", &path], &["sleep", "1000"]).ok();
    let id = run.stdout.trim_end().to_owned();
    for (hostile, told) in [
        ("mkfifo /etc/passwd /etc/group", "no user"),
        ("ln -s /dev/zero /etc/passwd; ln -s /dev/zero /etc/group", "no user"),
        ("ln -s /../../proc/1/environ /etc/passwd; ln -s /etc/passwd /etc/group", "no user"),
        ("echo x:x:7:7::/x: >/etc/passwd; truncate -s 1G /etc/group", "no group"),
        ("mkdir /etc/passwd /etc/group", "no user"),
    ] {
        sh(&world, &[], &id, &format!("rm -rf /etc/passwd /etc/group; {hostile}")).code(0);
        let named = exec(&world, &["-u", "x:y"], &id, &["id"]).timeout(Duration::from_secs(20)).run();
        named.code(125).one_line_error(told);
        let ids = "grep -E '^(Uid|Gid)' /proc/self/status | cut -f2";
        sh(&world, &["-u", "5:6"], &id, ids).code(0).stdout_is("5\n6\n");
    }
    remove(&world, &id);
}

#[test]
fn a_terminal_is_one_and_the_keys_leave_it_running() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    let mut pty = Pty::spawn_sized(&exec(&world, &["-it", "-e", "PS1=ready> "], &id, &["sh"]), 33, 111);
    pty.expect("ready> ");
    pty.send("stty size; echo $TERM; tty\r");
    pty.expect("/dev/pts/");
    pty.send("trap 'echo resized' WINCH; stty size\r");
    pty.expect("33 111");
    pty.resize(20, 60);
    eventually("the size of the window", || {
        pty.send("stty size\r");
        pty.expect("ready> ").contains("20 60")
    });
    pty.send("echo $((20 + 3)) >/tmp/mine; sleep 300 # \x10\x11");
    pty.wait().code(0);
    // The shell that was left has its terminal still, and what was typed before the keys is in it.
    let count = "n=0; for f in /proc/[0-9]*/comm; do read -r c <$f; test $c = sh && n=$((n+1)); done; echo $n";
    sh(&world, &[], &id, count).code(0).stdout_is("2\n");
    let mut pty = Pty::spawn(&exec(&world, &["-it", "--detach-keys=", "-e", "PS1=ready> "], &id, &["sh"]));
    pty.expect("ready> ");
    pty.send("exit 5\r");
    pty.wait().code(5);
    let refused = exec(&world, &["-it"], &id, &["sh"]).stdin("").run();
    refused.code(125).one_line_error("standard input is not a terminal");
    remove(&world, &id);
}

#[test]
fn signals_go_to_the_command() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    let script = "trap 'exit 9' TERM; echo started; while :; do sleep 0.05; done";
    let mut running = exec(&world, &[], &id, &["sh", "-c", script]).spawn();
    running.stdout_until("started");
    running.kill(Signal::TERM);
    running.wait().code(9);
    remove(&world, &id);
}

#[test]
fn an_ordinary_users_containers_are_entered_by_him() {
    requires!(subuid_user, user_namespaces);
    for (world, options) in [
        (World::user(), &[][..]),
        (World::user(), &["--userns=keep-id"]),
        (World::user(), &["--userns=host"]),
        (World::single_id(), &[]),
    ] {
        let script = "readlink /proc/self/ns/*; id -u; cat /proc/sys/kernel/hostname";
        let (mut running, first) = world.start(options, &format!("{script}; echo end; sleep 1000"));
        let said = running.stdout_until("end\n").stdout();
        let said = said.trim_start_matches("started\n");
        sh(&world, &[], &first, &format!("{script}; echo end")).code(0).stdout_is(said);
        world.end(running, &first);
        let id = detached(&world, options);
        sh(&world, &["-u", "0"], &id, "id -u; grep -c . /proc/self/uid_map >/dev/null && echo mapped").code(0);
        let mut pty = Pty::spawn(&exec(&world, &["-it", "-e", "PS1=ready> "], &id, &["sh"]));
        pty.expect("ready> ");
        pty.send("exit 6\r");
        pty.wait().code(6);
        remove(&world, &id);
    }
}

#[test]
fn one_whose_client_is_killed_goes_on_and_keeps_the_container_from_nothing() {
    requires!(root);
    let world = World::root();
    let id = detached(&world, &[]);
    let client = exec(&world, &[], &id, &["sh", "-c", "sleep 1; echo over > /over"]).spawn();
    let seen = || sh(&world, &[], &id, "pgrep -x sleep | wc -l").stdout.trim() == "2";
    assert!(testkit::within(Duration::from_secs(20), seen));
    client.kill(Signal::KILL);
    client.wait();
    assert!(testkit::within(Duration::from_secs(20), || sh(&world, &[], &id, "cat /over").stdout == "over\n"));
    // Nobody's child that has ended is left in its namespaces: nothing but what was there before runs in it.
    let left = sh(&world, &[], &id, "ps -e -o stat= | grep -c Z").stdout.trim().to_owned();
    assert_eq!(left, "0");
    remove(&world, &id);
}
