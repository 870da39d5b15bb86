//! The namespaces of a container: its own, this machine's, or somebody else's.

use super::proc_dir::ProcDir;
use super::{Engine, Living};
use monitor::{Process, RunDir};
use oci::runtime::NamespaceKind;
use serde::Serialize;
use std::fs;
use std::os::fd::AsFd as _;
use store::{Container, ContainerId};

/// One of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSide {
    /// `net`, `mnt`, …, as in `/proc/PID/ns`.
    pub kind: &'static str,
    /// Its inode.
    pub inode: u64,
    /// Whose it is.
    pub shared: Shared,
    /// Who asked for it.
    pub by: Option<String>,
}

/// Whose a namespace is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Shared {
    /// The container's alone.
    Own,
    /// This machine's: that of whoever looks.
    Host,
    /// That of these containers, too, by name.
    With(Vec<String>),
    /// One that was there before: where it was found.
    Joined(String),
}

/// Names in `/proc/PID/ns`, and the specification's kinds.
const KINDS: [(&str, NamespaceKind, &str); 8] = [
    ("user", NamespaceKind::User, "linux.namespaces[user]"),
    ("mnt", NamespaceKind::Mount, "linux.namespaces[mount]"),
    ("pid", NamespaceKind::Pid, "linux.namespaces[pid]"),
    ("net", NamespaceKind::Network, "linux.namespaces[network]"),
    ("ipc", NamespaceKind::Ipc, "linux.namespaces[ipc]"),
    ("uts", NamespaceKind::Uts, "linux.namespaces[uts]"),
    ("cgroup", NamespaceKind::Cgroup, "linux.namespaces[cgroup]"),
    ("time", NamespaceKind::Time, "linux.namespaces[time]"),
];

pub(super) fn look(engine: &Engine, living: &Living) -> Vec<NamespaceSide> {
    let own = ProcDir::own();
    let others = others(engine, &living.running.id);
    let linux = living.spec.linux.as_ref();
    let one = |(file, kind, path): (&'static str, NamespaceKind, &str)| {
        let namespace = living.process.namespace(file)?;
        let host = own.as_ref().and_then(|own| own.namespace(file));
        let with: Vec<String> = if host == Some(namespace) {
            Vec::new()
        } else {
            let same = others.iter().filter(|(_, dir)| dir.namespace(file) == Some(namespace));
            same.map(|(id, _)| name_of(engine, id)).collect()
        };
        let joined =
            linux.and_then(|linux| linux.namespaces.iter().find(|namespace| namespace.kind == kind)?.path.clone());
        let shared = match (host == Some(namespace), with.is_empty(), joined) {
            (true, ..) => Shared::Host,
            (_, false, _) => Shared::With(with),
            (_, _, Some(path)) => Shared::Joined(path),
            _ => Shared::Own,
        };
        Some(NamespaceSide { kind: file, inode: namespace.1, shared, by: living.origins.of(path) })
    };
    KINDS.into_iter().filter_map(one).collect()
}

/// The first processes of all other containers that run.
fn others(engine: &Engine, own: &str) -> Vec<(String, ProcDir)> {
    let runroot = &engine.locations().runroot;
    let Ok(all) = RunDir::all(runroot) else { return Vec::new() };
    let ids = fs::read_dir(RunDir::path_of(runroot, "")).into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().into_string().ok()).filter(|id| id != own);
    let living = |id: String| {
        let process = Process::read(all.as_fd(), &id)?;
        let dir = ProcDir::open(process.is.pid)?;
        process.lives().then_some((id, dir))
    };
    ids.filter_map(living).collect()
}

fn name_of(engine: &Engine, id: &str) -> String {
    let read = || {
        let id: ContainerId = id.parse().ok()?;
        let record: Container<crate::record::Record> = engine.store().ok()?.container(&id).ok()?.read().ok()?;
        Some(record.name.to_string())
    };
    read().unwrap_or_else(|| id.to_owned())
}
