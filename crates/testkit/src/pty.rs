//! A terminal for programs that ask for one. The program becomes leader of a session of its own whose controlling
//! terminal is our pseudo-terminal (by setsid(1), since that takes two calls between fork and exec, where this crate may
//! not put code of its own).

use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::{Invocation, Outcome, family};

/// A program in a terminal. Dropped before its end, it is killed.
pub struct Pty {
    command: String,
    child: Child,
    pidfd: OwnedFd,
    master: OwnedFd,
    /// Kept open so that the terminal and its settings outlive the program.
    slave: OwnedFd,
    transcript: Vec<u8>,
    /// How much of the transcript earlier expectations have used up.
    used: usize,
    started: Instant,
    end: Instant,
}

impl Pty {
    /// Starts a command in a terminal of 24 rows and 80 columns.
    #[track_caller]
    pub fn spawn(invocation: &Invocation) -> Self {
        Self::spawn_sized(invocation, 24, 80)
    }

    /// Starts a command in a terminal of this many rows and columns.
    #[track_caller]
    pub fn spawn_sized(invocation: &Invocation, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(&*name, flags, rustix::fs::Mode::empty()).expect("the terminal's other end");
        if let Some(user) = invocation.terminal_owner() {
            let path = std::ffi::OsStr::from_bytes(name.to_bytes());
            std::os::unix::fs::chown(path, Some(user), None).expect("the terminal is given to its user");
        }
        tcsetwinsize(&master, window(rows, columns)).expect("a window size");
        rustix::io::ioctl_fionbio(&master, true).expect("a terminal can be made non-blocking");

        let command = invocation.line();
        let end = |fd: &OwnedFd| fd.try_clone().expect("another descriptor of the terminal");
        let started = Instant::now();
        let mut line = invocation.command(&["setsid", "--ctty"]);
        line.stdin(end(&slave)).stdout(end(&slave)).stderr(end(&slave));
        let child = family::start(&mut line).unwrap_or_else(|error| panic!("cannot start {command}: {error}"));
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("pidfd of our own child");
        let end = started + invocation.limit;
        Self { command, child, pidfd, master, slave, transcript: Vec::new(), used: 0, started, end }
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process.
    pub fn kill(&self, signal: Signal) {
        // ESRCH: it has ended already, which its outcome will tell.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
    }

    /// Types this text. A line ends with `\r` as a real terminal's does (`\n` works too, in cooked mode).
    pub fn send(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        let mut left = text.as_ref();
        while !left.is_empty() {
            match rustix::io::write(&self.master, left) {
                Ok(count) => left = &left[count..],
                Err(rustix::io::Errno::AGAIN) => {
                    assert!(Instant::now() < self.end, "nobody reads what is typed\n{}", self.picture());
                    self.read_for(Duration::from_millis(20));
                }
                Err(error) => panic!("typing: {error}\n{}", self.picture()),
            }
        }
        self
    }

    /// Waits until this text appears after what earlier calls have found, and returns all up to its end. What is typed is
    /// echoed by a cooked terminal: expect something that differs from it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        loop {
            let fresh = String::from_utf8_lossy(&self.transcript[self.used..]).into_owned();
            if let Some(at) = fresh.find(text) {
                let found = &fresh[..at + text.len()];
                // Counted in bytes of the transcript: exact unless the output holds invalid UTF-8.
                self.used = (self.used + found.len()).min(self.transcript.len());
                return found.to_owned();
            }
            let ended = self.ended();
            let arrived = self.read_for(Duration::from_millis(50));
            let late = Instant::now() >= self.end;
            assert!(!(late || ended && !arrived), "waited in vain for {text:?}\n{}", self.picture());
        }
    }

    /// Changes the window size, of which the kernel tells the foreground process group by SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.master, window(rows, columns)).expect("a window size");
    }

    /// The terminal's settings in a form that can be compared: the same before and after a program that restores them.
    pub fn attributes(&self) -> String {
        format!("{:?}", tcgetattr(&self.slave).expect("the terminal's settings"))
    }

    /// Waits for the program's end and returns it with the whole transcript as its standard output; the terminal stays.
    #[track_caller]
    pub fn wait(&mut self) -> Outcome {
        while !self.ended() {
            if Instant::now() >= self.end {
                self.kill(Signal::KILL);
                panic!("it did not end in time and was killed\n{}", self.picture());
            }
            self.read_for(Duration::from_millis(50));
        }
        while self.read_for(Duration::ZERO) {}
        let status: ExitStatus = self.child.wait().expect("waiting for our own child");
        Outcome {
            command: self.command.clone(),
            status,
            stdout: String::from_utf8_lossy(&self.transcript).into_owned(),
            stderr: String::new(),
            took: self.started.elapsed(),
        }
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().expect("waiting for our own child").is_some()
    }

    /// Reads what comes within this time; tells whether anything came.
    fn read_for(&mut self, limit: Duration) -> bool {
        let timeout = Timespec::try_from(limit).expect("a limit of less than an age");
        let mut fds = [PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return false,
            Ok(_) => {}
            Err(error) => panic!("poll: {error}"),
        }
        let mut chunk = [0; 4096];
        match rustix::io::read(&self.master, &mut chunk) {
            Ok(count) => {
                self.transcript.extend_from_slice(&chunk[..count]);
                count > 0
            }
            Err(error) if std::io::Error::from(error).kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("reading the terminal: {error}"),
        }
    }

    fn picture(&self) -> String {
        let text = String::from_utf8_lossy(&self.transcript);
        format!("  command: {}\n  transcript: {text:?}", self.command)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.kill(Signal::KILL);
        let _ = self.child.wait();
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Pty {
        Pty::spawn(&Invocation::new("sh").env("PS1", "prompt> "))
    }

    #[test]
    fn a_shell_knows_that_it_has_a_terminal() {
        let mut pty = shell();
        pty.expect("prompt> ");
        pty.send("tty && echo fine-$((1+1))\r");
        let said = pty.expect("fine-2");
        assert!(said.contains("/dev/pts/"), "{said}");
        pty.send("exit 3\r");
        pty.wait().code(3);
    }

    #[test]
    fn control_c_interrupts_and_the_shell_lives_on() {
        let mut pty = shell();
        pty.expect("prompt> ");
        pty.send("sleep 60\r");
        pty.expect("sleep 60");
        // The shell must have made `sleep` the foreground group before the key arrives.
        let slept = crate::within(Duration::from_secs(10), || {
            let group = rustix::termios::tcgetpgrp(&pty.master);
            group.is_ok_and(|group| group.as_raw_nonzero().get().cast_unsigned() != pty.pid())
        });
        pty.send("\x03");
        pty.expect("prompt> ");
        pty.send("exit 0\r");
        pty.wait().code(0);
        assert!(slept, "the shell gives its job the foreground");
    }

    #[test]
    fn the_window_has_the_size_that_was_asked_for_and_can_change() {
        let mut pty = Pty::spawn_sized(&Invocation::new("sh").env("PS1", "prompt> "), 33, 111);
        pty.expect("prompt> ");
        pty.send("stty size\r");
        pty.expect("33 111");
        pty.resize(20, 60);
        pty.send("stty size\r");
        pty.expect("20 60");
    }

    #[test]
    fn changed_settings_are_seen() {
        let mut pty = Pty::spawn(&Invocation::new("sh").args(["-c", "stty -echo; echo done"]));
        let before = pty.attributes();
        pty.expect("done");
        pty.wait().code(0);
        assert_ne!(before, pty.attributes());
    }
}
