//! Registries on loopback: those that all pull from, and one that is empty again for each push.
//!
//! There is one for each packing: what a registry has with gzip already, skopeo does not compress with zstd again.

use crate::error::Error;
use crate::error::{Doing as _, Result, text};
use crate::images::daemon::{Address, Daemon};
use crate::images::tree;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// How layers are compressed in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Packing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// As tools call it, and the tag of images so compressed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A registry.
#[derive(Debug)]
pub struct Registry {
    dir: PathBuf,
    /// Its host and port.
    pub name: String,
    /// How its images are compressed, and their tag.
    pub packing: Packing,
    _daemon: Daemon,
}

impl Registry {
    /// Serves what lies in `dir`.
    pub fn start(dir: &Path, packing: Packing) -> Result<Self> {
        fs::create_dir_all(dir).doing(|| format!("making {}", dir.display()))?;
        let port = free_port()?;
        let config = dir.join("config.yml");
        let lines = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n",
            dir.join("data").display()
        );
        fs::write(&config, lines).doing(|| format!("writing {}", config.display()))?;
        let words = ["docker-registry", "serve", text(&config)?].map(str::to_owned);
        let address = Address::Port(SocketAddr::from(([127, 0, 0, 1], port)));
        let daemon = Daemon::start(&words, dir, &address)?;
        Ok(Self { dir: dir.to_owned(), name: format!("127.0.0.1:{port}"), packing, _daemon: daemon })
    }

    /// Whether it has an image.
    pub fn has(&self, image: &str) -> bool {
        self.dir
            .join(format!("data/docker/registry/v2/repositories/{image}/_manifests/tags/{}", self.packing.name()))
            .is_dir()
    }

    /// Has skopeo compress the image of a layout and push it.
    pub fn fill(&self, layout: &Path, image: &str) -> Result {
        let from = format!("oci:{}:t", layout.display());
        let to = format!("docker://{}/{image}:{}", self.name, self.packing.name());
        let words =
            ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-compress-format", self.packing.name()];
        let words: Vec<String> = words.into_iter().map(str::to_owned).chain([from, to]).collect();
        let status = tree::command(&words, &self.dir)?.stderr(Stdio::inherit()).status();
        if status.doing(|| "starting skopeo".into())?.success() {
            Ok(())
        } else {
            Err(Error::Usage(format!("{} fails", words.join(" "))))
        }
    }

    /// Reads all of it once, so that it comes from memory whoever pulls.
    pub fn warm(&self) -> Result<u64> {
        read_all(&self.dir)
    }

    /// The file of the largest blob that an image has, and the bytes of all its blobs.
    pub fn blobs(&self, image: &str) -> Result<Blobs> {
        let blob = |digest: &str| {
            let hex = digest.trim().trim_start_matches("sha256:").to_owned();
            let below = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2.min(hex.len())]);
            self.dir.join(below)
        };
        let read = |path: PathBuf| fs::read(&path).doing(|| format!("reading {}", path.display()));
        let tag = format!(
            "data/docker/registry/v2/repositories/{image}/_manifests/tags/{}/current/link",
            self.packing.name()
        );
        let digest = String::from_utf8_lossy(&read(self.dir.join(tag))?).into_owned();
        let manifest = read(blob(&digest))?;
        let manifest: serde_json::Value = serde_json::from_slice(&manifest)
            .map_err(|source| Error::Io { doing: "reading a manifest".into(), source: source.into() })?;
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        let size = |layer: &serde_json::Value| layer["size"].as_u64().unwrap_or_default();
        let largest = layers.iter().max_by_key(|layer| size(layer));
        Ok(Blobs {
            largest: blob(largest.and_then(|layer| layer["digest"].as_str()).unwrap_or_default()),
            bytes: layers.iter().map(size).sum(),
        })
    }
}

/// The layers of an image in a registry.
#[derive(Debug, Clone)]
pub struct Blobs {
    /// The file of the largest one.
    pub largest: PathBuf,
    /// Bytes of all.
    pub bytes: u64,
}

#[allow(clippy::disallowed_methods, reason = "an address, no name")]
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(listener.doing(|| "looking for a free port".into())?.port())
}

fn read_all(dir: &Path) -> Result<u64> {
    let doing = || format!("reading {}", dir.display());
    let mut bytes = 0;
    for entry in fs::read_dir(dir).doing(doing)? {
        let path = entry.doing(doing)?.path();
        bytes += if path.is_dir() {
            read_all(&path)?
        } else {
            let mut file = fs::File::open(&path).doing(doing)?;
            std::io::copy(&mut file, &mut std::io::sink()).doing(doing)?
        };
    }
    Ok(bytes)
}
