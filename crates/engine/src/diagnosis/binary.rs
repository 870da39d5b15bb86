//! What the first bytes of a file say about who runs it: a script's first line (execve(2)), or an ELF header (elf(5)).
//! The file is the image's, hence hostile: every number is checked before it is used.

use super::tree::Found;

/// As much of a file as the kernel looks at to see what it is (BINPRM_BUF_SIZE).
const HEAD: usize = 256;

/// What a file is to execve(2).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Binary {
    /// `#!` and this interpreter, as it stands there.
    Script(String),
    /// For a machine, with a loader if it wants one.
    Elf { machine: u16, loader: Option<String> },
    /// Text without a first line that names an interpreter.
    Text,
    /// Nothing in it.
    Empty,
    /// None of these.
    Other,
}

impl Binary {
    /// Looks.
    pub fn of(file: &Found) -> Option<Self> {
        let mut head = [0; HEAD];
        let length = file.head(&mut head)?;
        Self::parse(&head[..length], |offset, length| file.part(offset, length))
    }

    fn parse(head: &[u8], part: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Self> {
        if head.is_empty() {
            return Some(Self::Empty);
        }
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = line.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
            let line = std::str::from_utf8(line).ok()?.trim_start_matches([' ', '\t']);
            // A carriage return is part of the name, as the kernel sees it.
            let name = line.split([' ', '\t']).next().unwrap_or_default();
            return Some(Self::Script(name.to_owned()));
        }
        if head.starts_with(b"\x7fELF") {
            return Self::elf(head, part);
        }
        let is_text = std::str::from_utf8(head).map_or_else(|error| error.valid_up_to() + 4 > head.len(), |_| true);
        Some(if is_text && !head.contains(&0) { Self::Text } else { Self::Other })
    }

    fn elf(head: &[u8], part: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Self> {
        const PT_INTERP: u32 = 3;
        /// More than any linker writes.
        const MOST_HEADERS: u16 = 128;
        let numbers = Numbers { big: *head.get(5)? == 2, wide: *head.get(4)? == 2 };
        let machine = numbers.short(head, 18)?;
        let (offset, size, count) = if numbers.wide {
            (numbers.word(head, 32, 8)?, numbers.short(head, 54)?, numbers.short(head, 56)?)
        } else {
            (numbers.word(head, 28, 4)?, numbers.short(head, 42)?, numbers.short(head, 44)?)
        };
        let loader = || {
            let headers = part(offset, usize::from(size) * usize::from(count.min(MOST_HEADERS)))?;
            let interp = headers
                .chunks_exact(usize::from(size.max(1)))
                .find(|header| numbers.word(header, 0, 4) == Some(u64::from(PT_INTERP)))?;
            let (at, length) = if numbers.wide {
                (numbers.word(interp, 8, 8)?, numbers.word(interp, 32, 8)?)
            } else {
                (numbers.word(interp, 4, 4)?, numbers.word(interp, 16, 4)?)
            };
            let name = part(at, usize::try_from(length).ok().filter(|length| *length <= 4096)?)?;
            let name = name.split(|byte| *byte == 0).next()?;
            String::from_utf8(name.to_vec()).ok().filter(|name| !name.is_empty())
        };
        Some(Self::Elf { machine, loader: loader() })
    }
}

/// How an ELF file writes numbers.
struct Numbers {
    big: bool,
    wide: bool,
}

impl Numbers {
    fn word(&self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    fn short(&self, bytes: &[u8], at: usize) -> Option<u16> {
        self.word(bytes, at, 2).and_then(|number| u16::try_from(number).ok())
    }
}

/// A machine of an ELF header as `uname -m` would call it (elf.h), and as `--platform` calls it.
pub(super) fn machine(number: u16) -> (String, Option<&'static str>) {
    let (name, platform) = match number {
        3 => ("i386", "linux/386"),
        8 => ("mips", "linux/mips64le"),
        20 => ("ppc", "linux/ppc"),
        21 => ("ppc64", "linux/ppc64le"),
        22 => ("s390x", "linux/s390x"),
        40 => ("arm", "linux/arm"),
        62 => ("x86_64", "linux/amd64"),
        183 => ("aarch64", "linux/arm64"),
        243 => ("riscv64", "linux/riscv64"),
        258 => ("loongarch64", "linux/loong64"),
        _ => return (format!("machine number {number}"), None),
    };
    (name.to_owned(), Some(platform))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(bytes: &[u8]) -> Option<Binary> {
        Binary::parse(&bytes[..bytes.len().min(HEAD)], |offset, length| {
            let rest = bytes.get(usize::try_from(offset).ok()?..)?;
            Some(rest[..length.min(rest.len())].to_vec())
        })
    }

    #[test]
    fn a_first_line_names_what_the_kernel_looks_for() {
        let script = |name: &str| Some(Binary::Script(name.to_owned()));
        assert_eq!(of(b"#!/bin/sh -e\necho"), script("/bin/sh"));
        assert_eq!(of(b"#! \t/bin/sh"), script("/bin/sh"));
        assert_eq!(of(b"#!/bin/sh\r\necho"), script("/bin/sh\r"));
        assert_eq!(of(b"echo hello\n"), Some(Binary::Text));
        assert_eq!(of(b""), Some(Binary::Empty));
        assert_eq!(of(b"\x00\x01"), Some(Binary::Other));
    }

    #[test]
    fn this_machines_own_programs_name_its_loader() {
        let shell = std::fs::read("/bin/sh").expect("a shell");
        let Some(Binary::Elf { machine: number, loader }) = of(&shell) else { panic!("no ELF") };
        let uname = rustix::system::uname();
        assert_eq!(machine(number).0, uname.machine().to_string_lossy());
        assert!(loader.is_none_or(|loader| std::path::Path::new(&loader).exists()));
    }

    proptest! {
        #[test]
        fn hostile_headers_give_no_panic(mut bytes: Vec<u8>) {
            let _ = of(&bytes);
            bytes.splice(0..0, *b"\x7fELF\x02\x01");
            let _ = of(&bytes);
            bytes[4] = 1;
            let _ = of(&bytes);
        }
    }
}
