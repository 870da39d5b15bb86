//! `coracle secret inspect`, in the shape that docker's and podman's API have.

use crate::cli::output::{Format, help, lines, objects, print};
use crate::cli::{Context, Failure, Verb};
use engine::secrets::Secret;
use flag::{Flag, Help, Order, parse};
use serde_json::{Value, json};

const HELP: Help = Help {
    usage: &["secret inspect [OPTIONS] SECRET..."],
    about: "Tell of a secret, as JSON",
    more: &["What it is is told with --showsecret alone."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "secret inspect", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
    pretty: bool,
    show: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("format", "FORMAT", |g, w| flag::put(&mut g.format, w), "json or a template").short('f').under("Options"),
    F::switch("pretty", |g, on| g.pretty = on, "For people").under("Options"),
    F::switch("showsecret", |g, on| g.show = on, "What it is, as SecretData").under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    crate::cli::some_words(&names, "a secret")?;
    let engine = context.engine()?;
    let mut found = Vec::new();
    let code = crate::cli::each(&names, VERB.name, |name| {
        found.push(object(&engine.secret(name)?, given.show));
        Ok(())
    });
    let by_template = matches!(given.format, Some(Format::Template(_)));
    let text =
        if given.pretty && !by_template { found.iter().map(pretty).collect() } else { objects(given.format, found)? };
    print(&text)?;
    code
}

fn pretty(object: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut rows = vec![
        ("ID", &object["ID"]),
        ("Name", &object["Spec"]["Name"]),
        ("Labels", &object["Spec"]["Labels"]),
        ("Driver", &object["Spec"]["Driver"]["Name"]),
        ("Created at", &object["CreatedAt"]),
        ("Updated at", &object["UpdatedAt"]),
    ];
    if !object["SecretData"].is_null() {
        rows.push(("Secret", &object["SecretData"]));
    }
    lines(rows.into_iter().map(|(name, value)| format!("{:<14}{}", format!("{name}:"), text(value))))
}

pub fn object(secret: &Secret, show: bool) -> Value {
    let date = |seconds: u64| oci::image::rfc3339(seconds as i64, 0);
    let mut object = json!({
        "ID": secret.id,
        "CreatedAt": date(secret.created),
        "UpdatedAt": date(secret.updated),
        "Spec": {
            "Name": secret.name,
            "Driver": { "Name": "file", "Options": {} },
            "Labels": secret.labels,
        },
    });
    if show {
        object["SecretData"] = Value::from(String::from_utf8_lossy(&secret.data));
    }
    object
}
