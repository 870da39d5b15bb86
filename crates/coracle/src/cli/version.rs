//! `coracle version`.

use super::output::{Format, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;

const HELP: Help = Help { usage: &["version [OPTIONS]"], about: "Tell the version", more: &[] };

/// The verb.
pub const VERB: Verb =
    Verb { name: "version", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template")
    .short('f')
    .under("Options")];

fn run(words: &[String], _: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let (version, spec) = (env!("CARGO_PKG_VERSION"), oci::runtime::VERSION);
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    let object = || json!({ "Version": version, "OciSpec": spec, "OsArch": platform });
    print(&match given.format.unwrap_or_default() {
        Format::Json => format!("{}\n", object()),
        Format::Template(layout) => layout.lines(&[object()], &[])?,
        Format::Table => format!("Version:    {version}\nOCI spec:   {spec}\nOS/Arch:    {platform}\n"),
    })?;
    Ok(0)
}
