//! What the container is, as a picture: namespaces in each other, layers on each other, limits as parts of the machine.

use super::{escape::escape, real};
use engine::explanation::{Explanation, Root};
use oci::runtime::{Capabilities, IdMapping, NamespaceKind, Resources};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The kinds, each with what it is about.
const KINDS: [(NamespaceKind, &str, &str); 8] = [
    (NamespaceKind::Mount, "mounts", "its own tree of files"),
    (NamespaceKind::Pid, "processes", "its first one is number 1"),
    (NamespaceKind::Network, "network", "its own devices, addresses and ports"),
    (NamespaceKind::Uts, "host name", ""),
    (NamespaceKind::Ipc, "shared memory", "System V and POSIX queues"),
    (NamespaceKind::Cgroup, "cgroups", "its own is the root of all that it sees"),
    (NamespaceKind::User, "ids", "its root is somebody else outside"),
    (NamespaceKind::Time, "clocks", "since boot, as it sees it"),
];

/// The section.
pub fn picture(page: &mut String, explanation: &Explanation) {
    page.push_str(
        "<section aria-labelledby=\"what\">\n<h2 id=\"what\">What it is</h2>\n\
         <p class=\"soft\">A process of this machine with a restricted view.</p>\n<div class=\"picture\">\n",
    );
    page.push_str("<div class=\"column\">\n");
    namespaces(page, explanation);
    limits(page, explanation);
    page.push_str("</div>\n<div class=\"column\">\n");
    files(page, explanation);
    rights(page, explanation);
    page.push_str("</div>\n</div>\n</section>\n");
}

fn namespaces(page: &mut String, explanation: &Explanation) {
    let spec = &explanation.spec;
    let all = spec.linux.as_ref().map_or(&[][..], |linux| &linux.namespaces);
    let find = |kind: NamespaceKind| all.iter().find(|one| one.kind == kind);
    page.push_str("<div class=\"card\">\n<h3>Namespaces</h3>\n<div class=\"box\"><strong>This machine</strong>\n<ul class=\"chips\">\n");
    let mut shares = false;
    for (kind, name, _) in KINDS {
        match find(kind) {
            None => {
                shares = true;
                _ = writeln!(page, "<li>{name}<small>shared with the container</small></li>");
            }
            Some(one) => {
                if let Some(path) = &one.path {
                    shares = true;
                    _ = writeln!(
                        page,
                        "<li class=\"runs\">{name}<small>that of <code>{}</code></small></li>",
                        escape(path)
                    );
                }
            }
        }
    }
    if !shares {
        page.push_str("<li>nothing is shared</li>\n");
    }
    page.push_str("</ul>\n");
    let users = find(NamespaceKind::User).filter(|one| one.path.is_none());
    if let (Some(_), Some(linux)) = (users, &spec.linux) {
        page.push_str("<div class=\"box ids\"><strong>A user namespace, which owns the others</strong>\n");
        ids(page, &through(explanation, &linux.uid_mappings));
    }
    _ = write!(
        page,
        "<div class=\"box own\"><strong>{}</strong>\n<ul class=\"chips sees\">\n",
        escape(&explanation.name)
    );
    for (kind, name, about) in KINDS {
        if find(kind).is_none_or(|one| one.path.is_some()) || kind == NamespaceKind::User {
            continue;
        }
        let about = match kind {
            NamespaceKind::Uts => spec.hostname.as_deref().map(escape).unwrap_or_default(),
            NamespaceKind::Network => network(explanation),
            _ => about.to_owned(),
        };
        _ = writeln!(page, "<li>{name}<small>{about}</small></li>");
    }
    page.push_str("</ul></div>\n");
    if users.is_some() {
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n</div>\n");
}

/// The maps to this machine's ids, whoever's the engine was.
fn through(explanation: &Explanation, map: &[IdMapping]) -> Vec<IdMapping> {
    crate::script::through_user(explanation, map)
}

fn ids(page: &mut String, map: &[IdMapping]) {
    page.push_str("<table><thead><tr><th>inside</th><th>on this machine</th></tr></thead><tbody>\n");
    let range = |first: u32, size: u32| {
        if size == 1 { first.to_string() } else { format!("{first} – {}", u64::from(first) + u64::from(size) - 1) }
    };
    for one in map {
        _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td></tr>",
            range(one.container_id, one.size),
            range(one.host_id, one.size)
        );
    }
    page.push_str("</tbody></table>\n");
}

fn network(explanation: &Explanation) -> String {
    let around = &explanation.around;
    if around.pasta {
        return "the machine’s, by way of pasta".to_owned();
    }
    if around.networks.is_empty() {
        return "loopback and nothing else".to_owned();
    }
    let one = |network: &engine::surroundings::Joined| {
        let addresses: Vec<String> =
            network.addresses.iter().map(|(address, bits)| format!("{address}/{bits}")).collect();
        format!("{} in {}: {}", escape(&network.device), escape(&network.name), addresses.join(", "))
    };
    around.networks.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn files(page: &mut String, explanation: &Explanation) {
    page.push_str("<div class=\"card\">\n<h3>Files</h3>\n<ul class=\"stack files\">\n");
    let read_only = explanation.spec.root.as_ref().is_some_and(|root| root.readonly);
    let own = if read_only { "the root is read-only" } else { "all that it writes to its root" };
    match &explanation.root {
        Root::Host => {
            _ = writeln!(page, "<li class=\"upper\">Its own layer<small>{own}; thrown away at its end</small></li>");
            let directories = explanation.around.host.as_ref().map_or(0, |host| host.overlays.len());
            _ = writeln!(
                page,
                "<li class=\"ground\">This machine’s directories<small>{directories} of them, each below a layer of its own</small></li>"
            );
        }
        Root::Directory(path) => {
            _ = writeln!(
                page,
                "<li class=\"ground\"><code>{}</code><small>a directory of this machine</small></li>",
                escape(&path.to_string_lossy())
            );
        }
        Root::Layers(layers) => {
            _ = writeln!(page, "<li class=\"upper\">Its own layer<small>{own}</small></li>");
            for (number, layer) in layers.iter().enumerate().rev() {
                let name = layer.iter().rev().map(|part| part.to_string_lossy()).find(|part| part.len() == 64);
                let name = name
                    .map_or_else(|| layer.to_string_lossy().into_owned(), |digest| digest.chars().take(12).collect());
                _ = writeln!(
                    page,
                    "<li class=\"ground\">Layer {} of the image<small class=\"mono\">{}</small></li>",
                    number + 1,
                    escape(&name)
                );
            }
        }
    }
    page.push_str("</ul>\n");
    mounts(page, explanation);
    page.push_str("</div>\n");
}

/// What is mounted in the root: first what somebody has asked for, then what every container has.
fn mounts(page: &mut String, explanation: &Explanation) {
    let origins: BTreeMap<&str, bool> = explanation
        .origins
        .iter()
        .map(|(path, asked)| (path.as_str(), *asked != engine::explanation::Asked::Default))
        .collect();
    let asked = |destination: &str| origins.get(format!("mounts[{destination}]").as_str()).copied().unwrap_or(false);
    let (own, usual): (Vec<_>, Vec<_>) = explanation.spec.mounts.iter().partition(|mount| asked(&mount.destination));
    if !own.is_empty() {
        page.push_str("<h3>Mounted in it</h3>\n<ul class=\"stack runs\">\n");
        for mount in own {
            let rights =
                if mount.options.iter().any(|word| word == "ro" || word == "rro") { ", read-only" } else { "" };
            let written = mount
                .source
                .as_deref()
                .is_some_and(|source| explanation.around.files.contains_key(std::path::Path::new(source)));
            let from = match (written, mount.kind.as_deref(), mount.source.as_deref()) {
                (true, ..) => "written for it alone".to_owned(),
                (_, Some("bind") | None, Some(source)) => format!("<span class=\"mono\">{}</span>", escape(source)),
                (_, kind, _) => escape(kind.unwrap_or("bind")),
            };
            _ = writeln!(
                page,
                "<li class=\"row\"><code>{}</code><small>{from}{rights}</small></li>",
                escape(&mount.destination)
            );
        }
        page.push_str("</ul>\n");
    }
    if !usual.is_empty() {
        page.push_str("<h3>As in every container</h3>\n<ul class=\"chips\">\n");
        for mount in usual {
            _ = writeln!(page, "<li class=\"mono\">{}</li>", escape(&mount.destination));
        }
        page.push_str("</ul>\n");
    }
}

fn limits(page: &mut String, explanation: &Explanation) {
    page.push_str("<div class=\"card\">\n<h3>Limits</h3>\n");
    let none = Resources::default();
    let resources = explanation.spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()).unwrap_or(&none);
    let machine = &explanation.around.machine;
    let memory = resources.memory.as_ref().and_then(|memory| memory.limit).filter(|limit| *limit > 0);
    bar(
        page,
        ("memory", asked(explanation, "linux.resources.memory.limit")),
        memory.map(positive),
        real(machine.memory),
        bytes,
    );
    let cpu = resources.cpu.as_ref();
    let cpus =
        cpu.and_then(|cpu| Some(positive(cpu.quota.filter(|quota| *quota > 0)?) / real(cpu.period.unwrap_or(100_000))));
    bar(page, ("CPUs", asked(explanation, "linux.resources.cpu.quota")), cpus, f64::from(machine.cpus), |number| {
        format!("{number}")
    });
    let processes = resources.pids.as_ref().and_then(|pids| pids.limit).filter(|limit| *limit > 0);
    bar(
        page,
        ("processes", asked(explanation, "linux.resources.pids.limit")),
        processes.map(positive),
        real(machine.processes),
        |number| format!("{number:.0}"),
    );
    let rlimits = explanation.spec.process.as_ref().map_or(&[][..], |process| &process.rlimits);
    if !rlimits.is_empty() {
        page.push_str("<table><thead><tr><th>of each process</th><th>soft</th><th>hard</th></tr></thead><tbody>\n");
        let number = |number: u64| if number == u64::MAX { "none".to_owned() } else { number.to_string() };
        for limit in rlimits {
            let name = limit.kind.trim_start_matches("RLIMIT_").to_ascii_lowercase();
            _ = writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(&name),
                number(limit.soft),
                number(limit.hard)
            );
        }
        page.push_str("</tbody></table>\n");
    }
    page.push_str("</div>\n");
}

fn positive(limit: i64) -> f64 {
    real(limit.unsigned_abs())
}

fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (number, 0);
    while number >= 1024.0 && unit + 1 < units.len() {
        number /= 1024.0;
        unit += 1;
    }
    let text = format!("{number:.1}");
    format!("{} {}", text.trim_end_matches(".0"), units[unit])
}

/// Who asked for a limit, if anybody did.
fn asked(explanation: &Explanation, path: &str) -> String {
    let found = explanation.origins.iter().find(|(known, _)| known == path);
    match found.map(|(_, asked)| asked) {
        Some(engine::explanation::Asked::Flag(flag)) => format!(" <span class=\"by\">{}</span>", escape(flag)),
        _ => String::new(),
    }
}

fn bar(page: &mut String, (name, by): (&str, String), limit: Option<f64>, whole: f64, words: impl Fn(f64) -> String) {
    let part = limit.filter(|_| whole > 0.0).map_or(100.0, |limit| (limit / whole * 100.0).min(100.0));
    let (limit, of) = match limit {
        Some(limit) => (words(limit), format!("of {}", words(whole))),
        None => ("no limit".to_owned(), format!("up to {}", words(whole))),
    };
    _ = write!(
        page,
        "<div class=\"bar\"><div><span>{name}{by}</span><span>{limit} <small>{of}</small></span></div>\n\
         <div class=\"track\" role=\"img\" aria-label=\"{name}: {limit} {of}\"><i style=\"width:{part:.2}%\"></i></div></div>\n"
    );
}

fn rights(page: &mut String, explanation: &Explanation) {
    let process = explanation.spec.process.as_ref();
    page.push_str("<div class=\"card\">\n<h3>Rights</h3>\n<p>");
    if let Some(process) = process {
        _ = write!(page, "It runs as <b>{}:{}</b>. ", process.user.uid, process.user.gid);
        if process.no_new_privileges {
            page.push_str("No program gives it more rights than it has. ");
        }
    }
    let filtered = explanation.spec.linux.as_ref().is_some_and(|linux| linux.seccomp.is_some())
        || explanation.steps.iter().any(|step| step.intent == "install the system call filter");
    page.push_str(if filtered {
        "A filter refuses system calls that no ordinary program needs."
    } else {
        "No filter refuses it any system call."
    });
    page.push_str("</p>\n");
    let none = Capabilities::default();
    let sets = process.and_then(|process| process.capabilities.as_ref()).unwrap_or(&none);
    let name = |name: &str| escape(&name.trim_start_matches("CAP_").to_ascii_lowercase().replace('_', " "));
    let kept = &sets.bounding;
    let dropped: Vec<&&str> =
        runtime::CAPABILITIES.iter().filter(|one| !kept.iter().any(|kept| kept == **one)).collect();
    let active = sets.effective.len();
    _ = write!(
        page,
        "<h3>Capabilities: {} of {} kept</h3>\n<ul class=\"chips files\">\n",
        kept.len(),
        runtime::CAPABILITIES.len()
    );
    for one in kept {
        _ = writeln!(page, "<li>{}</li>", name(one));
    }
    page.push_str("</ul>\n");
    if active < kept.len() {
        _ = writeln!(
            page,
            "<p class=\"soft\">Of these it has {active} now; the others are within reach of a program that gives them.</p>"
        );
    }
    page.push_str("<details><summary class=\"soft\">given up</summary>\n<ul class=\"chips\">\n");
    for one in dropped {
        _ = writeln!(page, "<li class=\"off\">{}</li>", name(one));
    }
    page.push_str("</ul></details>\n</div>\n");
}
