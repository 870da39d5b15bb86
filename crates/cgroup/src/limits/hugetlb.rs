//! Huge pages by size: those in use, and those reserved (Linux 5.7), which a limit on use alone would let through.

use super::invalid;
use crate::{Cgroup, Controller, Error, Result};
use oci::runtime::HugepageLimit;
use rustix::io::Errno;

const FIELD: &str = "hugepageLimits";

pub(super) fn apply(cgroup: &Cgroup, limits: &[HugepageLimit]) -> Result<()> {
    for HugepageLimit { page_size, limit } in limits {
        if !is_size(page_size) {
            return Err(invalid(FIELD, page_size, "is no page size such as 2MB"));
        }
        let branch = cgroup.need(Controller::Hugetlb, FIELD)?;
        let file = if branch.is_v2() { "max" } else { "limit_in_bytes" };
        let write = |name: &str| branch.write(Controller::Hugetlb, name, &limit.to_string());
        let absent = |error: &Error| matches!(error, Error::Refused { source, .. } if source.errno == Errno::NOENT);
        write(&format!("hugetlb.{page_size}.{file}")).map_err(|error| {
            if absent(&error) {
                return invalid(FIELD, page_size, format!("is no page size of this machine, which has {}", sizes()));
            }
            error
        })?;
        match write(&format!("hugetlb.{page_size}.rsvd.{file}")) {
            Err(error) if absent(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

/// A number and a unit and nothing else: it becomes a part of a file's name.
fn is_size(text: &str) -> bool {
    ["KB", "MB", "GB"]
        .iter()
        .filter_map(|unit| text.strip_suffix(unit))
        .any(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The machine's page sizes as the controller writes them.
fn sizes() -> String {
    let names = std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    let kilobytes = names.filter_map(|entry| {
        entry.file_name().to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<u64>().ok()
    });
    let mut kilobytes: Vec<_> = kilobytes.collect();
    kilobytes.sort_unstable();
    let named: Vec<_> = kilobytes.into_iter().map(size_name).collect();
    if named.is_empty() { "no huge pages".to_owned() } else { named.join(", ") }
}

fn size_name(kilobytes: u64) -> String {
    match kilobytes {
        k if k >= 1 << 20 => format!("{}GB", k >> 20),
        k if k >= 1 << 10 => format!("{}MB", k >> 10),
        k => format!("{k}KB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_size_becomes_a_part_of_a_file_name() {
        assert!(is_size("2MB") && is_size("64KB"));
        for text in ["", "MB", "../2MB", "2MB/", "2 MB", "2", "2mb"] {
            assert!(!is_size(text), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_named_as_the_controller_names_them() {
        assert_eq!([64, 2048, 1 << 20].map(size_name), ["64KB", "2MB", "1GB"]);
    }
}
