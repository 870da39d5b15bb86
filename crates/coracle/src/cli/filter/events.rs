//! Filters of events.

use super::{Filter, Test, labelled, wrong};
use engine::events::{Event, Kind};

type F = Filter<Event, ()>;

/// By the name of what one kind of events is about.
macro_rules! of {
    ($name:literal, $kind:expr) => {
        F::any($name, |value, ()| {
            let value = value.to_owned();
            Ok(Box::new(move |event: &Event| event.kind == $kind && named(event, &value)))
        })
    };
}

/// All of them.
pub const EVENTS: &[F] = &[
    F::any("container", |value, ()| {
        let value = value.strip_prefix('/').unwrap_or(value).to_owned();
        Ok(Box::new(move |event: &Event| event.kind == Kind::Container && named(event, &value)))
    }),
    F::any("image", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |event: &Event| match event.kind {
            Kind::Image => named(event, &value),
            Kind::Container => event.attributes.get("image").is_some_and(|image| same_image(image, &value)),
            _ => false,
        }))
    }),
    of!("network", Kind::Network),
    of!("secret", Kind::Secret),
    of!("volume", Kind::Volume),
    F::any("event", |value, ()| Ok(action(value))),
    F::any("type", |value, ()| {
        if !["container", "image", "network", "volume", "secret", "pod", "system", "daemon"].contains(&value) {
            return Err(wrong("type", value, "no such type", "container, image, network, volume or secret"));
        }
        let value = value.to_owned();
        Ok(Box::new(move |event: &Event| event.kind.word() == value))
    }),
    F::all("label", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |event: &Event| labelled(&event.attributes, &value)))
    }),
];

/// By its name, or the beginning of its id.
fn named(event: &Event, value: &str) -> bool {
    let id = event.id.strip_prefix("sha256:").unwrap_or(&event.id);
    let by_id = !value.is_empty() && id.starts_with(value.strip_prefix("sha256:").unwrap_or(value));
    by_id || event.attributes.get("name").is_some_and(|name| same_image(name, value))
}

/// A name without a tag stands for all tags.
fn same_image(name: &str, value: &str) -> bool {
    name == value || name.strip_prefix(value).is_some_and(|rest| rest.starts_with(':') && !rest.contains('/'))
}

/// docker's words, and those that podman has for the same; `exec_start` is one without the command behind it.
fn action(value: &str) -> Test<Event> {
    let word = match value {
        "died" => "die",
        "exec" | "exec_create" => "exec_start",
        "exec_died" => "exec_die",
        value => value,
    }
    .to_owned();
    Box::new(move |event: &Event| {
        let is = event.action == word || event.action.split_once(": ").is_some_and(|(action, _)| action == word);
        // podman's word for both.
        is || (word == "remove" && ["destroy", "delete"].contains(&event.action.as_str()))
    })
}
