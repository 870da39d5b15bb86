//! As much of an ELF file as tells whether a program is static and which symbols it has. 64-bit little-endian only, which
//! is what we build; anything out of bounds reads as absent.

/// A parsed file.
pub struct Elf<'a> {
    bytes: &'a [u8],
    segments: Vec<Segment>,
    sections: Vec<Section>,
}

struct Segment {
    kind: u32,
    offset: usize,
    size: usize,
}

struct Section {
    kind: u32,
    link: usize,
    offset: usize,
    size: usize,
}

/// Program header types, elf(5).
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
/// Section header type, elf(5).
const SHT_SYMTAB: u32 = 2;
/// Dynamic tag, elf(5).
const DT_NEEDED: u64 = 1;

impl<'a> Elf<'a> {
    /// Reads the headers; nothing where this is no such file.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        // Magic, 64 bits, little-endian.
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let half = |at: usize| number(bytes, at, 2);
        let (segments_at, sections_at) = (number(bytes, 32, 8)?, number(bytes, 40, 8)?);
        let segments = (0..half(56)?).map(|index| {
            let at = place(segments_at, index, half(54)?)?;
            let (kind, offset) = (number(bytes, at, 4)?, number(bytes, at + 8, 8)?);
            Some(Segment { kind: kind as u32, offset: offset as usize, size: number(bytes, at + 32, 8)? as usize })
        });
        let sections = (0..half(60)?).map(|index| {
            let at = place(sections_at, index, half(58)?)?;
            Some(Section {
                kind: number(bytes, at + 4, 4)? as u32,
                link: number(bytes, at + 40, 4)? as usize,
                offset: number(bytes, at + 24, 8)? as usize,
                size: number(bytes, at + 32, 8)? as usize,
            })
        });
        let (segments, sections) = (segments.collect::<Option<_>>()?, sections.collect::<Option<_>>()?);
        Some(Self { bytes, segments, sections })
    }

    /// The loader that the kernel is asked to start it with, if it is dynamic.
    pub fn interpreter(&self) -> Option<String> {
        let segment = self.segments.iter().find(|segment| segment.kind == PT_INTERP)?;
        let name = self.bytes.get(segment.offset..segment.offset.checked_add(segment.size)?)?;
        Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned())
    }

    /// Whether it names shared libraries. A static program that can be loaded anywhere has a dynamic section, too, but
    /// names none in it.
    pub fn needs_libraries(&self) -> bool {
        let dynamic = self.segments.iter().filter(|segment| segment.kind == PT_DYNAMIC);
        let mut tags = dynamic.flat_map(|segment| (0..segment.size / 16).map(|index| segment.offset + index * 16));
        tags.any(|at| number(self.bytes, at, 8) == Some(DT_NEEDED))
    }

    /// Whether the symbol table has this name.
    pub fn has_symbol(&self, name: &str) -> bool {
        let tables = self.sections.iter().filter(|section| section.kind == SHT_SYMTAB);
        tables.into_iter().any(|table| {
            let Some(strings) = self.sections.get(table.link) else { return false };
            (0..table.size / 24).any(|index| {
                let named = number(self.bytes, table.offset + index * 24, 4)
                    .and_then(|at| self.bytes.get(strings.offset.checked_add(at as usize)?..))
                    .and_then(|rest| rest.strip_prefix(name.as_bytes()));
                named.is_some_and(|rest| rest.first() == Some(&0))
            })
        })
    }
}

fn place(table: u64, index: u64, size: u64) -> Option<usize> {
    index.checked_mul(size)?.checked_add(table)?.try_into().ok()
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    fn compile(dir: &Path, source: &str, flags: &[&str]) -> Vec<u8> {
        let (from, to) = (dir.join("a.c"), dir.join("a"));
        fs::write(&from, source).unwrap();
        assert!(Command::new("cc").args(flags).arg("-o").arg(&to).arg(&from).status().unwrap().success());
        fs::read(to).unwrap()
    }

    #[test]
    fn a_dynamic_program_is_seen_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = compile(dir.path(), "int main(void) { return 0; }", &[]);
        let elf = Elf::parse(&bytes).unwrap();
        assert!(elf.interpreter().unwrap().contains("ld-linux"));
        assert!(elf.needs_libraries());
    }

    #[test]
    fn a_static_program_and_its_symbols_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = compile(dir.path(), "int main(void) { return 0; }", &["-static-pie"]);
        let elf = Elf::parse(&bytes).unwrap();
        assert_eq!(elf.interpreter(), None);
        assert!(!elf.needs_libraries());
        assert!(elf.has_symbol("main"));
        assert!(!elf.has_symbol("mai") && !elf.has_symbol(super::super::NSS));
    }

    #[test]
    fn a_lookup_through_nss_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let source = "#include <pwd.h>\nint main(void) { return getpwuid(0) == 0; }";
        let bytes = compile(dir.path(), source, &["-static", "-Wl,--no-warnings"]);
        assert!(Elf::parse(&bytes).unwrap().has_symbol(super::super::NSS));
    }

    #[test]
    fn no_prefix_of_a_program_makes_it_panic() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = compile(dir.path(), "int main(void) { return 0; }", &[]);
        for length in (0..bytes.len()).step_by(97) {
            if let Some(elf) = Elf::parse(&bytes[..length]) {
                let _ = (elf.interpreter(), elf.needs_libraries(), elf.has_symbol("main"));
            }
        }
    }
}
