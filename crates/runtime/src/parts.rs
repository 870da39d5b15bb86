//! Parts of a plan, and of handing it over, that a new container and a new process in one have in common.

use crate::context;
use crate::error::{Result, What};
use crate::foreground::Newlines;
use crate::label;
use crate::plan::Plan;
use crate::subject::Subject;
use cgroup::{Cgroup, JoinBy};
use init::plan::{Op, newline};
use oci::runtime::Process;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Adds the steps that make the stub a member; the v2 directory goes to clone3(2) instead.
pub fn enter_cgroup(plan: &mut Plan, cgroup: Option<&Cgroup>) -> Result<Option<OwnedFd>> {
    let Some(cgroup) = cgroup.filter(|cgroup| !cgroup.is_empty()) else { return Ok(None) };
    let join = cgroup.join(JoinBy::Clone)?;
    for (index, file) in join.files.into_iter().enumerate() {
        plan.write(Subject::Cgroup(index), file, "0");
    }
    Ok(join.directory)
}

/// Adds the session: its keyring, and its terminal if it has one, with a /dev/console on it for a new container.
pub fn session(
    plan: &mut Plan,
    process: &Process,
    keyring: Option<&str>,
    console: bool,
    newlines: Newlines,
) -> Result<()> {
    if let Some(name) = keyring {
        // The label of a key is its maker's wish; the last exec takes that back (execve(2) in SELinux).
        if let Some(label) = label::given("selinuxLabel", process.selinux_label.as_deref())? {
            plan.attribute("self/attr/keycreate", label);
        }
        plan.text(Subject::Keyring, Op::Keyring, name);
    }
    if process.terminal {
        let size = process.console_size.unwrap_or_default();
        let size = u64::from(size.height) << 32 | u64::from(size.width);
        let newlines = match newlines {
            Newlines::Translated => newline::TRANSLATED,
            Newlines::AsWritten => newline::AS_WRITTEN,
        };
        let args = [u64::from(process.user.uid), size, u64::from(console), newlines];
        plan.plain(Subject::Terminal, Op::Terminal, args);
    } else {
        plan.plain(Subject::Session, Op::Session, []);
    }
    Ok(())
}

/// A finished plan and the stub that is to execute it, in memfds, with all that must stay open until the clone.
#[derive(Debug)]
pub struct Packed {
    /// The stub's memfd.
    pub stub: OwnedFd,
    /// The plan's memfd.
    pub bytes: OwnedFd,
    /// The plan's fd number as the stub's argument.
    pub number: CString,
    /// The fds that the stub gets.
    pub inherit: Vec<RawFd>,
    /// What each step is for.
    pub subjects: Vec<Subject>,
    /// Our end of the socket.
    pub ours: OwnedFd,
    /// The stub's.
    pub theirs: OwnedFd,
    /// The host's procfs.
    pub proc: OwnedFd,
    /// The fds of the plan's slots.
    pub given: Vec<OwnedFd>,
}

/// Packs a plan; the ring is the recorder's.
pub fn pack(plan: Plan, ring: Option<&OwnedFd>) -> Result<Packed> {
    let (ours, theirs) = sys::socket::pair().what("talk to the stub")?;
    let proc = context::open_proc()?;
    let ring_fd = ring.map_or(-1, AsRawFd::as_raw_fd);
    let mut inherit = plan.inherited();
    inherit.extend([theirs.as_raw_fd(), proc.as_raw_fd()]);
    inherit.extend(ring.map(AsRawFd::as_raw_fd));
    let (bytes, subjects, given) = plan.finish(theirs.as_raw_fd(), ring_fd, proc.as_raw_fd())?;
    let bytes = sys::memfd::sealed(c"coracle-plan", &bytes).what("hand the plan over")?;
    let stub = sys::memfd::sealed(c"coracle-init", init::STUB).what("hand the stub over")?;
    inherit.push(bytes.as_raw_fd());
    let number = CString::new(bytes.as_raw_fd().to_string()).unwrap_or_default();
    Ok(Packed { stub, bytes, number, inherit, subjects, ours, theirs, proc, given })
}
