//! `coracle network connect`.

use crate::cli::output::help;
use crate::cli::{Context, Failure, Verb};
use engine::config::Joined;
use engine::flags;
use flag::{Flag, Help, Order, parse};

const HELP: Help = Help {
    usage: &["network connect [OPTIONS] NETWORK CONTAINER"],
    about: "Join a container to a network",
    more: &["At once where it runs: it gets one more device."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "network connect", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    joined: Joined,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes(
        "alias",
        "NAME",
        |g, w| flags::host_label(w).map(|name| g.joined.aliases.push(name)),
        "Name for others there",
    )
    .under("Options"),
    F::takes("ip", "ADDRESS", |g, w| flags::address(w).map(|ip| g.joined.addresses.push(ip)), "Its address there")
        .under("Options"),
    F::takes(
        "ip6",
        "ADDRESS",
        |g, w| flags::address(w).map(|ip| g.joined.addresses.push(ip)),
        "Its address of IPv6 there",
    )
    .under("Options"),
    F::takes(
        "mac-address",
        "ADDRESS",
        |g, w| flags::mac_address(w).map(|mac| g.joined.mac = Some(mac)),
        "Hardware address",
    )
    .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [network, container] = words.as_slice() else {
        return Err(Failure::words("a network and a container are needed", HELP.usage[0]));
    };
    context.engine()?.connect(network, container, given.joined)?;
    Ok(0)
}
