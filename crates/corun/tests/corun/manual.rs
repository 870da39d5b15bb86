//! What the program tells of itself, word for word: the help of each verb as the files in `help/` have it, and the manual
//! page that is made of it, `docs/man/corun.8`. `CORUN_HELP=write cargo test -p corun --test corun manual` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use testkit::{Invocation, Program, Sandbox, requires};

fn help(words: &[&str]) -> String {
    let outcome = Invocation::new(Program::Corun.path()).args(words).arg("--help").ok();
    outcome.stderr_is("");
    outcome.stdout.clone()
}

fn verbs() -> Vec<String> {
    let all = help(&[]);
    let list = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<String> = list.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// The file is what is told; or it is written, where that is asked for.
#[track_caller]
fn holds(path: &Path, told: &str) {
    if std::env::var_os("CORUN_HELP").is_some_and(|word| word == "write") {
        fs::create_dir_all(path.parent().unwrap()).expect("a directory");
        fs::write(path, told).expect("writing a file");
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(there == told, "{name} differs; if it is meant: CORUN_HELP=write cargo test -p corun --test corun manual");
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_help_is_what_the_files_say() {
    let dir = here().join("tests/corun/help");
    let of = |verb: String| (format!("{verb}.txt"), help(&[&verb]));
    let told: BTreeMap<String, String> =
        verbs().into_iter().map(of).chain([("corun.txt".to_owned(), help(&[]))]).collect();
    for (name, text) in &told {
        holds(&dir.join(name), text);
    }
    let files = fs::read_dir(&dir).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let gone: Vec<String> = files.filter(|name| !told.contains_key(name)).collect();
    assert!(gone.is_empty(), "of no verb: {gone:?}");
}

/// A line of text in roff(7): nothing in it may be taken for a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// One help as the part of a manual page: usage, text, options.
fn part(text: &mut String, help: &str) {
    let mut paragraph = false;
    for line in help.lines() {
        let option = line.starts_with("  -") || line.starts_with("      --");
        // The name stands in the page's own heading.
        let line =
            line.strip_prefix("   corun ").and_then(|line| line.split_once("- ")).map_or(line, |(_, about)| about);
        if line.is_empty() {
            paragraph = true;
        } else if let Some(usage) = line
            .strip_prefix("Usage: ")
            .or_else(|| line.strip_prefix("       ").filter(|_| line.starts_with("       corun")))
        {
            let _ = writeln!(text, ".PP\n.B {}", roff(usage));
            paragraph = false;
        } else if option {
            let (left, right) = line.trim_start().split_once("  ").unwrap_or((line.trim_start(), ""));
            let _ = writeln!(text, ".TP\n.B {}", roff(left));
            if !right.is_empty() {
                let _ = writeln!(text, "{}", roff(right.trim_start()));
            }
            paragraph = false;
        } else if line.starts_with(' ') || !line.ends_with(':') {
            if paragraph && !line.starts_with(' ') {
                text.push_str(".PP\n");
            }
            let _ = writeln!(text, "{}", roff(line.trim_start()));
            paragraph = false;
        }
    }
}

fn page() -> String {
    let all = help(&[]);
    let (own, _) = all.split_once("\nCommands:\n").expect("a list of commands");
    let mut text = ".\\\" Written from the help of the program; see tests/corun/manual.rs.\n.TH CORUN 8\n.SH NAME\n\
        corun \\- an OCI runtime\n.SH DESCRIPTION\n"
        .to_owned();
    part(&mut text, own);
    text.push_str(".SH COMMANDS\n");
    for verb in verbs() {
        let _ = writeln!(text, ".SS {}", roff(&verb));
        part(&mut text, &help(&[&verb]));
    }
    text.push_str(
        ".SH \"EXIT STATUS\"\n.B run\nand\n.B exec\nend as the command ended: with its code, or 128 and the number of the \
         signal that killed it.\nA failure of corun is 1, of\n.B exec\n255.\n.SH FILES\n.TP\n.I /run/corun\nThe state of \
         containers; for an ordinary user, in XDG_RUNTIME_DIR.\n",
    );
    text
}

#[test]
fn the_manual_page_is_what_the_file_says() {
    holds(&here().join("../../docs/man/corun.8"), &page());
}

#[test]
fn the_manual_page_is_read_without_a_complaint() {
    requires!(package = "groff");
    let page = here().join("../../docs/man/corun.8");
    let outcome = Invocation::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).ok();
    outcome.stderr_is("");
}

/// What bash completes this line to.
#[track_caller]
fn completed(line: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    let script = sandbox.file("completion", sandbox.corun(["completion", "bash"]).ok().stdout.clone());
    let words: Vec<&str> = line.split(' ').collect();
    let text = format!(
        "corun() {{ echo c1 c2; }}; . {}; COMP_WORDS=({}); COMP_CWORD={}; _corun; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1
    );
    let outcome = Invocation::new("bash").args(["--norc", "-c", &text]).ok();
    outcome.lines().into_iter().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_options_and_containers() {
    assert_eq!(completed("corun feat"), ["features"]);
    assert_eq!(completed("corun --root /x upd"), ["update"]);
    assert_eq!(completed("corun --ro"), ["--root"]);
    assert_eq!(completed("corun exec --cw"), ["--cwd"]);
    assert_eq!(completed("corun kill c"), ["c1", "c2"]);
}

#[test]
fn every_shell_gets_every_option() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = sandbox.corun(["completion", shell]).ok().stdout.clone();
        for verb in verbs() {
            assert!(text.contains(&verb), "{shell}: {verb}");
            let help = help(&[&verb]);
            let options = help.lines().filter_map(|line| line.split_once("--").filter(|(left, _)| left.len() == 6));
            for option in options.filter_map(|(_, rest)| rest.split_whitespace().next()) {
                let written = if shell == "fish" { format!(" -l {option}") } else { format!("--{option}") };
                assert!(text.contains(&written), "{shell}: {verb}: {option}");
            }
        }
    }
    sandbox.corun(["completion", "tcsh"]).run().code(1).one_line_error("bash, zsh or fish");
}
