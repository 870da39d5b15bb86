//! What a run leaves on the machine: mounts, cgroups, processes, namespaces, files and network interfaces, counted by
//! name, so that a difference says what it is.
//!
//! Other things happen on a machine while tests run. So processes and namespaces count only where they descend from the
//! test (a [`Sandbox`](crate::Sandbox) makes the test the reaper of its orphans, which keeps them in the family), and
//! files, mounts and cgroups only within a [`Scope`].

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::family::Family;
use crate::within;

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    dirs: Vec<PathBuf>,
    cgroups: Vec<String>,
    whole_machine: bool,
}

impl Scope {
    /// Nothing but the test's own descendants.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at files and mounts below this directory, and at mounts anywhere that have it as a source or a layer.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dirs.push(dir.as_ref().to_owned());
        self
    }

    /// Looks at cgroups of every hierarchy that have this text somewhere in their path.
    #[must_use]
    pub fn cgroup(mut self, part: &str) -> Self {
        self.cgroups.push(part.to_owned());
        self
    }

    /// Looks at all mounts, cgroups, processes and namespaces of the machine. Only for tests that run alone.
    #[must_use]
    pub fn whole_machine(mut self) -> Self {
        self.whole_machine = true;
        self
    }
}

/// A count of what there is at one moment.
#[derive(Clone, Debug)]
pub struct Leavings {
    /// Where this count has looked, so that the next one looks there too.
    scope: Scope,
    things: BTreeSet<Thing>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Mount(String),
    Cgroup(PathBuf),
    Process { pid: u32, name: String },
    Namespace(String),
    File(PathBuf),
    Interface(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount(line) => write!(f, "mount {line}"),
            Self::Cgroup(path) => write!(f, "cgroup {}", path.display()),
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Interface(name) => write!(f, "network interface {name}"),
        }
    }
}

impl Leavings {
    /// Counts what there is now.
    #[track_caller]
    pub fn count(scope: &Scope) -> Self {
        let mut things = BTreeSet::new();
        mounts(scope, &mut things);
        cgroups(scope, &mut things);
        processes(scope, &mut things);
        for dir in &scope.dirs {
            files(dir, &mut things);
        }
        for entry in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
            things.insert(Thing::Interface(entry.file_name().to_string_lossy().into_owned()));
        }
        Self { scope: scope.clone(), things }
    }

    /// What there is now that was not there before, one line each.
    pub fn new_since(&self) -> Vec<String> {
        let now = Self::count(&self.scope);
        now.things.difference(&self.things).map(ToString::to_string).collect()
    }

    /// Asserts that nothing is there now that was not there before. Looks again for up to `limit`, since the kernel
    /// finishes some of its own clearing up after the fact.
    #[track_caller]
    pub fn assert_nothing_new(&self, limit: Duration) {
        let mut left = Vec::new();
        let clean = within(limit, || {
            left = self.new_since();
            left.is_empty()
        });
        assert!(clean, "left behind after {limit:?}:\n  {}", left.join("\n  "));
    }

    /// Asserts that exactly the same things are there now as before: nothing new, and nothing taken away either.
    #[track_caller]
    pub fn assert_same(&self, limit: Duration) {
        self.assert_nothing_new(limit);
        let now = Self::count(&self.scope);
        let gone: Vec<String> = self.things.difference(&now.things).map(ToString::to_string).collect();
        assert!(gone.is_empty(), "taken away:\n  {}", gone.join("\n  "));
    }
}

/// The mount points of this process's namespace below a directory (itself included), parents first.
pub(crate) fn mount_points_below(dir: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("/proc/self/mountinfo");
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| PathBuf::from(unescape(point)));
    points.filter(|point| point.starts_with(dir)).collect()
}

fn mounts(scope: &Scope, things: &mut BTreeSet<Thing>) {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("/proc/self/mountinfo");
    for line in text.lines() {
        let line = unescape(line);
        let within = scope.dirs.iter().any(|dir| line.contains(&*dir.to_string_lossy()));
        if scope.whole_machine || within {
            things.insert(Thing::Mount(line));
        }
    }
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    ["\\040= ", "\\011=\t", "\\012=\n", "\\134=\\"].iter().fold(text.to_owned(), |text, pair| {
        let (code, plain) = pair.split_once('=').unwrap_or((pair, ""));
        text.replace(code, plain)
    })
}

fn cgroups(scope: &Scope, things: &mut BTreeSet<Thing>) {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("/proc/self/mountinfo");
    for line in text.lines() {
        let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
        if !filesystem.starts_with("cgroup") {
            continue;
        }
        let Some(point) = mount.split(' ').nth(4) else { continue };
        directories(Path::new(&unescape(point)), &mut |dir| {
            let named = scope.cgroups.iter().any(|part| dir.to_string_lossy().contains(part.as_str()));
            if scope.whole_machine || named {
                things.insert(Thing::Cgroup(dir.to_owned()));
            }
        });
    }
}

fn directories(dir: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(&entry.path());
            directories(&entry.path(), visit);
        }
    }
}

fn processes(scope: &Scope, things: &mut BTreeSet<Thing>) {
    let family = Family::read();
    let own = namespaces(std::process::id());
    for (&pid, process) in &family.0 {
        let ours = scope.whole_machine || family.descends(pid, std::process::id());
        // A zombie holds no resources but its number, and whether somebody fetches its status is its parent's affair.
        if !ours || pid == std::process::id() || process.dead {
            continue;
        }
        things.insert(Thing::Process { pid, name: process.name.clone() });
        things.extend(namespaces(pid).difference(&own).cloned().map(Thing::Namespace));
    }
}

fn namespaces(pid: u32) -> BTreeSet<String> {
    let links = fs::read_dir(format!("/proc/{pid}/ns")).into_iter().flatten().flatten();
    let names = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

fn files(dir: &Path, things: &mut BTreeSet<Thing>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        things.insert(Thing::File(entry.path()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), things);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Invocation, Sandbox, requires};

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_run_that_leaves_nothing_is_clean() {
        let sandbox = Sandbox::new();
        let before = sandbox.leavings();
        sandbox.command("true").ok();
        before.assert_same(SOON);
    }

    #[test]
    fn a_file_is_seen_and_named() {
        let sandbox = Sandbox::new();
        let before = sandbox.leavings();
        let path = sandbox.file("data/left/behind", "");
        assert!(before.new_since().contains(&format!("file {}", path.display())));
    }

    #[test]
    fn an_orphan_is_seen_until_it_ends() {
        let sandbox = Sandbox::new();
        let before = sandbox.leavings();
        sandbox.command("sh").args(["-c", "sleep 0.5 </dev/null >/dev/null 2>&1 &"]).ok();
        let seen = before.new_since();
        assert!(seen.iter().any(|line| line.ends_with("(sleep)")), "{seen:?}");
        before.assert_nothing_new(SOON);
    }

    #[test]
    fn a_mount_is_seen() {
        requires!(root);
        let sandbox = Sandbox::new();
        let before = sandbox.leavings();
        Invocation::new("mount").args(["-t", "tmpfs", "none"]).arg(sandbox.join("home")).ok();
        assert!(before.new_since().iter().any(|line| line.starts_with("mount ")));
        Invocation::new("umount").arg(sandbox.join("home")).ok();
        before.assert_same(SOON);
    }

    #[test]
    fn a_namespace_is_seen() {
        requires!(root);
        let sandbox = Sandbox::new();
        let before = sandbox.leavings();
        let mut holder = sandbox.command("unshare").args(["--uts", "sh", "-c", "echo ready; sleep 60"]).spawn();
        holder.stdout_until("ready");
        let seen = before.new_since();
        assert!(seen.iter().any(|line| line.starts_with("namespace uts:[")), "{seen:?}");
        drop(holder);
        before.assert_nothing_new(SOON);
    }

    #[test]
    fn a_cgroup_is_seen() {
        requires!(root, cgroups);
        let name = format!("testkit-{}", std::process::id());
        let before = Leavings::count(&Scope::new().cgroup(&name));
        let root = crate::requires::pids_hierarchy().unwrap();
        let dir = root.join(&name);
        fs::create_dir(&dir).unwrap();
        let seen = before.new_since();
        fs::remove_dir(&dir).unwrap();
        assert_eq!(seen.iter().filter(|line| line.starts_with("cgroup ")).count(), 1, "{seen:?}");
        before.assert_same(SOON);
    }

    #[test]
    fn escaped_mount_points_are_read() {
        assert_eq!(unescape("/a\\040b\\134c"), "/a b\\c");
    }
}
