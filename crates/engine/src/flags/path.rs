//! Paths, by their spelling only.

use super::Invalid;
use crate::config::ContainerPath;
use std::path::{Path, PathBuf};

/// A path of the host, made absolute against `cwd` and cleaned of `.`; `..` stays, because behind a symbolic link it
/// does not mean what it looks like.
pub fn absolute(path: &str, cwd: &Path) -> PathBuf {
    let joined = cwd.join(path);
    joined.components().filter(|component| *component != std::path::Component::CurDir).collect()
}

/// An absolute path in the container, cleaned by its spelling as docker and podman do, `..` included.
pub fn container_path(path: &str) -> Result<ContainerPath, Invalid> {
    if path.contains('\0') {
        return Err(Invalid::new(path, "a path cannot hold a NUL byte"));
    }
    if !path.starts_with('/') {
        return Err(Invalid::new(path, "not an absolute path in the container").hint("begin it with /"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            name => parts.push(name),
        }
    }
    if parts.is_empty() {
        return Err(Invalid::new(path, "nothing can be mounted over the container's root")
            .hint("give the root itself with --rootfs"));
    }
    Ok(ContainerPath(format!("/{}", parts.join("/"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_paths_are_cleaned_or_refused() {
        for (path, clean) in [
            ("/a", Some("/a")),
            ("//a//b/", Some("/a/b")),
            ("/a/./b/../c", Some("/a/c")),
            ("/../../a", Some("/a")),
            ("a", None),
            ("", None),
            ("/", None),
            ("/a/..", None),
            ("/a\0b", None),
        ] {
            assert_eq!(container_path(path).ok().map(|path| path.to_string()).as_deref(), clean, "{path:?}");
        }
    }

    #[test]
    fn host_paths_become_absolute_and_keep_their_dots() {
        for (path, expected) in [("./a", "/w/a"), ("/x/./y", "/x/y"), ("../a", "/w/../a"), (".", "/w")] {
            assert_eq!(absolute(path, Path::new("/w")), PathBuf::from(expected), "{path}");
        }
    }
}
