//! `coracle login`: a name and a password for a registry, tried and kept.

use super::output::print;
use super::remote::{self, Remote, refused};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use engine::registry::{Credential, registry_of};
use flag::{Flag, Help, Order, parse, put_word};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{BufRead as _, Write as _};

const HELP: Help = Help {
    usage: &["login [OPTIONS] [REGISTRY]"],
    about: "Log in to a registry",
    more: &[
        "REGISTRY is HOST[:PORT], or HOST[:PORT]/REPOSITORY for that alone, and docker.io where none is given. What is \
             missing of name and password is asked for on the terminal. They are kept in --authfile, else in \
             $REGISTRY_AUTH_FILE, else in $XDG_RUNTIME_DIR/containers/auth.json, where podman finds them too; or by the \
             credential helper that this file names.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "login", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    user: Option<String>,
    password: Option<String>,
    stdin: bool,
    get_login: bool,
    verbose: bool,
}

crate::cli::parts!(Given { remote: Remote });

type F = Flag<Given>;

const FLAGS: &[F] = &[
    remote::auth_file(),
    remote::cert_dir(),
    F::switch("get-login", |g, on| g.get_login = on, "Only tell who is logged in").under("Options"),
    F::takes(
        "password",
        "PASSWORD",
        |g, w| put_word(&mut g.password, w),
        "Password; others can see it in the list of processes",
    )
    .short('p')
    .under("Options"),
    F::switch("password-stdin", |g, on| g.stdin = on, "Read the password from standard input").under("Options"),
    remote::tls_verify(),
    F::takes("username", "NAME", |g, w| put_word(&mut g.user, w), "Name").short('u').under("Options"),
    F::switch("verbose", |g, on| g.verbose = on, "Tell where the login is kept").short('v').under("Options"),
];

fn run(words: &[String], _: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    if names.len() > 1 {
        return Err(Failure::words("more than one registry", "log in to one after the other"));
    }
    let name = registry_of(names.first().map_or("docker.io", String::as_str)).map_err(refused)?;
    let client = given.remote.client()?;
    if given.get_login {
        return match client.logged_in(&name).map_err(refused)?.as_ref().map(Credential::user) {
            Some(user) => print(&format!("{}\n", user.unwrap_or("<token>"))).map(|()| 0),
            None => Err(Failure::absent(format!("not logged in to {name}"), format!("coracle login {name}"))),
        };
    }
    let credential = match (given.user, given.password, given.stdin) {
        (_, Some(_), true) => {
            return Err(Failure::words("--password and --password-stdin", "give one of them"));
        }
        (None, _, true) | (None, Some(_), _) => {
            return Err(Failure::words("a password without a name", "give the name too: --username NAME"));
        }
        (Some(user), Some(password), false) => Credential::basic(user, password),
        (Some(user), None, true) => Credential::basic(user, piped()?),
        (user, None, false) => asked(user)?,
    };
    let file = client.login(&name, &credential).map_err(refused)?;
    if given.verbose {
        print(&format!("Used: {}\n", file.display()))?;
    }
    print("Login Succeeded\n")?;
    Ok(0)
}

/// All of standard input, without the end of its line.
fn piped() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::stdin(), &mut text);
    read.map_err(|error| Failure::unreadable("--password-stdin", "", error))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        Err(Failure::words("--password-stdin: standard input is empty", "pipe the password in"))
    } else {
        Ok(text.to_owned())
    }
}

/// What somebody types.
fn asked(user: Option<String>) -> Result<Credential, Failure> {
    let input = rustix::stdio::stdin();
    let Ok(before) = tcgetattr(input) else {
        let hint = "give --username NAME and --password-stdin";
        return Err(Failure::words("standard input is no terminal to ask for name and password on", hint));
    };
    let user = match user {
        Some(user) => user,
        None => line("Username: ")?,
    };
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let failed = |error: rustix::io::Errno| Failure::because("the terminal", std::io::Error::from(error));
    tcsetattr(input, OptionalActions::Flush, &hidden).map_err(failed)?;
    let password = line("Password: ");
    tcsetattr(input, OptionalActions::Flush, &before).map_err(failed)?;
    print("\n")?;
    Ok(Credential::basic(user, password?))
}

fn line(prompt: &str) -> Result<String, Failure> {
    std::io::stdout().write_all(prompt.as_bytes()).and_then(|()| std::io::stdout().flush()).map_err(Failure::output)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| Failure::because("standard input", error))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() { Err(Failure::words("nothing was typed", "try again")) } else { Ok(line.to_owned()) }
}
