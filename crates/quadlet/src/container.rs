//! `.container`: a service that runs a container.

use crate::keys::Becomes::{Bare, Begins, Each, Elsewhere, Switch, Truth, Value, Words};
use crate::keys::{Table, beside, flags, truth, words};
use crate::service::{Setting, command, image_of, names};
use crate::words::split;
use crate::{Error, Unit, network, volume};

pub(crate) const SECTION: &str = "Container";

const KEYS: Table = &[
    ("AddCapability", Words("--cap-add")),
    ("AddDevice", Elsewhere),
    ("AddHost", Each("--add-host")),
    ("Annotation", Words("--annotation")),
    ("AppArmor", Begins("--security-opt", "apparmor=")),
    ("AutoUpdate", Begins("--label", "io.containers.autoupdate=")),
    ("CgroupsMode", Elsewhere),
    ("ContainerName", Elsewhere),
    ("DNS", Each("--dns")),
    ("DNSOption", Each("--dns-option")),
    ("DNSSearch", Each("--dns-search")),
    ("DropCapability", Words("--cap-drop")),
    ("Entrypoint", Value("--entrypoint")),
    ("Environment", Words("--env")),
    ("EnvironmentFile", Elsewhere),
    ("Exec", Elsewhere),
    ("ExposeHostPort", Each("--expose")),
    ("GIDMap", Each("--gidmap")),
    ("GlobalArgs", Elsewhere),
    ("Group", Elsewhere),
    ("GroupAdd", Each("--group-add")),
    ("HealthCmd", Value("--health-cmd")),
    ("HealthInterval", Value("--health-interval")),
    ("HealthOnFailure", Value("--health-on-failure")),
    ("HealthRetries", Value("--health-retries")),
    ("HealthStartPeriod", Value("--health-start-period")),
    ("HealthTimeout", Value("--health-timeout")),
    ("HostName", Value("--hostname")),
    ("IP", Value("--ip")),
    ("IP6", Value("--ip6")),
    ("Image", Elsewhere),
    ("Label", Words("--label")),
    ("LogDriver", Value("--log-driver")),
    ("LogOpt", Each("--log-opt")),
    ("Mask", Begins("--security-opt", "mask=")),
    ("Memory", Value("--memory")),
    ("Mount", Elsewhere),
    ("Network", Elsewhere),
    ("NetworkAlias", Each("--network-alias")),
    ("NoNewPrivileges", Elsewhere),
    ("Notify", Elsewhere),
    ("PidsLimit", Value("--pids-limit")),
    ("Pod", Elsewhere),
    ("PublishPort", Each("--publish")),
    ("Pull", Value("--pull")),
    ("ReadOnly", Switch("--read-only")),
    ("ReadOnlyTmpfs", Truth("--read-only-tmpfs")),
    ("ReloadCmd", Elsewhere),
    ("ReloadSignal", Elsewhere),
    ("Retry", Value("--retry")),
    ("RetryDelay", Value("--retry-delay")),
    ("Rootfs", Elsewhere),
    ("RunInit", Switch("--init")),
    ("SeccompProfile", Begins("--security-opt", "seccomp=")),
    ("Secret", Each("--secret")),
    ("SecurityLabelDisable", Elsewhere),
    ("SecurityLabelFileType", Begins("--security-opt", "label=filetype:")),
    ("SecurityLabelLevel", Begins("--security-opt", "label=level:")),
    ("SecurityLabelType", Begins("--security-opt", "label=type:")),
    ("ServiceName", Elsewhere),
    ("ShmSize", Value("--shm-size")),
    ("StopSignal", Value("--stop-signal")),
    ("StopTimeout", Value("--stop-timeout")),
    ("SubGIDMap", Value("--subgidname")),
    ("SubUIDMap", Value("--subuidname")),
    ("Sysctl", Words("--sysctl")),
    ("Timezone", Value("--tz")),
    ("Tmpfs", Each("--tmpfs")),
    ("UIDMap", Each("--uidmap")),
    ("Ulimit", Each("--ulimit")),
    ("Unmask", Begins("--security-opt", "unmask=")),
    ("User", Elsewhere),
    ("UserNS", Value("--userns")),
    ("Volume", Elsewhere),
    ("WorkingDir", Value("--workdir")),
    ("PodmanArgs", Bare),
];

/// Writes the service's own lines into the unit.
pub(crate) fn write(unit: &mut Unit, setting: &Setting<'_>) -> Result<(), Error> {
    let asked = unit.clone();
    let last = |key: &str| asked.last(SECTION, key);
    let refuse = |key: &str, value: &str, why| Error::Value {
        section: SECTION,
        key: key.to_owned(),
        value: value.to_owned(),
        why,
    };
    let default = if setting.is_template() { "systemd-%P_%I" } else { "systemd-%N" };
    let name = last("ContainerName").unwrap_or(default);
    let kind = match asked.last("Service", "Type") {
        None | Some("notify") => "notify",
        Some("oneshot") => "oneshot",
        Some(_) => {
            return Err(Error::Value {
                section: "Service",
                key: "Type".to_owned(),
                value: asked.last("Service", "Type").unwrap_or_default().to_owned(),
                why: "notify or oneshot",
            });
        }
    };
    let mut run = vec!["run".to_owned(), "--name".to_owned(), name.to_owned()];
    run.extend(["--replace", "--rm"].map(str::to_owned));
    run.push(format!("--cgroups={}", last("CgroupsMode").unwrap_or("split")));
    if kind == "notify" {
        let word = match last("Notify") {
            Some("healthy") => return Err(refuse("Notify", "healthy", "true or false; healthy is not there yet")),
            _ if truth(&asked, SECTION, "Notify")?.unwrap_or(false) => "container",
            _ => "conmon",
        };
        run.push(format!("--sdnotify={word}"));
    }
    run.extend(flags(&asked, SECTION, KEYS)?);
    let mut put = |flag: &str, value: String| run.extend([flag.to_owned(), value]);
    for device in words(&asked, SECTION, "AddDevice")? {
        // What may be missing is left to the start, which says so; a dash in front means that it may.
        match device.strip_prefix('-') {
            Some(device) if !std::path::Path::new(device.split(':').next().unwrap_or_default()).exists() => {}
            device_or_none => put("--device", device_or_none.unwrap_or(&device).to_owned()),
        }
    }
    for file in asked.values(SECTION, "EnvironmentFile") {
        put("--env-file", beside(setting.file, file));
    }
    for text in asked.values(SECTION, "Volume") {
        let (source, rest) = text.split_once(':').unwrap_or(("", text));
        let source = if names(source, "volume") {
            volume::name_of(unit, setting, source)?
        } else {
            beside(setting.file, source)
        };
        put("--volume", if source.is_empty() { rest.to_owned() } else { format!("{source}:{rest}") });
    }
    for text in asked.values(SECTION, "Mount") {
        put("--mount", mount(unit, setting, text)?);
    }
    for network in asked.values(SECTION, "Network") {
        let (name, rest) = network.split_at(network.find(':').unwrap_or(network.len()));
        let name = if names(name, "network") { network::name_of(unit, setting, name)? } else { name.to_owned() };
        put("--network", name + rest);
    }
    match (last("User"), last("Group")) {
        (None, None) => {}
        (None, Some(group)) => return Err(refuse("Group", group, "a group without User=")),
        (Some(user), None) => put("--user", user.to_owned()),
        (Some(user), Some(group)) => put("--user", format!("{user}:{group}")),
    }
    if truth(&asked, SECTION, "NoNewPrivileges")?.unwrap_or(false) {
        put("--security-opt", "no-new-privileges".to_owned());
    }
    if truth(&asked, SECTION, "SecurityLabelDisable")?.unwrap_or(false) {
        put("--security-opt", "label=disable".to_owned());
    }
    if let Some(pod) = last("Pod") {
        return Err(Error::NotYet { name: pod.to_owned(), what: "pods" });
    }
    match (last("Image"), last("Rootfs")) {
        (Some(name), None) => run.push(image_of(unit, setting, name)?),
        (None, Some(root)) => put("--rootfs", beside(setting.file, root)),
        (Some(_), Some(root)) => return Err(refuse("Rootfs", root, "Image= and Rootfs= exclude each other")),
        (None, None) => return Err(Error::NoKey { section: SECTION, keys: "Image= or Rootfs=" }),
    }
    run.extend(words(&asked, SECTION, "Exec")?);

    let global = words(&asked, SECTION, "GlobalArgs")?;
    let line = |words: &[String]| command(setting, &global, words);
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match asked.last("Service", "KillMode") {
        None => unit.add("Service", "KillMode", "mixed"),
        Some("mixed" | "control-group") => {}
        Some(other) => {
            return Err(Error::Value {
                section: "Service",
                key: "KillMode".to_owned(),
                value: other.to_owned(),
                why: "mixed or control-group",
            });
        }
    }
    unit.add_missing("Service", "Type", kind);
    unit.add_missing("Service", "Delegate", "yes");
    unit.add_missing("Service", "SyslogIdentifier", "%N");
    if kind == "notify" {
        unit.add_missing("Service", "NotifyAccess", "all");
    }
    unit.add("Service", "ExecStart", line(&run));
    unit.add("Service", "ExecStop", line(&owned(&["stop", "--ignore", name])));
    unit.add("Service", "ExecStopPost", format!("-{}", line(&owned(&["rm", "--force", "--volumes", name]))));
    match (last("ReloadCmd"), last("ReloadSignal")) {
        (None, None) => {}
        (Some(text), None) => {
            let mut exec = owned(&["exec", name]);
            exec.extend(split(text)?);
            unit.add("Service", "ExecReload", line(&exec));
        }
        (None, Some(signal)) => unit.add("Service", "ExecReload", line(&owned(&["kill", "--signal", signal, name]))),
        (Some(text), Some(_)) => {
            return Err(refuse("ReloadCmd", text, "ReloadCmd= and ReloadSignal= exclude each other"));
        }
    }
    Ok(())
}

/// A `--mount` whose source may be another file.
fn mount(unit: &mut Unit, setting: &Setting<'_>, text: &str) -> Result<String, Error> {
    let mut items = Vec::new();
    for item in text.split(',') {
        let source = item.split_once('=').filter(|(key, _)| ["source", "src"].contains(key));
        items.push(match source {
            Some((key, name)) if names(name, "volume") => format!("{key}={}", volume::name_of(unit, setting, name)?),
            Some((key, name)) if names(name, "image") => format!("{key}={}", image_of(unit, setting, name)?),
            Some((key, path)) => format!("{key}={}", beside(setting.file, path)),
            None => item.to_owned(),
        });
    }
    Ok(items.join(","))
}
