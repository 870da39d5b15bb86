//! `coracle pull`: an image from a registry.

use super::output::{lines, print};
use super::remote::{self, Machine, Remote};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::Progress;
use engine::config::Pull;
use flag::{Flag, Help, Order, parse, put};

const HELP: Help = Help {
    usage: &["pull [OPTIONS] NAME..."],
    about: "Pull images from a registry",
    more: &["Prints the images' ids. A pull that was cut off goes on where it was."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "pull", aliases: &["image pull"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    machine: Machine,
    all_tags: bool,
    policy: Option<Pull>,
    quiet: bool,
}

crate::cli::parts!(Given { remote: Remote, machine: Machine });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all-tags", |g, on| g.all_tags = on, "All images of the repository NAME").short('a').under("Options"),
    remote::arch(),
    remote::auth_file(),
    remote::cert_dir(),
    remote::creds(),
    // Docker's signatures of old, which nobody gives out any more.
    F::switch("disable-content-trust", |_, _| (), ""),
    remote::os(),
    remote::platform("Options"),
    F::takes("policy", "POLICY", |g, w| put(&mut g.policy, w), "always (the default), missing, never or newer")
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing of how far it is").short('q').under("Options"),
    remote::retry(),
    remote::retry_delay(),
    remote::signature_policy(),
    remote::tls_verify(),
    remote::variant(),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    super::some_words(&names, "an image's name")?;
    let (policy, platform) = (given.policy.unwrap_or(Pull::Always), given.machine.platform());
    if given.all_tags {
        let tagged = |name: &&String| name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        if let Some(name) = names.iter().find(tagged) {
            return Err(Failure::words(format!("{name} is one image, not all of them"), "leave out the tag, or -a"));
        }
    }
    let engine = context.engine()?;
    let client = given.remote.client()?;
    super::apart(&engine, VERB.name, || {
        for name in &names {
            let all = if given.all_tags {
                engine.tags(&client, name)?.iter().map(ToString::to_string).collect()
            } else {
                vec![name.clone()]
            };
            for name in &all {
                let progress = Progress::new(given.quiet);
                let id = engine.provide(&client, name, policy, platform.as_ref(), &progress);
                progress.end();
                print(&lines([id?.0.hex()]))?;
            }
        }
        Ok(())
    })
}
