//! The sockets through which a caller gets a terminal and a pidfd.

use crate::bundle::Bundle;
use crate::container::{Container, SLEEP};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use testkit::requires;

/// What comes through one connection: the bytes of the first message, its descriptors, and that it ends then.
pub fn received(listener: &UnixListener) -> (Vec<u8>, Vec<OwnedFd>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let (mut bytes, mut fds) = (vec![0; 4096], Vec::new());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message =
        recvmsg(&stream, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    bytes.truncate(message.bytes);
    for one in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = one {
            fds.extend(rights);
        }
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "one message: {rest:?}");
    (bytes, fds)
}

fn listen(container: &Container) -> (UnixListener, PathBuf) {
    let path = container.bundle.sandbox.join("socket");
    let _ = std::fs::remove_file(&path);
    (UnixListener::bind(&path).unwrap(), path)
}

/// The master of a terminal, which is there, and into which one can type.
pub fn types(bytes: &[u8], fds: Vec<OwnedFd>) -> std::fs::File {
    assert!(!bytes.is_empty(), "a message without bytes carries no descriptor on every kernel");
    let [master]: [OwnedFd; 1] = fds.try_into().unwrap();
    rustix::termios::tcgetattr(&master).expect("a terminal");
    assert!(rustix::pty::ptsname(&master, Vec::new()).is_ok(), "its master");
    std::fs::File::from(master)
}

pub fn reads(master: &mut std::fs::File, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let mut chunk = [0; 1024];
        match master.read(&mut chunk) {
            Ok(count) if count > 0 => seen.extend_from_slice(&chunk[..count]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&seen)),
        }
    }
}

fn terminal(script: &str) -> Container {
    let mut bundle = Bundle::script(script);
    bundle.set("/process/terminal", true);
    Container::planned(bundle)
}

#[test]
fn the_terminal_of_a_created_container_comes_through_its_socket() {
    requires!(root, busybox);
    let container = terminal("read line; echo got $line; read line");
    let (listener, path) = listen(&container);
    container.apart(container.create_with(&["--console-socket", &path.to_string_lossy()])).run().code(0);
    let (bytes, fds) = received(&listener);
    let mut master = types(&bytes, fds);
    container.verb("start").ok();
    master.write_all(b"word\r").unwrap();
    reads(&mut master, "got word");
    drop(master);
    // Its other end hangs up.
    container.becomes("stopped");
}

#[test]
fn the_terminals_of_run_and_exec_too() {
    requires!(root, busybox);
    let container = terminal(SLEEP);
    let (listener, path) = listen(&container);
    let socket = path.to_string_lossy();
    let words = ["run", "--detach", "--console-socket", &socket, "--bundle"];
    container.apart(container.corun(&words).arg(container.bundle.dir()).arg(&container.bundle.id)).run().code(0);
    let (bytes, fds) = received(&listener);
    let mut first = types(&bytes, fds);
    reads(&mut first, "up");
    let options = ["--tty", "--detach", "--console-socket", &socket];
    container.apart(container.exec_with(&options, &["sh", "-c", "read line; echo second $line"])).run().code(0);
    let (bytes, fds) = received(&listener);
    let mut second = types(&bytes, fds);
    second.write_all(b"word\r").unwrap();
    reads(&mut second, "second word");
}

#[test]
fn a_pidfd_comes_through_its_socket() {
    requires!(root, busybox);
    for by_annotation in [false, true] {
        let mut bundle = Bundle::script(SLEEP);
        let path = bundle.sandbox.join("socket").to_string_lossy().into_owned();
        if by_annotation {
            // As crun has it.
            bundle.set("/annotations", serde_json::json!({ "run.oci.pidfd_receiver": path }));
        }
        let container = Container::planned(bundle);
        let (listener, _) = listen(&container);
        let flag = ["--pidfd-socket", &path];
        container.apart(container.create_with(if by_annotation { &[] } else { &flag })).run().code(0);
        let (bytes, fds) = received(&listener);
        assert!(!bytes.is_empty());
        let [pidfd]: [OwnedFd; 1] = fds.try_into().unwrap();
        assert!(rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL).is_ok());
        container.becomes("stopped");
    }
}

#[test]
fn a_socket_that_cannot_be_reached_ends_the_container() {
    requires!(root, busybox);
    let container = terminal(SLEEP);
    let closed = container.bundle.sandbox.join("closed");
    drop(UnixListener::bind(&closed).unwrap());
    let file = container.bundle.sandbox.file("file", "");
    for (path, text) in [
        (closed.as_path(), "connection refused"),
        (file.as_path(), "connection refused"),
        (Path::new("/no/such/socket"), "no such file or directory"),
    ] {
        for option in ["--console-socket", "--pidfd-socket"] {
            let mut words = vec![option.to_owned(), path.to_string_lossy().into_owned()];
            let listener = (option == "--pidfd-socket").then(|| listen(&container));
            if let Some((_, path)) = &listener {
                words.extend(["--console-socket".to_owned(), path.to_string_lossy().into_owned()]);
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let outcome = container.create_with(&words).run();
            outcome.code(1).one_line_error(text).stderr_contains(&path.to_string_lossy());
            container.verb("state").run().code(1).stderr_contains("does not exist");
        }
    }
}

#[test]
fn a_socket_whose_owner_leaves_early_is_an_error_or_a_hangup_and_leaves_nothing() {
    requires!(root, busybox);
    let container = terminal(SLEEP);
    let mut refused = 0;
    for _ in 0..20 {
        let (listener, path) = listen(&container);
        let leaver = std::thread::spawn(move || drop(listener.accept()));
        let outcome = container.create_with(&["--console-socket", &path.to_string_lossy()]).run();
        leaver.join().unwrap();
        // Or the message was sent before it closed.
        if outcome.exit_code() != Some(0) {
            outcome.code(1).one_line_error("hand the terminal over");
            container.verb("state").run().code(1).stderr_contains("does not exist");
            refused += 1;
        }
        container.gone();
    }
    println!("{refused} of 20 were refused");
}

#[test]
fn terminals_that_nobody_would_hold() {
    requires!(root, busybox);
    let container = terminal(SLEEP);
    container.create_with(&[]).run().code(1).one_line_error("cannot allocate tty if corun will detach");
    let plain = Container::planned(Bundle::script(SLEEP));
    let text = "cannot use console socket if corun will not detach or allocate tty";
    plain.create_with(&["--console-socket", "/tmp/x"]).run().code(1).one_line_error(text);
    let running = Container::sleeping();
    running.exec_with(&["-t", "-d"], &["true"]).run().code(255).one_line_error("cannot allocate tty");
    running.exec_with(&["-t", "--console-socket", "/tmp/x"], &["true"]).run().code(255).one_line_error(text);
}

#[test]
fn a_path_longer_than_an_address_is_told() {
    requires!(root, busybox);
    let container = terminal(SLEEP);
    let long = format!("/tmp/{}", "x".repeat(200));
    container.create_with(&["--console-socket", &long]).run().code(1).one_line_error("hand the terminal over");
    // One at the limit is served.
    let path = container.bundle.sandbox.join("x".repeat(107 - 1 - container.bundle.sandbox.path().as_os_str().len()));
    let listener = UnixListener::bind(&path).unwrap();
    container.apart(container.create_with(&["--console-socket", &path.to_string_lossy()])).run().code(0);
    let (bytes, fds) = received(&listener);
    types(&bytes, fds);
    let _ = UnixStream::connect(&path);
}
