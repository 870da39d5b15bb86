//! What the container sees of the cgroups: /sys/fs/cgroup in the layout that this machine has.
//!
//! What is shown is the cgroup room's knowledge ([`cgroup::Layout::view`]); here it becomes steps.

use super::options::Options;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::plan::{Param, Plan};
use crate::subject::Subject;
use cgroup::{Cgroup, Version, ViewStep};
use init::plan::target;
use oci::runtime::{Mount, NamespaceKind};
use sys::mount::{MountAttr, attr};

/// Adds the steps for a mount of type `cgroup` or `cgroup2`.
pub fn mount(plan: &mut Plan, index: usize, mount: &Mount, options: &Options, context: &Context<'_>) -> Result<()> {
    let own = context.namespaces.has(NamespaceKind::Cgroup);
    let namespace = if own { cgroup::Namespace::Own } else { cgroup::Namespace::Shared };
    let none = Cgroup::default();
    let layout = context.layout;
    let steps = layout.view(context.cgroup.unwrap_or(&none), namespace);
    if steps.is_empty() && layout.hierarchies().is_empty() {
        return Err(Error::spec(format!("mount at {}: this machine has no cgroups", mount.destination)));
    }
    let subject = || Subject::Mount(index);
    let place = |at: &str| match at {
        "" => mount.destination.clone(),
        _ => format!("{}/{at}", mount.destination.trim_end_matches('/')),
    };
    let flags = target::CREATE | target::NO_LINKS;
    let mut tmpfs = None;
    for step in steps {
        match step {
            ViewStep::Tmpfs => {
                let params = [Param::Text("mode", "755"), Param::Text("source", "tmpfs")];
                let slot = plan.fs_mount(subject(), "tmpfs", &params, options.set & !attr::RDONLY);
                plan.attach(subject(), slot, &mount.destination, flags);
                tmpfs = Some(slot);
            }
            ViewStep::Fresh { at, version, options: words } => {
                let mut params = vec![Param::Text("source", "cgroup")];
                match words.split_once('=') {
                    Some((key, value)) => params.extend([Param::Flag("none"), Param::Text(key, value)]),
                    None => params.extend(words.split(',').filter(|word| !word.is_empty()).map(Param::Flag)),
                }
                let kind = if version == Version::V2 { "cgroup2" } else { "cgroup" };
                let slot = plan.fs_mount(subject(), kind, &params, options.set);
                plan.attach(subject(), slot, &place(&at), flags);
            }
            ViewStep::Bind { at, source } => {
                let slot = if context.copies_mounts {
                    let fd = sys::mount::open_tree(rustix::fs::CWD, source.as_str(), sys::mount::CLONE);
                    plan.give(fd.map_err(|source| Error::System { what: "show the own cgroup", source })?)
                } else {
                    plan.open_tree(subject(), &source, false)
                };
                let attributes = MountAttr { set: options.set, ..MountAttr::default() };
                plan.set_attr(subject(), slot, &attributes, false);
                plan.attach(subject(), slot, &place(&at), flags);
            }
            ViewStep::Link { at, target } => plan.link(subject(), &place(&at), &target),
        }
    }
    if let Some(slot) = tmpfs.filter(|_| options.set & attr::RDONLY != 0) {
        let attributes = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        plan.set_attr(subject(), slot, &attributes, false);
    }
    Ok(())
}
