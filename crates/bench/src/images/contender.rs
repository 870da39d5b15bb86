//! Who is measured with images, and what each is told for a step.

use crate::error::{Doing as _, Result, text};
use crate::images::daemon::{Address, Daemon};
use crate::images::disk::Disk;
use crate::images::tree::{self, Cost};
use std::fs;
use std::path::{Path, PathBuf};

/// What is done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It comes from the registry and is unpacked, into an empty store.
    Pull,
    /// The same once more.
    Again,
    /// It becomes an archive.
    Save,
    /// It goes to an empty registry.
    Push,
    /// A container's change of 100 MB becomes an image.
    Commit,
    /// The image that was pulled is removed.
    Remove,
    /// It comes from an archive and is unpacked, into an empty store.
    Load,
}

impl Step {
    /// All, in the order of a round.
    pub const ALL: [Self; 7] =
        [Self::Pull, Self::Again, Self::Save, Self::Push, Self::Commit, Self::Remove, Self::Load];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Again => "again",
            Self::Save => "save",
            Self::Push => "push",
            Self::Commit => "commit",
            Self::Remove => "rmi",
            Self::Load => "load",
        }
    }
}

/// One who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contender {
    /// As the table has it.
    pub name: String,
    /// What it is, or begins with.
    pub kind: Kind,
    /// Its program.
    pub program: String,
}

/// How a contender is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours, with this storage driver.
    Coracle(&'static str),
    /// podman.
    Podman,
    /// skopeo fetches, umoci unpacks.
    Umoci,
    /// ctr, with a containerd.
    Containerd,
    /// docker, with a dockerd and a containerd.
    Docker,
}

/// What steps are about.
#[derive(Debug, Clone)]
pub struct Names {
    /// The image in the registry.
    pub image: String,
    /// Its name in the empty one.
    pub pushed: String,
    /// An archive of it, under the name `image`.
    pub archive: PathBuf,
    /// A file of 100 MB.
    pub change: PathBuf,
}

impl Contender {
    /// Ours, and those that this machine has.
    pub fn all(coracle: &Path) -> Result<Vec<Self>> {
        let coracle = text(coracle)?;
        let here = |name: &str| crate::measure::PATH.split(':').any(|dir| Path::new(dir).join(name).is_file());
        let peer = |name: &str, kind, program: &str, needs: &[&str]| {
            needs.iter().all(|need| here(need)).then(|| Self {
                name: name.to_owned(),
                kind,
                program: program.to_owned(),
            })
        };
        let ours = |driver| {
            Some(Self { name: format!("coracle {driver}"), kind: Kind::Coracle(driver), program: coracle.to_owned() })
        };
        let all = [
            ours("erofs"),
            ours("overlay"),
            peer("podman", Kind::Podman, "podman", &["podman"]),
            peer("skopeo+umoci", Kind::Umoci, "umoci", &["skopeo", "umoci"]),
            peer("containerd", Kind::Containerd, "ctr", &["ctr", "containerd"]),
            peer("docker", Kind::Docker, "docker", &["docker", "dockerd", "containerd"]),
        ];
        Ok(all.into_iter().flatten().collect())
    }

    /// What it says of its version.
    pub fn version(&self) -> String {
        // The client of docker is another program, of another age, than the daemon that does the work.
        let asked: &[&str] = match self.kind {
            Kind::Umoci => &["skopeo", "umoci"],
            Kind::Containerd => &["containerd"],
            Kind::Docker => &["dockerd"],
            _ => &[self.program.as_str()],
        };
        let version = |program: &&str| {
            let output = std::process::Command::new(program).arg("--version").output().ok()?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let number = said.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
            Some(number.trim_end_matches(',').to_owned())
        };
        asked.iter().filter_map(version).collect::<Vec<_>>().join(", ")
    }
}

/// A store of a contender's, empty at first, with the daemons that keep it.
#[derive(Debug)]
pub struct Storage<'a> {
    who: &'a Contender,
    dir: PathBuf,
    /// Dropped in this order: dockerd before the containerd that it needs.
    daemons: Vec<Daemon>,
    _disk: Disk,
}

impl<'a> Storage<'a> {
    /// An empty one, on a disk of its own.
    pub fn new(who: &'a Contender, disk: Disk) -> Result<Self> {
        let mut storage = Self { who, dir: disk.path().to_owned(), daemons: Vec::new(), _disk: disk };
        if matches!(who.kind, Kind::Containerd | Kind::Docker) {
            storage.start_containerd()?;
        }
        if who.kind == Kind::Docker {
            storage.start_docker()?;
        }
        Ok(storage)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn start_containerd(&mut self) -> Result {
        let config = format!(
            "version = 2\nroot = '{}'\nstate = '{}'\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n\
             [grpc]\naddress = '{}'\n[ttrpc]\naddress = '{}'\n",
            self.path("root"),
            self.path("state"),
            self.path("c.sock"),
            self.path("t.sock")
        );
        let file = self.dir.join("containerd.toml");
        fs::write(&file, config).doing(|| format!("writing {}", file.display()))?;
        let words = ["containerd", "--log-level", "error", "--config", text(&file)?].map(str::to_owned);
        self.daemons.push(Daemon::start(&words, &self.dir, &Address::Socket(self.dir.join("c.sock")))?);
        Ok(())
    }

    fn start_docker(&mut self) -> Result {
        let socket = self.dir.join("d.sock");
        let mut words = words("dockerd", &["--log-level", "error", "--storage-driver", "overlay2", "--bridge", "none"]);
        words.extend(["--iptables=false", "--ip-forward=false", "--ip-masq=false"].map(str::to_owned));
        let places = [
            ("--data-root", self.path("data")),
            ("--exec-root", self.path("exec")),
            ("--pidfile", self.path("d.pid")),
            ("--containerd", self.path("c.sock")),
            ("--host", format!("unix://{}", socket.display())),
        ];
        words.extend(places.into_iter().flat_map(|(flag, place)| [flag.to_owned(), place]));
        self.daemons.insert(0, Daemon::start(&words, &self.dir, &Address::Socket(socket))?);
        Ok(())
    }

    /// Does a step and measures it; nothing where it has no such verb.
    pub fn step(&self, step: Step, names: &Names) -> Result<Option<Cost>> {
        let Some(words) = self.words(step, names)? else { return Ok(None) };
        for words in self.before(step, names)? {
            self.run(&words)?;
        }
        let pids: Vec<u32> = self.daemons.iter().map(Daemon::pid).collect();
        let cost = tree::measured(&self.who.name, &words, &pids, &self.dir);
        for words in self.after(step, names) {
            // What has failed has left nothing to be undone, or a part of it.
            let undone = self.run(&words);
            if cost.is_ok() {
                undone?;
            }
        }
        cost.map(Some)
    }

    /// Does what is not measured.
    fn run(&self, words: &[String]) -> Result {
        tree::measured(&self.who.name, words, &[], &self.dir).map(drop)
    }

    /// The program with what all its calls have.
    fn call(&self, more: &[&str]) -> Vec<String> {
        let mut words = vec![self.who.program.clone()];
        let own: Vec<String> = match self.who.kind {
            Kind::Coracle(driver) => [
                ["--root".to_owned(), self.path("root")],
                ["--runroot".to_owned(), self.path("run")],
                ["--storage-driver".to_owned(), driver.to_owned()],
            ]
            .concat(),
            Kind::Podman => [
                ["--root".to_owned(), self.path("root")],
                ["--runroot".to_owned(), self.path("run")],
                ["--storage-driver".to_owned(), "overlay".to_owned()],
            ]
            .concat(),
            Kind::Containerd => vec!["--address".to_owned(), self.path("c.sock")],
            Kind::Docker => vec!["--host".to_owned(), format!("unix://{}", self.path("d.sock"))],
            Kind::Umoci => Vec::new(),
        };
        words.extend(own);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    fn shell(&self, script: &str, names: &Names) -> Vec<String> {
        let given = [&self.dir, &names.archive, &names.change].map(|path| path.display().to_string());
        let words = ["sh", "-ec", script, "sh"].into_iter().map(str::to_owned).chain(given);
        words.chain([names.image.clone(), names.pushed.clone()]).collect()
    }

    /// The command of a step.
    #[allow(clippy::match_same_arms, reason = "a contender's words stand together")]
    fn words(&self, step: Step, names: &Names) -> Result<Option<Vec<String>>> {
        let (image, pushed) = (names.image.as_str(), names.pushed.as_str());
        let (archive, saved) = (text(&names.archive)?, self.path("saved.tar"));
        // For scripts: $1 the store, $2 the archive, $3 the change, $4 the image, $5 where it is pushed to.
        let script = |script| Some(self.shell(script, names));
        let call = |more: &[&str]| Some(self.call(more));
        Ok(match (self.who.kind, step) {
            (Kind::Coracle(_), Step::Pull | Step::Again) => call(&["pull", "-q", image]),
            (Kind::Coracle(_), Step::Save) => call(&["save", "-o", &saved, image]),
            (Kind::Coracle(_), Step::Push) => call(&["push", "-q", image, &format!("docker://{pushed}")]),
            (Kind::Coracle(_), Step::Commit) => call(&["commit", "bench", "bench:changed"]),
            (Kind::Coracle(_), Step::Remove) => call(&["rmi", image]),
            (Kind::Coracle(_), Step::Load) => call(&["load", "-i", archive]),
            (Kind::Podman, Step::Pull | Step::Again) => call(&["pull", "-q", "--tls-verify=false", image]),
            (Kind::Podman, Step::Save) => call(&["save", "-q", "-o", &saved, image]),
            (Kind::Podman, Step::Push) => {
                call(&["push", "-q", "--tls-verify=false", image, &format!("docker://{pushed}")])
            }
            (Kind::Podman, Step::Commit) => call(&["commit", "-q", "bench", "bench:changed"]),
            (Kind::Podman, Step::Remove) => call(&["rmi", image]),
            (Kind::Podman, Step::Load) => call(&["load", "-q", "-i", archive]),
            (Kind::Umoci, Step::Pull) => script(
                "skopeo copy -q --src-tls-verify=false docker://$4 oci:$1/oci:t; \
                 umoci unpack --image $1/oci:t $1/bundle",
            ),
            (Kind::Umoci, Step::Again) => script("skopeo copy -q --src-tls-verify=false docker://$4 oci:$1/oci:t"),
            (Kind::Umoci, Step::Save) => script("skopeo copy -q oci:$1/oci:t docker-archive:$1/saved.tar:$4"),
            (Kind::Umoci, Step::Push) => script("skopeo copy -q --dest-tls-verify=false oci:$1/oci:t docker://$5"),
            (Kind::Umoci, Step::Commit) => script("umoci repack --image $1/oci:changed $1/bundle"),
            (Kind::Umoci, Step::Remove) => {
                script("umoci rm --image $1/oci:t; umoci gc --layout $1/oci; rm -rf $1/bundle")
            }
            (Kind::Umoci, Step::Load) => {
                script("skopeo copy -q docker-archive:$2 oci:$1/oci:t; umoci unpack --image $1/oci:t $1/bundle")
            }
            (Kind::Containerd, Step::Pull | Step::Again) => call(&["images", "pull", "--plain-http", image]),
            (Kind::Containerd, Step::Save) => call(&["images", "export", &saved, image]),
            (Kind::Containerd, Step::Push) => call(&["images", "push", "--plain-http", pushed, image]),
            (Kind::Containerd, Step::Commit) => None,
            (Kind::Containerd, Step::Remove) => call(&["images", "rm", "--sync", image]),
            (Kind::Containerd, Step::Load) => call(&["images", "import", archive]),
            (Kind::Docker, Step::Pull | Step::Again) => call(&["pull", "-q", image]),
            (Kind::Docker, Step::Save) => call(&["save", "-o", &saved, image]),
            (Kind::Docker, Step::Push) => call(&["push", "-q", pushed]),
            (Kind::Docker, Step::Commit) => call(&["commit", "bench", "bench:changed"]),
            (Kind::Docker, Step::Remove) => call(&["rmi", image]),
            (Kind::Docker, Step::Load) => call(&["load", "-q", "-i", archive]),
        })
    }

    /// What has to be done first, unmeasured.
    fn before(&self, step: Step, names: &Names) -> Result<Vec<Vec<String>>> {
        let (image, change) = (names.image.as_str(), text(&names.change)?);
        Ok(match (self.who.kind, step) {
            (Kind::Docker, Step::Push) => vec![self.call(&["tag", image, &names.pushed])],
            (Kind::Docker | Kind::Podman, Step::Commit) => vec![
                self.call(&["create", "--name", "bench", image, "true"]),
                self.call(&["cp", change, "bench:/change"]),
            ],
            (Kind::Coracle(_), Step::Commit) => {
                let bound = format!("{change}:/mnt/change:ro");
                vec![self.call(&["run", "--name", "bench", "-v", &bound, image, "cp", "/mnt/change", "/change"])]
            }
            (Kind::Umoci, Step::Commit) => vec![self.shell("cp $3 $1/bundle/rootfs/change", names)],
            _ => Vec::new(),
        })
    }

    /// What has to be undone, unmeasured, so that the next step finds what it expects.
    fn after(&self, step: Step, names: &Names) -> Vec<Vec<String>> {
        match (self.who.kind, step) {
            (Kind::Docker, Step::Push) => vec![self.call(&["rmi", &names.pushed])],
            (Kind::Umoci, Step::Commit) => {
                vec![self.shell("umoci rm --image $1/oci:changed; umoci gc --layout $1/oci", names)]
            }
            (Kind::Docker | Kind::Podman | Kind::Coracle(_), Step::Commit) => {
                vec![self.call(&["rm", "bench"]), self.call(&["rmi", "bench:changed"])]
            }
            (_, Step::Save) => vec![self.shell("rm -f $1/saved.tar", names)],
            _ => Vec::new(),
        }
    }
}

fn words(program: &str, more: &[&str]) -> Vec<String> {
    [program].iter().chain(more).map(|word| (*word).to_owned()).collect()
}
