//! Handing v2's controllers down to a new cgroup.
//!
//! A controller's files appear in a cgroup only when every cgroup above names it in `cgroup.subtree_control`. On a
//! machine that has run a container before they all do, and one reading of the parent's file is the whole cost.

use crate::error::refused;
use crate::{Controller, Controllers, Denied, Error, Hierarchy, Result, Version, file};
use rustix::io::Errno;

/// Enables all of the hierarchy's controllers from the top down to the parent of `inner`; tells which ones the cgroup
/// has in the end. Those that it could not get are added to `denied`.
pub(crate) fn controllers(hierarchy: &Hierarchy, inner: &str, denied: &mut Vec<Denied>) -> Result<Controllers> {
    let wanted = hierarchy.controllers;
    let parent = inner.rsplit_once('/').map_or("", |(parent, _)| parent);
    let lowest = level(&hierarchy.mount, parent);
    let enabled = subtree(&lowest)?;
    if wanted.without(enabled).is_empty() {
        return Ok(wanted);
    }
    let ends = std::iter::once(0).chain(parent.match_indices('/').map(|(at, _)| at)).chain([parent.len()]);
    let mut ends: Vec<_> = ends.collect();
    ends.dedup();
    let mut available = wanted;
    for end in ends {
        let directory = level(&hierarchy.mount, &parent[..end]);
        let have = subtree(&directory)?;
        hand_down(&directory, available.without(have), denied);
        available = wanted.and(subtree(&directory)?);
    }
    // What a level above withholds without refusing us: somebody disabled it there between our steps.
    for controller in wanted.without(available).iter() {
        if !denied.iter().any(|denied| denied.controller == controller) {
            let cause = sys::Error::new("write", format!("{lowest}/cgroup.subtree_control"), Errno::NOENT);
            denied.push(Denied { controller, version: Version::V2, cause });
        }
    }
    Ok(available)
}

fn level(mount: &str, inner: &str) -> String {
    if inner.is_empty() { mount.to_owned() } else { format!("{mount}/{inner}") }
}

fn subtree(directory: &str) -> Result<Controllers> {
    let text = file::read(&format!("{directory}/cgroup.subtree_control")).map_err(Error::Read)?;
    Ok(Controllers::parse(&text, ' ', Version::V2))
}

/// Enables controllers for the children of one cgroup: all by one write, or, where one of them spoils it (EINVAL:
/// real-time tasks bar cpu), one by one.
///
/// Never one by one where the cgroup has processes (EBUSY) or is threaded (EOPNOTSUPP): cpu and pids would go through
/// alone, and make the children threaded cgroups that no process can enter ("domain invalid").
fn hand_down(directory: &str, missing: Controllers, denied: &mut Vec<Denied>) {
    if missing.is_empty() {
        return;
    }
    let path = format!("{directory}/cgroup.subtree_control");
    let deny = |controller, cause: sys::Error| Denied { controller, version: Version::V2, cause };
    let all: Vec<Controller> = missing.iter().collect();
    match file::write(&path, &request(&all)) {
        Ok(()) => {}
        Err(cause)
            if refused(cause.errno) || all.len() == 1 || matches!(cause.errno, Errno::BUSY | Errno::OPNOTSUPP) =>
        {
            denied.extend(all.into_iter().map(|controller| deny(controller, cause.clone())));
        }
        Err(_) => {
            for controller in all {
                if let Err(cause) = file::write(&path, &request(&[controller])) {
                    denied.push(deny(controller, cause));
                }
            }
        }
    }
}

fn request(controllers: &[Controller]) -> String {
    let names = controllers.iter().map(|controller| format!("+{}", controller.name(Version::V2)));
    names.collect::<Vec<_>>().join(" ")
}
