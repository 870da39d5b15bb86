//! On which CPUs a process may run: `process.execCPUAffinity` for those that join a container later; the first one, and
//! all that say nothing, may run on all CPUs of their cgroup, whatever the caller is bound to.

use crate::cpuset;
use crate::error::{Error, Result, What};
use crate::plan::Plan;
use crate::subject::Subject;
use oci::runtime::CpuAffinity;

pub use cpuset::CpuSet;

/// The affinity of a process that joins a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affinity {
    /// Until it is in the container's cgroup.
    pub initial: Option<CpuSet>,
    /// From then on.
    pub last: Option<CpuSet>,
}

impl Affinity {
    /// Reads it. An empty list is as good as none.
    pub fn parse(affinity: &CpuAffinity) -> Result<Self> {
        let set = |field: &str, list: Option<&String>| {
            let list = list.filter(|list| !list.is_empty());
            list.map(|list| CpuSet::parse(list))
                .transpose()
                .map_err(|problem| Error::spec(format!("bad execCPUAffinity.{field}: {problem}")))
        };
        let initial = set("initial", affinity.initial.as_ref())?;
        Ok(Self { initial, last: set("final", affinity.last.as_ref())? })
    }

    /// Adds the step for a process that has just entered its cgroup: to its last set, to all CPUs where it has no
    /// wish at all, and none where only the first set is given.
    pub fn settle(&self, plan: &mut Plan) {
        match self {
            Self { last: Some(last), .. } => plan.affinity(Subject::Affinity, Some(last)),
            Self { initial: None, last: None } => plan.affinity(Subject::Affinity, None),
            Self { initial: Some(_), last: None } => {}
        }
    }

    /// Binds this process, whose next child starts where it is, to the first set, until the value goes.
    pub fn enter(&self) -> Result<Option<Bound>> {
        self.initial.as_ref().map(Bound::to).transpose()
    }
}

/// This process, bound to some CPUs for a moment.
#[derive(Debug)]
pub struct Bound {
    before: Vec<u64>,
}

impl Bound {
    fn to(set: &CpuSet) -> Result<Self> {
        let before = sys::process::sched_getaffinity().what("read the CPU affinity")?;
        sys::process::sched_setaffinity(set.words()).what("set the initial CPU affinity")?;
        Ok(Self { before })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = sys::process::sched_setaffinity(&self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_bound_for_a_moment() {
        let before = sys::process::sched_getaffinity().ok();
        let first = before.as_ref().map_or(0, |words| words[0].trailing_zeros());
        let wish = CpuAffinity { initial: Some(first.to_string()), last: Some(String::new()) };
        let affinity = Affinity::parse(&wish).unwrap_or_default();
        assert_eq!(affinity.last, None);
        let bound = affinity.enter().ok().flatten();
        assert_eq!(sys::process::sched_getaffinity().ok().map(|words| words[0]), Some(1 << first));
        drop(bound);
        assert_eq!(sys::process::sched_getaffinity().ok(), before);
    }
}
