//! The guest's kernel as a program of this machine: where it is, and what it needs on a processor with AMX.
//!
//! User-Mode-Linux sets the wide registers of its processes by ptrace(2), 2696 bytes of them, which is what AVX-512 and
//! protection keys take: Linux 6.1 has the number compiled in. Where the processor has AMX the machine's kernel takes
//! 11008 bytes and nothing less (PTRACE_SETREGSET of NT_X86_XSTATE: EFAULT), and the guest's first process dies in its
//! first instruction. So a copy of the program is started there that hands over as many bytes as are asked for. What
//! lies behind the first 2696 is read and not used: the header in them says that AMX holds nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Error, Result};
use crate::programs::on_path;

/// How a size stands before the number of the call, in machine code: the end of `mov [rbp-8], 2696`, and
/// `mov edi, PTRACE_SETREGSET`.
const NARROW: [u8; 9] = [0x88, 0x0a, 0, 0, 0xbf, 0x05, 0x42, 0, 0];
/// 11008 in its place: 2816 bytes up to the tiles, and eight tiles of a kilobyte.
const WIDE: [u8; 9] = [0x00, 0x2b, 0, 0, 0xbf, 0x05, 0x42, 0, 0];

/// The kernel's file, as it was installed.
pub fn installed() -> Result<PathBuf> {
    on_path("linux.uml").ok_or_else(|| {
        Error::Found("the User-Mode-Linux kernel linux.uml is missing: apt-get install user-mode-linux".to_owned())
    })
}

/// The file to start on this processor: the one installed, or a copy in `dir`.
pub fn for_this_processor(dir: &Path) -> Result<PathBuf> {
    let installed = installed()?;
    if !fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" amx_tile")) {
        return Ok(installed);
    }
    let program = fs::read(&installed).doing(|| format!("reading {}", installed.display()))?;
    // One that does not have the number where it is known to be may well be newer and need no help.
    let Some(program) = widened(program) else { return Ok(installed) };
    let copy = dir.join("linux.uml");
    let written = fs::write(&copy, program).and_then(|()| fs::set_permissions(&copy, Permissions::from_mode(0o755)));
    written.doing(|| format!("writing {}", copy.display()))?;
    Ok(copy)
}

/// The program with the wide size in the place of the narrow one, if that stands there just once.
fn widened(mut program: Vec<u8>) -> Option<Vec<u8>> {
    let mut places = program.windows(NARROW.len()).enumerate().filter(|(_, bytes)| *bytes == NARROW);
    let (Some((at, _)), None) = (places.next(), places.next()) else { return None };
    drop(places);
    program.get_mut(at..at + WIDE.len())?.copy_from_slice(&WIDE);
    Some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_changed_where_it_stands_once_and_nowhere_else() {
        let program = [&[1, 2][..], &NARROW, &[3]].concat();
        assert_eq!(widened(program), Some([&[1, 2][..], &WIDE, &[3]].concat()));
        assert_eq!(widened(vec![0; 100]), None);
        assert_eq!(widened([NARROW, NARROW].concat()), None);
        assert_eq!(u32::from_le_bytes([NARROW[0], NARROW[1], NARROW[2], NARROW[3]]), 2696);
        assert_eq!(u32::from_le_bytes([WIDE[0], WIDE[1], WIDE[2], WIDE[3]]), 11008);
    }
}
