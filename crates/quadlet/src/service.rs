//! From a file to its service.

use crate::words::quote;
use crate::{Error, Unit, container, image, network, volume};
use std::collections::BTreeMap;
use std::path::Path;

/// Where a file stands.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The program that the service runs: absolute path.
    pub program: &'a str,
    /// The file.
    pub file: &'a Path,
    /// All files there are, with their drop-ins, by name.
    pub files: &'a BTreeMap<String, Unit>,
    /// The service is a user's.
    pub user: bool,
}

impl Setting<'_> {
    /// The file's name without what it ends with.
    pub(crate) fn stem(&self) -> &str {
        self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// It stands for as many services as somebody names.
    pub(crate) fn is_template(&self) -> bool {
        self.stem().contains('@')
    }
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name: `web.service`.
    pub name: String,
    /// What it says.
    pub unit: Unit,
    /// Links to it that its section [Install] asks for, below the directory that it lies in.
    pub links: Vec<String>,
}

type Write = fn(&mut Unit, &Setting<'_>) -> Result<(), Error>;

/// The service that a file becomes; whose kind its name tells.
pub fn service(file: &Unit, setting: &Setting<'_>) -> Result<Service, Error> {
    let extension = setting.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let stem = setting.stem();
    let not_yet = |what| Error::NotYet { name: format!("{stem}.{extension}"), what };
    let (section, suffix, write): (_, _, Write) = match extension {
        "container" => (container::SECTION, "", container::write),
        "volume" => (volume::SECTION, "-volume", volume::write),
        "image" => (image::SECTION, "-image", image::write),
        "network" => (network::SECTION, "-network", network::write),
        "pod" | "kube" => return Err(not_yet("pods")),
        _ => return Err(not_yet("files of this kind")),
    };
    let mut unit = file.clone();
    // A volume or a network is complete when it says nothing.
    if !unit.has(section) && ![volume::SECTION, network::SECTION].contains(&section) {
        return Err(Error::NoSection(section));
    }
    if !setting.user && crate::keys::truth(file, "Quadlet", "DefaultDependencies")?.unwrap_or(true) {
        unit.add("Unit", "Wants", "network-online.target");
        unit.add("Unit", "After", "network-online.target");
    }
    unit.add("Unit", "SourcePath", setting.file.to_string_lossy());
    write(&mut unit, setting)?;
    unit.set_aside(section);
    unit.set_aside("Quadlet");
    let name = file.last(section, "ServiceName").map_or_else(|| format!("{stem}{suffix}"), str::to_owned) + ".service";
    let links = links(file, &name);
    Ok(Service { name, unit, links })
}

/// The line that runs the program with these words.
pub(crate) fn command(setting: &Setting<'_>, global: &[String], words: &[String]) -> String {
    let words = global.iter().chain(words).map(|word| quote(word));
    std::iter::once(quote(setting.program)).chain(words).collect::<Vec<_>>().join(" ")
}

/// The service does one thing, and counts as running when it is done.
pub(crate) fn once(unit: &mut Unit, line: String) {
    unit.add_missing("Service", "Type", "oneshot");
    unit.add_missing("Service", "RemainAfterExit", "yes");
    unit.add_missing("Service", "SyslogIdentifier", "%N");
    unit.add("Service", "ExecStart", line);
}

/// Another service must have run before.
pub(crate) fn needs(unit: &mut Unit, service: &str) {
    unit.add("Unit", "Requires", service);
    unit.add("Unit", "After", service);
}

/// Whether this is the name of a file of that kind.
pub(crate) fn names(name: &str, kind: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == kind)
}

/// The image that a name, or the file that it names, stands for.
pub(crate) fn image_of(unit: &mut Unit, setting: &Setting<'_>, name: &str) -> Result<String, Error> {
    let refuse =
        |why| Error::Value { section: container::SECTION, key: "Image".to_owned(), value: name.to_owned(), why };
    if names(name, "build") {
        return Err(Error::NotYet { name: name.to_owned(), what: "builds" });
    }
    if !names(name, "image") {
        return Ok(name.to_owned());
    }
    let file = setting.files.get(name).ok_or_else(|| refuse("there is no such file"))?;
    needs(unit, &image::service_of(name));
    let image = file.last(image::SECTION, "ImageTag").or_else(|| file.last(image::SECTION, "Image"));
    image.map(str::to_owned).ok_or_else(|| refuse("its file says no Image="))
}

/// What `systemctl enable` would link: a generator's units are enabled as they are made.
fn links(file: &Unit, name: &str) -> Vec<String> {
    let words = |key: &str| -> Vec<String> {
        file.values("Install", key).iter().flat_map(|value| value.split_whitespace()).map(str::to_owned).collect()
    };
    // A template is linked as the instance that it names.
    let instance = file.last("Install", "DefaultInstance");
    let linked = match (name.split_once("@."), instance) {
        (Some((stem, suffix)), Some(instance)) => format!("{stem}@{instance}.{suffix}"),
        (Some(_), None) => return Vec::new(),
        (None, _) => name.to_owned(),
    };
    // A name leads nowhere else.
    let plain = |word: &String| !word.contains('/') && !word.starts_with('.');
    let mut links: Vec<String> = words("Alias").into_iter().filter(plain).collect();
    for (key, directory) in [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")] {
        links.extend(words(key).iter().filter(|word| plain(word)).map(|word| format!("{word}.{directory}/{linked}")));
    }
    links
}
