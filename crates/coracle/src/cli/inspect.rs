//! `coracle inspect`: all that is known of a container or an image, in the shape that docker's API has.

use super::output::{Format, objects, print};
use super::particulars::complete;
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::config::{
    CapabilityChange, ContainerConfig, CpuTime, MemorySwap, Mount, NetworkMode, PidsLimit, Policy, Privileges,
    RootAccess, StdinMode, TerminalMode,
};
use engine::containers::{Listed, Status};
use engine::flags::Invalid;
use engine::health::HealthState;
use engine::{Engine, Image, VolumeName};
use flag::{Flag, Help, Order, parse, put};
use oci::reference::Reference;
use serde_json::{Value, json};
use std::str::FromStr;

const HELP: Help = Help {
    usage: &["inspect [OPTIONS] NAME..."],
    about: "Tell all of a container, an image, a network, a volume or a secret, as JSON",
    more: &["Of several with one name the first of these is meant, unless --type says otherwise."],
};

/// The verb.
pub const VERB: Verb = Verb {
    name: "inspect",
    aliases: &[],
    about: HELP.about,
    run: |words, context| of_kind(words, context, None),
    help: |width| help(&HELP, FLAGS, width),
};

/// `coracle image inspect`.
pub const IMAGE: Verb =
    Verb { name: "image inspect", run: |words, context| of_kind(words, context, Some(Kind::Image)), ..VERB };

/// `coracle container inspect`.
pub const CONTAINER: Verb =
    Verb { name: "container inspect", run: |words, context| of_kind(words, context, Some(Kind::Container)), ..VERB };

#[derive(Debug, Default)]
struct Given {
    kind: Option<Kind>,
    format: Option<Format>,
    latest: bool,
    size: bool,
}

/// `--type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Container,
    Image,
    Network,
    Volume,
    Secret,
}

impl Kind {
    /// As docker looks for a name.
    const ALL: [Self; 5] = [Self::Container, Self::Image, Self::Network, Self::Volume, Self::Secret];
}

impl FromStr for Kind {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "container" => Ok(Self::Container),
            "image" => Ok(Self::Image),
            "network" => Ok(Self::Network),
            "volume" => Ok(Self::Volume),
            "secret" => Ok(Self::Secret),
            _ => Err(Invalid::new(word, "not a type").hint("give container, image, network, volume or secret")),
        }
    }
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::switch("latest", |g, on| g.latest = on, "The newest container").short('l').under("Options"),
    F::switch("size", |g, on| g.size = on, "How much a container has written, too").short('s').under("Options"),
    F::takes("type", "TYPE", |g, w| put(&mut g.kind, w), "container, image, network, volume or secret")
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "json or a template").short('f').under("Options"),
];

fn of_kind(words: &[String], context: &Context, kind: Option<Kind>) -> Result<u8, Failure> {
    let mut given = Given { kind, ..Given::default() };
    let mut names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    let engine = if given.latest {
        super::no_words(&names)?;
        let engine = context.engine()?;
        names.push(super::which::newest(&engine)?);
        engine
    } else {
        super::some_words(&names, "a name")?;
        context.engine()?
    };
    let mut found = Vec::new();
    let done = super::each(&names, "inspect", |name| {
        found.push(look(&engine, name, &given)?);
        Ok(())
    });
    print(&objects(given.format, found)?)?;
    done
}

fn look(engine: &Engine, name: &str, given: &Given) -> Result<Value, Failure> {
    let Some(kind) = given.kind else {
        for kind in Kind::ALL {
            match look_for(engine, name, kind, given.size) {
                Err(Wanting::Absent(_)) => {}
                Err(Wanting::Failed(failure)) => return Err(failure),
                Ok(object) => return Ok(object),
            }
        }
        let hint = "coracle ps -a, images, network ls, volume ls and secret ls list what there is";
        return Err(Failure::absent(format!("no container, image, network, volume or secret {name:?}"), hint));
    };
    look_for(engine, name, kind, given.size).map_err(|wanting| match wanting {
        Wanting::Absent(error) => (*error).into(),
        Wanting::Failed(failure) => failure,
    })
}

/// Why there is nothing to show.
enum Wanting {
    /// It is not there.
    Absent(Box<engine::Error>),
    /// Something else.
    Failed(Failure),
}

impl From<engine::Error> for Wanting {
    fn from(error: engine::Error) -> Self {
        if error.is_not_found() { Self::Absent(Box::new(error)) } else { Self::Failed(error.into()) }
    }
}

fn look_for(engine: &Engine, name: &str, kind: Kind, size: bool) -> Result<Value, Wanting> {
    Ok(match kind {
        Kind::Container => {
            let listed = engine.container(name)?;
            let mut object = container(engine, &listed);
            complete(engine, &listed, size, &mut object).map_err(Wanting::Failed)?;
            object
        }
        Kind::Image => image(engine, &engine.image(name)?),
        Kind::Network => super::network::inspect::object(engine, &engine.find_network(name)?),
        Kind::Volume => super::volume::inspect::object(engine, &engine.volume(name)?),
        Kind::Secret => super::secret::inspect::object(&engine.secret(name)?, false),
    })
}

fn restart_policy(policy: Policy) -> Value {
    let (name, times) = match policy {
        Policy::No => ("no", 0),
        Policy::OnFailure(times) => ("on-failure", times),
        Policy::Always => ("always", 0),
        Policy::UnlessStopped => ("unless-stopped", 0),
    };
    json!({ "Name": name, "MaximumRetryCount": times })
}

/// Go's zero time, which docker's API gives for what has not happened.
fn moment(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |seconds| oci::image::rfc3339(seconds as i64, 0))
}

fn health_object(state: &HealthState) -> Value {
    let log = state.log.iter().map(|check| {
        json!({
            "Start": oci::image::rfc3339(check.start as i64, 0),
            "End": oci::image::rfc3339(check.end as i64, 0),
            "ExitCode": check.code,
            "Output": check.output,
        })
    });
    json!({ "Status": state.health.word(), "FailingStreak": state.streak, "Log": log.collect::<Vec<_>>() })
}

fn container(engine: &Engine, Listed { container, status, health }: &Listed) -> Value {
    let record = &container.config;
    let asked = &record.config;
    let since = match status {
        Status::Running { since, .. } | Status::Paused { since, .. } => *since,
        _ => None,
    };
    let (word, pid, end) = match status {
        Status::Created => ("created", 0, None),
        Status::Running { pid, .. } => ("running", *pid, None),
        Status::Paused { pid, .. } => ("paused", *pid, None),
        Status::Stopping => ("stopping", 0, None),
        Status::Restarting(end) => ("restarting", 0, Some(*end)),
        Status::Exited(end) => ("exited", 0, Some(*end)),
    };
    json!({
        "Id": container.id.as_str(),
        "Created": moment(Some(record.created)),
        "Path": record.command.first(),
        "Args": record.command.get(1..).unwrap_or_default(),
        "State": {
            "Status": word,
            "Running": status.is_alive() || word == "restarting",
            "Paused": word == "paused",
            "Restarting": word == "restarting",
            "OOMKilled": end.is_some_and(|end| end.out_of_memory),
            "Dead": false,
            "Pid": pid,
            "Health": health.as_ref().map(health_object),
            "StartedAt": moment(since.or(record.started)),
            "FinishedAt": moment(end.map(|end| end.at)),
        },
        "Image": container.image.as_ref().map(ToString::to_string).unwrap_or_default(),
        "Name": format!("/{}", container.name),
        "RestartCount": record.restarts,
        "Mounts": asked.files.mounts.iter().map(|asked| mount(engine, asked)).collect::<Vec<_>>(),
        "HostConfig": host_config(asked),
        "Config": {
            "Hostname": asked.view.hostname.as_ref().map_or_else(|| container.id.short(), |name| name.as_str()),
            "Domainname": asked.view.domainname.as_ref().map_or("", |name| name.as_str()),
            "Tty": asked.process.terminal == TerminalMode::Pty,
            "OpenStdin": asked.process.stdin == StdinMode::Open,
            "Image": record.image_name,
            "Annotations": asked.annotations,
            "StopTimeout": asked.process.stop_timeout,
        },
    })
}

fn host_config(asked: &ContainerConfig) -> Value {
    let limits = &asked.limits;
    let bytes = |bytes: Option<engine::config::Bytes>| bytes.map_or(0, engine::config::Bytes::get);
    let caps = |change: CapabilityChange| match change {
        CapabilityChange::All => vec!["ALL".to_owned()],
        CapabilityChange::These(set) => set.names(),
    };
    let (nanos, period, quota) = match limits.cpu_time {
        CpuTime::Open => (0, 0, 0),
        CpuTime::Cpus(cpus) => (cpus.nanos(), 0, 0),
        CpuTime::Quota { period, quota } => (0, period.unwrap_or(0), quota.unwrap_or(0)),
    };
    json!({
        "AutoRemove": asked.remove,
        "RestartPolicy": restart_policy(asked.restart),
        "LogConfig": json!({
            "Type": asked.log.driver.name(),
            "Config": { "max-size": asked.log.max_size.to_string(), "max-file": asked.log.max_files.to_string() },
        }),
        "Privileged": asked.privileges.level == Privileges::Privileged,
        "ReadonlyRootfs": asked.files.root != RootAccess::ReadWrite,
        "Init": asked.process.init,
        "NetworkMode": match &asked.view.network {
            None => "default".to_owned(),
            given => NetworkMode::text(given.as_ref()),
        },
        "CapAdd": caps(asked.privileges.cap_add),
        "CapDrop": caps(asked.privileges.cap_drop),
        "GroupAdd": asked.process.groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ExtraHosts": asked.view.hosts.iter()
            .map(|entry| format!("{}:{}", entry.names.join(";"), entry.address)).collect::<Vec<_>>(),
        "Dns": asked.view.dns,
        "Memory": bytes(limits.memory),
        "MemoryReservation": bytes(limits.memory_reservation),
        "MemorySwap": match limits.memory_swap {
            None => 0,
            Some(MemorySwap::Unlimited) => -1,
            Some(MemorySwap::Max(swap)) => swap.get(),
        },
        "NanoCpus": nanos,
        "CpuPeriod": period,
        "CpuQuota": quota,
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.as_ref().map(ToString::to_string).unwrap_or_default(),
        "CpusetMems": limits.cpuset_mems.as_ref().map(ToString::to_string).unwrap_or_default(),
        "PidsLimit": limits.pids.map(|pids| match pids {
            PidsLimit::Unlimited => -1,
            PidsLimit::Max(limit) => i64::from(limit),
        }),
        "ShmSize": limits.shm_size.map_or(64 << 20, engine::config::Bytes::get),
        "OomScoreAdj": asked.process.oom_score_adj.unwrap_or(0),
        "Ulimits": asked.process.ulimits.iter().map(|ulimit| json!({
            "Name": ulimit.resource.name(),
            "Soft": ulimit.soft.map_or(-1, |soft| soft as i64),
            "Hard": ulimit.hard.map_or(-1, |hard| hard as i64),
        })).collect::<Vec<_>>(),
    })
}

fn mount(engine: &Engine, mount: &Mount) -> Value {
    match mount {
        Mount::Bind(bind) => json!({
            "Type": "bind",
            "Source": bind.source,
            "Destination": bind.destination.as_str(),
            "Mode": if bind.access == engine::config::Access::ReadWrite { "" } else { "ro" },
            "RW": bind.access == engine::config::Access::ReadWrite,
            "Propagation": bind.propagation.map_or("rprivate", engine::config::Propagation::word),
        }),
        Mount::Tmpfs(tmpfs) => json!({
            "Type": "tmpfs",
            "Source": "",
            "Destination": tmpfs.destination.as_str(),
            "Mode": "",
            "Propagation": "",
            "RW": tmpfs.access == engine::config::Access::ReadWrite,
        }),
        Mount::Volume(volume) => json!({
            "Type": "volume",
            "Name": volume.name.as_ref().map(VolumeName::as_str),
            "Source": volume.name.as_ref().map(|name| engine.volume_path(name)),
            "Destination": volume.destination.as_str(),
            "Driver": "local",
            "Mode": "",
            "RW": volume.access == engine::config::Access::ReadWrite,
            "Propagation": volume.propagation.map_or("rprivate", engine::config::Propagation::word),
        }),
    }
}

fn image(engine: &Engine, image: &Image) -> Value {
    let config = &image.config;
    let layers = engine.layers_of(image);
    let size = engine.unpacked_size(image);
    let familiar = |names: &[Reference]| names.iter().map(Reference::familiar).collect::<Vec<_>>();
    // As docker names the directories of an overlay: the topmost is the upper one.
    let places: Option<Vec<_>> = layers.iter().rev().map(|(_, place)| place.as_ref()?.to_str()).collect();
    let data = places.as_deref().and_then(|places| {
        let (upper, lowers) = places.split_first()?;
        let lowers = (!lowers.is_empty()).then(|| lowers.join(":"));
        Some(json!({ "LowerDir": lowers, "UpperDir": upper }))
    });
    let is_image = |place: &&str| std::path::Path::new(place).extension().is_some_and(|kind| kind == "erofs");
    let driver = if places.iter().flatten().any(is_image) { "erofs" } else { "overlay" };
    json!({
        "Id": image.id.to_string(),
        "RepoTags": familiar(&image.names),
        "RepoDigests": familiar(&image.digests()),
        "Digest": image.entry.digest.to_string(),
        "Parent": "",
        "Comment": config.history.last().and_then(|step| step.comment.as_deref()).unwrap_or_default(),
        "Created": config.created,
        "DockerVersion": config.other.get("docker_version").and_then(Value::as_str).unwrap_or_default(),
        "Author": config.author.as_deref().unwrap_or_default(),
        "Architecture": config.architecture,
        "Variant": config.variant.as_deref().unwrap_or_default(),
        "Os": config.os,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": { "Name": driver, "Data": data },
        "Config": config.config,
        "RootFS": { "Type": config.rootfs.kind, "Layers": config.rootfs.diff_ids },
        "Metadata": { "LastTagTime": "0001-01-01T00:00:00Z" },
        // Podman's.
        "User": config.config.user,
        "Labels": config.config.labels,
        "Annotations": image.manifest.annotations,
        "ManifestType": image.manifest.media_type,
        "History": config.history,
        "NamesHistory": familiar(&image.names),
        // Ours: what is stored and sent.
        "Manifest": image.descriptor.digest.to_string(),
        "BlobsSize": image.size(),
    })
}
