//! What all verbs need: the engine, opened when it is needed and not before.

use super::Failure;
use engine::{Driver, Engine, Locations, Places};
use std::path::PathBuf;

/// Where the engine works.
pub struct Context {
    root: Option<String>,
    runroot: Option<String>,
    driver: Option<Driver>,
}

impl Context {
    /// `--root`, `--runroot` and `--storage-driver`, as far as they were given.
    pub fn new(root: Option<String>, runroot: Option<String>, driver: Option<Driver>) -> Self {
        Self { root, runroot, driver }
    }

    /// The engine.
    pub fn engine(&self) -> Result<Engine, Failure> {
        let path = std::env::var("PATH").unwrap_or_default();
        Ok(Engine::open(self.locations()?, self.driver)?.with_path(&path))
    }

    /// Its places. Flags win over the environment; relative ones are taken from the working directory.
    pub fn locations(&self) -> Result<Locations, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let place = |given: &Option<String>, name| -> Result<Option<PathBuf>, Failure> {
            let place = given.as_ref().map(PathBuf::from).or_else(|| variable(name));
            place.map(|place| std::path::absolute(&place).map_err(|e| Failure::unreadable(name, ".", e))).transpose()
        };
        let places = Places {
            root: place(&self.root, "CORACLE_ROOT")?,
            runroot: place(&self.runroot, "CORACLE_RUNROOT")?,
            data_home: variable("XDG_DATA_HOME"),
            runtime_dir: variable("XDG_RUNTIME_DIR"),
            home: variable("HOME"),
        };
        Ok(Locations::choose(places, rustix::process::geteuid().as_raw())?)
    }
}
