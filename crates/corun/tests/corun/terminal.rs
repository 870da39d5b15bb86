//! A container with a terminal of its own.

use crate::bundle::{Bait, Bundle};
use rustix::process::Signal;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use testkit::{Pty, requires};

fn with_terminal(script: &str) -> Bundle {
    let mut bundle = Bundle::script(script);
    bundle.set("/process/terminal", true);
    bundle
}

#[test]
fn it_is_a_real_one() {
    requires!(root, busybox);
    let bundle = with_terminal("tty; test -t 0 && test -t 1 && test -t 2 && echo all; stty size; exit 3");
    let mut pty = Pty::spawn_sized(&bundle.invocation(), 33, 111);
    let before = pty.attributes();
    let outcome = pty.wait();
    outcome.code(3).stdout_contains("/dev/pts/0").stdout_contains("all").stdout_contains("33 111");
    assert_eq!(pty.attributes(), before);
}

#[test]
fn it_is_the_console_and_belongs_to_the_user() {
    requires!(root, busybox);
    let mut bundle =
        with_terminal("stat -c %t:%T /dev/console $(tty); stat -c %u $(tty); echo to the console > /dev/console");
    bundle.set("/process/user/uid", 1000);
    let outcome = Pty::spawn(&bundle.invocation()).wait();
    let lines: Vec<&str> = outcome.stdout.lines().map(str::trim).collect();
    assert_eq!(lines[0], lines[1], "{outcome}");
    assert_eq!(lines[2..], ["1000", "to the console"], "{outcome}");
}

#[test]
fn control_c_and_the_window_size_reach_it() {
    requires!(root, busybox);
    let bundle =
        with_terminal("trap 'echo interrupted; stty size; exit 5' INT; echo ready; while :; do sleep 0.1; done");
    let mut pty = Pty::spawn_sized(&bundle.invocation(), 24, 80);
    pty.expect("ready");
    pty.resize(20, 60);
    pty.kill(Signal::WINCH);
    pty.send("\x03");
    pty.expect("interrupted");
    pty.expect("20 60");
    pty.wait().code(5);
}

#[test]
fn the_terminal_is_restored_after_a_failed_start_and_after_a_signal() {
    requires!(root, busybox);
    let mut bundle = with_terminal("");
    bundle.command(&["/no/such"]);
    let mut pty = Pty::spawn(&bundle.invocation());
    let before = pty.attributes();
    pty.wait().code(1);
    assert_eq!(pty.attributes(), before);

    let bundle = with_terminal("trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    let mut pty = Pty::spawn(&bundle.invocation());
    let before = pty.attributes();
    pty.expect("ready");
    pty.kill(Signal::TERM);
    pty.wait().code(9);
    assert_eq!(pty.attributes(), before);
}

#[test]
fn cve_2017_5226_without_a_terminal_the_hosts_cannot_be_typed_into() {
    requires!(root, busybox);
    // A session of its own has no controlling terminal: TIOCSTI and /dev/tty fail.
    let bundle = Bundle::script("cat < /dev/tty; cut -d' ' -f6 /proc/self/stat");
    let outcome = Pty::spawn(&bundle.invocation()).wait();
    outcome.stdout_contains("/dev/tty: No such device or address");
    let session = outcome.stdout.lines().last().unwrap().trim();
    assert_eq!(session, "1", "its own session: {outcome}");
}

#[test]
fn cve_2026_88264_a_console_that_is_a_link_is_not_followed() {
    requires!(root, busybox);
    let mut bundle = with_terminal("echo ran");
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    bundle.mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]);
    let bait = Bait::new(&bundle);
    symlink(bait.path().join("console"), bundle.rootfs.inside("dev/console")).unwrap();
    let outcome = Pty::spawn(&bundle.invocation()).wait();
    outcome.code(1).stdout_contains("terminal").stdout_lacks("ran");
    bait.assert_untouched();
    // Nor one that leads to an existing file.
    std::fs::remove_file(bundle.rootfs.inside("dev/console")).unwrap();
    symlink(bait.path().join("file"), bundle.rootfs.inside("dev/console")).unwrap();
    Pty::spawn(&bundle.invocation()).wait().code(1).stdout_lacks("ran");
    bait.assert_untouched();
}

#[test]
fn cve_2026_88265_standard_streams_at_null_are_not_reopened_in_the_root() {
    requires!(root, busybox);
    let mut bundle = Bundle::script("echo unheard");
    let bait = Bait::new(&bundle);
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    symlink(bait.path().join("file"), bundle.rootfs.inside("dev/null")).unwrap();
    bundle.set("/process/user/uid", 1000);
    let null = |bundle: &Bundle| {
        let line = bundle.invocation();
        bundle.run_as(line.under(["sh", "-c", "exec \"$@\" </dev/null >/dev/null 2>/dev/null", "sh"]))
    };
    let owner = std::fs::metadata("/dev/null").unwrap();
    null(&bundle).code(1);
    bait.assert_untouched();
    let now = std::fs::metadata("/dev/null").unwrap();
    assert_eq!((now.uid(), now.gid(), now.mode()), (owner.uid(), owner.gid(), owner.mode()));
}

#[test]
fn cve_2025_52565_a_terminal_that_is_no_devpts_is_refused() {
    requires!(root, busybox);
    // The image's own files in the place of the devpts.
    let mut bundle = with_terminal("echo ran");
    for destination in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.without_mount(destination);
    }
    let bait = Bait::new(&bundle);
    std::fs::create_dir(bundle.rootfs.inside("dev/pts")).unwrap();
    symlink(bait.path().join("file"), bundle.rootfs.inside("dev/pts/ptmx")).unwrap();
    Pty::spawn(&bundle.invocation()).wait().code(1).stdout_contains("terminal").stdout_lacks("ran");
    std::fs::remove_file(bundle.rootfs.inside("dev/pts/ptmx")).unwrap();
    testkit::Invocation::new("mkfifo").arg(bundle.rootfs.inside("dev/pts/ptmx")).ok();
    Pty::spawn(&bundle.invocation()).wait().code(1).stdout_contains("terminal").stdout_lacks("ran");
    bait.assert_untouched();
}

#[test]
fn the_console_size_of_the_specification_is_the_terminals() {
    requires!(root, busybox);
    let mut bundle = with_terminal("stty size");
    bundle.set("/process/consoleSize", serde_json::json!({ "height": 12, "width": 34 }));
    // Without a terminal of the caller's there is no other size.
    bundle.ok().stdout_contains("12 34");
    bundle
        .rootfs
        .mode("bin/busybox", std::fs::metadata(bundle.rootfs.inside("bin/busybox")).unwrap().permissions().mode());
}

#[test]
fn output_into_a_pipe_has_the_newlines_that_the_command_wrote() {
    requires!(root, busybox);
    with_terminal("echo one; echo two").ok().stdout_is("one\ntwo\n");
    // On a terminal it is that one that adds what it needs.
    Pty::spawn(&with_terminal("echo one; echo two").invocation()).wait().stdout_is("one\r\ntwo\r\n");
}
