//! Volumes as their users know them: made, listed, looked at, filled, emptied into a tar, removed.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Kind;
use crate::record::now;
use crate::transfer::{Owners, Sent, receive};
use layer::{Decoder, Ownership, Packed, pack};
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use store::{BrokenVolume, Volume, VolumeName};
use sys::fs::RootDir;

/// A volume, and who uses it.
#[derive(Debug)]
pub struct ListedVolume {
    /// The volume.
    pub volume: Volume,
    /// The names of the containers that have it.
    pub users: Vec<String>,
}

/// A volume to be made.
#[derive(Debug, Default)]
pub struct NewVolume {
    /// Its name; without one it gets a random one.
    pub name: Option<VolumeName>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of its driver.
    pub options: BTreeMap<String, String>,
    /// One that is there will do, whatever its options.
    pub ignore: bool,
}

impl Engine {
    /// Where the files of a volume lie.
    pub fn volume_path(&self, name: &VolumeName) -> PathBuf {
        store::volume_path(&self.locations().root, name)
    }

    /// Makes a volume. One of that name that has these options already will do, as under docker.
    pub fn create_volume(&self, new: NewVolume) -> Result<VolumeName> {
        self.enter()?;
        let anonymous = new.name.is_none();
        let name = new.name.map_or_else(VolumeName::random, Ok)?;
        let volume = Volume { name, created: now(), anonymous, labels: new.labels, options: new.options };
        let store = self.store()?;
        if store.create_volume(&volume)? {
            self.tell_volume("create", &volume.name);
        } else if !new.ignore && store.volume(&volume.name)?.volume.options != volume.options {
            return Err(store::Error::VolumeExists(volume.name.to_string()).into());
        }
        Ok(volume.name)
    }

    /// The volume of this name.
    pub fn volume(&self, text: &str) -> Result<Volume> {
        Ok(self.store()?.volume(&named(text)?)?.volume)
    }

    /// All volumes, and those whose records are damaged.
    pub fn volumes(&self) -> Result<Vec<std::result::Result<ListedVolume, BrokenVolume>>> {
        self.clean_up();
        let store = self.store()?;
        let users = store.volume_users(None)?;
        let listed = |volume: Volume| ListedVolume { users: users.of(&volume.name), volume };
        Ok(store.volumes()?.into_iter().map(|volume| volume.map(listed)).collect())
    }

    /// Removes a volume that no container uses.
    pub fn remove_volume(&self, text: &str) -> Result<()> {
        self.clean_up();
        self.enter()?;
        let name = named(text)?;
        self.store()?.remove_volume(&name, None)?;
        self.tell_volume("destroy", &name);
        Ok(())
    }

    fn tell_volume(&self, action: &str, name: &VolumeName) {
        self.tell_named(Kind::Volume, action, name.as_str(), name.as_str());
    }

    /// Writes the files of a volume as a tar. One that is in use may change meanwhile.
    pub fn export_volume(&self, text: &str, out: impl Write) -> Result<()> {
        self.enter()?;
        let dir = self.store()?.volume(&named(text)?)?;
        plain(&dir.volume)?;
        pack(dir.data()?, Packed::Whole, Ownership::AsRecorded, out).map(drop).map_err(store::Error::Tree)?;
        Ok(())
    }

    /// Puts what is in a tar, compressed or not, into a volume, in the place of what has the same names.
    pub fn import_volume(&self, text: &str, tar: impl Read) -> Result<()> {
        self.enter()?;
        let dir = self.store()?.volume(&named(text)?)?;
        plain(&dir.volume)?;
        let root = RootDir::new(dir.data()?);
        let tar = BufReader::with_capacity(1 << 16, Decoder::new(tar).map_err(store::Error::Tree)?);
        receive(&root, "/", Sent::Anything, Owners::Of { kept: true, map: &|uid, gid| (uid, gid) }, tar)
    }
}

/// What is no name is the name of no volume.
fn named(text: &str) -> Result<VolumeName> {
    text.parse().map_err(|_| Error::from(store::Error::NoSuchVolume(text.to_owned())))
}

/// Whose files lie here.
fn plain(volume: &Volume) -> Result<()> {
    if volume.is_mounted() { Err(store::Error::VolumeElsewhere(volume.name.to_string()).into()) } else { Ok(()) }
}
