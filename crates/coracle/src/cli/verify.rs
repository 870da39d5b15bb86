//! `coracle image verify`: whether an image at a registry may be used.

use super::output::{help, print};
use super::remote::{self, Remote};
use super::{Context, Failure, Verb};
use flag::{Flag, Help, Order, parse, put_word};
use std::path::Path;

const HELP: Help = Help {
    usage: &["image verify [OPTIONS] IMAGE..."],
    about: "Tell whether images are signed as is asked for",
    more: &[
        "With --key an image has to be signed with that key, as cosign does it; else as policy.json asks for, which \
             pull asks, too. Signatures are looked for under the tag sha256-DIGEST.sig and among what refers to the image. \
             No service beside the registry is asked: neither Fulcio nor Rekor.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "image verify", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    key: Option<String>,
}

crate::cli::parts!(Given { remote: Remote });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    remote::auth_file(),
    remote::cert_dir(),
    remote::creds(),
    F::takes("key", "FILE", |g, w| put_word(&mut g.key, w), "The public key that has to have signed").under("Options"),
    remote::retry(),
    remote::retry_delay(),
    remote::signature_policy(),
    remote::tls_verify(),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    super::some_words(&names, "an image's name")?;
    let (engine, client) = (context.engine()?, given.remote.client()?);
    super::each(&names, VERB.name, |name| {
        let verified = engine.verify(&client, name, given.key.as_deref().map(Path::new))?;
        print(&format!("{}: {}\n", verified.name, verified.because))
    })
}
