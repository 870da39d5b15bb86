//! Whatever a test applies to a directory is written as an image, too, and the kernel's view of that has to be the same.

use layer::{Applied, Error, Options, write_image};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// A file as it looks: mode, owners, device, times, names, attributes, content or target.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    mode: u32,
    owner: (u32, u32),
    device: u64,
    /// None for whiteouts, and where nothing says when a directory was made.
    mtime: Option<(i64, i64)>,
    names: u64,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    content: Vec<u8>,
}

/// Writes the tar as an image and compares it with the directory, or the error with that one's.
pub fn compare(tar: &[u8], options: &Options<'_>, directory: &Path, applied: &Result<Applied, Error>) {
    let file = tempfile::tempfile().expect("a file");
    let (file, result) = match write_image(tar, file, options) {
        Ok((file, length, applied)) => {
            assert_eq!(file.metadata().expect("a file").len(), length);
            (Some(file), Ok(applied))
        }
        Err(error) => (None, Err(error)),
    };
    match (applied, &result) {
        (Ok(directory), Ok(image)) => assert_eq!(directory, image),
        (Err(directory), Err(image)) => assert_eq!(kind(directory), kind(image)),
        _ => panic!("directory: {applied:?}, image: {result:?}"),
    }
    let kernel = testkit::requires::kernel((6, 12));
    if let (Some(file), Ok(()), Ok(())) = (file, testkit::requires::root(), kernel) {
        let root = mount(&file);
        let root = format!("/proc/self/fd/{}/.", root.as_raw_fd());
        let (directory, image) = (looks(directory), looks(Path::new(&root)));
        for (path, look) in &directory {
            let other = image.get(path).unwrap_or_else(|| panic!("{path} is not in the image"));
            let timeless = Look { mtime: None, xattrs: look.xattrs.clone(), content: look.content.clone(), ..*look };
            let wanted = if other.mtime.is_none() { &timeless } else { look };
            assert!(wanted == other, "{path}: {wanted:?}, in the image {other:?}");
        }
        assert_eq!(directory.len(), image.len(), "the image has more");
    }
}

/// An error without what only a file system has to say.
fn kind(error: &Error) -> String {
    match error {
        Error::Entry { name, offset, .. } => format!("{name} at {offset}"),
        other => other.to_string(),
    }
}

fn mount(file: &File) -> std::os::fd::OwnedFd {
    let context = sys::mount::FsContext::open("erofs").expect("erofs");
    context.set("source", format!("/proc/self/fd/{}", file.as_raw_fd()).as_str()).expect("a source");
    context.mount(0).expect("the kernel mounts it")
}

fn looks(root: &Path) -> BTreeMap<String, Look> {
    let mut looks = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = path.symlink_metadata().expect("there");
        let mut content = Vec::new();
        if meta.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        } else if meta.is_file() {
            // A file of gigabytes is one of zeroes here.
            let small = meta.len() < 1 << 30;
            content = if small { fs::read(&path).expect("readable") } else { meta.len().to_string().into_bytes() };
        } else if meta.is_symlink() {
            content = fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes();
        }
        if path == root {
            continue;
        }
        let time = (meta.mtime(), meta.mtime_nsec());
        let is_whiteout = meta.file_type().is_char_device() && meta.rdev() == 0;
        let look = Look {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            device: meta.rdev(),
            mtime: (!is_whiteout && (!meta.is_dir() || time != (0, 0))).then_some(time),
            // File systems count a directory's names each in their way, and whiteouts may share an inode.
            names: if meta.is_dir() || meta.rdev() == 0 && !meta.is_file() && !meta.is_symlink() {
                1
            } else {
                meta.nlink()
            },
            xattrs: xattrs(&path),
            content,
        };
        looks.insert(path.strip_prefix(root).expect("below").to_string_lossy().into_owned(), look);
    }
    looks
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut buffer).expect("names");
    let names = buffer[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, name, &mut value).expect("an attribute");
        value[..length].to_vec()
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}
