//! A container before it runs: its name, its record, and the layer that it writes to.

use crate::config::{Changes, ContainerConfig, ImageRef, UsernsMode};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::{Maps, Record, now};
use crate::root::{self, Source};
use crate::spec::UserNamespace;
use crate::start::Place;
use crate::{health, joining, mounted, names, secrets, spec, userns};
use monitor::Holder;
use rustix::fs::{Mode, OFlags};
use std::io::Write as _;
use std::path::Path;
use store::{Container, ContainerDir, ContainerId, Durability, NewContainer};

impl Engine {
    /// Makes a container that does not run yet.
    pub fn create(&self, config: &ContainerConfig) -> Result<ContainerId> {
        match config.view.userns {
            Some(UsernsMode::Path(_)) => self.enter_for(config)?,
            // It joins its networks when it starts.
            _ => self.enter()?,
        }
        self.clean_up();
        let id = ContainerId::random()?;
        let source = root::find(self, config)?;
        // Which range of ids it gets is decided anew at each start; what lies in its layer is kept in its own.
        let ids = userns::choose(self, config, id.as_str())?;
        let made = create(self, config, &id, &source, &ids.namespace);
        ids.release();
        let (container, record) = made?;
        if let Err(error) = write_cidfile(config, id.as_str()) {
            let _ = container.remove_with_volumes(self.store()?);
            return Err(error);
        }
        self.tell_of(&record, "create", &[]);
        Ok(id)
    }
}

/// A container that was made to be started at once, of which nothing is left if it cannot be.
pub(crate) struct Made<'a> {
    engine: &'a Engine,
    config: &'a ContainerConfig,
    /// What was made for it.
    pub place: Place,
    /// Its directory, locked.
    pub container: ContainerDir,
    /// Its record.
    pub record: Container<Record>,
}

impl<'a> Made<'a> {
    /// Makes it, for who is going to hold it. What says how to remove all of it is there first.
    pub fn new(
        engine: &'a Engine,
        config: &'a ContainerConfig,
        id: &ContainerId,
        source: &Source,
        holder: Holder,
    ) -> Result<Self> {
        let place = Place::make(engine, config, id.as_str(), holder, false)?;
        let made = create(engine, config, id, source, &place.ids.namespace);
        let made = made.and_then(|(container, record)| match write_cidfile(config, id.as_str()) {
            Ok(()) => Ok((container, record)),
            Err(error) => {
                let _ = container.remove_with_volumes(engine.store()?);
                Err(error)
            }
        });
        match made {
            Ok((container, record)) => {
                engine.tell_of(&record, "create", &[]);
                Ok(Self { engine, config, place, container, record })
            }
            Err(error) => {
                let _ = place.clear();
                Err(error)
            }
        }
    }

    /// Removes it again, because of an error that comes back.
    pub fn undo(self, error: Error) -> Error {
        let _ = self.place.clear();
        if let Ok(store) = self.engine.store() {
            let _ = self.container.remove_with_volumes(store);
        }
        self.engine.tell_of(&self.record, "destroy", &[]);
        // A container that never ran has no id to tell.
        if let Some(path) = &self.config.cidfile {
            remove_cidfile(path);
        }
        error
    }
}

/// Makes the container's directory and record. It comes back locked.
fn create(
    engine: &Engine,
    config: &ContainerConfig,
    id: &ContainerId,
    source: &Source,
    namespace: &UserNamespace,
) -> Result<(ContainerDir, Container<Record>)> {
    secrets::are_there(engine, config)?;
    let mut config = mounted::settle(engine, config, &source.defaults)?;
    joining::settle(engine, &mut config);
    joining::are_there(engine, &config)?;
    let config = &config;
    let name = config.name.as_ref().map_or_else(|| names::of(id.as_str()), ToString::to_string);
    let record = Container {
        id: id.clone(),
        name: name.parse()?,
        image: source.image,
        layers: source.layers.iter().map(|layer| layer.id).collect(),
        volumes: mounted::names(config),
        own_volumes: mounted::own_names(config),
        config: Record {
            config: Box::new(config.clone()),
            image_name: image_name(&config.image),
            command: spec::command(config, &source.defaults),
            stop_signal: config.process.stop_signal.or_else(|| source.defaults.stop_signal.parse().ok()),
            health: health::config(&config.health, source.defaults.healthcheck.as_ref()),
            maps: namespace.maps().map(|maps| Maps { uids: maps.uids.clone(), gids: maps.gids.clone() }),
            created: now(),
            started: None,
            ended: None,
            restarts: 0,
        },
    };
    let durability = durability(config);
    let root = has_layer(&config.image).then(|| root::shifted(engine, &config.image, source.meta, namespace));
    let new = NewContainer { container: &record, root, durability };
    let dir = engine.store()?.create_container(&new, &source.lease)?;
    if let Err(error) = mounted::make(engine, config) {
        let _ = dir.remove_with_volumes(engine.store()?);
        return Err(error);
    }
    Ok((dir, record))
}

/// What the container writes goes to a layer of its own; not so into a directory of the user's, or memory.
fn has_layer(image: &ImageRef) -> bool {
    match image {
        ImageRef::Host => false,
        ImageRef::Name(_) => true,
        ImageRef::Rootfs(rootfs) => rootfs.changes == Changes::ThrownAway,
    }
}

/// Whether its record must survive a power cut.
pub(crate) fn durability(config: &ContainerConfig) -> Durability {
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

/// Writes the id where the user wants it.
fn write_cidfile(config: &ContainerConfig, id: &str) -> Result<()> {
    let Some(path) = &config.cidfile else { return Ok(()) };
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let write = |mut file: std::fs::File| file.write_all(id.as_bytes()).inspect_err(|_| remove_cidfile(path));
    file.and_then(write).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Error::CidFile { path: path.clone() };
        }
        let errno = sys::Errno::from_io_error(&error).unwrap_or(sys::Errno::IO);
        let source = sys::Error::new("open", path.to_string_lossy(), errno);
        Error::File { what: "write --cidfile", path: path.clone(), source }
    })
}

/// Writes a process's number where the user wants it.
pub(crate) fn write_pid(path: Option<&Path>, flag: &'static str, pid: i32) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let file = sys::fs::open(path, flags, Mode::from_raw_mode(0o644));
    let written = file.and_then(|file| sys::fs::write_once(&file, format!("{pid}\n").as_bytes()));
    written.map_err(Error::file(flag, path))
}

fn remove_cidfile(path: &Path) {
    let _ = sys::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::empty());
}
