//! Bind mounts whose source lies in the coming root, below `root.path`: what earlier mounts have brought there is part of
//! it, in the order in which they stand (config.md, "Mounts"). The stub looks such a source up, in the root as it is then;
//! ids are mapped by the parent, which alone may, before the copy is attached.

use super::bind::{LOCKABLE, by_stub};
use super::compose::mapped_ids;
use super::options::{Bind, Options};
use super::proc_mount::normal;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::plan::{Plan, Slot};
use crate::subject::Subject;
use oci::runtime::{Mount, NamespaceKind, Spec};
use std::path::Path;

/// The path in the root of a source that earlier mounts have to do with; `None` for one that the host's view has as it is.
pub fn place(spec: &Spec, index: usize, options: &Options, context: &Context<'_>) -> Option<String> {
    let source = spec.mounts[index].source.as_deref().filter(|source| !source.is_empty())?;
    if options.src_nofollow {
        return None;
    }
    let plain = |path: &str| normal(&context.absolute(path).to_string_lossy());
    let (source, root) = (plain(source), plain(&spec.root.as_ref()?.path));
    let inside = Path::new(&source).strip_prefix(&root).ok().filter(|_| root != "/")?;
    let inside = Path::new("/").join(inside);
    let related = |mount: &Mount| {
        let there = normal(&mount.destination);
        inside.starts_with(&there) || Path::new(&there).starts_with(&inside)
    };
    spec.mounts[..index].iter().any(related).then(|| inside.to_string_lossy().into_owned())
}

/// Adds the steps that copy it, with its attributes.
pub fn source(
    plan: &mut Plan,
    index: usize,
    path: &str,
    (mount, bind, options): (&Mount, Bind, &Options),
    context: &Context<'_>,
) -> Result<Slot> {
    let recursive = bind == Bind::Recursive;
    let slot = plan.open_tree_inside(Subject::Mount(index), path, recursive);
    if let Some(idmap) = options.idmap {
        if !context.copies_mounts {
            return Err(Error::spec(format!("bind mount at {}: mapping ids needs root", mount.destination)));
        }
        plan.ask_for_ids(Subject::Mount(index), slot, mapped_ids(mount, options, context)?, idmap == Bind::Recursive);
    }
    let lockable = if context.namespaces.has(NamespaceKind::User) { 0 } else { LOCKABLE };
    by_stub(plan, index, slot, recursive, options, lockable);
    Ok(slot)
}
