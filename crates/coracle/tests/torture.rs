//! Everything that can be done to the streams of a container: by real terminals, pipes that end early or late, much
//! input and much output, and several who are attached at once.

#![forbid(unsafe_code)]

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use testkit::{Invocation, Outcome, Pty, Sandbox, requires, within};

const SOON: Duration = Duration::from_secs(20);

fn long() -> bool {
    std::env::var_os("CORACLE_LONG").is_some()
}

/// A shell's line with `$C` for the engine, in the sandbox.
#[track_caller]
fn sh(sandbox: &Sandbox, line: &str) -> Outcome {
    let program = testkit::Program::Coracle.path();
    sandbox.command("/bin/sh").args(["-c", line]).env("C", program).timeout(Duration::from_mins(1)).run()
}

/// A container with options, which runs a shell's script.
#[track_caller]
fn background(sandbox: &Sandbox, name: &str, options: &[&str], script: &str) {
    sandbox.coracle(["run", "-d", "--name", name]).args(options).args(["host:", "sh", "-c", script]).ok();
}

#[track_caller]
fn shown(sandbox: &Sandbox, name: &str, template: &str) -> String {
    sandbox.run(["inspect", "--format", template, name]).code(0).stdout.trim().to_owned()
}

/// A shell in a terminal of a container that is kept.
fn shell(sandbox: &Sandbox, options: &[&str]) -> Pty {
    let run = sandbox.coracle(["run", "-it", "--name", "box", "-e", "PS1=ready> "]).args(options);
    let mut pty = Pty::spawn_sized(&run.args(["host:", "sh"]), 33, 111);
    pty.expect("ready> ");
    pty
}

#[test]
fn the_window_follows_all_who_are_attached_and_ours_is_as_it_was() {
    requires!(root);
    let sandbox = Sandbox::new();
    let mut pty = shell(&sandbox, &[]);
    pty.send("stty size\r");
    pty.expect("33 111");
    pty.resize(20, 60);
    assert!(within(SOON, || {
        pty.send("stty size\r");
        pty.expect("ready> ").contains("20 60")
    }));
    pty.send("\x10\x11");
    pty.wait().code(0);
    let mut again = Pty::spawn_sized(&sandbox.coracle(["attach", "box"]), 44, 122);
    let before = again.attributes();
    assert!(within(SOON, || {
        again.send("stty size; echo end\r");
        again.expect("\nend").contains("44 122")
    }));
    again.send("exit 9\r");
    again.wait().code(9);
    assert_eq!(again.attributes(), before);
}

/// Keys are ours from now on, and no more the terminal's.
#[track_caller]
fn is_raw(pty: &Pty) {
    assert!(within(SOON, || !pty.attributes().contains("ICANON")));
}

#[test]
fn keys_of_every_shape_leave_and_what_only_begins_them_is_typed() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "box", &["-it"], "stty raw -echo; echo ready; while :; do od -An -tx1 -N1; done");
    for (keys, typed, seen) in [
        (None, &b"\x10a\x10\x11"[..], Some(" 10\r\n 61")),
        (None, b"\x10\x10\x11", Some(" 10")),
        (Some("ctrl-@"), b"b\0", Some(" 62")),
        (Some("ctrl-]"), b"c\x1d", Some(" 63")),
        (Some("x,y,z"), b"xyxyz", Some(" 78\r\n 79")),
        (Some("ctrl-\\,q"), b"\x1cq", None),
        (Some("ctrl-^,ctrl-_"), b"\x1e\x1f", None),
    ] {
        let option = keys.map(|keys| format!("--detach-keys={keys}"));
        let mut pty = Pty::spawn(&sandbox.coracle(["attach"]).args(option).arg("box"));
        is_raw(&pty);
        pty.send(typed);
        let said = pty.wait();
        said.code(0);
        let logged = || sandbox.run(["logs", "box"]).stdout.clone();
        assert!(
            seen.is_none_or(|seen| within(SOON, || logged().contains(&seen.replace('\r', "")))),
            "{keys:?}\n{said}"
        );
    }
    let mut pty = Pty::spawn(&sandbox.coracle(["attach", "--detach-keys=", "box"]));
    is_raw(&pty);
    pty.send("\x10\x11");
    pty.expect("11");
    sandbox.run(["rm", "-f", "box"]).code(0);
    pty.wait().code(137);
    sandbox.run(["attach", "--detach-keys=ctrl-1", "box"]).code(125).one_line_error("ctrl-1");
}

#[test]
fn control_c_twice() {
    requires!(root);
    let sandbox = Sandbox::new();
    let script =
        "n=0; trap 'n=$((n+1)); echo caught-$n; [ $n = 2 ] && exit 4' INT; echo ready; while :; do sleep 0.05; done";
    for tty in [&["-it"][..], &["-i"], &[]] {
        let run = sandbox.coracle(["run", "--name", "box"]).args(tty).args(["host:", "sh", "-c", script]);
        let mut pty = Pty::spawn(&run);
        pty.expect("ready");
        pty.send("\x03");
        pty.expect("caught-1");
        pty.send("\x03");
        pty.expect("caught-2");
        pty.wait().code(4);
        sandbox.run(["rm", "box"]).code(0);
    }
}

#[test]
fn a_terminal_inside_needs_none_outside() {
    requires!(root);
    let sandbox = Sandbox::new();
    sandbox.run(["run", "-t", "host:", "tty"]).code(0).stdout_contains("/dev/pts/0\r\n");
    sh(&sandbox, "$C run -t host: echo one | od -c").code(0).stdout_contains("\\r  \\n");
    sandbox.run(["run", "-it", "host:", "tty"]).code(125).one_line_error("not a terminal");
    background(&sandbox, "box", &["-t"], "tty; read line; echo never");
    assert!(within(SOON, || sandbox.run(["logs", "box"]).stdout.contains("/dev/pts/0")));
    // Nobody may type: what is typed is not even asked for.
    let mut pty = Pty::spawn(&sandbox.coracle(["attach", "box"]));
    pty.send("line\r");
    std::thread::sleep(Duration::from_millis(200));
    sandbox.run(["logs", "box"]).code(0).stdout_lacks("never");
    sandbox.run(["rm", "-f", "box"]).code(0);
    pty.wait().code(137);
}

#[test]
fn input_that_ends_or_is_closed_ends_inside_and_output_goes_on() {
    requires!(root);
    let sandbox = Sandbox::new();
    let script = "cat; echo; sleep 0.2; echo after";
    let ended = sandbox.coracle(["run", "-i", "host:", "sh", "-c", script]).stdin("all of it").run();
    ended.code(0).stdout_is("all of it\nafter\n");
    sh(&sandbox, "$C run -i host: cat <&-; echo $?").stdout_is("0\n");
    sh(&sandbox, "$C run -i host: cat </; echo $?").stdout_is("0\n");
    sh(&sandbox, "$C run host: cat; echo $?").stdout_is("0\n");
    background(&sandbox, "box", &["-i"], "sleep 1000");
    let exec = sandbox.coracle(["exec", "-i", "box", "sh", "-c", script]).stdin("all of it").run();
    exec.code(0).stdout_is("all of it\nafter\n");
    sh(&sandbox, "$C exec -i box cat <&-; echo $?").stdout_is("0\n");
    sh(&sandbox, "echo x | $C exec box cat; echo $?").stdout_is("0\n");
    // Somebody attached who ends his input has not ended that of others.
    background(&sandbox, "open", &["-i"], "while read line; do echo got $line; done; sleep 1000");
    for line in ["one", "two"] {
        let mut attached = sandbox.coracle(["attach", "open"]).stdin(format!("{line}\n")).spawn();
        attached.stdout_until(&format!("got {line}"));
    }
    sandbox.run(["logs", "open"]).code(0).stdout_is("got one\ngot two\n");
}

#[test]
fn whoever_reads_no_more_keeps_nobody() {
    requires!(root);
    let sandbox = Sandbox::new();
    sh(&sandbox, "$C run --rm host: yes | head -n1").code(0).stdout_is("y\n");
    sh(&sandbox, "$C run --name box host: yes | head -n1").code(0).stdout_is("y\n");
    assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "running");
    sh(&sandbox, "$C attach --no-stdin box | head -n1 | wc -l").code(0).stdout_is("1\n");
    sh(&sandbox, "$C exec box yes | head -n1").code(0).stdout_is("y\n");
    sh(&sandbox, "$C logs -f box | head -n1").code(0).stdout_is("y\n");
    sandbox.run(["rm", "-f", "box"]).code(0);
}

#[test]
fn much_goes_in_and_more_comes_out_at_once() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "box", &[], "sleep 1000");
    // Each byte in makes several out, and who takes them is slow: neither side may wait for the other.
    for run in ["$C run --rm -i host:", "$C run -i --log-driver none host:", "$C exec -i box"] {
        let line = format!("head -c 3000000 /dev/zero | {run} od -v -An -tx1 | (sleep 0.5; tr -d ' \\n' | wc -c)");
        sh(&sandbox, &line).code(0).stdout_is("6000000\n");
    }
    // A hundred megabytes.
    sh(&sandbox, "head -c 100000000 /dev/zero | $C exec -i box wc -c").code(0).stdout_is("100000000\n");
    sh(&sandbox, "head -c 100000000 /dev/zero | $C run --rm -i host: wc -c").code(0).stdout_is("100000000\n");
    sh(&sandbox, "head -c 20000000 /dev/zero | $C run -i host: wc -c").code(0).stdout_is("20000000\n");
}

#[test]
fn every_byte_comes_out_as_it_was() {
    requires!(root);
    let sandbox = Sandbox::new();
    let all: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    sandbox.file("home/all", &all);
    let file = sandbox.join("home/all").display().to_string();
    let mount = format!("-v {file}:/all:ro");
    let expected = Invocation::new("sha256sum").stdin(all).ok().stdout;
    for run in ["run --rm", "run --name box"] {
        sh(&sandbox, &format!("$C {run} {mount} host: cat /all | sha256sum")).code(0).stdout_is(&expected);
    }
    sh(&sandbox, "$C logs box | sha256sum").code(0).stdout_is(&expected);
    sh(&sandbox, &format!("$C run -d --name two {mount} host: sh -c 'cat /all; sleep 1000'")).code(0);
    sh(&sandbox, "$C exec two cat /all | sha256sum").code(0).stdout_is(&expected);
    sh(&sandbox, &format!("$C run -i --rm host: cat <{file} | sha256sum")).code(0).stdout_is(&expected);
    sh(&sandbox, &format!("$C run -i host: cat <{file} | sha256sum")).code(0).stdout_is(&expected);
    sandbox.run(["rm", "-f", "-a"]).code(0);
}

#[test]
fn two_who_are_attached_see_the_same_and_may_both_type() {
    requires!(root);
    let sandbox = Sandbox::new();
    let mut first = shell(&sandbox, &[]);
    let mut second = Pty::spawn(&sandbox.coracle(["attach", "box"]));
    second.send("echo $((40+2))\r");
    second.expect("42");
    first.expect("42");
    first.send("echo $((50+3))\r");
    first.expect("53");
    second.expect("53");
    second.send("\x10\x11");
    second.wait().code(0);
    first.send("exit 6\r");
    first.wait().code(6);
}

#[test]
fn signals_of_who_is_attached_are_the_containers_unless_he_says_no() {
    requires!(root);
    let sandbox = Sandbox::new();
    background(&sandbox, "box", &[], "trap 'echo hup' HUP; trap 'exit 8' TERM; while :; do echo on; sleep 0.05; done");
    let mut attached = sandbox.coracle(["attach", "--sig-proxy=false", "box"]).spawn();
    attached.stdout_until("on");
    attached.kill(Signal::TERM);
    attached.wait();
    assert_eq!(shown(&sandbox, "box", "{{.State.Status}}"), "running");
    let mut attached = sandbox.coracle(["attach", "box"]).spawn();
    attached.stdout_until("on");
    attached.kill(Signal::HUP);
    attached.stdout_until("hup");
    attached.kill(Signal::TERM);
    attached.wait().code(8);
    sandbox.run(["start", "box"]).code(0);
    sandbox.run(["rm", "-f", "box"]).code(0);
}

#[test]
fn one_who_takes_nothing_holds_the_container_up_for_a_while_and_not_for_ever() {
    requires!(root);
    let sandbox = Sandbox::new();
    let options = ["--log-opt", "max-size=64k", "--log-opt", "max-file=2"];
    background(&sandbox, "box", &options, "n=0; while :; do n=$((n+1)); echo $n; done");
    let attached = sandbox.coracle(["attach", "--no-stdin", "box"]).spawn();
    std::thread::sleep(Duration::from_millis(100));
    attached.kill(Signal::STOP);
    let last = || sandbox.run(["logs", "-n", "1", "box"]).stdout.trim().parse::<u64>().unwrap_or(0);
    if !long() {
        // He is let go after ten seconds.
        assert!(within(SOON, || last() > 0));
        return drop(attached);
    }
    std::thread::sleep(Duration::from_secs(2));
    let before = last();
    assert!(within(Duration::from_secs(30), || last() > before + 1_000), "{before}");
    sandbox.run(["rm", "-f", "box"]).code(0);
}

/// MB that a container writes where nothing of it is read.
fn much() -> u64 {
    if long() { 1_000 } else { 50 }
}

#[test]
fn a_log_of_any_length_takes_no_more_room_than_is_said() {
    requires!(root);
    let sandbox = Sandbox::new();
    let lines = much() * 1_000_000 / 100;
    let script = format!("yes $(printf '%099d' 0) | head -n {lines}; echo the end");
    background(&sandbox, "box", &["--log-opt", "max-size=1m", "--log-opt", "max-file=3"], &script);
    let dir = sandbox.root().join("containers").join(shown(&sandbox, "box", "{{.Id}}"));
    let size = || {
        let files = fs::read_dir(&dir).expect("its directory").flatten();
        let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("log"));
        logs.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum::<u64>()
    };
    let mut most = 0;
    assert!(within(Duration::from_mins(10), || {
        most = most.max(size());
        sandbox.run(["logs", "-n", "1", "box"]).stdout == "the end\n"
    }));
    assert!(most <= 3 << 20, "{most}");
    sandbox.run(["wait", "box"]).code(0).stdout_is("0\n");
}

#[test]
fn a_log_is_followed_over_many_files_without_a_gap() {
    requires!(root);
    let sandbox = Sandbox::new();
    let options = ["--log-opt", "max-size=64k", "--log-opt", "max-file=3"];
    let script = "n=0; while [ $n -lt 20000 ]; do n=$((n+1)); echo line $n; [ $((n % 200)) = 0 ] && sleep 0.01; done";
    background(&sandbox, "box", &options, &format!("sleep 0.3; {script}"));
    let followed = sandbox.run(["logs", "-f", "box"]).code(0).stdout.clone();
    let expected: Vec<String> = (1..=20_000).map(|number| format!("line {number}")).collect();
    let lines: Vec<&str> = followed.lines().collect();
    assert!(lines == expected, "{} lines of {}", lines.len(), expected.len());
}

#[test]
fn streams_that_are_passed_through_are_the_commands_own() {
    requires!(root);
    let sandbox = Sandbox::new();
    let file = sandbox.join("home/out").display().to_string();
    let script = "echo out; echo err >&2; readlink /proc/self/fd/1; cat";
    let run = "--log-driver passthrough --name box host: sh -c";
    sh(&sandbox, &format!("echo in | $C run -d -i {run} '{script}' >{file} 2>{file}.err; $C wait box")).code(0);
    let written = fs::read_to_string(&file).expect("its output");
    assert!(written.contains("out\n") && written.ends_with("in\n"), "{written}");
    assert_eq!(fs::read_to_string(format!("{file}.err")).expect("its errors"), "err\n");
    sandbox.run(["logs", "box"]).code(1).one_line_error("--log-driver passthrough");
    sandbox.run(["rm", "box"]).code(0);
    sh(&sandbox, &format!("echo in | $C run -i {run} '{script}; exit 3' | tail -n1")).code(0).stdout_is("in\n");
    sandbox.run(["start", "-a", "box"]).code(3).stdout_contains("out\n");
    for excluded in ["-t", "--restart=always"] {
        let run = sandbox.run(["run", excluded, "--log-driver", "passthrough", "host:", "true"]);
        run.code(125).one_line_error("passthrough");
    }
}
