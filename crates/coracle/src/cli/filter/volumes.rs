//! Filters of volumes.

use super::{Filter, labelled, truth, until};
use crate::cli::volume::labels;
use engine::volume::ListedVolume;

type F = Filter<ListedVolume, ()>;

/// All of them.
pub const VOLUMES: &[F] = &[
    F::any("dangling", |value, ()| {
        let wanted = truth("dangling", value)?;
        Ok(Box::new(move |listed: &ListedVolume| listed.users.is_empty() == wanted))
    }),
    F::any("name", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedVolume| listed.volume.name.as_str().contains(&value)))
    }),
    F::all("label", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedVolume| labelled(&labels(&listed.volume), &value)))
    }),
    F::any("label!", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedVolume| !labelled(&labels(&listed.volume), &value)))
    }),
    F::any("driver", |value, ()| {
        let is_ours = value == "local";
        Ok(Box::new(move |_: &ListedVolume| is_ours))
    }),
    F::all("until", |value, ()| {
        let until = until(value)?;
        Ok(Box::new(move |listed: &ListedVolume| listed.volume.created < until))
    }),
];
