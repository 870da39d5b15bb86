//! Does it: an overlay, mapped ids and an image are mounted where the data is to lie, and a container is run there, in a
//! store of its own that goes again.

use super::machine::there;
use super::{Finding, Patient};
use crate::config::{ContainerConfig, ImageRef, NetworkMode};
use crate::diagnosis;
use crate::engine::{Engine, Locations};
use crate::error::{Error, Result};
use crate::start::Io;
use crate::userns::Caller;
use oci::runtime::IdMapping;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::{Driver, XattrStyle, overlay};

/// How the directory of a trial is called, before the process that makes it.
const NAME: &str = ".coracle-doctor-";

/// The directory of a trial, which goes with it.
struct Bench {
    above: OwnedFd,
    name: String,
    path: PathBuf,
}

impl Bench {
    /// Makes it where the data lies, or in the nearest directory above that is there; those of killed ones go.
    fn make(root: &Path) -> Result<Self> {
        let above = there(root);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = || sys::fs::open(above, flags, Mode::empty()).map_err(Error::file("open", above));
        let entries = std::fs::read_dir(above).into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            let pid = name.strip_prefix(NAME).and_then(|pid| pid.parse::<i32>().ok());
            if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                drop(Self { above: dir()?, path: above.join(&name), name });
            }
        }
        let name = format!("{NAME}{}", std::process::id());
        let (path, above) = (above.join(&name), dir()?);
        sys::fs::mkdirat(&above, name.as_str(), Mode::RWXU).map_err(Error::file("make", &path))?;
        Ok(Self { above, name, path })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = layer::remove_tree(&self.above, self.name.as_str());
    }
}

pub(super) fn examine(patient: &Patient, caller: &Caller) -> Vec<Finding> {
    let bench = match Bench::make(&patient.locations.root) {
        Ok(bench) => bench,
        Err(error) => return vec![told("storage", error)],
    };
    let locations = Locations { root: bench.path.join("root"), runroot: bench.path.join("run") };
    let engine = Engine::open(locations, None).and_then(|engine| engine.enter().map(|()| engine));
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => return vec![told("container", error)],
    };
    let mut findings = vec![storage(&bench, patient, caller)];
    if caller.is_root() {
        findings.push(mapped(&bench));
    }
    findings.push(images(&engine));
    findings.push(container(&engine));
    findings
}

fn told(check: &'static str, error: Error) -> Finding {
    let error = diagnosis::of_machine(error);
    let remedy = error.hint().unwrap_or_else(|| "the message says what the kernel refused".to_owned());
    Finding::broken(check, diagnosis::told(&error), remedy)
}

fn directory(path: &Path) -> sys::Result<OwnedFd> {
    sys::fs::ensure_dir(CWD, path, Mode::from_raw_mode(0o755))?;
    sys::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
}

/// An overlay with its upper where containers are going to have theirs; it is attached nowhere.
fn storage(bench: &Bench, patient: &Patient, caller: &Caller) -> Finding {
    let mount = || {
        let (lower, own) = (directory(&bench.path.join("lower"))?, directory(&bench.path.join("own"))?);
        for name in [store::UPPER, store::WORK] {
            directory(&bench.path.join("own").join(name))?;
        }
        let xattrs = if caller.is_root() { XattrStyle::Trusted } else { XattrStyle::User };
        let options = overlay::Options { xattrs, volatile: true, attributes: 0 };
        overlay::mount(&[lower], Some(own.as_fd()), &options).map(drop)
    };
    let root = patient.locations.root.display();
    match mount() {
        Ok(()) => Finding::ok("storage", format!("an overlay was mounted beside {root}")),
        Err(source) => {
            let error = Error::System { what: "mount an overlay", source };
            let error = diagnosis::of_root(error, there(&patient.locations.root));
            told("storage", error)
        }
    }
}

/// Ids of layers that root gives another range, without copying them.
fn mapped(bench: &Bench) -> Finding {
    let one = vec![IdMapping { container_id: 0, host_id: 100_000, size: 65_536 }];
    let mount = || -> Result<()> {
        let userns = runtime::idmap::namespace(&one, &one)?;
        let lower = directory(&bench.path.join("lower")).map_err(Error::system("open a layer"))?;
        overlay::idmapped(&lower, &userns).map(drop).map_err(Error::system("map the ids of a layer"))
    };
    match mount() {
        Ok(()) => Finding::ok("mapped ids", "layers can be seen with other ids (--userns=auto)"),
        Err(error) => Finding::warning(
            "mapped ids",
            diagnosis::told(&error),
            "for --userns=auto keep the data on ext4, xfs, btrfs, or with Linux 6.3 on tmpfs: --root DIR",
        ),
    }
}

/// Layers as images, which need no unpacking.
fn images(engine: &Engine) -> Finding {
    let mounted = engine.store().and_then(|store| Ok(store.use_driver(Driver::Erofs)?));
    match mounted {
        Ok(()) => {
            let _ = engine.store().and_then(|store| Ok(store.use_driver(Driver::Overlay)?));
            Finding::ok("images", "an EROFS image was mounted from a file (--storage-driver erofs)")
        }
        // Nothing needs it that is not asked for it.
        Err(_) => {
            Finding::ok("images", "EROFS images cannot be mounted here: --storage-driver overlay is the one to use")
        }
    }
}

/// The whole walk, with this machine's own files.
fn container(engine: &Engine) -> Finding {
    let mut config = ContainerConfig::new(ImageRef::Host);
    config.remove = true;
    config.view.network = Some(NetworkMode::None);
    config.process.command = vec!["true".to_owned()];
    let began = Instant::now();
    match crate::run::run(engine, &config, Io::default(), &mut drop) {
        Ok(outcome) if outcome.code == 0 => {
            Finding::ok("container", format!("one was run, in {} ms", began.elapsed().as_millis()))
        }
        Ok(outcome) => {
            let why = outcome.death.map_or_else(String::new, |death| format!(": {death}"));
            let remedy = "coracle run --explain --rm host: true shows its steps";
            Finding::broken("container", format!("its command gave exit code {}{why}", outcome.code), remedy)
        }
        Err(error) => told("container", error),
    }
}
