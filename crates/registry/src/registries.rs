//! containers-registries.conf(5), version 2: short names, rewrites, mirrors, blocked and insecure registries.

use crate::conf;
use crate::error::{Error, Result};
use crate::settings::Environment;
use oci::reference::Reference;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A table `[[registry]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Entry {
    /// For which names it is; the location where it is empty.
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<Mirror>,
    mirror_by_digest_only: bool,
}

/// A table `[[registry.mirror]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Mirror {
    location: String,
    insecure: bool,
    #[serde(rename = "pull-from-mirror")]
    pull_from: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    credential_helpers: Option<Vec<String>>,
    registry: Vec<Entry>,
    aliases: BTreeMap<String, String>,
    /// Version 1, which podman refuses too.
    registries: Option<toml::Table>,
}

/// All of these files together.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// Where an image is looked for whose name has no registry.
    pub search: Vec<String>,
    /// Where credentials are looked for, in order; empty for the usual.
    pub credential_helpers: Vec<String>,
    entries: Vec<Entry>,
    aliases: BTreeMap<String, String>,
}

/// Where to ask for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The registry and the repository there: `mirror:5000/hub/library/debian`.
    pub location: String,
    /// Without a certificate that holds, or without TLS.
    pub insecure: bool,
}

impl Registries {
    /// Reads them: the user's file instead of the machine's, and the drop-ins of both.
    pub fn read(environment: &Environment) -> Result<Self> {
        let own = environment.config().map(|dir| dir.join("containers"));
        let machine = environment.etc.join("containers");
        let first = |name: &str| {
            let own = own.as_ref().map(|dir| dir.join(name)).filter(|path| path.exists());
            own.unwrap_or_else(|| machine.join(name))
        };
        let mut files = vec![environment.registries_conf.clone().unwrap_or_else(|| first("registries.conf"))];
        if environment.registries_conf.is_none() {
            files.extend(conf::files(&machine.join("registries.conf.d"), "conf")?);
            if let Some(own) = &own {
                files.extend(conf::files(&own.join("registries.conf.d"), "conf")?);
            }
        }
        // What podman was told when it asked.
        let cache = match environment.uid {
            0 => Some(PathBuf::from("/var/cache")),
            _ => environment.cache_home.clone().or_else(|| Some(environment.home.as_ref()?.join(".cache"))),
        };
        files.extend(cache.map(|dir| dir.join("containers/short-name-aliases.conf")));
        let mut registries = Self::default();
        for path in files {
            let Some(file) = conf::toml::<File>(&path)? else { continue };
            registries.add(file).map_err(|reason| Error::Content { path, reason })?;
        }
        Ok(registries)
    }

    fn add(&mut self, file: File) -> Result<(), String> {
        if file.registries.is_some() {
            return Err("version 1 of the format is not read; write [[registry]]".to_owned());
        }
        if let Some(search) = file.unqualified_search_registries {
            self.search = search;
        }
        if let Some(helpers) = file.credential_helpers {
            self.credential_helpers = helpers;
        }
        for mut entry in file.registry {
            for location in [&mut entry.prefix, &mut entry.location] {
                trim(location)?;
            }
            for mirror in &mut entry.mirror {
                trim(&mut mirror.location)?;
                if mirror.location.is_empty() {
                    return Err("a mirror has no location".to_owned());
                }
                if !matches!(mirror.pull_from.as_str(), "" | "all" | "digest-only" | "tag-only") {
                    return Err(format!(
                        "pull-from-mirror is {:?}; all, digest-only and tag-only are known",
                        mirror.pull_from
                    ));
                }
            }
            if entry.prefix.is_empty() {
                entry.prefix.clone_from(&entry.location);
            }
            if entry.prefix.is_empty() {
                return Err("a registry has neither prefix nor location".to_owned());
            }
            // A later file's table replaces an earlier one's of the same prefix.
            self.entries.retain(|own| own.prefix != entry.prefix);
            self.entries.push(entry);
        }
        for (name, full) in file.aliases {
            // An empty one takes an earlier one away.
            if full.is_empty() {
                self.aliases.remove(&name)
            } else {
                self.aliases.insert(name, full)
            };
        }
        Ok(())
    }

    /// The entry with the longest prefix of a name.
    fn entry(&self, name: &str) -> Option<&Entry> {
        let matching = self.entries.iter().filter(|entry| rest(&entry.prefix, name).is_some());
        matching.max_by_key(|entry| entry.prefix.len())
    }

    /// Whether `host[:port]`, or a repository on it, is said to be insecure.
    pub fn is_insecure(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|entry| entry.insecure)
            || self.entries.iter().flat_map(|entry| &entry.mirror).any(|mirror| {
                mirror.insecure
                    && (rest(&mirror.location, name).is_some() || mirror.location.split('/').next() == Some(name))
            })
    }

    /// Where to ask for an image, mirrors first. `push` asks for where to send it, which is never a mirror.
    pub fn places(&self, reference: &Reference, push: bool) -> Result<Vec<Place>> {
        let name = reference.repository();
        let Some(entry) = self.entry(&name) else { return Ok(vec![Place { location: name, insecure: false }]) };
        if entry.blocked {
            return Err(Error::Blocked(name));
        }
        let after = rest(&entry.prefix, &name).unwrap_or_default();
        let by_digest = reference.digest().is_some();
        let wanted = |mirror: &&Mirror| match mirror.pull_from.as_str() {
            "digest-only" => by_digest,
            "tag-only" => !by_digest,
            _ => by_digest || !entry.mirror_by_digest_only,
        };
        let mirrors = entry.mirror.iter().filter(|_| !push).filter(wanted);
        let mut places: Vec<Place> = mirrors
            .map(|mirror| Place { location: format!("{}{after}", mirror.location), insecure: mirror.insecure })
            .collect();
        let location = if entry.location.is_empty() { name.clone() } else { format!("{}{after}", entry.location) };
        places.push(Place { location, insecure: entry.insecure });
        Ok(places)
    }

    /// The full name that a short one stands for, tag and digest not included.
    pub fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.get(name).map(String::as_str)
    }
}

fn trim(location: &mut String) -> Result<(), String> {
    if location.contains("://") {
        return Err(format!("{location:?} has a scheme; write HOST[:PORT][/PATH]"));
    }
    location.truncate(location.trim_end_matches('/').len());
    Ok(())
}

/// What of a name follows a prefix that ends where a part of the name does. `*.example.com` stands for any host below.
fn rest<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let (host, _) = name.split_once('/').unwrap_or((name, ""));
        let bare = host.split(':').next().unwrap_or_default();
        return (bare.ends_with(domain) && bare.len() > domain.len()).then(|| &name[host.len()..]);
    }
    name.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Registries {
        let mut registries = Registries::default();
        registries.add(toml::from_str(text).unwrap()).unwrap();
        registries
    }

    fn places(registries: &Registries, name: &str) -> Vec<String> {
        let places = registries.places(&name.parse().unwrap(), false).unwrap();
        places.into_iter().map(|place| place.location).collect()
    }

    #[test]
    fn a_prefix_is_rewritten_to_its_location_and_mirrors_come_first() {
        // The manual page's own example.
        let registries = read(
            r#"
            [[registry]]
            prefix = "example.com/foo"
            location = "internal-registry-for-example.com/bar"
            [[registry.mirror]]
            location = "example-mirror-0.local/mirror-for-foo"
            [[registry.mirror]]
            location = "example-mirror-1.local/mirrors/foo"
            insecure = true
            "#,
        );
        let expected = [
            "example-mirror-0.local/mirror-for-foo/image",
            "example-mirror-1.local/mirrors/foo/image",
            "internal-registry-for-example.com/bar/image",
        ];
        assert_eq!(places(&registries, "example.com/foo/image:latest"), expected);
        assert_eq!(places(&registries, "example.com/foobar/image"), ["example.com/foobar/image"]);
        assert!(registries.is_insecure("example-mirror-1.local"));
        let push = registries.places(&"example.com/foo/image".parse().unwrap(), true).unwrap();
        assert_eq!(push.len(), 1);
    }

    #[test]
    fn the_longest_prefix_wins_and_a_wildcard_stands_for_hosts_below_a_domain() {
        let registries = read(
            r#"
            [[registry]]
            prefix = "*.example.com"
            location = "all.example.net"
            [[registry]]
            prefix = "*.blocked.example.com"
            blocked = true
            [[registry]]
            location = "docker.io"
            [[registry.mirror]]
            location = "hub.mirror:5000"
            "#,
        );
        assert_eq!(places(&registries, "a.example.com:5000/x/y"), ["all.example.net/x/y"]);
        assert_eq!(places(&registries, "example.com/x"), ["example.com/x"]);
        assert_eq!(places(&registries, "debian"), ["hub.mirror:5000/library/debian", "docker.io/library/debian"]);
        let blocked = registries.places(&"x.blocked.example.com/y".parse().unwrap(), false);
        assert!(matches!(blocked, Err(Error::Blocked(name)) if name == "x.blocked.example.com/y"));
    }

    #[test]
    fn mirrors_may_be_for_digests_or_tags_only() {
        let registries = read(
            r#"
            [[registry]]
            location = "r.io"
            [[registry.mirror]]
            location = "digests.io"
            pull-from-mirror = "digest-only"
            [[registry.mirror]]
            location = "tags.io"
            pull-from-mirror = "tag-only"
            "#,
        );
        let digest = oci::digest::Digest::of(b"");
        assert_eq!(places(&registries, "r.io/x:1"), ["tags.io/x", "r.io/x"]);
        assert_eq!(places(&registries, &format!("r.io/x@{digest}")), ["digests.io/x", "r.io/x"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for wrong in [
            "[[registry]]\nblocked = true",
            "[[registry]]\nlocation = \"https://a\"",
            "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\ninsecure = true",
            "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"never\"",
            "[registries.search]\nregistries = [\"a\"]",
        ] {
            assert!(Registries::default().add(toml::from_str(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
