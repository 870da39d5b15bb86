//! What the child gets because we have it for a moment: namespaces that only we may join, clocks, higher limits.
//!
//! Each is a value that undoes itself when it goes, also on failure: whoever calls the runtime may live on, and make
//! other containers.

use crate::context::Context;
use crate::error::{Error, Result, What};
use crate::namespace::{self, flag_of};
use crate::process;
use oci::runtime::{Linux, NamespaceKind, Rlimit};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// A namespace that our next child is born in.
#[derive(Debug)]
pub struct Entered {
    kind: NamespaceKind,
    own: OwnedFd,
}

impl Entered {
    /// Enters a namespace that exists; for a PID namespace that means only the next child.
    pub fn join(kind: NamespaceKind, target: &OwnedFd) -> Result<Self> {
        let own = own(kind).map_err(|source| Error::Namespace { kind, source })?;
        sys::process::setns(target, flag_of(kind)).map_err(|source| Error::Namespace { kind, source })?;
        Ok(Self { kind, own })
    }

    /// Makes a time namespace, which the child enters at exec. Its offsets can be written only while nobody is in it
    /// (time_namespaces(7)).
    pub fn time(context: &Context<'_>, linux: &Linux, proc: &OwnedFd) -> Result<Option<Self>> {
        const WHAT: &str = "make the time namespace";
        if !context.namespaces.is_new(NamespaceKind::Time) {
            return Ok(None);
        }
        let own = own(NamespaceKind::Time).what(WHAT)?;
        sys::process::unshare(flag_of(NamespaceKind::Time)).what(WHAT)?;
        let entered = Self { kind: NamespaceKind::Time, own };
        if !linux.time_offsets.is_empty() {
            let mut text = String::new();
            for (clock, offset) in &linux.time_offsets {
                let _ = writeln!(text, "{clock} {} {}", offset.secs, offset.nanosecs);
            }
            sys::fs::write_beneath(proc, "self/timens_offsets", text.as_bytes()).what("set the clocks' offsets")?;
        }
        Ok(Some(entered))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Else every later child would be in it, too.
        let _ = sys::process::setns(&self.own, flag_of(self.kind));
    }
}

fn own(kind: NamespaceKind) -> sys::Result<OwnedFd> {
    let file = format!("/proc/self/ns/{}", namespace::file(kind));
    sys::fs::open(file, OFlags::RDONLY, Mode::empty())
}

/// Hard limits above ours, which the child of a user namespace could not set for itself: CAP_SYS_RESOURCE counts in the
/// first one only.
#[derive(Debug, Default)]
pub struct Raised {
    before: Vec<(u64, sys::process::Limit)>,
}

impl Raised {
    /// Raises what has to be raised. Where we may not, the stub's own attempt fails, and says so.
    pub fn new(limits: &[Rlimit]) -> Self {
        let mut raised = Self::default();
        for limit in limits {
            let Some(number) = process::rlimit(&limit.kind) else { continue };
            let Ok((soft, hard)) = sys::process::prlimit(number, None) else { continue };
            if limit.hard > hard && sys::process::prlimit(number, Some((soft, limit.hard))).is_ok() {
                raised.before.push((number, (soft, hard)));
            }
        }
        raised
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        for (number, limit) in &self.before {
            let _ = sys::process::prlimit(*number, Some(*limit));
        }
    }
}
