//! The runtime specification 1.3.0: `config.json` as values.
//!
//! Source: <https://github.com/opencontainers/runtime-spec>, version 1.3.0. Unknown fields are ignored, as the
//! specification asks; an unknown word in a closed vocabulary is an error that names line and column.

mod linux;
mod mount;
mod process;
mod read;
mod resources;
mod seccomp;
mod spec;
mod state;

pub use linux::{
    Device, DeviceType, IdMapping, IntelRdt, Linux, MemoryPolicy, Namespace, NamespaceKind, NetDevice, Personality,
    PersonalityDomain, Propagation, TimeOffset,
};
pub use mount::Mount;
pub use process::{
    Capabilities, ConsoleSize, CpuAffinity, IoPriority, IoPriorityClass, Process, Rlimit, Scheduler, User,
};
pub use read::read;
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma, Resources, ThrottleDevice,
    WeightDevice,
};
pub use seccomp::{Action, Arch, Arg, Operator, Profile as Seccomp, SyscallRule};
pub use spec::{Hook, Hooks, Root, Spec};
pub use state::{ContainerProcessState, State, Status};

/// The version of the runtime specification that these types speak.
pub const VERSION: &str = "1.3.0";
