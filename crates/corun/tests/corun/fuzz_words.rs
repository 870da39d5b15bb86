//! Words at random for every verb: whatever they are, the answer is an exit code that is ours and one line at most.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::os::unix::ffi::OsStrExt as _;
use testkit::{Sandbox, requires};

/// The verbs that are asked, with the exit code of a failure.
const VERBS: [(&str, i32); 19] = [
    ("create", 1),
    ("start", 1),
    ("run", 1),
    ("exec", 255),
    ("kill", 1),
    ("delete", 1),
    ("state", 1),
    ("list", 1),
    ("ps", 1),
    ("pause", 1),
    ("resume", 1),
    ("update", 1),
    ("events", 1),
    ("features", 1),
    ("completion", 1),
    ("spec", 1),
    ("mounts", 1),
    ("checkpoint", 1),
    ("restore", 1),
];

/// Values that have been trouble somewhere.
const VALUES: [&str; 26] = [
    "",
    "0",
    "-1",
    "1x",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "1:2",
    ":",
    "::",
    "1:",
    "x=y",
    "=",
    "..",
    "../..",
    "a/b",
    "true",
    "false",
    "json",
    "\u{fffd}",
    "é",
    "%n%s",
    "\n",
    "--",
    "-",
    "CAP_X",
];

fn cases() -> u32 {
    if std::env::var_os("CORACLE_LONG").is_some() { 5000 } else { 25 }
}

/// The long names of a verb's flags, as its own help has them.
fn flags(sandbox: &Sandbox, verb: &str) -> Vec<String> {
    let help = sandbox.corun([verb, "--help"]).ok().stdout;
    let words = help.split(|c: char| c.is_whitespace() || c == ',' || c == '=');
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn no_words_are_a_riddle() {
    requires!(root);
    let sandbox = Sandbox::new();
    let (empty, state) = (sandbox.join("home"), sandbox.runroot());
    for (verb, failure) in VERBS {
        let mut flags = flags(&sandbox, verb);
        flags.extend(["--help", "-h", "--no-such"].map(str::to_owned));
        let flag = proptest::sample::select(flags);
        let value = prop_oneof![proptest::sample::select(&VALUES[..]).prop_map(str::to_owned), "[^\u{0}]{0,12}"];
        let word = prop_oneof![
            flag.clone(),
            value.clone(),
            (flag, value).prop_map(|(flag, value)| format!("{flag}={value}")),
        ];
        // A few verbs have words of their own, and no file of the host may come of any.
        let own = proptest::sample::select(vec!["add", "remove", "bash", "zsh", "fish"]).prop_map(str::to_owned);
        let word = prop_oneof![12 => word, 1 => own];
        let word = word.prop_filter("no path of the host", |word| !word.contains('/') || word == "a/b");
        let words = proptest::collection::vec(word, 0..7);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases()) });
        runner
            .run(&words, |words| {
                let outcome = sandbox.corun([verb]).args(&words).current_dir(&empty).run();
                let code = outcome.exit_code();
                prop_assert!(code == Some(0) || code == Some(failure), "{words:?}: {outcome}");
                if code == Some(failure) {
                    prop_assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome);
                }
                prop_assert!(!outcome.stderr.contains("panicked"), "{}", outcome);
                if code == Some(0) && verb == "spec" {
                    // What it is for: a file where -b or -f say, here if they say nothing.
                    let told = |word: &String| ["-b", "--b", "-f", "--f"].iter().any(|flag| word.starts_with(flag));
                    let made = std::fs::read_dir(&empty).unwrap().map(|entry| entry.unwrap().path());
                    let made: Vec<_> = made.collect();
                    prop_assert!(words.iter().any(told) || made.len() <= 1, "{:?}", words);
                    for path in made {
                        std::fs::remove_file(path).unwrap();
                    }
                }
                Ok(())
            })
            .unwrap();
    }
    // No container came of it, and no file.
    let left = |dir| std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    assert!(left(&state).is_empty() && left(&empty).is_empty(), "{:?} {:?}", left(&state), left(&empty));
}

#[test]
fn words_before_the_verb() {
    let sandbox = Sandbox::new();
    let program = testkit::Program::Corun.path();
    for words in [
        &["--root"][..],
        &["--root=", "list"],
        &["--log-format", "xml", "list"],
        &["--cgroup-manager", "nobody", "list"],
        &["--debug=perhaps", "list"],
        &["-x"],
        &["--", "--"],
        &["-"],
        &[""],
        &["list", "\u{1b}[31m"],
    ] {
        let outcome = sandbox.command(&program).args(words).run();
        assert!(matches!(outcome.exit_code(), Some(0 | 1)), "{outcome}");
        outcome.stderr_lacks("panicked");
    }
    // Words that are no UTF-8.
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    sandbox.command(&program).arg("state").arg(bytes).run().code(1).one_line_error("UTF-8");
}
