//! What a container's files are: layers, mounts, devices, what it has changed, and where a path comes from.

use super::{Page, by, bytes};
use crate::columns::{Columns, cut};
use engine::sides::{Gate, LayerSide, MountOrigin, MountSide, PathSide, RootKind, Sides};
use std::collections::BTreeMap;

/// So many layers, mounts, and changed files are shown.
const LAYERS: usize = 12;
const MOUNTS: usize = 24;
const CHANGED: usize = 10;

pub(super) fn write(page: &mut Page, sides: &Sides) {
    root(page, sides);
    mounts(page, sides);
    devices(page, sides);
    changes(page, sides);
    paths(page, sides, 2);
}

fn root(page: &mut Page, sides: &Sides) {
    let root = &sides.files.root;
    let access = if root.read_only { "read-only" } else { "writable" };
    page.line(&match root.kind {
        RootKind::Image => format!("  root  {access}: layers of {}, below one of its own", sides.image),
        RootKind::Overlay => format!("  root  {access}: a directory of this machine, below a layer of its own"),
        RootKind::Directory => format!("  root  {access}: a directory of this machine, and changes are made there"),
        RootKind::Host => format!("  root  {access}: this machine's own files, below a layer that is thrown away"),
    });
    let mut columns = Columns::new(4, &[2]);
    if let Some(upper) = &root.upper {
        columns.row(["own", "", &bytes(sides.files.changes.disk), &upper.to_string_lossy()]);
    }
    for (number, layer) in root.layers.iter().enumerate().rev().take(LAYERS) {
        let (name, digest, told) = told(layer, number);
        columns.row([&name, &digest, &bytes(layer.size), &told]);
    }
    page.text.push_str(&columns.lines(page.width));
    page.more(4, root.layers.len().saturating_sub(LAYERS), "layers below these");
}

/// Number, digest, and what it is of a layer of an image.
fn told(layer: &LayerSide, number: usize) -> (String, String, String) {
    let digest = layer.digest.as_deref().unwrap_or_default();
    let path = || layer.path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let by = match &layer.created_by {
        Some(by) => by.split_whitespace().collect::<Vec<_>>().join(" "),
        None if layer.digest.is_some() => "its history does not say by what".to_owned(),
        None => path().unwrap_or_default(),
    };
    let by = if layer.mounted { by } else { format!("(hidden by those above) {by}") };
    (format!("layer {}", number + 1), cut(digest, 19).replace('…', ""), by)
}

fn mounts(page: &mut Page, sides: &Sides) {
    let mounts = &sides.files.mounts;
    let mut columns = Columns::new(4, &[]);
    let mut folded: BTreeMap<&str, (usize, &MountSide)> = BTreeMap::new();
    let mut shown = 0;
    let mut left_out = mounts.more;
    for mount in &mounts.list {
        match mount.origin {
            MountOrigin::Root | MountOrigin::Masked | MountOrigin::ReadOnly => continue,
            MountOrigin::Default if mount.at.starts_with("/sys/fs/cgroup/") => {
                folded.entry("/sys/fs/cgroup/…").or_insert((0, mount)).0 += 1;
                continue;
            }
            MountOrigin::Host => {
                folded.entry("pieces of host:").or_insert((0, mount)).0 += 1;
                continue;
            }
            MountOrigin::Device => {
                folded.entry("/dev/…").or_insert((0, mount)).0 += 1;
                continue;
            }
            _ if mount.covered => {
                folded.entry("covered by others").or_insert((0, mount)).0 += 1;
                continue;
            }
            _ => {}
        }
        if shown == MOUNTS {
            left_out += 1;
            continue;
        }
        shown += 1;
        columns.row([&mount.at, &from(mount), &options(mount, sides.runs), &by(mount.by.as_ref())]);
    }
    for (what, (count, mount)) in folded {
        let options = if mount.covered { String::new() } else { options(mount, sides.runs) };
        columns.row([what, &format!("{count} of them"), &options, &by(mount.by.as_ref())]);
    }
    if !columns.is_empty() {
        page.line("  mounts");
        page.text.push_str(&columns.lines(page.width));
    }
    page.more(4, left_out, "mounts");
    let hidden = &mounts.hidden;
    for (word, paths) in [
        ("hidden", &hidden.masked),
        ("read-only", &hidden.read_only),
        ("open, though they were to be hidden or read-only", &hidden.open),
    ] {
        if !paths.is_empty() {
            page.line(&format!("  {word}  {}", by(hidden.by.as_ref())));
            page.words(4, paths.iter().map(String::as_str));
        }
    }
}

fn from(mount: &MountSide) -> String {
    let from = mount.from.as_deref();
    match mount.origin {
        MountOrigin::Root => "the root".to_owned(),
        MountOrigin::Generated => "made for it".to_owned(),
        MountOrigin::Secret => "a secret".to_owned(),
        MountOrigin::Along => format!("along with it: {}", from.unwrap_or_default()),
        MountOrigin::Since => format!("{} mounted since the start, not by us", mount.filesystem),
        MountOrigin::Volume => from.unwrap_or("a volume of its own").to_owned(),
        MountOrigin::Tmpfs => "memory".to_owned(),
        _ => from.unwrap_or(&mount.filesystem).to_owned(),
    }
}

/// Those that hold; what says nothing in particular is left out.
fn options(mount: &MountSide, runs: bool) -> String {
    let Some(effective) = &mount.effective else {
        return if runs { "not there".to_owned() } else { mount.asked.join(",") };
    };
    effective.split(',').filter(|option| *option != "relatime").collect::<Vec<_>>().join(",")
}

fn devices(page: &mut Page, sides: &Sides) {
    let devices = &sides.files.devices;
    if devices.nodes.is_empty() {
        return;
    }
    let (default, asked): (Vec<_>, Vec<_>) =
        devices.nodes.iter().partition(|node| node.by.as_deref() == Some("default"));
    let gate = match devices.gate {
        _ if !sides.runs => "as asked",
        Gate::Modes => "their owners and modes decide",
        Gate::Controller => "the cgroup decides, by its list",
        Gate::Program => "the cgroup decides, by a program",
    };
    page.line(&format!("  devices  {gate}"));
    if !default.is_empty() {
        page.words(4, default.iter().map(|node| node.at.as_str()).chain(["[default]"]));
    }
    let mut columns = Columns::new(4, &[]);
    for node in asked.iter().take(MOUNTS) {
        let device = node.device.as_deref().unwrap_or_default();
        columns.row([&node.at, device, node.access.as_deref().unwrap_or_default(), &by(node.by.as_ref())]);
    }
    page.text.push_str(&columns.lines(page.width));
    page.more(4, asked.len().saturating_sub(MOUNTS), "devices");
}

fn changes(page: &mut Page, sides: &Sides) {
    let changes = &sides.files.changes;
    if sides.files.root.upper.is_none() {
        return;
    }
    let [added, changed, deleted] = changes.counts;
    let at_least = if changes.complete { "" } else { "at least " };
    let disk = bytes(changes.disk);
    page.line(&format!("  changed  {at_least}{added} added, {changed} changed, {deleted} deleted; {disk} on disk"));
    let mut columns = Columns::new(4, &[1]);
    for file in changes.list.iter().take(CHANGED) {
        let size = if file.change == "deleted" { String::new() } else { bytes(file.size) };
        columns.row([file.change, &size, &file.path]);
    }
    page.text.push_str(&columns.lines(page.width));
    page.more(4, changes.list.len().saturating_sub(CHANGED) + changes.more, "paths");
}

pub(super) fn paths(page: &mut Page, sides: &Sides, indent: usize) {
    for path in &sides.files.paths {
        one(page, sides, path, indent);
    }
}

fn one(page: &mut Page, sides: &Sides, path: &PathSide, indent: usize) {
    let blanks = " ".repeat(indent);
    page.line(&format!("{blanks}{}", path.asked));
    for (link, target) in &path.links {
        page.line(&format!("{blanks}  {link} is a link to {target}"));
    }
    if !path.links.is_empty() {
        page.line(&format!("{blanks}  leads to {}", path.path));
    }
    if let Some(mount) = &path.mount {
        let host = path.host.as_ref().map(|host| format!(", on this machine {host}")).unwrap_or_default();
        let by = by(mount.by.as_ref());
        page.line(format!("{blanks}  comes from the mount at {}: {}{host} {by}", mount.at, from(mount)).trim_end());
    }
    let seen = path.places.iter().any(|place| place.seen && place.kind != "whiteout");
    if !seen && path.mount.is_none() {
        page.line(&format!("{blanks}  is not there"));
    }
    let mut columns = Columns::new(indent + 2, &[3]);
    for place in &path.places {
        let number = sides.files.root.layers.iter().position(|layer| layer.digest == place.layer.digest);
        let (name, digest, by) = match number {
            Some(number) if !place.own => told(&place.layer, number),
            _ if place.own => ("own".to_owned(), "its own layer".to_owned(), String::new()),
            _ => told(&place.layer, 0),
        };
        let word = match (place.kind, place.seen) {
            ("whiteout", _) => "says that it is gone",
            (_, true) => "seen",
            (_, false) => "hidden",
        };
        let kind = if place.kind == "whiteout" { "" } else { place.kind };
        let size = if place.kind == "file" { bytes(place.size) } else { String::new() };
        columns.row([&name, &digest, kind, &size, word, &by]);
    }
    page.text.push_str(&columns.lines(page.width));
}
