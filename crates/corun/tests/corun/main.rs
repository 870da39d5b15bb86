//! Real containers through the built `corun`, on bundles with a busybox root: what the specification promises, what
//! attackers have tried on runtimes before, and what is said about a bundle that cannot be.

#![allow(clippy::disallowed_methods, reason = "tests set things up themselves, not the product")]

mod bundle;

mod advisories;
mod bad_input;
mod capabilities;
mod cgroups;
mod checkpoint;
mod container;
mod counting;
mod crash;
mod crun;
mod cve_descriptors;
mod cve_devices;
mod cve_exec;
mod cve_exec_spy;
mod cve_host;
mod cve_proc;
mod cve_races;
mod cve_rootless;
mod cve_rootless_exec;
mod delegation;
mod devices;
mod end;
mod events;
mod exhausted;
mod features;
mod freezing;
mod fuzz_words;
mod hooks;
mod hostile_state;
mod ids;
mod lifecycle_exec;
mod lifecycle_list;
mod lifecycle_races;
mod lifecycle_sockets;
mod lifecycle_states;
mod limits;
mod live;
mod live_mounts;
mod manual;
mod masks;
mod memory;
mod mounts;
mod namespaces;
mod net_devices;
mod old_kernels;
mod process;
mod program;
mod propagation;
mod regex;
mod resources;
mod restore;
mod root;
mod rootless;
mod scheduling;
mod seccomp;
mod seccomp_notify;
mod service_manager;
mod spec;
mod systemd;
mod terminal;
mod tmpcopyup;
mod update;
