//! `corun` in the hands of those who call OCI runtimes: podman with conmon, containerd with its shim, dockerd, Slurm.
//! Nobody here wrote them, so what they expect of a runtime is what it has to do.
//!
//! One short round of each runs always, of all but Slurm on pure cgroup v2 and with systemd too. The long rounds say
//! `requires!(that = long())`: `cargo xtask proof` runs them.

#![allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]

mod place;

mod containerd;
mod containerd_long;
mod containerd_v2;
mod dockerd;
mod dockerd_long;
mod dockerd_v2;
mod podman;
mod podman_checkpoint;
mod podman_long;
mod podman_rootless;
mod podman_v2;
mod slurm;
