//! `--log-driver` and `--log-opt`: where a container's output is kept, and how much of it.

use super::Invalid;
use crate::config::Bytes;
use monitor::log::{Config, Driver, is_tag};

/// docker's and podman's names.
pub fn log_driver(text: &str) -> Result<Driver, Invalid> {
    match text {
        "local" | "k8s-file" => Ok(Driver::Local),
        "json-file" => Ok(Driver::JsonFile),
        "journald" => Ok(Driver::Journald),
        "passthrough" => Ok(Driver::Passthrough),
        "none" => Ok(Driver::None),
        _ => Err(Invalid::new(text, "no such log driver").hint("local, json-file, journald, passthrough or none")),
    }
}

/// `max-size=10m`, `max-file=3`, `labels=NAME,…`, `env=NAME,…` and `tag=NAME` on top of what is there.
pub fn log_option(config: &mut Config, text: &str) -> Result<(), Invalid> {
    let wrong = |problem: &'static str| {
        Invalid::new(text, problem).hint("max-size=SIZE, max-file=COUNT, labels=NAME,…, env=NAME,… or tag=NAME")
    };
    match text.split_once('=') {
        Some(("max-size", size)) => {
            let size: Bytes = size.parse()?;
            config.max_size = u64::try_from(size.get()).unwrap_or(0);
            // Lines of one chunk have to fit into a file.
            if config.max_size < 64 << 10 {
                return Err(wrong("less than 64k"));
            }
        }
        Some(("max-file", count)) => {
            config.max_files = count
                .parse()
                .ok()
                .filter(|count| (1..=1000).contains(count))
                .ok_or_else(|| wrong("not a number of files from 1 to 1000"))?;
        }
        Some(("labels", names)) => config.labels = names.split(',').map(str::to_owned).collect(),
        Some(("env", names)) => config.env = names.split(',').map(str::to_owned).collect(),
        Some(("tag", tag)) if is_tag(tag) => config.tag = Some(tag.to_owned()),
        Some(("tag", _)) => {
            return Err(Invalid::new(text, "not known when it is written")
                .hint("{{.ID}}, {{.FullID}}, {{.Name}} and {{.ImageName}} are"));
        }
        _ => return Err(wrong("no such option")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_bounded_by_what_is_said() {
        let mut config = Config::default();
        log_option(&mut config, "max-size=1m").expect("a size");
        log_option(&mut config, "max-file=5").expect("a count");
        assert_eq!((config.max_size, config.max_files), (1 << 20, 5));
        for wrong in
            ["max-size=0", "max-size=-1", "max-size=1k", "max-file=0", "max-file=x", "compress", "tag={{.DaemonName}}"]
        {
            assert!(log_option(&mut config, wrong).is_err(), "{wrong}");
        }
        log_option(&mut config, "tag={{.Name}}").expect("a tag");
        assert_eq!(config.tag.as_deref(), Some("{{.Name}}"));
        assert_eq!(log_driver("k8s-file"), Ok(Driver::Local));
        assert!(log_driver("syslog").is_err());
    }
}
