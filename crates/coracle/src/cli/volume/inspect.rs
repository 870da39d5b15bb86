//! `coracle volume inspect`, in the shape that docker's API has.

use super::labels;
use crate::cli::output::{Format, help, objects, print};
use crate::cli::{Context, Failure, Verb};
use engine::{Engine, Volume};
use flag::{Flag, Help, Order, parse, put};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HELP: Help =
    Help { usage: &["volume inspect [OPTIONS] VOLUME..."], about: "Tell all of a volume, as JSON", more: &[] };

/// The verb.
pub const VERB: Verb =
    Verb { name: "volume inspect", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
}

const FLAGS: &[Flag<Given>] =
    &[Flag::<Given>::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "json or a template")
        .short('f')
        .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    crate::cli::some_words(&names, "a volume")?;
    let engine = context.engine()?;
    let mut found = Vec::new();
    let code = crate::cli::each(&names, VERB.name, |name| {
        found.push(object(&engine, &engine.volume(name)?));
        Ok(())
    });
    print(&objects(given.format, found)?)?;
    code
}

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
