//! `coracle secret ls`.

use crate::cli::filter::{Chosen, SECRETS};
use crate::cli::output::{Format, help, label_list, lines, print};
use crate::cli::{Context, Failure, Verb};
use crate::render::{self, Table};
use engine::secrets::Secret;
use flag::{Flag, Help, Order, parse, push_word};
use serde_json::{Value, json};

const HELP: Help =
    Help { usage: &["secret ls [OPTIONS]"], about: "List secrets", more: &["--filter takes id=, name= and label=."] };

/// The verb.
pub const VERB: Verb = Verb {
    name: "secret ls",
    aliases: &["secret list"],
    about: HELP.about,
    run,
    help: |width| help(&HELP, FLAGS, width),
};

#[derive(Debug, Default)]
struct Given {
    filters: Vec<String>,
    format: Option<Format>,
    quiet: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("filter", "NAME=VALUE", |g, w| push_word(&mut g.filters, w), "Only those that fit")
        .short('f')
        .under("Options"),
    F::takes("format", "FORMAT", |g, w| flag::put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Only ids").short('q').under("Options"),
];

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("CreatedAt", "CREATED"),
    ("UpdatedAt", "UPDATED"),
    ("Labels", "LABELS"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let filters = Chosen::read(&given.filters, &[SECRETS], &())?;
    let mut secrets = context.engine()?.secrets()?;
    secrets.retain(|secret| filters.fits(secret));
    let text = match given.format.unwrap_or_default() {
        _ if given.quiet => lines(secrets.iter().map(|secret| secret.id.clone())),
        Format::Json => lines(secrets.iter().map(|secret| object(secret).to_string())),
        Format::Template(layout) => layout.lines(&secrets.iter().map(object).collect::<Vec<_>>(), HEADINGS)?,
        Format::Table => table(&secrets),
    };
    print(&text).map(|()| 0)
}

fn table(secrets: &[Secret]) -> String {
    let mut table = Table::new(["ID", "NAME", "DRIVER", "CREATED", "UPDATED"]);
    let now = render::now();
    for secret in secrets {
        let ago = |then| render::ago(now, then);
        table.row([
            secret.id.clone(),
            secret.name.clone(),
            "file".to_owned(),
            ago(secret.created),
            ago(secret.updated),
        ]);
    }
    table.to_string()
}

fn object(secret: &Secret) -> Value {
    let now = render::now();
    json!({
        "ID": secret.id,
        "Name": secret.name,
        "Driver": "file",
        "CreatedAt": render::ago(now, secret.created),
        "UpdatedAt": render::ago(now, secret.updated),
        "Labels": label_list(&secret.labels),
    })
}
