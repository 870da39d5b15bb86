//! What is mounted: the kernel's file systems, the generated files, what the user asked for; and the device nodes.
//!
//! The order is by depth, so that no mount covers one that was made before it. A mount of the user's takes the place
//! of a default one at the same destination; a user's `/dev` takes the place of all below it.

use super::origin::Origins;
use super::{Chown, Error, Facts, HostDevice, Origin, User, VolumeSource};
use crate::config::{
    Access, BindMount, Bytes, Changes, ContainerConfig, ContainerPath, CopyUp, FileFlags, IdmapRequest, IpcNamespace,
    Mount as Asked, MountSource, NetworkMode, Owner, Privileges, Recursion, RootAccess, TmpfsMount, VolumeMount,
};
use crate::flags::Invalid;
use oci::runtime::{Device, IdMapping, Mount};
use std::path::PathBuf;

/// Mounts, and what belongs to them.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) list: Vec<Mount>,
    /// Device nodes, where they can be made.
    pub(super) nodes: Vec<Device>,
    pub(super) directories: Vec<PathBuf>,
    pub(super) chowns: Vec<Chown>,
}

/// The size of `/dev/shm` when nobody says otherwise, docker's and podman's 64 MiB.
const SHM_SIZE: i64 = 64 << 20;

pub(super) fn compose(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> Result<Mounts, Error> {
    let mut out = Mounts::default();
    let mut builder = Builder { config, facts, origins, mounts: Vec::new() };
    builder.kernel();
    builder.generated_files();
    builder.secrets();
    builder.read_only_root();
    for mount in &config.files.mounts {
        match mount {
            Asked::Bind(bind) => builder.bind(bind, &mut out)?,
            Asked::Tmpfs(tmpfs) => builder.tmpfs(tmpfs),
            Asked::Volume(volume) => builder.volume(volume, &mut out)?,
        }
    }
    builder.devices(&mut out);
    // Stable: mounts of one depth stay in the order in which they were asked for.
    let mut mounts = builder.mounts;
    mounts.sort_by_key(|mount| mount.destination.split('/').filter(|part| !part.is_empty()).count());
    out.list = mounts;
    Ok(out)
}

/// Looks whether the sources of all binds are there. docker makes a missing one, which turns a slip into a directory
/// that root owns; podman and we do not.
pub fn sources(mounts: &[Asked]) -> Result<(), Error> {
    for mount in mounts {
        if let Asked::Bind(bind) = mount {
            rustix::fs::stat(&bind.source).map_err(|errno| Error::Source {
                flag: bind.flag.name(),
                path: bind.source.clone(),
                source: errno.into(),
            })?;
        }
    }
    Ok(())
}

struct Builder<'a> {
    config: &'a ContainerConfig,
    facts: &'a Facts,
    origins: &'a mut Origins,
    mounts: Vec<Mount>,
}

fn words(options: &[&str]) -> Vec<String> {
    options.iter().map(|option| (*option).to_owned()).collect()
}

impl Builder<'_> {
    fn add(&mut self, origin: Origin, kind: &str, source: &str, destination: &str, options: Vec<String>) {
        self.origins.note(format!("mounts[{destination}]"), origin);
        self.mounts.push(Mount {
            destination: destination.to_owned(),
            source: Some(source.to_owned()),
            kind: Some(kind.to_owned()),
            options,
            ..Mount::default()
        });
    }

    /// A default mount, unless the user mounts something there or over all of `/dev`.
    fn default(&mut self, origin: Origin, kind: &str, source: &str, destination: &str, options: &[&str]) {
        let replaced = self.config.files.mounts.iter().any(|mount| {
            let asked = mount.destination().as_str();
            asked == destination || (asked == "/dev" && destination.starts_with("/dev/"))
        });
        if !replaced {
            self.add(origin, kind, source, destination, words(options));
        }
    }

    fn in_user_namespace(&self) -> bool {
        self.facts.user_namespace.maps().is_some()
    }

    /// The file systems of the kernel.
    fn kernel(&mut self) {
        let view = &self.config.view;
        let in_userns = self.in_user_namespace();
        let privileged = self.config.privileges.level == Privileges::Privileged;
        // The kernel mounts a new proc, sysfs or mqueue only for who owns the namespace that it shows; where a user
        // namespace meets the host's namespaces, the host's own mounts come in by bind.
        if in_userns && view.pid.is_host() {
            let options = ["rbind", "rprivate", "nosuid", "noexec", "nodev"];
            self.default(Origin::Flag("--pid"), "bind", "/proc", "/proc", &options);
        } else {
            self.default(Origin::Default, "proc", "proc", "/proc", &["nosuid", "noexec", "nodev"]);
        }
        let mut dev = vec!["nosuid", "strictatime", "mode=755", "size=65536k"];
        if self.config.files.root == RootAccess::ReadOnly {
            dev.push("ro");
        }
        self.default(Origin::Default, "tmpfs", "tmpfs", "/dev", &dev);
        let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
        // Group 5 is tty everywhere; where it is not mapped, the kernel would refuse the option.
        if self.facts.user_namespace.maps().is_none_or(|maps| maps.has_gid(5)) {
            pts.push("gid=5");
        }
        self.default(Origin::Default, "devpts", "devpts", "/dev/pts", &pts);
        self.shm();
        if self.facts.mqueue {
            if in_userns && view.ipc.is_host() {
                let options = ["bind", "rprivate", "nosuid", "noexec", "nodev"];
                self.default(Origin::Flag("--ipc"), "bind", "/dev/mqueue", "/dev/mqueue", &options);
            } else {
                let options = ["nosuid", "noexec", "nodev"];
                self.default(Origin::Default, "mqueue", "mqueue", "/dev/mqueue", &options);
            }
        }
        self.sys(in_userns, privileged);
    }

    fn shm(&mut self) {
        let size = self.config.limits.shm_size.map_or(SHM_SIZE, Bytes::get);
        let origin = match self.config.limits.shm_size {
            Some(_) => Origin::Flag("--shm-size"),
            None => Origin::Default,
        };
        match self.config.view.ipc {
            IpcNamespace::WithoutShm => {}
            IpcNamespace::Host => {
                let options = ["rbind", "rprivate", "nosuid", "noexec", "nodev"];
                self.default(Origin::Flag("--ipc"), "bind", "/dev/shm", "/dev/shm", &options);
            }
            IpcNamespace::Private | IpcNamespace::Path(_) => {
                let size = format!("size={size}");
                let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
                self.default(origin, "tmpfs", "shm", "/dev/shm", &options);
            }
        }
    }

    fn sys(&mut self, in_userns: bool, privileged: bool) {
        let network_is_new = NetworkMode::is_own(self.config.view.network.as_ref());
        let access = if privileged { "rw" } else { "ro" };
        let origin = if privileged { Origin::Flag("--privileged") } else { Origin::Default };
        if in_userns && !network_is_new {
            let access = match (privileged, self.facts.recursive_read_only) {
                (true, _) => "rw",
                (false, true) => "rro",
                (false, false) => "ro",
            };
            let options = ["rbind", "rprivate", "nosuid", "noexec", "nodev", access];
            self.default(Origin::Flag("--network"), "bind", "/sys", "/sys", &options);
        } else {
            self.default(origin, "sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", access]);
        }
        let paths = &self.config.privileges.paths;
        let unmasked = paths.unmask_all || paths.unmask.iter().any(|path| path.trim_end_matches('/') == CGROUP);
        let (access, origin) = match (privileged, unmasked) {
            (true, _) => ("rw", Origin::Flag("--privileged")),
            (_, true) => ("rw", Origin::Flag("--security-opt")),
            _ => ("ro", Origin::Default),
        };
        let options = ["rprivate", "nosuid", "noexec", "nodev", "relatime", access];
        self.default(origin, "cgroup", "cgroup", CGROUP, &options);
    }

    /// `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`.
    fn generated_files(&mut self) {
        let etc = &self.facts.etc;
        let read_only = self.config.files.root != RootAccess::ReadWrite;
        for (file, destination, flag) in [
            (&etc.hosts, "/etc/hosts", (!self.config.view.hosts.is_empty()).then_some("--add-host")),
            (&etc.hostname, "/etc/hostname", self.config.view.hostname.is_some().then_some("--hostname")),
            (&etc.localtime, "/etc/localtime", Some("--tz")),
            (&etc.resolv_conf, "/etc/resolv.conf", (!self.config.view.dns.is_empty()).then_some("--dns")),
        ] {
            let Some(file) = file else { continue };
            let mut options = vec!["bind", "rprivate"];
            if read_only {
                options.extend(["ro", "nosuid", "noexec", "nodev"]);
            }
            let origin = flag.map_or(Origin::Default, Origin::Flag);
            self.default(origin, "bind", &file.to_string_lossy(), destination, &options);
        }
    }

    /// Files with secrets.
    fn secrets(&mut self) {
        for file in &self.facts.secrets.files {
            let options = ["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"];
            let source = file.source.to_string_lossy();
            self.default(Origin::Flag("--secret"), "bind", &source, &file.destination, &options);
        }
    }

    /// Under a read-only root, memory where programs expect to write: podman's three places.
    fn read_only_root(&mut self) {
        if self.config.files.root != RootAccess::ReadOnlyWithTmpfs {
            return;
        }
        let options = ["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"];
        for destination in ["/run", "/tmp", "/var/tmp"] {
            self.default(Origin::Flag("--read-only"), "tmpfs", "tmpfs", destination, &options);
        }
    }

    fn bind(&mut self, bind: &BindMount, out: &mut Mounts) -> Result<(), Error> {
        let origin = asked_by(bind.flag);
        let source = bind.source.to_str().ok_or_else(|| {
            let source = Invalid::new(bind.source.to_string_lossy(), "a path that is not UTF-8");
            Error::flag(bind.flag.name(), source)
        })?;
        if bind.owner == Owner::Chown {
            out.chowns.push(self.chown(bind)?);
        }
        if bind.changes == Changes::ThrownAway {
            return self.overlay(bind, source, out);
        }
        let recursive = bind.recursion == Recursion::Recursive;
        let access = match bind.access {
            // As the source is: the word would take its read-only away, or fail where that is locked.
            Access::ReadWrite => None,
            Access::ReadOnly if recursive && self.facts.recursive_read_only => Some("rro"),
            Access::ReadOnly | Access::ReadOnlyTop => Some("ro"),
            Access::RecursiveReadOnly if self.facts.recursive_read_only => Some("rro"),
            Access::RecursiveReadOnly => {
                let source = Invalid::new("rro", "the kernel cannot make mounts read-only with all below (Linux 5.12)")
                    .hint("use ro");
                return Err(Error::flag(bind.flag.name(), source));
            }
        };
        let propagation = bind.propagation.map_or(if recursive { "rprivate" } else { "private" }, |p| p.word());
        let bind_word = if recursive { "rbind" } else { "bind" };
        let mut options: Vec<String> =
            [Some(bind_word), access, Some(propagation)].into_iter().flatten().map(str::to_owned).collect();
        options.extend(flag_words(bind.flags).map(str::to_owned));
        self.add(origin, "bind", source, bind.destination.as_str(), options);
        if let (Owner::Idmap(request), Some(mount)) = (&bind.owner, self.mounts.last_mut()) {
            if self.facts.rootless {
                let source = Invalid::new("idmap", "only root can map the ids of the machine's files")
                    .hint("with --userns=keep-id your files are yours inside, too");
                return Err(Error::flag(bind.flag.name(), source));
            }
            (mount.uid_mappings, mount.gid_mappings) = idmap(request, &bind.destination, self.facts);
            if !mount.uid_mappings.is_empty() {
                mount.options.push(if recursive { "ridmap" } else { "idmap" }.to_owned());
            }
        }
        Ok(())
    }

    /// A volume is a bind of its directory, unless its driver is to mount something else. The ids of its files are those
    /// of the containers, whatever ids of the machine's each of these has.
    fn volume(&mut self, volume: &VolumeMount, out: &mut Mounts) -> Result<(), Error> {
        let Some(source) = self.facts.volumes.get(&volume.destination) else {
            let source = Invalid::new(volume.destination.as_str(), "the volume is not there");
            return Err(Error::flag(volume.flag.name(), source));
        };
        if !source.options.is_empty() {
            self.driver(volume, source);
            return Ok(());
        }
        let mapped = self.in_user_namespace() && !self.facts.rootless;
        let owner = match &volume.owner {
            owner @ (Owner::Host | Owner::Chown) if mapped => {
                if *owner == Owner::Chown {
                    let User { uid, gid, .. } = self.facts.user;
                    out.chowns.push(Chown { path: source.path.clone(), uid, gid });
                }
                Owner::Idmap(IdmapRequest::Container)
            }
            owner => owner.clone(),
        };
        let bind = BindMount {
            flag: volume.flag,
            source: source.path.clone(),
            destination: volume.destination.clone(),
            access: volume.access,
            recursion: Recursion::Recursive,
            propagation: volume.propagation,
            flags: volume.flags,
            owner,
            changes: Changes::Kept,
        };
        self.bind(&bind, out)
    }

    /// What the driver `local` mounts for a volume: what mount(8) would with these options.
    fn driver(&mut self, volume: &VolumeMount, source: &VolumeSource) {
        let option = |name: &str| source.options.get(name).map_or("", String::as_str);
        let kind = match option("type") {
            "" | "bind" => "none",
            kind => kind,
        };
        let mut options: Vec<String> =
            option("o").split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        if kind == "none" && !options.iter().any(|option| matches!(option.as_str(), "bind" | "rbind")) {
            options.push("rbind".to_owned());
        }
        options.extend((volume.access != Access::ReadWrite).then(|| "ro".to_owned()));
        options.push(volume.propagation.map_or("rprivate", |propagation| propagation.word()).to_owned());
        options.extend(flag_words(volume.flags).map(str::to_owned));
        let device = match option("device") {
            "" => kind,
            device => device,
        };
        let (kind, device) = (kind.to_owned(), device.to_owned());
        self.add(asked_by(volume.flag), &kind, &device, volume.destination.as_str(), options);
    }

    /// `O`: an overlay over the source whose changes end with the container.
    fn overlay(&mut self, bind: &BindMount, source: &str, out: &mut Mounts) -> Result<(), Error> {
        let Some(scratch) = &self.facts.scratch else {
            let source = Invalid::new("O", "there is nowhere to keep the changes");
            return Err(Error::flag(bind.flag.name(), source));
        };
        let number = out.directories.len() / 2;
        let (upper, work) = (scratch.join(format!("{number}/upper")), scratch.join(format!("{number}/work")));
        let mut options = vec![
            format!("lowerdir={source}"),
            format!("upperdir={}", upper.display()),
            format!("workdir={}", work.display()),
        ];
        if self.in_user_namespace() {
            // overlayfs writes trusted.* attributes, which a user namespace cannot (Linux 5.11).
            options.push("userxattr".to_owned());
        }
        options.push("private".to_owned());
        options.extend(flag_words(bind.flags).map(str::to_owned));
        self.add(Origin::Flag(bind.flag.name()), "overlay", "overlay", bind.destination.as_str(), options);
        out.directories.extend([upper, work]);
        Ok(())
    }

    fn chown(&self, bind: &BindMount) -> Result<Chown, Error> {
        let (uid, gid) = (self.facts.user.uid, self.facts.user.gid);
        let (uid, gid) = self.facts.user_namespace.on_host(uid, gid).ok_or_else(|| {
            let source = Invalid::new("U", "the container's user has no id on the host");
            Error::flag(bind.flag.name(), source)
        })?;
        Ok(Chown { path: bind.source.clone(), uid, gid })
    }

    fn tmpfs(&mut self, tmpfs: &TmpfsMount) {
        let mut options = vec![if tmpfs.access == Access::ReadWrite { "rw" } else { "ro" }.to_owned()];
        // podman's defaults, which a word of the user's turns around.
        let flags = FileFlags {
            exec: tmpfs.flags.exec,
            suid: Some(tmpfs.flags.suid.unwrap_or(false)),
            dev: Some(tmpfs.flags.dev.unwrap_or(false)),
        };
        options.extend(flag_words(flags).map(str::to_owned));
        if tmpfs.noatime {
            options.push("noatime".to_owned());
        }
        options.extend(tmpfs.size.map(|size| format!("size={}", size.get())));
        options.extend(tmpfs.mode.map(|mode| format!("mode={mode:o}")));
        options.extend(tmpfs.inodes.map(|inodes| format!("nr_inodes={inodes}")));
        options.extend(tmpfs.uid.map(|uid| format!("uid={uid}")));
        options.extend(tmpfs.gid.map(|gid| format!("gid={gid}")));
        if tmpfs.noswap {
            options.push("noswap".to_owned());
        }
        options.push("rprivate".to_owned());
        if tmpfs.copy_up == CopyUp::Copy {
            options.push("tmpcopyup".to_owned());
        }
        self.add(Origin::Flag(tmpfs.flag.name()), "tmpfs", "tmpfs", tmpfs.destination.as_str(), options);
    }

    /// Nodes where they can be made; in a user namespace nobody can make device nodes that work, so the host's own
    /// are bound.
    fn devices(&mut self, out: &mut Mounts) {
        let in_userns = self.in_user_namespace();
        let privileged = self.config.privileges.level == Privileges::Privileged;
        for device in &self.facts.devices {
            let HostDevice { host, container, access, .. } = device;
            let origin = Origin::Flag(if device.asked { "--device" } else { "--privileged" });
            debug_assert!(device.asked || privileged);
            if in_userns {
                let taken = self.mounts.iter().any(|mount| mount.destination == *container);
                if !taken {
                    let access = if access.write { "rw" } else { "ro" };
                    let options = words(&["bind", "private", "nosuid", "noexec", access]);
                    self.add(origin, "bind", &host.to_string_lossy(), container, options);
                }
            } else {
                self.origins.note(format!("linux.devices[{container}]"), origin);
                out.nodes.push(device.node());
            }
        }
    }
}

fn asked_by(flag: MountSource) -> Origin {
    if flag == MountSource::Image { Origin::Image } else { Origin::Flag(flag.name()) }
}

const CGROUP: &str = "/sys/fs/cgroup";

/// The words of mount(8) for what was said; nothing for what was not.
fn flag_words(flags: FileFlags) -> impl Iterator<Item = &'static str> {
    let word = |flag: Option<bool>, yes, no| flag.map(|flag| if flag { yes } else { no });
    [word(flags.exec, "exec", "noexec"), word(flags.suid, "suid", "nosuid"), word(flags.dev, "dev", "nodev")]
        .into_iter()
        .flatten()
}

/// The maps of an idmapped bind; none when the container's ids are the host's already.
fn idmap(request: &IdmapRequest, destination: &ContainerPath, facts: &Facts) -> (Vec<IdMapping>, Vec<IdMapping>) {
    match request {
        IdmapRequest::Container => match facts.user_namespace.maps() {
            Some(maps) => (maps.uids.clone(), maps.gids.clone()),
            None => match facts.owners.get(destination) {
                Some(&(uid, gid)) if (uid, gid) != (facts.user.uid, facts.user.gid) => {
                    (swapped(uid, facts.user.uid), swapped(gid, facts.user.gid))
                }
                _ => (Vec::new(), Vec::new()),
            },
        },
        IdmapRequest::These { uids, gids } => {
            let maps = |ranges: &[(u32, u32, u32)]| {
                ranges.iter().map(|&(container_id, host_id, size)| IdMapping { container_id, host_id, size }).collect()
            };
            (maps(uids), maps(gids))
        }
    }
}

/// A map of all ids in which two change places.
fn swapped(one: u32, other: u32) -> Vec<IdMapping> {
    let (low, high) = (one.min(other), one.max(other));
    let whole = [
        (0, 0, low),
        (low, high, 1),
        (low + 1, low + 1, (high - low).saturating_sub(1)),
        (high, low, u32::from(high > low)),
        (high + 1, high + 1, u32::MAX - high - 1),
    ];
    let ranges = whole.into_iter().filter(|(_, _, size)| *size > 0);
    ranges.map(|(container_id, host_id, size)| IdMapping { container_id, host_id, size }).collect()
}
