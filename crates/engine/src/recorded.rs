//! What is recorded of a start, as a container's directory keeps it: what was made and asked for, and every system call.
//!
//! The file begins with a line of JSON; behind it are the records of the calls as they were noted. So it costs a few writes,
//! for nobody knows yet whether somebody is going to ask; the words are found when he does.

use crate::config::{ContainerConfig, ImageRef};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explanation::{Asked, Explanation, Root};
use crate::record::Record;
use crate::root::Source;
use crate::spec::Composed;
use crate::start::Place;
use crate::surroundings::Surroundings;
use oci::runtime::Spec;
use runtime::{Recording, Subject};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use store::{Container, ContainerDir, Layer};

/// In a container's directory: how it was started last.
const START: &str = "start";

/// The form of that file.
const VERSION: u32 = 1;

/// What is known of a start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recorded<'a> {
    version: u32,
    /// The container's id.
    pub id: Cow<'a, str>,
    /// Its name.
    pub name: Cow<'a, str>,
    /// What its root is made of.
    pub root: Root,
    /// When it began (CLOCK_BOOTTIME, nanoseconds).
    pub began: u64,
    /// What the steps of its plan are for; none where it did not come to one.
    pub subjects: Vec<Subject>,
    /// Who asked for what.
    pub origins: Vec<(Cow<'a, str>, Asked)>,
    /// What surrounded it.
    #[serde(default)]
    pub around: Surroundings,
    /// The specification; an empty one where it did not come to one.
    pub spec: Cow<'a, Spec>,
    /// The calls, and the steps' beginnings, for [`sys::Record::read`].
    #[serde(skip)]
    pub calls: Vec<u8>,
}

impl<'a> Recorded<'a> {
    /// What was recorded up to now.
    pub fn new(
        (engine, place): (&Engine, &Place),
        recording: &Recording,
        container: &'a Container<Record>,
        root: Root,
        composed: Option<&'a Composed>,
    ) -> Self {
        let around = Surroundings::of(engine, &container.config.config, place, composed);
        let origins = composed.map(|composed| &composed.origins[..]).unwrap_or_default();
        Self {
            version: VERSION,
            id: container.id.as_str().into(),
            name: container.name.as_str().into(),
            root,
            began: sys::began(),
            subjects: recording.subjects(),
            origins: origins.iter().map(|(path, origin)| (path.as_str().into(), (*origin).into())).collect(),
            spec: composed.map(|composed| around.without_secrets(&composed.spec)).unwrap_or_default(),
            around,
            calls: recording.bytes(),
        }
    }

    /// The same of a process that is no container of ours.
    pub fn bare(name: &'a str, recording: &Recording, root: Root, spec: Spec) -> Self {
        Self {
            version: VERSION,
            id: Cow::default(),
            name: name.into(),
            root,
            began: sys::began(),
            subjects: recording.subjects(),
            origins: Vec::new(),
            spec: Cow::Owned(spec),
            around: Surroundings::default(),
            calls: recording.bytes(),
        }
    }

    /// Keeps it with its container. A full disk is no reason to end what has begun.
    pub fn keep(&self, dir: &ContainerDir) {
        let mut bytes = Vec::with_capacity((16 << 10) + self.calls.len());
        if serde_json::to_writer(&mut bytes, self).is_ok() {
            bytes.push(b'\n');
            bytes.extend(&self.calls);
            let _ = dir.note(START, &bytes);
        }
    }

    /// In words, with what is to be seen of the machine now.
    pub fn explain(mut self, engine: &Engine) -> Explanation {
        self.around.look(engine, &self.root);
        self.into()
    }

    /// What is kept of a container's last start.
    pub fn find(engine: &Engine, container: &str) -> Result<Self> {
        let id = engine.find(container)?;
        let missing = || Error::NotRecorded(container.to_owned());
        let bytes = engine.store()?.container(&id)?.noted(START)?.ok_or_else(missing)?;
        read(&bytes).ok_or_else(missing)
    }
}

fn read(bytes: &[u8]) -> Option<Recorded<'static>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let mut recorded: Recorded<'static> = serde_json::from_slice(&bytes[..end]).ok()?;
    recorded.calls = bytes[end + 1..].to_vec();
    (recorded.version == VERSION).then_some(recorded)
}

impl Root {
    /// That of a container that is about to be made.
    pub(crate) fn of(engine: &Engine, config: &ContainerConfig, source: &Source) -> Self {
        match &config.image {
            ImageRef::Host => Self::Host,
            ImageRef::Rootfs(rootfs) => Self::Directory(rootfs.path.clone()),
            ImageRef::Name(_) => Self::Layers(source.layers.iter().map(|layer| layer_at(engine, layer)).collect()),
        }
    }
}

/// Where a layer lies: that of an image is a mount that is attached nowhere, whose path is its own root.
fn layer_at(engine: &Engine, layer: &Layer) -> PathBuf {
    let seen = std::fs::read_link(format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd())).unwrap_or_default();
    if seen != Path::new("/") {
        return seen;
    }
    let root = &engine.locations().root;
    root.join("layers").join(layer.id.0.hex()).join("layer.erofs")
}
