//! Archives that leave the engine: to standard output, or to a file that is there only when it is whole.

use super::Failure;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const BUFFER: usize = 256 << 10;

/// Where an archive goes.
pub struct Outgoing {
    to: BufWriter<File>,
    /// The name that the file gets when it is whole; until then it has none.
    name: Option<PathBuf>,
}

impl Outgoing {
    /// To the file of `-o`, or to standard output, unless that is a terminal.
    pub fn open(file: Option<&str>, verb: &str) -> Result<Self, Failure> {
        let (to, name) = match file {
            None | Some("-") => {
                if rustix::termios::isatty(rustix::stdio::stdout()) {
                    let hint = format!("write coracle {verb} -o FILE, or coracle {verb} > FILE");
                    return Err(Failure::words("standard output is a terminal", hint));
                }
                let out = rustix::io::dup(rustix::stdio::stdout()).map_err(|errno| Failure::output(errno.into()))?;
                (File::from(out), None)
            }
            Some(file) => Self::file(Path::new(file)).map_err(|error| Failure::unreadable("-o", file, error))?,
        };
        Ok(Self { to: BufWriter::with_capacity(BUFFER, to), name })
    }

    /// A file without a name, which the kernel removes with the process; where there is none of these, or something other
    /// than a file has the name, that itself.
    fn file(path: &Path) -> std::io::Result<(File, Option<PathBuf>)> {
        let special = std::fs::metadata(path).is_ok_and(|there| !there.is_file());
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = Mode::from_raw_mode(0o666);
        if !special {
            match sys::fs::open(parent, OFlags::TMPFILE | OFlags::WRONLY, mode) {
                Ok(file) => return Ok((File::from(file), Some(path.to_owned()))),
                Err(error) if error.errno == sys::Errno::OPNOTSUPP => {}
                Err(error) => return Err(error.errno.into()),
            }
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let file = sys::fs::open(path, flags, mode).map_err(|error| error.errno)?;
        Ok((File::from(file), None))
    }

    /// It is whole.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.to.flush().map_err(Failure::output)?;
        let Some(name) = &self.name else { return Ok(()) };
        let failed = |error: sys::Error| Failure::unreadable("-o", &name.to_string_lossy(), error.errno.into());
        let file = format!("/proc/self/fd/{}", self.to.get_ref().as_raw_fd());
        let link = |to: &Path| sys::fs::linkat(CWD, &*file, CWD, to, AtFlags::SYMLINK_FOLLOW);
        match link(name) {
            Err(error) if error.errno == sys::Errno::EXIST => {
                // A link replaces nothing; a rename does.
                let beside = name.with_added_extension(format!("{}.part", std::process::id()));
                link(&beside).map_err(failed)?;
                sys::fs::renameat(CWD, &beside, CWD, name, RenameFlags::empty()).map_err(failed)
            }
            other => other.map_err(failed),
        }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}
