//! From a container's record to its process: the root is mounted, the specification composed, the cgroup made. Who
//! holds the process then is decided by whoever asks for the start.

use crate::config::{CgroupUse, Changes, ContainerConfig, Mount, Ready, SeccompChoice};
use crate::denied::{self, Witness};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::part::Part;
use crate::record::Record;
use crate::root::{self, Source};
use crate::spec::{Composed, Facts, UserNamespace, compose, user};
use crate::userns::Ids;
use crate::{diagnosis, etc, gather, mounted, spec, userns};
use cgroup::{Cgroup, CgroupPath, Layout};
use monitor::{Holder, RunDir, State};
use oci::runtime::{ConsoleSize, Spec};
use runtime::listener::Server;
use runtime::{Group, Holding, Recording, Request};
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use store::{Container, ContainerDir};

/// In a run directory: the specification that runs, for what is to run beside it.
pub(crate) const SPEC: &str = "spec.json";

/// In a run directory: who asked for each part of it, by the part's path.
pub(crate) const ORIGINS: &str = "origins.json";

/// What the caller's terminal is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Io {
    /// Size of the terminal, if there is one.
    pub console_size: Option<ConsoleSize>,
}

/// What is there before the container is: who is going to hold it, where its cgroup will be, and its ids. All of it is
/// removed again by the one teardown, whoever calls that.
#[derive(Debug)]
pub(crate) struct Place {
    /// What is written down while it runs.
    pub run_dir: RunDir,
    /// Its ids.
    pub ids: Ids,
    layout: Layout,
    networks: network::Networks,
    /// Where its cgroup is to be; `None` where there are none, or none is wanted.
    cgroup: Option<CgroupPath>,
}

impl Place {
    /// Makes it. A run directory that is there already, of a container that is started again by who holds it, is used
    /// once more.
    pub fn make(engine: &Engine, config: &ContainerConfig, id: &str, holder: Holder, again: bool) -> Result<Self> {
        let layout = Layout::detect()?;
        let cgroup = cgroup_of(engine, config, &layout, id)?;
        // First what says how to remove all that follows: whoever finds it after our violent end does so.
        let planned = cgroup.as_ref().map(|path| Cgroup::planned(&layout, path)).transpose()?;
        let planned = planned.as_ref().map(Cgroup::paths).unwrap_or_default();
        let state = State { holder, cgroup: planned, ephemeral: config.remove };
        let path = engine.run_dir(id);
        let run_dir = if again { RunDir::renew(&path, &state)? } else { RunDir::create(&path, &state)? };
        match userns::choose(engine, config, id) {
            Ok(ids) => Ok(Self { run_dir, ids, layout, networks: engine.networks(), cgroup }),
            Err(error) => {
                let _ = run_dir.remove();
                Err(diagnosis::of_ids(error, engine.caller(), &Default::default))
            }
        }
    }

    /// The directory in which a container finds the socket of who is told that it is ready.
    pub fn notify_dir(&self) -> Result<PathBuf> {
        let path = self.run_dir.path().join("notify");
        // Whoever the container's process is looks into it.
        let mode = rustix::fs::Mode::from_raw_mode(0o755);
        sys::fs::ensure_dir(rustix::fs::CWD, &path, mode).map_err(Error::file("make", path.as_path()))?;
        Ok(path)
    }

    /// Writes down what runs, for whoever looks at it, and what is to run beside it.
    pub fn write_down(&self, composed: &Composed) -> Result<()> {
        let origins = composed.origins.iter().map(|(path, origin)| (path.as_str(), origin.word()));
        let origins: BTreeMap<&str, &str> = origins.collect();
        self.run_dir.put(ORIGINS, &serde_json::to_vec(&origins).unwrap_or_default(), 0o600)?;
        Ok(self.run_dir.put(SPEC, &serde_json::to_vec(&composed.spec).unwrap_or_default(), 0o600)?)
    }

    /// The hierarchies of cgroups that a container sees, by their keys; that of v2 is empty.
    pub fn hierarchies(&self) -> Vec<String> {
        self.layout.view(&Cgroup::default(), cgroup::Namespace::Own).into_iter().filter_map(shown).collect()
    }

    /// Nothing of the container runs any more, and it is in no network; what was written down of it stays.
    pub fn end(&self) -> Result<()> {
        let ended = monitor::end(&self.run_dir);
        crate::joining::part(&self.networks, self.run_dir.path());
        self.ids.release();
        Ok(ended?)
    }

    /// Nothing of the container stays behind.
    pub fn clear(&self) -> Result<()> {
        let ended = self.end();
        self.run_dir.remove()?;
        ended
    }
}

fn shown(step: cgroup::ViewStep) -> Option<String> {
    match step {
        cgroup::ViewStep::Fresh { options, .. } => Some(options),
        _ => None,
    }
}

/// How the process is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    /// It ends with its starter, whose child it is; else it is the child of the starter's parent.
    pub with_us: bool,
    /// What its terminal does.
    pub newlines: runtime::Newlines,
}

/// A container about to be started.
pub(crate) struct Start<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// What was asked for.
    pub config: &'a ContainerConfig,
    /// Its directory, locked.
    pub container: &'a mut ContainerDir,
    /// Its record.
    pub record: &'a Container<Record>,
    /// What was made for it.
    pub place: &'a Place,
    /// The terminal of whoever starts it.
    pub io: Io,
    /// The steps are recorded.
    pub recording: Option<&'a Recording>,
    /// What is made, when that is known.
    pub composed: Option<Composed>,
}

impl Start<'_> {
    /// Composes the container, and hands it to who makes and holds it. Its lock is let go right before.
    pub fn go<T>(
        &mut self,
        source: Source,
        hold: Hold,
        make: impl FnOnce(Request<'_>, &Composed) -> Result<T>,
    ) -> Result<T> {
        Part::Reserve.begin();
        let (engine, config) = (self.engine, self.config);
        let id = self.container.id().as_str().to_owned();
        let Place { layout, cgroup: path, ids, .. } = self.place;
        // Root's is made while the container is: what an ordinary user gets has to be known before.
        let reserve = if runtime::is_root() { Cgroup::reserve } else { Cgroup::create };
        let mut cgroup = Limited { cgroup: path.as_ref().map(|path| reserve(layout, path)).transpose()? };
        Part::Root.begin();
        let root = root::make(engine, config, &source, self.container, &ids.namespace)
            .map_err(|error| diagnosis::of_root(error, engine.store().map_or(Path::new("/"), store::Store::path)))?;
        Part::Volumes.begin();
        // Mounted by fd in part: they are held until the container is made.
        let (volumes, _held) = mounted::ready(engine, self.record, &root, &ids.namespace)?;
        Part::Compose.begin();
        let files = || gather::user_files(&root.trees);
        let refused = |error| diagnosis::of_ids(error, engine.caller(), &files);
        let facts = self.facts(&source, &root, volumes, cgroup.cgroup.as_ref()).map_err(refused)?;
        let mut composed = compose(config, &facts).map_err(|error| refused(error.into()))?;
        if config.foreground.notify.as_ref().is_some_and(|notify| notify.ready == Ready::Said) {
            runtime::notify::mount(&mut composed.spec, &self.place.notify_dir()?);
        }
        for directory in &composed.directories {
            crate::engine::make_parents(directory)?;
        }
        for chown in &composed.chowns {
            crate::chown::tree(chown).map_err(Error::file("change the owner (option U) of", chown.path.as_path()))?;
        }
        let witness = self.witness(&mut composed)?;
        let group = cgroup.group(path.as_ref(), &composed.spec, layout)?;
        self.container.begin()?;
        drop(source);
        self.container.unlock();
        let (run_dir, dir) = (&self.place.run_dir, self.container.as_fd());
        let watch = |listener: OwnedFd, pid: i32| {
            witness.as_ref().map_or(Ok(()), |witness| witness.start(run_dir, dir, &listener, pid))
        };
        let watch = denied::server(&watch);
        let request = Request {
            id: &id,
            spec: &composed.spec,
            bundle: Path::new("/"),
            rootfs: root.rootfs,
            filter: composed.filter.clone(),
            server: witness.is_some().then_some(Server::Here(&watch)),
            layout,
            cgroup: group,
            rdt: Vec::new(),
            holding: Holding {
                die_with_parent: hold.with_us,
                sibling: !hold.with_us,
                reaper: composed.init,
                wait: true,
                preserve_fds: config.process.preserve_fds,
                newlines: hold.newlines,
                no_setgroups: !engine.setgroups(),
            },
            gate: None,
            no_new_keyring: false,
            recording: self.recording,
        };
        let made = make(request, &composed);
        let made = made.map_err(|error| match root.trees.first() {
            Some(root) => {
                let maps = ids.namespace.maps();
                diagnosis::of_start(error, &diagnosis::Scene { config, spec: &composed.spec, root, maps })
            }
            None => error,
        });
        self.composed = Some(composed);
        made
    }

    /// Who notes what the container is refused, if somebody wants to know it.
    fn witness(&self, composed: &mut Composed) -> Result<Option<Witness>> {
        let privileges = &self.config.privileges;
        if !privileges.report_denied && !privileges.learns {
            return Ok(None);
        }
        Witness::prepare(composed, privileges, self.engine.caller().is_root())
    }

    /// A directory for what overlays over bind mounts (`:O`) write; it goes with the container.
    fn scratch(&self) -> Result<Option<PathBuf>> {
        let asked = |mount: &Mount| matches!(mount, Mount::Bind(bind) if bind.changes == Changes::ThrownAway);
        if !self.config.files.mounts.iter().any(asked) {
            return Ok(None);
        }
        let path = self.engine.store()?.path().join("containers").join(self.container.id().as_str()).join("scratch");
        sys::fs::ensure_dir(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).map_err(Error::file("make", &path))?;
        Ok(Some(path))
    }

    fn facts(
        &self,
        source: &Source,
        root: &root::Root,
        volumes: mounted::Sources,
        cgroup: Option<&Cgroup>,
    ) -> Result<Facts> {
        let (engine, config, record) = (self.engine, self.config, self.record);
        let namespace = &self.place.ids.namespace;
        let (passwd, group) = gather::user_files(&root.trees);
        let who = user::choose(config, &source.defaults.user, engine.caller().ids())?;
        let user = user::resolve(&who, &config.process.groups, &passwd, &group).map_err(spec::Error::from)?;
        let own_userns = *namespace != UserNamespace::Host;
        let bounding = gather::bounding(own_userns);
        let granted = spec::grant(&config.privileges, user.uid, bounding)?;
        let capabilities = granted.bounding.names();
        let devices = if config.privileges.level == crate::config::Privileges::Privileged {
            spec::all_devices(own_userns)?
        } else {
            spec::devices(&config.files.devices)?
        };
        let host_name = gather::host_name();
        let cpus = gather::list("/sys/devices/system/cpu/online");
        let etc = etc::write(
            &self.place.run_dir,
            config,
            &etc::host_name(config, &host_name, record.id.as_str()),
            record.name.as_str(),
            crate::joining::resolver(engine, config)?,
        )?;
        let secrets = crate::secrets::place(engine, &self.place.run_dir, config, namespace)?;
        Ok(Facts {
            id: record.id.as_str().to_owned(),
            name: record.name.as_str().to_owned(),
            image: source.defaults.clone(),
            user,
            network: crate::joining::shared(engine, config)?,
            rootless: !engine.caller().is_root(),
            user_namespace: namespace.clone(),
            setgroups: engine.setgroups(),
            bounding,
            rlimits: gather::rlimits(engine, own_userns),
            controllers: gather::controllers(&self.place.layout, cgroup),
            cgroup_path: None,
            thermal_throttle: spec::thermal_throttle(&cpus),
            cpus,
            mems: gather::list("/sys/devices/system/node/online"),
            host_name,
            etc,
            secrets,
            scratch: self.scratch()?,
            volumes,
            owners: gather::owners(&config.files.mounts),
            devices,
            default_filter: default_filter(config, &capabilities)?,
            custom_seccomp: custom_profile(config, &capabilities)?,
            mqueue: gather::has_file_system("mqueue"),
            apparmor: false,
            recursive_read_only: true,
            console_size: self.io.console_size,
        })
    }
}

/// Where the container's cgroup is to be; `None` where there are none, or none is wanted.
fn cgroup_of(engine: &Engine, config: &ContainerConfig, layout: &Layout, id: &str) -> Result<Option<CgroupPath>> {
    if config.limits.cgroups == CgroupUse::Disabled || layout.hierarchies().is_empty() {
        return Ok(None);
    }
    Ok(Some(crate::cgroup_path::choose(engine, config, layout, id)?))
}

/// A cgroup that is removed again unless somebody else has taken it over.
struct Limited {
    cgroup: Option<Cgroup>,
}

impl Limited {
    /// It with its limits, made or to be made, for who makes the container.
    fn group(&mut self, path: Option<&CgroupPath>, spec: &Spec, layout: &Layout) -> Result<Option<Group>> {
        let (Some(cgroup), Some(path)) = (self.cgroup.take(), path) else { return Ok(None) };
        let limits = spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
        if runtime::is_root() {
            return Ok(Some(Group::reserved(cgroup, path.clone(), limits, spec, layout)?));
        }
        let cgroup = self.cgroup.insert(cgroup);
        cgroup.apply(&limits)?;
        Ok(self.cgroup.take().map(Group::Made))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            let _ = runtime::delete(cgroup);
        }
    }
}

/// The default filter, if that is what was asked for.
pub(crate) fn default_filter(config: &ContainerConfig, capabilities: &[String]) -> Result<Option<seccomp::Filter>> {
    let is_default = matches!(config.privileges.seccomp, SeccompChoice::Default);
    Ok(is_default.then(|| seccomp::default_filter(capabilities)).transpose()?)
}

pub(crate) fn custom_profile(
    config: &ContainerConfig,
    capabilities: &[String],
) -> Result<Option<oci::runtime::Seccomp>> {
    let SeccompChoice::Profile { path, json } = &config.privileges.seccomp else { return Ok(None) };
    seccomp::docker::from_json(json.as_bytes(), capabilities, gather::kernel())
        .map(Some)
        .map_err(|source| Error::Profile { path: path.clone(), source })
}
