//! A command that runs: its output can be waited for piece by piece, it can be signalled, and it never outlives its
//! test. One loop over poll(2) serves input, both outputs, the end of the process and the time limit, so there are no
//! threads, and a grandchild that keeps a pipe open cannot hang the test.

use std::io::{ErrorKind, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::{Invocation, Outcome, family};

/// How long the outputs are read on after the process has ended, where something else still holds them open.
const GRACE: Duration = Duration::from_millis(300);

/// A running command. Dropped before its end, it is killed with all of its process group.
pub struct Running {
    command: String,
    child: Child,
    pidfd: OwnedFd,
    stdin: Option<ChildStdin>,
    unwritten: Vec<u8>,
    close_input: bool,
    out: Stream,
    err: Stream,
    status: Option<ExitStatus>,
    started: Instant,
    end: Instant,
}

struct Stream {
    source: Option<Box<dyn PipeEnd>>,
    seen: Vec<u8>,
}

trait PipeEnd: Read + std::os::fd::AsFd + Send {}
impl<T: Read + std::os::fd::AsFd + Send> PipeEnd for T {}

impl Running {
    #[track_caller]
    pub(crate) fn start(invocation: Invocation) -> Self {
        let command = invocation.line();
        let started = Instant::now();
        let mut line = invocation.command(&[]);
        line.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = family::start(&mut line).unwrap_or_else(|error| panic!("cannot start {command}: {error}"));
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("pidfd of our own child");
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let out = Stream::new(child.stdout.take().expect("stdout is a pipe"));
        let err = Stream::new(child.stderr.take().expect("stderr is a pipe"));
        nonblocking(&stdin);
        Self {
            command,
            child,
            pidfd,
            stdin: Some(stdin),
            unwritten: invocation.stdin,
            close_input: false,
            out,
            err,
            status: None,
            started,
            end: started + invocation.limit,
        }
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process (not to its group).
    pub fn kill(&self, signal: Signal) {
        // ESRCH: it has ended already, which its outcome will tell.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
    }

    /// Adds to what the process reads on its standard input.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.unwritten.extend_from_slice(bytes.as_ref());
        self.pump(Instant::now(), |_| false);
    }

    /// What has been read of standard output so far.
    pub fn stdout(&mut self) -> String {
        self.pump(Instant::now(), |_| false);
        self.out.text()
    }

    /// What has been read of standard error so far.
    pub fn stderr(&mut self) -> String {
        self.pump(Instant::now(), |_| false);
        self.err.text()
    }

    /// Waits until standard output contains a text; the test fails where it does not come in time.
    #[track_caller]
    pub fn stdout_until(&mut self, text: &str) -> &mut Self {
        let seen = self.pump(self.end, |running| running.out.contains(text) || running.finished());
        if !seen || !self.out.contains(text) {
            self.fail(&format!("waited in vain for {text:?} on stdout"));
        }
        self
    }

    /// Waits until standard error contains a text; the test fails where it does not come in time.
    #[track_caller]
    pub fn stderr_until(&mut self, text: &str) -> &mut Self {
        let seen = self.pump(self.end, |running| running.err.contains(text) || running.finished());
        if !seen || !self.err.contains(text) {
            self.fail(&format!("waited in vain for {text:?} on stderr"));
        }
        self
    }

    /// Closes the input when all of it is written and waits for the end. Past the time limit the process is killed and
    /// the test fails.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        self.close_input = true;
        if !self.pump(self.end, |running| running.status.is_some()) {
            self.fail("it did not end in time and was killed");
        }
        self.pump(Instant::now() + GRACE, Self::finished);
        Outcome {
            command: self.command.clone(),
            status: self.status.expect("the pump saw the end"),
            stdout: self.out.text(),
            stderr: self.err.text(),
            took: self.started.elapsed(),
        }
    }

    fn finished(&self) -> bool {
        self.status.is_some() && self.out.source.is_none() && self.err.source.is_none()
    }

    #[track_caller]
    fn fail(&mut self, what: &str) -> ! {
        self.kill_group();
        self.pump(Instant::now() + GRACE, Self::finished);
        panic!(
            "{what}\n  command: {}\n  status:  {:?} after {:.1} s\n  stdout: {}\n  stderr: {}",
            self.command,
            self.status,
            self.started.elapsed().as_secs_f64(),
            self.out.text(),
            self.err.text()
        );
    }

    fn kill_group(&mut self) {
        if self.status.is_none() {
            let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
    }

    /// Moves bytes until `done` or the end of time; tells whether `done` came true.
    fn pump(&mut self, end: Instant, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            if self.unwritten.is_empty() && self.close_input {
                self.stdin = None;
            }
            if done(self) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            let ready = self.poll(left);
            if ready & WRITABLE != 0 {
                self.feed();
            }
            if ready & ENDED != 0 && self.status.is_none() {
                self.status = self.child.try_wait().expect("waiting for our own child");
            }
            if ready & OUT != 0 {
                self.out.read();
            }
            if ready & ERR != 0 {
                self.err.read();
            }
            if ready == 0 && left.is_zero() {
                return done(self);
            }
        }
    }

    /// Which of the four have something to say, as a bit set.
    fn poll(&self, limit: Duration) -> u8 {
        let mut fds: Vec<(u8, PollFd<'_>)> = Vec::with_capacity(4);
        if self.status.is_none() {
            fds.push((ENDED, PollFd::new(&self.pidfd, PollFlags::IN)));
        }
        if let (Some(stdin), false) = (&self.stdin, self.unwritten.is_empty()) {
            fds.push((WRITABLE, PollFd::new(stdin, PollFlags::OUT)));
        }
        for (bit, stream) in [(OUT, &self.out), (ERR, &self.err)] {
            if let Some(source) = &stream.source {
                fds.push((bit, PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)));
            }
        }
        let timeout = Timespec::try_from(limit).expect("a limit of less than an age");
        let (bits, mut polled): (Vec<u8>, Vec<PollFd<'_>>) = fds.into_iter().unzip();
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
        let ready = bits.iter().zip(&polled).filter(|(_, fd)| !fd.revents().is_empty());
        ready.fold(0, |set, (bit, _)| set | bit)
    }

    fn feed(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(&self.unwritten) {
            Ok(count) => drop(self.unwritten.drain(..count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The reader has gone: what is left has nobody to read it.
            Err(_) => {
                self.unwritten.clear();
                self.stdin = None;
            }
        }
    }
}

const ENDED: u8 = 1;
const WRITABLE: u8 = 2;
const OUT: u8 = 4;
const ERR: u8 = 8;

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn new(source: impl PipeEnd + 'static) -> Self {
        nonblocking(&source);
        Self { source: Some(Box::new(source)), seen: Vec::new() }
    }

    fn read(&mut self) {
        let Some(source) = &mut self.source else { return };
        let mut chunk = [0; 16384];
        match source.read(&mut chunk) {
            Ok(0) => self.source = None,
            Ok(count) => self.seen.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.source = None,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }
}

fn nonblocking(fd: &impl std::os::fd::AsFd) {
    rustix::io::ioctl_fionbio(fd, true).expect("a pipe can be made non-blocking");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new("sh").args(["-c", script])
    }

    #[test]
    fn the_exit_code_and_both_outputs_come_back() {
        let outcome = sh("echo out; echo err >&2; exit 7").run();
        outcome.code(7).stdout_is("out\n").stderr_is("err\n");
    }

    #[test]
    fn input_larger_than_a_pipe_comes_through() {
        let input = vec![b'x'; 300_000];
        assert_eq!(Invocation::new("cat").stdin(input.clone()).ok().stdout.len(), input.len());
    }

    #[test]
    fn a_conversation_is_possible() {
        let mut shell = sh("read line; echo got $line; read line; echo and $line").spawn();
        shell.write("one\n");
        shell.stdout_until("got one\n");
        shell.write("two\n");
        shell.wait().code(0).stdout_contains("and two\n");
    }

    #[test]
    fn a_signal_ends_it_and_is_told() {
        let sleeper = sh("echo ready; exec sleep 60").spawn();
        sleeper.kill(Signal::TERM);
        sleeper.wait().signal(15);
    }

    #[test]
    #[should_panic(expected = "did not end in time")]
    fn what_hangs_is_killed_and_fails() {
        sh("sleep 60").timeout(Duration::from_millis(100)).run();
    }

    #[test]
    fn a_grandchild_that_holds_the_pipe_does_not_hang_the_test() {
        let start = Instant::now();
        sh("sleep 20 & echo done").run().code(0).stdout_is("done\n");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
