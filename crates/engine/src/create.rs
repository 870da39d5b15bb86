//! A container before it runs: its name, its record, and the layer that it writes to.

use crate::config::{Changes, ContainerConfig, ImageRef};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::{Maps, Record, now};
use crate::root::{self, Source};
use crate::spec::UserNamespace;
use crate::{containers, health, names, spec, userns};
use std::io::Write as _;
use store::{Container, ContainerDir, ContainerId, Durability, NewContainer};

impl Engine {
    /// Makes a container that does not run yet.
    pub fn create(&self, config: &ContainerConfig) -> Result<ContainerId> {
        self.enter_for(config.view.userns.as_ref())?;
        containers::clean_up(self);
        let id = ContainerId::random()?;
        let source = root::find(self, config)?;
        // Which range of ids it gets is decided anew at each start; what lies in its layer is kept in its own.
        let ids = userns::choose(self, config, id.as_str())?;
        let made = create(self, config, &id, &source, &ids.namespace);
        ids.release();
        let (container, _) = made?;
        if let Err(error) = write_cidfile(config, id.as_str()) {
            let _ = container.remove(self.store()?);
            return Err(error);
        }
        Ok(id)
    }
}

/// Makes the container's directory and record. It comes back locked.
pub(crate) fn create(
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

/// Writes the id where the user wants it.
pub(crate) fn write_cidfile(config: &ContainerConfig, id: &str) -> Result<()> {
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
pub(crate) fn remove_cidfile(config: &ContainerConfig) {
    if let Some(path) = &config.cidfile {
        let _ = sys::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::empty());
    }
}
