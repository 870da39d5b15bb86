//! docs/engine.md has a row for each verb, with tests that are there.

use std::fs;
use std::path::Path;
use testkit::Sandbox;

#[test]
fn every_verb_has_a_row_and_every_test_of_a_row_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let text = fs::read_to_string(tests.join("../../../docs/engine.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for file in fs::read_dir(tests.join("help")).unwrap().flatten() {
        let verb = file.path().file_stem().unwrap().to_string_lossy().replace('-', " ");
        let quoted = format!("`{verb}`");
        // A file's name does not tell the blanks of `system start-all` from its hyphen.
        let has = |row: &&str| row.replace('-', " ").contains(&quoted);
        assert!(verb == "coracle" || rows.iter().any(has), "{verb} has no row");
    }
    for row in rows {
        let mut source = String::new();
        let mut named = 0;
        for word in row.split(|c: char| c.is_whitespace() || c == ',' || c == ';') {
            if let Some((file, _)) = word.trim_start_matches('`').split_once(".rs`") {
                source = fs::read_to_string(tests.join(file).with_extension("rs")).unwrap_or_default();
                assert!(source.contains("#[test]"), "{file}.rs has no tests");
                named += 1;
            } else if word.contains('_') {
                assert!(source.contains(&format!("#[test]\nfn {word}() {{")), "{word} is no test");
            }
        }
        assert!(named > 0, "no test in {row}");
    }
}

/// Flags of a line, each between backticks and with its dashes.
fn flags(text: &str) -> Vec<&str> {
    text.split('`').filter(|word| word.starts_with("--") && !word.contains(' ')).collect()
}

#[test]
fn what_the_table_of_verbs_says_is_so() {
    let sandbox = Sandbox::new();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compat/verbs.md")).unwrap();
    // It is not known whether a word is a value that the flag takes; that the flag is known is what is asked.
    let takes = |verb: &str, flag: &str| {
        let outcome = sandbox.coracle(verb.split(' ')).arg(format!("{flag}=host")).arg("--help").run();
        !outcome.stderr.contains("unknown option") && !outcome.stderr.contains(&format!("{flag} is not there yet"))
    };
    let (mut verb, mut asked) = ("", 0);
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            verb = title;
            continue;
        }
        if verb == "Verbs that are absent" {
            let Some(absent) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) else { continue };
            let outcome = sandbox.coracle(absent.split(' ')).arg("--help").run();
            assert!(outcome.exit_code() != Some(0) || outcome.stdout.contains("VERB ..."), "{absent} is there");
            asked += 1;
            continue;
        }
        let there = line.starts_with("Works:") || line.contains("| differs: ");
        let one = line.starts_with("| `--");
        for flag in flags(line).into_iter().take(if one { 1 } else { usize::MAX }) {
            assert_eq!(takes(verb, flag), there, "{verb} {flag}");
            asked += 1;
        }
    }
    assert!(asked > 700, "{asked}");
}
