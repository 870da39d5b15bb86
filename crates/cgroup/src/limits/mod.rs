//! Setting limits: each controller's section of the specification's `resources` in a file of its own.
//!
//! Only what is asked for is written. Where the kernel accepts two values in one order only (memory and swap, quota and
//! burst), nothing is read to find out which: what is refused is tried again after its neighbour.

mod change;
mod cpu;
mod cpuset;
mod hugetlb;
mod io;
pub(crate) mod memory;
mod network;
mod rdma;
mod unified;

pub(crate) use cpu::weight;

use crate::group::Branch;
use crate::{Cgroup, Controller, Error, Result, Version, file};
pub use memory::is_tight;
use oci::runtime::{Pids, Resources};
use rustix::io::Errno;

impl Cgroup {
    /// Sets limits, on a new cgroup or on one in use. Absent fields are left as they are; so is a 0 where 0 makes no
    /// sense (memory, CPU and weights), since Docker writes that for "not given".
    ///
    /// # Errors
    /// A limit whose controller is missing or denied, a value that is impossible or that the kernel refuses. What was
    /// set before stays set.
    pub fn apply(&self, resources: &Resources) -> Result<()> {
        if let Some(limits) = &resources.memory {
            memory::apply(self, limits)?;
        }
        if let Some(limits) = &resources.pids {
            pids(self, limits)?;
        }
        if let Some(limits) = &resources.block_io {
            io::apply(self, limits)?;
        }
        if let Some(limits) = &resources.cpu {
            cpu::apply(self, limits)?;
            cpuset::apply(self, limits)?;
        }
        if !resources.devices.is_empty() {
            self.apply_devices(&resources.devices)?;
        }
        hugetlb::apply(self, &resources.hugepage_limits)?;
        rdma::apply(self, &resources.rdma)?;
        if let Some(limits) = &resources.network {
            network::apply(self, limits)?;
        }
        unified::apply(self, &resources.unified)
    }

    /// Limits the tasks while somebody else is in there too, and when he has gone.
    pub fn limit_tasks(&self, limit: i64) -> Result<()> {
        match pids(self, &Pids { limit: Some(limit) }) {
            // The container has ended already, and its scope has been collected.
            Err(Error::Refused { source, .. }) if matches!(source.errno, Errno::NOENT | Errno::NODEV) => Ok(()),
            other => other,
        }
    }
}

/// The number of tasks. 0 is a limit: what is in the cgroup may stay, and nothing may be forked. Said as 1, as in runc:
/// that is the same for whom is in it, and with 0 the kernel lets nobody be born into it, nor does systemd know it.
fn pids(cgroup: &Cgroup, limits: &Pids) -> Result<()> {
    let Some(limit) = limits.limit else { return Ok(()) };
    cgroup.need(Controller::Pids, "pids.limit")?.write(
        Controller::Pids,
        "pids.max",
        &or_max(if limit == 0 { 1 } else { limit }),
    )
}

/// −1 and below mean no limit.
fn or_max(limit: i64) -> String {
    if limit < 0 { "max".to_owned() } else { limit.to_string() }
}

/// A value that was really given: Docker writes 0 for "not given".
pub(crate) fn given<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

#[allow(clippy::needless_pass_by_value, reason = "numbers and short texts")]
pub(crate) fn invalid(field: &str, value: impl ToString, problem: impl Into<String>) -> Error {
    Error::Invalid { field: field.to_owned(), value: value.to_string(), problem: problem.into() }
}

/// Refuses a value that only v1 knows, on v2.
fn v1_only(field: &str, value: impl ToString) -> Error {
    invalid(field, value, "cgroup v2 has no such limit: leave it out")
}

impl Branch {
    /// Writes several values that bound one another, in whatever order the kernel takes them.
    fn settle(&self, controller: Controller, values: &[(&str, String)]) -> Result<()> {
        let mut left: Vec<&(&str, String)> = values.iter().collect();
        loop {
            let mut refused = Vec::new();
            let mut first = None;
            for &pair in &left {
                match file::write(&self.file(pair.0), &pair.1) {
                    Ok(()) => {}
                    Err(error) if error.errno == Errno::INVAL => {
                        refused.push(pair);
                        first.get_or_insert(error);
                    }
                    Err(error) => return Err(file::explain(Some(controller), &self.file(pair.0), &pair.1, error)),
                }
            }
            match (first, refused.first()) {
                (Some(error), Some((name, value))) if refused.len() == left.len() => {
                    return Err(file::explain(Some(controller), &self.file(name), value, error));
                }
                (None, _) | (_, None) => return Ok(()),
                _ => left = refused,
            }
        }
    }

    fn is_v2(&self) -> bool {
        self.version == Version::V2
    }
}
