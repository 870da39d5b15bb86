//! The floor's arguments: what this machine says of the container's cgroups, looked up here so that the floor need not.

use crate::error::{Doing as _, Result, text};
use crate::spec::{PIDS, Spec};
use cgroup::{Cgroup, CgroupPath, Controller, Hierarchy, Layout, Version};
use oci::runtime::{DeviceRule, DeviceType};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The floor, a static ELF executable.
pub static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/floor"));

/// Its command line: `program` is where [`PROGRAM`] was written to.
pub fn command(program: &Path, spec: Spec, root: &Path, files: &Path, cgroup: &str) -> Result<Vec<String>> {
    let layout = Layout::detect()?;
    let places = Places::look(&layout, cgroup)?;
    let program = text(program)?.to_owned();
    let mut words = vec![program.clone(), program, spec.name().to_owned()];
    words.extend([text(root)?.to_owned(), text(files)?.to_owned()]);
    let mut list = |entries: Vec<String>| {
        words.extend(entries);
        words.push(String::new());
    };
    list(places.directories.clone());
    for (file, values) in places.controls(&layout, spec) {
        list([vec![file], values].concat());
    }
    list(Vec::new());
    list(places.v1.iter().map(|directory| format!("{directory}/tasks")).collect());
    let mut v2: Vec<String> = places.v2.iter().cloned().collect();
    if places.v2.is_some() && layout.owner(Controller::Devices).is_none() {
        // Devices are a program then, for both specifications: rules are never left out.
        v2.push("devices".to_owned());
    }
    list(v2);
    if spec == Spec::Podman {
        words.extend(view(&layout));
    }
    Ok(words)
}

/// Where a cgroup's directories are.
struct Places {
    directories: Vec<String>,
    v1: Vec<String>,
    v2: Option<String>,
    /// What a new v1 cpuset is given before anything can enter it.
    cpuset: Vec<(String, String)>,
}

impl Places {
    /// Makes the cgroup once, looks, and removes it.
    fn look(layout: &Layout, cgroup: &str) -> Result<Self> {
        let made = Cgroup::create(layout, &CgroupPath::new(cgroup)?)?;
        let paths = made.paths();
        let v2 = paths.get("").cloned();
        let v1: BTreeSet<String> =
            paths.iter().filter(|(key, _)| !key.is_empty()).map(|(_, path)| path.clone()).collect();
        let mut cpuset = Vec::new();
        if let Some(directory) = paths.get("cpuset") {
            for name in ["cpuset.cpus", "cpuset.mems"] {
                let file = format!("{directory}/{name}");
                let value = fs::read_to_string(&file).doing(|| format!("reading {file}"));
                cpuset.push((file, value?.trim().to_owned()));
            }
        }
        made.remove(Duration::from_secs(5))?;
        let directories = v1.iter().cloned().chain(v2.clone()).collect();
        Ok(Self { directories, v1: v1.into_iter().collect(), v2, cpuset })
    }

    /// Control files and what is written to each.
    fn controls(&self, layout: &Layout, spec: Spec) -> Vec<(String, Vec<String>)> {
        let mut controls: Vec<_> =
            self.cpuset.iter().map(|(file, value)| (file.clone(), vec![value.clone()])).collect();
        let directory = |controller| {
            let mount = &layout.owner(controller)?.mount;
            self.directories.iter().find(|directory| directory.starts_with(&format!("{mount}/")))
        };
        if let Some(directory) = directory(Controller::Pids).filter(|_| spec != Spec::Empty) {
            controls.push((format!("{directory}/pids.max"), vec![PIDS.to_string()]));
        }
        if let Some(directory) = directory(Controller::Devices) {
            let rules = cgroup::default_rules();
            controls.push((format!("{directory}/devices.deny"), vec!["a".to_owned()]));
            controls.push((format!("{directory}/devices.allow"), rules.iter().map(device).collect()));
        }
        controls
    }
}

/// A rule as v1's device list has it.
fn device(rule: &DeviceRule) -> String {
    let kind = if rule.kind == Some(DeviceType::Block) { 'b' } else { 'c' };
    let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    format!("{kind} {}:{} {}", number(rule.major), number(rule.minor), rule.access.as_deref().unwrap_or("rwm"))
}

/// /sys/fs/cgroup of the container: where, what, and its options.
fn view(layout: &Layout) -> Vec<String> {
    const TOP: &str = "sys/fs/cgroup";
    let v1 = layout.hierarchies().iter().any(|hierarchy| hierarchy.version == Version::V1);
    let mut words = Vec::new();
    let mut mount = |at: &str, kind: &str, options: &str| words.extend([at, kind, options].map(str::to_owned));
    if !v1 {
        mount(TOP, "cgroup2", "-");
        return words;
    }
    mount(TOP, "tmpfs", "mode=755");
    for Hierarchy { version, key, .. } in layout.hierarchies() {
        let name = key.strip_prefix("name=").unwrap_or(key);
        match version {
            Version::V2 => mount(&format!("{TOP}/unified"), "cgroup2", "-"),
            Version::V1 if name == key => mount(&format!("{TOP}/{name}"), "cgroup", key),
            Version::V1 => mount(&format!("{TOP}/{name}"), "cgroup", &format!("none,{key}")),
        }
    }
    words
}
