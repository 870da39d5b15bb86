//! The specification as a whole.

use super::origin::Origins;
use super::{Error, Facts, Origin, SpecPath, mask, mounts, namespaces, process, resources, sysctl};
use crate::config::{ContainerConfig, NetworkMode, RootAccess, SeccompChoice, Signal};
use crate::flags::Invalid;
use oci::runtime::{Linux, Propagation, Root, Seccomp, Spec};
use seccomp::Filter;
use std::path::PathBuf;

/// A specification, and what of the request lies beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// The specification. `root.path` is the word `rootfs`, for the caller to replace or to leave.
    pub spec: Spec,
    /// The default filter, ready made: the specification has none then.
    pub filter: Option<Filter>,
    /// The command runs under the engine's small init.
    pub init: bool,
    /// What stops the container.
    pub stop_signal: Signal,
    /// The container's host name, also where its namespace is the host's.
    pub host_name: String,
    /// Directories to make before the mounts: the upper and work directories of overlays over binds.
    pub directories: Vec<PathBuf>,
    /// Host trees whose owner the user wants changed (`U`).
    pub chowns: Vec<Chown>,
    /// Who asked for each part.
    pub origins: Vec<(SpecPath, Origin)>,
}

/// A tree to hand to the container's user, by host ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chown {
    /// Its top.
    pub path: PathBuf,
    /// User id on the host.
    pub uid: u32,
    /// Group id on the host.
    pub gid: u32,
}

/// Makes the specification of `config`.
pub fn compose(config: &ContainerConfig, facts: &Facts) -> Result<Composed, Error> {
    let mut origins = Origins::default();
    let host_name = host_name(config, facts)?;
    let stop_signal = stop_signal(config, facts)?;
    let process = process::compose(config, facts, &host_name, &mut origins)?;
    let mounts = mounts::compose(config, facts, &mut origins)?;
    let (profile, filter) = seccomp(config, facts, &mut origins);
    let mut linux = Linux {
        namespaces: namespaces::compose(config, facts, &mut origins),
        resources: resources::compose(config, facts, &mut origins)?,
        cgroups_path: resources::cgroup_path(config, facts),
        sysctl: sysctl::compose(config, facts, &mut origins)?,
        seccomp: profile,
        devices: mounts.nodes,
        ..Linux::default()
    };
    if let super::UserNamespace::New(maps) = &facts.user_namespace {
        linux.uid_mappings.clone_from(&maps.uids);
        linux.gid_mappings.clone_from(&maps.gids);
    }
    (linux.masked_paths, linux.readonly_paths) = mask::compose(&config.privileges, facts, &mut origins);
    linux.rootfs_propagation = root_propagation(config);
    let readonly = config.files.root != RootAccess::ReadWrite;
    origins.note_if("root.readonly", readonly, "--read-only");
    for name in config.annotations.keys() {
        origins.note(format!("annotations[{name}]"), Origin::Flag("--annotation"));
    }
    let own_uts = !config.view.uts.is_host();
    let spec = Spec {
        oci_version: oci::runtime::VERSION.to_owned(),
        process: Some(process),
        root: Some(Root { path: "rootfs".to_owned(), readonly }),
        hostname: (own_uts && !joins(&config.view.uts)).then(|| {
            origins.note_if("hostname", config.view.hostname.is_some(), "--hostname");
            host_name.clone()
        }),
        domainname: domain_name(config, &mut origins)?,
        mounts: mounts.list,
        hooks: None,
        annotations: config.annotations.clone(),
        linux: Some(linux),
    };
    Ok(Composed {
        spec,
        filter,
        init: config.process.init,
        stop_signal,
        host_name,
        directories: mounts.directories,
        chowns: mounts.chowns,
        origins: origins.0,
    })
}

fn joins(mode: &crate::config::NamespaceMode) -> bool {
    matches!(mode, crate::config::NamespaceMode::Path(_))
}

/// The name that the container has: the user's, or the host's where the container shares the host's network (its
/// neighbours know it by that name) or UTS namespace, or the first twelve digits of its id.
fn host_name(config: &ContainerConfig, facts: &Facts) -> Result<String, Error> {
    match &config.view.hostname {
        Some(name) if config.view.uts.is_host() => Err(Error::flag(
            "--hostname",
            Invalid::new(name.as_str(), "--uts=host shares the host's name, which would change")
                .hint("leave out either of them"),
        )),
        Some(name) => Ok(name.as_str().to_owned()),
        None if config.view.uts.is_host() || config.view.network == Some(NetworkMode::Host) => {
            Ok(facts.host_name.clone())
        }
        None => Ok(facts.id.chars().take(12).collect()),
    }
}

fn domain_name(config: &ContainerConfig, origins: &mut Origins) -> Result<Option<String>, Error> {
    let Some(name) = &config.view.domainname else { return Ok(None) };
    if config.view.uts.is_host() {
        return Err(Error::flag(
            "--domainname",
            Invalid::new(name.as_str(), "--uts=host shares the host's name, which would change")
                .hint("leave out either of them"),
        ));
    }
    origins.note("domainname", Origin::Flag("--domainname"));
    Ok(Some(name.as_str().to_owned()))
}

fn stop_signal(config: &ContainerConfig, facts: &Facts) -> Result<Signal, Error> {
    match config.process.stop_signal {
        Some(signal) => Ok(signal),
        None if facts.image.stop_signal.is_empty() => Ok(Signal::TERM),
        None => facts.image.stop_signal.parse().map_err(|invalid| Error::Image { field: "StopSignal", invalid }),
    }
}

/// A profile of the user's holds even for a privileged container; the default one does not.
fn seccomp(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> (Option<Seccomp>, Option<Filter>) {
    let privileged = config.privileges.level == crate::config::Privileges::Privileged;
    let (profile, filter, origin) = match &config.privileges.seccomp {
        SeccompChoice::Default if privileged => (None, None, Origin::Flag("--privileged")),
        SeccompChoice::Default => (None, facts.default_filter.clone(), Origin::Default),
        SeccompChoice::Unconfined => (None, None, Origin::Flag("--security-opt")),
        SeccompChoice::Profile { .. } => (facts.custom_seccomp.clone(), None, Origin::Flag("--security-opt")),
    };
    origins.note("linux.seccomp", origin);
    (profile, filter)
}

/// A mount that propagates needs a root that does, or the kernel cuts it off at the container's door.
fn root_propagation(config: &ContainerConfig) -> Option<Propagation> {
    let asked = config.files.mounts.iter().filter_map(|mount| match mount {
        crate::config::Mount::Bind(bind) => bind.propagation,
        crate::config::Mount::Volume(volume) => volume.propagation,
        crate::config::Mount::Tmpfs(_) => None,
    });
    asked.fold(None, |root, propagation| {
        if propagation.is_shared() {
            Some(Propagation::Shared)
        } else if propagation.is_slave() && root.is_none() {
            Some(Propagation::Slave)
        } else {
            root
        }
    })
}
