//! The container's files: the root, what is mounted on it, its devices, what is hidden.

mod addition;
mod bind;
mod cgroup_view;
mod compose;
mod device;
mod inside;
mod options;
mod proc_mount;
mod source;

pub use addition::{Source, attach, remove, sources};
pub use bind::bind_of;
pub use compose::{compose, new_network, protect, read_only_root};
pub use device::Node;
pub use options::{Bind, Options};
pub use proc_mount::normal;
pub use source::{FileSystem, Item, Parameter, Rootfs};
