//! IMAGE, `--rootfs` and `--pull`.

use super::{Invalid, absolute};
use crate::config::{Changes, ImageRef, Pull, Rootfs};
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

/// `--pull`.
impl FromStr for Pull {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "missing" => Ok(Self::Missing),
            "never" | "false" => Ok(Self::Never),
            "always" | "newer" | "true" => Err(Invalid::new(text, "there is no registry to pull from yet")
                .hint("load images with `coracle load` or `coracle import`")),
            _ => Err(Invalid::new(text, "not a pull policy").hint("give missing or never")),
        }
    }
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
}
