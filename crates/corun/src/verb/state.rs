//! `state`: a container as JSON, in the specification's shape with what runc adds.

use super::{Verb, only_id, print, read};
use crate::container::{Container, Status};
use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Help, Order};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

const FLAGS: [Flag<()>; 0] = [];

pub const VERB: Verb = Verb {
    name: "state",
    help: Help { usage: &["state ID"], about: "Tell a container's state, as JSON", more: &[] },
    flags: |program, help, width| flag::help(program, help, &FLAGS, width),
    run,
    failure: 1,
};

/// What `state` and `list` tell of a container (runtime.md, "State").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    pub oci_version: String,
    pub id: String,
    pub pid: i32,
    pub status: String,
    pub bundle: String,
    pub rootfs: String,
    pub created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    pub owner: String,
}

impl View {
    /// Looks at a container.
    pub fn of(container: &Container) -> Self {
        let record = &container.record;
        let status = container.status();
        Self {
            oci_version: record.config.version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped { 0 } else { record.init_process_pid },
            status: status.to_string(),
            bundle: record.corun.bundle.clone(),
            rootfs: record.config.rootfs.clone(),
            created: record.created.clone(),
            annotations: record.corun.annotations.clone(),
            owner: std::fs::metadata(container.dir.path()).map_or_else(|_| String::new(), |meta| owner(meta.uid())),
        }
    }
}

/// The name of a user, or `#` and the id. Read here, since a static program cannot ask the C library.
fn owner(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("#{uid}"))
}

fn run(words: &[String], context: &Context) -> Result<u8> {
    let ((), others) = read(&FLAGS, words, Order::Anywhere)?;
    let view = View { owner: String::new(), ..View::of(&Container::find(context, only_id(&others)?)?) };
    let text = serde_json::to_string_pretty(&view).map_err(|source| Error::Parse { path: "state".into(), source })?;
    print(&text)
}
