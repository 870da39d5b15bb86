//! A container's cgroup, as its specification has it, made by whom the caller says.

use crate::context;
use crate::context::Context;
use crate::error::Result;
use crate::rootfs::Options;
use cgroup::{Bus, Cgroup, CgroupPath, Driver, Layout, UnitRequest};
use oci::runtime::{Mount, NamespaceKind, Resources, Spec};
use rustix::fs::{Gid, Uid};
use sys::mount::attr;
use sys::process::Born;

/// A container's cgroup.
#[derive(Debug)]
pub enum Group {
    /// It is made, and has its limits.
    Made(Cgroup),
    /// Its process can be born, and build the container's view, while it is made where that takes long.
    Reserved(Box<Reserved>),
    /// It is another container's, which our process enters: neither its limits nor its end are ours.
    Joined(Cgroup),
}

/// What is left to be done for a cgroup.
#[derive(Debug)]
pub struct Reserved {
    cgroup: Cgroup,
    path: CgroupPath,
    limits: Resources,
}

impl Group {
    /// A cgroup that was reserved for the container of a spec, with the limits that it is to get. Where the container's
    /// view needs the cgroup as it is built, or a limit is held back from the start, it is made now.
    pub fn reserved(cgroup: Cgroup, path: CgroupPath, limits: Resources, spec: &Spec, layout: &Layout) -> Result<Self> {
        let reserved = Box::new(Reserved { cgroup, path, limits });
        if can_wait(spec) {
            return Ok(Self::Reserved(reserved));
        }
        reserved.make(layout).map(Self::Made).inspect_err(|_| drop(reserved.cgroup.remove(crate::handle::REMOVAL)))
    }

    /// The cgroup, made by now.
    pub fn made(self, layout: &Layout) -> Result<Cgroup> {
        match self {
            Self::Made(cgroup) | Self::Joined(cgroup) => Ok(cgroup),
            Self::Reserved(reserved) => reserved.make(layout),
        }
    }

    /// The cgroup, made or not.
    pub(crate) fn cgroup(&self) -> &Cgroup {
        match self {
            Self::Made(cgroup) | Self::Joined(cgroup) => cgroup,
            Self::Reserved(reserved) => &reserved.cgroup,
        }
    }
}

impl Reserved {
    /// Makes it. What is left of it on failure is removed when nobody is in it any more.
    pub(crate) fn make(&self, layout: &Layout) -> Result<Cgroup> {
        let cgroup = self.cgroup.completed(layout, &self.path)?;
        cgroup.apply(&self.limits)?;
        Ok(cgroup)
    }
}

/// The cgroup is entered late, when it is to be the root of what the container sees of cgroups, and nothing before looks at
/// it. Nor may the stub wait for anything else before: it would take the one word for the other.
fn can_wait(spec: &Spec) -> bool {
    let Some(linux) = spec.linux.as_ref() else { return false };
    let new = |kind| linux.namespaces.iter().any(|namespace| namespace.kind == kind && namespace.path.is_none());
    let joins_user = linux.namespaces.iter().any(|n| n.kind == NamespaceKind::User && n.path.is_some());
    let memory = linux.resources.as_ref().and_then(|all| all.memory.as_ref()).and_then(|memory| memory.limit);
    let waits = !linux.net_devices.is_empty();
    context::is_root() && new(NamespaceKind::Cgroup) && !joins_user && !waits && !memory.is_some_and(cgroup::is_tight)
}

/// The cgroup that a spec names, or that its container's id does: below what was delegated to an ordinary user, if
/// anything was.
pub fn cgroup_path(id: &str, spec: &Spec, layout: &Layout) -> String {
    let delegated = || if context::is_root() { None } else { layout.delegated() };
    let below = || delegated().map_or_else(String::new, |path| format!("/{}", path.as_inner()));
    named(spec).map_or_else(|| format!("{}/{id}", below()), str::to_owned)
}

/// Makes the cgroup that a spec names, and sets its limits. Nothing is left of it on failure. As [`make_cgroup_with`] and
/// the cgroupfs driver.
pub fn make_cgroup(id: &str, spec: &Spec, layout: &Layout) -> Result<Group> {
    make_cgroup_with(&Driver::Cgroupfs, id, spec, layout)
}

/// Has a driver make the cgroup that a spec names, with its limits, or as much of it as its process has to be born with.
/// Nothing is left of it on failure.
///
/// The devices that every container has are allowed besides those of the spec; all others are denied, also where the
/// spec has no list (GHSA-g54h-m393-cpwq), if that is ours to say.
pub fn make_cgroup_with(driver: &Driver, id: &str, spec: &Spec, layout: &Layout) -> Result<Group> {
    let linux = spec.linux.as_ref();
    let path = named(spec);
    let mut limits = linux.and_then(|linux| linux.resources.clone()).unwrap_or_default();
    match driver {
        Driver::Cgroupfs => {
            let path = CgroupPath::new(&cgroup_path(id, spec, layout))?;
            if can_wait(spec) {
                let cgroup = Cgroup::reserve(layout, &path)?;
                let all_ours = cgroup.denied().is_empty() && !cgroup.is_empty();
                with_default_devices(&mut limits, all_ours);
                return Ok(Group::Reserved(Box::new(Reserved { cgroup, path, limits })));
            }
            let cgroup = Cgroup::create(layout, &path)?;
            if let Some(error) = refused(&cgroup, spec) {
                let _ = cgroup.remove(crate::handle::REMOVAL);
                return Err(error.into());
            }
            let all_ours = cgroup.denied().is_empty() && !cgroup.is_empty();
            with_default_devices(&mut limits, all_ours);
            limited(cgroup, &limits).map(Group::Made)
        }
        Driver::Systemd(bus) => {
            with_default_devices(&mut limits, *bus == Bus::System);
            let request = UnitRequest { id, path, resources: &limits, annotations: &spec.annotations };
            Ok(Group::Made(Cgroup::create_unit(layout, bus, &request)?))
        }
        Driver::Disabled => {
            // Without a cgroup of its own there is nothing that could hold them, and every spec has some.
            limits.devices.clear();
            limited(Cgroup::default(), &limits).map(Group::Made)
        }
    }
}

/// Where [`make_cgroup_with`] is going to make it, for whoever writes down what is to be removed before it exists.
pub fn plan_cgroup(driver: &Driver, id: &str, spec: &Spec, layout: &Layout) -> Result<Cgroup> {
    let path = named(spec);
    Ok(match driver {
        Driver::Cgroupfs => Cgroup::planned(layout, &CgroupPath::new(&cgroup_path(id, spec, layout))?)?,
        Driver::Systemd(bus) => Cgroup::planned_unit(layout, bus, id, path)?,
        Driver::Disabled => Cgroup::default(),
    })
}

fn named(spec: &Spec) -> Option<&str> {
    spec.linux.as_ref()?.cgroups_path.as_deref().filter(|path| !path.is_empty())
}

/// An ordinary user's container goes on without a cgroup that he may not make, unless he asked for that one.
fn refused(cgroup: &Cgroup, spec: &Spec) -> Option<cgroup::Error> {
    named(spec).filter(|_| !context::is_root())?;
    let denied = cgroup.denied().iter().find(|denied| denied.cause.call == "mkdirat")?;
    Some(cgroup::Error::Denied {
        controller: denied.controller,
        field: "cgroupsPath".to_owned(),
        remedy: denied.remedy(),
        source: denied.cause.clone(),
    })
}

fn with_default_devices(limits: &mut Resources, all_ours: bool) {
    if !limits.devices.is_empty() || context::is_root() && all_ours {
        limits.devices.extend(cgroup::default_rules());
    }
}

fn limited(cgroup: Cgroup, limits: &Resources) -> Result<Cgroup> {
    match cgroup.apply(limits) {
        Ok(()) => Ok(cgroup),
        Err(error) => {
            let _ = cgroup.remove(crate::handle::REMOVAL);
            Err(error.into())
        }
    }
}

/// Gives the cgroup to the container's user, where that is to make cgroups of its own there (config-linux.md, "Cgroup
/// ownership"): it is the root of what the container sees, and may be written.
pub(crate) fn give(cgroup: &Cgroup, spec: &Spec, context: &Context<'_>) -> Result<()> {
    let shown = |mount: &Mount| {
        let at = mount.destination.trim_end_matches('/') == "/sys/fs/cgroup";
        at && matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) && Options::of(mount).set & attr::RDONLY == 0
    };
    let own = context::is_root() && context.namespaces.is_new(NamespaceKind::Cgroup) && cgroup.v1_branches() == 0;
    let Some(process) = spec.process.as_ref().filter(|_| own && spec.mounts.iter().any(shown)) else { return Ok(()) };
    let (uids, gids) = context.mappings();
    let (uid, gid) = (Context::outside(uids, process.user.uid), Context::outside(gids, process.user.gid));
    if uid == 0 { Ok(()) } else { Ok(cgroup.give_to(Uid::from_raw(uid), Gid::from_raw(gid))?) }
}

/// A child has been born: moves it where it could not be born, and lets go what stood in its place. On failure the child
/// is dead and reaped.
pub(crate) fn settle_in(born: Born, cgroup: Option<&Cgroup>, layout: &Layout, inside: bool) -> Result<Born> {
    let Some(cgroup) = cgroup else { return Ok(born) };
    let settled = match (cgroup.attaches(layout), inside) {
        (true, _) => cgroup.attach(born.child.pid.unsigned_abs()).and_then(|()| cgroup.inhabited()),
        (false, true) => cgroup.born(),
        (false, false) => Ok(()),
    };
    if let Err(error) = settled {
        end(&born.child.pidfd);
        return Err(error.into());
    }
    Ok(born)
}

/// Kills and reaps a child of ours.
pub(crate) fn end(pidfd: impl std::os::fd::AsFd) {
    let _ = sys::process::pidfd_send_signal(&pidfd, 9);
    let _ = sys::process::wait(&pidfd);
}
