//! `coracle network ls`.

use crate::cli::filter::{Chosen, NETWORKS};
use crate::cli::output::{self, Format, help, label_list, lines, print};
use crate::cli::{Context, Failure, Verb};
use crate::render::Table;
use engine::network::ListedNetwork;
use flag::{Flag, Help, Order, parse, push_word, put};
use serde_json::{Value, json};

const HELP: Help = Help {
    usage: &["network ls [OPTIONS]"],
    about: "List networks",
    more: &["--filter takes name=PART, id=BEGINNING, driver=, label=NAME[=VALUE], dangling=true|false and until=TIME."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "network ls",
    aliases: &["network list"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    filters: Vec<String>,
    format: Option<Format>,
    quiet: bool,
    whole: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("no-trunc", |g, on| g.whole = on, "Whole ids").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
];

const HEADINGS: &[(&str, &str)] = &[
    ("CreatedAt", "CREATED AT"),
    ("Driver", "DRIVER"),
    ("ID", "NETWORK ID"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("Name", "NAME"),
    ("Scope", "SCOPE"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let filters = Chosen::read(&given.filters, &[NETWORKS], &())?;
    let mut networks = context.engine()?.all_networks()?;
    networks.retain(|listed| filters.fits(listed));
    let id = |listed: &ListedNetwork| output::id(&listed.network.id, given.whole);
    let object = |listed: &ListedNetwork| object(listed, &id(listed));
    print(&match given.format.unwrap_or_default() {
        _ if given.quiet => lines(networks.iter().map(&id)),
        Format::Json => lines(networks.iter().map(|listed| object(listed).to_string())),
        Format::Template(layout) => layout.lines(&networks.iter().map(object).collect::<Vec<_>>(), HEADINGS)?,
        Format::Table => {
            let mut table = Table::new(["NETWORK ID", "NAME", "DRIVER", "SUBNETS"]);
            for listed in &networks {
                let subnets: Vec<_> = listed.network.ranges.iter().map(|range| range.subnet.to_string()).collect();
                let driver = listed.network.driver.name().to_owned();
                table.row([id(listed), listed.network.name.clone(), driver, subnets.join(", ")]);
            }
            table.to_string()
        }
    })?;
    Ok(0)
}

/// One line of docker's `--format json`.
fn object(ListedNetwork { network, users }: &ListedNetwork, id: &str) -> Value {
    json!({
        "CreatedAt": oci::image::rfc3339(network.created as i64, 0),
        "Driver": network.driver.name(),
        "ID": id,
        "IPv4": network.range(false).is_some().to_string(),
        "IPv6": network.range(true).is_some().to_string(),
        "Internal": network.internal.to_string(),
        "Labels": label_list(&network.labels),
        "Links": users.len().to_string(),
        "Name": network.name,
        "Scope": "local",
    })
}
