//! The engine: where its data and its run state lie, and who it works for.

use crate::commons::Commons;
use crate::config::{ContainerConfig, UsernsMode};
use crate::diagnosis;
use crate::error::{Error, Result};
use crate::joined;
use crate::userns::Caller;
use monitor::RunDir;
use rustix::fs::{CWD, Mode};
use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use store::{Driver, Store};

/// Where data and run state lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    /// Images, layers, containers: survives a reboot.
    pub root: PathBuf,
    /// What is true only while containers run.
    pub runroot: PathBuf,
}

/// What the command line and the environment say about places; the engine itself reads no environment.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `--root` or `CORACLE_ROOT`.
    pub root: Option<PathBuf>,
    /// `--runroot` or `CORACLE_RUNROOT`.
    pub runroot: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

impl Locations {
    /// Chooses them: root has the machine's directories, everybody else his own (XDG base directories).
    pub fn choose(places: Places, uid: u32) -> Result<Self> {
        let Places { root, runroot, data_home, runtime_dir, home } = places;
        if uid == 0 {
            return Ok(Self {
                root: root.unwrap_or_else(|| "/var/lib/coracle".into()),
                runroot: runroot.unwrap_or_else(|| "/run/coracle".into()),
            });
        }
        let data = || data_home.or_else(|| home.map(|home| home.join(".local/share")));
        let root = match root {
            Some(root) => root,
            None => data().ok_or(Error::NoHome("HOME"))?.join("coracle"),
        };
        let runroot = match (runroot, runtime_dir) {
            (Some(runroot), _) => runroot,
            (None, Some(dir)) => dir.join("coracle"),
            // No login session made one; podman falls back to the same kind of place.
            (None, None) => PathBuf::from(format!("/tmp/coracle-run-{uid}")),
        };
        Ok(Self { root, runroot })
    }
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    locations: Locations,
    store: OnceCell<Store>,
    driver: Option<Driver>,
    caller: Caller,
    entered: Cell<bool>,
    no_setgroups: Cell<bool>,
    commons: OnceCell<Commons>,
    among_networks: Cell<bool>,
    pasta: bool,
    pub(crate) has_cleaned: Cell<bool>,
}

impl Engine {
    /// Opens it, making its directories where they are missing. With a driver, new layers are unpacked so from now on.
    pub fn open(locations: Locations, driver: Option<Driver>) -> Result<Self> {
        let caller = Caller::look();
        make_private(&locations.runroot)?;
        monitor::ensure_dirs(&locations.runroot)?;
        if let Some(parent) = locations.root.parent() {
            make_parents(parent)?;
        }
        Ok(Self {
            locations,
            store: OnceCell::new(),
            driver,
            caller,
            entered: Cell::new(false),
            no_setgroups: Cell::new(false),
            commons: OnceCell::new(),
            among_networks: Cell::new(false),
            pasta: false,
            has_cleaned: Cell::new(false),
        })
    }

    /// Programs are looked for in these directories, `:` between them.
    #[must_use]
    pub fn with_path(self, path: &str) -> Self {
        Self { pasta: network::pasta::is_installed(path), ..self }
    }

    /// pasta(1) is there, by which an ordinary user's containers reach the network.
    pub(crate) fn has_pasta(&self) -> bool {
        self.pasta
    }

    /// Where things lie.
    pub fn locations(&self) -> &Locations {
        &self.locations
    }

    /// Images, layers and records. Opened when it is first wanted, which for whoever is to [`Engine::enter`] is after
    /// that: an overlay takes no directory that was opened in another mount namespace.
    pub fn store(&self) -> Result<&Store> {
        if self.store.get().is_none() {
            let opened = Store::open(&self.locations.root);
            let store = opened.map_err(|error| diagnosis::of_store(error.into(), &self.locations.root))?;
            if let Some(driver) = self.driver {
                store.use_driver(driver)?;
            }
            let _ = self.store.set(store);
        }
        self.store.get().ok_or(Error::NoHome("the store"))
    }

    /// Who works with it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The run directory of a container.
    pub fn run_dir(&self, id: &str) -> PathBuf {
        RunDir::path_of(&self.locations.runroot, id)
    }

    /// An ordinary user becomes root of a user namespace of his own, where the files of layers and containers have
    /// their owners, and overlays can be mounted. For root nothing happens, nor a second time.
    ///
    /// No process holds this namespace for later, but for one that containers in networks share (see [`Commons`]): every
    /// other command makes its own with the same maps, and what is on disk looks the same in each.
    pub fn enter(&self) -> Result<()> {
        if self.caller.is_root() || self.entered.get() {
            return Ok(());
        }
        let denied = match Commons::find(&self.locations.runroot) {
            Some(commons) => {
                let denied = commons.join()?;
                let _ = self.commons.set(commons);
                denied
            }
            None => self.enter_own()?,
        };
        self.has_entered(denied);
        Ok(())
    }

    /// The same for a container: the user namespace that it asks for has to be reached, or that of its networks.
    pub fn enter_for(&self, config: &ContainerConfig) -> Result<()> {
        if self.caller.is_root() {
            return Ok(());
        }
        let in_networks = !config.networks().is_empty();
        if let Some(UsernsMode::Path(path)) = &config.view.userns {
            if in_networks {
                let problem = "one in a network is born beside the others there: leave out one of both".to_owned();
                return Err(Error::Userns { mode: "ns", problem });
            }
            if !self.entered.get() {
                self.has_entered(joined::enter(path)?);
            }
            return Ok(());
        }
        if !in_networks || self.commons.get().is_some() {
            return self.enter();
        }
        let own = || if self.entered.get() { Ok(self.no_setgroups.get()) } else { self.enter_own() };
        let (commons, denied) = Commons::enter(&self.locations.runroot, || self.cut_off().is_none(), own)?;
        let _ = self.commons.set(commons);
        self.has_entered(denied);
        Ok(())
    }

    fn enter_own(&self) -> Result<bool> {
        let maps = self.caller.base_maps();
        let entered = runtime::idmap::enter(&maps.uids, &maps.gids);
        entered.map_err(|error| diagnosis::of_namespace(error.into(), &self.caller))
    }

    fn has_entered(&self, no_setgroups: bool) {
        self.no_setgroups.set(no_setgroups);
        self.entered.set(true);
    }

    /// From here on this process is where the networks are, which for an ordinary user is not the machine's network
    /// namespace, and does not come back. Nothing happens for root. `false` if there are no networks now.
    pub(crate) fn go_to_networks(&self) -> Result<bool> {
        if self.caller.is_root() || self.among_networks.get() {
            return Ok(true);
        }
        if self.commons.get().is_none() {
            let Some(commons) = Commons::find(&self.locations.runroot) else { return Ok(false) };
            if !self.entered.get() {
                self.has_entered(commons.join()?);
            }
            let _ = self.commons.set(commons);
        }
        if let Some(commons) = self.commons.get() {
            commons.go()?;
        }
        self.among_networks.set(true);
        Ok(true)
    }

    /// This process is an ordinary user's, and where his networks are.
    pub(crate) fn has_gone_to_networks(&self) -> bool {
        self.among_networks.get()
    }

    /// Does what has to be done where the networks are, and comes back: a child goes there. Elsewhere files alone are
    /// changed.
    pub(crate) fn where_networks_are(&self, work: impl Fn()) {
        if self.caller.is_root() || self.among_networks.get() || Commons::find(&self.locations.runroot).is_none() {
            return work();
        }
        let child = || {
            let there = self.go_to_networks();
            work();
            i32::from(there.is_err())
        };
        match sys::process::fork(child) {
            Ok(child) => drop(sys::process::wait(&child.pidfd)),
            Err(_) => work(),
        }
    }

    /// setgroups(2) works in the namespace that was entered.
    pub fn setgroups(&self) -> bool {
        !self.no_setgroups.get()
    }
}

fn ensure(path: &Path) -> Result<()> {
    sys::fs::ensure_dir(CWD, path, Mode::from_raw_mode(0o700)).map(drop).map_err(Error::file("make", path))
}

/// Makes a directory, and those above it.
pub(crate) fn make_parents(path: &Path) -> Result<()> {
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_parents(parent)?;
    }
    sys::fs::ensure_dir(CWD, path, Mode::from_raw_mode(0o755)).map(drop).map_err(Error::file("make", path))
}

/// Makes the run directory, or checks that the one that is there is ours alone: it may lie in /tmp, where anybody can
/// make directories.
fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    if let Some(parent) = path.parent() {
        make_parents(parent)?;
    }
    ensure(path)?;
    let ours = std::fs::symlink_metadata(path).is_ok_and(|meta| {
        meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
    });
    if ours {
        return Ok(());
    }
    let denied = sys::Error::new("lstat", path.to_string_lossy(), sys::Errno::ACCESS);
    Err(Error::File { what: "trust (owned or writable by others)", path: path.into(), source: denied })
}
