//! `coracle manifest inspect`: what a list says, here or at a registry.

use crate::cli::output::{help, print};
use crate::cli::remote::{self, Remote};
use crate::cli::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse};
use serde_json::Value;

const HELP: Help = Help {
    usage: &["manifest inspect [OPTIONS] NAME"],
    about: "Print a list, or an image's manifest at a registry",
    more: &["A list that is here comes before what a registry has."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "manifest inspect", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
}

crate::cli::parts!(Given { remote: Remote });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    remote::auth_file(),
    remote::cert_dir(),
    remote::creds(),
    remote::insecure(),
    remote::tls_verify(),
    F::switch("verbose", |_, _| (), "").short('v'),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one name is needed", "--help tells the usage"));
    };
    let engine = context.engine()?;
    let json = |error| Failure::because("JSON", error);
    let value: Value = match engine.list(name) {
        Ok(list) => serde_json::to_value(&list.index).map_err(json)?,
        Err(_) => serde_json::from_slice(&engine.remote_manifest(&given.remote.client()?, name)?).map_err(json)?,
    };
    print(&(serde_json::to_string_pretty(&value).map_err(json)? + "\n"))?;
    Ok(0)
}
