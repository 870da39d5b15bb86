//! `.network`: a service that makes a network, once.

use crate::keys::Becomes::{Bare, Each, Elsewhere, Switch, Truth, Value, Words};
use crate::keys::{Table, flags, words};
use crate::service::{Setting, command, needs, once};
use crate::{Error, Unit};

pub(crate) const SECTION: &str = "Network";

const KEYS: Table = &[
    ("DNS", Each("--dns")),
    ("DisableDNS", Switch("--disable-dns")),
    ("Driver", Value("--driver")),
    ("Gateway", Each("--gateway")),
    ("IPRange", Each("--ip-range")),
    ("IPv6", Truth("--ipv6")),
    ("InterfaceName", Value("--interface-name")),
    ("Internal", Switch("--internal")),
    ("Label", Words("--label")),
    ("NetworkName", Elsewhere),
    ("Options", Each("--opt")),
    ("ServiceName", Elsewhere),
    ("Subnet", Each("--subnet")),
    ("GlobalArgs", Elsewhere),
    ("ContainersConfModule", Elsewhere),
    ("PodmanArgs", Bare),
];

pub(crate) fn write(unit: &mut Unit, setting: &Setting<'_>) -> Result<(), Error> {
    let mut create = ["network", "create", "--ignore"].map(str::to_owned).to_vec();
    create.extend(flags(unit, SECTION, KEYS)?);
    create.push(own_name(unit, setting.stem()));
    let global = words(unit, SECTION, "GlobalArgs")?;
    once(unit, command(setting, &global, &create));
    Ok(())
}

fn own_name(unit: &Unit, stem: &str) -> String {
    unit.last(SECTION, "NetworkName").map_or_else(|| format!("systemd-{stem}"), str::to_owned)
}

/// The name of the network of another file, whose service must have run before this one.
pub(crate) fn name_of(unit: &mut Unit, setting: &Setting<'_>, file: &str) -> Result<String, Error> {
    let absent = || Error::Value {
        section: crate::container::SECTION,
        key: "Network".to_owned(),
        value: file.to_owned(),
        why: "there is no such file",
    };
    let stem = file.strip_suffix(".network").unwrap_or(file);
    let network = setting.files.get(file).ok_or_else(absent)?;
    needs(unit, &format!("{stem}-network.service"));
    Ok(own_name(network, stem))
}
