//! Secrets: kept in the store, and shown to containers in memory. They are in no image, no record and no list.

use crate::config::{ContainerConfig, SecretPlace};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Kind;
use crate::record::now;
use crate::spec::{SecretFile, Secrets, UserNamespace};
use monitor::RunDir;
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use std::collections::BTreeMap;
use store::NewSecret;
pub use store::{LARGEST_SECRET, Secret};

impl Engine {
    /// Makes a secret; returns its id. With `replace`, one that has the name gives way.
    pub fn create_secret(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        data: Vec<u8>,
        replace: bool,
    ) -> Result<String> {
        let id = self.store()?.create_secret(NewSecret { name, labels, data, now: now(), replace })?;
        self.tell_named(Kind::Secret, "create", &id, name);
        Ok(id)
    }

    /// All secrets.
    pub fn secrets(&self) -> Result<Vec<Secret>> {
        Ok(self.store()?.secrets()?)
    }

    /// The secret with this name or id.
    pub fn secret(&self, text: &str) -> Result<Secret> {
        Ok(self.store()?.secret(text)?)
    }

    /// Removes a secret; returns its id. A container that has it keeps what it sees until its next start.
    pub fn remove_secret(&self, text: &str) -> Result<String> {
        let name = self.secret(text)?.name;
        let id = self.store()?.remove_secret(text)?;
        self.tell_named(Kind::Secret, "remove", &id, &name);
        Ok(id)
    }
}

/// Looks whether the secrets of a container are there, before it is made.
pub(crate) fn are_there(engine: &Engine, config: &ContainerConfig) -> Result<()> {
    config.files.secrets.iter().try_for_each(|asked| engine.secret(&asked.name).map(drop))
}

/// Writes a container's secrets into its run directory, which lies in memory, for the ids that it has.
pub(crate) fn place(
    engine: &Engine,
    run_dir: &RunDir,
    config: &ContainerConfig,
    namespace: &UserNamespace,
) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    for (number, asked) in config.files.secrets.iter().enumerate() {
        let secret = engine.secret(&asked.name)?;
        match &asked.place {
            SecretPlace::Variable(name) => {
                let value = String::from_utf8(secret.data).ok().filter(|value| !value.contains('\0'));
                let value = value.ok_or_else(|| Error::SecretVariable(secret.name))?;
                secrets.variables.push((name.clone(), value));
            }
            SecretPlace::File { path, uid, gid, mode } => {
                let name = format!("secret-{number}");
                run_dir.add(&name, &secret.data, 0o600)?;
                let nobody = || Error::SecretOwner { secret: secret.name, uid: *uid, gid: *gid };
                let (owner, group) = namespace.on_host(*uid, *gid).ok_or_else(nobody)?;
                let file = run_dir.path().join(&name);
                let owned = sys::fs::fchownat(
                    run_dir,
                    &*name,
                    Some(Uid::from_raw(owner)),
                    Some(Gid::from_raw(group)),
                    AtFlags::SYMLINK_NOFOLLOW,
                );
                let owned = owned.and_then(|()| sys::fs::fchmodat(run_dir, &*name, Mode::from_raw_mode(*mode)));
                owned.map_err(Error::file("give the container", file.as_path()))?;
                secrets.files.push(SecretFile { source: file, destination: path.as_str().to_owned() });
            }
        }
    }
    Ok(secrets)
}
