//! `coracle logout`: what a login kept is forgotten.

use super::output::{lines, print};
use super::remote::{self, Remote, refused};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::registry::{LoggedOut, registry_of};
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["logout [OPTIONS] [REGISTRY]"],
    about: "Log out of a registry",
    more: &["REGISTRY is docker.io where none is given. What docker's or another tool's own file keeps stays there."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "logout", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    all: bool,
}

crate::cli::parts!(Given { remote: Remote });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("all", |g, on| g.all = on, "Log out of all registries").short('a').under("Options"),
    remote::auth_file(),
];

fn run(words: &[String], _: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    if names.len() + usize::from(given.all) > 1 {
        return Err(Failure::words("more than one registry", "name one, or give --all"));
    }
    let client = given.remote.client()?;
    let gone = |name: &str| format!("Removed login credentials for {name}");
    if given.all {
        let names = client.logout_all().map_err(refused)?;
        return print(&lines(names.iter().map(|name| gone(name)))).map(|()| 0);
    }
    let name = registry_of(names.first().map_or("docker.io", String::as_str)).map_err(refused)?;
    match client.logout(&name).map_err(refused)? {
        LoggedOut::Gone => print(&lines([gone(&name)])).map(|()| 0),
        LoggedOut::Nothing => Err(Failure::absent(format!("not logged in to {name}"), "nothing was changed")),
        LoggedOut::Elsewhere(file) => {
            let hint = format!("{} knows of one: log out with the tool that wrote it", file.display());
            Err(Failure::absent(format!("no login of {name} is kept here"), hint))
        }
    }
}
