//! The process: its words, its directory, its ids and its limits.

use super::origin::Origins;
use super::{Error, Facts, ImageDefaults, Origin, capabilities, env};
use crate::config::{AppArmor, ContainerConfig, Resource, SelinuxLabel, TerminalMode, Ulimit};
use crate::flags::Invalid;
use oci::runtime::{Process, Rlimit, User};

pub(super) fn compose(
    config: &ContainerConfig,
    facts: &Facts,
    host_name: &str,
    origins: &mut Origins,
) -> Result<Process, Error> {
    let asked = &config.process;
    let terminal = asked.terminal == TerminalMode::Pty;
    if terminal {
        origins.note("process.terminal", Origin::Flag("--tty"));
    }
    let granted = capabilities::grant(&config.privileges, facts.user.uid, facts.bounding)?;
    note_privileges(config, origins);
    if asked.oom_score_adj.is_some() {
        origins.note("process.oomScoreAdj", Origin::Flag("--oom-score-adj"));
    }
    Ok(Process {
        terminal,
        console_size: if terminal { facts.console_size } else { None },
        cwd: workdir(config, facts, origins)?,
        env: env::compose(config, facts, host_name, origins)?,
        args: args(config, facts, origins)?,
        rlimits: rlimits(&asked.ulimits, facts, origins)?,
        apparmor_profile: apparmor(config, facts)?,
        capabilities: Some(granted.to_spec()),
        no_new_privileges: config.privileges.no_new_privileges,
        oom_score_adj: asked.oom_score_adj,
        user: user(config, facts, origins)?,
        ..Process::default()
    })
}

/// Entrypoint and command. A user's entrypoint drops the image's command, which was meant for the image's own.
pub fn command(config: &ContainerConfig, image: &ImageDefaults) -> Vec<String> {
    let asked = &config.process;
    let entrypoint = asked.entrypoint.as_ref().unwrap_or(&image.entrypoint);
    // podman and docker: an image whose entrypoint is one empty word has none.
    let entrypoint = if entrypoint.len() == 1 && entrypoint[0].is_empty() { &[][..] } else { entrypoint };
    let command = match (&asked.command, &asked.entrypoint) {
        (command, _) if !command.is_empty() => command,
        (_, Some(_)) => &asked.command,
        (_, None) => &image.cmd,
    };
    entrypoint.iter().chain(command).cloned().collect()
}

fn args(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> Result<Vec<String>, Error> {
    let asked = &config.process;
    let origin = if asked.entrypoint.is_some() {
        Origin::Flag("--entrypoint")
    } else if asked.command.is_empty() {
        Origin::Image
    } else {
        Origin::Flag("COMMAND")
    };
    origins.note("process.args", origin);
    let args = command(config, &facts.image);
    if args.is_empty() {
        return Err(Error::NoCommand);
    }
    if let Some(word) = args.iter().find(|word| word.contains('\0')) {
        let source = Invalid::new(word.as_str(), "a word cannot hold a NUL byte");
        return Err(if origin == Origin::Image {
            Error::Image { field: "Cmd", invalid: source }
        } else {
            Error::flag("COMMAND", source)
        });
    }
    Ok(args)
}

fn workdir(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> Result<String, Error> {
    if let Some(path) = &config.process.workdir {
        origins.note("process.cwd", Origin::Flag("--workdir"));
        return Ok(path.to_string_lossy().into_owned());
    }
    match facts.image.workdir.as_str() {
        "" => {
            origins.note("process.cwd", Origin::Default);
            Ok("/".to_owned())
        }
        path => {
            origins.note("process.cwd", Origin::Image);
            // The image specification lets it be relative, and docker takes it from the root.
            if path.contains('\0') {
                let source = Invalid::new(path, "a path cannot hold a NUL byte");
                return Err(Error::Image { field: "WorkingDir", invalid: source });
            }
            Ok(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
        }
    }
}

fn user(config: &ContainerConfig, facts: &Facts, origins: &mut Origins) -> Result<User, Error> {
    let origin = match (&config.process.user, facts.image.user.as_str()) {
        (Some(_), _) => Origin::Flag("--user"),
        (None, "") => Origin::Default,
        (None, _) => Origin::Image,
    };
    origins.note("process.user", origin);
    if !config.process.groups.is_empty() {
        origins.note("process.user.additionalGids", Origin::Flag("--group-add"));
    }
    if let Some(unmapped) = unmapped(facts) {
        return Err(match origin {
            Origin::Image => Error::Image { field: "User", invalid: unmapped },
            _ => Error::flag("--user", unmapped),
        });
    }
    let mapped = |gid| facts.user_namespace.maps().is_none_or(|maps| maps.has_gid(gid));
    let groups = if facts.setgroups { facts.user.all_groups(mapped) } else { Vec::new() };
    Ok(User {
        uid: facts.user.uid,
        gid: facts.user.gid,
        umask: config.process.umask.map(crate::config::Umask::bits),
        additional_gids: groups,
    })
}

/// A user or group that the container's user namespace does not have: setresuid(2) would say EINVAL.
fn unmapped(facts: &Facts) -> Option<Invalid> {
    let maps = facts.user_namespace.maps()?;
    let (what, id, has) = match (maps.has_uid(facts.user.uid), maps.has_gid(facts.user.gid)) {
        (true, true) => return None,
        (false, _) => ("user", facts.user.uid, &maps.uids),
        (true, false) => ("group", facts.user.gid, &maps.gids),
    };
    let ranges: Vec<String> = has
        .iter()
        .map(|map| match map.size {
            1 => map.container_id.to_string(),
            size => format!("{}-{}", map.container_id, map.container_id.saturating_add(size - 1)),
        })
        .collect();
    let why = format!("the container's user namespace has no such {what}");
    Some(Invalid::new(id.to_string(), why).hint(format!("it has {}", ranges.join(", "))))
}

/// podman's default for open files and for processes.
const DEFAULT_RLIMIT: u64 = 1_048_576;

/// What was asked, and for open files and processes a default. Never more than the engine may give: without
/// CAP_SYS_RESOURCE a ceiling can only be lowered, and a start that fails for a default would be our fault.
fn rlimits(asked: &[Ulimit], facts: &Facts, origins: &mut Origins) -> Result<Vec<Rlimit>, Error> {
    let mut rlimits: Vec<Rlimit> = Vec::with_capacity(asked.len() + 2);
    for ulimit in asked {
        let host = facts.rlimits.get(ulimit.resource);
        let most = if facts.rlimits.may_raise { u64::MAX } else { host.hard };
        if let Some(hard) = ulimit.hard.filter(|hard| *hard > most) {
            return Err(Error::flag(
                "--ulimit",
                Invalid::new(
                    format!("{}={hard}", ulimit.resource),
                    format!("above the engine's own ceiling of {most}"),
                )
                .hint("raise the ceiling where the engine starts (ulimit -H), or ask for less"),
            ));
        }
        let hard = ulimit.hard.unwrap_or(most);
        let rlimit =
            Rlimit { kind: ulimit.resource.rlimit().to_owned(), hard, soft: ulimit.soft.unwrap_or(most).min(hard) };
        origins.note(format!("process.rlimits[{}]", rlimit.kind), Origin::Flag("--ulimit"));
        // The last of a kind wins; the specification allows one only.
        rlimits.retain(|other| other.kind != rlimit.kind);
        rlimits.push(rlimit);
    }
    for resource in [Resource::Nofile, Resource::Nproc] {
        let kind = resource.rlimit();
        if rlimits.iter().any(|rlimit| rlimit.kind == kind) {
            continue;
        }
        let most = if facts.rlimits.may_raise { u64::MAX } else { facts.rlimits.get(resource).hard };
        let value = DEFAULT_RLIMIT.min(most);
        origins.note(format!("process.rlimits[{kind}]"), Origin::Default);
        rlimits.push(Rlimit { kind: kind.to_owned(), hard: value, soft: value });
    }
    Ok(rlimits)
}

fn apparmor(config: &ContainerConfig, facts: &Facts) -> Result<Option<String>, Error> {
    if let Some(SelinuxLabel::Part(part, value)) =
        config.privileges.selinux.iter().find(|label| **label != SelinuxLabel::Disable)
    {
        return Err(Error::flag(
            "--security-opt",
            Invalid::new(format!("label={part}:{value}"), "SELinux labels are not there yet")
                .hint("leave it out, or say label=disable"),
        ));
    }
    match &config.privileges.apparmor {
        AppArmor::Profile(name) if !facts.apparmor => Err(Error::flag(
            "--security-opt",
            Invalid::new(format!("apparmor={name}"), "the kernel has no AppArmor, and the profile would not hold")
                .hint("leave it out, or say apparmor=unconfined"),
        )),
        AppArmor::Profile(name) => Ok(Some(name.clone())),
        AppArmor::Default | AppArmor::Unconfined => Ok(None),
    }
}

fn note_privileges(config: &ContainerConfig, origins: &mut Origins) {
    let privileges = &config.privileges;
    let unchanged = crate::config::CapabilityChange::default();
    let origin = if privileges.cap_add != unchanged {
        Origin::Flag("--cap-add")
    } else if privileges.cap_drop != unchanged {
        Origin::Flag("--cap-drop")
    } else if privileges.level == crate::config::Privileges::Privileged {
        Origin::Flag("--privileged")
    } else {
        Origin::Default
    };
    origins.note("process.capabilities", origin);
    if privileges.no_new_privileges {
        origins.note("process.noNewPrivileges", Origin::Flag("--security-opt"));
    }
}
