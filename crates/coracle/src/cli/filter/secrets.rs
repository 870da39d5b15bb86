//! Filters of secrets.

use super::{Filter, labelled, named};
use engine::secrets::Secret;

type F = Filter<Secret, ()>;

/// All of them.
pub const SECRETS: &[F] = &[
    F::any("id", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |secret: &Secret| secret.id.starts_with(&value)))
    }),
    F::any("name", |value, ()| named(value, |secret: &Secret| &secret.name)),
    F::all("label", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |secret: &Secret| labelled(&secret.labels, &value)))
    }),
];
