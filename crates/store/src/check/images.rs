//! The check of the image layout: its index, its blobs, and what each image needs of them.

use super::{Check, Depth, reason};
use crate::blob::place;
use crate::file::{Sync, names, open_file, read_limited, write_record, write_whole};
use crate::image::{INDEX, Tagged};
use crate::{Image, Result, Store};
use oci::digest::{Algorithm, Digest, Hasher};
use oci::image::{
    Descriptor, ImageConfig, Index, LARGEST_CONFIG, LARGEST_DOCUMENT, LAYOUT, LAYOUT_FILE, Manifest, REF_NAME,
    media_type,
};
use oci::reference::Reference;
use rustix::fs::AtFlags;
use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

impl Check<'_> {
    /// The index can be read, and every name in it is one, and is there once.
    pub(super) fn index(&mut self) -> Result<()> {
        let images = self.store.dir("images")?;
        let layout = open_file(&images, LAYOUT_FILE).and_then(|file| read_limited(file, 4096, LAYOUT_FILE));
        if !layout.is_ok_and(|bytes| bytes.is_some_and(|bytes| bytes == LAYOUT.as_bytes())) {
            self.mend("images/oci-layout", "it is not what the specification wants", "written anew", |_| {
                write_whole(images.as_fd(), LAYOUT_FILE, LAYOUT.as_bytes(), Sync::Durable)
            })?;
        }
        let index = match self.store.index() {
            Ok(index) => index,
            Err(error) => {
                return self.mend(
                    "images/index.json",
                    reason(&error),
                    "made again from the manifests, without names",
                    |store| write_record(images.as_fd(), INDEX, &store.index_of_manifests()?, Sync::Durable),
                );
            }
        };
        let mut seen = BTreeSet::new();
        for name in index.manifests.iter().filter_map(|entry| entry.annotations.get(REF_NAME)) {
            if name.parse::<Reference>().is_err() {
                self.mend(format!("image name {name:?}"), "it is no name", "taken away", |store| {
                    store.drop_names(name, 0)
                })?;
            } else if !seen.insert(name) {
                self.mend(format!("image name {name}"), "two images have it", "left to the first", |store| {
                    store.drop_names(name, 1)
                })?;
            }
        }
        Ok(())
    }

    /// Every blob has the content that it is named by.
    pub(super) fn blobs(&mut self) -> Result<()> {
        for (algorithm, blobs) in self.store.blob_dirs()? {
            self.blobs_in(algorithm, &blobs)?;
        }
        Ok(())
    }

    fn blobs_in(&mut self, algorithm: Algorithm, blobs: &OwnedFd) -> Result<()> {
        for name in names(blobs.as_fd())? {
            let remove = |_: &Store| Ok(sys::fs::unlinkat(blobs, &*name, AtFlags::empty())?);
            let named = Digest::from_hex(&name).ok().filter(|digest| digest.algorithm() == algorithm);
            let Some(digest) = named else {
                self.mend(format!("images/blobs/{}/{name}", algorithm.name()), "it is no blob", "removed", remove)?;
                continue;
            };
            self.checked.blobs += 1;
            if self.depth == Depth::Quick {
                continue;
            }
            let problem = match open_file(blobs, &*name).and_then(|file| digest_of(file, algorithm)) {
                Ok(found) if found == digest => continue,
                Ok(found) => format!("its content is that of {found}"),
                Err(error) => reason(&error),
            };
            self.damaged.insert(digest);
            self.mend(format!("blob {digest}"), problem, "removed", remove)?;
        }
        Ok(())
    }

    /// Every image can be read, and all that it needs is there. One that cannot be mended is dropped.
    pub(super) fn images(&mut self) -> Result<()> {
        // An index that cannot be read has been told of.
        let Ok(all) = self.store.tagged() else { return Ok(()) };
        for tagged in all {
            self.checked.images += 1;
            if let Some(problem) = self.problem_of(&tagged) {
                self.drop_image(&tagged, problem)?;
            }
        }
        Ok(())
    }

    fn problem_of(&self, tagged: &Tagged) -> Option<String> {
        let image = match self.store.image(tagged.clone()) {
            Ok(image) => image,
            Err(error) => return Some(reason(&error)),
        };
        let (layers, diff_ids) = (image.manifest.layers.len(), image.config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Some(format!("{layers} layers, but {diff_ids} diff ids"));
        }
        image.manifest.layers.iter().find_map(|layer| {
            let gone = self.damaged.contains(&layer.digest);
            if gone {
                return Some(format!("layer {} is damaged", layer.digest));
            }
            let error = self.store.open_blob(layer, &format!("layer {}", layer.digest)).err()?;
            Some(reason(&error))
        })
    }

    /// Tells of an image that is no good, and drops it.
    pub(super) fn drop_image(&mut self, tagged: &Tagged, problem: String) -> Result<()> {
        let digest = tagged.descriptor.digest;
        let name = tagged.names.first();
        let what = name.map_or_else(|| format!("image {digest}"), |name| format!("image {}", name.familiar()));
        let done = name.map_or_else(
            || "dropped".to_owned(),
            |name| format!("dropped: coracle pull {} gets it again", name.familiar()),
        );
        self.mend(what, problem, &done, |store| {
            store.change_index(|index| {
                index.manifests.retain(|entry| entry.digest != digest);
                Ok(())
            })
        })
    }

    /// All images that are good.
    pub(super) fn good_images(&self) -> Vec<(Tagged, Image)> {
        let all = self.store.tagged().unwrap_or_default();
        let good = all.into_iter().filter(|tagged| self.problem_of(tagged).is_none());
        good.filter_map(|tagged| Some((tagged.clone(), self.store.image(tagged).ok()?))).collect()
    }
}

impl Store {
    /// Takes a name, as it stands there, from all entries of the index but the first few.
    fn drop_names(&self, name: &str, keep: usize) -> Result<()> {
        self.change_index(|index| {
            let has = |entry: &&mut Descriptor| entry.annotations.get(REF_NAME).is_some_and(|own| own == name);
            index
                .manifests
                .iter_mut()
                .filter(has)
                .skip(keep)
                .for_each(|entry| drop(entry.annotations.remove(REF_NAME)));
            Ok(())
        })
    }

    /// An index of all manifests among the blobs whose configuration is there.
    fn index_of_manifests(&self) -> Result<Index> {
        let mut index = Index::default();
        for digest in self.all_blobs()? {
            let what = format!("blob {digest}");
            let file = open_file(self.root(), place(digest))?;
            let Some(bytes) = read_limited(file, LARGEST_DOCUMENT as u64, &what)? else { continue };
            let Ok(manifest) = Manifest::parse(&bytes) else { continue };
            let config = self.read_blob(&manifest.config, LARGEST_CONFIG, &what);
            if config.is_ok_and(|bytes| ImageConfig::parse(&bytes).is_ok()) {
                let given = Some(manifest.media_type.as_str()).filter(|media_type| !media_type.is_empty());
                index.manifests.push(Descriptor::new(
                    given.unwrap_or(media_type::MANIFEST),
                    digest,
                    bytes.len() as u64,
                ));
            }
        }
        Ok(index)
    }
}

fn digest_of(mut file: std::fs::File, algorithm: Algorithm) -> Result<Digest> {
    let (mut hasher, mut buffer) = (Hasher::of(algorithm), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) => return Err(crate::Error::io("cannot read it")(error)),
        }
    }
}
