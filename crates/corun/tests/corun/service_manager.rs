//! What a service manager hands to a container and hears of it: sockets that it has opened (sd_listen_fds(3)), and word
//! that the container is ready (sd_notify(3)).

use crate::bundle::{Bundle, CLEARING};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use testkit::{Invocation, requires, within};

/// Passes the first line of a file as fd 3, as a service manager does.
const ACTIVATED: [&str; 4] = ["sh", "-c", r#"exec 3<passed; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#, "sh"];

/// A container's way to say something with busybox: it writes to the log, and that is the socket. The log's own words
/// stand on a line before.
const SAY: &str = r#"say() { logger "$(printf ':\n%s' "$1")"; }; ln -s $NOTIFY_SOCKET /dev/log; "#;

/// A service manager's socket.
fn manager(bundle: &Bundle) -> UnixDatagram {
    let socket = UnixDatagram::bind(bundle.sandbox.join("manager")).unwrap();
    socket.set_read_timeout(Some(CLEARING)).unwrap();
    socket
}

/// What it hears next. The fd of a barrier, which is not asked for, closes.
fn heard(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 128];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

impl Bundle {
    /// A verb on this container, with a service manager.
    fn managed(&self, verb: &str) -> Invocation {
        self.verb(verb).env("NOTIFY_SOCKET", self.sandbox.join("manager"))
    }
}

#[test]
fn sockets_of_the_service_manager_come_before_those_that_are_preserved() {
    requires!(root, busybox);
    let bundle = Bundle::script("echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4");
    bundle.sandbox.file("passed", "passed\n");
    bundle.sandbox.file("kept", "kept\n");
    let both = r#"exec 3<passed 4<kept; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#;
    let invocation = bundle.invocation_with(&["--preserve-fds", "1"]);
    let invocation = invocation.current_dir(bundle.sandbox.path()).under(["sh", "-c", both, "sh"]);
    bundle.run_as(invocation).code(0).stdout_is("1 1\npassed\nkept\n");
}

#[test]
fn sockets_that_are_for_another_process_stay_outside() {
    requires!(root, busybox);
    let bundle = Bundle::script("echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd");
    bundle.sandbox.file("passed", "passed\n");
    let other = r#"exec 3<passed; export LISTEN_FDS=1 LISTEN_PID=1; exec "$@""#;
    let invocation = bundle.invocation().current_dir(bundle.sandbox.path()).under(["sh", "-c", other, "sh"]);
    bundle.run_as(invocation).code(0).stdout_is("\n0\n1\n2\n3\n");
}

#[test]
fn sockets_that_create_gets_are_there_after_start() {
    requires!(root, busybox);
    let bundle = Bundle::script("echo $LISTEN_FDS $LISTEN_PID > /told; cat <&3 >> /told; sleep 1000");
    bundle.sandbox.file("passed", "passed\n");
    let before = bundle.leavings();
    let create = bundle.verb("create").current_dir(bundle.sandbox.path()).under(ACTIVATED);
    create.ok();
    bundle.verb("start").ok();
    let told = || std::fs::read_to_string(bundle.rootfs.inside("told")).unwrap_or_default() == "1 1\npassed\n";
    assert!(within(CLEARING, told));
    bundle.verb("delete").arg("--force").ok();
    before.assert_nothing_new(CLEARING);
}

#[test]
fn run_says_that_it_is_ready_and_is_itself_the_one_to_watch() {
    requires!(root, busybox);
    let bundle = Bundle::script(&format!("{SAY} say STATUS=wait; say READY=1; say MAINPID=1; read line; exit 7"));
    let manager = manager(&bundle);
    let _ = bundle.invocation();
    let mut running = bundle.managed("run").spawn();
    assert_eq!(heard(&manager), "READY=1\n");
    assert_eq!(heard(&manager), format!("MAINPID={}\n", running.pid()));
    assert_eq!(heard(&manager), "BARRIER=1");
    running.write("\n");
    running.wait().code(7);
    manager.set_nonblocking(true).unwrap();
    assert!(manager.recv(&mut [0; 8]).is_err(), "nothing else goes on");
}

#[test]
fn start_comes_back_when_the_container_is_ready_and_names_its_first_process() {
    requires!(root, busybox);
    let bundle = Bundle::script(&format!("{SAY} sleep 0.3; say READY=1; sleep 1000"));
    let manager = manager(&bundle);
    let before = bundle.leavings();
    let pid_file = bundle.sandbox.join("pid");
    bundle.managed("create").arg("--pid-file").arg(&pid_file).ok();
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let running = bundle.managed("start").spawn();
    assert_eq!(heard(&manager), "READY=1\n");
    assert_eq!(heard(&manager), format!("MAINPID={pid}\n"));
    // It waits for us to have read all: the barrier is the last word.
    std::thread::sleep(Duration::from_millis(100));
    assert!(rustix::process::test_kill_process(rustix::process::Pid::from_raw(running.pid() as i32).unwrap()).is_ok());
    assert_eq!(heard(&manager), "BARRIER=1");
    running.wait().code(0);
    bundle.verb("delete").arg("--force").ok();
    before.assert_nothing_new(CLEARING);
}

#[test]
fn start_waits_no_longer_than_the_container_lives_and_keeps_nobody_from_it() {
    requires!(root, busybox);
    let bundle = Bundle::script("sleep 1000");
    let _manager = manager(&bundle);
    bundle.managed("create").ok();
    let running = bundle.managed("start").spawn();
    let state = || bundle.verb("state").run().stdout.contains("\"running\"");
    assert!(within(CLEARING, state));
    bundle.verb("delete").arg("--force").ok();
    running.wait().code(0);
}

#[test]
fn a_container_that_ends_before_it_is_ready_ends_the_wait_of_a_detached_run() {
    requires!(root, busybox);
    let bundle = Bundle::script("exit 3");
    let _manager = manager(&bundle);
    let _ = bundle.invocation();
    bundle.managed("run").arg("--detach").ok();
    bundle.verb("delete").ok();
}
