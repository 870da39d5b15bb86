//! `coracle run`: one straight walk from a wish to the end of a container.

use crate::config::{CgroupUse, Changes, ContainerConfig, ImageRef, Mount, SeccompChoice, StdinMode};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explanation::Explanation;
use crate::record::{End, Maps, Record, now};
use crate::root::{self, Source};
use crate::spec::{Composed, Facts, UserNamespace, compose, user};
use crate::userns;
use crate::{containers, etc, gather, names, spec};
use cgroup::{Cgroup, CgroupPath, Layout};
use monitor::{Holder, RunDir, State};
use oci::runtime::{ConsoleSize, Spec};
use runtime::{Foreground, Group, Holding, Request};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{Container, ContainerDir, ContainerId, Durability, NewContainer};
use sys::process::Exit;
use sys::signal::Signals;

/// What the caller's terminal is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Io {
    /// Size of the terminal, if there is one.
    pub console_size: Option<ConsoleSize>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code that the caller should leave with.
    pub code: u8,
    /// Processes were killed for want of memory: how many, and the limit in bytes, if the user set one.
    pub out_of_memory: Option<(u64, Option<i64>)>,
    /// The steps, if they were asked for.
    pub explanation: Option<Explanation>,
}

/// Runs a container in the foreground, to its end.
pub fn run(engine: &Engine, config: &ContainerConfig, io: Io) -> Result<Outcome> {
    let recorder = config.foreground.explain.then(sys::Recorder::start).transpose();
    let recorder = recorder.map_err(Error::system("record the steps"))?;
    engine.enter_for(config.view.userns.as_ref())?;
    containers::clean_up(engine);
    let id = ContainerId::random()?;
    let source = root::find(engine, config)?;
    // From here on things are made that must be removed again: no signal may end us before they are.
    let signals = Signals::block().map_err(Error::system("take over the signals"))?;
    let layout = Layout::detect()?;
    let cgroup = cgroup_of(engine, config, &layout, id.as_str())?;
    // First what says how to remove all that follows: whoever finds it after our violent end does so.
    let planned = cgroup.as_ref().map(|path| Cgroup::planned(&layout, path)).transpose()?;
    let planned = planned.as_ref().map(Cgroup::paths).unwrap_or_default();
    let state = State { holder: Holder::me(), cgroup: planned, ephemeral: config.remove };
    let run_dir = RunDir::create(&engine.run_dir(id.as_str()), &state)?;
    let ids = match userns::choose(engine, config, id.as_str()) {
        Ok(ids) => ids,
        Err(error) => {
            let _ = run_dir.remove();
            return Err(error);
        }
    };
    let (mut container, record) = match create(engine, config, &id, &source, &ids.namespace) {
        Ok(made) => made,
        Err(error) => {
            ids.release();
            let _ = run_dir.remove();
            return Err(error);
        }
    };
    let mut held = Held {
        engine,
        config,
        container: &mut container,
        record: &record,
        run_dir: &run_dir,
        layout: &layout,
        cgroup: cgroup.as_ref(),
        namespace: &ids.namespace,
    };
    let started = held.start(source, &signals, io, recorder.as_ref());
    // Whatever happened, nothing of it stays behind.
    let cleaned = monitor::teardown(&run_dir);
    ids.release();
    let ended = match started {
        Ok(ended) => ended,
        Err(error) => {
            let _ = container.remove(engine.store()?);
            if !matches!(error, Error::CidFile { .. }) {
                remove_cidfile(config);
            }
            return Err(error);
        }
    };
    finish(engine, config, container, &ended)?;
    cleaned?;
    let explanation = recorder.map(|recorder| Explanation::new(recorder.records(), &ended));
    let limit = config.limits.memory.map(crate::config::Bytes::get);
    Ok(Outcome {
        code: ended.exit.code(),
        out_of_memory: (ended.oom_kills > 0).then_some((ended.oom_kills, limit)),
        explanation,
    })
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    exit: Exit,
    oom_kills: u64,
    started: u64,
    /// For the explanation.
    pub subjects: Vec<runtime::Subject>,
    /// The specification that ran, with who asked for what.
    pub composed: Composed,
}

fn create(
    engine: &Engine,
    config: &ContainerConfig,
    id: &ContainerId,
    source: &Source,
    namespace: &UserNamespace,
) -> Result<(ContainerDir, Container<Record>)> {
    let name = config.name.as_ref().map_or_else(|| names::of(id.as_str()), ToString::to_string);
    let record = Container {
        id: id.clone(),
        name: name.parse()?,
        image: source.image,
        layers: source.layers.iter().map(|layer| layer.id).collect(),
        config: Record {
            config: config.clone(),
            image_name: image_name(&config.image),
            command: config.process.command.clone(),
            maps: namespace.maps().map(|maps| Maps { uids: maps.uids.clone(), gids: maps.gids.clone() }),
            created: now(),
            started: None,
            ended: None,
        },
    };
    let durability = durability(config);
    let root = has_layer(&config.image).then(|| root::shifted(engine, &config.image, source.meta, namespace));
    let new = NewContainer { container: &record, root, durability };
    let dir = engine.store()?.create_container(&new, &source.lease)?;
    Ok((dir, record))
}

/// Where the container's cgroup is to be; `None` where there are none, or none is wanted.
fn cgroup_of(engine: &Engine, config: &ContainerConfig, layout: &Layout, id: &str) -> Result<Option<CgroupPath>> {
    if config.limits.cgroups == CgroupUse::Disabled || layout.hierarchies().is_empty() {
        return Ok(None);
    }
    Ok(Some(crate::cgroup_path::choose(engine, config, layout, id)?))
}

/// What the container writes goes to a layer of its own; not so into a directory of the user's, or memory.
fn has_layer(image: &ImageRef) -> bool {
    match image {
        ImageRef::Host => false,
        ImageRef::Name(_) => true,
        ImageRef::Rootfs(rootfs) => rootfs.changes == Changes::ThrownAway,
    }
}

fn durability(config: &ContainerConfig) -> Durability {
    if config.remove { Durability::Ephemeral } else { Durability::Durable }
}

/// What the root is, as users see it in lists.
pub fn image_name(image: &ImageRef) -> String {
    match image {
        ImageRef::Host => "host:".to_owned(),
        ImageRef::Name(name) => name.clone(),
        ImageRef::Rootfs(rootfs) => rootfs.path.to_string_lossy().into_owned(),
    }
}

/// A container between its making and its end.
struct Held<'a> {
    engine: &'a Engine,
    config: &'a ContainerConfig,
    container: &'a mut ContainerDir,
    record: &'a Container<Record>,
    run_dir: &'a RunDir,
    layout: &'a Layout,
    /// Where its cgroup is to be; `None` where there are none, or none is wanted.
    cgroup: Option<&'a CgroupPath>,
    namespace: &'a UserNamespace,
}

impl Held<'_> {
    fn start(&mut self, source: Source, signals: &Signals, io: Io, recorder: Option<&sys::Recorder>) -> Result<Ended> {
        let (engine, config) = (self.engine, self.config);
        let id = self.container.id().as_str().to_owned();
        write_cidfile(config, &id)?;
        let layout = self.layout;
        // Root's is made while the container is: what an ordinary user gets has to be known before.
        let make = if runtime::is_root() { Cgroup::reserve } else { Cgroup::create };
        let mut cgroup = Limited { cgroup: self.cgroup.map(|path| make(layout, path)).transpose()? };
        let root = root::make(engine, config, &source, self.container, self.namespace)?;
        let facts = self.facts(self.record, &source, &root, layout, cgroup.cgroup.as_ref(), io)?;
        let composed = compose(config, &facts)?;
        for directory in &composed.directories {
            crate::engine::make_parents(directory)?;
        }
        for chown in &composed.chowns {
            crate::chown::tree(chown).map_err(Error::file("change the owner (option U) of", chown.path.as_path()))?;
        }
        let group = cgroup.group(self.cgroup, &composed.spec, layout)?;
        close_stdin(config)?;
        drop(source);
        self.container.unlock();
        let started = now();
        let newlines = runtime::Newlines::Translated;
        let holding = Holding {
            die_with_parent: true,
            reaper: composed.init,
            wait: true,
            preserve_fds: config.process.preserve_fds,
            newlines,
            no_setgroups: !engine.setgroups(),
        };
        let request = Request {
            id: &id,
            spec: &composed.spec,
            bundle: Path::new("/"),
            rootfs: root.rootfs,
            filter: composed.filter.clone(),
            layout,
            cgroup: group,
            rdt: Vec::new(),
            holding,
            gate: None,
            no_new_keyring: false,
            ring: recorder.map(sys::Recorder::memory),
        };
        let foreground = Foreground {
            pass_signals: config.foreground.proxy_signals,
            input: config.process.stdin == StdinMode::Open,
            timeout: config.process.timeout.filter(|t| *t > 0).map(|t| Duration::from_secs(t.into())),
            newlines,
        };
        let order = monitor::Order { request, run_dir: self.run_dir, foreground, signals };
        let ended = monitor::run(order)?;
        Ok(Ended { exit: ended.exit, oom_kills: ended.oom_kills, started, subjects: ended.subjects, composed })
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
        record: &Container<Record>,
        source: &Source,
        root: &root::Root,
        layout: &Layout,
        cgroup: Option<&Cgroup>,
        io: Io,
    ) -> Result<Facts> {
        let (engine, config) = (self.engine, self.config);
        let (passwd, group) = gather::user_files(root);
        let who = user::choose(config, &source.defaults.user, engine.caller().ids())?;
        let user = user::resolve(&who, &config.process.groups, &passwd, &group).map_err(spec::Error::from)?;
        let own_userns = *self.namespace != UserNamespace::Host;
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
            self.run_dir,
            config,
            &etc::host_name(config, &host_name, record.id.as_str()),
            record.name.as_str(),
        )?;
        Ok(Facts {
            id: record.id.as_str().to_owned(),
            name: record.name.as_str().to_owned(),
            image: source.defaults.clone(),
            user,
            rootless: !engine.caller().is_root(),
            user_namespace: self.namespace.clone(),
            setgroups: engine.setgroups(),
            bounding,
            rlimits: gather::rlimits(engine, own_userns),
            controllers: gather::controllers(layout, cgroup),
            cgroup_path: None,
            thermal_throttle: spec::thermal_throttle(&cpus),
            cpus,
            mems: gather::list("/sys/devices/system/node/online"),
            host_name,
            etc,
            scratch: self.scratch()?,
            devices,
            default_filter: match config.privileges.seccomp {
                SeccompChoice::Default => Some(seccomp::default_filter(&capabilities)?),
                _ => None,
            },
            custom_seccomp: custom_profile(config, &capabilities)?,
            mqueue: gather::has_file_system("mqueue"),
            apparmor: false,
            recursive_read_only: true,
            console_size: io.console_size,
        })
    }
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

fn custom_profile(config: &ContainerConfig, capabilities: &[String]) -> Result<Option<oci::runtime::Seccomp>> {
    let SeccompChoice::Profile { path, json } = &config.privileges.seccomp else { return Ok(None) };
    seccomp::docker::from_json(json.as_bytes(), capabilities, gather::kernel())
        .map(Some)
        .map_err(|source| Error::Profile { path: path.clone(), source })
}

/// Without `-i` the container reads nothing; its standard input is ours, so ours becomes /dev/null.
fn close_stdin(config: &ContainerConfig) -> Result<()> {
    if config.process.stdin == StdinMode::Open || config.process.terminal == crate::config::TerminalMode::Pty {
        return Ok(());
    }
    sys::fs::stdin_from_null().map_err(Error::system("close standard input"))
}

fn write_cidfile(config: &ContainerConfig, id: &str) -> Result<()> {
    let Some(path) = &config.cidfile else { return Ok(()) };
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(id.as_bytes())).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Error::CidFile { path: path.clone() };
        }
        let errno = sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO);
        let source = sys::Error::new("open", path.to_string_lossy(), errno);
        Error::File { what: "write --cidfile", path: path.clone(), source }
    })
}

/// A container that never ran has no id to tell.
fn remove_cidfile(config: &ContainerConfig) {
    if let Some(path) = &config.cidfile {
        let _ = sys::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::empty());
    }
}

/// Writes the end down, or removes the container with `--rm`. A container that is gone was removed by somebody else's
/// force.
fn finish(engine: &Engine, config: &ContainerConfig, mut container: ContainerDir, ended: &Ended) -> Result<()> {
    let store = engine.store()?;
    let id = container.id().clone();
    let finished = if config.remove {
        container.lock().and_then(|()| container.remove(store))
    } else {
        write_end(&mut container, ended)
    };
    match (finished, store.container(&id)) {
        (Err(_), Err(store::Error::NoSuchContainer(_))) => Ok(()),
        (finished, _) => Ok(finished?),
    }
}

fn write_end(container: &mut ContainerDir, ended: &Ended) -> store::Result<()> {
    container.lock()?;
    let mut record: Container<Record> = container.read()?;
    record.config.started = Some(ended.started);
    record.config.command =
        ended.composed.spec.process.as_ref().map(|process| process.args.clone()).unwrap_or_default();
    record.config.ended = Some(End { code: Some(ended.exit.code()), at: now(), out_of_memory: ended.oom_kills > 0 });
    container.write(&record, Durability::Durable)
}
