//! An image out of a container: its own layer becomes one more of its image, or all of it the only one.

use crate::config::ContainerConfig;
use crate::engine::Engine;
use crate::error::Result;
use crate::view::{Back, Held};
use layer::{Packed, Upper, pack};
use oci::digest::DiffId;
use oci::image::{ContainerDefaults, History, ImageConfig, ImageId, Manifest, RootFs, media_type, rfc3339};
use oci::reference::Reference;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};
use store::{Arrivals, LoadedImage, Store};

/// What the new image is to be.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Its name, if any.
    pub name: Option<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// The comment in its history.
    pub message: Option<String>,
    /// Instructions of a Containerfile that change its configuration.
    pub changes: Vec<String>,
    /// With docker's media types.
    pub docker: bool,
    /// One layer of all.
    pub squash: bool,
}

impl Engine {
    /// Makes an image of what a container has changed; of one that runs, see [`Engine::paused`].
    pub fn commit(&self, container: &str, commit: &Commit) -> Result<LoadedImage> {
        let image = self.take_in(|store| self.committed(store, container, commit))?.remove(0);
        self.tell(container, "commit", &[("imageID", &image.id.to_string())]);
        Ok(image)
    }

    fn committed(&self, store: &Store, container: &str, commit: &Commit) -> Result<Arrivals> {
        let held = self.hold(container)?;
        let image = self.image_of(&held)?;
        let mut config = image.config.clone();
        take_over(&mut config.config, &held.record.config.config);
        // Before anything is packed: a wrong change must not cost a copy of the container.
        commit.changes.iter().try_for_each(|change| store::change(change, &mut config.config))?;
        let arriving = store.expect()?;
        let types = Types::of(commit.docker);
        let layer = store.put_layer(&arriving, types.layer, |out| self.pack(&held, commit, out))?;
        let diff_id = DiffId(layer.digest);
        describe(&mut config, commit, &held.record.config.command);
        let layers = if commit.squash {
            config.rootfs = RootFs { diff_ids: vec![diff_id], ..RootFs::default() };
            vec![layer]
        } else {
            config.rootfs.diff_ids.push(diff_id);
            image.manifest.layers.iter().cloned().chain([layer]).collect()
        };
        let json = |source| store::Error::Json { what: "the new image".to_owned(), source };
        let bytes = serde_json::to_vec(&config).map_err(json)?;
        let config = store.put_new(&arriving, types.config, &bytes)?;
        let id = ImageId(config.digest);
        let manifest = Manifest { media_type: types.manifest.to_owned(), ..Manifest::new(config, layers) };
        let bytes = serde_json::to_vec(&manifest).map_err(json)?;
        let descriptor = store.put_new(&arriving, types.manifest, &bytes)?;
        Ok(store.arrived(arriving, descriptor, id, commit.name.iter().cloned().collect())?)
    }

    fn pack(&self, held: &Held, commit: &Commit, out: &mut dyn std::io::Write) -> Result<()> {
        if commit.squash {
            return self.pack_whole(held, out);
        }
        let lowers = self.lowers(held)?;
        let lowers: Vec<_> = lowers.iter().map(AsFd::as_fd).collect();
        let ids = Back::upper(&held.record);
        let tree = Packed::Upper(Upper { style: self.style()?, lowers: &lowers, mounts: &held.mounts() });
        Ok(pack(held.upper()?, tree, ids.ownership(), out).map(drop).map_err(store::Error::Tree)?)
    }
}

/// Layers are not compressed: push does that for those that are sent.
struct Types {
    layer: &'static str,
    config: &'static str,
    manifest: &'static str,
}

impl Types {
    fn of(docker: bool) -> Self {
        use media_type::{CONFIG, DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, LAYER, MANIFEST};
        if docker {
            Self { layer: DOCKER_LAYER, config: DOCKER_CONFIG, manifest: DOCKER_MANIFEST }
        } else {
            Self { layer: LAYER, config: CONFIG, manifest: MANIFEST }
        }
    }
}

/// What the container was started with is how the new image starts.
fn take_over(image: &mut ContainerDefaults, container: &ContainerConfig) {
    let process = &container.process;
    for variable in &process.env {
        let name = format!("{}=", variable.name);
        image.env.retain(|other| !other.starts_with(&name));
        image.env.push(variable.to_string());
    }
    if let Some(entrypoint) = &process.entrypoint {
        image.entrypoint = (!entrypoint.is_empty()).then(|| entrypoint.clone());
        image.cmd = None;
    }
    if !process.command.is_empty() {
        image.cmd = Some(process.command.clone());
    }
    if let Some(workdir) = &process.workdir {
        image.working_dir = workdir.to_string_lossy().into_owned();
    }
    if let Some(user) = &process.user {
        image.user = user.to_string();
    }
    if let Some(signal) = process.stop_signal {
        image.stop_signal = signal.to_string();
    }
    image.labels.extend(container.labels.clone());
}

/// Writes down when, by whom and how it came about.
fn describe(config: &mut ImageConfig, commit: &Commit, command: &[String]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = rfc3339(now.as_secs() as i64, now.subsec_nanos());
    config.created = Some(now.clone());
    if commit.author.is_some() {
        config.author.clone_from(&commit.author);
    }
    // Of docker's, about a container that was another.
    for stale in ["container", "container_config", "id", "parent"] {
        config.other.remove(stale);
    }
    if commit.squash {
        config.history.clear();
    }
    config.history.push(History {
        created: Some(now),
        author: commit.author.clone(),
        created_by: Some(command.join(" ")),
        comment: commit.message.clone(),
        ..History::default()
    });
}
