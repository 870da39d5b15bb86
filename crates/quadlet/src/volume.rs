//! `.volume`: a service that makes a volume, once.

use crate::keys::Becomes::{Bare, Elsewhere, Switch, Value, Words};
use crate::keys::{Table, flags, words};
use crate::service::{Setting, command, needs, once};
use crate::{Error, Unit};

pub(crate) const SECTION: &str = "Volume";

const KEYS: Table = &[
    ("Driver", Value("--driver")),
    ("Label", Words("--label")),
    ("ServiceName", Elsewhere),
    ("VolumeName", Elsewhere),
    ("Copy", Elsewhere),
    ("Device", Elsewhere),
    ("Group", Elsewhere),
    ("Options", Elsewhere),
    ("Type", Elsewhere),
    ("User", Elsewhere),
    ("GlobalArgs", Elsewhere),
    ("ContainersConfModule", Elsewhere),
    ("Ignore", Switch("--ignore")),
    ("PodmanArgs", Bare),
];

pub(crate) fn write(unit: &mut Unit, setting: &Setting<'_>) -> Result<(), Error> {
    let last = |key: &str| unit.last(SECTION, key).map(str::to_owned);
    let mut create = ["volume", "create", "--ignore"].map(str::to_owned).to_vec();
    create.extend(flags(unit, SECTION, KEYS)?);
    let mut option = |name: &str, value: String| create.extend(["--opt".to_owned(), format!("{name}={value}")]);
    if let Some(kind) = last("Type") {
        option("type", kind);
    }
    if let Some(device) = last("Device") {
        option("device", device);
    }
    let owner = |key: &str, word: &str| last(key).map(|id| format!("{word}={id}"));
    let mounted: Vec<_> =
        [last("Options"), owner("User", "uid"), owner("Group", "gid")].into_iter().flatten().collect();
    if !mounted.is_empty() {
        option("o", mounted.join(","));
    }
    create.push(own_name(unit, setting.stem()));
    let global = words(unit, SECTION, "GlobalArgs")?;
    once(unit, command(setting, &global, &create));
    Ok(())
}

fn own_name(unit: &Unit, stem: &str) -> String {
    unit.last(SECTION, "VolumeName").map_or_else(|| format!("systemd-{stem}"), str::to_owned)
}

/// The name of the volume of another file, whose service must have run before this one.
pub(crate) fn name_of(unit: &mut Unit, setting: &Setting<'_>, file: &str) -> Result<String, Error> {
    let absent = || Error::Value {
        section: crate::container::SECTION,
        key: "Volume".to_owned(),
        value: file.to_owned(),
        why: "there is no such file",
    };
    let stem = file.strip_suffix(".volume").unwrap_or(file);
    let volume = setting.files.get(file).ok_or_else(absent)?;
    needs(unit, &format!("{stem}-volume.service"));
    Ok(own_name(volume, stem))
}
