//! Checkpoint and restore: a container's processes are written down by criu, and made again from that.
//!
//! What is in the images is criu's: processes, memory, mounts of the container's own file systems. What comes from
//! outside is ours to name: bind mounts, cgroups, network namespaces, standard streams, terminals. The names are those
//! that runc gives, so that either can restore what the other has written.

mod archive;
mod dump;
mod external;
mod restore;
mod streams;

pub use archive::Archive;
pub use criu::{CgroupMode, NetworkLock, PageServer};
pub use dump::{Dump, dump};
pub use restore::{Restore, restore};
pub use streams::streams;

use crate::error::Result;
use criu::Options;

/// The file with the standard streams' names, in the images' directory.
const DESCRIPTORS: &str = "descriptors.json";

/// What a caller may choose; criu(8) has the words.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "criu(8) names and explains them")]
pub struct Choices {
    pub leave_running: bool,
    pub tcp_established: bool,
    pub tcp_skip_in_flight: bool,
    pub tcp_close: bool,
    pub link_remap: bool,
    pub ext_unix_sk: bool,
    pub shell_job: bool,
    pub lazy_pages: bool,
    pub file_locks: bool,
    pub pre_dump: bool,
    pub auto_dedup: bool,
    /// Where a byte is written when lazy pages can be had.
    pub status_fd: Option<i32>,
    pub page_server: Option<PageServer>,
    /// The images of the pre-dump before, relative to these.
    pub parent: Option<String>,
    pub cgroup_mode: CgroupMode,
    pub empty_ns: u32,
    pub lsm_profile: Option<String>,
    pub lsm_mount_context: Option<String>,
    pub network_lock: Option<NetworkLock>,
    /// criu's own configuration, which has the last word.
    pub config_file: Option<String>,
}

impl Choices {
    fn options(&self, archive: &Archive, log: &str) -> Options {
        let (images_dir_fd, work_dir_fd) = archive.fds();
        Options {
            images_dir_fd,
            work_dir_fd,
            log_file: log.to_owned(),
            leave_running: self.leave_running,
            tcp_established: self.tcp_established,
            tcp_skip_in_flight: self.tcp_skip_in_flight,
            tcp_close: self.tcp_close,
            link_remap: self.link_remap,
            ext_unix_sk: self.ext_unix_sk,
            shell_job: self.shell_job,
            lazy_pages: self.lazy_pages,
            file_locks: self.file_locks,
            auto_dedup: self.auto_dedup,
            parent_img: self.parent.clone(),
            page_server: self.page_server.clone(),
            cgroup_mode: self.cgroup_mode,
            empty_ns: self.empty_ns,
            lsm_profile: self.lsm_profile.clone(),
            lsm_mount_context: self.lsm_mount_context.clone(),
            network_lock: self.network_lock,
            config_file: self.config_file.clone(),
            orphan_pts_master: true,
            ..Options::default()
        }
    }
}

/// Says what criu's log has of a failure: more than criu itself, which tells the first errors, often of tries that did not
/// matter.
fn explained<T>(outcome: Result<T>, archive: &Archive, log: &str) -> Result<T> {
    outcome.map_err(|error| match error {
        crate::Error::Criu(criu::Error::Failed { kind, errno, text }) => {
            let text = archive.errors(log).map_or(text, |errors| format!(": {errors}"));
            crate::Error::Criu(criu::Error::Failed { kind, errno, text })
        }
        other => other,
    })
}
