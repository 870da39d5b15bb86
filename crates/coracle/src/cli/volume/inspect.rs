//! `coracle volume inspect`, in the shape that docker's API has.

use super::labels;
use crate::cli::Verb;
use crate::cli::output::help;
use crate::cli::shown::{FLAGS, shown};
use engine::{Engine, Volume};
use flag::Help;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HELP: Help =
    Help { usage: &["volume inspect [OPTIONS] VOLUME..."], about: "Tell all of a volume, as JSON", more: &[] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "volume inspect",
    aliases: &[],
    about: HELP.about,
    run: |words, context| {
        shown(words, context, VERB.name, "a volume", |engine, name| Ok(object(engine, &engine.volume(name)?)))
    },
    help: |width| help(&HELP, FLAGS, width),
};

/// A volume as docker's API has it.
pub fn object(engine: &Engine, volume: &Volume) -> Value {
    // docker has null where there are none.
    let some = |map: BTreeMap<String, String>| (!map.is_empty()).then_some(map);
    json!({
        "CreatedAt": oci::image::rfc3339(volume.created as i64, 0),
        "Driver": "local",
        "Labels": some(labels(volume)),
        "Mountpoint": engine.volume_path(&volume.name),
        "Name": volume.name,
        "Options": some(volume.options.clone()),
        "Scope": "local",
    })
}
