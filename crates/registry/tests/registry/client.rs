//! Clients whose settings lie in a directory of the test's own.

use registry::{Client, Environment, Patience, Settings};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A directory that is home, /etc and runtime directory of a client.
pub struct World {
    dir: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, such as `etc/containers/registries.conf`.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory");
        fs::write(&path, text).expect("a file");
        path
    }

    pub fn environment(&self) -> Environment {
        let path = format!("{}:/usr/bin:/bin", self.join("bin").display());
        let variable = |name: &str| match name {
            "HOME" => Some(self.join("home").into_os_string()),
            "XDG_RUNTIME_DIR" => Some(self.join("run").into_os_string()),
            "PATH" => Some(OsString::from(&path)),
            _ => None,
        };
        // Not root, whose cache of short names is the machine's.
        Environment { etc: self.join("etc"), ..Environment::new(variable, 1000) }
    }

    /// Settings with little patience.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::read(self.environment()).expect("settings");
        settings.patience = Patience {
            attempts: 4,
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_secs(2),
            idle: Duration::from_millis(400),
            answer: Duration::from_secs(3),
            document: Duration::from_secs(5),
            ..Patience::default()
        };
        settings
    }

    pub fn client(&self) -> Client {
        Client::new(self.settings())
    }
}
