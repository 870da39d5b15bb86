//! Who is measured, and how each is called.

use crate::bundle::{Bundles, cgroup};
use crate::error::{Doing as _, Result, text};
use crate::floor;
use crate::spec::{FILES, Spec};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One who starts containers.
#[derive(Debug, Clone)]
pub struct Peer {
    /// As the table has it.
    pub name: String,
    /// Its executable.
    pub program: PathBuf,
    /// What it understands.
    pub kind: Kind,
}

/// What a peer understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes the objects and nothing else.
    Floor,
    /// `run --bundle`, the OCI runtimes' command line.
    Runtime,
    /// As that, but where cgroup2 stands beside v1's hierarchies it gives up.
    RuntimeWithoutHybrid,
    /// An engine: `run --rm --network none --rootfs`.
    Engine,
    /// podman, which also needs to be told limits that it may set, and a runtime.
    Podman,
    /// bwrap, with options that come to nearly the same: no cgroup, no filter.
    Bubblewrap,
    /// util-linux's unshare: namespaces and no more.
    Unshare,
}

impl Peer {
    /// A peer given on the command line as `NAME=PATH`. Its name says what it is.
    pub fn parse(word: &str) -> Option<Self> {
        let (name, program) = word.split_once('=')?;
        let kind = match name {
            _ if name.starts_with("coracle") => Kind::Engine,
            _ if name.starts_with("podman") => Kind::Podman,
            _ if name.starts_with("bwrap") || name.starts_with("bubblewrap") => Kind::Bubblewrap,
            _ if name.starts_with("crun") => Kind::RuntimeWithoutHybrid,
            _ => Kind::Runtime,
        };
        Some(Self { name: name.to_owned(), program: program.into(), kind })
    }

    /// Those that this machine has on its search path.
    pub fn installed() -> Vec<Self> {
        let known = [
            ("unshare", Kind::Unshare),
            ("bwrap", Kind::Bubblewrap),
            ("crun", Kind::RuntimeWithoutHybrid),
            ("runc", Kind::Runtime),
            ("podman", Kind::Podman),
        ];
        let found = |(name, kind): (&str, Kind)| {
            let dirs = crate::measure::PATH.split(':');
            let program = dirs.map(|dir| Path::new(dir).join(name)).find(|file| file.is_file())?;
            Some(Self { name: name.to_owned(), program, kind })
        };
        known.into_iter().filter_map(found).collect()
    }

    /// Does it take this specification, or something like it?
    pub fn takes(&self, spec: Spec) -> bool {
        // An engine composes its own, which is like podman's.
        spec == Spec::Podman || !matches!(self.kind, Kind::Engine | Kind::Podman)
    }

    /// Its whole command line for one start. Makes the bundle that it reads.
    pub fn command(&self, spec: Spec, bundles: &Bundles) -> Result<Vec<String>> {
        let program = text(&self.program)?.to_owned();
        let (root, files) = (bundles.root(), bundles.files());
        let words = |arguments: &[&str]| {
            let arguments = arguments.iter().map(|word| (*word).to_owned());
            std::iter::once(program.clone()).chain(arguments).collect::<Vec<_>>()
        };
        let id = format!("bench-{}", self.name);
        Ok(match self.kind {
            Kind::Floor => floor::command(&self.program, spec, &root, &files, &cgroup(&self.name))?,
            Kind::Runtime | Kind::RuntimeWithoutHybrid => {
                let bundle = bundles.bundle(spec, &self.name)?;
                let state = bundles.state(&self.name);
                words(&["--root", text(&state)?, "run", "--bundle", text(&bundle)?, &id])
            }
            Kind::Engine => words(&["run", "--rm", "--network", "none", "--rootfs", text(&root)?, "/bin/true"]),
            Kind::Podman => words(&[
                "--runtime",
                "runc",
                "run",
                "--rm",
                "--network",
                "none",
                // Without CAP_SYS_RESOURCE it cannot raise its limits, and fails.
                "--ulimit",
                "nofile=1024:1024",
                "--ulimit",
                "nproc=1024:1024",
                "--rootfs",
                text(&root)?,
                "/bin/true",
            ]),
            Kind::Bubblewrap => bubblewrap(&program, spec, &root, &files)?,
            Kind::Unshare => words(&["-mpuinC", "--fork", "--root", text(&root)?, "/bin/true"]),
        })
    }

    /// What it says of its version, on one line.
    pub fn version(&self) -> Result<String> {
        if self.kind == Kind::Floor {
            return Ok(format!("{} bytes", floor::PROGRAM.len()));
        }
        let output = Command::new(&self.program).arg("--version").output();
        let output = output.doing(|| format!("starting {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.lines().next().unwrap_or("unknown").to_owned())
    }
}

/// Mounts, namespaces and capabilities as the specification has them, as far as there are options for it.
fn bubblewrap(program: &str, spec: Spec, root: &Path, files: &Path) -> Result<Vec<String>> {
    let mut words: Vec<String> = vec![program.to_owned()];
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    add(&["--unshare-pid", "--unshare-uts", "--unshare-ipc", "--unshare-net", "--unshare-cgroup", "--bind"]);
    add(&[
        text(root)?,
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--mqueue",
        "/dev/mqueue",
        "--ro-bind",
        "/sys",
        "/sys",
    ]);
    match spec {
        Spec::Empty => add(&["--tmpfs", "/run"]),
        Spec::Podman => {
            for (name, at) in FILES.iter().zip(["/etc/hosts", "/etc/hostname", "/run/.containerenv", "/dev/shm"]) {
                add(&["--bind", text(&files.join(name))?, at]);
            }
            add(&["--hostname", "bench", "--cap-drop", "ALL"]);
            for name in crate::capabilities::NAMES {
                add(&["--cap-add", name]);
            }
        }
    }
    add(&["/bin/true"]);
    Ok(words)
}
