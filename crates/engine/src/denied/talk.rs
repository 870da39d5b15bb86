//! What is said to a witness, at a socket in the container's run directory, and where his report lies when he is gone.
//!
//! A word is one datagram whose first byte says what it is; the answer is the report as JSON, in pieces, up to the end of
//! the connection.

use super::Report;
use crate::engine::Engine;
use crate::error::Result;
use crate::record::Record;
use monitor::RunDir;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::net::{RecvFlags, SendFlags};
use seccomp::Filter;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use store::Container;

/// The socket in a run directory.
pub const SOCKET: &str = "witness";
/// The report, in the container's directory in the store.
const FILE: &str = "denied.json";
/// While it is written.
const UNFINISHED: &str = ".denied.json";

/// Here is one more listener: the pid of the process whose it is, and its filter as it is without asking.
pub const LISTENER: u8 = b'l';
/// The report as it is now.
pub const REPORT: u8 = b'r';
/// The container has ended.
pub const END: u8 = b'e';

/// How long somebody waits for a witness, who may be busy with a container that does nothing but be refused.
const PATIENCE: Duration = Duration::from_secs(5);
/// A piece of an answer.
const PIECE: usize = 16 << 10;
/// No report is longer; the kernel takes that much for somebody who does not read yet.
const LONGEST: usize = 180 << 10;

/// Tells the witness that the container has ended, and has its last report.
pub fn finished(run_dir: &RunDir) -> Report {
    ask(run_dir, END).unwrap_or_else(|| Report { witness_lost: true, ..Report::default() })
}

fn ask(run_dir: &RunDir, word: u8) -> Option<Report> {
    let socket = sys::socket::connect_in(run_dir, SOCKET).ok()?;
    sys::socket::send(&socket, &[word]).ok()?;
    answer(&socket)
}

fn answer(socket: &OwnedFd) -> Option<Report> {
    let until = Instant::now() + PATIENCE;
    let mut text = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = rustix::time::Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::new(socket, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&left)), Ok(1..)) {
            return None;
        }
        match rustix::net::recv(socket, &mut piece, RecvFlags::empty()) {
            Ok((0, _)) => return serde_json::from_slice(&text).ok(),
            Ok((length, _)) if text.len() < LONGEST => text.extend_from_slice(piece.get(..length)?),
            Err(rustix::io::Errno::INTR) => {}
            _ => return None,
        }
    }
}

/// Answers somebody, without waiting for him.
pub fn tell(socket: &OwnedFd, report: &[u8]) {
    for piece in report.chunks(PIECE) {
        if rustix::net::send(socket, piece, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_err() {
            return;
        }
    }
}

/// A way to a container's witness, for the listener of one more process; none where he is gone.
pub fn pass_on(run_dir: &RunDir) -> Option<OwnedFd> {
    sys::socket::connect_in(run_dir, SOCKET).ok()
}

/// Hands a listener over on that way.
pub fn hand(socket: &OwnedFd, listener: &OwnedFd, pid: i32, filter: &Filter) -> sys::Result<()> {
    let word = [&[LISTENER][..], &pid.to_ne_bytes(), &filter.to_file()].concat();
    sys::socket::send_with(socket, &word, &[listener.as_fd()])?;
    // He says that he has it.
    sys::socket::receive::<1>(socket).map(drop)
}

/// The report of a container: its witness's, or what it left.
pub fn of(engine: &Engine, text: &str) -> Result<Option<Report>> {
    let id = engine.find(text)?;
    let run_dir = RunDir::open(&engine.run_dir(id.as_str())).ok();
    let runs = run_dir.as_ref().is_some_and(|run_dir| run_dir.process().is_some_and(|process| process.lives()));
    if let Some(report) = run_dir.and_then(|run_dir| ask(&run_dir, REPORT)) {
        return Ok(Some(report));
    }
    let dir = engine.store()?.container(&id)?;
    let record: Container<Record> = dir.read()?;
    let witness_lost = runs && record.config.config.privileges.report_denied;
    match read(&dir) {
        None if !witness_lost => Ok(None),
        report => Ok(Some(Report { witness_lost, ..report.unwrap_or_default() })),
    }
}

/// A report that lies in a container's directory.
pub fn read(dir: impl AsFd) -> Option<Report> {
    let file = sys::fs::open_beneath(dir, FILE, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty()).ok()?;
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(std::fs::File::from(file), LONGEST as u64), &mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Puts it there.
pub fn write(dir: impl AsFd, report: &[u8]) -> sys::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let file = sys::fs::open_beneath(&dir, UNFINISHED, flags, Mode::from_raw_mode(0o600))?;
    let written = sys::fs::write_once(&file, report)
        .and_then(|()| sys::fs::renameat(&dir, UNFINISHED, &dir, FILE, RenameFlags::empty()));
    written.inspect_err(|_| drop(sys::fs::unlinkat(&dir, UNFINISHED, AtFlags::empty())))
}
