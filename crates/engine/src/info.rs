//! What the engine and the machine are like.

use crate::engine::Engine;
use crate::error::Result;
use crate::gather;
use cgroup::{Layout, Mode};

/// What `coracle info` tells.
#[derive(Debug)]
pub struct Info {
    /// Version of the engine.
    pub version: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// Host name.
    pub host_name: String,
    /// An ordinary user works with it.
    pub rootless: bool,
    /// He has subordinate ids.
    pub sub_ids: bool,
    /// `v1`, `v2`, `hybrid` or `none`.
    pub cgroups: &'static str,
    /// How layers are unpacked.
    pub driver: store::Driver,
    /// Data.
    pub root: std::path::PathBuf,
    /// Run state.
    pub runroot: std::path::PathBuf,
    /// How many containers there are.
    pub containers: usize,
    /// How many of them run.
    pub running: usize,
    /// How many images there are.
    pub images: usize,
}

impl Engine {
    /// Looks at engine and machine.
    pub fn info(&self) -> Result<Info> {
        let containers = self.containers()?;
        let running = containers.iter().flatten().filter(|listed| listed.status.is_alive()).count();
        let uname = rustix::system::uname();
        Ok(Info {
            version: env!("CARGO_PKG_VERSION"),
            kernel: uname.release().to_string_lossy().into_owned(),
            host_name: gather::host_name(),
            rootless: !self.caller().is_root(),
            sub_ids: self.caller().has_sub_ids(),
            cgroups: match Layout::detect()?.mode() {
                Mode::None => "none",
                Mode::V1 => "v1",
                Mode::Hybrid => "hybrid",
                Mode::V2 => "v2",
            },
            driver: self.store()?.driver()?,
            root: self.locations().root.clone(),
            runroot: self.locations().runroot.clone(),
            containers: containers.len(),
            running,
            images: self.images()?.len(),
        })
    }
}
