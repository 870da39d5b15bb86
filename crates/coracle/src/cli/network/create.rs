//! `coracle network create`.

use crate::cli::output::{help, print};
use crate::cli::{Context, Failure, Verb};
use engine::flags::{self, Invalid};
use engine::network::{NewNetwork, Range, Subnet};
use flag::{Flag, Help, Order, parse, push_word};
use std::net::IpAddr;

const HELP: Help = Help {
    usage: &["network create [OPTIONS] NAME"],
    about: "Make a network",
    more: &[
        "Its containers find each other by their names, and go out with this machine's address. Without --subnet it gets \
         ranges of both families that nothing else has. Networks are apart from each other, but for those with \
         --opt isolate=false.",
        "--opt takes mtu=BYTES, isolate=false, no_default_route=true, nat=false, parent=DEVICE and \
         mode=bridge|private|vepa|passthru (macvlan), and docker's and podman's longer words for the same.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "network create", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    macvlan: bool,
    new: NewNetwork,
    subnets: Vec<Subnet>,
    gateways: Vec<IpAddr>,
    pools: Vec<Subnet>,
    labels: Vec<String>,
    parent: Option<String>,
    mode: Option<String>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("driver", "DRIVER", driver, "bridge (the default) or macvlan").short('d').under("Options"),
    F::takes("subnet", "SUBNET", subnet, "Its addresses, such as 10.90.0.0/24; once for each family").under("Options"),
    F::takes("gateway", "ADDRESS", |g, w| add(&mut g.gateways, flags::address(w)), "This machine's among them")
        .under("Options"),
    F::takes("ip-range", "SUBNET", pool, "What containers get that ask for none in particular").under("Options"),
    F::switch("ipv6", |g, on| g.new.ipv6 = Some(on), "Addresses of IPv6, too; false: none").under("Options"),
    F::switch("internal", |g, on| g.new.internal = on, "It reaches nothing outside").under("Options"),
    F::switch("disable-dns", |g, on| g.new.no_names = on, "Its containers have no names for each other")
        .under("Options"),
    F::takes(
        "dns",
        "ADDRESS",
        |g, w| add(&mut g.new.servers, flags::address(w)),
        "Name server, instead of this machine's",
    )
    .under("Options"),
    F::takes(
        "interface-name",
        "NAME",
        interface,
        "What the bridge is called; of a macvlan, the device that it is over",
    )
    .under("Options"),
    F::takes("label", "NAME[=VALUE]", |g, w| push_word(&mut g.labels, w), "Add a label").under("Options"),
    F::takes("opt", "NAME=VALUE", option, "See above").short('o').under("Options"),
    F::switch("ignore", |g, on| g.new.ignore = on, "One that is there will do").under("Options"),
    // docker's, of a swarm and of its own way to attach: nothing here is other for them.
    F::switch("attachable", |_, _| (), "Nothing: every network is").under("Options"),
];

fn add<T>(list: &mut Vec<T>, value: Result<T, Invalid>) -> Result<(), Invalid> {
    list.push(value?);
    Ok(())
}

fn driver(given: &mut Given, word: &str) -> Result<(), Invalid> {
    match word {
        "bridge" => Ok(()),
        "macvlan" => {
            given.macvlan = true;
            Ok(())
        }
        _ => Err(Invalid::new(word, "no such driver").hint("bridge or macvlan")),
    }
}

fn parsed(word: &str) -> Result<Subnet, Invalid> {
    let hint = "write one such as 10.90.0.0/24 or fd00:90::/64";
    let subnet: Subnet = word.parse().map_err(|_| Invalid::new(word, "not a subnet").hint(hint))?;
    let longest = if subnet.is_ipv6() { 126 } else { 30 };
    if subnet.prefix() > longest || subnet.prefix() < 8 {
        return Err(Invalid::new(word, "too small or too large for containers").hint(hint));
    }
    Ok(subnet)
}

fn subnet(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let subnet = parsed(word)?;
    if given.subnets.iter().any(|other| other.is_ipv6() == subnet.is_ipv6()) {
        return Err(Invalid::new(word, "a second subnet of the same family").hint("give one of each"));
    }
    given.subnets.push(subnet);
    Ok(())
}

fn pool(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.pools.push(word.parse().map_err(|_| Invalid::new(word, "not a subnet"))?);
    Ok(())
}

fn interface(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if word.is_empty() || word.len() > 15 || !word.chars().all(good) {
        return Err(Invalid::new(word, "not a name for a device").hint("give at most 15 letters and digits"));
    }
    given.new.interface = Some(word.to_owned());
    Ok(())
}

fn option(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let truth = || match value {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Invalid::new(word, "neither true nor false")),
    };
    match key {
        "mtu" | "com.docker.network.driver.mtu" => {
            let number = value.parse().ok().filter(|mtu| (68..=65_535).contains(mtu));
            let hint = "give a number of bytes from 68 to 65535; 0 leaves it to the kernel";
            given.new.mtu = match number {
                None if value == "0" => None,
                None => return Err(Invalid::new(word, "not a size of packets").hint(hint)),
                number => number,
            };
        }
        "isolate" => given.new.open = !(truth()? || value == "strict"),
        "com.docker.network.bridge.enable_icc" if !truth()? => {
            return Err(
                Invalid::new(word, "containers of one network always reach each other").hint("give each its own")
            );
        }
        "com.docker.network.bridge.enable_icc" | "com.docker.network.bridge.default_bridge" => {}
        "no_default_route" => given.new.no_default_route = truth()?,
        "nat" | "com.docker.network.bridge.enable_ip_masquerade" => given.new.routed = !truth()?,
        "com.docker.network.bridge.name" | "bridge_name" => interface(given, value)?,
        "parent" => given.parent = Some(value.to_owned()),
        "mode" | "macvlan_mode" => match value {
            "bridge" | "private" | "vepa" | "passthru" => given.mode = Some(value.to_owned()),
            _ => return Err(Invalid::new(word, "no such mode").hint("bridge, private, vepa or passthru")),
        },
        _ => {
            let known = ["mtu", "isolate", "no_default_route", "nat", "parent", "mode"];
            let list = "they are mtu, isolate, no_default_route, nat, parent, mode";
            return Err(Invalid::new(word, "no such option of a network").suggest(key, known, Some(list)));
        }
    }
    given.new.options.insert(key.to_owned(), value.to_owned());
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let words = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let [name] = words.as_slice() else {
        return Err(Failure::words("one name is needed", "coracle network create NAME"));
    };
    let labels = given.labels.iter().map(String::as_str);
    given.new.labels = flags::labels([], labels).map_err(|invalid| Failure::value("--label", &invalid))?;
    given.new.name.clone_from(name);
    let mut ranges: Vec<_> = given.subnets.iter().copied().map(Range::of).collect();
    for gateway in given.gateways {
        let range = ranges.iter_mut().find(|range| range.subnet.has_host(gateway));
        let range = range.ok_or_else(|| {
            Failure::words(format!("--gateway {gateway} is in none of the subnets"), "give --subnet with it")
        })?;
        range.gateway = Some(gateway);
    }
    for pool in given.pools {
        let within =
            |range: &&mut Range| range.subnet.contains(pool.address()) && pool.prefix() >= range.subnet.prefix();
        let range = ranges.iter_mut().find(within).ok_or_else(|| {
            Failure::words(format!("--ip-range {pool} is in none of the subnets"), "give --subnet with it")
        })?;
        range.pool = Some(pool);
    }
    given.new.ranges = ranges;
    if given.macvlan {
        let parent = given.parent.or(given.new.interface.take()).ok_or_else(|| {
            Failure::words(
                "a macvlan needs the device that it is over",
                "write --opt parent=DEVICE; ip link lists them",
            )
        })?;
        given.new.macvlan = Some((parent, given.mode.unwrap_or_else(|| "bridge".to_owned())));
    }
    print(&format!("{}\n", context.engine()?.create_network(given.new)?.name)).map(|()| 0)
}
