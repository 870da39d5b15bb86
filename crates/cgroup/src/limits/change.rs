//! Changing limits of a cgroup in use: all that is asked for, or nothing.
//!
//! The kernel takes one file at a time, so whatever a change can touch is read before, and written back when a part of the
//! change is refused: in whatever order the kernel takes it, since here too one value bounds another.

use super::memory;
use crate::group::Branch;
use crate::{Cgroup, Controller, Result, Version, file};
use oci::runtime::{DeviceRule, Memory, Resources};

/// The files that a section of the resources can touch, of both versions.
const MEMORY: &[&str] = &[
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.kmem.tcp.limit_in_bytes",
    "memory.swappiness",
    "memory.oom_control",
    "memory.max",
    "memory.swap.max",
    "memory.low",
];
const CPU: &[&str] = &[
    "cpu.idle",
    "cpu.shares",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.cfs_burst_us",
    "cpu.rt_period_us",
    "cpu.rt_runtime_us",
    "cpu.weight",
    "cpu.max",
    "cpu.max.burst",
];
const IO: &[&str] = &[
    "blkio.weight",
    "blkio.bfq.weight",
    "blkio.leaf_weight",
    "blkio.weight_device",
    "blkio.bfq.weight_device",
    "blkio.leaf_weight_device",
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
    "io.weight",
    "io.bfq.weight",
    "io.max",
];

impl Cgroup {
    /// Changes limits of a cgroup in use as [`Cgroup::update`] does, and puts back what was there if one of them cannot be
    /// set. `ruled` are the device rules that are in force.
    ///
    /// # Errors
    /// As for [`Cgroup::update`]; then everything is as it was.
    pub fn change(&self, resources: &Resources, ruled: &[DeviceRule]) -> Result<()> {
        let mut resources = resources.clone();
        if let Some(limits) = &mut resources.memory {
            self.complete(limits)?;
            memory::check(limits.limit, limits.swap)?;
        }
        let before = self.look(&resources);
        let changed = self.update(&resources);
        if changed.is_err() {
            put_back(before);
            if !resources.devices.is_empty() {
                // The refusal of the change is what is told.
                let _ = self.apply_devices(ruled);
            }
        }
        changed
    }

    /// v2 counts swap alone, and the specification memory and swap together: where one of the two is given, the sum needs
    /// the other, and where the memory's limit changes, it is the sum that stays.
    fn complete(&self, limits: &mut Memory) -> Result<()> {
        let Some(branch) = self.find(Controller::Memory).filter(|branch| branch.version == Version::V2) else {
            return Ok(());
        };
        let now = |name: &str| {
            let path = branch.file(name);
            let number = file::read_optional(&path)?.map(|text| file::number(&path, &text)).transpose()?;
            // `max` is no number to add to.
            Ok::<_, crate::Error>(number.and_then(|number| i64::try_from(number).ok()))
        };
        let given = |value: Option<i64>| value.filter(|value| *value > 0);
        match (given(limits.limit), limits.swap.filter(|swap| *swap != 0)) {
            (None, Some(swap)) if swap > 0 && limits.limit.is_none() => limits.limit = now("memory.max")?,
            (Some(_), None) => {
                let (memory, swap) = (now("memory.max")?, now("memory.swap.max")?);
                limits.swap = memory.zip(swap).map(|(memory, swap)| memory.saturating_add(swap));
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads what a change can touch.
    fn look(&self, resources: &Resources) -> Vec<Before> {
        let mut names: Vec<(Controller, Vec<String>)> = Vec::new();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let unified: Vec<String> = resources.unified.keys().cloned().collect();
        if resources.memory.is_some() {
            names.push((Controller::Memory, owned(MEMORY)));
        }
        if resources.cpu.is_some() {
            names.push((Controller::Cpu, owned(CPU)));
            names.push((Controller::Cpuset, owned(&["cpuset.cpus", "cpuset.mems"])));
        }
        if resources.pids.is_some() {
            names.push((Controller::Pids, owned(&["pids.max"])));
        }
        if resources.block_io.is_some() {
            names.push((Controller::Io, owned(IO)));
        }
        for limit in &resources.hugepage_limits {
            let size = &limit.page_size;
            let files = ["limit_in_bytes", "rsvd.limit_in_bytes", "max", "rsvd.max"];
            names.push((Controller::Hugetlb, files.map(|file| format!("hugetlb.{size}.{file}")).to_vec()));
        }
        if !resources.rdma.is_empty() {
            names.push((Controller::Rdma, owned(&["rdma.max"])));
        }
        if resources.network.is_some() {
            names.push((Controller::NetCls, owned(&["net_cls.classid"])));
            names.push((Controller::NetPrio, owned(&["net_prio.ifpriomap"])));
        }
        let of = |(controller, names): (Controller, Vec<String>)| {
            self.find(controller).into_iter().flat_map(|branch| read(branch, &names)).collect::<Vec<_>>()
        };
        let v2 = self.unified().into_iter().flat_map(|branch| read(branch, &unified));
        names.into_iter().flat_map(of).chain(v2).collect()
    }
}

/// A file and its text before the change.
#[derive(Debug)]
struct Before {
    path: String,
    text: String,
}

fn read(branch: &Branch, names: &[String]) -> Vec<Before> {
    let mut all = Vec::new();
    // A name from outside is none with a `/`: such a one is refused before anything is written.
    for path in names.iter().filter(|name| !name.contains('/')).map(|name| branch.file(name)) {
        if let Ok(Some(text)) = file::read_optional(&path) {
            all.push(Before { path, text });
        }
    }
    all
}

/// Writes back what has changed, as often as that gets any further.
fn put_back(mut left: Vec<Before>) {
    loop {
        let count = left.len();
        left.retain(|before| {
            let Ok(Some(now)) = file::read_optional(&before.path) else { return false };
            let steps = before.steps_from(&now);
            steps.iter().any(|step| file::write(&before.path, step).is_err())
        });
        if left.is_empty() || left.len() == count {
            return;
        }
    }
}

impl Before {
    /// The writes that lead back.
    fn steps_from(&self, now: &str) -> Vec<String> {
        if self.text == now {
            return Vec::new();
        }
        let name = self.path.rsplit('/').next().unwrap_or_default();
        if name == "memory.oom_control" {
            return file::keyed(&self.text, "oom_kill_disable").map(|value| value.to_string()).into_iter().collect();
        }
        // One line a device, and those of a device that was not there before are to go.
        let gone = match name {
            "io.max" => "rbps=max wbps=max riops=max wiops=max",
            "io.weight" | "io.bfq.weight" | "blkio.weight_device" | "blkio.bfq.weight_device" => "default",
            "rdma.max" => "hca_handle=max hca_object=max",
            _ if name.ends_with("_device") || name == "net_prio.ifpriomap" => "0",
            // An empty write is none at all.
            _ if self.text.trim().is_empty() => return vec!["\n".to_owned()],
            _ => return vec![self.text.trim().to_owned()],
        };
        let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let is_new = |line: &&str| !self.text.lines().any(|old| key(old) == key(line));
        let gone = now.lines().filter(is_new).map(|line| format!("{} {gone}", key(line)));
        let old = self.text.lines().filter(|old| !now.lines().any(|line| line == *old)).map(str::to_owned);
        gone.chain(old).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(name: &str, before: &str, now: &str) -> Vec<String> {
        Before { path: format!("/sys/fs/cgroup/x/{name}"), text: before.to_owned() }.steps_from(now)
    }

    #[test]
    fn a_value_is_written_back_if_it_has_changed() {
        assert!(steps("pids.max", "max\n", "max\n").is_empty());
        assert_eq!(steps("pids.max", "max\n", "5\n"), ["max"]);
        assert_eq!(steps("cpuset.cpus", "\n", "0\n"), ["\n"]);
        let oom = "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n";
        assert_eq!(steps("memory.oom_control", oom, "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n"), ["0"]);
    }

    #[test]
    fn a_device_that_had_no_limit_has_none_again() {
        let before = "8:0 rbps=1 wbps=max riops=max wiops=max\n";
        let now = "8:0 rbps=2 wbps=max riops=max wiops=max\n8:16 rbps=1 wbps=max riops=max wiops=max\n";
        let back = ["8:16 rbps=max wbps=max riops=max wiops=max", "8:0 rbps=1 wbps=max riops=max wiops=max"];
        assert_eq!(steps("io.max", before, now), back);
        assert_eq!(steps("blkio.throttle.read_bps_device", "", "8:0 1000\n"), ["8:0 0"]);
    }
}
