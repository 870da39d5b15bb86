//! `--change` of import and commit: instructions of a Containerfile that change a configuration.

use crate::{Error, Result};
use oci::image::ContainerDefaults;
use serde_json::{Map, Value};

/// Applies one instruction.
pub fn apply(change: &str, config: &mut ContainerDefaults) -> Result<()> {
    let wrong = |reason: &str| Error::Change { change: change.to_owned(), reason: reason.to_owned() };
    let trimmed = change.trim();
    let (instruction, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(wrong("nothing follows the instruction"));
    }
    match instruction.to_ascii_uppercase().as_str() {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(rest)),
        "ENV" => {
            for (name, value) in pairs(rest).ok_or_else(|| wrong("expected NAME=VALUE"))? {
                let prefix = format!("{name}=");
                config.env.retain(|variable| !variable.starts_with(&prefix));
                config.env.push(prefix + &value);
            }
        }
        "LABEL" => config.labels.extend(pairs(rest).ok_or_else(|| wrong("expected NAME=VALUE"))?),
        "EXPOSE" => {
            for port in words(rest).ok_or_else(|| wrong("a quote is not closed"))? {
                config.exposed_ports.insert(port_key(&port).ok_or_else(|| wrong("expected PORT[/PROTOCOL]"))?, empty());
            }
        }
        "VOLUME" => {
            let paths = json(rest).or_else(|| words(rest)).ok_or_else(|| wrong("a quote is not closed"))?;
            config.volumes.extend(paths.into_iter().map(|path| (path, empty())));
        }
        "USER" => rest.clone_into(&mut config.user),
        "WORKDIR" if rest.starts_with('/') => rest.clone_into(&mut config.working_dir),
        "WORKDIR" => config.working_dir = format!("{}/{rest}", config.working_dir.trim_end_matches('/')),
        "STOPSIGNAL" => rest.clone_into(&mut config.stop_signal),
        "ONBUILD" => config.on_build.push(rest.to_owned()),
        _ => {
            return Err(wrong(
                "only CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed",
            ));
        }
    }
    Ok(())
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// The JSON form, or the shell form.
fn command(text: &str) -> Vec<String> {
    json(text).unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn json(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// `NAME=VALUE…`, or the old form `NAME VALUE`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let words = words(text)?;
    if !words.first()?.contains('=') {
        let (name, value) = text.split_once(char::is_whitespace)?;
        return Some(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| {
        let (name, value) = word.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    words.iter().map(pair).collect()
}

fn port_key(text: &str) -> Option<String> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let valid = port.parse::<u16>().is_ok() && matches!(protocol, "tcp" | "udp" | "sctp");
    valid.then(|| format!("{port}/{protocol}"))
}

/// Words with quotes and backslashes; `None` when a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> ContainerDefaults {
        let mut config = ContainerDefaults::default();
        for change in changes {
            apply(change, &mut config).unwrap_or_else(|error| panic!("{change}: {error}"));
        }
        config
    }

    #[test]
    fn instructions_change_what_they_name() {
        let config = changed(&[
            r#"CMD ["sh", "-l"]"#,
            "entrypoint exec top",
            r#"ENV A=1 B="two words" A=3"#,
            "ENV C some words",
            "EXPOSE 80 53/udp",
            r#"VOLUME ["/data"]"#,
            "WORKDIR /a",
            "WORKDIR b",
            "LABEL x='y z'",
        ]);
        assert_eq!(config.cmd.as_deref(), Some(&["sh".to_owned(), "-l".to_owned()][..]));
        assert_eq!(config.entrypoint.map(|words| words.join("|")).as_deref(), Some("/bin/sh|-c|exec top"));
        assert_eq!(config.env, ["B=two words", "A=3", "C=some words"]);
        assert_eq!(config.exposed_ports.keys().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert!(config.volumes.contains_key("/data"));
        assert_eq!(config.working_dir, "/a/b");
        assert_eq!(config.labels["x"], "y z");
    }

    #[test]
    fn what_is_no_instruction_is_refused() {
        for wrong in ["", "CMD", "RUN make", "ENV =x", "ENV A='x", "EXPOSE http"] {
            assert!(apply(wrong, &mut ContainerDefaults::default()).is_err(), "{wrong:?}");
        }
    }
}
