//! What `inspect` tells of a container beside its request: the fields of docker's API that come from its image, from where
//! its files lie, and from who holds it. Scripts ask for any of them, so all are there, with the values that docker gives
//! to what does not exist here.

use super::Failure;
use super::port::published;
use engine::config::{
    AppArmor, BindMount, CgroupNamespace, ContainerConfig, DeviceLimit, IpcNamespace, Joined, Mount, MountSource,
    NamespaceMode, NetworkMode, PortRequest, SearchDomains, SeccompChoice, SelinuxLabel, UsernsMode, VolumeMount,
};
use engine::containers::{Listed, Status};
use engine::network::Endpoint;
use engine::{Details, Engine};
use oci::runtime::{DeviceRule, DeviceType};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Adds them.
pub fn complete(engine: &Engine, listed: &Listed, size: bool, object: &mut Value) -> Result<(), Failure> {
    let details = engine.details(listed)?;
    let host = merge(&mut object["HostConfig"], host_config(listed, &details));
    let network = host["NetworkMode"].as_str().unwrap_or_default().to_owned();
    merge(&mut object["Config"], config(listed, &details));
    merge(&mut object["State"], state(listed, &details));
    if size {
        engine.enter()?;
        let (written, image) = engine.sizes(&listed.container)?;
        merge(object, json!({ "SizeRw": written, "SizeRootFs": written + image }));
    }
    let running = listed.status.is_alive();
    let of_run = |name: &str| if running { details.run_dir.join(name) } else { "".into() };
    let log = details.dir.join("log");
    let apparmor = details.spec.as_ref().and_then(|spec| spec.process.as_ref()?.apparmor_profile.clone());
    merge(
        object,
        json!({
            "ResolvConfPath": of_run("resolv.conf"),
            "HostnamePath": of_run("hostname"),
            "HostsPath": of_run("hosts"),
            "LogPath": if log.exists() { log.as_path() } else { Path::new("") },
            "Driver": "overlay",
            "Platform": "linux",
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": apparmor.unwrap_or_default(),
            "ExecIDs": null,
            "GraphDriver": graph_driver(engine, listed, &details),
            "NetworkSettings": network_settings(engine, &network, listed),
        }),
    );
    Ok(())
}

/// Adds fields to an object, which comes back.
fn merge(object: &mut Value, more: Value) -> &Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut *object, more) {
        object.extend(more);
    }
    object
}

fn pid(listed: &Listed) -> Option<i32> {
    match listed.status {
        Status::Running { pid, .. } | Status::Paused { pid, .. } => Some(pid),
        _ => None,
    }
}

fn state(listed: &Listed, details: &Details) -> Value {
    let why = match listed.status {
        Status::Exited(end) if end.code.is_none() => "exit code unknown: the supervisor was lost".to_owned(),
        Status::Exited(end) | Status::Restarting(end) => end.death.map(|death| death.to_string()).unwrap_or_default(),
        _ => String::new(),
    };
    let code = match listed.status {
        Status::Exited(end) | Status::Restarting(end) => end.code.map_or(-1, i32::from),
        // docker's, of what has not ended.
        _ => 0,
    };
    json!({
        "ExitCode": code,
        "Error": why,
        // podman's.
        "ConmonPid": details.holder.unwrap_or(0),
        "CgroupPath": details.cgroup.as_deref().filter(|_| listed.status.is_alive()).unwrap_or_default(),
    })
}

/// As the container has it: the image's, with what was asked for on top.
fn config(listed: &Listed, details: &Details) -> Value {
    let asked = &listed.container.config.config;
    let process = &asked.process;
    let image = details.image.as_ref().map(|image| image.config.config.clone()).unwrap_or_default();
    let mut env = image.env;
    for variable in &process.env {
        let name = format!("{}=", variable.name);
        env.retain(|other| !other.starts_with(&name));
        env.push(variable.to_string());
    }
    let mut labels = image.labels;
    labels.extend(asked.labels.clone());
    let replaced = process.entrypoint.is_some();
    let entrypoint = process.entrypoint.clone().or(image.entrypoint).filter(|words| !words.is_empty());
    let own = (!process.command.is_empty()).then(|| process.command.clone());
    let health = listed.container.config.health.as_ref().map(|health| {
        json!({
            "Test": std::iter::once("CMD".to_owned()).chain(health.command.clone()).collect::<Vec<_>>(),
            "Interval": health.interval.as_nanos() as u64,
            "Timeout": health.timeout.as_nanos() as u64,
            "StartPeriod": health.start_period.as_nanos() as u64,
            "StartInterval": health.start_interval.as_nanos() as u64,
            "Retries": health.retries,
        })
    });
    let mut config = json!({
        "User": process.user.as_ref().map_or(image.user, ToString::to_string),
        "AttachStdin": false,
        "AttachStdout": true,
        "AttachStderr": true,
        "ExposedPorts": image.exposed_ports,
        "StdinOnce": false,
        "Env": env,
        "Cmd": own.or(if replaced { None } else { image.cmd }),
        "Entrypoint": entrypoint,
        "Volumes": image.volumes,
        "WorkingDir": process.workdir.as_ref().map_or(image.working_dir, |dir| dir.to_string_lossy().into_owned()),
        "OnBuild": null,
        "Labels": labels,
        "StopSignal": listed.container.config.stop_signal.map_or_else(|| "SIGTERM".to_owned(), |signal| signal.to_string()),
    });
    if let Some(health) = health {
        config["Healthcheck"] = health;
    }
    config
}

/// `c 10:229 rw`, as they are given.
fn rules(rules: &[DeviceRule]) -> Value {
    if rules.is_empty() {
        return Value::Null;
    }
    let text = |rule: &DeviceRule| {
        let kind = match rule.kind {
            None => "a",
            Some(DeviceType::Block) => "b",
            Some(_) => "c",
        };
        let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        format!("{kind} {}:{} {}", number(rule.major), number(rule.minor), rule.access.as_deref().unwrap_or("rwm"))
    };
    rules.iter().map(text).collect()
}

fn host_config(listed: &Listed, details: &Details) -> Value {
    let asked = &listed.container.config.config;
    let view = &asked.view;
    let mode = |mode: &NamespaceMode| match mode {
        NamespaceMode::Private => String::new(),
        NamespaceMode::Host => "host".to_owned(),
        NamespaceMode::Path(path) => format!("ns:{}", path.display()),
    };
    let linux = details.spec.as_ref().and_then(|spec| spec.linux.as_ref());
    let block_io = &asked.limits.block_io;
    let devices = |limits: &[DeviceLimit], value: &str| -> Vec<Value> {
        limits.iter().map(|limit| json!({ "Path": limit.device, value: limit.value })).collect()
    };
    json!({
        "Binds": binds(asked),
        "ContainerIDFile": asked.cidfile.as_deref().unwrap_or(Path::new("")),
        "PortBindings": {},
        "VolumeDriver": "",
        "VolumesFrom": null,
        "ConsoleSize": [0, 0],
        "CgroupnsMode": match &view.cgroup {
            CgroupNamespace::Default | CgroupNamespace::Private => "private".to_owned(),
            CgroupNamespace::Host => "host".to_owned(),
            CgroupNamespace::Path(path) => format!("ns:{}", path.display()),
        },
        "DnsOptions": view.dns_options.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "DnsSearch": match &view.dns_search {
            Some(SearchDomains::These(domains)) => domains.clone(),
            Some(SearchDomains::Nothing) => vec![".".to_owned()],
            None => Vec::new(),
        },
        "IpcMode": match &view.ipc {
            IpcNamespace::Private => "private".to_owned(),
            IpcNamespace::WithoutShm => "none".to_owned(),
            IpcNamespace::Host => "host".to_owned(),
            IpcNamespace::Path(path) => format!("ns:{}", path.display()),
        },
        "Cgroup": "",
        "CgroupParent": asked.limits.cgroup_parent.as_deref().unwrap_or_default(),
        "Links": null,
        "PidMode": mode(&view.pid),
        "UTSMode": mode(&view.uts),
        "UsernsMode": match &view.userns {
            None => String::new(),
            Some(UsernsMode::Host) => "host".to_owned(),
            Some(UsernsMode::Auto { .. }) => "auto".to_owned(),
            Some(UsernsMode::KeepId { .. }) => "keep-id".to_owned(),
            Some(UsernsMode::NoMap) => "nomap".to_owned(),
            Some(UsernsMode::Path(path)) => format!("ns:{}", path.display()),
        },
        "PublishAllPorts": view.publish_all,
        "PortBindings": bindings(&view.ports),
        "SecurityOpt": security_options(asked),
        "Sysctls": view.sysctls.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect::<Map<_, _>>(),
        "Runtime": "coracle",
        "Isolation": "",
        "BlkioWeight": block_io.weight.unwrap_or(0),
        "BlkioWeightDevice": devices(&block_io.weights, "Weight"),
        "BlkioDeviceReadBps": devices(&block_io.read_bytes, "Rate"),
        "BlkioDeviceWriteBps": devices(&block_io.write_bytes, "Rate"),
        "BlkioDeviceReadIOps": devices(&block_io.read_operations, "Rate"),
        "BlkioDeviceWriteIOps": devices(&block_io.write_operations, "Rate"),
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "Devices": asked.files.devices.iter().map(|device| json!({
            "PathOnHost": device.host,
            "PathInContainer": device.container.as_str(),
            "CgroupPermissions": device.access.to_string(),
        })).collect::<Vec<_>>(),
        "DeviceCgroupRules": rules(&asked.files.device_rules),
        "DeviceRequests": null,
        "MemorySwappiness": asked.limits.swappiness,
        "OomKillDisable": asked.limits.oom_kill_disable,
        "MaskedPaths": linux.map(|linux| linux.masked_paths.clone()),
        "ReadonlyPaths": linux.map(|linux| linux.readonly_paths.clone()),
        "Tmpfs": tmpfs(asked),
    })
}

/// Those of `--volume`, as they were written.
fn binds(asked: &ContainerConfig) -> Value {
    let bind = |mount: &Mount| match mount {
        Mount::Bind(bind @ BindMount { flag: MountSource::Volume, .. }) => {
            let access = if bind.access == engine::config::Access::ReadWrite { "" } else { ":ro" };
            Some(format!("{}:{}{access}", bind.source.display(), bind.destination.as_str()))
        }
        Mount::Volume(VolumeMount { flag: MountSource::Volume, name: Some(name), destination, access, .. }) => {
            let access = if *access == engine::config::Access::ReadWrite { "" } else { ":ro" };
            Some(format!("{}:{}{access}", name.as_str(), destination.as_str()))
        }
        _ => None,
    };
    let binds: Vec<_> = asked.files.mounts.iter().filter_map(bind).collect();
    if binds.is_empty() { Value::Null } else { binds.into() }
}

fn tmpfs(asked: &ContainerConfig) -> Map<String, Value> {
    let tmpfs = |mount: &Mount| match mount {
        Mount::Tmpfs(tmpfs) if tmpfs.flag == MountSource::Tmpfs => {
            Some((tmpfs.destination.as_str().to_owned(), "".into()))
        }
        _ => None,
    };
    asked.files.mounts.iter().filter_map(tmpfs).collect()
}

fn security_options(asked: &ContainerConfig) -> Value {
    let privileges = &asked.privileges;
    let mut options = Vec::new();
    options.extend(privileges.no_new_privileges.then(|| "no-new-privileges".to_owned()));
    match &privileges.seccomp {
        SeccompChoice::Default => {}
        SeccompChoice::Unconfined => options.push("seccomp=unconfined".to_owned()),
        SeccompChoice::Profile { path, .. } => options.push(format!("seccomp={}", path.display())),
    }
    match &privileges.apparmor {
        AppArmor::Default => {}
        AppArmor::Unconfined => options.push("apparmor=unconfined".to_owned()),
        AppArmor::Profile(name) => options.push(format!("apparmor={name}")),
    }
    options.extend(privileges.selinux.iter().map(|label| match label {
        SelinuxLabel::Disable => "label=disable".to_owned(),
        SelinuxLabel::Part(name, value) => format!("label={name}:{value}"),
    }));
    if options.is_empty() { Value::Null } else { options.into() }
}

/// docker's names for the directories of the overlay. Its merged directory is seen by its first process, and by nobody
/// else.
fn graph_driver(engine: &Engine, listed: &Listed, details: &Details) -> Value {
    let layers = details.image.as_ref().map(|image| engine.layers_of(image)).unwrap_or_default();
    let lowers: Option<Vec<_>> = layers.iter().rev().map(|(_, place)| place.as_ref()?.to_str()).collect();
    let mut data = Map::new();
    let mut add = |name: &str, path: String| data.insert(name.to_owned(), path.into());
    if let Some(lowers) = lowers.filter(|lowers| !lowers.is_empty()) {
        add("LowerDir", lowers.join(":"));
    }
    if let Some(pid) = pid(listed) {
        add("MergedDir", format!("/proc/{pid}/root"));
    }
    for (name, dir) in [("UpperDir", "upper"), ("WorkDir", "work")] {
        add(name, details.dir.join(dir).to_string_lossy().into_owned());
    }
    json!({ "Name": "overlay", "Data": data })
}

/// What `-p` asked for, by the container's port.
fn bindings(ports: &[PortRequest]) -> Value {
    let mut all = Map::new();
    for port in ports {
        let host = match port.host {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        };
        let at = port.at.map(|at| at.to_string()).unwrap_or_default();
        let list = all.entry(format!("{}/{}", port.inside, port.protocol)).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({ "HostIp": at, "HostPort": host }));
        }
    }
    all.into()
}

/// As docker has the addresses of a container in one network; of one that is in none, all are empty.
fn addresses(place: Option<&Endpoint>) -> Value {
    let of = |ipv6| place.and_then(|place| place.address(ipv6));
    let address = |ipv6| of(ipv6).map(|(address, _)| address.to_string()).unwrap_or_default();
    let bits = |ipv6| of(ipv6).map_or(0, |(_, bits)| bits);
    let gateway = |ipv6| {
        let gateway = place.and_then(|place| place.gateways.iter().find(|gateway| gateway.is_ipv6() == ipv6));
        gateway.map(ToString::to_string).unwrap_or_default()
    };
    json!({
        "EndpointID": "",
        "Gateway": gateway(false),
        "GlobalIPv6Address": address(true),
        "GlobalIPv6PrefixLen": bits(true),
        "IPAddress": address(false),
        "IPPrefixLen": bits(false),
        "IPv6Gateway": gateway(true),
        "MacAddress": place.map(|place| place.mac.clone()).unwrap_or_default(),
    })
}

/// As docker has them.
fn network_settings(engine: &Engine, network: &str, listed: &Listed) -> Value {
    let config = &listed.container.config.config;
    let places = engine.places_of(config, listed.container.id.as_str());
    let mut ports = Map::new();
    for (inside, at) in published(engine, listed) {
        let list = ports.entry(inside).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({ "HostIp": at.ip().to_string(), "HostPort": at.port().to_string() }));
        }
    }
    let mut settings = json!({
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": pid(listed).map(|pid| format!("/proc/{pid}/ns/net")).unwrap_or_default(),
        "Ports": ports,
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
    });
    merge(&mut settings, addresses(places.first().map(|(_, place)| place)));
    let endpoint = |joined: Option<&Joined>, id: &str, place: Option<&Endpoint>| {
        let mut endpoint = json!({
            "IPAMConfig": null,
            "Links": null,
            "Aliases": joined.map(|joined| &joined.aliases).filter(|aliases| !aliases.is_empty()),
            "DriverOpts": null,
            "NetworkID": id,
            "DNSNames": place.map(|place| &place.names),
        });
        merge(&mut endpoint, addresses(place));
        endpoint
    };
    let mut networks = Map::new();
    if let Some(NetworkMode::Networks(all)) = &config.view.network {
        for joined in all {
            let place = places.iter().find(|(network, _)| network.name == joined.network);
            let id = place.map_or("", |(network, _)| network.id.as_str());
            networks.insert(joined.network.clone(), endpoint(Some(joined), id, place.map(|(_, place)| place)));
        }
    } else {
        networks.insert(network.to_owned(), endpoint(None, "", None));
    }
    settings["Networks"] = networks.into();
    settings
}
