//! Lists of numbers as the kernel writes them, `0-3,7`: CPUs and memory nodes.

/// Numbers above it are refused, so that no list makes us allocate gigabytes: ten times what any kernel is built for.
const LARGEST: u32 = 64 << 10;

/// A set of CPUs or memory nodes; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSet(Vec<u64>);

impl CpuSet {
    /// Reads a list such as `0-3,7`. Spaces around the parts and doubled commas are no error, as in runc.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |word: &str| match word.parse::<u32>() {
            Ok(number) if number <= LARGEST && word.starts_with(|c: char| c.is_ascii_digit()) => Ok(number),
            Ok(_) => Err(format!("{word:?} in {text:?} is no number up to {LARGEST}")),
            Err(error) => Err(format!("{word:?} in {text:?}: {error}")),
        };
        let mut words = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("range {part} in {text:?} runs backwards"));
            }
            for member in first..=last {
                let at = member as usize / 64;
                if at >= words.len() {
                    words.resize(at + 1, 0);
                }
                words[at] |= 1 << (member % 64);
            }
        }
        if words.is_empty() { Err(format!("{text:?} has no member")) } else { Ok(Self(words)) }
    }

    /// The bits, lowest first, as system calls take them.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// How many members it has.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The bits as bytes of this machine's order.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

/// All bits as one number.
impl std::fmt::LowerHex for CpuSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.0.iter().rev().map(|word| format!("{word:016x}")).collect();
        let digits = words.concat();
        f.pad_integral(true, "0x", digits.trim_start_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        for (text, words) in [
            ("0", vec![1]),
            ("0-3,7", vec![0b1000_1111]),
            (" 1 , ,2,", vec![0b110]),
            ("63-64", vec![1 << 63, 1]),
            ("4095", [vec![0; 63], vec![1 << 63]].concat()),
        ] {
            assert_eq!(CpuSet::parse(text).map(|set| set.0), Ok(words), "{text}");
        }
        assert_eq!(CpuSet::parse("0-65535").map(|set| set.count()), Ok(65_536));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", " , ", "-1", "1-", "3-1", "a", "0-9876543210", "65537", "1-2-3", "+1", "0x1", "1 - 2"] {
            assert!(CpuSet::parse(text).is_err(), "{text:?}");
        }
    }
}
