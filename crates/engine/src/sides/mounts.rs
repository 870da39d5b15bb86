//! What is mounted in a container, and where each mount comes from: its image, a default of every container's, a volume,
//! a path of this machine, a flag, or somebody inside.

use super::mount_table::{self, Line, is_within};
use super::{Engine, Living, Origins};
use crate::config::{ContainerConfig, ImageRef, Mount as Asked};
use oci::runtime::{Mount, Spec};
use serde::Serialize;
use std::path::PathBuf;

/// All of them.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mounts {
    /// They, in the kernel's order.
    pub list: Vec<MountSide>,
    /// How many more there are.
    pub more: usize,
    /// Paths that are hidden, or read-only.
    pub hidden: Hidden,
    #[serde(skip)]
    pub(super) table: Vec<Line>,
}

/// A mount.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MountSide {
    /// Where it is.
    pub at: String,
    /// Where it comes from.
    pub origin: MountOrigin,
    /// What it shows: a volume's name, a path of this machine.
    pub from: Option<String>,
    /// Its file system.
    pub filesystem: String,
    /// Options that were asked for.
    pub asked: Vec<String>,
    /// Options that hold; none of one that is not there.
    pub effective: Option<String>,
    /// Another mount lies over it.
    pub covered: bool,
    /// Who asked for it.
    pub by: Option<String>,
}

/// Where a mount comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MountOrigin {
    /// The image, with the container's own layer.
    Root,
    /// Every container has it.
    #[default]
    Default,
    /// A file that was made for this container.
    Generated,
    /// A volume.
    Volume,
    /// A path of this machine.
    Bind,
    /// Memory.
    Tmpfs,
    /// A secret.
    Secret,
    /// A device of this machine.
    Device,
    /// It came along with the path of this machine that it lies below.
    Along,
    /// A path of the kernel's that is hidden.
    Masked,
    /// A path of the kernel's that can be read only.
    ReadOnly,
    /// A part of this machine's own files, of which the root was put together.
    Host,
    /// Nothing of the start: somebody has mounted it since, inside, or outside where mounts are shared.
    Since,
}

/// Paths of the kernel.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hidden {
    /// Those that are hidden.
    pub masked: Vec<String>,
    /// Those that can be read only.
    pub read_only: Vec<String>,
    /// Those of both that were to be and are not, though this kernel has them: somebody has taken the mount away.
    pub open: Vec<String>,
    /// Those of both that this kernel does not have.
    pub absent: Vec<String>,
    /// Who asked for it.
    pub by: Option<String>,
}

/// So many are told; a container may have any number.
const MOST: usize = 512;

pub(super) fn look(engine: &Engine, living: &Living) -> Mounts {
    let table = mount_table::read(&living.process.text("mountinfo").unwrap_or_default());
    let config = &living.running.record.config.config;
    let host = if config.image == ImageRef::Host { crate::host::hidden(engine.locations()) } else { Vec::new() };
    let mut list: Vec<_> = table.iter().take(MOST).map(|line| of(line, &table, living, &host)).collect();
    let there = |mount: &Mount| table.iter().any(|line| line.point == normal(&mount.destination));
    let missing = living.spec.mounts.iter().filter(|mount| !there(mount)).map(|mount| MountSide {
        at: mount.destination.clone(),
        filesystem: mount.kind.clone().unwrap_or_default(),
        by: living.origins.of(&format!("mounts[{}]", mount.destination)),
        asked: mount.options.clone(),
        ..MountSide::default()
    });
    list.extend(missing);
    Mounts { more: table.len().saturating_sub(MOST), hidden: hidden(&table, living), list, table }
}

fn normal(path: &str) -> &str {
    if path.len() > 1 { path.trim_end_matches('/') } else { path }
}

fn of(line: &Line, table: &[Line], living: &Living, host: &[PathBuf]) -> MountSide {
    let config = &living.running.record.config.config;
    // Who covers whom takes as long as the table is, for each.
    let covered = table.len() <= MOST && mount_table::at(table, &line.point).is_some_and(|top| top.id != line.id);
    let mut size = line.own_options.split(',').filter(|option| option.starts_with("size="));
    let effective = std::iter::once(line.options.as_str()).chain(size.next());
    let mut side = MountSide {
        at: line.point.clone(),
        filesystem: line.kind.clone(),
        effective: Some(effective.collect::<Vec<_>>().join(",")),
        covered,
        ..MountSide::default()
    };
    let linux = living.spec.linux.as_ref();
    let spec = living.spec.mounts.iter().find(|mount| normal(&mount.destination) == line.point);
    if line.point == "/" {
        side.origin = MountOrigin::Root;
        side.by =
            Some(living.origins.of("root.readonly").filter(|by| by != "default").unwrap_or_else(|| "image".to_owned()));
    } else if let Some(spec) = spec {
        side.by = living.origins.of(&format!("mounts[{}]", spec.destination));
        side.asked.clone_from(&spec.options);
        asked_for(&mut side, spec, config);
    } else if linux.is_some_and(|linux| linux.masked_paths.contains(&line.point)) {
        side.origin = MountOrigin::Masked;
        side.by = living.origins.of("linux.maskedPaths");
    } else if linux.is_some_and(|linux| linux.readonly_paths.contains(&line.point)) {
        side.origin = MountOrigin::ReadOnly;
        side.by = living.origins.of("linux.readonlyPaths");
    } else if line.kind == "devtmpfs" && line.root.len() > 1 && line.point.starts_with("/dev/") {
        (side.origin, side.from) = (MountOrigin::Device, Some(format!("/dev{}", line.root)));
        side.by = Some("default".to_owned());
    } else {
        let binds = living.spec.mounts.iter().filter(|mount| mount.options.iter().any(|option| option == "rbind"));
        let above = binds.filter(|mount| is_within(&line.point, normal(&mount.destination)));
        let above = above.max_by_key(|mount| mount.destination.len());
        // The cgroup hierarchies lie below a file system of their own.
        let is_cgroup = matches!(line.kind.as_str(), "cgroup" | "cgroup2") && line.point.starts_with("/sys/fs/cgroup/");
        match above {
            _ if is_cgroup && !covered => side.by = living.origins.of("mounts[/sys/fs/cgroup]"),
            Some(above) => {
                side.origin = MountOrigin::Along;
                side.from = above.source.as_ref().map(|source| {
                    format!("{source}{}", line.point.strip_prefix(normal(&above.destination)).unwrap_or_default())
                });
                side.by = living.origins.of(&format!("mounts[{}]", above.destination));
            }
            None if config.image == ImageRef::Host && is_of_host(line, host) => {
                (side.origin, side.by) = (MountOrigin::Host, Some("image".to_owned()));
            }
            None if line.point == "/dev/console" && line.kind == "devpts" => {
                (side.origin, side.by) = (MountOrigin::Device, living.origins.of("process.terminal"));
            }
            None => side.origin = MountOrigin::Since,
        }
    }
    side
}

/// An overlay over one of this machine's directories, a file beside them, or what hides one.
fn is_of_host(line: &Line, hidden: &[PathBuf]) -> bool {
    let hides = line.kind == "tmpfs" && hidden.iter().any(|path| path.as_os_str() == line.point.as_str());
    line.kind == "overlay" || line.root == line.point || hides
}

/// One that the specification has.
fn asked_for(side: &mut MountSide, spec: &Mount, config: &ContainerConfig) {
    let asked = config.files.mounts.iter().find(|mount| mount.destination().as_str() == spec.destination);
    let source = spec.source.clone();
    (side.origin, side.from) = match asked {
        Some(Asked::Volume(volume)) => {
            let name = volume.name.as_ref().map(|name| format!("volume {name}"));
            (MountOrigin::Volume, name)
        }
        Some(Asked::Bind(bind)) => (MountOrigin::Bind, Some(bind.source.to_string_lossy().into_owned())),
        Some(Asked::Tmpfs(_)) => (MountOrigin::Tmpfs, None),
        None => match side.by.as_deref() {
            Some("--secret") => (MountOrigin::Secret, None),
            Some("--device" | "--privileged") if side.at.starts_with("/dev/") => (MountOrigin::Device, source),
            Some("--read-only") if side.filesystem == "tmpfs" => (MountOrigin::Tmpfs, None),
            _ if spec.destination.starts_with("/etc/") => (MountOrigin::Generated, None),
            Some("--pid" | "--ipc" | "--network") => (MountOrigin::Bind, source),
            _ => (MountOrigin::Default, None),
        },
    };
}

fn hidden(table: &[Line], living: &Living) -> Hidden {
    let Some(linux) = &living.spec.linux else { return Hidden::default() };
    let is = |path: &&String| table.iter().any(|line| line.point == **path);
    let read_only = |path: &&String| table.iter().any(|line| line.point == **path && line.is_read_only());
    let (masked, bare): (Vec<_>, Vec<_>) = linux.masked_paths.iter().partition(is);
    let (locked, loose): (Vec<_>, Vec<_>) = linux.readonly_paths.iter().partition(read_only);
    // The paths are those of the kernel, which is the same out here.
    let is_there = |path: &String| std::fs::exists(path).unwrap_or(true);
    let (open, absent) = bare.into_iter().chain(loose).cloned().partition(is_there);
    Hidden {
        masked: masked.into_iter().cloned().collect(),
        read_only: locked.into_iter().cloned().collect(),
        open,
        absent,
        by: living.origins.of("linux.maskedPaths"),
    }
}

/// What was composed for the last start of one that does not run.
pub(super) fn composed(spec: &Spec, origins: &Origins, config: &ContainerConfig) -> Mounts {
    let one = |mount: &Mount| {
        let mut side = MountSide {
            at: normal(&mount.destination).to_owned(),
            filesystem: mount.kind.clone().unwrap_or_default(),
            asked: mount.options.clone(),
            by: origins.of(&format!("mounts[{}]", mount.destination)),
            ..MountSide::default()
        };
        asked_for(&mut side, mount, config);
        side
    };
    let linux = spec.linux.as_ref();
    let hidden = Hidden {
        masked: linux.map(|linux| linux.masked_paths.clone()).unwrap_or_default(),
        read_only: linux.map(|linux| linux.readonly_paths.clone()).unwrap_or_default(),
        by: origins.of("linux.maskedPaths"),
        ..Hidden::default()
    };
    Mounts { list: spec.mounts.iter().map(one).collect(), hidden, ..Mounts::default() }
}

/// What was asked for one that was never started.
pub(super) fn asked(config: &ContainerConfig) -> Mounts {
    let list = config.files.mounts.iter().map(|mount| {
        let (origin, from) = match mount {
            Asked::Volume(volume) => (MountOrigin::Volume, volume.name.as_ref().map(|name| format!("volume {name}"))),
            Asked::Bind(bind) => (MountOrigin::Bind, Some(bind.source.to_string_lossy().into_owned())),
            Asked::Tmpfs(_) => (MountOrigin::Tmpfs, None),
        };
        let (at, by) = (mount.destination().to_string(), Some(mount.flag().to_owned()));
        MountSide { at, origin, from, by, ..MountSide::default() }
    });
    Mounts { list: list.collect(), ..Mounts::default() }
}
