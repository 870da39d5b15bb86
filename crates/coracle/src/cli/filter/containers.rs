//! Filters of containers.

use super::{Filter, Test, labelled, named, truth, until, wrong};
use crate::cli::Failure;
use engine::Engine;
use engine::config::{ImageRef, Mount, NetworkMode, Policy};
use engine::containers::{Listed, Status};

type F = Filter<Listed, Engine>;

/// All of them.
pub const CONTAINERS: &[F] = &[
    F::any("id", |value, _| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &Listed| listed.container.id.as_str().starts_with(&value)))
    }),
    F::any("name", |value, _| {
        named(value.strip_prefix('/').unwrap_or(value), |listed: &Listed| listed.container.name.as_str())
    }),
    F::all("label", |value, _| Ok(label(value, true))),
    F::any("label!", |value, _| Ok(label(value, false))),
    F::any("status", |value, _| status(value)),
    F::any("exited", |value, _| {
        let Ok(code) = value.parse::<u8>() else {
            return Err(wrong("exited", value, "no exit code", "give a number from 0 to 255"));
        };
        Ok(Box::new(move |listed: &Listed| matches!(listed.status, Status::Exited(end) if end.code == Some(code))))
    }),
    F::any("health", |value, _| {
        let words = ["starting", "healthy", "unhealthy", "none"];
        if !words.contains(&value) {
            return Err(wrong("health", value, "no state of health", "starting, healthy, unhealthy or none"));
        }
        let value = value.to_owned();
        Ok(Box::new(move |listed: &Listed| listed.health.as_ref().map_or("none", |state| state.health.word()) == value))
    }),
    F::any("ancestor", ancestor),
    F::all("before", |value, engine| {
        let before = engine.container(value)?.container;
        Ok(Box::new(move |listed: &Listed| {
            listed.container.id != before.id && listed.container.config.created <= before.config.created
        }))
    }),
    F::all("since", |value, engine| {
        let since = engine.container(value)?.container;
        Ok(Box::new(move |listed: &Listed| {
            listed.container.id != since.id && listed.container.config.created >= since.config.created
        }))
    }),
    F::all("until", |value, _| {
        let until = until(value)?;
        Ok(Box::new(move |listed: &Listed| listed.container.config.created < until))
    }),
    F::any("volume", |value, _| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &Listed| {
            listed.container.config.config.files.mounts.iter().any(|mount| {
                let source = match mount {
                    Mount::Bind(bind) => bind.source.as_os_str() == value.as_str(),
                    Mount::Volume(volume) => volume.name.as_ref().is_some_and(|name| name.as_str() == value),
                    Mount::Tmpfs(_) => false,
                };
                source || mount.destination().as_str() == value
            })
        }))
    }),
    F::any("restart-policy", |value, _| {
        if !["no", "on-failure", "always", "unless-stopped"].contains(&value) {
            let hint = "no, on-failure, always or unless-stopped";
            return Err(wrong("restart-policy", value, "no such policy", hint));
        }
        let value = value.to_owned();
        Ok(Box::new(move |listed: &Listed| policy_word(listed.container.config.config.restart) == value))
    }),
    // docker's, of a swarm, whose tasks there are none of.
    F::any("is-task", |value, _| {
        truth("is-task", value).map(|wanted| Box::new(move |_: &Listed| !wanted) as Test<Listed>)
    }),
    F::any("network", |value, _| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &Listed| networks(listed).contains(&value.as_str())))
    }),
];

/// A restart policy in one word.
fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::No => "no",
        Policy::OnFailure(_) => "on-failure",
        Policy::Always => "always",
        Policy::UnlessStopped => "unless-stopped",
    }
}

/// What a container is doing, in one word.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running { .. } => "running",
        Status::Paused { .. } => "paused",
        Status::Stopping => "stopping",
        Status::Restarting(_) => "restarting",
        Status::Exited(_) => "exited",
    }
}

/// Its networks, in a word each.
pub fn networks(listed: &Listed) -> Vec<&str> {
    match &listed.container.config.config.view.network {
        None | Some(NetworkMode::None) => vec!["none"],
        Some(NetworkMode::Host) => vec!["host"],
        Some(NetworkMode::Pasta) => vec!["pasta"],
        Some(NetworkMode::Path(_)) => vec!["ns"],
        Some(NetworkMode::Container(_)) => vec!["container"],
        Some(NetworkMode::Networks(joined)) => joined.iter().map(|joined| joined.network.as_str()).collect(),
    }
}

fn label(value: &str, wanted: bool) -> Test<Listed> {
    let value = value.to_owned();
    Box::new(move |listed: &Listed| labelled(&listed.container.config.config.labels, &value) == wanted)
}

fn status(value: &str) -> Result<Test<Listed>, Failure> {
    let word = match value {
        "created" | "configured" | "initialized" => "created",
        "running" => "running",
        "paused" => "paused",
        "restarting" => "restarting",
        "stopping" => "stopping",
        "exited" | "stopped" => "exited",
        // States of docker and podman that no container is in here.
        "removing" | "dead" | "unknown" => "",
        _ => {
            let hint = "created, running, paused, restarting, stopping or exited";
            return Err(wrong("status", value, "no such status", hint));
        }
    };
    Ok(Box::new(move |listed: &Listed| status_word(listed.status) == word))
}

/// Made from this image, or from one that has all of its layers and more.
fn ancestor(value: &str, engine: &Engine) -> Result<Test<Listed>, Failure> {
    let mut ids = Vec::new();
    if let Ok(image) = engine.image(value) {
        let layers = &image.config.rootfs.diff_ids;
        let all = engine.images()?.into_iter().flatten();
        let below = all.filter(|other| !layers.is_empty() && other.config.rootfs.diff_ids.starts_with(layers));
        ids.extend(below.map(|other| other.id));
        ids.push(image.id);
    }
    let value = value.to_owned();
    Ok(Box::new(move |listed: &Listed| {
        let record = &listed.container.config;
        listed.container.image.is_some_and(|image| ids.contains(&image))
            || record.image_name == value
            || (record.config.image == ImageRef::Host && value == "host:")
    }))
}
