//! `coracle system df`: what takes up room, and how much of it could be had back.

use crate::cli::filter::created;
use crate::cli::output::{Format, help, id, print};
use crate::cli::ps::{command, status_text};
use crate::cli::{Context, Failure, Verb};
use crate::render::{self, Table};
use engine::containers::Listed;
use engine::{Engine, Usage, VolumeName};
use flag::{Flag, Help, Order, parse, put};
use serde_json::{Value, json};
use std::fmt::Write as _;

const HELP: Help = Help {
    usage: &["system df [OPTIONS]"],
    about: "Show what takes up room",
    more: &[
        "Sizes are bytes on disk: of an image its blobs and its unpacked layers, of a container what it has written. What \
             images share counts once in the sum.",
    ],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "system df", aliases: &[], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    verbose: bool,
    format: Option<Format>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").under("Options"),
    F::switch("verbose", |g, on| g.verbose = on, "Each image and each container").short('v').under("Options"),
];

const HEADINGS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    crate::cli::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let engine = context.engine()?;
    let seen = Seen::look(&engine)?;
    let format = given.format.unwrap_or_default();
    print(&if given.verbose { verbose(&seen, &format)? } else { summary(&seen, &format)? })?;
    Ok(0)
}

struct Seen {
    usage: Usage,
    containers: Vec<Listed>,
}

impl Seen {
    fn look(engine: &Engine) -> Result<Self, Failure> {
        let containers = engine.containers()?.into_iter().flatten().collect();
        Ok(Self { usage: engine.usage()?, containers })
    }

    /// How many containers were made from an image.
    fn users(&self, image: &engine::Image) -> usize {
        self.containers.iter().filter(|listed| listed.container.image == Some(image.id)).count()
    }

    /// How many containers use a volume.
    fn links(&self, name: &VolumeName) -> usize {
        self.containers.iter().filter(|listed| listed.container.volumes.contains(name)).count()
    }

    fn size(&self, listed: &Listed) -> u64 {
        self.usage.containers.get(&listed.container.id).copied().unwrap_or(0)
    }
}

/// One kind of thing.
struct Kind {
    name: &'static str,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

fn kinds(seen: &Seen) -> Vec<Kind> {
    let usage = &seen.usage;
    let active: Vec<_> = usage.images.iter().filter(|image| seen.users(&image.image) > 0).collect();
    let runs = |listed: &&Listed| listed.status.is_alive();
    let running: Vec<_> = seen.containers.iter().filter(runs).collect();
    let written: u64 = usage.containers.values().sum();
    let none = |name| Kind { name, total: 0, active: 0, size: 0, reclaimable: 0 };
    let images = Kind {
        name: "Images",
        total: usage.images.len(),
        active: active.len(),
        size: usage.total(),
        reclaimable: usage.freed(active.into_iter()),
    };
    let containers = Kind {
        name: "Containers",
        total: seen.containers.len(),
        active: running.len(),
        size: written,
        reclaimable: written - running.iter().map(|listed| seen.size(listed)).sum::<u64>(),
    };
    let (count, bytes) = usage.partial;
    let partial = Kind { name: "Partial Pulls", total: count, active: 0, size: bytes, reclaimable: bytes };
    let unused: u64 = usage.volumes.iter().filter(|(name, _)| seen.links(name) == 0).map(|(_, bytes)| bytes).sum();
    let volumes = Kind {
        name: "Local Volumes",
        total: usage.volumes.len(),
        active: usage.volumes.keys().filter(|name| seen.links(name) > 0).count(),
        size: usage.volumes.values().sum(),
        reclaimable: unused,
    };
    let mut all = vec![images, containers, volumes, none("Build Cache")];
    // docker has no such row, because it does not go on with a pull.
    all.extend((count > 0).then_some(partial));
    all
}

fn summary(seen: &Seen, format: &Format) -> Result<String, Failure> {
    let object = |kind: &Kind| {
        let share =
            (kind.size > 0).then(|| format!(" ({}%)", u128::from(kind.reclaimable) * 100 / u128::from(kind.size)));
        json!({
            "Type": kind.name,
            "TotalCount": kind.total.to_string(),
            "Active": kind.active.to_string(),
            "Size": render::size(kind.size),
            "Reclaimable": render::size(kind.reclaimable) + &share.unwrap_or_default(),
        })
    };
    let objects: Vec<_> = kinds(seen).iter().map(object).collect();
    Ok(match format {
        Format::Json => crate::cli::output::lines(objects.iter().map(Value::to_string)),
        Format::Template(layout) => layout.lines(&objects, HEADINGS)?,
        Format::Table => {
            let mut table = Table::new(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
            for object in &objects {
                let cell = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
                table.row(["Type", "TotalCount", "Active", "Size", "Reclaimable"].map(cell));
            }
            table.to_string()
        }
    })
}

/// All of it, as one object.
fn object(seen: &Seen) -> Value {
    let now = render::now();
    let image = |usage: &engine::ImageUsage| {
        let image = &usage.image;
        let (size, shared) = seen.usage.of(usage);
        let name = image.names.first();
        let tag = name.and_then(|name| name.tag()).unwrap_or("<none>");
        let familiar = name.map_or_else(|| "<none>".to_owned(), oci::reference::Reference::familiar);
        let created = created(image);
        json!({
            "Repository": familiar.strip_suffix(&format!(":{tag}")).unwrap_or(&familiar),
            "Tag": tag,
            "ID": id(&image.id.0.hex(), false),
            "CreatedAt": render::date(created),
            "CreatedSince": render::ago(now, created),
            "Size": render::size(size),
            "SharedSize": render::size(shared),
            "UniqueSize": render::size(size - shared),
            "Containers": seen.users(image).to_string(),
        })
    };
    let container = |listed: &Listed| {
        let record = &listed.container.config;
        json!({
            "ID": id(listed.container.id.as_str(), false),
            "Image": record.image_name,
            "Command": command(&record.command, false),
            "LocalVolumes": listed.container.volumes.len().to_string(),
            "Size": render::size(seen.size(listed)),
            "RunningFor": render::ago(now, record.created),
            "Status": status_text(listed.status, listed.health.as_ref(), now),
            "Names": listed.container.name.as_str(),
        })
    };
    let volume = |(name, bytes): (&VolumeName, &u64)| {
        json!({
            "Name": name,
            "Driver": "local",
            "Scope": "local",
            "Links": seen.links(name).to_string(),
            "Size": render::size(*bytes),
        })
    };
    json!({
        "Images": seen.usage.images.iter().map(image).collect::<Vec<_>>(),
        "Containers": seen.containers.iter().map(container).collect::<Vec<_>>(),
        "Volumes": seen.usage.volumes.iter().map(volume).collect::<Vec<_>>(),
        "BuildCache": [],
    })
}

fn verbose(seen: &Seen, format: &Format) -> Result<String, Failure> {
    let object = object(seen);
    match format {
        Format::Json => return Ok(format!("{object}\n")),
        Format::Template(layout) => return layout.lines(&[object], &[]),
        Format::Table => {}
    }
    let mut text = String::from("Images space usage:\n\n");
    let columns = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    let fields = ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"];
    _ = writeln!(text, "{}", table(columns, &object["Images"], fields));
    let columns = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    let fields = ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
    _ = writeln!(text, "Containers space usage:\n\n{}", table(columns, &object["Containers"], fields));
    let none = Value::Null;
    let columns = ["VOLUME NAME", "LINKS", "SIZE"];
    _ = writeln!(
        text,
        "Local Volumes space usage:\n\n{}",
        table(columns, &object["Volumes"], ["Name", "Links", "Size"])
    );
    let columns = ["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"];
    _ = write!(text, "Build cache usage: 0B\n\n{}", table(columns, &none, columns));
    Ok(text)
}

fn table<const N: usize>(columns: [&'static str; N], rows: &Value, fields: [&str; N]) -> Table<N> {
    let mut table = Table::new(columns);
    for row in rows.as_array().into_iter().flatten() {
        table.row(fields.map(|field| row[field].as_str().unwrap_or_default().to_owned()));
    }
    table
}
