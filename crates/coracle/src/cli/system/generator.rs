//! `coracle system generator`: what systemd calls to learn which files of Quadlet are services of its
//! (systemd.generator(7)).

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};
use quadlet::{Setting, Unit, service};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const HELP: Help = Help {
    usage: &["system generator [OPTIONS] DIRECTORY...", "system generator [OPTIONS] --dry-run"],
    about: "Make systemd's services of .container, .volume and .image files",
    more: &["systemd runs it at each start and daemon-reload where a link to coracle stands among its generators; \
         docs/systemd.md tells where. The files are those of podman-systemd.unit(5)."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "system generator", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    dry_run: bool,
    user: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("dry-run", |g, on| g.dry_run = on, "Print the services").alias("dryrun").under("Options"),
    F::switch("user", |g, on| g.user = on, "For the user's own systemd").under("Options"),
];

/// Kinds of files.
const KINDS: [&str; 6] = ["container", "volume", "image", "network", "pod", "kube"];

fn run(words: &[String], _: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let Some(directory) = words.first().map(Path::new).or_else(|| given.dry_run.then_some(Path::new("/"))) else {
        return Err(Failure::words(
            "a directory is needed",
            "systemd names it; --dry-run prints what would be written",
        ));
    };
    let program = std::env::current_exe().map_err(|error| Failure::unreadable("coracle", "", error))?;
    let mut found = Found::default();
    for place in places(given.user) {
        found.look(&place);
    }
    for (name, file) in &found.files {
        let Some(unit) = found.units.get(name) else { continue };
        let setting = Setting { program: &program.to_string_lossy(), file, files: &found.units, user: given.user };
        match service(unit, &setting) {
            Err(error) => {
                found.all_good = false;
                Failure::warn(&format!("{}: no service is made of it", file.display()), &error);
            }
            Ok(service) if given.dry_run => print(&format!("---{}---\n{}\n", service.name, service.unit))?,
            Ok(service) => {
                write(directory, &service).map_err(|error| Failure::unreadable("write", &service.name, error))?;
            }
        }
    }
    Ok(u8::from(!found.all_good))
}

/// Where files lie, those that win first. `QUADLET_UNIT_DIRS` stands for all of them.
fn places(user: bool) -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(list) = variable("QUADLET_UNIT_DIRS") {
        return std::env::split_paths(&list).collect();
    }
    if !user {
        return ["/run", "/etc", "/usr/share"].map(|place| Path::new(place).join("containers/systemd")).to_vec();
    }
    let home = || Some(PathBuf::from(variable("HOME")?).join(".config"));
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    let own = [variable("XDG_RUNTIME_DIR").map(PathBuf::from), config].into_iter().flatten();
    let uid = rustix::process::getuid().as_raw();
    let given = [format!("/etc/containers/systemd/users/{uid}"), "/etc/containers/systemd/users".to_owned()];
    own.map(|place| place.join("containers/systemd")).chain(given.map(PathBuf::from)).collect()
}

/// The files that were found.
struct Found {
    /// With their drop-ins, by name.
    units: BTreeMap<String, Unit>,
    /// Where each lies.
    files: BTreeMap<String, PathBuf>,
    /// Nothing was wrong with any.
    all_good: bool,
}

impl Default for Found {
    fn default() -> Self {
        Self { units: BTreeMap::new(), files: BTreeMap::new(), all_good: true }
    }
}

impl Found {
    /// Reads the files of a directory and of those below it. What was found before wins.
    fn look(&mut self, place: &Path) {
        for path in sorted(place) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            // Those of single users lie below those of the machine.
            if path.is_dir() && kind != "d" && name != "users" {
                self.look(&path);
            }
            if !KINDS.contains(&kind) || !path.is_file() || self.files.contains_key(&name) {
                continue;
            }
            match read(&path) {
                Ok(unit) => drop(self.units.insert(name.clone(), unit)),
                Err(failure) => {
                    self.all_good = false;
                    _ = failure.report(VERB.name);
                }
            }
            self.files.insert(name, path);
        }
    }
}

fn sorted(place: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort_unstable();
    entries
}

/// A file and its drop-ins.
fn read(path: &Path) -> Result<Unit, Failure> {
    let parse = |path: &Path| {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Failure::unreadable("read", &shown, error))?;
        Unit::parse(&text).map_err(|error| Failure::because(&shown, error))
    };
    let mut unit = parse(path)?;
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    for path in sorted(Path::new(&directory)) {
        if path.extension().is_some_and(|extension| extension == "conf") {
            unit.extend(parse(&path)?);
        }
    }
    Ok(unit)
}

/// Writes a service and its links.
fn write(directory: &Path, service: &quadlet::Service) -> io::Result<()> {
    let path = directory.join(&service.name);
    fs::write(&path, service.unit.to_string())?;
    // What it says in variables is not for everybody.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    for link in &service.links {
        let at = directory.join(link);
        let up = if link.contains('/') { "../" } else { "" };
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        match symlink(format!("{up}{}", service.name), &at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    Ok(())
}
