//! `ps`: the processes of a container, as pids or as the machine's own ps(1) tells them.

use super::list::json;
use super::{Verb, print, read};
use crate::container::Container;
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};

#[derive(Debug, Default)]
struct Given {
    json: bool,
}

type F = Flag<Given>;

const FLAGS: [F; 1] = [F::takes("format", "FORMAT", |g, w| json(&mut g.json, w), "table (the default) or json")
    .short('f')
    .under("Options")];

pub const VERB: Verb = Verb {
    name: "ps",
    help: Help {
        usage: &["ps [OPTIONS] ID [PS-OPTION...]"],
        about: "List a container's processes",
        more: &[
            "The table comes from the machine's ps(1), with -ef if no options are given; it must have a column PID.",
        ],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

fn run(words: &[String], context: &Context) -> Result<u8> {
    let (given, others) = read(&FLAGS, words, Order::First)?;
    let Some((id, options)) = others.split_first() else {
        return Err(Error::Arguments("the container's id is missing".to_owned()));
    };
    let container = Container::find(context, id)?;
    let mut pids = container.cgroup.procs()?;
    if container.cgroup.is_empty() {
        pids.extend(container.handle.iter().map(|handle| handle.pid as u32));
    }
    if given.json {
        let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
        return print(&format!("[{}]\n", list.join(",")));
    }
    // A later word may still be ours: runc's callers write `ps ID -f json`.
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() { &default[..] } else { options };
    let output = std::process::Command::new("ps").args(options).output().map_err(|source| Error::file("ps", source))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::State(format!("ps {}: {text}", options.join(" "))));
    }
    print(&table(&String::from_utf8_lossy(&output.stdout), &pids)?)
}

/// The head and the lines of these pids.
fn table(text: &str, pids: &[u32]) -> Result<String> {
    let head = text.lines().next().unwrap_or_default();
    let no_column = || Error::State("couldn't find PID field in ps output".to_owned());
    let column = head.split_whitespace().position(|name| name == "PID").ok_or_else(no_column)?;
    let ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse().ok());
        pid.is_some_and(|pid: u32| pids.contains(&pid))
    };
    Ok(std::iter::once(head)
        .chain(text.lines().skip(1).filter(ours))
        .fold(String::new(), |all, line| all + line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_keeps_its_head_and_the_containers_lines() {
        let text = "UID  PID PPID CMD\nroot  10    1 sh\nroot  11   10 sleep 10\n";
        assert_eq!(table(text, &[11]).unwrap(), "UID  PID PPID CMD\nroot  11   10 sleep 10\n");
        assert!(table("a b\n", &[1]).is_err());
    }
}
