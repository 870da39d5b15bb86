//! Filters of images.

use super::pattern::glob;
use super::{Filter, Test, labelled, truth, until, wrong};
use crate::cli::Failure;
use crate::render;
use engine::{Engine, Image};
use oci::reference::Reference;

type F = Filter<Image, Engine>;

/// Those that a removal by rule takes, too.
pub const PRUNED_IMAGES: &[F] = &[
    F::all("label", |value, _| label(value, true)),
    F::any("label!", |value, _| label(value, false)),
    F::all("until", |value, _| {
        let until = until(value)?;
        Ok(Box::new(move |image: &Image| created(image) < until))
    }),
    F::any("dangling", |value, _| {
        let wanted = truth("dangling", value)?;
        Ok(Box::new(move |image: &Image| image.names.is_empty() == wanted))
    }),
];

/// All others.
pub const IMAGES: &[F] = &[
    F::all("before", |value, engine| {
        let before = created(&engine.image(value)?);
        Ok(Box::new(move |image: &Image| created(image) < before))
    }),
    F::all("since", since),
    F::all("after", since),
    F::any("reference", |value, _| reference(value)),
    F::any("id", |value, _| {
        let value = value.trim_start_matches("sha256:").to_owned();
        Ok(Box::new(move |image: &Image| image.id.0.hex().starts_with(&value)))
    }),
    F::any("digest", |value, _| {
        let value = value.to_owned();
        Ok(Box::new(move |image: &Image| {
            [&image.entry, &image.descriptor].iter().any(|d| d.digest.to_string().starts_with(&value))
        }))
    }),
    // Nobody else's store is shown as one of ours, and nothing is hidden as being on the way to something.
    F::any("readonly", |value, _| never("readonly", value)),
    F::any("intermediate", |value, _| never("intermediate", value)),
];

/// Seconds since 1970; images without a date are the oldest.
pub fn created(image: &Image) -> u64 {
    image.config.created.as_deref().and_then(render::seconds).unwrap_or(0)
}

fn since(value: &str, engine: &Engine) -> Result<Test<Image>, Failure> {
    let since = created(&engine.image(value)?);
    Ok(Box::new(move |image: &Image| created(image) > since))
}

fn label(value: &str, wanted: bool) -> Result<Test<Image>, Failure> {
    if value.is_empty() {
        return Err(wrong("label", value, "no label", "give NAME or NAME=VALUE"));
    }
    let value = value.to_owned();
    Ok(Box::new(move |image: &Image| labelled(&image.config.config.labels, &value) == wanted))
}

fn never(name: &str, value: &str) -> Result<Test<Image>, Failure> {
    let wanted = truth(name, value)?;
    Ok(Box::new(move |_: &Image| !wanted))
}

/// Whether a name is meant by a pattern: in full or as docker shortens it, with or without tag, and by the last part
/// alone.
pub fn is_meant(pattern: &str, name: &Reference) -> Option<bool> {
    let (full, familiar) = (name.to_string(), name.familiar());
    let untagged = |text: &str| match name.tag() {
        Some(tag) => text.strip_suffix(tag).and_then(|text| text.strip_suffix(':')).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    };
    let path = full.split_once('/').map_or(full.as_str(), |(_, path)| path).to_owned();
    let last = full.rsplit('/').next().unwrap_or_default().to_owned();
    for form in [familiar, full, path, last] {
        if glob(pattern, &form)? || glob(pattern, &untagged(&form))? {
            return Some(true);
        }
    }
    Some(false)
}

/// Images with such a name, or such content: `NAME@sha256:…`.
fn reference(value: &str) -> Result<Test<Image>, Failure> {
    if glob(value, "").is_none() {
        return Err(wrong("reference", value, "no pattern", "give a name, with * ? [a-z] for what may differ"));
    }
    let value = value.to_owned();
    Ok(Box::new(move |image: &Image| {
        let by_name = image.names.iter().any(|name| is_meant(&value, name) == Some(true));
        by_name || image.digests().iter().any(|name| name.familiar() == value || name.to_string() == value)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_meant_as_docker_and_podman_mean_them() {
        let name = |text: &str| text.parse::<Reference>().expect("a name");
        for (pattern, text, expected) in [
            ("debian", "debian:12", true),
            ("debian:12", "debian:12", true),
            ("debian:1?", "debian:12", true),
            ("deb*", "debian", true),
            ("debian", "localhost/debian", true),
            ("docker.io/library/debian", "debian", true),
            ("localhost/*", "localhost/x:1", true),
            ("localhost/*:2", "localhost/x:1", false),
            ("user/app", "user/app", true),
            ("app", "other", false),
            ("debian:11", "debian:12", false),
        ] {
            assert_eq!(is_meant(pattern, &name(text)), Some(expected), "{pattern} {text}");
        }
    }
}
