//! The check of volumes: each has a record, and a directory for its files. What is in it is not looked at.

use super::{Check, reason};
use crate::Result;
use crate::file::{Sync, open_dir, write_record};
use crate::temporary::lock;
use crate::volume::{DATA, RECORD, VOLUMES, Volume};
use rustix::fs::Mode;
use std::collections::BTreeMap;
use std::os::fd::AsFd;

impl Check<'_> {
    pub(super) fn volumes(&mut self) -> Result<()> {
        for name in self.store.volume_names()? {
            self.checked.volumes += 1;
            let volumes = self.store.dir(VOLUMES)?;
            // Whoever fills it or removes it is waited for.
            let Some((dir, _lock)) = lock(volumes.as_fd(), name.as_str())? else { continue };
            let what = format!("volume {name}");
            let problem = match self.store.volume(&name) {
                Ok(found) if found.volume.name == name => None,
                Ok(found) => Some(format!("its record is that of {}", found.volume.name)),
                Err(error) => Some(reason(&error)),
            };
            if let Some(problem) = problem {
                self.mend(&what, problem, "a new record, without labels and options", |_| {
                    let created = rustix::fs::fstat(&dir).map_or(0, |stat| stat.st_mtime.unsigned_abs());
                    let (labels, options) = (BTreeMap::new(), BTreeMap::new());
                    let volume = Volume { name: name.clone(), created, anonymous: false, labels, options };
                    write_record(dir.as_fd(), RECORD, &volume, Sync::Durable)
                })?;
            }
            if open_dir(&dir, DATA).is_err() {
                self.mend(&what, "its files are gone", "made anew, empty", |_| {
                    Ok(sys::fs::ensure_dir(&dir, DATA, Mode::from_raw_mode(0o755)).map(drop)?)
                })?;
            }
        }
        Ok(())
    }
}
