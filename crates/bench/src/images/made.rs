//! The images under test, made of real root file systems: cut into layers by size, as layouts of plain tars. Who pushes
//! them compresses them.
//!
//! A root file system comes from mmdebstrap and this machine's sources, or is given. Every layer has an entry for each
//! directory above its files, as the layers of a build have.

use crate::error::{Doing as _, Error, Result, text};
use crate::images::tree;
use oci::digest::{Digest, Hasher};
use oci::image::{Descriptor, media_type};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An image under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A minimal Debian in one layer.
    Minbase,
    /// With compilers, python and perl, in three layers, of which the second has two thirds.
    Tools,
    /// The minimal one in thirty layers.
    Many,
}

impl Sort {
    /// All.
    pub const ALL: [Self; 3] = [Self::Minbase, Self::Tools, Self::Many];

    /// Its name in tables and in registries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minbase => "minbase",
            Self::Tools => "tools",
            Self::Many => "many",
        }
    }

    /// The root file system that it is made of.
    fn root(self) -> &'static str {
        if self == Self::Tools { "tools" } else { "minbase" }
    }

    /// Where its layers end, in thousandths of all bytes.
    fn cuts(self) -> Vec<u64> {
        match self {
            Self::Minbase => vec![1000],
            Self::Tools => vec![250, 916, 1000],
            Self::Many => (1..=30).map(|layer| layer * 1000 / 30).collect(),
        }
    }
}

/// An image as a layout.
#[derive(Debug, Clone)]
pub struct Made {
    /// The layout, with a single image of the name `t`.
    pub layout: PathBuf,
    /// How many layers it has.
    pub layers: usize,
    /// Bytes of all layers' tars.
    pub bytes: u64,
    /// Files and the like in all layers.
    pub files: usize,
}

/// Packages of the larger image.
const TOOLS: &str = "gcc,g++,python3,python3-dev,perl,git,make";

/// The root file system of an image, made in `dir` unless it is given.
pub fn root(sort: Sort, given: &[(String, PathBuf)], dir: &Path) -> Result<PathBuf> {
    let name = sort.root();
    if let Some((_, path)) = given.iter().find(|(known, _)| known == name) {
        return Ok(path.clone());
    }
    let root = dir.join(format!("root-{name}"));
    if !root.is_dir() {
        let mut words = vec!["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory"];
        let include = format!("--include={TOOLS}");
        if name == "tools" {
            words.push(&include);
        }
        let unfinished = dir.join(format!("unfinished-{name}"));
        words.extend(["bookworm", text(&unfinished)?]);
        eprintln!("bench: {}", words.join(" "));
        run(&words)?;
        fs::rename(&unfinished, &root).doing(|| format!("naming {}", root.display()))?;
    }
    Ok(root)
}

fn run(words: &[&str]) -> Result {
    let status = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).status();
    let status = status.doing(|| format!("starting {}", words[0]))?;
    if status.success() { Ok(()) } else { Err(Error::Usage(format!("{} fails: {status}", words.join(" ")))) }
}

/// Makes the image in `layout`.
pub fn image(sort: Sort, root: &Path, layout: &Path) -> Result<Made> {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).doing(|| format!("making {}", blobs.display()))?;
    let (mut layers, mut diff_ids, mut bytes, mut files) = (Vec::new(), Vec::new(), 0, 0);
    for list in cut(root, &sort.cuts())? {
        files += list.len();
        let (digest, size) = tar(root, &list, &blobs)?;
        bytes += size;
        diff_ids.push(digest.to_string());
        layers.push(Descriptor::new(media_type::LAYER, digest, size));
    }
    let architecture = oci::image::Platform::host().architecture;
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Cmd": ["/bin/sh"], "Env": [format!("PATH={}", crate::measure::PATH)] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = document(&blobs, media_type::CONFIG, &config)?;
    let count = layers.len();
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers });
    let mut manifest = serde_json::to_value(document(&blobs, media_type::MANIFEST, &manifest)?).map_err(json_error)?;
    manifest["annotations"] = json!({ (oci::image::REF_NAME): "t" });
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [manifest] });
    write(&layout.join("index.json"), index.to_string().as_bytes())?;
    write(&layout.join(oci::image::LAYOUT_FILE), oci::image::LAYOUT.as_bytes())?;
    Ok(Made { layout: layout.to_owned(), layers: count, bytes, files })
}

fn json_error(error: serde_json::Error) -> Error {
    Error::Io { doing: "writing a document".into(), source: error.into() }
}

fn document(blobs: &Path, media_type: &str, value: &serde_json::Value) -> Result<Descriptor> {
    let bytes = value.to_string();
    let descriptor = Descriptor::of(media_type, bytes.as_bytes());
    write(&blobs.join(descriptor.digest.hex()), bytes.as_bytes())?;
    Ok(descriptor)
}

fn write(path: &Path, bytes: &[u8]) -> Result {
    fs::write(path, bytes).doing(|| format!("writing {}", path.display()))
}

/// The paths below `root`, in their order, cut so that each part has its share of the bytes; with the directories above.
fn cut(root: &Path, cuts: &[u64]) -> Result<Vec<BTreeSet<PathBuf>>> {
    let mut paths = Vec::new();
    list(root, Path::new(""), &mut paths)?;
    let total: u64 = paths.iter().map(|(_, size)| size).sum();
    let mut parts = vec![BTreeSet::new(); cuts.len()];
    let (mut at, mut part) = (0, 0);
    for (path, size) in paths {
        while part + 1 < cuts.len() && at * 1000 >= total * cuts[part] {
            part += 1;
        }
        at += size;
        let above = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned);
        parts[part].extend(above);
        parts[part].insert(path);
    }
    Ok(parts)
}

/// What a file costs beside its content: its header in the tar, about.
const HEADER: u64 = 1024;

fn list(root: &Path, below: &Path, paths: &mut Vec<(PathBuf, u64)>) -> Result {
    let dir = root.join(below);
    let doing = || format!("reading {}", dir.display());
    let mut names = fs::read_dir(&dir).doing(doing)?.collect::<std::io::Result<Vec<_>>>().doing(doing)?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = below.join(entry.file_name());
        let stat = entry.metadata().doing(doing)?;
        paths.push((path.clone(), HEADER + if stat.is_file() { stat.size() } else { 0 }));
        if stat.is_dir() {
            list(root, &path, paths)?;
        }
    }
    Ok(())
}

/// A tar of these paths becomes a blob.
fn tar(root: &Path, paths: &BTreeSet<PathBuf>, blobs: &Path) -> Result<(Digest, u64)> {
    let mut names = tempfile::tempfile().doing(|| "making a list".into())?;
    for path in paths {
        names
            .write_all(path.as_os_str().as_bytes())
            .and_then(|()| names.write_all(&[0]))
            .doing(|| "writing a list".into())?;
    }
    std::io::Seek::rewind(&mut names).doing(|| "reading a list".into())?;
    let words = ["tar", "--create", "--format=pax", "--pax-option=delete=atime,delete=ctime", "--xattrs"];
    let more = ["--numeric-owner", "--no-recursion", "--directory", text(root)?, "--null", "--files-from=-"];
    let words: Vec<String> = words.into_iter().chain(more).map(str::to_owned).collect();
    let mut child = tree::command(&words, blobs)?;
    let mut child = child.stdin(names).stdout(Stdio::piped()).spawn().doing(|| "starting tar".into())?;
    let unnamed = blobs.join("unnamed");
    let mut file = File::create(&unnamed).doing(|| format!("making {}", unnamed.display()))?;
    let (mut hasher, mut piece) = (Hasher::default(), vec![0; 256 << 10]);
    if let Some(output) = &mut child.stdout {
        loop {
            let length = output.read(&mut piece).doing(|| "reading a tar".into())?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            file.write_all(&piece[..length]).doing(|| format!("writing {}", unnamed.display()))?;
        }
    }
    if !child.wait().doing(|| "waiting for tar".into())?.success() {
        return Err(Error::Usage(format!("tar fails on {}", root.display())));
    }
    let size = hasher.length();
    let digest = hasher.finish();
    fs::rename(&unnamed, blobs.join(digest.hex())).doing(|| "naming a layer".into())?;
    Ok((digest, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_their_shares_and_the_directories_above() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        for name in ["a", "usr/lib/b", "usr/lib/c"] {
            fs::write(root.path().join(name), vec![0; 100_000]).unwrap();
        }
        let parts = cut(root.path(), &[300, 1000]).unwrap();
        let parts: Vec<Vec<&str>> =
            parts.iter().map(|part| part.iter().filter_map(|path| path.to_str()).collect()).collect();
        assert_eq!(parts, [vec!["a"], vec!["usr", "usr/lib", "usr/lib/b", "usr/lib/c"]]);
    }
}
