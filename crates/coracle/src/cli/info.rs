//! `coracle info`: what the engine and the machine are like.

use super::output::{Format, print};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use flag::{Flag, Help, Order, parse, put};
use serde_json::json;

const HELP: Help = Help { usage: &["info [OPTIONS]"], about: "Tell of engine and machine", more: &[] };

/// The verb.
pub const VERB: Verb =
    Verb { name: "info", aliases: &["system info"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    format: Option<Format>,
}

type F = Flag<Given>;

const FLAGS: &[F] = &[F::takes("format", "FORMAT", |g, w| put(&mut g.format, w), "table, json or a template")
    .short('f')
    .under("Options")];

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    super::no_words(&parse(FLAGS, words, Order::Anywhere, &mut given)?)?;
    let info = context.engine()?.info()?;
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
    print(&match given.format.unwrap_or_default() {
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
