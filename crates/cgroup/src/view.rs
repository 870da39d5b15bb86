//! What a container finds at `/sys/fs/cgroup`: as data, for the runtime's plan to execute.

use crate::{Cgroup, Hierarchy, Layout, Version};

/// Whether the container has a cgroup namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Its own: a fresh mount shows its cgroup as the root.
    Own,
    /// The caller's: a fresh mount would show the whole machine, so its own subtree is bound.
    Shared,
}

/// A step towards the view. `at` is relative to the mount's destination, empty for the destination itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewStep {
    /// A tmpfs at the destination, to hold one directory a hierarchy; to be made read-only when all steps are done.
    Tmpfs,
    /// A fresh mount of a cgroup file system, in the container's cgroup namespace. Makes the directory unless `at` is
    /// empty.
    Fresh {
        /// Where.
        at: String,
        /// File system type `cgroup` or `cgroup2`.
        version: Version,
        /// The file system's options, comma-separated; empty for v2.
        options: String,
    },
    /// A bind of a directory of the caller's mount namespace. Makes the directory unless `at` is empty.
    Bind {
        /// Where.
        at: String,
        /// Full path outside.
        source: String,
    },
    /// A symbolic link: programs look for `cpu` where `cpu,cpuacct` is mounted.
    Link {
        /// Where.
        at: String,
        /// To what, beside it.
        target: String,
    },
}

impl Layout {
    /// The steps that give a container in `cgroup` its view of `/sys/fs/cgroup`. Empty when there is nothing to show.
    pub fn view(&self, cgroup: &Cgroup, namespace: Namespace) -> Vec<ViewStep> {
        let shown = |hierarchy: &Hierarchy, at: String| match namespace {
            Namespace::Own => {
                let options = hierarchy.key.clone();
                Some(ViewStep::Fresh { at, version: hierarchy.version, options })
            }
            Namespace::Shared => {
                let mut branches = cgroup.branches.iter();
                let branch = branches.find(|b| b.version == hierarchy.version && b.is_of(&hierarchy.key))?;
                Some(ViewStep::Bind { at, source: branch.path.clone() })
            }
        };
        if let [only] = self.hierarchies()
            && only.version == Version::V2
        {
            return shown(only, String::new()).into_iter().collect();
        }
        let mut steps = Vec::new();
        for hierarchy in self.joined() {
            let name = match hierarchy.version {
                Version::V1 => hierarchy.key.trim_start_matches("name=").to_owned(),
                Version::V2 => "unified".to_owned(),
            };
            let Some(step) = shown(hierarchy, name.clone()) else { continue };
            if steps.is_empty() {
                steps.push(ViewStep::Tmpfs);
            }
            steps.push(step);
            if name.contains(',') {
                steps.extend(name.split(',').map(|part| ViewStep::Link { at: part.to_owned(), target: name.clone() }));
            }
        }
        steps
    }
}
