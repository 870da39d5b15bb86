//! What a container sees: processes, host name, namespaces, network.

use super::{Page, by, bytes, network};
use crate::columns::Columns;
use engine::sides::{Shared, Sides};
use std::collections::BTreeSet;

/// So many processes are shown.
const PROCESSES: usize = 16;

pub(super) fn write(page: &mut Page, sides: &Sides) {
    let sees = &sides.sees;
    if sides.runs {
        processes(page, sides);
    }
    if !sees.host_name.is_empty() {
        page.line(&format!("  host name  {}", sees.host_name));
    }
    if sides.runs {
        namespaces(page, sides);
    }
    network::write(page, sides);
}

fn processes(page: &mut Page, sides: &Sides) {
    let processes = &sides.sees.processes;
    let mut columns = Columns::new(4, &[0, 1, 5]);
    columns.row(["inside", "outside", "user inside", "owner outside", "", "memory", "command"]);
    for process in processes.list.iter().take(PROCESSES) {
        let user = |name: &Option<String>, id: u32| match name {
            Some(name) => format!("{name} ({id})"),
            None => id.to_string(),
        };
        let owner = match (&process.owner_name, &process.subordinate_of) {
            (None, Some(name)) => format!("{}, {name}'s", process.owner),
            (name, _) => user(name, process.owner),
        };
        columns.row([
            &process.inside.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            &process.outside.to_string(),
            &user(&process.user_name, process.user),
            &owner,
            &process.state.to_string(),
            &bytes(process.resident),
            &process.command,
        ]);
    }
    page.line("  processes");
    page.text.push_str(&columns.lines(page.width));
    page.more(4, processes.list.len().saturating_sub(PROCESSES) + processes.more, "processes");
}

fn namespaces(page: &mut Page, sides: &Sides) {
    let mut columns = Columns::new(4, &[1]);
    for namespace in &sides.sees.namespaces {
        let whose = match &namespace.shared {
            Shared::Own => "own".to_owned(),
            Shared::Host => "this machine's".to_owned(),
            Shared::With(names) => {
                let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
                let more = names.len().saturating_sub(3);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("shared with {}{more}", names.into_iter().take(3).collect::<Vec<_>>().join(", "))
            }
            Shared::Joined(path) => format!("joined: {path}"),
        };
        columns.row([namespace.kind, &namespace.inode.to_string(), &whose, &by(namespace.by.as_ref())]);
    }
    page.line("  namespaces");
    page.text.push_str(&columns.lines(page.width));
}
