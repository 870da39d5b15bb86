//! What is recorded of a start, as a container's directory keeps it: what was made and asked for, and every system call.
//!
//! The file begins with a line of JSON; behind it each record of a call is its numbers in the machine's own order, and what
//! was captured of its pointers without the zeros at the end. So it is written in a tenth of a millisecond, for nobody
//! knows yet whether somebody is going to ask; the words are found when he does.

use crate::config::{ContainerConfig, ImageRef};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explanation::{Asked, Root};
use crate::record::Record as Wish;
use crate::root::Source;
use crate::spec::Composed;
use oci::runtime::Spec;
use runtime::{Recording, Subject};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use store::{Container, ContainerDir, Layer};
use sys::capture::NOTHING;
use sys::record::Record;

/// In a container's directory: how it was started last.
const START: &str = "start";

/// The form of that file.
const VERSION: u32 = 1;

/// What is known of a start beside its calls.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recorded {
    version: u32,
    /// The container's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What its root is made of.
    pub root: Root,
    /// When it began (CLOCK_BOOTTIME, nanoseconds).
    pub began: u64,
    /// What the steps of its plan are for; none where it did not come to one.
    pub subjects: Vec<Subject>,
    /// Who asked for what.
    pub origins: Vec<(String, Asked)>,
    /// The specification; an empty one where it did not come to one.
    pub spec: Box<Spec>,
    /// The calls, and the steps' beginnings.
    #[serde(skip)]
    pub records: Vec<Record>,
}

impl Recorded {
    /// What was recorded up to now.
    pub fn new(recording: &Recording, container: &Container<Wish>, root: Root, composed: Option<&Composed>) -> Self {
        let origins = composed.map(|composed| &composed.origins[..]).unwrap_or_default();
        Self {
            version: VERSION,
            id: container.id.to_string(),
            name: container.name.to_string(),
            root,
            began: sys::began(),
            subjects: recording.subjects(),
            origins: origins.iter().map(|(path, origin)| (path.to_string(), (*origin).into())).collect(),
            spec: composed.map(|composed| Box::new(composed.spec.clone())).unwrap_or_default(),
            records: recording.records(),
        }
    }

    /// Keeps it with its container. A full disk is no reason to end what has begun.
    pub fn keep(&self, dir: &ContainerDir) {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.reserve(1 + self.records.len() * 128);
        bytes.push(b'\n');
        for record in &self.records {
            put(&mut bytes, record);
        }
        let _ = dir.note(START, &bytes);
    }

    /// What is kept of a container's last start.
    pub fn find(engine: &Engine, container: &str) -> Result<Self> {
        let id = engine.find(container)?;
        let missing = || Error::NotRecorded(container.to_owned());
        let bytes = engine.store()?.container(&id)?.noted(START)?.ok_or_else(missing)?;
        read(&bytes).ok_or_else(missing)
    }
}

fn read(bytes: &[u8]) -> Option<Recorded> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let mut recorded: Recorded = serde_json::from_slice(&bytes[..end]).ok()?;
    if recorded.version != VERSION {
        return None;
    }
    let mut rest = &bytes[end + 1..];
    while !rest.is_empty() {
        recorded.records.push(take(&mut rest)?);
    }
    Some(recorded)
}

fn put(bytes: &mut Vec<u8>, record: &Record) {
    let Record { step, number, args, result, start, end, captured, side, .. } = record;
    let used = captured.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.extend([*side as u8, used as u8]);
    for number in [step, number] {
        bytes.extend(number.to_ne_bytes());
    }
    for word in args.iter().chain([&(*result as u64), start, end]) {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(&captured[..used]);
}

fn take(rest: &mut &[u8]) -> Option<Record> {
    let side: [u8; 2] = array(rest)?;
    let [step, number] = [number(rest)?, number(rest)?];
    let mut args = [0; 6];
    for word in &mut args {
        *word = u64::from_ne_bytes(array(rest)?);
    }
    let [result, start, end] = [array(rest)?, array(rest)?, array(rest)?].map(u64::from_ne_bytes);
    let mut captured = NOTHING;
    let (used, behind) = rest.split_at_checked(side[1].into())?;
    captured.get_mut(..used.len())?.copy_from_slice(used);
    *rest = behind;
    let (result, side) = (result as i64, side[0].into());
    Some(Record { step, number, args, result, start, end, captured, side, complete: 1 })
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    array(rest).map(u32::from_ne_bytes)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

impl Root {
    /// That of a container that is about to be made.
    pub(crate) fn of(engine: &Engine, config: &ContainerConfig, source: &Source) -> Self {
        match &config.image {
            ImageRef::Host => Self::Host,
            ImageRef::Rootfs(rootfs) => Self::Directory(rootfs.path.clone()),
            ImageRef::Name(_) => Self::Layers(source.layers.iter().map(|layer| place(engine, layer)).collect()),
        }
    }
}

/// Where a layer lies: that of an image is a mount that is attached nowhere, whose path is its own root.
fn place(engine: &Engine, layer: &Layer) -> PathBuf {
    let seen = std::fs::read_link(format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd())).unwrap_or_default();
    if seen != Path::new("/") {
        return seen;
    }
    let root = &engine.locations().root;
    root.join("layers").join(layer.id.0.hex()).join("layer.erofs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_is_taken(
            numbers in any::<[u32; 2]>(), args in any::<[u64; 6]>(), result in any::<i64>(), times in any::<[u64; 2]>(),
            text in prop::collection::vec(any::<u8>(), 0..=sys::capture::CAPTURE), side in 0..=1_u32,
        ) {
            let mut captured = NOTHING;
            captured[..text.len()].copy_from_slice(&text);
            let ([step, number], [start, end]) = (numbers, times);
            let record = Record { step, number, args, result, start, end, captured, side, complete: 1 };
            let mut bytes = Vec::new();
            put(&mut bytes, &record);
            let mut rest = &bytes[..];
            let taken = take(&mut rest).expect("a record");
            prop_assert!(rest.is_empty());
            prop_assert_eq!(format!("{taken:?}"), format!("{record:?}"));
            // Whatever is cut off, or is no such file at all, is no record and no panic.
            for cut in 0..bytes.len() {
                prop_assert!(take(&mut &bytes[..cut]).is_none());
            }
            prop_assert!(read(&bytes).is_none());
        }
    }
}
