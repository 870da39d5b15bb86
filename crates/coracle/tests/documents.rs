//! docs/engine.md has a row for each verb, with tests that are there.

use std::fs;
use std::path::Path;

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
