//! `coracle info`: what the engine and the machine are like.

use super::output::{Format, lines, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render::Table;
use engine::timings::Timings;
use explain::timings::{self, Part};
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;

const HELP: Help = Help { usage: &["info [OPTIONS]"], about: "Tell of engine and machine", more: &[] };

/// The verb.
pub const VERB: Verb =
    Verb { name: "info", aliases: &["system info"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
    start_times: bool,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template").short('f').under("Options"),
    F::switch("start-times", |g, on| g.start_times = on, "Tell how long the last starts took, part by part")
        .under("Options"),
];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let engine = context.engine()?;
    let format = given.format.unwrap_or_default();
    if given.start_times {
        return print(&start_times(&engine.start_times(), format)?).map(|()| 0);
    }
    let info = engine.info()?;
    let user = match (info.rootless, info.sub_ids) {
        (false, _) => "root",
        (true, true) => "an ordinary one, with subordinate ids",
        (true, false) => "an ordinary one, without subordinate ids: one id is mapped",
    };
    let driver = info.driver.to_string();
    let object = || {
        json!({
            "ServerVersion": info.version, "KernelVersion": info.kernel, "Name": info.host_name,
            "Rootless": info.rootless, "SubIds": info.sub_ids, "CgroupLayout": info.cgroups,
            "Driver": driver,
            "RootDir": info.root, "RunRoot": info.runroot, "Containers": info.containers,
            "ContainersRunning": info.running, "Images": info.images,
        })
    };
    print(&match format {
        Format::Json => format!("{}\n", object()),
        Format::Template(layout) => layout.lines(&[object()], &[])?,
        Format::Table => format!(
            "Version:      {}\nKernel:       {}\nHost name:    {}\nUser:         {user}\nCgroups:      {}\n\
             Layers:       {}\nData:         {}\nRun state:    {}\nContainers:   {}, {} of them running\nImages:       {}\n",
            info.version,
            info.kernel,
            info.host_name,
            info.cgroups,
            driver,
            info.root.display(),
            info.runroot.display(),
            info.containers,
            info.running,
            info.images,
        ),
    })?;
    Ok(0)
}

/// A line for each part, in milliseconds; for programs in nanoseconds.
fn start_times(starts: &[Timings], format: Format) -> Result<String, Failure> {
    let parts = timings::parts(starts);
    let object = |part: &Part| {
        let Part { name, count, last, median, p90, most } = part;
        json!({"Part": name, "Starts": count, "Last": last, "Median": median, "P90": p90, "Max": most})
    };
    Ok(match format {
        Format::Json => lines(parts.iter().map(|part| object(part).to_string())),
        Format::Template(layout) => layout.lines(&parts.iter().map(object).collect::<Vec<_>>(), &[])?,
        Format::Table => {
            let mut table = Table::new(["PART", "STARTS", "LAST ms", "MEDIAN ms", "P90 ms", "MAX ms"]);
            for Part { name, count, last, median, p90, most } in parts {
                let [last, median, p90, most] = [last, median, p90, most].map(timings::millis);
                table.row([name, count.to_string(), last, median, p90, most]);
            }
            table.to_string()
        }
    })
}
