//! Memory and swap. The specification's `swap` is memory and swap together, as in v1; v2 counts swap alone.

use super::{given, invalid, or_max, v1_only};
use crate::group::Branch;
use crate::{Cgroup, Controller, Error, Result, file};
use oci::runtime::Memory;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The kernel takes this many pages from a limit at once, and keeps those that are not needed yet for the processor that
/// asked (MEMCG_CHARGE_BATCH, mm/memcontrol.c).
const BATCH: i64 = 64;
/// What a start needs, with room to spare: 23 pages were charged where one failed.
const START: i64 = 32;
/// Where pages are larger a batch is megabytes, and these numbers mean nothing.
const PAGE: i64 = 4096;

impl Cgroup {
    /// Takes a memory limit that is about as large as the kernel's batch back to less than one, for a start. Returns the
    /// open file in which the limit is to be set again, and its text, if that is needed.
    ///
    /// The first page of a start would take the whole limit for its processor. If the start goes on on another one (exec
    /// looks for an idle one, always) nothing is left for it; what lies idle on the first is asked back, but not waited
    /// for, and the start is killed for lack of memory that nobody uses: 3 of 200 at 256 KiB on two busy processors, none
    /// at 252. Under less than a batch pages are charged one by one, and so they are under the whole limit once something
    /// is charged. Entering the cgroup late does not help, since the exec itself is what moves.
    pub fn hold_memory_back(&self, limit: Option<i64>) -> Result<Option<(OwnedFd, String)>> {
        let Some(limit) = limit.filter(|limit| is_tight(*limit)) else { return Ok(None) };
        let branch = self.need(Controller::Memory, "memory.limit")?;
        let path = branch.file(if branch.is_v2() { "memory.max" } else { "memory.limit_in_bytes" });
        let less = ((BATCH - 1) * PAGE).to_string();
        let file = sys::fs::open(path.as_str(), OFlags::WRONLY, Mode::empty()).and_then(|file| {
            sys::fs::write_once(&file, less.as_bytes())?;
            Ok(file)
        });
        let file = file.map_err(|error| file::explain(Some(Controller::Memory), &path, &less, error))?;
        Ok(Some((file, limit.to_string())))
    }
}

/// A limit that has to be held back from a start: [`Cgroup::hold_memory_back`].
pub fn is_tight(limit: i64) -> bool {
    (BATCH * PAGE..(BATCH + START) * PAGE).contains(&limit)
}

pub(super) fn apply(cgroup: &Cgroup, limits: &Memory) -> Result<()> {
    let (limit, swap, reservation) = (given(limits.limit), given(limits.swap), given(limits.reservation));
    check(limit, swap)?;
    let swappiness = limits.swappiness;
    let oom = limits.disable_oom_killer.filter(|disable| *disable);
    let tcp = given(limits.kernel_tcp);
    // Kernel memory is not limited by itself any more (Linux 5.4 deprecates it, 6.1 ignores it), and accounting has
    // been hierarchical always since 5.11.
    let field = match () {
        () if limit.is_some() => "memory.limit",
        () if swap.is_some() => "memory.swap",
        () if reservation.is_some() => "memory.reservation",
        () if swappiness.is_some() => "memory.swappiness",
        () if oom.is_some() => "memory.disableOOMKiller",
        () if tcp.is_some() => "memory.kernelTCP",
        () => return Ok(()),
    };
    let branch = cgroup.need(Controller::Memory, field)?;
    room(branch, limits)?;
    if branch.is_v2() {
        apply_v2(branch, limit, swap)?;
        if let Some(reservation) = reservation {
            branch.write(Controller::Memory, "memory.low", &or_max(reservation))?;
        }
        return match (swappiness, oom, tcp) {
            (Some(value), ..) => Err(v1_only("memory.swappiness", value)),
            (_, Some(value), _) => Err(v1_only("memory.disableOOMKiller", value)),
            (.., Some(value)) => Err(v1_only("memory.kernelTCP", value)),
            (None, None, None) => Ok(()),
        };
    }
    apply_v1(branch, limit, swap)?;
    let write = |name, value: &str| branch.write(Controller::Memory, name, value);
    if let Some(reservation) = reservation {
        write("memory.soft_limit_in_bytes", &reservation.to_string())?;
    }
    if let Some(tcp) = tcp {
        write("memory.kmem.tcp.limit_in_bytes", &tcp.to_string())?;
    }
    match swappiness {
        Some(percent) if percent > 100 => return Err(invalid("memory.swappiness", percent, "is not in 0 to 100")),
        Some(percent) => write("memory.swappiness", &percent.to_string())?,
        None => {}
    }
    if oom.is_some() {
        write("memory.oom_control", "1")?;
    }
    Ok(())
}

/// What is wrong whatever the version.
pub(crate) fn check(limit: Option<i64>, swap: Option<i64>) -> Result<()> {
    match (limit, swap) {
        (Some(limit), _) if limit < -1 => Err(invalid("memory.limit", limit, "is negative; −1 means no limit")),
        (_, Some(swap)) if swap < -1 => Err(invalid("memory.swap", swap, "is negative; −1 means no limit")),
        (Some(limit), Some(swap)) if swap > 0 && limit > swap => Err(invalid(
            "memory.swap",
            swap,
            format!("is less than the memory limit of {limit}, and it means memory and swap together"),
        )),
        (Some(-1), Some(swap)) if swap > 0 => {
            Err(invalid("memory.swap", swap, "bounds memory and swap together, and memory is to be without limit"))
        }
        _ => Ok(()),
    }
}

/// Refuses limits below what is in use (`checkBeforeUpdate`); v2 would kill until it fits. Who asked for both hears of
/// the wider one.
pub(crate) fn room(branch: &Branch, limits: &Memory) -> Result<()> {
    if limits.check_before_update != Some(true) {
        return Ok(());
    }
    let usage = usage(branch)?;
    for (what, limit) in [("memory+swap", limits.swap), ("memory", limits.limit)] {
        if let Some(limit) = given(limit).and_then(|limit| u64::try_from(limit).ok())
            && usage > limit
        {
            return Err(Error::MemoryInUse { what, limit, usage });
        }
    }
    Ok(())
}

fn usage(branch: &Branch) -> Result<u64> {
    let name = if branch.is_v2() { "memory.current" } else { "memory.usage_in_bytes" };
    file::number(&branch.file(name), &branch.read(name)?)
}

fn apply_v1(branch: &Branch, limit: Option<i64>, swap: Option<i64>) -> Result<()> {
    const SWAP: &str = "memory.memsw.limit_in_bytes";
    let mut values = Vec::new();
    if let Some(limit) = limit {
        values.push(("memory.limit_in_bytes", limit.to_string()));
    }
    match (limit, swap) {
        (_, Some(swap)) => values.push((SWAP, swap.to_string())),
        // No limit on memory means none on memory and swap, which bounds it.
        (Some(-1), None) if file::read_optional(&branch.file(SWAP))?.is_some() => values.push((SWAP, "-1".to_owned())),
        _ => {}
    }
    let error = match branch.settle(Controller::Memory, &values) {
        Err(Error::Refused { file, source, .. }) if source.errno == Errno::NOENT && file.ends_with(SWAP) => {
            let trivial = swap == Some(-1) || swap == limit;
            return without_swap_accounting(branch, SWAP, swap.unwrap_or(-1), trivial);
        }
        Err(error) => error,
        Ok(()) => return Ok(()),
    };
    // EBUSY: the kernel could not reclaim enough.
    if let (Error::Refused { file, source, .. }, Some(limit)) =
        (&error, limit.and_then(|limit| u64::try_from(limit).ok()))
        && source.errno == Errno::BUSY
        && file.ends_with("/memory.limit_in_bytes")
    {
        return Err(Error::MemoryInUse { what: "memory", limit, usage: usage(branch)? });
    }
    Err(error)
}

fn apply_v2(branch: &Branch, limit: Option<i64>, swap: Option<i64>) -> Result<()> {
    const SWAP: &str = "memory.swap.max";
    if let Some(limit) = limit {
        branch.write(Controller::Memory, "memory.max", &or_max(limit))?;
    }
    let swap = match (limit, swap) {
        (_, Some(-1)) | (Some(-1), None) => "max".to_owned(),
        (Some(limit), Some(swap)) => (swap - limit).to_string(),
        (None, Some(swap)) => {
            return Err(invalid("memory.swap", swap, "means memory and swap together: give memory.limit as well"));
        }
        (_, None) => return Ok(()),
    };
    match branch.write(Controller::Memory, SWAP, &swap) {
        Err(Error::Refused { source, .. }) if source.errno == Errno::NOENT => {
            let none = swap == "0" || swap == "max";
            without_swap_accounting(branch, SWAP, &swap, none)
        }
        other => other,
    }
}

/// A kernel that does not count swap can still keep two promises: no limit, and, where the machine has no swap, none.
#[allow(clippy::needless_pass_by_value, reason = "numbers and short texts")]
fn without_swap_accounting(branch: &Branch, name: &str, value: impl ToString, trivial: bool) -> Result<()> {
    let value = value.to_string();
    let devices = file::read_optional("/proc/swaps")?.unwrap_or_default();
    let machine_has_swap = devices.lines().count() > 1;
    if trivial && (matches!(value.as_str(), "max" | "-1") || !machine_has_swap) {
        return Ok(());
    }
    Err(Error::Refused {
        controller: Some(Controller::Memory),
        file: branch.file(name).into(),
        value: value.into(),
        hint: "this kernel does not count swap: boot with swapaccount=1, or leave the swap limit out".into(),
        source: sys::Error::new("open", branch.file(name), Errno::NOENT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_pairs_are_refused_before_anything_is_written() {
        assert!(check(Some(100), Some(50)).is_err());
        assert!(check(Some(-2), None).is_err());
        assert!(check(Some(-1), Some(50)).is_err());
        assert!(check(Some(100), Some(100)).is_ok() && check(Some(100), Some(-1)).is_ok());
    }

    #[test]
    fn only_a_limit_about_as_large_as_a_batch_is_held_back() {
        for limit in [None, Some(-1), Some(0), Some(63 * PAGE), Some(96 * PAGE), Some(i64::MIN), Some(i64::MAX)] {
            assert!(Cgroup::default().hold_memory_back(limit).unwrap().is_none(), "{limit:?}");
        }
        // Where there is something to do, this one finds no controller to do it with.
        assert!(Cgroup::default().hold_memory_back(Some(64 * PAGE)).is_err());
    }

    #[test]
    fn nothing_asked_needs_no_controller() {
        let untouched = Memory { disable_oom_killer: Some(false), limit: Some(0), ..Memory::default() };
        apply(&Cgroup::default(), &untouched).unwrap();
        let asked = Memory { reservation: Some(4096), ..Memory::default() };
        assert!(apply(&Cgroup::default(), &asked).unwrap_err().to_string().starts_with("memory.reservation"));
    }
}
