//! Classes of service for cache and memory bandwidth: `linux.intelRdt`, groups of the resctrl file system.
//!
//! Only what we made is removed: the class that has the container's name, or its monitoring group in a class of somebody
//! else's. The logic is tested on a directory; no machine that this was written on has the hardware.

use crate::error::{Error, Result, What};
use crate::plan::Plan;
use crate::subject::Subject;
use oci::runtime::{IntelRdt, Spec};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::path::{Path, PathBuf};

/// The mount point of the resctrl file system, by `/proc/self/mountinfo`.
fn mounted(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        (file_system.split(' ').next() == Some("resctrl")).then(|| PathBuf::from(point))
    })
}

fn root() -> Option<PathBuf> {
    mounted(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// The groups of a container.
#[derive(Debug)]
pub struct Groups {
    root: PathBuf,
    rdt: IntelRdt,
    class: PathBuf,
    monitor: Option<PathBuf>,
    /// The class has the container's name and is ours.
    own: bool,
}

impl Groups {
    /// Which they are, if the specification asks for some.
    pub fn of(spec: &Spec, id: &str) -> Result<Option<Self>> {
        let Some(rdt) = spec.linux.as_ref().and_then(|linux| linux.intel_rdt.as_ref()) else { return Ok(None) };
        let root = root().ok_or_else(|| {
            Error::spec(
                "linux.intelRdt: no resctrl file system is mounted: \
                 mount -t resctrl resctrl /sys/fs/resctrl, if the CPU has it",
            )
        })?;
        Self::below(root, rdt, id).map(Some)
    }

    fn below(root: PathBuf, rdt: &IntelRdt, id: &str) -> Result<Self> {
        let class = rdt.clos_id.as_deref().filter(|class| !class.is_empty());
        let own = class.is_none();
        let class = match class.unwrap_or(id) {
            "/" => root.clone(),
            class if class.contains('/') || matches!(class, "." | ".." | "info" | "mon_groups" | "mon_data") => {
                return Err(Error::spec(format!("linux.intelRdt: {class:?} cannot be the name of a class of service")));
            }
            class => root.join(class),
        };
        let monitor = rdt.enable_monitoring.then(|| class.join("mon_groups").join(id));
        Ok(Self { root, rdt: rdt.clone(), class, monitor, own })
    }

    /// What goes with the container: its class with all that is in it, or its monitoring group.
    pub fn own(&self) -> Option<&Path> {
        if self.own { Some(&self.class) } else { self.monitor.as_deref() }
    }

    /// The directories of all groups whose member it is.
    pub fn all(&self) -> Vec<PathBuf> {
        [Some(&self.class), self.monitor.as_ref()].into_iter().flatten().cloned().collect()
    }

    /// Makes them with what they may use (config-linux.md, "IntelRdt"); nothing of ours is left of them on failure.
    pub fn make(&self) -> Result<()> {
        let divided = self.divided()?;
        let there = !self.own && self.class.is_dir();
        if !self.own && !there && divided.is_empty() {
            let class = self.class.display();
            return Err(Error::spec(format!("linux.intelRdt: {class} is not there, and nothing says what it may use")));
        }
        if there {
            self.compare()?;
        } else {
            sys::fs::mkdirat(CWD, &self.class, MODE).what("make the class of service")?;
        }
        // What a class that is there divides by these two has been compared.
        let schemata = if there { lines(None, None, &self.rdt.schemata)? } else { divided };
        let done = divide(&self.class, &schemata).and_then(|()| match &self.monitor {
            Some(monitor) => sys::fs::mkdirat(CWD, monitor, MODE).what("make the monitoring group"),
            None => Ok(()),
        });
        if done.is_err() && !there {
            let _ = sys::fs::unlinkat(CWD, &self.class, AtFlags::REMOVEDIR);
        }
        done
    }

    /// The lines of `schemata`.
    fn divided(&self) -> Result<String> {
        let IntelRdt { l3_cache_schema: l3, mem_bw_schema: bandwidth, .. } = &self.rdt;
        let text = lines(l3.as_deref(), bandwidth.as_deref(), &self.rdt.schemata)?;
        for (schema, names) in [(l3, &["L3", "L3CODE"][..]), (bandwidth, &["MB"][..])] {
            let asked = schema.as_ref().is_some_and(|schema| !schema.is_empty());
            if asked && !names.iter().any(|name| self.root.join("info").join(name).exists()) {
                return Err(Error::spec(format!("linux.intelRdt: this machine cannot divide {}", names[0])));
            }
        }
        Ok(text)
    }

    /// A class that is there divides what it divides, for others too: another wish is an error.
    fn compare(&self) -> Result<()> {
        let wanted = lines(self.rdt.l3_cache_schema.as_deref(), self.rdt.mem_bw_schema.as_deref(), &[])?;
        if wanted.is_empty() {
            return Ok(());
        }
        let path = self.class.join("schemata");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let has: Vec<_> = text.lines().flat_map(domains).collect();
        match wanted.lines().flat_map(domains).find(|wanted| !has.contains(wanted)) {
            None => Ok(()),
            Some((resource, domain, _)) => Err(Error::spec(format!(
                "linux.intelRdt: {} divides {resource}:{domain} in another way than is asked for",
                self.class.display()
            ))),
        }
    }
}

const MODE: Mode = Mode::from_raw_mode(0o755);

/// Changes what a container's class may use; `groups` as [`Groups::all`] had them.
pub fn update(groups: &[PathBuf], l3_cache_schema: Option<&str>, mem_bw_schema: Option<&str>) -> Result<()> {
    let schemata = lines(l3_cache_schema, mem_bw_schema, &[])?;
    match groups.first() {
        None if !schemata.is_empty() => Err(Error::spec("linux.intelRdt: the container has no class of service")),
        None => Ok(()),
        Some(class) => divide(class, &schemata),
    }
}

/// Removes what [`Groups::own`] named. Idempotent; nothing that is not of the resctrl file system is touched.
pub fn remove(own: &Path) -> Result<()> {
    root().filter(|root| own.starts_with(root)).map_or(Ok(()), |_| remove_group(own))
}

fn remove_group(own: &Path) -> Result<()> {
    // A class's own monitoring groups go with it.
    match sys::fs::unlinkat(CWD, own, AtFlags::REMOVEDIR) {
        Err(error) if error.errno != sys::Errno::NOENT => Err(error).what("remove the class of service"),
        _ => Ok(()),
    }
}

/// Adds the steps that make a process a member of groups.
pub(crate) fn enter(plan: &mut Plan, groups: &[PathBuf]) -> Result<()> {
    for (index, group) in groups.iter().enumerate() {
        let tasks = sys::fs::open(group.join("tasks"), OFlags::WRONLY, Mode::empty());
        plan.write(Subject::Rdt(index), tasks.what("open the class of service")?, "0");
    }
    Ok(())
}

fn divide(class: &Path, lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let file = sys::fs::open(class.join("schemata"), OFlags::WRONLY, Mode::empty());
    let written = file.and_then(|file| sys::fs::write_once(file, lines.as_bytes()));
    written.what("divide cache and memory bandwidth (see info/last_cmd_status of the resctrl file system)")
}

/// The lines of `schemata`, in the specification's order.
fn lines(l3: Option<&str>, bandwidth: Option<&str>, schemata: &[String]) -> Result<String> {
    let given = |text: &&str| !text.is_empty();
    let (l3, bandwidth) = (l3.filter(given), bandwidth.filter(given));
    if bandwidth.is_some_and(|schema| !schema.starts_with("MB:")) {
        return Err(Error::spec("linux.intelRdt: memBwSchema does not start with MB:"));
    }
    if let Some(line) = bandwidth.into_iter().chain(schemata.iter().map(String::as_str)).find(|l| l.contains('\n')) {
        return Err(Error::spec(format!("linux.intelRdt: {line:?} is more than one line")));
    }
    let all = [l3, bandwidth].into_iter().flatten().chain(schemata.iter().map(String::as_str)).filter(given);
    Ok(all.flat_map(|line| [line.trim_end_matches('\n'), "\n"]).collect())
}

/// A line of `schemata` as resource, domain and value, written in one way: the kernel pads both.
fn domains(line: &str) -> impl Iterator<Item = (String, String, String)> {
    let (resource, list) = line.split_once(':').unwrap_or((line, ""));
    let resource = resource.trim().to_owned();
    list.split(';').filter_map(move |one| {
        let (domain, value) = one.split_once('=')?;
        let value = value.trim().trim_start_matches('0').to_ascii_lowercase();
        Some((resource.clone(), domain.trim().to_owned(), value))
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]
mod tests {
    use super::*;
    use std::fs;

    /// A directory that looks like a resctrl file system, but for the files that the kernel makes in a new group.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("coracle-rdt-{name}-{}", std::process::id()));
            for dir in ["info/L3", "info/MB", "there/mon_groups"] {
                fs::create_dir_all(path.join(dir)).expect("a tree");
            }
            for file in ["there/schemata", "there/tasks"] {
                fs::write(path.join(file), "").expect("a file");
            }
            Self(path)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_mount_is_found_among_others() {
        let text =
            "22 1 0:20 / /proc rw - proc proc rw\n40 22 0:39 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw\n";
        assert_eq!(mounted(text), Some(PathBuf::from("/sys/fs/resctrl")));
        assert_eq!(mounted("22 1 0:20 / /resctrl rw - proc resctrl rw\n"), None);
    }

    #[test]
    fn lines_are_in_the_order_of_the_specification() {
        let all = lines(Some("L3:0=7f0;1=1f"), Some("MB:0=20;1=70"), &["L2:0=f0;1=f".to_owned()]);
        assert_eq!(all.ok().as_deref(), Some("L3:0=7f0;1=1f\nMB:0=20;1=70\nL2:0=f0;1=f\n"));
        assert_eq!(lines(None, Some(""), &[]).ok().as_deref(), Some(""));
    }

    #[test]
    fn a_class_that_is_there_must_agree_and_stays() {
        let tree = Tree::new("there");
        let schemata = tree.0.join("there/schemata");
        fs::write(&schemata, "    MB:0=  20;1=  70\n    L3:0=7f0;1=01f\n").expect("schemata");
        let rdt = IntelRdt {
            clos_id: Some("there".into()),
            schemata: Vec::new(),
            l3_cache_schema: Some("L3:0=7F0;1=1f".into()),
            mem_bw_schema: Some("MB:0=20;1=70".into()),
            enable_monitoring: true,
        };
        let groups = Groups::below(tree.0.clone(), &rdt, "box").expect("groups");
        groups.make().expect("it agrees");
        assert!(tree.0.join("there/mon_groups/box").is_dir());
        assert!(fs::read_to_string(&schemata).is_ok_and(|text| text.starts_with("    MB")), "not written");
        let own = groups.own().expect("its own");
        remove_group(own).and_then(|()| remove_group(own)).expect("removed, twice");
        assert!(!tree.0.join("there/mon_groups/box").exists() && tree.0.join("there").exists());
        let other = IntelRdt { l3_cache_schema: Some("L3:0=7f0;1=3f".into()), ..rdt.clone() };
        assert!(Groups::below(tree.0.clone(), &other, "box").is_ok_and(|groups| groups.make().is_err()));
        let more = IntelRdt { schemata: vec!["L2:0=f".into()], ..rdt };
        Groups::below(tree.0.clone(), &more, "box").and_then(|groups| groups.make()).expect("made");
        assert!(fs::read_to_string(&schemata).is_ok_and(|text| text.starts_with("L2:0=f\n")), "written");
    }

    #[test]
    fn a_class_of_the_containers_own_comes_and_goes_and_is_never_somebody_elses() {
        let tree = Tree::new("own");
        let rdt = IntelRdt::default();
        let groups = Groups::below(tree.0.clone(), &rdt, "box").expect("groups");
        groups.make().expect("made");
        assert!(groups.make().is_err(), "it is there already");
        remove_group(groups.own().expect("its own")).expect("removed");
        assert!(!tree.0.join("box").exists());
        // Its schemata cannot be written here, as if the kernel refused them: nothing stays.
        let rdt = IntelRdt { schemata: vec!["L3:0=0".into()], ..rdt };
        let groups = Groups::below(tree.0.clone(), &rdt, "box").expect("groups");
        assert!(groups.make().is_err() && !tree.0.join("box").exists());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let tree = Tree::new("refused");
        let class = |name: &str| IntelRdt { clos_id: Some(name.into()), ..IntelRdt::default() };
        for name in [".", "..", "a/b", "/x", "info"] {
            assert!(Groups::below(tree.0.clone(), &class(name), "box").is_err(), "{name}");
        }
        let absent = class("absent");
        assert!(Groups::below(tree.0.clone(), &absent, "box").is_ok_and(|groups| groups.make().is_err()));
        fs::remove_dir(tree.0.join("info/MB")).expect("a machine without");
        for rdt in [
            IntelRdt { mem_bw_schema: Some("MB:0=20".into()), ..IntelRdt::default() },
            IntelRdt { mem_bw_schema: Some("L3:0=20".into()), ..IntelRdt::default() },
            IntelRdt { schemata: vec!["L3:0=f\nMB:0=1".into()], ..IntelRdt::default() },
        ] {
            assert!(Groups::below(tree.0.clone(), &rdt, "box").is_ok_and(|groups| groups.make().is_err()));
            assert!(!tree.0.join("box").exists());
        }
    }
}
