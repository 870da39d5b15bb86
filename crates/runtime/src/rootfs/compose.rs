//! From the spec's words to the plan's steps, for everything that is a file.
//!
//! What only the host may do (copy a mount of its own, map ids, make nodes) the parent does here and now, detached;
//! what belongs to the container's namespaces (procfs, sysfs, devpts, tmpfs) becomes a step of the stub. An ordinary
//! user's parent may do nothing of the former, so there the stub does all.

use super::bind::{Changes, bind_of, bind_source, copied_link};
use super::device::{self, Node, Owners};
use super::options::Options;
use super::source::{FileSystem, Item, Parameter, Rootfs};
use super::{cgroup_view, inside, proc_mount};
use crate::context::Context;
use crate::error::{Error, Result, What};
use crate::part::Part;
use crate::plan::{Param, Plan, Slot};
use crate::subject::Subject;
use crate::{hooks, idmap, label};
use init::plan::{Op, copy_up, target};
use oci::runtime::{Mount, NamespaceKind, Spec};
use rustix::fs::CWD;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use sys::mount::{CLONE, FsContext, MountAttr, RECURSIVE, attr, open_tree, propagation};

/// Adds all steps from the first mount to the last mask. The root is attached, and not yet pivoted to. `enter` adds those
/// by which the stub enters its cgroup, if it has not: before it looks at it.
pub fn compose(
    plan: &mut Plan,
    spec: &Spec,
    rootfs: Rootfs,
    context: &Context<'_>,
    enter: &mut dyn FnMut(&mut Plan),
) -> Result<()> {
    plan.begin();
    root(plan, spec, rootfs, context)?;
    let mut dev = Dev::Missing;
    for (index, mount) in spec.mounts.iter().enumerate() {
        check(mount)?;
        if matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) {
            enter(plan);
        }
        plan.begin();
        mount_one(plan, spec, index, mount, &mut dev, context)?;
    }
    plan.begin();
    devices(plan, spec, dev, context)?;
    Part::Plan.begin();
    protect(plan, spec, false)
}

/// Makes paths read-only and hides others; `again`, in a container that may have it so already.
pub fn protect(plan: &mut Plan, spec: &Spec, again: bool) -> Result<()> {
    let Some(linux) = &spec.linux else { return Ok(()) };
    for (index, path) in linux.readonly_paths.iter().enumerate() {
        plan.path(Subject::ReadOnlyPath(index), Op::ReadOnly, path, again.into());
    }
    let label = label::of_mounts(spec)?.map(|label| (label::option(spec), label));
    let mut masked = BTreeSet::new();
    for (index, path) in linux.masked_paths.iter().enumerate().filter(|(_, path)| masked.insert(*path)) {
        plan.mask(Subject::Masked(index), path, again, label);
    }
    Ok(())
}

/// Refuses what may not be mounted, by its destination.
pub(super) fn check(mount: &Mount) -> Result<()> {
    let at = &mount.destination;
    if !at.starts_with('/') {
        return Err(Error::spec(format!("mount destination {at} is not absolute")));
    }
    proc_mount::check(mount)?;
    if proc_mount::normal(at) == "/" {
        return Err(Error::spec(format!("mount at {at}: the root is root.path, and nothing else")));
    }
    Ok(())
}

/// Whether /dev is a directory of ours.
#[derive(Clone, Copy, PartialEq)]
enum Dev {
    /// Nothing is mounted there: nodes go into the root.
    Missing,
    /// A tmpfs that the parent has filled.
    Filled,
    /// A tmpfs that the stub has to fill.
    Empty,
    /// Somebody else's directory, which we leave alone (config-linux.md: a bind mount of the host's).
    Foreign,
}

fn root(plan: &mut Plan, spec: &Spec, rootfs: Rootfs, context: &Context<'_>) -> Result<()> {
    let slot = match rootfs {
        Rootfs::Mount(mount) => plan.give(mount),
        Rootfs::Spec => {
            let root = spec.root.as_ref().ok_or_else(|| Error::spec("root is missing"))?;
            let path = context.absolute(&root.path);
            if context.copies_mounts {
                let failed = |source| Error::Root { path: path.clone(), source };
                let tree = open_tree(CWD, &path, CLONE | RECURSIVE).map_err(failed)?;
                let private = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
                let mut changes = Changes::default();
                changes.make(&tree, &private, true).map_err(failed)?;
                changes.give(plan, tree, &Subject::Root)
            } else {
                let slot = plan.open_tree(Subject::Root, &path.to_string_lossy(), true);
                let attributes = MountAttr { propagation: propagation::PRIVATE, ..MountAttr::default() };
                plan.set_attr(Subject::Root, slot, &attributes, true);
                slot
            }
        }
        Rootfs::Built(items) => return built(plan, items, context),
    };
    // Hooks of the time before the pivot look for the root where they know it, also those that come from the host's
    // namespaces and enter the mount namespace.
    let known = spec.root.as_ref().filter(|_| hooks::before_pivot(spec));
    let at = known.map_or_else(|| "/".into(), |root| context.absolute(&root.path));
    plan.root(Subject::Root, slot, &at.to_string_lossy());
    context.remember_root(slot);
    Ok(())
}

fn built(plan: &mut Plan, items: Vec<Item>, context: &Context<'_>) -> Result<()> {
    let mut first = true;
    for item in items {
        let subject = |at: &str| if at == "/" { Subject::Root } else { Subject::Piece(at.to_owned()) };
        let (at, slot) = match item {
            Item::Mount { at, mount } => (at, plan.give(mount)),
            Item::FileSystem { at, file_system } => {
                let slot = file_system_of(plan, subject(&at), file_system);
                (at, slot)
            }
            Item::Bind { at, source, recursive, attributes } => {
                let slot = plan.open_tree(subject(&at), &source, recursive);
                let set = MountAttr { set: attributes, propagation: propagation::PRIVATE, ..MountAttr::default() };
                plan.set_attr(subject(&at), slot, &set, recursive);
                (at, slot)
            }
            Item::Directory { path, mode } => {
                plan.directory(subject(&path), &path, mode);
                continue;
            }
            Item::Link { path, target } => {
                plan.link(subject(&path), &path, &target);
                continue;
            }
        };
        context.remember_root(slot);
        if first {
            plan.root(Subject::Root, slot, "/");
            first = false;
        } else {
            plan.attach_here(subject(&at), slot, &at);
        }
    }
    if first { Err(Error::spec("a root without pieces")) } else { Ok(()) }
}

fn file_system_of(plan: &mut Plan, subject: Subject, file_system: FileSystem) -> Slot {
    let parameters: Vec<(String, Option<String>, Option<Slot>)> = file_system
        .parameters
        .into_iter()
        .map(|parameter| match parameter {
            Parameter::Flag(key) => (key, None, None),
            Parameter::Text(key, value) => (key, Some(value), None),
            Parameter::Fd(key, fd) => (key, None, Some(plan.give(fd))),
        })
        .collect();
    let parameters: Vec<Param<'_>> = parameters
        .iter()
        .map(|(key, value, slot)| match (value, slot) {
            (Some(value), _) => Param::Text(key, value),
            (None, Some(slot)) => Param::Fd(key, *slot),
            (None, None) => Param::Flag(key),
        })
        .collect();
    plan.fs_mount(subject, &file_system.kind, &parameters, file_system.attributes)
}

fn mount_one(
    plan: &mut Plan,
    spec: &Spec,
    index: usize,
    mount: &Mount,
    dev: &mut Dev,
    context: &Context<'_>,
) -> Result<()> {
    let options = Options::of(mount);
    let subject = Subject::Mount(index);
    let at_dev = is_dev(&mount.destination);
    if options.remount {
        return remount(plan, index, mount, &options);
    }
    if let Some(bind) = bind_of(mount, &options) {
        if at_dev {
            *dev = Dev::Foreign;
        }
        if let Some(to) = copied_link(mount, &options, context)? {
            plan.link(subject, &mount.destination, &to);
            return Ok(());
        }
        let slot = match inside::place(spec, index, &options, context) {
            Some(path) => inside::source(plan, index, &path, (mount, bind, &options), context)?,
            None => bind_source(plan, index, mount, bind, &options, context)?,
        };
        let nofollow = if options.dest_nofollow { target::NO_FOLLOW } else { 0 };
        let flags = target::CREATE | nofollow | proc_mount::flag(&mount.destination);
        plan.attach(subject, slot, &mount.destination, flags);
        return Ok(());
    }
    let kind = mount.kind.as_deref().unwrap_or_default();
    match kind {
        "" | "none" => Err(Error::spec(format!("mount at {}: neither a type nor bind", mount.destination))),
        "cgroup" | "cgroup2" | "tmpfs" if options.idmap.is_some() && (at_dev || kind != "tmpfs") => {
            Err(Error::spec(format!("mount at {}: its ids cannot be mapped", mount.destination)))
        }
        "cgroup" | "cgroup2" => cgroup_view::mount(plan, index, mount, &options, context),
        "tmpfs" if at_dev && context.copies_mounts => {
            let (tree, changes, rest) = dev_directory(spec, mount, &options, context)?;
            *dev = Dev::Filled;
            let slot = changes.give(plan, tree, &subject);
            plan.attach(subject, slot, &mount.destination, target::CREATE | target::NOT_PROC | target::IN_ORDER);
            rest.iter().try_for_each(|(path, node)| node_by_stub(plan, path, node, context))
        }
        _ => {
            let slot = new_file_system(plan, index, mount, kind, &options, context)?;
            let links = if matches!(kind, "proc" | "sysfs") { target::NO_LINKS } else { 0 };
            let flags = target::CREATE | links | proc_mount::flag(&mount.destination);
            plan.attach(subject, slot, &mount.destination, flags);
            if at_dev {
                *dev = if kind == "tmpfs" { Dev::Empty } else { Dev::Foreign };
            }
            Ok(())
        }
    }
}

/// What is mounted there already gets other attributes; it stays the file system that it is, with its parameters.
fn remount(plan: &mut Plan, index: usize, mount: &Mount, options: &Options) -> Result<()> {
    if let Some(word) = options.unknown_to_bind() {
        return Err(Error::spec(format!("remount of {}: unknown option {word}", mount.destination)));
    }
    let slot = plan.mounted(Subject::Mount(index), &mount.destination);
    for (set, clear, recursive) in
        [(options.recursive_set, options.recursive_clear, true), (options.set, options.clear, false)]
    {
        if set | clear != 0 {
            plan.set_attr(Subject::Mount(index), slot, &MountAttr { set, clear, ..MountAttr::default() }, recursive);
        }
    }
    Ok(())
}

fn is_dev(destination: &str) -> bool {
    destination.trim_end_matches('/') == "/dev"
}

/// A file system of its own, made by the stub.
pub(super) fn new_file_system(
    plan: &mut Plan,
    index: usize,
    mount: &Mount,
    kind: &str,
    options: &Options,
    context: &Context<'_>,
) -> Result<Slot> {
    let mut params = Vec::with_capacity(options.parameters.len() + 1);
    if let Some(source) = mount.source.as_deref().filter(|source| !source.is_empty()) {
        params.push(Param::Text("source", source));
    }
    for word in &options.parameters {
        match word.split_once('=') {
            // A group that is not mapped cannot own a terminal; the kernel would refuse the whole mount.
            Some(("gid", gid)) if kind == "devpts" && !context.maps_group(gid) => {}
            None if word == "tmpcopyup" => {}
            Some((key, value)) => params.push(Param::Text(key, value)),
            None => params.push(Param::Flag(word)),
        }
    }
    let label = context.linux.and_then(|linux| linux.mount_label.as_deref());
    let label = label::given("mountLabel", label.filter(|_| kind == "mqueue" || label::on(kind)))?;
    params.extend(label.filter(|_| label::on(kind)).map(|label| Param::Text(context.label, label)));
    let attribute = label.filter(|_| !label::on(kind));
    let attributes = options.set | options.recursive_set;
    let given = |key: &str| options.parameters.iter().any(|word| word.split('=').next() == Some(key));
    if kind == "tmpfs" && !given("mode") {
        // That of the directory which it covers, as runc and crun do it; an option, so that a remount keeps it.
        params.push(Param::ModeOf(&mount.destination));
    }
    let taken = match kind {
        "tmpfs" if given("tmpcopyup") && (given("uid") || given("gid")) => copy_up::CONTENT,
        "tmpfs" if given("tmpcopyup") => copy_up::CONTENT | copy_up::OWNER,
        _ => 0,
    };
    // What is read-only takes nothing over.
    let first = if taken == 0 && attribute.is_none() { attributes } else { attributes & !attr::RDONLY };
    let slot = plan.fs_mount(Subject::Mount(index), kind, &params, first);
    if let Some(label) = attribute {
        plan.label(Subject::Mount(index), slot, label);
    }
    if taken != 0 {
        plan.copy_up(Subject::Mount(index), slot, &mount.destination, taken);
    }
    if options.idmap.is_some() {
        if !context.copies_mounts {
            return Err(Error::spec(format!("mount at {}: mapping ids needs root", mount.destination)));
        }
        plan.map_ids(Subject::Mount(index), slot, mapped_ids(mount, options, context)?);
    }
    if first != attributes {
        let read_only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        plan.set_attr(Subject::Mount(index), slot, &read_only, false);
    }
    if let Some((kind, recursive)) = options.propagation {
        let attributes = MountAttr { propagation: kind, ..MountAttr::default() };
        plan.set_attr(Subject::Mount(index), slot, &attributes, recursive);
    }
    Ok(slot)
}

/// A user namespace with the id maps of a mount: its own, else the container's.
pub(super) fn mapped_ids(mount: &Mount, options: &Options, context: &Context<'_>) -> Result<OwnedFd> {
    let written = options.maps.as_ref().map(|maps| {
        let wrong = |why| Error::spec(format!("mount at {}: idmap={maps}: {why}", mount.destination));
        idmap::written(maps, context.mappings()).map_err(wrong)
    });
    let written = written.transpose()?;
    let (uids, gids) = match &written {
        Some((uids, gids)) => (uids.as_slice(), gids.as_slice()),
        None if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() => context.mappings(),
        None => (mount.uid_mappings.as_slice(), mount.gid_mappings.as_slice()),
    };
    if uids.is_empty() || gids.is_empty() {
        let at = &mount.destination;
        return Err(Error::spec(format!(
            "mount at {at}: idmap needs uidMappings and gidMappings, or a user namespace"
        )));
    }
    idmap::namespace(uids, gids)
}

/// /dev as a detached, filled directory; with it what is still to be changed of it, and the nodes that are still to be
/// made or bound.
type Directory = (OwnedFd, Changes, Vec<(String, Node)>);

fn dev_directory(spec: &Spec, mount: &Mount, options: &Options, context: &Context<'_>) -> Result<Directory> {
    const WHAT: &str = "make /dev";
    let tmpfs = FsContext::open("tmpfs").what(WHAT)?;
    if let Some(source) = mount.source.as_deref().filter(|source| !source.is_empty()) {
        tmpfs.set("source", source).what(WHAT)?;
    }
    for word in options.parameters.iter().filter(|word| *word != "tmpcopyup") {
        match word.split_once('=') {
            Some((key, value)) => tmpfs.set(key, value),
            None => tmpfs.flag(word),
        }
        .what(WHAT)?;
    }
    if let Some(label) = label::of_mounts(spec)? {
        tmpfs.set(context.label, label).what(WHAT)?;
    }
    let tree = tmpfs.mount(options.set & !attr::RDONLY).what(WHAT)?;
    let nodes = device::nodes(spec.linux.as_ref().map_or(&[], |linux| &linux.devices), context)?;
    let directories: Vec<&str> = spec
        .mounts
        .iter()
        .filter(|mount| matches!(mount.kind.as_deref(), Some("devpts" | "tmpfs" | "mqueue")))
        .filter_map(|mount| mount.destination.strip_prefix("/dev/"))
        .filter(|name| !name.contains('/') && !name.is_empty() && *name != ".." && *name != ".")
        .collect();
    let rest = device::populate(&tree, &nodes, &directories, context.makes_nodes, spec.process.as_ref())?;
    let mut changes = Changes::default();
    if options.set & attr::RDONLY != 0 {
        let attributes = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        changes.make(&tree, &attributes, false).what(WHAT)?;
    }
    Ok((tree, changes, rest))
}

/// Nodes and links where the parent has not made them.
fn devices(plan: &mut Plan, spec: &Spec, dev: Dev, context: &Context<'_>) -> Result<()> {
    if matches!(dev, Dev::Filled | Dev::Foreign) {
        return Ok(());
    }
    let nodes = device::nodes(spec.linux.as_ref().map_or(&[], |linux| &linux.devices), context)?;
    nodes.iter().try_for_each(|(path, node)| node_by_stub(plan, path, node, context))?;
    for (name, to) in device::links() {
        let path = format!("/dev/{name}");
        plan.link(Subject::Device(path.clone()), &path, to);
    }
    Ok(())
}

/// A node that the parent has not made: made by the stub, or where that is refused, the host's, bound.
fn node_by_stub(plan: &mut Plan, path: &str, node: &Node, context: &Context<'_>) -> Result<()> {
    let subject = || Subject::Device(path.to_owned());
    if !context.binds_nodes() {
        plan.node(subject(), path, node);
        return Ok(());
    }
    let slot = if context.copies_mounts {
        let failed = |source| Error::BindSource { source_path: path.into(), destination: path.to_owned(), source };
        plan.give(open_tree(CWD, path, CLONE).map_err(failed)?)
    } else {
        plan.open_tree(subject(), path, false)
    };
    plan.attach_here(subject(), slot, path);
    Ok(())
}

/// The root's last step before the pivot.
pub fn read_only_root(plan: &mut Plan, spec: &Spec, context: &Context<'_>) {
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        let attributes = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        for slot in context.root() {
            plan.set_attr(Subject::ReadOnlyRoot, slot, &attributes, false);
        }
    }
}

impl Owners for Context<'_> {
    fn uid(&self, uid: u32) -> u32 {
        Self::outside(self.mappings().0, uid)
    }

    fn gid(&self, gid: u32) -> u32 {
        Self::outside(self.mappings().1, gid)
    }
}

/// The container has a network of its own, whose loopback is down until somebody sets it up.
pub fn new_network(context: &Context<'_>) -> bool {
    context.namespaces.is_new(NamespaceKind::Network)
}
