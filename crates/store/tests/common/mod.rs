//! What the store's tests share: small trees as tars, stores, and other tools' views of them.
#![allow(dead_code, reason = "each test file uses its own part")]

use oci::reference::Reference;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use store::{Import, LoadedImage, Store};
use tempfile::TempDir;
use testkit::Invocation;

/// A temporary directory with a store in it.
pub struct Place {
    pub dir: TempDir,
    pub store: Store,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("store")).expect("a store");
        Self { dir, store }
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Another store beside it.
    pub fn other(&self, name: &str) -> Store {
        Store::open(&self.join(name)).expect("a store")
    }

    /// Makes files by a shell script in a new directory, and a tar of it.
    pub fn tar(&self, name: &str, script: &str) -> PathBuf {
        let tree = self.join(&format!("{name}.tree"));
        std::fs::create_dir(&tree).expect("mkdir");
        Invocation::new("/bin/sh").args(["-euc", script]).current_dir(&tree).ok();
        let tar = self.join(&format!("{name}.tar"));
        Invocation::new("/bin/tar")
            .args(["--numeric-owner", "--xattrs", "-cf"])
            .arg(&tar)
            .arg(".")
            .current_dir(&tree)
            .ok();
        tar
    }

    /// Imports a tar under a name.
    pub fn import(&self, tar: &Path, name: &str) -> LoadedImage {
        let import = Import { name: Some(reference(name)), source: "test".to_owned(), ..Import::default() };
        self.store.import(std::fs::File::open(tar).expect("the tar"), &import).expect("import")
    }

    /// The image of the store for skopeo and friends.
    pub fn oci(&self, name: &str) -> String {
        format!("oci:{}:{}", self.store.image_layout().display(), reference(name))
    }

    /// An OCI layout of two layers, made by umoci, with the tag `one`.
    pub fn umoci_layout(&self) -> PathBuf {
        let layout = self.join("layout");
        let image = format!("{}:one", layout.display());
        let umoci = |args: &[&str]| Invocation::new("umoci").args(args).ok();
        umoci(&["init", "--layout", &layout.display().to_string()]);
        umoci(&["new", "--image", &image]);
        let lower =
            self.tar("lower", "mkdir -p etc usr/lib; ln -s usr/lib lib; echo low >etc/both; echo gone >etc/gone");
        let upper = self.tar("upper", "mkdir etc; echo up >etc/both; touch etc/.wh.gone");
        for tar in [lower, upper] {
            umoci(&["raw", "add-layer", "--image", &image, &tar.display().to_string()]);
        }
        umoci(&["config", "--image", &image, "--config.cmd", "/bin/one", "--config.env", "A=1"]);
        layout
    }
}

pub fn reference(name: &str) -> Reference {
    name.parse().expect("a reference")
}

/// All good images.
pub fn images(store: &Store) -> Vec<store::Image> {
    store.images().expect("images").into_iter().map(|image| image.expect("a good image")).collect()
}

pub fn skopeo(args: &[&str]) -> String {
    Invocation::new("/usr/bin/skopeo").arg("--insecure-policy").args(args).ok().stdout.clone()
}

/// The names in a directory, sorted.
pub fn names(dir: impl AsRef<Path>) -> Vec<String> {
    let name =
        |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name().into_string().expect("UTF-8");
    let mut names: Vec<_> = std::fs::read_dir(dir).expect("a directory").map(name).collect();
    names.sort();
    names
}

/// Where a layer's tree is to be seen, as long as the layer is held.
pub fn tree(layer: &store::Layer) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), layer.as_fd().as_raw_fd()))
}
