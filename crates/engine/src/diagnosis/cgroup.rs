//! Limits that cannot be set: which controller is missing, where it stops being handed down, and who can change that.

use super::{Cause, Diagnosis};
use crate::error::Error;
use crate::spec;
use cgroup::{Controller, Layout, Mode, Version};
use std::path::Path;

/// Why a limit cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum Limits {
    /// There are none at all.
    #[error("no cgroup file system is mounted")]
    NoCgroups,
    /// The kernel has it not.
    #[error("this kernel has no cgroup controller {0} (/proc/cgroups)")]
    Unknown(String),
    /// It is switched off at boot.
    #[error("the cgroup controller {0} is switched off: /proc/cgroups says so")]
    SwitchedOff(String),
    /// No hierarchy has it.
    #[error("no hierarchy with the cgroup controller {0} is mounted")]
    NotMounted(String),
    /// Version 1 is root's.
    #[error("the controller {controller} is on cgroup v1 here, {mount}, which cannot be handed to ordinary users")]
    OfRoot {
        /// Which.
        controller: String,
        /// Where.
        mount: String,
    },
    /// Version 2, and it is not handed down.
    #[error("the cgroup {stops} does not hand the controller {controller} down to the cgroup of this process, {own}")]
    NotDelegated {
        /// Which.
        controller: String,
        /// The cgroup of this process.
        own: String,
        /// The last cgroup above that has it.
        stops: String,
        /// Where the hierarchy is mounted.
        mount: String,
        /// systemd keeps the cgroups.
        systemd: bool,
        /// The user.
        uid: u32,
    },
    /// It is there, but the cgroup is not the user's.
    #[error("the cgroup of this process, {own}, belongs to user {owner}: none can be made in it")]
    NotGiven {
        /// The cgroup of this process.
        own: String,
        /// Whose it is.
        owner: u32,
        /// Where the hierarchy is mounted.
        mount: String,
        /// systemd keeps the cgroups.
        systemd: bool,
        /// The user.
        uid: u32,
        /// Which controller was wanted.
        controller: String,
    },
}

impl Limits {
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NoCgroups => "mount -t cgroup2 cgroup2 /sys/fs/cgroup".to_owned(),
            Self::Unknown(_) => "leave the limit out".to_owned(),
            Self::SwitchedOff(name) => {
                format!(
                    "boot without cgroup_disable={name}, and with cgroup_enable={name} where the machine's makers disable it"
                )
            }
            Self::NotMounted(name) => format!(
                "mkdir -p /sys/fs/cgroup/{name} && mount -t cgroup -o {name} cgroup /sys/fs/cgroup/{name}; or leave the \
                 limit out"
            ),
            Self::OfRoot { .. } => {
                "delegate it on cgroup v2: boot with systemd.unified_cgroup_hierarchy=1; or run as root, or \
                leave the limit out"
                    .to_owned()
            }
            Self::NotDelegated { controller, systemd: true, uid, .. }
            | Self::NotGiven { controller, systemd: true, uid, .. } => format!(
                "as root: systemctl set-property --runtime user@{uid}.service Delegate=yes, or for good `systemctl edit \
                 user@.service` with [Service] Delegate={controller}; then systemd-run --user --scope -p Delegate=yes \
                 coracle …"
            ),
            Self::NotDelegated { controller, mount, systemd: false, uid, .. }
            | Self::NotGiven { controller, mount, systemd: false, uid, .. } => {
                let dir = format!("{mount}/user-{uid}");
                format!(
                    "delegate it, as root: echo +{controller} > {mount}/cgroup.subtree_control; mkdir -p {dir}/own; chown -R \
                     {uid} {dir}; echo PID-OF-THE-SHELL > {dir}/own/cgroup.procs"
                )
            }
        }
    }
}

/// The same name for what has two.
fn named(name: &str) -> Option<Controller> {
    Controller::ALL.iter().copied().find(|controller| controller.name(Version::V2) == name)
}

/// systemd is PID 1 (sd_booted(3)).
pub(crate) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Looks into a limit that was refused.
pub(super) fn look(error: &Error) -> Option<Diagnosis> {
    if let Some(runtime::Error::Spec(text)) = super::runtime_error(error)
        && text.ends_with("has no cgroups")
    {
        return no_cgroups().map(|cause| Diagnosis::new(Cause::Limits(cause)));
    }
    let Error::Spec(spec::Error::NoController { controller, rootless, flag }) = error else { return None };
    let cause = missing(named(controller)?, *rootless)?;
    Some(
        Diagnosis::new(Cause::Limits(cause)).of(format!("{flag}: the cgroup controller {controller} is not available")),
    )
}

/// The reason why there is nothing to be had from cgroups, if there is one.
fn no_cgroups() -> Option<Limits> {
    Layout::detect().is_ok_and(|layout| layout.mode() == Mode::None).then_some(Limits::NoCgroups)
}

/// Why a controller cannot be had.
pub(crate) fn missing(controller: Controller, rootless: bool) -> Option<Limits> {
    use std::os::unix::fs::MetadataExt;
    let layout = Layout::detect().ok()?;
    let Some(owner) = layout.owner(controller) else {
        let name = controller.name(Version::V1);
        let known = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
        let line = known.lines().find(|line| line.split('\t').next() == Some(name));
        return Some(match line.and_then(|line| line.split('\t').nth(3)) {
            None => Limits::Unknown(name.to_owned()),
            Some("0") => Limits::SwitchedOff(name.to_owned()),
            Some(_) => Limits::NotMounted(name.to_owned()),
        });
    };
    let name = controller.name(owner.version).to_owned();
    let mount = owner.mount.clone();
    if owner.version == Version::V1 {
        return rootless.then_some(Limits::OfRoot { controller: name, mount });
    }
    let own = format!("/{}", owner.own_inner().ok()?.trim_matches('/'));
    // This may be a user namespace of ours already: its own files tell who owns it outside.
    let uid = crate::userns::Caller::outside();
    let systemd = has_systemd();
    let has = |dir: &Path| {
        let text = std::fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
        text.split_whitespace().any(|known| known == name)
    };
    let inside = Path::new(&mount).join(own.trim_start_matches('/'));
    if !has(&inside) {
        let stops = Path::new(&own)
            .ancestors()
            .skip(1)
            .find(|above| has(&Path::new(&mount).join(above.strip_prefix("/").unwrap_or(above))))?;
        let stops = stops.display().to_string();
        return Some(Limits::NotDelegated { controller: name, own, stops, mount, systemd, uid });
    }
    let above = inside.parent().filter(|above| above.starts_with(&mount)).unwrap_or(&inside);
    let owner = std::fs::metadata(above).ok()?.uid();
    rootless.then_some(Limits::NotGiven { own, owner, mount, systemd, uid, controller: name })
}
