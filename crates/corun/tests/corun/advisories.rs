//! docs/security.md names a test for each advisory: the test is there.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(crate_dir.join("../../docs/security.md")).unwrap();
    let quoted = text.split('`').skip(1).step_by(2);
    let mut named = 0;
    for (module, test) in quoted.filter_map(|name| name.split_once("::")).filter(|(module, _)| *module != "create") {
        if module == "MODULE" {
            continue;
        }
        let path = crate_dir.join("tests/corun").join(module).with_extension("rs");
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{module}::{test} is no test");
        named += 1;
    }
    assert!(named > 50, "{named} tests are named");
    // And every advisory that a test is named after is in the table.
    for entry in fs::read_dir(crate_dir.join("tests/corun")).unwrap().flatten() {
        let source = fs::read_to_string(entry.path()).unwrap_or_default();
        for name in source.lines().filter_map(|line| line.strip_prefix("fn cve_")) {
            let name = name.split('(').next().unwrap_or_default();
            assert!(text.contains(&format!("::cve_{name}`")), "cve_{name} is in no row of docs/security.md");
        }
    }
}
