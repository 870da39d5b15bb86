//! The kernel's own files of a cgroup, for whoever tells more of them than [`crate::Stats`] has; and word of a kill for
//! want of memory.

use crate::{Cgroup, Controller, Error, Result, Version, file};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

impl Cgroup {
    /// Of which version the hierarchy is in which a controller's files stand; v2's core counts CPU time without one.
    pub fn version_of(&self, controller: Controller) -> Option<Version> {
        self.find(controller).map(|branch| branch.version)
    }

    /// The text of a file of a controller; of v2's core, where this cgroup has no such controller. None without the file.
    pub fn text(&self, controller: Controller, name: &str) -> Result<Option<String>> {
        match self.find(controller).or_else(|| self.unified()) {
            Some(branch) => match file::read(&branch.file(name)) {
                Ok(text) => Ok(Some(text)),
                // Pressure is not told by a kernel that was booted without it (ENOTSUP).
                Err(error) if matches!(error.errno, rustix::io::Errno::OPNOTSUPP) => Ok(None),
                Err(_) => file::read_optional(&branch.file(name)),
            },
            None => Ok(None),
        }
    }

    /// The texts of the same file in the cgroups above, the nearest first, each with the cgroup's directory. The kernel keeps
    /// to the tightest of all.
    pub fn texts_above(&self, controller: Controller, name: &str) -> Vec<(String, String)> {
        let Some(branch) = self.find(controller) else { return Vec::new() };
        let mut above = Vec::new();
        let mut path = branch.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            // The directory in which hierarchies are mounted has no such file, nor has the top of v2.
            let Ok(text) = file::read(&format!("{parent}/{name}")) else { break };
            above.push((parent.to_owned(), text));
            path = parent;
        }
        above
    }

    /// Watches for kills for want of memory; none without the controller.
    pub fn watch_oom(&self) -> Result<Option<OomWatch>> {
        let Some(branch) = self.find(Controller::Memory) else { return Ok(None) };
        let open = |name: &str| sys::fs::open(branch.file(name).as_str(), OFlags::RDONLY, Mode::empty());
        if branch.version == Version::V2 {
            let events = open("memory.events").map_err(Error::Read)?;
            let mut watch = OomWatch { fd: events, control: None, seen: 0 };
            watch.seen = watch.kills();
            return Ok(Some(watch));
        }
        // cgroup-v1/memory.rst, "OOM Control": the eventfd counts.
        let control = open("memory.oom_control").map_err(Error::Read)?;
        let failed = |errno| Error::Change(sys::Error::new("eventfd", "", errno));
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        let text = format!("{} {}", fd.as_raw_fd(), control.as_raw_fd());
        branch.write(Controller::Memory, "cgroup.event_control", &text)?;
        Ok(Some(OomWatch { fd, control: Some(control), seen: 0 }))
    }
}

/// Word of kills for want of memory, by an fd to wait for.
#[derive(Debug)]
pub struct OomWatch {
    fd: OwnedFd,
    /// v1: the file that was asked about, which has to stay open.
    control: Option<OwnedFd>,
    seen: u64,
}

impl OomWatch {
    /// Has there been one since it was asked last?
    pub fn happened(&mut self) -> bool {
        if self.control.is_some() {
            let mut count = [0; 8];
            // EAGAIN: nothing has been counted.
            return rustix::io::read(&self.fd, &mut count).is_ok();
        }
        let kills = self.kills();
        let more = kills > self.seen;
        self.seen = kills;
        more
    }

    fn kills(&self) -> u64 {
        let mut buffer = [0; 1024];
        let length = rustix::io::pread(&self.fd, &mut buffer, 0).unwrap_or(0);
        file::keyed(&String::from_utf8_lossy(&buffer[..length]), "oom_kill").unwrap_or(self.seen)
    }
}

impl AsFd for OomWatch {
    /// v1: readable when there was one; v2: something exceptional (`POLLPRI`).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
