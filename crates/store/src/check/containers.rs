//! The check of containers: each has a record, its name, and the layers below its own.

use super::{Check, Repair, reason};
use crate::container::{UPPER, WORK};
use crate::file::open_dir;
use crate::sweep::{Holder, holder};
use crate::{Container, ContainerId, Result};
use serde::de::IgnoredAny;
use std::os::fd::AsFd;

impl Check<'_> {
    pub(super) fn containers(&mut self) -> Result<()> {
        for container in self.store.containers::<IgnoredAny>()? {
            self.checked.containers += 1;
            match container {
                Err(broken) => self.drop_container(&broken.id, &reason(&broken.error))?,
                Ok(container) => self.container(&container)?,
            }
        }
        Ok(())
    }

    fn container(&mut self, container: &Container<IgnoredAny>) -> Result<()> {
        let (id, name) = (&container.id, &container.name);
        let (names, all) = (self.store.dir("names")?, self.store.dir("containers")?);
        match holder(names.as_fd(), name.as_str(), all.as_fd())? {
            Holder::Container(holder) if holder == *id => {}
            Holder::Container(holder) => {
                let problem = format!("its name {name} is that of container {}", holder.short());
                self.found(format!("container {}", id.short()), problem, None);
            }
            _ => self.mend(
                format!("container {}", id.short()),
                format!("its name {name} is gone"),
                "named again",
                |store| store.take_name(name, id),
            )?,
        }
        let layers = self.store.layer_dirs()?;
        let gone = container.layers.iter().find(|layer| layers.iter().all(|dir| open_dir(dir, layer.0.hex()).is_err()));
        if let Some(layer) = gone {
            return self.drop_container(id, &format!("its layer {} is gone", layer.0));
        }
        if !container.layers.is_empty() {
            for part in [UPPER, WORK] {
                if open_dir(&all, format!("{id}/{part}")).is_err() {
                    return self.drop_container(id, &format!("its directory {part} is gone"));
                }
            }
        }
        Ok(())
    }

    /// What was written in a container exists nowhere else, so it goes only where that was asked for.
    fn drop_container(&mut self, id: &ContainerId, problem: &str) -> Result<()> {
        let done = if self.repair == Repair::Containers {
            let mut container = self.store.container(id)?;
            // One that runs is nobody's to remove.
            if container.try_lock()? {
                container.remove(self.store)?;
                Some("removed")
            } else {
                None
            }
        } else {
            None
        };
        let problem =
            if done.is_none() && self.mends() { format!("{problem}; --force removes it") } else { problem.to_owned() };
        self.found(format!("container {}", id.short()), problem, done);
        Ok(())
    }
}
