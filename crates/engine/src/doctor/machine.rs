//! Cgroups, room on disk, the clock, the files for registries.

use super::{Finding, Patient};
use crate::diagnosis;
use crate::record::now;
use cgroup::{Controller, Layout, Mode};
use registry::Settings;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = cgroups();
    findings.push(room("disk", &patient.locations.root, 1 << 30));
    findings.push(room("run root", &patient.locations.runroot, 16 << 20));
    findings.push(memory_of_runs(&patient.locations.runroot));
    findings.push(clock(&patient.locations.root));
    findings.push(store(&patient.locations.root));
    findings.push(registries(patient));
    findings
}

/// A line for the layout, and one for each controller that a flag of `run` needs.
fn cgroups() -> Vec<Finding> {
    let rootless = !rustix::process::geteuid().is_root();
    let layout = match Layout::detect() {
        Ok(layout) => layout,
        Err(error) => return vec![Finding::warning("cgroups", error.to_string(), "mount /proc, and /sys/fs/cgroup")],
    };
    let kind = match layout.mode() {
        Mode::None => {
            let cause = diagnosis::Limits::NoCgroups;
            return vec![Finding::broken("cgroups", cause.to_string(), cause.remedy())];
        }
        Mode::V1 => "version 1",
        Mode::Hybrid => "versions 1 and 2 side by side",
        Mode::V2 => "version 2",
    };
    let mut findings = vec![Finding::ok("cgroups", kind)];
    for (check, controller) in [
        ("cgroup memory", Controller::Memory),
        ("cgroup cpu", Controller::Cpu),
        ("cgroup pids", Controller::Pids),
        ("cgroup io", Controller::Io),
        ("cgroup cpuset", Controller::Cpuset),
    ] {
        let has = layout.owner(controller).is_some_and(|owner| {
            let own = owner.own_inner().unwrap_or_default();
            !rootless || (layout.delegated().is_some() && given(&owner.mount, own, controller))
        });
        findings.push(if has {
            Finding::ok(check, "limits can be set")
        } else {
            match diagnosis::missing_controller(controller, rootless) {
                Some(missing) => Finding::warning(check, missing.to_string(), missing.remedy()),
                None => Finding::ok(check, "limits can be set"),
            }
        });
    }
    findings
}

/// An ordinary user's cgroup has the controller.
fn given(mount: &str, own: &str, controller: Controller) -> bool {
    let path = Path::new(mount).join(own.trim_start_matches('/')).join("cgroup.controllers");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().any(|name| name == controller.name(cgroup::Version::V2))
}

/// The directory, or the nearest above it that is there.
pub(super) fn there(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn room(check: &'static str, path: &Path, wanted: u64) -> Finding {
    let shown = path.display();
    let Ok(state) = rustix::fs::statvfs(there(path)) else {
        return Finding::broken(check, format!("{shown} cannot be looked at"), "name another by --root and --runroot");
    };
    let free = state.f_bavail.saturating_mul(state.f_frsize);
    let full = free == 0 || (state.f_files > 0 && state.f_ffree == 0);
    let remedy =
        "make room: coracle system prune removes what is not used; or name another place by --root and --runroot";
    let seen = if state.f_files > 0 && state.f_ffree == 0 {
        format!("{shown} can have no more files (df -i)")
    } else {
        format!("{} MiB are free for {shown}", free >> 20)
    };
    match full {
        true => Finding::broken(check, seen, remedy),
        false if free < wanted => Finding::warning(check, seen, remedy),
        false => Finding::ok(check, seen),
    }
}

/// What is true only while containers run is to be gone after a reboot.
fn memory_of_runs(runroot: &Path) -> Finding {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let state = rustix::fs::statfs(there(runroot));
    if state.is_ok_and(|state| matches!(state.f_type as u64, TMPFS | RAMFS)) {
        return Finding::ok("run state", format!("{} is in memory, and gone after a reboot", runroot.display()));
    }
    Finding::warning(
        "run state",
        format!("{} is on a disk: what it says of containers outlives a reboot, and is slower", runroot.display()),
        "name a directory on a tmpfs, such as one below /run: --runroot DIR, or CORACLE_RUNROOT",
    )
}

/// A clock that is behind what it has seen itself.
fn clock(root: &Path) -> Finding {
    /// When this program was not written yet: 2025.
    const BEFORE: u64 = 1_735_689_600;
    let newest = std::fs::metadata(there(root)).map_or(0, |meta| u64::try_from(meta.mtime()).unwrap_or(0));
    let now = now();
    if now < BEFORE || now + 60 < newest {
        let remedy = "set it (date -s, or an NTP service): certificates and logs go by it";
        return Finding::warning("clock", format!("it says {now} s after 1970, which is in the past"), remedy);
    }
    Finding::ok("clock", "it goes forward")
}

/// A store that is there can be read.
fn store(root: &Path) -> Finding {
    match store::Store::open_if_there(root) {
        Ok(Some(_)) => {
            Finding::ok("store", format!("{} is there, in the format that this version writes", root.display()))
        }
        Ok(None) => Finding::ok("store", format!("{} is made when it is first needed", root.display())),
        Err(error) => {
            let remedy = match &error {
                store::Error::Format { .. } => {
                    "use the version of coracle that made it, or another store: --root DIR".to_owned()
                }
                _ => match diagnosis::of_machine(error.into()) {
                    error @ crate::Error::Diagnosed(_) => {
                        let remedy = error.hint().unwrap_or_default();
                        return Finding::broken("store", error.to_string(), remedy);
                    }
                    error => {
                        let remedy =
                            "coracle system check --repair mends what can be mended; or use another: --root DIR";
                        return Finding::broken("store", error.to_string(), remedy);
                    }
                },
            };
            Finding::broken("store", error.to_string(), remedy)
        }
    }
}

/// registries.conf with its parts, and policy.json.
fn registries(patient: &Patient) -> Finding {
    let settings = match Settings::read(patient.registries.clone()) {
        Ok(settings) => settings,
        Err(error) => {
            let text = std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
            let remedy = "mend the file: pulls and pushes need it, images that are here do not";
            return Finding::warning("registries", format!("{error}{text}"), remedy);
        }
    };
    let Some(policy) = registry::Client::new(settings).policy_file() else {
        return Finding::ok("registries", "the files for them are well; no policy.json asks for signatures");
    };
    match std::fs::read(&policy)
        .map_err(|error| error.to_string())
        .and_then(|bytes| trust::Policy::parse(&bytes).map(drop).map_err(|error| error.to_string()))
    {
        Ok(()) => Finding::ok("registries", format!("the files for them are well, {} too", policy.display())),
        Err(error) => {
            let remedy = format!("mend {}, or move it away: nothing is pulled until then", policy.display());
            Finding::warning("registries", format!("{}: {error}", policy.display()), remedy)
        }
    }
}
