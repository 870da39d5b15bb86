//! What a container may do: ids, capabilities in words, system calls, label.

use super::{Page, by};
use crate::columns::Columns;
use engine::sides::{IdRange, Sides};
use std::collections::BTreeMap;

/// So many ranges of ids are shown.
const RANGES: usize = 10;

/// Of so many it is said how many they are.
const MANY: usize = 30;

/// What each capability allows, capabilities(7), in the kernel's order of names.
const WORDS: [(&str, &str); 41] = [
    ("CAP_CHOWN", "give files to anybody"),
    ("CAP_DAC_OVERRIDE", "read, write and search whatever the modes say"),
    ("CAP_DAC_READ_SEARCH", "read and search whatever the modes say"),
    ("CAP_FOWNER", "do with files what their owners may"),
    ("CAP_FSETID", "keep set-id bits of files that are written"),
    ("CAP_KILL", "signal anybody's processes"),
    ("CAP_SETGID", "become any group"),
    ("CAP_SETUID", "become any user"),
    ("CAP_SETPCAP", "hand on and give up capabilities"),
    ("CAP_LINUX_IMMUTABLE", "set and clear the immutable flag"),
    ("CAP_NET_BIND_SERVICE", "bind ports below 1024"),
    ("CAP_NET_BROADCAST", "broadcast (unused)"),
    ("CAP_NET_ADMIN", "set up devices, addresses, routes, firewall"),
    ("CAP_NET_RAW", "send and hear any packet"),
    ("CAP_IPC_LOCK", "lock memory"),
    ("CAP_IPC_OWNER", "use anybody's System V objects"),
    ("CAP_SYS_MODULE", "load kernel modules"),
    ("CAP_SYS_RAWIO", "reach ports and memory of the machine"),
    ("CAP_SYS_CHROOT", "change the root directory"),
    ("CAP_SYS_PTRACE", "trace and read any process"),
    ("CAP_SYS_PACCT", "switch process accounting"),
    ("CAP_SYS_ADMIN", "mount, and administer nearly everything"),
    ("CAP_SYS_BOOT", "reboot, load another kernel"),
    ("CAP_SYS_NICE", "raise priorities, choose processors"),
    ("CAP_SYS_RESOURCE", "pass limits and quotas"),
    ("CAP_SYS_TIME", "set the clock"),
    ("CAP_SYS_TTY_CONFIG", "set up and hang up terminals"),
    ("CAP_MKNOD", "make device nodes"),
    ("CAP_LEASE", "take leases on any file"),
    ("CAP_AUDIT_WRITE", "write to the audit log"),
    ("CAP_AUDIT_CONTROL", "change the rules of the audit"),
    ("CAP_SETFCAP", "give capabilities to files"),
    ("CAP_MAC_OVERRIDE", "pass mandatory access control"),
    ("CAP_MAC_ADMIN", "set up mandatory access control"),
    ("CAP_SYSLOG", "read and clear the kernel's log"),
    ("CAP_WAKE_ALARM", "wake the machine up"),
    ("CAP_BLOCK_SUSPEND", "keep the machine awake"),
    ("CAP_AUDIT_READ", "read the audit log"),
    ("CAP_PERFMON", "watch performance of everything"),
    ("CAP_BPF", "load BPF programs"),
    ("CAP_CHECKPOINT_RESTORE", "checkpoint and restore processes"),
];

pub(super) fn write(page: &mut Page, sides: &Sides) {
    ids(page, sides);
    capabilities(page, sides);
    calls(page, sides);
}

fn ids(page: &mut Page, sides: &Sides) {
    let ids = &sides.may_do.ids;
    let same = |a: &IdRange, b: &IdRange| (a.inside, a.outside, a.count) == (b.inside, b.outside, b.count);
    let equal = ids.users.len() == ids.groups.len() && ids.users.iter().zip(&ids.groups).all(|(a, b)| same(a, b));
    let both = [("users and groups", &ids.users)];
    let apart = [("users", &ids.users), ("groups", &ids.groups)];
    for (what, ranges) in if equal { &both[..] } else { &apart[..] } {
        if ranges.is_empty() {
            continue;
        }
        page.line(&format!("  {what}  {}", by(ids.by.as_ref())));
        let mut columns = Columns::new(4, &[0, 1, 2]);
        columns.row(["inside", "outside", "how many", "whose outside"]);
        for range in ranges.iter().take(RANGES) {
            let numbers = [range.inside, range.outside, range.count].map(|number| number.to_string());
            columns.row([&numbers[0], &numbers[1], &numbers[2], &range.owner]);
        }
        page.text.push_str(&columns.lines(page.width));
        page.more(4, ranges.len().saturating_sub(RANGES), "ranges");
    }
}

fn capabilities(page: &mut Page, sides: &Sides) {
    let may = &sides.may_do;
    if may.all_capabilities {
        let by = may.capabilities.first().map(|side| format!("[{}]", side.by)).unwrap_or_default();
        return page.line(&format!(
            "  capabilities  all that this kernel has: it is as strong as root in its namespaces  {by}"
        ));
    }
    let (has, lacks): (Vec<_>, Vec<_>) = may.capabilities.iter().partition(|side| side.effective.unwrap_or(side.asked));
    let words = |name: &str| WORDS.iter().find(|(known, _)| *known == name).map_or("", |(_, words)| words);
    page.line(&match has.len() {
        0 => "  capabilities  none".to_owned(),
        MANY.. => format!("  capabilities  {} of them: nearly as strong as root of its namespaces", has.len()),
        _ => "  capabilities".to_owned(),
    });
    let mut columns = Columns::new(4, &[]);
    let mut privileged = Vec::new();
    for side in has {
        if side.by == "--privileged" {
            privileged.push(side.name.as_str());
        } else {
            columns.row([&side.name, words(&side.name), &format!("[{}]", side.by)]);
        }
    }
    if !privileged.is_empty() {
        page.words(4, privileged.into_iter().chain(["[--privileged]"]));
    }
    page.text.push_str(&columns.lines(page.width));
    let mut left: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for side in lacks {
        let why = match (side.effective, side.bounding) {
            (Some(false), Some(true)) => "its first process has not, but others in it may come to have",
            (Some(false), _) if side.asked => "asked for, and not there",
            _ => "left out",
        };
        left.entry((why, &side.by)).or_default().push(&side.name);
    }
    for ((why, by), names) in left {
        page.line(&format!("    {why}  [{by}]"));
        page.words(6, names);
    }
}

fn calls(page: &mut Page, sides: &Sides) {
    let may = &sides.may_do;
    let filter = &may.filter;
    let by = format!("[{}]", filter.by);
    let counts = format!(
        "filter {}: {} allowed, {} by their arguments, {} denied",
        filter.profile, filter.allowed, filter.conditional, filter.denied
    );
    let told = match filter.effective {
        Some(true) if filter.profile == "none" => "a filter, and not by us".to_owned(),
        Some(true) => counts,
        Some(false) if filter.profile != "none" => format!("no filter, though {} was asked for", filter.profile),
        Some(false) => "all: no filter".to_owned(),
        None => format!("filter {} (asked)", filter.profile),
    };
    page.words(2, ["system calls "].into_iter().chain(told.split(' ')).chain([by.as_str()]));
    let asked = if may.no_new_privileges_asked { "[--security-opt]" } else { "[default]" };
    let told = match may.no_new_privileges {
        Some(true) => "cannot be gained by exec",
        Some(false) => "can be gained by exec (set-user-ID, file capabilities)",
        None if may.no_new_privileges_asked => "are not to be gained by exec (asked)",
        None => "may be gained by exec (asked)",
    };
    page.words(2, ["privileges "].into_iter().chain(told.split(' ')).chain([asked]));
    if sides.runs {
        page.line(&format!("  label  {}", may.label.as_deref().unwrap_or("none: no security module has one")));
    }
}
