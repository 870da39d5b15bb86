//! `coracle network inspect`, in the shape that docker's API has.

use crate::cli::Verb;
use crate::cli::output::help;
use crate::cli::shown::{FLAGS, shown};
use engine::Engine;
use engine::network::{Network, Range};
use flag::Help;
use serde_json::{Map, Value, json};

const HELP: Help =
    Help { usage: &["network inspect [OPTIONS] NETWORK..."], about: "Tell all of a network, as JSON", more: &[] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "network inspect",
    aliases: &[],
    about: HELP.about,
    run: |words, context| {
        shown(words, context, VERB.name, "a network", |engine, name| Ok(object(engine, &engine.find_network(name)?)))
    },
    help: |width| help(&HELP, FLAGS, width),
};

/// A network as docker's API has it.
pub fn object(engine: &Engine, network: &Network) -> Value {
    let range = |range: &Range| {
        json!({
            "Subnet": range.subnet.to_string(),
            "Gateway": range.gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
            "IPRange": range.pool.map(|pool| pool.to_string()).unwrap_or_default(),
        })
    };
    let containers = engine.places(network).into_iter().map(|place| {
        let of = |ipv6| place.address(ipv6).map(|(address, bits)| format!("{address}/{bits}")).unwrap_or_default();
        let object = json!({
            "Name": place.names.first(),
            "EndpointID": "",
            "MacAddress": place.mac,
            "IPv4Address": of(false),
            "IPv6Address": of(true),
        });
        (place.container, object)
    });
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": oci::image::rfc3339(network.created as i64, 0),
        "Scope": "local",
        "Driver": network.driver.name(),
        "EnableIPv4": network.range(false).is_some(),
        "EnableIPv6": network.range(true).is_some(),
        "IPAM": { "Driver": "default", "Options": null, "Config": network.ranges.iter().map(range).collect::<Vec<_>>() },
        "Internal": network.internal,
        "Attachable": true,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers.collect::<Map<_, _>>(),
        "Options": network.options,
        "Labels": network.labels,
        "Interface": network.bridge(),
        "Names": network.names,
    })
}
