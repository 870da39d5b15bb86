//! Where a path of a container comes from: a mount, or a layer, with those that it hides.

use super::layers::{LayerSide, Layers};
use super::mount_table::{self, Line, is_within};
use super::{MountSide, Mounts};
use crate::error::{Error, Result};
use layer::{PlaceKind, trace};
use serde::Serialize;

/// A path.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathSide {
    /// As it was asked for.
    pub asked: String,
    /// Where it leads, without links.
    pub path: String,
    /// Links on the way, each with its target.
    pub links: Vec<(String, String)>,
    /// The mount that it comes from; none where that is the root.
    pub mount: Option<MountSide>,
    /// Where that is on this machine.
    pub host: Option<String>,
    /// What the layers have there, the topmost first.
    pub places: Vec<PlaceSide>,
}

/// What a layer has there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceSide {
    /// The layer.
    pub layer: LayerSide,
    /// It is the container's own.
    pub own: bool,
    /// `file`, `directory`, `opaque directory`, `link`, `special` or `whiteout`.
    pub kind: &'static str,
    /// It is what the container sees, or a part of it.
    pub seen: bool,
    /// Bytes of a file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group, on disk.
    pub owner: (u32, u32),
}

pub(super) fn look(layers: &Layers<'_>, mounts: &Mounts, asked: &str) -> Result<PathSide> {
    let mounted = |path: &[u8]| mount_of(mounts, &String::from_utf8_lossy(path)).is_some();
    let all = layers.all();
    let found = trace(&all, layers.style()?, asked.as_bytes(), &mounted);
    let found = found.map_err(Error::system("look into the container's layers"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let path = text(&found.path);
    let mount = mount_of(mounts, &path);
    let hidden = mount.is_some();
    let own = layers.held.upper().is_ok().then(|| all.len() - 1);
    let place = |place: layer::Place| PlaceSide {
        own: Some(place.layer) == own,
        layer: layers.side(place.layer),
        kind: match place.kind {
            PlaceKind::Directory => "directory",
            PlaceKind::Opaque => "opaque directory",
            PlaceKind::File => "file",
            PlaceKind::Link => "link",
            PlaceKind::Special => "special",
            PlaceKind::Whiteout => "whiteout",
        },
        // What a mount covers nobody sees.
        seen: place.seen && !hidden,
        size: place.size,
        mode: place.mode,
        owner: place.owner,
    };
    Ok(PathSide {
        asked: asked.to_owned(),
        host: mount.as_ref().and_then(|(side, _)| host(side, &path)),
        mount: mount.map(|(side, _)| side),
        links: found.links.iter().map(|(link, target)| (text(link), text(target))).collect(),
        places: found.places.into_iter().map(place).collect(),
        path,
    })
}

/// The mount over a path without links, if it is not the root. Of a container that does not run, the one that is to be.
fn mount_of<'a>(mounts: &'a Mounts, path: &str) -> Option<(MountSide, Option<&'a Line>)> {
    if mounts.table.is_empty() {
        let over = mounts.list.iter().filter(|mount| is_within(path, &mount.at));
        return over.max_by_key(|mount| mount.at.len()).map(|mount| (mount.clone(), None));
    }
    let line = mount_table::at(&mounts.table, path)?;
    let number = mounts.table.iter().position(|other| other.id == line.id)?;
    let side = mounts.list.get(number).filter(|_| line.point != "/")?;
    Some((side.clone(), Some(line)))
}

fn host(side: &MountSide, path: &str) -> Option<String> {
    let from = side.from.as_deref().filter(|from| from.starts_with('/'))?;
    Some(format!("{from}{}", path.strip_prefix(side.at.as_str()).unwrap_or_default()))
}
