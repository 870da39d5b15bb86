//! The kernel's resource controllers, by name and as a set.
//!
//! One controller may have two names (`blkio` is v1's word for `io`), and two of v1's are no controllers in v2 at all:
//! devices are ruled by a BPF program there, and freezing is part of the core.

use std::fmt;

/// The two generations of the cgroup interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// One hierarchy per controller or per group of controllers.
    V1,
    /// One hierarchy for all.
    V2,
}

macro_rules! controllers {
    ($($(#[$doc:meta])* $variant:ident $v1:literal $v2:literal)*) => {
        /// A resource controller.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Controller {
            $($(#[$doc])* $variant,)*
        }

        impl Controller {
            /// All that we know.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The kernel's name in `/proc/self/cgroup`, mount options and `cgroup.controllers`.
            pub fn name(self, version: Version) -> &'static str {
                match (self, version) {
                    $((Self::$variant, Version::V1) => $v1, (Self::$variant, Version::V2) => $v2,)*
                }
            }
        }
    };
}

controllers! {
    /// CPU time.
    Cpu "cpu" "cpu"
    /// CPU time used (v2: part of the core).
    Cpuacct "cpuacct" "cpu"
    /// Placement on CPUs and memory nodes.
    Cpuset "cpuset" "cpuset"
    /// Memory and swap.
    Memory "memory" "memory"
    /// Block I/O.
    Io "blkio" "io"
    /// Number of tasks.
    Pids "pids" "pids"
    /// Device nodes (v2: a BPF program).
    Devices "devices" "devices"
    /// Freezing (v2: part of the core).
    Freezer "freezer" "freezer"
    /// Huge pages.
    Hugetlb "hugetlb" "hugetlb"
    /// Packet classes (v1 only).
    NetCls "net_cls" "net_cls"
    /// Packet priorities (v1 only).
    NetPrio "net_prio" "net_prio"
    /// Performance events (v2: part of the core).
    PerfEvent "perf_event" "perf_event"
    /// RDMA handles and objects.
    Rdma "rdma" "rdma"
    /// Scalar resources, such as encrypted guests' ids.
    Misc "misc" "misc"
    /// Device memory (Linux 6.14).
    Dmem "dmem" "dmem"
}

impl Controller {
    /// The controller that the kernel calls `name` in this version.
    pub fn from_name(name: &str, version: Version) -> Option<Self> {
        Self::ALL.iter().copied().find(|controller| controller.name(version) == name)
    }
}

impl fmt::Display for Controller {
    /// The v2 name, but for the two that v2 has no word of its own for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpuacct => "cpuacct",
            other => other.name(Version::V2),
        })
    }
}

/// A set of controllers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controllers(u32);

impl Controllers {
    /// No controller.
    pub const NONE: Self = Self(0);

    /// Reads names divided by `separator`; unknown names are passed over.
    pub fn parse(names: &str, separator: char, version: Version) -> Self {
        names.trim_end().split(separator).filter_map(|name| Controller::from_name(name, version)).collect()
    }

    /// Is this controller in the set?
    pub fn contains(self, controller: Controller) -> bool {
        self.0 & (1 << controller as u8) != 0
    }

    /// Is the set empty?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With one more.
    #[must_use]
    pub fn with(self, controller: Controller) -> Self {
        Self(self.0 | 1 << controller as u8)
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Controller> {
        Controller::ALL.iter().copied().filter(move |&controller| self.contains(controller))
    }
}

impl FromIterator<Controller> for Controllers {
    fn from_iter<T: IntoIterator<Item = Controller>>(iter: T) -> Self {
        iter.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_differ_by_version() {
        assert_eq!(Controller::from_name("blkio", Version::V1), Some(Controller::Io));
        assert_eq!(Controller::from_name("blkio", Version::V2), None);
        assert_eq!(Controller::Io.name(Version::V2), "io");
    }

    #[test]
    fn a_set_reads_the_kernels_lists_and_passes_over_what_is_new() {
        let set = Controllers::parse("cpuset cpu io memory quantum pids\n", ' ', Version::V2);
        assert_eq!(set.iter().count(), 5);
        assert!(set.contains(Controller::Io) && !set.contains(Controller::Devices));
        assert!(Controllers::parse("\n", ' ', Version::V2).is_empty());
    }
}
