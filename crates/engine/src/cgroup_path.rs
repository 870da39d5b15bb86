//! Where a container's cgroup goes.

use crate::config::ContainerConfig;
use crate::engine::Engine;
use cgroup::{Layout, Version};
use std::path::{Path, PathBuf};

/// Root's containers stand below `/coracle`. An ordinary user's stand as high in the tree as he may make directories:
/// beside the session's own cgroups, not in one of them, since a cgroup with processes of its own gives no controllers
/// to its children.
pub fn choose(engine: &Engine, config: &ContainerConfig, layout: &Layout, id: &str) -> String {
    if let Some(parent) = &config.limits.cgroup_parent {
        return format!("{}/{id}", parent.trim_end_matches('/'));
    }
    if engine.caller().is_root() {
        return format!("/coracle/{id}");
    }
    match layout
        .unified()
        .filter(|hierarchy| hierarchy.version == Version::V2)
        .and_then(|h| delegated(h.mount.as_ref(), &h.own))
    {
        Some(inner) => format!("/{inner}/coracle/{id}"),
        None => format!("coracle-{id}"),
    }
}

/// The highest cgroup above our own that belongs to us.
fn delegated(mount: &Path, own: &str) -> Option<String> {
    let uid = rustix::process::geteuid().as_raw();
    let mut inner = PathBuf::new();
    for part in own.split('/').filter(|part| !part.is_empty()) {
        inner.push(part);
        let owner = rustix::fs::stat(mount.join(&inner)).map(|stat| stat.st_uid);
        if owner == Ok(uid) {
            return inner.to_str().map(str::to_owned);
        }
    }
    None
}
