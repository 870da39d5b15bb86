//! That a package has no unsafe code: each of its libraries and programs forbids it, and none of its files, tests and
//! build scripts included, has the word outside comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Result};
use crate::metadata::Package;
use crate::source;

const FORBID: &str = "#![forbid(unsafe_code)]";

/// The breaches of a package, one text each.
pub fn breaches(package: &Package) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    let built = |kinds: &[String]| kinds.iter().any(|kind| matches!(kind.as_str(), "lib" | "bin"));
    for target in package.targets.iter().filter(|target| built(&target.kind)) {
        if !read(&target.src_path)?.lines().any(|line| line.trim() == FORBID) {
            breaches.push(format!("{} lacks {FORBID}", target.src_path.display()));
        }
    }
    let mut dirs: Vec<PathBuf> =
        package.targets.iter().filter_map(|t| t.src_path.parent().map(PathBuf::from)).collect();
    dirs.sort();
    dirs.dedup();
    for dir in &dirs {
        for path in source::rust_files(dir)? {
            for line in lines_with_unsafe(&read(&path)?) {
                breaches.push(format!("{}:{line} has unsafe code", path.display()));
            }
        }
    }
    breaches.sort();
    breaches.dedup();
    Ok(breaches)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).doing(|| format!("reading {}", path.display()))
}

/// The numbers of the lines that hold the keyword.
fn lines_with_unsafe(text: &str) -> Vec<usize> {
    let code = source::without_comments_and_strings(text);
    let word = |line: &str| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "unsafe");
    code.lines().enumerate().filter(|(_, line)| word(line)).map(|(at, _)| at + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_is_found_where_it_is_code() {
        let text = "fn a() {}\nunsafe fn b() {}\nfn c() { unsafe { b() } }\n";
        assert_eq!(lines_with_unsafe(text), [2, 3]);
    }

    #[test]
    fn words_about_it_are_not_code() {
        let text = "//! unsafe\n/* unsafe\n unsafe */ #![forbid(unsafe_code)]\nlet a = \"unsafe \\\" unsafe\";\nlet b = r#\"unsafe \" \"#;\n";
        assert_eq!(lines_with_unsafe(text), [0; 0]);
    }
}
