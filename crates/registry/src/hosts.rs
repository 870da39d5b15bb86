//! containerd's `hosts.toml`: the servers that stand for a registry, each with what it may be asked.

use crate::conf;
use crate::error::{Error, Result};
use crate::url::{Scheme, Url};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A file, or list of files: `ca = "a"`, `ca = ["a", "b"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Files {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

/// `client = "pair.pem"`, `["a.pem"]` or `[["cert", "key"]]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Pairs {
    One(PathBuf),
    Many(Vec<Pair>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Pair {
    Together(PathBuf),
    Apart(PathBuf, PathBuf),
}

/// A header's value, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Server {
    capabilities: Option<Vec<String>>,
    ca: Option<Files>,
    client: Option<Pairs>,
    skip_verify: bool,
    override_path: bool,
    header: BTreeMap<String, Values>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    server: Option<String>,
    host: BTreeMap<String, Spanned<Server>>,
    #[serde(flatten)]
    own: Server,
}

/// One server of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Scheme and host.
    pub url: Url,
    /// What stands before the repository: `/v2`, unless it is said to be something else.
    pub prefix: String,
    /// It may be asked for content.
    pub pull: bool,
    /// It may be asked what a tag means.
    pub resolve: bool,
    /// It takes content.
    pub push: bool,
    /// Its certificate is not looked at.
    pub skip_verify: bool,
    /// Authorities beside the machine's.
    pub authorities: Vec<PathBuf>,
    /// Our own certificates and their keys.
    pub pairs: Vec<(PathBuf, PathBuf)>,
    /// Headers that it wants.
    pub headers: Vec<(String, String)>,
}

/// The servers for a registry, in the file's order with `server` last; nothing where no file is about it.
pub fn read(etc: &Path, registry: &str) -> Result<Option<Vec<Host>>> {
    let certs = etc.join("containerd/certs.d");
    // A colon is no character for a file name everywhere, so containerd also knows `host_5000_`.
    let other = registry.split_once(':').map(|(host, port)| format!("{host}_{port}_"));
    let names = [Some(registry.to_owned()), other, Some("_default".to_owned())];
    for name in names.into_iter().flatten() {
        let dir = certs.join(name);
        let path = dir.join("hosts.toml");
        if let Some(file) = conf::toml::<File>(&path)? {
            return servers(file, &dir).map(Some).map_err(|reason| Error::Content { path, reason });
        }
    }
    Ok(None)
}

fn servers(file: File, dir: &Path) -> Result<Vec<Host>, String> {
    let mut named: Vec<(usize, String, Server)> =
        file.host.into_iter().map(|(url, server)| (server.span().start, url, server.into_inner())).collect();
    // Mirrors are asked in the order in which they are written.
    named.sort_by_key(|(start, ..)| *start);
    let mut hosts = Vec::new();
    for (_, url, server) in named {
        hosts.push(host(&url, server, dir)?);
    }
    if let Some(url) = file.server {
        hosts.push(host(&url, file.own, dir)?);
    }
    Ok(hosts)
}

fn host(text: &str, server: Server, dir: &Path) -> Result<Host, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&full).ok_or_else(|| format!("{text:?} is not the address of a server"))?;
    let path = full.splitn(4, '/').nth(3).unwrap_or_default().trim_end_matches('/');
    let prefix = match (path, server.override_path) {
        ("", true) => String::new(),
        (path, true) => format!("/{path}"),
        ("", false) => "/v2".to_owned(),
        (path, false) if path.ends_with("v2") => format!("/{path}"),
        (path, false) => format!("/{path}/v2"),
    };
    let may = |what: &str| server.capabilities.as_ref().is_none_or(|own| own.iter().any(|own| own == what));
    let authorities = match server.ca {
        None => Vec::new(),
        Some(Files::One(file)) => vec![dir.join(file)],
        Some(Files::Many(files)) => files.into_iter().map(|file| dir.join(file)).collect(),
    };
    let pairs = match server.client {
        None => Vec::new(),
        Some(Pairs::One(file)) => vec![Pair::Together(file)],
        Some(Pairs::Many(pairs)) => pairs,
    };
    let pairs = pairs.into_iter().map(|pair| match pair {
        Pair::Together(file) => (dir.join(&file), dir.join(&file)),
        Pair::Apart(certificate, key) if key.as_os_str().is_empty() => (dir.join(&certificate), dir.join(&certificate)),
        Pair::Apart(certificate, key) => (dir.join(certificate), dir.join(key)),
    });
    let headers = server.header.into_iter().flat_map(|(name, values)| {
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        values.into_iter().map(move |value| (name.clone(), value))
    });
    Ok(Host {
        prefix,
        pull: may("pull"),
        resolve: may("resolve"),
        push: may("push"),
        skip_verify: server.skip_verify && url.origin.scheme == Scheme::Https,
        url,
        authorities,
        pairs: pairs.collect(),
        headers: headers.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_come_in_the_order_in_which_they_are_written() {
        // Forms of containerd's document docs/hosts.md.
        let text = r#"
            server = "https://registry-1.docker.io"
            [host."https://z-mirror.example"]
              capabilities = ["pull"]
              ca = "z.crt"
              skip_verify = true
              [host."https://z-mirror.example".header]
                x-custom-1 = "one"
            [host."http://a-mirror.example:5000/prefix/v2"]
              capabilities = ["pull", "resolve", "push"]
              client = [["/etc/client.cert", "/etc/client.key"], ["both.pem", ""]]
              override_path = true
        "#;
        let hosts = servers(toml::from_str(text).unwrap(), Path::new("/dir")).unwrap();
        let urls: Vec<String> = hosts.iter().map(|host| host.url.origin.to_string()).collect();
        assert_eq!(urls, ["https://z-mirror.example", "http://a-mirror.example:5000", "https://registry-1.docker.io"]);
        assert!(hosts[0].pull && !hosts[0].resolve && hosts[0].skip_verify);
        assert_eq!(hosts[0].authorities, [Path::new("/dir/z.crt")]);
        assert_eq!(hosts[0].headers, [("x-custom-1".to_owned(), "one".to_owned())]);
        assert_eq!(hosts[1].prefix, "/prefix/v2");
        assert_eq!(hosts[1].pairs[1].1, Path::new("/dir/both.pem"));
        assert!(hosts[2].push && hosts[2].prefix == "/v2");
    }

    #[test]
    fn a_registry_with_a_port_and_one_that_nobody_named_are_found() {
        let etc = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let dir = etc.path().join("containerd/certs.d").join(name);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("hosts.toml"), text).unwrap();
        };
        write("r.io_5000_", "server = \"https://five\"");
        write("_default", "server = \"https://other\"");
        let first = |name: &str| read(etc.path(), name).unwrap().unwrap()[0].url.to_string();
        assert_eq!((first("r.io:5000").as_str(), first("x.io").as_str()), ("https://five/", "https://other/"));
        write("bad.io", "server = 5");
        assert!(read(etc.path(), "bad.io").unwrap_err().to_string().contains("bad.io/hosts.toml: line 1"));
    }
}
