//! What parses in programs and behind private doors, for the targets beside: the files themselves, with the doors that
//! the targets need. A program cannot be linked to, and no crate should be more open than its users want it.

#![forbid(unsafe_code)]
#![allow(dead_code, clippy::all, reason = "the targets use a part of it, and the files are looked at where they stand")]

#[path = "../../crates/cgroup/src/systemd/annotation.rs"]
mod annotation;
#[path = "../../crates/corun/src/bundle.rs"]
mod bundle;
#[path = "../../crates/corun/src/container/mod.rs"]
mod container;
#[path = "../../crates/corun/src/criu.rs"]
mod criu;
#[path = "../../crates/corun/src/crun.rs"]
mod crun;
#[path = "../../crates/corun/src/error.rs"]
mod error;
#[path = "../../crates/corun/src/face.rs"]
mod face;
#[path = "../../crates/corun/src/filters.rs"]
mod filters;
#[path = "../../crates/corun/src/global.rs"]
mod global;
#[path = "../../crates/corun/src/hand_over.rs"]
mod hand_over;
#[path = "../../crates/corun/src/log.rs"]
mod log;
#[path = "../../crates/corun/src/manager.rs"]
mod manager;
#[path = "../../crates/netlink/src/message.rs"]
pub mod netlink;
#[path = "../../crates/corun/src/pattern.rs"]
mod pattern;
#[path = "../../crates/corun/src/signal.rs"]
mod signal;
#[path = "../../crates/corun/src/verb/mod.rs"]
mod verb;

use cgroup::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Reads the words behind a verb and does nothing: those that are read end in a call for help.
pub fn read_words<'a>(verb: &'a str, words: impl Iterator<Item = &'a str>) -> u8 {
    // What is no flag may be the last that is read as one, and what has no value takes the next word for it.
    let flags = words.filter(|word| word.starts_with('-') && *word != "--" && *word != "-");
    let all = std::iter::once(verb).chain(flags).chain(["--help", "--help"]);
    verb::run(face::Face::of(None), all.map(OsString::from))
}

/// Reads a state file, writes it, and reads that.
pub fn read_state(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<container::Record>(bytes) else { return };
    let written = serde_json::to_vec(&record).expect("what was read can be written");
    let again: container::Record = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(record, again);
    let _ = (record.to_runtime(), record.spec(), record.device_rules());
}

/// Reads a regular expression, a signal and an id, and looks for the first in the last.
pub fn read_names(text: &str) {
    let (expression, name) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(pattern) = pattern::Pattern::new(expression) {
        pattern.matches(name);
    }
    let _ = (signal::number(expression), container::check_id(name));
}

/// Reads annotations that ask systemd for something.
pub fn read_annotations(text: &str) {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let all: BTreeMap<String, String> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let _ = annotation::properties(&all);
}
