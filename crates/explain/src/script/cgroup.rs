//! What the container may use: a directory in each hierarchy of cgroups, and a line in a file for each limit.

use super::words::{Script, asked_any, quote};
use engine::explanation::Explanation;
use oci::runtime::{DeviceRule, DeviceType, Resources, ThrottleDevice};

/// Where a controller is: the directory of the container's cgroup, as the script says it, and whether it is of v1.
#[derive(Debug, Clone)]
struct Place {
    directory: String,
    v1: bool,
}

/// A cgroup's directory as a word of the script: beside that which the container had, with a name of its own.
fn directory(path: &str) -> String {
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    format!("{}/\"$name\"", quote(above))
}

fn place(explanation: &Explanation, controller: &str) -> Option<Place> {
    let all = &explanation.around.cgroup;
    let v1 = all.iter().find(|(key, _)| key.split(',').any(|one| one == controller));
    let found = v1.map(|(_, path)| (path, true)).or_else(|| all.get("").map(|path| (path, false)));
    found.map(|(path, v1)| Place { directory: directory(path), v1 })
}

/// The words for all directories.
fn directories(explanation: &Explanation) -> Vec<String> {
    explanation.around.cgroup.values().map(|path| directory(path)).collect()
}

/// Makes them.
pub fn make(script: &mut Script, explanation: &Explanation) {
    let all = directories(explanation);
    if all.is_empty() {
        return;
    }
    script.block("uses", "a cgroup, which is a directory in each hierarchy", None);
    script.line(format!("mkdir -p \\\n    {}", all.join(" \\\n    ")));
    if let Some(cpuset) = place(explanation, "cpuset").filter(|place| place.v1) {
        let Place { directory, .. } = cpuset;
        script.line("# Nobody can be in a cpuset without CPUs and memory.");
        for file in ["cpuset.cpus", "cpuset.mems"] {
            script.line(format!("cat {directory}/../{file} >{directory}/{file}"));
        }
    }
    if let Some(above) = explanation.around.cgroup.get("").and_then(|path| path.rsplit_once('/')) {
        script.line("# In v2 the directory above says which controllers those in it have.");
        script.line(format!("for controller in $(cat {}/cgroup.controllers); do", quote(above.0)));
        script.line(format!(
            "    echo \"+$controller\" >{}/cgroup.subtree_control 2>/dev/null || :\ndone",
            quote(above.0)
        ));
    }
}

/// Removes them: what was in them is dead by then, and may take a moment to be gone.
pub fn remove(script: &mut Script, explanation: &Explanation) {
    let all = directories(explanation);
    if !all.is_empty() {
        script.line(format!("    for group in \\\n        {}\n    do", all.join(" \\\n        ")));
        script.line("        for _ in 1 2 3 4 5 6 7 8 9; do\n            rmdir \"$group\" 2>/dev/null && break || sleep 0.05\n        done\n    done");
    }
}

/// Has whoever runs the script from here on be a member.
pub fn join(script: &mut Script, explanation: &Explanation) {
    let all = directories(explanation);
    if !all.is_empty() {
        script.block("uses", "enter the cgroup", None);
        script.line(format!("for group in \\\n    {}\ndo", all.join(" \\\n    ")));
        script.line("    echo 0 >\"$group/cgroup.procs\"\ndone");
    }
}

/// Writes the limits.
pub fn limit(script: &mut Script, explanation: &Explanation) {
    let resources = explanation.spec.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    let Some(resources) = resources.filter(|_| !explanation.around.cgroup.is_empty()) else { return };
    let mut limits = Limits { script, explanation };
    limits.memory(resources);
    limits.cpu(resources);
    if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        let limit = if limit > 0 { limit.to_string() } else { "max".to_owned() };
        limits.set(
            "pids",
            "so many processes",
            &["linux.resources.pids.limit", "linux.resources.pids"],
            &[("pids.max", "pids.max", limit.clone(), limit)],
        );
    }
    limits.io(resources);
    for limit in &resources.hugepage_limits {
        let (v1, v2) =
            (format!("hugetlb.{}.limit_in_bytes", limit.page_size), format!("hugetlb.{}.max", limit.page_size));
        let value = limit.limit.to_string();
        limits.set(
            "hugetlb",
            "so many large pages",
            &["linux.resources.hugepageLimits"],
            &[(&v1, &v2, value.clone(), value)],
        );
    }
    if let Some(path) = explanation.around.cgroup.get("").filter(|_| !resources.unified.is_empty()) {
        limits.script.block("uses", "files of v2 as they were named", Some("--cgroup-conf".to_owned()));
        for (file, value) in &resources.unified {
            limits.script.line(format!("echo {} >{}/{}", quote(value), directory(path), quote(file)));
        }
    }
    limits.devices(&resources.devices);
}

struct Limits<'a> {
    script: &'a mut Script,
    explanation: &'a Explanation,
}

impl Limits<'_> {
    /// One limit: its files in v1 and v2, and the values for each; an empty name stands for none.
    fn set(&mut self, controller: &str, intent: &str, paths: &[&str], files: &[(&str, &str, String, String)]) {
        let Some(place) = place(self.explanation, controller) else { return };
        self.script.block("uses", intent, asked_any(self.explanation, paths));
        for (v1, v2, first, second) in files {
            let (file, value) = if place.v1 { (*v1, first) } else { (*v2, second) };
            if file.is_empty() {
                self.script.line(format!("# {} has no file in this version of cgroups", v1.max(v2)));
            } else {
                self.script.line(format!("echo {} >{}/{}", quote(value), place.directory, quote(file)));
            }
        }
    }

    fn memory(&mut self, resources: &Resources) {
        let Some(memory) = &resources.memory else { return };
        let max = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
        let mut files: Vec<(&str, &str, String, String)> = Vec::new();
        if let Some(limit) = memory.limit {
            files.push(("memory.limit_in_bytes", "memory.max", limit.to_string(), max(limit)));
        }
        if let Some(swap) = memory.swap {
            let alone = if swap < 0 { "max".to_owned() } else { (swap - memory.limit.unwrap_or(0)).to_string() };
            files.push(("memory.memsw.limit_in_bytes", "memory.swap.max", swap.to_string(), alone));
        }
        if let Some(low) = memory.reservation {
            files.push(("memory.soft_limit_in_bytes", "memory.low", low.to_string(), max(low)));
        }
        if let Some(swappiness) = memory.swappiness {
            files.push(("memory.swappiness", "", swappiness.to_string(), String::new()));
        }
        if memory.disable_oom_killer == Some(true) {
            files.push(("memory.oom_control", "", "1".to_owned(), String::new()));
        }
        if !files.is_empty() {
            self.set("memory", "so much memory", &["linux.resources.memory.limit", "linux.resources.memory"], &files);
        }
    }

    fn cpu(&mut self, resources: &Resources) {
        let Some(cpu) = &resources.cpu else { return };
        if cpu.quota.is_some() || cpu.period.is_some() {
            let period = cpu.period.unwrap_or(100_000).to_string();
            let quota = cpu.quota.unwrap_or(-1);
            let second = format!("{} {period}", if quota < 0 { "max".to_owned() } else { quota.to_string() });
            let mut files = vec![("cpu.cfs_period_us", "cpu.max", period, second.clone())];
            if place(self.explanation, "cpu").is_some_and(|place| place.v1) {
                files.push(("cpu.cfs_quota_us", "cpu.max", quota.to_string(), second));
            }
            self.set("cpu", "so much of the CPUs' time", &["linux.resources.cpu.quota", "linux.resources.cpu"], &files);
        }
        if let Some(shares) = cpu.shares {
            // Both scales logarithmic, with the default of each on that of the other, as runtimes do it now.
            let l = f64::from(u32::try_from(shares).unwrap_or(u32::MAX).clamp(2, 262_144)).log2();
            let weight = 10f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0).ceil();
            self.set(
                "cpu",
                "its weight when others want the CPUs too",
                &["linux.resources.cpu.shares"],
                &[("cpu.shares", "cpu.weight", shares.to_string(), format!("{weight}"))],
            );
        }
        for (file, value) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
            if let Some(value) = value {
                let paths = ["linux.resources.cpu.cpus", "linux.resources.cpu"];
                self.set("cpuset", "these CPUs and no others", &paths, &[(file, file, value.clone(), value.clone())]);
            }
        }
    }

    fn io(&mut self, resources: &Resources) {
        let Some(io) = &resources.block_io else { return };
        if let Some(weight) = io.weight {
            let paths = ["linux.resources.blockIO.weight"];
            self.set(
                "blkio",
                "its weight at disks",
                &paths,
                &[("blkio.weight", "io.weight", weight.to_string(), format!("default {weight}"))],
            );
        }
        let kinds: [(&str, &str, &[ThrottleDevice]); 4] = [
            ("blkio.throttle.read_bps_device", "rbps", &io.throttle_read_bps_device),
            ("blkio.throttle.write_bps_device", "wbps", &io.throttle_write_bps_device),
            ("blkio.throttle.read_iops_device", "riops", &io.throttle_read_iops_device),
            ("blkio.throttle.write_iops_device", "wiops", &io.throttle_write_iops_device),
        ];
        for (file, word, devices) in kinds {
            for ThrottleDevice { major, minor, rate } in devices {
                let (first, second) = (format!("{major}:{minor} {rate}"), format!("{major}:{minor} {word}={rate}"));
                self.set(
                    "blkio",
                    "so much of a disk",
                    &["linux.resources.blockIO"],
                    &[(file, "io.max", first, second)],
                );
            }
        }
    }

    fn devices(&mut self, rules: &[DeviceRule]) {
        let Some(place) = place(self.explanation, "devices").filter(|_| !rules.is_empty()) else { return };
        self.script.block("uses", "these devices and no others", None);
        if !place.v1 {
            self.script.line(
                "# v2 has no file for that: a BPF program decides, which a shell cannot load. All are allowed here.",
            );
            return;
        }
        for rule in rules {
            let file = if rule.allow { "devices.allow" } else { "devices.deny" };
            let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
            let kind = match rule.kind {
                Some(DeviceType::Char) => "c",
                Some(DeviceType::Block) => "b",
                _ => "a",
            };
            let access = rule.access.as_deref().unwrap_or("rwm");
            let text = format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor));
            script_rule(self.script, &text, &place.directory, file);
        }
    }
}

fn script_rule(script: &mut Script, text: &str, directory: &str, file: &str) {
    script.line(format!("echo {} >{directory}/{file}", quote(text)));
}
