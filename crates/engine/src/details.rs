//! What is known of a container beside its record: where its files lie, and who holds it.

use crate::containers::Listed;
use crate::engine::Engine;
use crate::error::Result;
use crate::start::SPEC;
use monitor::RunDir;
use oci::runtime::Spec;
use std::path::PathBuf;
use store::Image;

/// Where things are.
#[derive(Debug)]
pub struct Details {
    /// The image that it was made from, if that is still there.
    pub image: Option<Image>,
    /// Its directory in the store.
    pub dir: PathBuf,
    /// The directory of what is true while it runs.
    pub run_dir: PathBuf,
    /// Who holds it.
    pub holder: Option<i32>,
    /// Its cgroup in the first of the machine's hierarchies.
    pub cgroup: Option<String>,
    /// What runs, if it does.
    pub spec: Option<Box<Spec>>,
}

impl Engine {
    /// Looks at all that is there.
    pub fn details(&self, listed: &Listed) -> Result<Details> {
        let id = listed.container.id.as_str();
        let path = self.run_dir(id);
        let run_dir = RunDir::open(&path).ok();
        let state = run_dir.as_ref().and_then(|run_dir| run_dir.state().ok().flatten());
        let alive = run_dir.as_ref().filter(|_| listed.status.is_alive());
        let spec = alive.and_then(|run_dir| serde_json::from_slice(&run_dir.read(SPEC)?).ok());
        Ok(Details {
            image: listed.container.image.and_then(|id| self.image(&id.to_string()).ok()),
            dir: self.store()?.path().join("containers").join(id),
            run_dir: path,
            holder: run_dir.as_ref().and_then(RunDir::holder).map(|holder| holder.pid),
            cgroup: state.and_then(|state| state.cgroup.into_values().next()),
            spec,
        })
    }
}
