//! Manifest lists that are made here: indexes of the image layout that say of themselves that they are lists.
//!
//! The images of a list need not be here: an index names manifests, and where one that is missing can be had is written
//! beside it, in the layout's own entry, which nobody is sent. What is here of them stays as long as the list does.

use crate::image::{Tagged, drop_name, named};
use crate::temporary::Temporary;
use crate::{Error, Image, Removed, Result, Store};
use oci::digest::Digest;
use oci::image::{Descriptor, Index, LARGEST_DOCUMENT, REF_NAME, media_type};
use oci::reference::Reference;
use std::collections::BTreeMap;

/// The annotation of an entry that is a list; it holds the sources of what is not here.
const LIST: &str = "io.coracle.list";

/// A list.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Its name.
    pub name: Reference,
    /// What it says.
    pub index: Index,
    /// In which repositories the manifests are that are not here.
    pub sources: BTreeMap<Digest, Reference>,
}

impl List {
    /// The digest of what it says now, which is its id.
    pub fn digest(&self) -> Digest {
        // What was read from JSON can be written as JSON.
        Digest::of(&serde_json::to_vec(&self.index).unwrap_or_default())
    }
}

/// Whether an entry of the layout is a list that was made here.
pub(crate) fn is_list(descriptor: &Descriptor) -> bool {
    descriptor.annotations.contains_key(LIST)
}

impl Store {
    /// The list of this name; an index that was pulled will do.
    pub fn list(&self, text: &str) -> Result<List> {
        let tagged = self.tagged()?;
        let reference: Reference = text.parse()?;
        let found = named(&tagged, &reference).filter(|found| media_type::is_index(&found.descriptor.media_type));
        self.read_list(found.ok_or_else(|| Error::NoSuchList(text.to_owned()))?, &reference)
    }

    fn read_list(&self, tagged: &Tagged, wanted: &Reference) -> Result<List> {
        let what = format!("index {}", tagged.descriptor.digest);
        let bytes = self.read_blob(&tagged.descriptor, LARGEST_DOCUMENT, &what)?;
        let index = Index::parse(&bytes).map_err(|source| Error::Document { what: what.clone(), source })?;
        let sources = tagged.descriptor.annotations.get(LIST).map(|text| serde_json::from_str(text)).transpose();
        // What was pulled is where it was pulled from.
        let pulled = || {
            tagged
                .names
                .first()
                .into_iter()
                .flat_map(|name| index.manifests.iter().map(|entry| (entry.digest, name.clone())))
        };
        let sources = sources.map_err(|source| Error::Json { what, source })?.unwrap_or_else(|| pulled().collect());
        let own = [Some(wanted.clone()), wanted.local()].into_iter().flatten().find(|name| tagged.names.contains(name));
        Ok(List { name: own.unwrap_or_else(|| wanted.clone()), index, sources })
    }

    /// Makes a list, or takes the place of the one of its name; on disk when it returns.
    pub fn put_list(&self, list: &List) -> Result<()> {
        self.replace_list(|_| Ok(list.clone())).map(drop)
    }

    /// Changes a list.
    pub fn change_list<T>(&self, text: &str, change: impl FnOnce(&mut List) -> Result<T>) -> Result<T> {
        self.replace_list(|store| {
            let mut list = store.list(text)?;
            let value = change(&mut list)?;
            Ok((list, value))
        })
        .map(|(_, value)| value)
    }

    fn replace_list<T: AsList>(&self, make: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let lease = self.lease()?;
        let tmp = Temporary::make(self)?;
        // The index that the list had is of no use any more.
        self.mark_garbage();
        let made = self.change_index(|layout| {
            let made = make(self)?;
            let list = made.list();
            let json = |source| Error::Json { what: "the new list".to_owned(), source };
            let bytes = serde_json::to_vec(&list.index).map_err(json)?;
            let mut entry = self.put_blob(&tmp, &list.index.media_type, &bytes)?;
            self.sync_blobs()?;
            let name = list.name.to_string();
            entry.annotations.insert(LIST.to_owned(), serde_json::to_string(&list.sources).map_err(json)?);
            entry.annotations.insert(REF_NAME.to_owned(), name.clone());
            let old = |entry: &Descriptor| is_list(entry) && entry.annotations.get(REF_NAME) == Some(&name);
            layout.manifests.retain(|entry| !old(entry));
            drop_name(layout, &name);
            layout.manifests.push(entry);
            Ok(made)
        })?;
        drop((lease, tmp));
        self.tidy()?;
        Ok(made)
    }

    /// Removes a list, and what was here for it alone.
    pub fn remove_list(&self, text: &str) -> Result<Removed> {
        self.mark_garbage();
        let removed = self.change_index(|layout| self.take_out_list(layout, text))?;
        let mut removed = removed.ok_or_else(|| Error::NoSuchList(text.to_owned()))?;
        self.collect_soon(&mut removed)?;
        Ok(removed)
    }

    /// Takes a list out of the layout; none where the name is not that of a list.
    pub(crate) fn take_out_list(&self, layout: &mut Index, text: &str) -> Result<Option<Removed>> {
        let tagged = self.tagged()?;
        let Ok(reference) = text.parse::<Reference>() else { return Ok(None) };
        let Some(found) = named(&tagged, &reference).filter(|found| is_list(&found.descriptor)) else {
            return Ok(None);
        };
        let name = self.read_list(found, &reference)?.name;
        let own = name.to_string();
        layout.manifests.retain(|entry| !is_list(entry) || entry.annotations.get(REF_NAME) != Some(&own));
        Ok(Some(Removed { untagged: vec![name], ..Removed::default() }))
    }

    /// The image that a manifest's descriptor leads to; none where it is not here.
    pub fn image_of(&self, descriptor: &Descriptor) -> Result<Option<Image>> {
        if !self.has_blob(descriptor) {
            return Ok(None);
        }
        self.image(Tagged { descriptor: descriptor.clone(), names: Vec::new() }).map(Some)
    }
}

/// What has a list in it.
trait AsList {
    fn list(&self) -> &List;
}

impl AsList for List {
    fn list(&self) -> &List {
        self
    }
}

impl<T> AsList for (List, T) {
    fn list(&self) -> &List {
        &self.0
    }
}
