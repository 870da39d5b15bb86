//! Chosen tests on a guest's kernel: their binaries, built here, are started there by a script, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::ledger::Test;
use crate::error::{Error, Result};
use crate::guest::{Machine, quote};
use crate::programs;

/// Seconds that all tests of one guest may take together.
const LIMIT: &str = "1800";

/// The command that runs these tests in a guest, which may write below `share`.
pub fn command(tests: &[&Test], machine: Machine, systemd: bool, share: &Path) -> Result<Command> {
    let mut command = Command::new(programs::own()?);
    command.args(["guest", "--timeout", LIMIT]);
    if machine == Machine::Emulated {
        command.arg("--emulated");
    }
    if systemd {
        command.arg("--systemd");
    }
    command.arg("--share").arg(share).args(["--", "sh", "-c", &script(tests, &built_tests(tests)?)?]);
    Ok(command)
}

/// A script that runs every test, whatever becomes of the others, and fails if one of them does.
fn script(tests: &[&Test], built: &[BuiltTest]) -> Result<String> {
    let mut by_binary: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for test in tests {
        by_binary.entry((&test.package, &test.binary)).or_default().push(quote(&test.path));
    }
    let mut lines = vec!["status=0".to_owned()];
    for ((package, binary), paths) in by_binary {
        // A library and a file of tests may have one name; a test that the one does not have is the other's.
        let named = |test: &&BuiltTest| test.package() == package && test.target.name.replace('-', "_") == binary;
        let found: Vec<&BuiltTest> = built.iter().filter(named).collect();
        if found.is_empty() {
            return Err(Error::Found(format!("no test binary {binary} of {package} has been built")));
        }
        for test in found {
            lines.push(format!("echo '--- {package} {binary}'; cd {}", quote(&test.dir().to_string_lossy())));
            let file = quote(&test.executable.to_string_lossy());
            lines.push(format!("{file} --exact --test-threads=1 {} || status=1", paths.join(" ")));
        }
    }
    lines.push("exit $status".to_owned());
    Ok(lines.join("\n"))
}

/// A test binary as cargo tells of it.
#[derive(Deserialize)]
struct BuiltTest {
    executable: PathBuf,
    manifest_path: PathBuf,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

impl BuiltTest {
    /// The package's directory, where cargo starts its tests.
    fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    /// The package's name, which is its directory's in this workspace.
    fn package(&self) -> &str {
        self.dir().file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

/// The test binaries of these tests' packages, built where they are not.
fn built_tests(tests: &[&Test]) -> Result<Vec<BuiltTest>> {
    let mut build = programs::cargo();
    build.args(["test", "--no-run", "--quiet", "--message-format=json-render-diagnostics"]);
    let packages: BTreeSet<&str> = tests.iter().map(|test| test.package.as_str()).collect();
    for package in packages {
        build.args(["--package", package]);
    }
    let text = programs::read(&mut build)?;
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let tests = messages.filter(|message| {
        message["reason"] == "compiler-artifact"
            && message["profile"]["test"] == true
            && message["executable"].is_string()
    });
    let parse =
        |message| serde_json::from_value(message).map_err(|error| Error::Found(format!("cargo's messages: {error}")));
    tests.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(manifest: &str, name: &str) -> BuiltTest {
        let target = Target { name: name.to_owned() };
        BuiltTest { executable: format!("/t/{name}-1").into(), manifest_path: manifest.into(), target }
    }

    #[test]
    fn tests_of_one_binary_run_together_in_its_packages_directory() {
        let tests = ["a/cli::x", "a/cli::y::z", "b/some_lib::x"].map(|name| Test::parse(name).unwrap());
        let tests: Vec<&Test> = tests.iter().collect();
        let built = [built("/w/a/Cargo.toml", "cli"), built("/w/b/Cargo.toml", "some-lib")];
        let script = script(&tests, &built).unwrap();
        assert!(script.contains("cd '/w/a'\n'/t/cli-1' --exact --test-threads=1 'x' 'y::z' || status=1\n"), "{script}");
        assert!(script.contains("cd '/w/b'\n'/t/some-lib-1' --exact --test-threads=1 'x' || status=1\n"), "{script}");
    }

    #[test]
    fn two_binaries_of_one_name_are_both_asked() {
        let test = Test::parse("a/a::x").unwrap();
        let script = script(&[&test], &[built("/w/a/Cargo.toml", "a"), built("/w/a/Cargo.toml", "a")]).unwrap();
        assert_eq!(script.matches("--exact").count(), 2);
    }

    #[test]
    fn a_binary_that_is_not_built_is_an_error() {
        let test = Test::parse("a/cli::x").unwrap();
        assert!(script(&[&test], &[]).is_err());
    }

    #[test]
    fn a_quote_in_a_word_stays_in_it() {
        assert_eq!(quote("it's"), "'it'\\''s'");
    }
}
