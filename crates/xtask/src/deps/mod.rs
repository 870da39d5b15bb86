//! `cargo xtask deps`: holds the arrows of the house. No room names another one that [`table`] does not allow, nothing
//! heavy comes near a container's start path, and `unsafe` stays in its rooms.

mod table;
mod unsafety;

use table::{BESIDE, FOR_TESTS, GROUND, HOUSE, START_PATH, TOO_HEAVY, UNSAFE};

use crate::error::{Error, Result};
use crate::metadata::{Metadata, Package};

/// Checks the workspace and prints each breach on a line of its own.
pub fn run() -> Result {
    let metadata = Metadata::of_workspace()?;
    let mut breaches = arrows(&metadata);
    breaches.extend(weight(&metadata));
    for package in metadata.members().filter(|package| !UNSAFE.contains(&package.name.as_str())) {
        breaches.extend(unsafety::breaches(package)?);
    }
    for breach in &breaches {
        eprintln!("deps: {breach}");
    }
    if breaches.is_empty() {
        println!("deps: {} rooms, every arrow allowed", metadata.members().count());
        return Ok(());
    }
    Err(Error::Found(format!("{} breaches of the table in crates/xtask/src/deps/table.rs", breaches.len())))
}

/// Dependencies between the workspace's packages that the table does not allow, and packages that it does not know.
fn arrows(metadata: &Metadata) -> Vec<String> {
    let ours: Vec<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    let mut breaches = Vec::new();
    for package in metadata.members() {
        let name = package.name.as_str();
        if BESIDE.contains(&name) {
            continue;
        }
        let Some(allowed) = allowed(name) else {
            breaches.push(format!("{name} has no line in the table"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| ours.contains(&dependency.name.as_str())) {
            let to = dependency.name.as_str();
            let for_tests = to == FOR_TESTS && dependency.kind.as_deref() == Some("dev");
            if !allowed.contains(&to) && !for_tests {
                let kind = dependency.kind.as_deref().map(|kind| format!("{kind}-")).unwrap_or_default();
                breaches.push(format!("{name} may not name {to} ({kind}dependency)"));
            }
        }
    }
    breaches
}

/// The rooms that a room may name, or nothing where the table does not know it.
fn allowed(name: &str) -> Option<Vec<&'static str>> {
    if GROUND.contains(&name) {
        return Some(Vec::new());
    }
    let room = HOUSE.iter().find(|room| room.name == name)?;
    Some(room.may_name.iter().chain(GROUND).copied().collect())
}

/// What is linked into the start path and may not be.
fn weight(metadata: &Metadata) -> Vec<String> {
    let on_path = |package: &&Package| START_PATH.contains(&package.name.as_str());
    let mut breaches = Vec::new();
    for package in metadata.members().filter(on_path) {
        for (name, by) in metadata.linked_by(package) {
            if let Some((_, why)) = TOO_HEAVY.iter().find(|(pattern, _)| matches(pattern, name)) {
                breaches.push(format!("{} links {name} (by {by}): {why} on the start path", package.name));
            }
        }
    }
    breaches
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up workspace: each entry is a package with what it names as `name` or `kind:name`. Those without a slash in
    /// front are ours; foreign ones are written `/name`.
    fn workspace(packages: &[(&str, &[&str])]) -> Metadata {
        let plain = |name: &str| name.trim_start_matches('/').to_owned();
        let parse = |word: &str| match word.split_once(':') {
            Some((kind, name)) => (Some(kind.to_owned()), plain(name)),
            None => (None, plain(word)),
        };
        let json = serde_json::json!({
            "packages": packages.iter().map(|(name, uses)| serde_json::json!({
                "id": plain(name), "name": plain(name), "targets": [],
                "dependencies": uses.iter().map(|word| {
                    let (kind, name) = parse(word);
                    serde_json::json!({ "name": name, "kind": kind })
                }).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "workspace_members": packages.iter().filter(|(name, _)| !name.starts_with('/')).map(|(name, _)| name).collect::<Vec<_>>(),
            "resolve": { "nodes": packages.iter().map(|(name, uses)| serde_json::json!({
                "id": plain(name),
                "deps": uses.iter().map(|word| {
                    let (kind, name) = parse(word);
                    serde_json::json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] })
                }).collect::<Vec<_>>(),
            })).collect::<Vec<_>>() },
        });
        Metadata::parse(&json.to_string()).unwrap()
    }

    #[test]
    fn a_house_with_arrows_downwards_stands() {
        let house = workspace(&[
            ("engine", &["runtime", "oci", "dev:testkit"]),
            ("runtime", &["sys", "init", "build:init"]),
            ("testkit", &["runtime"]),
            ("init", &[]),
            ("oci", &[]),
            ("sys", &[]),
        ]);
        assert_eq!(arrows(&house), [""; 0]);
    }

    #[test]
    fn an_arrow_upwards_is_a_breach() {
        let house = workspace(&[("runtime", &["engine"]), ("engine", &[])]);
        assert_eq!(arrows(&house), ["runtime may not name engine (dependency)"]);
    }

    #[test]
    fn an_arrow_sideways_is_a_breach_in_tests_too() {
        let house = workspace(&[("layer", &["dev:seccomp"]), ("seccomp", &[])]);
        assert_eq!(arrows(&house), ["layer may not name seccomp (dev-dependency)"]);
    }

    #[test]
    fn the_ground_names_nobody() {
        let house = workspace(&[("oci", &["sys"]), ("sys", &[])]);
        assert_eq!(arrows(&house), ["oci may not name sys (dependency)"]);
    }

    #[test]
    fn the_testkit_is_for_tests_alone() {
        let house = workspace(&[("store", &["testkit"]), ("testkit", &[])]);
        assert_eq!(arrows(&house), ["store may not name testkit (dependency)"]);
    }

    #[test]
    fn a_room_without_a_line_is_a_breach() {
        assert_eq!(arrows(&workspace(&[("attic", &[])])), ["attic has no line in the table"]);
    }

    #[test]
    fn something_heavy_is_found_however_deep() {
        let house = workspace(&[
            ("corun", &["runtime"]),
            ("runtime", &["/small"]),
            ("/small", &["/tokio-util"]),
            ("/tokio-util", &[]),
        ]);
        let breaches = weight(&house);
        assert_eq!(breaches.len(), 2, "{breaches:?}");
        assert!(breaches[0].contains("corun links tokio-util (by small)"), "{breaches:?}");
    }

    #[test]
    fn what_only_tests_or_builds_link_weighs_nothing() {
        let house = workspace(&[("sys", &["dev:/tokio", "build:/rayon"]), ("/tokio", &[]), ("/rayon", &[])]);
        assert_eq!(weight(&house), [""; 0]);
    }

    #[test]
    fn the_engine_may_be_heavy() {
        let house = workspace(&[("coracle", &["/clap"]), ("/clap", &[])]);
        assert_eq!(weight(&house), [""; 0]);
    }

    #[test]
    fn each_room_of_the_table_names_rooms_of_the_table_below_it() {
        for (at, room) in HOUSE.iter().enumerate() {
            for name in room.may_name {
                assert!(HOUSE[at + 1..].iter().any(|below| below.name == *name), "{} names {name}", room.name);
            }
        }
    }
}
