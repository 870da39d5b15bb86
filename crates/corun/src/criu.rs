//! The flags that `checkpoint` and `restore` have in common, and what they come to.

use crate::error::{Error, Result};
use crate::global::Context;
use flag::{Flag, Invalid, put_word};
use runtime::checkpoint::{CgroupMode, Choices, NetworkLock, PageServer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// As given.
#[derive(Debug, Default)]
pub struct Given {
    images: Option<String>,
    work: Option<String>,
    parent: Option<String>,
    /// What the flags say of themselves.
    pub choices: Choices,
}

/// A type with these flags among its own.
pub trait HasGiven {
    /// They.
    fn criu(&mut self) -> &mut Given;
}

/// The flags of both.
pub const fn flags<T: HasGiven>() -> [Flag<T>; 10] {
    [
        Flag::takes(
            "image-path",
            "DIR",
            |g: &mut T, w| put_word(&mut g.criu().images, w),
            "Where the images are; checkpoint if not given",
        )
        .under("Options"),
        Flag::takes(
            "work-path",
            "DIR",
            |g: &mut T, w| put_word(&mut g.criu().work, w),
            "Where criu's log and work files go",
        )
        .under("Options"),
        Flag::switch("tcp-established", |g: &mut T, on| g.criu().choices.tcp_established = on, "Connections stay open")
            .under("Options"),
        Flag::switch("ext-unix-sk", |g: &mut T, on| g.criu().choices.ext_unix_sk = on, "Unix sockets may lead outside")
            .under("Options"),
        Flag::switch(
            "shell-job",
            |g: &mut T, on| g.criu().choices.shell_job = on,
            "It may belong to a session outside",
        )
        .under("Options"),
        Flag::switch("file-locks", |g: &mut T, on| g.criu().choices.file_locks = on, "With its locks of files")
            .under("Options"),
        Flag::takes(
            "manage-cgroups-mode",
            "MODE",
            |g: &mut T, w| mode(g.criu(), w),
            "What criu does to cgroups: soft, full, strict or ignore",
        )
        .under("Options"),
        Flag::switch(
            "auto-dedup",
            |g: &mut T, on| g.criu().choices.auto_dedup = on,
            "Pages that are there twice are kept once",
        )
        .under("Options"),
        Flag::takes(
            "network-lock",
            "METHOD",
            |g: &mut T, w| lock(g.criu(), w),
            "What holds packets back meanwhile: iptables, nftables or skip",
        )
        .under("Options"),
        Flag::switch("lazy-pages", |g: &mut T, on| g.criu().choices.lazy_pages = on, "Memory comes when it is touched")
            .under("Options"),
    ]
}

/// Namespaces that are made, and whose contents are left to others.
pub fn empty<T: HasGiven>(given: &mut T, word: &str) -> std::result::Result<(), Invalid> {
    match word {
        "network" => {
            given.criu().choices.empty_ns |= NETWORK;
            Ok(())
        }
        _ => Err(Invalid::new(word, "not a namespace that can be left empty").hint("give network")),
    }
}

/// `CLONE_NEWNET`: devices and addresses are somebody else's, always.
const NETWORK: u32 = 0x4000_0000;

fn mode(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    given.choices.cgroup_mode = match word {
        "" => CgroupMode::Default,
        "soft" => CgroupMode::Soft,
        "full" => CgroupMode::Full,
        "strict" => CgroupMode::Strict,
        "ignore" => CgroupMode::Ignore,
        _ => return Err(Invalid::new(word, "not a mode").hint("give soft, full, strict or ignore")),
    };
    Ok(())
}

fn lock(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    given.choices.network_lock = match word {
        "" => None,
        "iptables" => Some(NetworkLock::Iptables),
        "nftables" => Some(NetworkLock::Nftables),
        "skip" => Some(NetworkLock::Skip),
        _ => return Err(Invalid::new(word, "not a method").hint("give iptables, nftables or skip")),
    };
    Ok(())
}

/// `ADDRESS:PORT`.
pub fn page_server(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    let wrong = || Invalid::new(word, "not a page server").hint("give ADDRESS:PORT");
    let (address, port) = word.rsplit_once(':').ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    if address.is_empty() {
        return Err(wrong());
    }
    given.choices.page_server = Some(PageServer { address, port });
    Ok(())
}

/// An fd that we have inherited.
pub fn status_fd(given: &mut Given, word: &str) -> std::result::Result<(), Invalid> {
    let number: i32 = word.parse().map_err(|_| Invalid::new(word, "not a file descriptor"))?;
    given.choices.status_fd = (number >= 0).then_some(number);
    Ok(())
}

impl Given {
    /// Where the images are before a dump that adds to them; relative to the images' directory.
    pub fn parent(&mut self, word: &str) {
        self.parent = Some(word.to_owned()).filter(|word| !word.is_empty());
    }

    /// The images' directory.
    pub fn images(&self) -> PathBuf {
        PathBuf::from(self.images.as_deref().filter(|path| !path.is_empty()).unwrap_or("checkpoint"))
    }

    /// The directory for work files.
    pub fn work(&self) -> Option<&Path> {
        self.work.as_deref().filter(|path| !path.is_empty()).map(Path::new)
    }

    /// What is asked of criu.
    pub fn choices(&self, context: &Context, annotations: &BTreeMap<String, String>) -> Result<Choices> {
        let mut choices = self.choices.clone();
        choices.empty_ns |= NETWORK;
        if let Some(parent) = &self.parent {
            let path = Path::new(parent);
            if path.is_absolute() {
                return Err(Error::Arguments("--parent-path must be relative".to_owned()));
            }
            if !self.images().join(path).is_dir() {
                return Err(Error::Arguments(format!(
                    "invalid --parent-path: {parent} is no directory beside the images"
                )));
            }
            choices.parent = Some(parent.clone());
        }
        // What its file says has the last word in criu, as callers know it from runc and crun.
        choices.config_file = match annotations.get("org.criu.config") {
            Some(path) => Some(path.clone()).filter(|path| !path.is_empty()),
            None => Some(format!("/etc/criu/{}.conf", context.face.name)),
        };
        Ok(choices)
    }
}
