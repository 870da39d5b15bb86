//! Mounts for a container that runs already.
//!
//! The same walk as at a start, in two parts: sources are opened in the host's view, and only behind the stub's way into
//! the container's are they attached. What the container does meanwhile to the path is of no use to it: the destination
//! is resolved within its root, and the place that was found is the one that is mounted on.

use super::bind::{bind_of, bind_source, copied_link};
use super::compose::{check, new_file_system};
use super::options::Options;
use super::proc_mount;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::plan::{Plan, Slot};
use crate::subject::Subject;
use init::plan::target;
use oci::runtime::Mount;

/// A mount whose source is there.
#[derive(Debug)]
pub enum Source {
    /// What is bound.
    Bind(Slot),
    /// A link that is to be copied, and not mounted.
    Link(String),
    /// A file system that is made inside.
    New,
}

/// Opens what is to be bound, detached and with its options.
pub fn sources(plan: &mut Plan, mounts: &[Mount], context: &Context<'_>) -> Result<Vec<Source>> {
    let open = |(index, mount): (usize, &Mount)| {
        check(mount)?;
        let options = Options::of(mount);
        match (bind_of(mount, &options), mount.kind.as_deref().unwrap_or_default()) {
            (Some(bind), _) => match copied_link(mount, &options, context)? {
                Some(to) => Ok(Source::Link(to)),
                None => bind_source(plan, index, mount, bind, &options, context).map(Source::Bind),
            },
            (None, "" | "none") => Err(Error::spec(format!("mount at {}: neither a type nor bind", mount.destination))),
            (None, "cgroup" | "cgroup2") => Err(Error::spec(format!(
                "mount at {}: cgroups are mounted when a container is made, and not later",
                mount.destination
            ))),
            _ => Ok(Source::New),
        }
    };
    mounts.iter().enumerate().map(open).collect()
}

/// Attaches them inside, and shows each to the parent.
pub fn attach(plan: &mut Plan, mounts: &[Mount], sources: Vec<Source>, context: &Context<'_>) -> Result<()> {
    for (index, (mount, source)) in mounts.iter().zip(sources).enumerate() {
        let subject = || Subject::Mount(index);
        let options = Options::of(mount);
        let kind = mount.kind.as_deref().unwrap_or_default();
        let (slot, how) = match source {
            Source::Link(to) => {
                plan.link(subject(), &mount.destination, &to);
                continue;
            }
            Source::Bind(slot) => (slot, if options.dest_nofollow { target::NO_FOLLOW } else { 0 }),
            Source::New => {
                let slot = new_file_system(plan, index, mount, kind, &options, context)?;
                (slot, if matches!(kind, "proc" | "sysfs") { target::NO_LINKS } else { 0 })
            }
        };
        plan.attach(subject(), slot, &mount.destination, target::CREATE | how | proc_mount::flag(&mount.destination));
        plan.show(subject(), slot);
    }
    Ok(())
}

/// Adds the removal of a mount; an id says which one it has to be, by the bit of statx(2) that asks for it.
///
/// A container that plants a link could have another mount removed in the place of its own: one that hides a part of
/// /proc. So links are followed only to a mount that is known by its id, and what stands in /proc stays.
pub fn remove(plan: &mut Plan, destination: &str, known: Option<(u64, u64)>) -> Result<()> {
    let clean = proc_mount::normal(destination);
    if !destination.starts_with('/') || clean == "/" {
        return Err(Error::spec(format!("no mount to remove: {destination}")));
    }
    let subject = Subject::Unmount(destination.to_owned());
    match known {
        Some((id, which)) => plan.unmount(subject, destination, 0, id, which),
        None if clean == "/proc" || clean.starts_with("/proc/") => {
            return Err(Error::spec(format!("mount at {destination}: what hides a part of /proc stays")));
        }
        None => plan.unmount(subject, destination, target::NO_LINKS, init::plan::NONE, 0),
    }
    Ok(())
}
