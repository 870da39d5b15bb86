//! Which namespaces are new, joined, or the host's.

use super::origin::Origins;
use super::{Facts, Origin, UserNamespace};
use crate::config::{CgroupNamespace, CgroupUse, ContainerConfig, IpcNamespace, NamespaceMode, NetworkMode};
use oci::runtime::{Namespace, NamespaceKind};
use std::path::Path;

/// New, joined, or absent.
enum Choice<'a> {
    New,
    Join(&'a Path),
    Host,
}

pub(super) fn compose(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> Vec<Namespace> {
    let view = &config.view;
    let plain = |mode: &NamespaceMode| *mode != NamespaceMode::Private;
    let mode = |mode| match mode {
        &NamespaceMode::Private => Choice::New,
        NamespaceMode::Host => Choice::Host,
        NamespaceMode::Path(path) => Choice::Join(path),
    };
    let ipc = match &view.ipc {
        IpcNamespace::Private | IpcNamespace::WithoutShm => Choice::New,
        IpcNamespace::Host => Choice::Host,
        IpcNamespace::Path(path) => Choice::Join(path),
    };
    let cgroup = match &view.cgroup {
        // Without a cgroup of its own there is nothing to hide, and the caller's cgroup would look like the root.
        CgroupNamespace::Default if config.limits.cgroups == CgroupUse::Disabled => Choice::Host,
        CgroupNamespace::Default | CgroupNamespace::Private => Choice::New,
        CgroupNamespace::Host => Choice::Host,
        CgroupNamespace::Path(path) => Choice::Join(path),
    };
    let network = match &view.network {
        None | Some(NetworkMode::None | NetworkMode::Pasta | NetworkMode::Networks(_)) => Choice::New,
        // Where it runs is a fact of this start.
        Some(NetworkMode::Container(_)) => Choice::Join(facts.network.as_deref().unwrap_or(Path::new(""))),
        Some(NetworkMode::Host) => Choice::Host,
        Some(NetworkMode::Path(path)) => Choice::Join(path),
    };
    let user = match &facts.user_namespace {
        UserNamespace::Host | UserNamespace::Own(_) => Choice::Host,
        UserNamespace::New(_) => Choice::New,
        UserNamespace::Path(path, _) => Choice::Join(path),
    };
    let all = [
        (NamespaceKind::User, user, view.userns.is_some(), "--userns"),
        (NamespaceKind::Mount, Choice::New, false, ""),
        (NamespaceKind::Pid, mode(&view.pid), plain(&view.pid), "--pid"),
        (NamespaceKind::Network, network, view.network.is_some(), "--network"),
        (NamespaceKind::Ipc, ipc, view.ipc != IpcNamespace::Private, "--ipc"),
        (NamespaceKind::Uts, mode(&view.uts), plain(&view.uts), "--uts"),
        (NamespaceKind::Cgroup, cgroup, view.cgroup != CgroupNamespace::Default, "--cgroupns"),
    ];
    let mut namespaces = Vec::with_capacity(all.len());
    for (kind, choice, asked, flag) in all {
        let origin = if asked { Origin::Flag(flag) } else { Origin::Default };
        origins.note(path_of(kind), origin);
        match choice {
            Choice::New => namespaces.push(Namespace { kind, path: None }),
            Choice::Join(path) => {
                namespaces.push(Namespace { kind, path: Some(path.to_string_lossy().into_owned()) });
            }
            Choice::Host => {}
        }
    }
    namespaces
}

fn path_of(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "linux.namespaces[pid]",
        NamespaceKind::Network => "linux.namespaces[network]",
        NamespaceKind::Mount => "linux.namespaces[mount]",
        NamespaceKind::Ipc => "linux.namespaces[ipc]",
        NamespaceKind::Uts => "linux.namespaces[uts]",
        NamespaceKind::User => "linux.namespaces[user]",
        NamespaceKind::Cgroup => "linux.namespaces[cgroup]",
        NamespaceKind::Time => "linux.namespaces[time]",
    }
}
