//! Docker's archive before 1.10: `repositories`, and each layer an image of its own that names its parent.
//!
//! Such an image has no configuration to take over; it is written anew from what its layers say.

use super::docker::finish;
use super::source::Source;
use crate::arrivals::Found;
use crate::{Error, Result};
use oci::image::{History, ImageConfig, LegacyLayer, Platform, Repositories, RootFs};
use oci::reference::Reference;

pub(super) const REPOSITORIES: &str = "repositories";
/// The most layers of one image.
const MOST_LAYERS: usize = 1000;

pub(super) fn load(source: &mut Source<'_>) -> Result<Vec<Found>> {
    let repositories: Repositories = read(source, REPOSITORIES)?;
    let mut found = Vec::new();
    for (repository, tags) in &repositories {
        for (tag, top) in tags {
            let name: Reference = format!("{repository}:{tag}").parse()?;
            found.push(one(source, top, name)?);
        }
    }
    Ok(found)
}

fn read<T: serde::de::DeserializeOwned>(source: &Source<'_>, path: &str) -> Result<T> {
    let bytes = source.read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { what: path.to_owned(), source })
}

fn one(source: &mut Source<'_>, top: &str, name: Reference) -> Result<Found> {
    let mut chain: Vec<(String, LegacyLayer)> = Vec::new();
    let mut next = Some(top.to_owned());
    while let Some(id) = next.take().filter(|id| !id.is_empty()) {
        if chain.len() == MOST_LAYERS {
            return Err(source.wrong(format!("more than {MOST_LAYERS} layers below {top}")));
        }
        let layer: LegacyLayer = read(source, &format!("{id}/json"))?;
        next.clone_from(&layer.parent);
        chain.push((id, layer));
    }
    let Some((_, image)) = chain.first().cloned() else {
        return Err(source.wrong(format!("{name} has no layer")));
    };
    let (mut layers, mut rootfs, mut history) = (Vec::new(), RootFs::default(), Vec::new());
    for (id, layer) in chain.iter().rev() {
        let taken = source.take_layer(&format!("{id}/layer.tar"))?;
        layers.push(taken.descriptor);
        rootfs.diff_ids.push(taken.diff_id);
        let command = layer.container_config.as_ref().and_then(|config| config.cmd.as_ref());
        history.push(History {
            created: layer.created.clone(),
            author: layer.author.clone(),
            created_by: command.map(|words| words.join(" ")),
            ..History::default()
        });
    }
    let host = Platform::host();
    let config = ImageConfig {
        created: image.created,
        author: image.author,
        architecture: image.architecture.unwrap_or(host.architecture),
        os: image.os.unwrap_or(host.os),
        config: image.config.unwrap_or_default(),
        rootfs,
        history,
        ..ImageConfig::default()
    };
    let json = |source| Error::Json { what: "the new configuration".to_owned(), source };
    finish(source, &serde_json::to_vec(&config).map_err(json)?, layers, vec![name])
}
