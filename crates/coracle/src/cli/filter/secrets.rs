//! Filters of secrets.

use super::pattern::finds;
use super::{Filter, labelled, wrong};
use engine::secrets::Secret;

type F = Filter<Secret, ()>;

/// All of them.
pub const SECRETS: &[F] = &[
    F::any("id", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |secret: &Secret| secret.id.starts_with(&value)))
    }),
    F::any("name", |value, ()| {
        if finds(value, "").is_none() {
            return Err(wrong("name", value, "no pattern for a name", "give a part of it"));
        }
        let value = value.to_owned();
        Ok(Box::new(move |secret: &Secret| finds(&value, &secret.name) == Some(true)))
    }),
    F::all("label", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |secret: &Secret| labelled(&secret.labels, &value)))
    }),
];
