//! What may come into the build from outside, by the rules of `deny.toml`: licences, sources, bans.
//!
//! cargo-deny reads the same file and looks at more (the texts of licences, versions that stand twice). Where it is not
//! installed, this holds its rules, from what Cargo itself tells, so that the gate needs no other program for them.

use std::collections::BTreeSet;

use crate::error::{Doing as _, Result};
use crate::metadata::{Metadata, Package};
use crate::programs::workspace;

/// The rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rules {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
    registries: BTreeSet<String>,
}

/// What breaks them, a line each.
pub fn check() -> Result<Vec<String>> {
    let path = workspace().join("deny.toml");
    let text = std::fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
    let rules = Rules::read(&text);
    let metadata = Metadata::of_workspace()?;
    let built: BTreeSet<&str> = metadata.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
    let packages = metadata.packages.iter().filter(|package| built.contains(package.id.as_str()));
    Ok(packages.flat_map(|package| rules.broken_by(package)).collect())
}

impl Rules {
    /// Reads them: lists of texts on one line, and a banned crate a line, as the file has them.
    fn read(text: &str) -> Self {
        let (mut rules, mut section) = (Self::default(), "");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
            }
            let list = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
            match section {
                "licenses" if line.starts_with("allow = ") => rules.licences = list(line),
                "sources" if line.starts_with("allow-registry = ") => rules.registries = list(line),
                "bans" => rules.banned.extend(
                    line.strip_prefix("{ crate = \"").and_then(|rest| rest.split('"').next()).map(str::to_owned),
                ),
                _ => {}
            }
        }
        rules
    }

    fn broken_by(&self, package: &Package) -> Vec<String> {
        let name = &package.name;
        let mut broken = Vec::new();
        match package.license.as_deref() {
            Some(licence) if allowed(licence, &self.licences) => {}
            licence => broken.push(format!("{name}: licence {}", licence.unwrap_or("unknown"))),
        }
        let registry = package.source.as_deref().map(|source| source.strip_prefix("registry+").unwrap_or(source));
        if let Some(source) = registry.filter(|source| !self.registries.contains(*source)) {
            broken.push(format!("{name}: comes from {source}"));
        }
        if self.banned.contains(name) {
            broken.push(format!("{name}: banned"));
        }
        let wild = package.dependencies.iter().filter(|other| other.req == "*" && other.path.is_none());
        broken.extend(wild.map(|other| format!("{name}: takes any version of {}", other.name)));
        broken
    }
}

/// An SPDX expression that can be met with these licences; the old `/` is an OR.
fn allowed(expression: &str, licences: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any(&words, &mut at, licences) && at == words.len()
}

fn any(words: &[&str], at: &mut usize, licences: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, licences);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, licences);
    }
    met
}

fn all(words: &[&str], at: &mut usize, licences: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, licences);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, licences);
    }
    met
}

fn one(words: &[&str], at: &mut usize, licences: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, licences);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let whole = format!("{word} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return licences.contains(&whole);
    }
    licences.contains(*word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_house_are_read() {
        let rules = Rules::read(&std::fs::read_to_string(workspace().join("deny.toml")).unwrap());
        assert!(
            rules.licences.contains("MIT") && rules.licences.contains("Apache-2.0 WITH LLVM-exception"),
            "{rules:?}"
        );
        assert!(rules.banned.contains("nix") && rules.banned.contains("openssl-sys"), "{rules:?}");
        assert_eq!(rules.registries.len(), 1, "{rules:?}");
    }

    #[test]
    fn an_expression_is_met_or_not() {
        let ours = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-2.0-only OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-2.0-only", false),
            ("(MIT OR GPL-2.0-only) AND Zlib", true),
            ("(GPL-2.0-only OR LGPL-2.1-only) AND Zlib", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only", true),
            ("Apache-2.0", false),
            ("", false),
            ("MIT)", false),
            ("(MIT", false),
        ] {
            assert_eq!(allowed(expression, &ours), met, "{expression}");
        }
    }
}
