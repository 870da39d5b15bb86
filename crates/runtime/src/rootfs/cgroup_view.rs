//! What the container sees of the cgroups: /sys/fs/cgroup in the layout that this machine has.
//!
//! With a cgroup namespace each hierarchy is mounted anew and shows the container's own cgroup as its root. Without
//! one the container's directory is bound, so that it never sees, or with root's rights changes, anybody else's.

use super::options::Options;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::plan::{Param, Plan};
use crate::subject::Subject;
use cgroup::{Hierarchy, Mode, Version};
use init::plan::target;
use oci::runtime::{Mount, NamespaceKind};
use sys::mount::{MountAttr, attr};

/// Adds the steps for a mount of type `cgroup` or `cgroup2`.
pub fn mount(plan: &mut Plan, index: usize, mount: &Mount, options: &Options, context: &Context<'_>) -> Result<()> {
    let Some(layout) = context.cgroups else {
        return Err(Error::spec(format!("mount at {}: this machine has no cgroups", mount.destination)));
    };
    match layout.mode() {
        Mode::None => Err(Error::spec(format!("mount at {}: this machine has no cgroups", mount.destination))),
        Mode::V2 => match layout.unified() {
            Some(hierarchy) => one(plan, index, hierarchy, &mount.destination, options, context),
            None => Ok(()),
        },
        Mode::V1 | Mode::Hybrid => {
            let subject = || Subject::Mount(index);
            let params = [Param::Text("mode", "755"), Param::Text("source", "tmpfs")];
            let slot = plan.fs_mount(subject(), "tmpfs", &params, options.set & !attr::RDONLY);
            plan.attach(subject(), slot, &mount.destination, target::CREATE | target::NO_LINKS);
            for hierarchy in layout.hierarchies() {
                let name = directory(hierarchy);
                let at = format!("{}/{name}", mount.destination.trim_end_matches('/'));
                one(plan, index, hierarchy, &at, options, context)?;
                for part in name.split(',').filter(|part| *part != name) {
                    plan.link(subject(), &format!("{}/{part}", mount.destination), name);
                }
            }
            if options.set & attr::RDONLY != 0 {
                let attributes = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
                plan.set_attr(subject(), slot, &attributes, false);
            }
            Ok(())
        }
    }
}

/// The directory of a hierarchy, as systemd names it.
fn directory(hierarchy: &Hierarchy) -> &str {
    match hierarchy.version {
        Version::V2 => "unified",
        Version::V1 => hierarchy.key.strip_prefix("name=").unwrap_or(&hierarchy.key),
    }
}

fn one(
    plan: &mut Plan,
    index: usize,
    hierarchy: &Hierarchy,
    at: &str,
    options: &Options,
    context: &Context<'_>,
) -> Result<()> {
    let subject = || Subject::Mount(index);
    if context.namespaces.has(NamespaceKind::Cgroup) {
        let kind = if hierarchy.version == Version::V2 { "cgroup2" } else { "cgroup" };
        let mut params = vec![Param::Text("source", "cgroup")];
        if hierarchy.version == Version::V1 {
            match hierarchy.key.split_once('=') {
                Some((key, value)) => params.extend([Param::Flag("none"), Param::Text(key, value)]),
                None => params.extend(hierarchy.key.split(',').map(Param::Flag)),
            }
        }
        let slot = plan.fs_mount(subject(), kind, &params, options.set);
        plan.attach(subject(), slot, at, target::CREATE | target::NO_LINKS);
        return Ok(());
    }
    let own = context.cgroup.and_then(|cgroup| cgroup.paths().get(paths_key(hierarchy)).cloned());
    let Some(path) = own else {
        // No cgroup of its own there: an empty directory tells less than the host's tree.
        return Ok(());
    };
    if context.copies_mounts {
        let fd = sys::mount::open_tree(rustix::fs::CWD, &path, sys::mount::CLONE)
            .map_err(|source| Error::System { what: "show the own cgroup", source })?;
        let slot = plan.give(fd);
        let attributes = MountAttr { set: options.set, ..MountAttr::default() };
        plan.set_attr(subject(), slot, &attributes, false);
        plan.attach(subject(), slot, at, target::CREATE | target::NO_LINKS);
    } else {
        let slot = plan.open_tree(subject(), &path, false);
        let attributes = MountAttr { set: options.set, ..MountAttr::default() };
        plan.set_attr(subject(), slot, &attributes, false);
        plan.attach(subject(), slot, at, target::CREATE | target::NO_LINKS);
    }
    Ok(())
}

/// Co-mounted controllers share a path, each under its own name.
fn paths_key(hierarchy: &Hierarchy) -> &str {
    hierarchy.key.split(',').next().unwrap_or_default()
}
