//! The environment: defaults, then the image's, then the user's; the last of a name wins.

use super::origin::Origins;
use super::{Error, Facts, Origin};
use crate::config::{ContainerConfig, TerminalMode};
use crate::flags;

/// What a shell of a distribution has for root.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn compose(
    config: &ContainerConfig,
    facts: &Facts,
    host_name: &str,
    origins: &mut Origins,
) -> Result<Vec<String>, Error> {
    let mut env = Environment::default();
    env.set("PATH", PATH, Origin::Default);
    env.set("HOSTNAME", host_name, Origin::Default);
    // systemd and others ask this variable of process 1 whether, and in what, they run (systemd.io/CONTAINER_INTERFACE).
    env.set("container", "coracle", Origin::Default);
    if config.process.terminal == TerminalMode::Pty {
        env.set("TERM", "xterm", Origin::Default);
    }
    for variable in &facts.image.env {
        // A name without a value would be a variable of the host's on a command line; of an image it means nothing.
        let read = flags::env(variable, |_| None).map_err(|invalid| Error::Image { field: "Env", invalid })?;
        if let Some(variable) = read {
            env.set(&variable.name, &variable.value, Origin::Image);
        }
    }
    env.0.retain(|(name, ..)| !config.process.unset.has(name));
    for variable in &config.process.env {
        env.set(&variable.name, &variable.value, Origin::Flag("--env"));
    }
    for (name, value) in &facts.secrets.variables {
        env.set(name, value, Origin::Flag("--secret"));
    }
    if !env.has("HOME") && !config.process.unset.has("HOME") {
        env.set("HOME", &facts.user.home, Origin::Default);
    }
    Ok(env
        .0
        .into_iter()
        .map(|(name, value, origin)| {
            origins.note(format!("process.env[{name}]"), origin);
            format!("{name}={value}")
        })
        .collect())
}

/// In order of first appearance.
#[derive(Default)]
struct Environment(Vec<(String, String, Origin)>);

impl Environment {
    fn set(&mut self, name: &str, value: &str, origin: Origin) {
        let entry = (name.to_owned(), value.to_owned(), origin);
        match self.0.iter_mut().find(|(known, ..)| known == name) {
            Some(known) => *known = entry,
            None => self.0.push(entry),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, ..)| known == name)
    }
}
