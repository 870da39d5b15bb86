//! The help of the program and of each verb, word for word as the files in `help/` have it: what users read changes only
//! where somebody meant it to. `CORACLE_HELP=write cargo test -p coracle --test help` writes the files anew.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use testkit::Sandbox;

/// What is told now: `coracle help`, each verb that it lists, and the nouns with the verbs that only they have, by the
/// names of their files.
fn told() -> BTreeMap<String, String> {
    let sandbox = Sandbox::new();
    let help = |words: &[&str]| {
        let help = sandbox.run([words, &["--help"]].concat());
        help.code(0).stderr_is("");
        help.stdout.clone()
    };
    let overview = help(&[]);
    let verbs = |list: &str| -> Vec<String> {
        let lines = list.lines().skip_while(|line| *line != "Verbs:").skip(1).take_while(|line| !line.is_empty());
        lines.filter_map(|line| line.split([' ', ',']).find(|word| !word.is_empty())).map(str::to_owned).collect()
    };
    let of = |words: &[&str]| (format!("{}.txt", words.join("-")), help(words));
    let mut told: BTreeMap<_, _> = verbs(&overview).iter().map(|verb| of(&[verb])).collect();
    assert!(told.contains_key("run.txt") && told.contains_key("ps.txt"), "{:?}", told.keys());
    let nouns = overview.lines().find_map(|line| line.strip_prefix("Nouns, with verbs of their own: "));
    for noun in nouns.expect("nouns").split(", ") {
        let (file, list) = of(&[noun]);
        for verb in verbs(&list) {
            let (file, text) = of(&[noun, &verb]);
            if !told.values().any(|other| *other == text) {
                told.insert(file, text);
            }
        }
        told.insert(file, list);
    }
    told.insert("coracle.txt".to_owned(), overview);
    told
}

#[test]
fn the_help_is_what_the_files_say() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    let told = told();
    let there = || fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path());
    if std::env::var_os("CORACLE_HELP").is_some_and(|word| word == "write") {
        there().for_each(|file| fs::remove_file(file).expect("removing a file"));
        fs::create_dir_all(&dir).expect("a directory");
        for (name, text) in &told {
            fs::write(dir.join(name), text).expect("writing a file");
        }
    }
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let files: BTreeMap<String, String> =
        there().map(|path| (name(path.clone()), fs::read_to_string(path).expect("a file"))).collect();
    let differs = |file: &&String| told.get(*file) != files.get(*file);
    let differing: Vec<&String> = told.keys().chain(files.keys()).filter(differs).collect();
    assert!(
        differing.is_empty(),
        "these differ from tests/help: {differing:?}; if it is meant: CORACLE_HELP=write cargo test -p coracle --test help"
    );
}
