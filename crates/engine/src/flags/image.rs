//! IMAGE, `--rootfs` and `--pull`.

use super::{Invalid, absolute};
use crate::config::{Changes, ImageRef, Pull, Rootfs};
use oci::image::Platform;
use std::path::Path;
use std::str::FromStr;

/// The word in the place of IMAGE: `host:` or the name of an image.
pub fn image(text: &str) -> Result<ImageRef, Invalid> {
    match text {
        "host:" => Ok(ImageRef::Host),
        "" => Err(Invalid::new(text, "an empty image name").hint("give an image, or host: for this machine's files")),
        _ if text.starts_with("host:") => {
            Err(Invalid::new(text, "host: takes nothing behind it").hint("for a directory, use --rootfs PATH"))
        }
        _ if text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err(Invalid::new(text, "not an image name"))
        }
        _ => Ok(ImageRef::Name(text.to_owned())),
    }
}

/// `--rootfs PATH[:O]`, against `cwd`.
pub fn rootfs(text: &str, cwd: &Path) -> Result<Rootfs, Invalid> {
    let (path, changes) = match text.rsplit_once(':') {
        Some((path, "O")) => (path, Changes::ThrownAway),
        Some((_, "idmap")) => {
            return Err(Invalid::new(text, "the owners of a --rootfs are not mapped yet")
                .hint("leave out :idmap, or import the directory as an image"));
        }
        _ => (text, Changes::Kept),
    };
    if path.is_empty() || path.contains('\0') {
        return Err(Invalid::new(text, "not a directory's path").hint("write --rootfs PATH or --rootfs PATH:O"));
    }
    Ok(Rootfs { path: absolute(path, cwd), changes })
}

/// `--pull`, `--policy`; `true` and `false` are podman's old words.
impl FromStr for Pull {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "always" | "true" => Ok(Self::Always),
            "missing" | "ifmissing" | "ifnotpresent" => Ok(Self::Missing),
            "never" | "false" => Ok(Self::Never),
            "newer" | "ifnewer" => Ok(Self::Newer),
            _ => Err(Invalid::new(text, "not a pull policy").hint("give always, missing, never or newer")),
        }
    }
}

/// `--platform`: `OS/ARCH[/VARIANT]`, or `ARCH` alone.
pub fn platform(text: &str) -> Result<Platform, Invalid> {
    let wrong = || Invalid::new(text, "not a platform").hint("give OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64");
    let parts: Vec<&str> = text.split('/').collect();
    let (os, architecture, variant) = match *parts.as_slice() {
        [architecture] => ("linux", architecture, None),
        [os, architecture] => (os, architecture, None),
        [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
        _ => return Err(wrong()),
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err(wrong());
    }
    // What the kernel calls them, and Go does not.
    let architecture = match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Ok(Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant, ..Platform::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_not_an_image() {
        assert_eq!(image("host:"), Ok(ImageRef::Host));
        assert_eq!(image("host"), Ok(ImageRef::Name("host".to_owned())));
        for text in ["", "host:x", "-it", "a b", "a\n"] {
            assert!(image(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_rootfs_may_be_overlaid() {
        let read =
            |text| rootfs(text, Path::new("/w")).map(|rootfs| (rootfs.path.display().to_string(), rootfs.changes));
        assert_eq!(read("/r"), Ok(("/r".to_owned(), Changes::Kept)));
        assert_eq!(read("./r:O"), Ok(("/w/r".to_owned(), Changes::ThrownAway)));
        assert_eq!(read("/a:b"), Ok(("/a:b".to_owned(), Changes::Kept)));
        assert!(read(":O").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn a_platform_has_an_architecture_at_least() {
        let read = |text| platform(text).map(|platform| platform.to_string());
        assert_eq!(read("linux/arm64/v8"), Ok("linux/arm64/v8".to_owned()));
        assert_eq!(read("aarch64"), Ok("linux/arm64".to_owned()));
        for wrong in ["", "linux/", "/arm64", "a/b/c/d"] {
            assert!(platform(wrong).is_err(), "{wrong}");
        }
    }
}
