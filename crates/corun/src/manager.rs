//! What the service manager that has started us wants to reach the container: sockets that it has opened
//! (sd_listen_fds(3)), and the way back on which the container says that it is ready (sd_notify(3)).

use crate::container::Dir;
use crate::error::Result;
use oci::runtime::Spec;
use runtime::notify::{self, Notify};
use runtime::{Holding, activation};
use std::path::PathBuf;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prepares a container that is about to be made for both.
pub fn prepare(dir: &Dir, spec: &mut Spec, holding: &mut Holding) -> Result<()> {
    let (fds, pid) = (variable("LISTEN_FDS"), variable("LISTEN_PID"));
    activation::pass_on(activation::passed(fds.as_deref(), pid.as_deref(), std::process::id()), spec, holding);
    if socket().is_some() && notify::mount(spec, &dir.path().join(crate::container::NOTIFY)) {
        dir.make_notify()?;
    }
    Ok(())
}

/// The container's way back, before its command runs, where it was made with one.
pub fn listen(dir: &Dir) -> Result<Option<Notify>> {
    let (Some(manager), Some(directory)) = (socket(), dir.notify()) else { return Ok(None) };
    Ok(Some(Notify::bind(&directory, &manager)?))
}

/// Where the service manager listens.
fn socket() -> Option<PathBuf> {
    variable("NOTIFY_SOCKET").map(PathBuf::from)
}
