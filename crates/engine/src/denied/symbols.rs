//! The names of addresses in the kernel, from /proc/kallsyms: a hundred thousand lines, read only when there is something
//! to name.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};

/// Names of addresses; an address is that of the function in which it lies.
#[derive(Debug, Default)]
pub struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// Finds the names of those that it does not know yet.
    pub fn learn(&mut self, addresses: impl Iterator<Item = u64>) {
        let mut wanted: Vec<u64> = addresses.filter(|address| !self.0.contains_key(address)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return;
        }
        let Ok(file) = std::fs::File::open("/proc/kallsyms") else { return };
        // Of each the nearest function that begins before it.
        let mut nearest: Vec<(u64, String)> = vec![(0, String::new()); wanted.len()];
        let (first, last) = (wanted[0], wanted[wanted.len() - 1]);
        let mut symbols = Vec::new();
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            let mut words = line.split([' ', '\t']);
            let (Some(address), Some("T" | "t" | "W" | "w"), Some(name)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            // Those before the first can only matter as the one right before it.
            if address <= last && (address > first || nearest.first().is_some_and(|(known, _)| address > *known)) {
                if address <= first {
                    nearest[0] = (address, name.to_owned());
                } else {
                    symbols.push((address, name.to_owned()));
                }
            }
        }
        symbols.push(nearest.swap_remove(0));
        symbols.sort();
        for address in wanted {
            let at = symbols.partition_point(|(begin, _)| *begin <= address);
            let name = at.checked_sub(1).and_then(|at| symbols.get(at)).map(|(_, name)| name.clone());
            self.0.insert(address, name.unwrap_or_default());
        }
    }

    /// The name of one.
    pub fn name(&self, address: u64) -> &str {
        self.0.get(&address).map_or("", String::as_str)
    }
}
