//! Containers that somebody sits in front of: a terminal inside that behaves as the one outside, input and output that
//! pass unchanged, and a terminal outside that is as it was.

#![forbid(unsafe_code)]

#[path = "seed/world.rs"]
mod world;

use std::time::Duration;

use rustix::process::Signal;
use testkit::{Invocation, Pty, requires, within};
use world::World;

/// A shell in a container, in a terminal, at its first prompt.
fn shell(world: &World, options: &[&str]) -> Pty {
    let options: Vec<&str> = ["-it", "-e", "PS1=ready> "].into_iter().chain(options.iter().copied()).collect();
    let mut pty = Pty::spawn(&world.invocation(&options, &["host:", "sh"]));
    pty.expect("ready> ");
    pty
}

#[test]
fn a_shell_has_a_terminal_of_its_own_and_jobs() {
    requires!(root);
    let world = World::root();
    let mut pty = shell(&world, &[]);
    pty.send("tty; ls -l /dev/console | cut -c1; echo job-$(ps -o tty= -p $$ 2>/dev/null | wc -l)\r");
    let said = pty.expect("job-1");
    assert!(said.contains("/dev/pts/0"), "{said}");
    pty.send("exit 5\r");
    pty.wait().code(5);
}

#[test]
fn an_ordinary_users_shell_has_one_too() {
    requires!(subuid_user, user_namespaces);
    for world in [World::user(), World::single_id()] {
        let mut pty = shell(&world, &[]);
        pty.send("tty && echo user-$(id -u)\r");
        pty.expect("user-0");
        pty.send("exit 0\r");
        pty.wait().code(0);
    }
}

#[test]
fn the_window_inside_follows_the_one_outside() {
    requires!(root);
    let world = World::root();
    let run = world.invocation(&["-it", "-e", "PS1=ready> "], &["host:", "sh"]);
    let mut pty = Pty::spawn_sized(&run, 33, 111);
    pty.expect("ready> ");
    pty.send("stty size\r");
    pty.expect("33 111");
    pty.send("trap 'echo resized' WINCH\r");
    pty.expect("ready> ");
    pty.resize(20, 60);
    let follows = within(Duration::from_secs(20), || {
        pty.send("stty size\r");
        pty.expect("ready> ").contains("20 60")
    });
    assert!(follows);
}

#[test]
fn control_c_reaches_the_command_in_the_foreground() {
    requires!(root);
    let world = World::root();
    let mut pty = shell(&world, &[]);
    // The marker is printed by the job itself, so the job is in the foreground by then; and it has a trap, since dash
    // loses a SIGINT that comes while it makes a child.
    pty.send("sh -c 'trap \"exit 7\" INT; echo in-$((1+1)); while :; do sleep 0.05; done'\r");
    pty.expect("in-2");
    pty.send("\x03");
    pty.expect("ready> ");
    pty.send("echo after-$?\r");
    pty.expect("after-7");
    pty.send("exit 0\r");
    pty.wait().code(0);
}

/// A run in a terminal, held back until its settings have been looked at.
fn held_back(run: Invocation) -> (Pty, String) {
    let mut pty = Pty::spawn(&run.under(["sh", "-c", "echo held; read go; exec \"$@\"", "sh"]));
    pty.expect("held");
    let before = pty.attributes();
    pty.send("\r");
    (pty, before)
}

/// The settings of a terminal once its program has ended.
#[track_caller]
fn settings_after(pty: &Pty) -> String {
    let pid = pty.pid();
    let gone = || !std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(within(Duration::from_secs(30), gone), "it does not end");
    pty.attributes()
}

#[test]
fn the_terminal_outside_is_as_it_was_after_an_end_of_any_kind() {
    requires!(root);
    let world = World::root();
    let script = "trap 'exit 3' TERM HUP; stty -icanon; echo started; while :; do sleep 0.05; done";
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (mut pty, before) = held_back(world.invocation(&["-it"], &["host:", "sh", "-c", script]));
        pty.expect("started");
        assert_ne!(pty.attributes(), before, "it is raw meanwhile");
        pty.kill(signal);
        assert_eq!(settings_after(&pty), before, "after {signal:?}");
    }
    let (mut pty, before) = held_back(world.invocation(&["-it"], &["host:", "sh", "-c", "stty -echo; echo started"]));
    pty.expect("started");
    assert_eq!(settings_after(&pty), before);
}

#[test]
fn an_error_of_the_start_leaves_the_terminal_as_it_was() {
    requires!(root);
    let world = World::root();
    let (mut pty, before) = held_back(world.invocation(&["-it"], &["host:", "no-such-command"]));
    pty.expect("not found");
    assert_eq!(settings_after(&pty), before);
}

#[test]
fn a_terminal_without_one_outside_is_a_terminal_all_the_same() {
    requires!(root);
    let world = World::root();
    // As docker has it: -t alone works without a terminal, the output then has a terminal's line ends.
    world
        .invocation(&["-t"], &["host:", "sh", "-c", "test -t 1 && echo terminal"])
        .run()
        .code(0)
        .stdout_is("terminal\r\n");
}

#[test]
fn five_megabytes_pass_through_unchanged() {
    requires!(root);
    let world = World::root();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let expected = Invocation::new("sha256sum").stdin(bytes.clone()).ok().stdout;
    world.invocation(&["-i"], &["host:", "sha256sum"]).stdin(bytes.clone()).ok().stdout_is(&expected);
    // And out again: what comes out is what a file with the same bytes would be.
    let (file, out) = (world.sandbox.file("home/bytes", &bytes), world.sandbox.join("home/out"));
    let through = format!("exec \"$@\" <{} >{}", file.display(), out.display());
    world.invocation(&["-i"], &["host:", "cat"]).under(["sh", "-c", &through, "sh"]).ok();
    assert!(std::fs::read(out).expect("the output") == bytes);
}

#[test]
fn the_end_of_the_input_is_seen_and_the_output_goes_on() {
    requires!(root);
    let world = World::root();
    let script = "cat; sleep 0.2; echo after the end";
    world.invocation(&["-i"], &["host:", "sh", "-c", script]).stdin("text\n").ok().stdout_is("text\nafter the end\n");
    // Without -i there is nothing to read at all.
    world.invocation(&[], &["host:", "cat"]).stdin("text\n").ok().stdout_is("");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_a_pipe_does() {
    requires!(root);
    let world = World::root();
    let run = world.invocation(&[], &["host:", "sh", "-c", "yes; echo $? >&2"]);
    let outcome = run.under(["sh", "-c", "\"$@\" | head -1", "sh"]).ok();
    outcome.stdout_is("y\n").stderr_is("141\n");
}
