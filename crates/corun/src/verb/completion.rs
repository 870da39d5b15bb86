//! `completion`: what a shell needs to complete our command lines. The options are read from the help, which is written
//! from the tables that parse them: what is there once cannot differ.

use super::{HELP, VERBS, Verb, WIDTH, print, read};
use crate::error::{Error, Result};
use crate::global::{self, Context};
use flag::{Flag, Help, Order};
use std::fmt::Write as _;

const FLAGS: [Flag<()>; 0] = [];

pub const VERB: Verb = Verb {
    name: "completion",
    help: Help {
        usage: &["completion bash|zsh|fish"],
        about: "Write what completes command lines in a shell",
        more: &["For bash: source <(corun completion bash), in ~/.bashrc."],
    },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

/// An option as the help has it.
#[derive(Debug, Default, PartialEq)]
struct Known<'a> {
    long: &'a str,
    short: Option<char>,
    value: Option<&'a str>,
    about: String,
}

fn run(words: &[String], context: &Context) -> Result<u8> {
    let ((), others) = read(&FLAGS, words, Order::Anywhere)?;
    let name = context.face.name;
    let text = match others.as_slice() {
        [shell] if shell == "bash" => bash(name),
        [shell] if shell == "zsh" => zsh(name),
        [shell] if shell == "fish" => fish(name),
        _ => return Err(Error::Arguments("one shell is to be named: bash, zsh or fish".to_owned())),
    };
    print(&text)
}

/// The options that a help has.
fn known(help: &str) -> Vec<Known<'_>> {
    let mut all: Vec<Known<'_>> = Vec::new();
    for line in help.lines() {
        let plain = line.strip_prefix("      --").map(|rest| (None, rest));
        let lettered = || {
            let (short, rest) = line.strip_prefix("  -")?.split_once(", --")?;
            Some((short.chars().next(), rest))
        };
        let Some((short, rest)) = plain.or_else(lettered) else {
            // A longer text goes on below.
            if let Some(last) = all.last_mut().filter(|_| line.starts_with("          ")) {
                let gap = if last.about.is_empty() { "" } else { " " };
                let _ = write!(last.about, "{gap}{}", line.trim());
            }
            continue;
        };
        let (left, about) = rest.split_once("  ").unwrap_or((rest, ""));
        let (long, value) = left.split_once(' ').map_or((left, None), |(long, value)| (long, Some(value)));
        all.push(Known { long, short, value, about: about.trim().to_owned() });
    }
    all
}

/// Every verb with its help, and the program's own before.
fn helps(program: &str) -> Vec<(Option<&'static Verb>, String)> {
    let own = (None, flag::help(program, &HELP, global::FLAGS, WIDTH));
    let verb = |verb: &&'static Verb| (Some(*verb), (verb.flags)(program, &verb.help, WIDTH));
    std::iter::once(own).chain(VERBS.iter().map(verb)).collect()
}

fn bash(program: &str) -> String {
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let mut text = format!(
        "_{program}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} verb= words= i\n    \
         for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${{COMP_WORDS[i]}} in\n        \
         {}) verb=${{COMP_WORDS[i]}}; break ;;\n        esac\n    done\n    case $verb in\n",
        verbs.join("|")
    );
    for (verb, help) in helps(program) {
        let words: Vec<String> = known(&help).iter().map(|known| format!("--{}", known.long)).collect();
        let name = verb.map_or("''", |verb| verb.name);
        let _ = writeln!(text, "    {name}) words='{}' ;;", words.join(" "));
    }
    let _ = write!(
        text,
        "    esac\n    case $cur,$verb in\n    -*) ;;\n    *,) words='{}' ;;\n    *) words=$({program} list -q 2>/dev/null) ;;\n    \
         esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}}\ncomplete -o default -F _{program} {program}\n",
        verbs.join(" ")
    );
    text
}

/// For a text between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn zsh(program: &str) -> String {
    let option = |known: &Known<'_>| {
        let about =
            quoted(&known.about).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
        let value =
            known.value.map(|value| format!(":{}:_files", quoted(value).replace(':', "\\:"))).unwrap_or_default();
        let long = format!("'*--{}[{about}]{value}'", known.long);
        known.short.map_or_else(|| long.clone(), |short| format!("{long} '*-{short}[{about}]{value}'"))
    };
    let mut text = format!("#compdef {program}\n_{program}() {{\n    local -a verbs=(\n");
    for verb in VERBS {
        let _ = writeln!(text, "        '{}:{}'", verb.name, quoted(verb.help.about).replace(':', "\\:"));
    }
    let _ = write!(text, "    )\n    local i verb\n    for ((i = 2; i < CURRENT; i++)); do\n        ");
    let _ = write!(
        text,
        "if (( ${{verbs[(I)${{words[i]}}:*]}} )); then verb=${{words[i]}}; break; fi\n    done\n    case $verb in\n"
    );
    for (verb, help) in helps(program) {
        let options: Vec<String> = known(&help).iter().map(option).collect();
        let rest = match verb {
            None => "'*::: :{_describe command verbs}'".to_owned(),
            Some(_) => format!("'*:container:($({program} list -q 2>/dev/null))'"),
        };
        let name = verb.map_or("''", |verb| verb.name);
        let _ = writeln!(text, "    {name}) _arguments -s {} {rest} ;;", options.join(" "));
    }
    let _ = write!(text, "    esac\n}}\ncompdef _{program} {program}\n");
    text
}

fn fish(program: &str) -> String {
    let mut text = format!("complete -c {program} -f\n");
    for verb in VERBS {
        let about = quoted(verb.help.about);
        let _ = writeln!(text, "complete -c {program} -n __fish_use_subcommand -a {} -d '{about}'", verb.name);
    }
    for (verb, help) in helps(program) {
        let when = verb.map_or_else(
            || "__fish_use_subcommand".to_owned(),
            |verb| format!("'__fish_seen_subcommand_from {}'", verb.name),
        );
        for known in known(&help) {
            let short = known.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let value = known.value.map_or("", |_| " -r -F");
            let about = quoted(&known.about);
            let _ = writeln!(text, "complete -c {program} -n {when} -l {}{short}{value} -d '{about}'", known.long);
        }
        if verb.is_some() {
            let _ = writeln!(text, "complete -c {program} -n {when} -a '({program} list -q 2>/dev/null)'");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_is_read_as_it_is_written() {
        let help = "About\n\nUsage: x\n\nOptions:\n  -b, --bundle DIR                  The bundle; the working\n                                    \
                    directory\n      --no-pivot                    Accepted\n      --a-very-long-name-of-an-option SIZE\n                                  Text\n";
        let all = known(help);
        let told: Vec<_> =
            all.iter().map(|known| (known.long, known.short, known.value, known.about.as_str())).collect();
        let expected = [
            ("bundle", Some('b'), Some("DIR"), "The bundle; the working directory"),
            ("no-pivot", None, None, "Accepted"),
            ("a-very-long-name-of-an-option", None, Some("SIZE"), "Text"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn no_flag_is_left_out() {
        let read = known(&flag::help("corun", &HELP, global::FLAGS, WIDTH)).len();
        assert_eq!(read, global::FLAGS.iter().filter(|flag| flag.heading.is_some()).count());
    }
}
