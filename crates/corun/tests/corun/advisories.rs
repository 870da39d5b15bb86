//! docs/security.md names a test for each advisory: the test is there, of whichever crate.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose tests stand there as `CRATE/MODULE::TEST`.
const OTHERS: [&str; 4] = ["coracle", "layer", "registry", "store"];

fn text() -> String {
    fs::read_to_string(crates().join("../docs/security.md")).unwrap()
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a crate's tests, which stand side by side or in a directory of the crate's name.
fn tests(name: &str) -> impl Iterator<Item = (PathBuf, String)> {
    let dirs = [crates().join(name).join("tests"), crates().join(name).join("tests").join(name)];
    let files = dirs.into_iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    files.filter_map(|file| Some((file.path(), fs::read_to_string(file.path()).ok()?)))
}

#[test]
fn every_test_that_the_tables_name_is_there() {
    let text = text();
    let quoted = text.split('`').skip(1).step_by(2);
    let mut named = 0;
    for (place, test) in quoted.filter_map(|name| name.split_once("::")).filter(|(place, _)| *place != "create") {
        if place.ends_with("MODULE") {
            continue;
        }
        let (name, module) = place.split_once('/').unwrap_or(("corun", place));
        let source = tests(name).find(|(path, _)| path.file_stem().is_some_and(|stem| stem == module));
        let (_, source) = source.unwrap_or_else(|| panic!("{name} has no tests {module}"));
        assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{place}::{test} is no test");
        named += 1;
    }
    assert!(named > 80, "{named} tests are named");
}

#[test]
fn every_advisory_that_a_test_tells_of_is_in_a_row() {
    let text = text();
    for (_, source) in tests("corun") {
        for name in source.lines().filter_map(|line| line.strip_prefix("fn cve_")) {
            let name = name.split('(').next().unwrap_or_default();
            assert!(text.contains(&format!("::cve_{name}`")), "cve_{name} is in no row of docs/security.md");
        }
    }
    for (path, source) in OTHERS.into_iter().flat_map(tests) {
        for rest in source.split("CVE-").skip(1) {
            let number = rest.split(|c: char| !c.is_ascii_digit() && c != '-').next().unwrap_or_default();
            assert!(text.contains(&format!("| CVE-{number}")), "CVE-{number} of {} is in no row", path.display());
        }
    }
}
