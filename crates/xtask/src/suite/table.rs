//! Results as a table for people, file by file, beside another runtime's where there is a baseline.

use super::results::{Results, Verdict};
use crate::test::Tally;

/// The table, in Markdown.
pub fn markdown(results: &Results, baseline: Option<&Results>) -> String {
    let mut lines = vec![format!("# {} with {}", results.suite, results.runtime), String::new()];
    match baseline {
        Some(baseline) => beside(results, baseline, &mut lines),
        None => alone(results, &mut lines),
    }
    lines.push(String::new());
    lines.join("\n")
}

fn alone(results: &Results, lines: &mut Vec<String>) {
    lines.extend([format!("Linux {}.", results.kernel), String::new()]);
    lines.push("| file | passed | failed | skipped |".to_owned());
    lines.push("|---|---:|---:|---:|".to_owned());
    for file in &results.files {
        lines.push(format!("| {} | {} |", file.name, cells(file.tally())));
    }
    lines.push(format!("| **all** | {} |", cells(results.tally())));
}

fn beside(results: &Results, baseline: &Results, lines: &mut Vec<String>) {
    lines.push(format!("Linux {}. Passed, failed, skipped; beside it {}, in", results.kernel, baseline.runtime));
    lines.push("the same place. What a machine lacks fails for both.".to_owned());
    lines.push(String::new());
    lines.push("| file | passed | failed | skipped | passed | failed | skipped |".to_owned());
    lines.push("|---|---:|---:|---:|---:|---:|---:|".to_owned());
    for file in &results.files {
        let there = baseline.file(&file.name).map(|file| cells(file.tally()));
        lines.push(format!("| {} | {} | {} |", file.name, cells(file.tally()), there.unwrap_or("| |".to_owned())));
    }
    lines.push(format!("| **all** | {} | {} |", cells(results.tally()), cells(baseline.tally())));
    list(lines, "passed there alone", &results.lost(baseline));
    list(lines, "passed here alone", &baseline.lost(results));
    list(lines, "failed by both", &both_fail(results, baseline));
}

/// The tests that fail for either runtime, with their files.
fn both_fail<'a>(here: &'a Results, there: &Results) -> Vec<(&'a str, &'a str)> {
    let mut both = Vec::new();
    for (here, there) in here.files.iter().filter_map(|file| Some((file, there.file(&file.name)?))) {
        let failed = here.tests.iter().filter(|(_, verdict)| **verdict == Verdict::Failed);
        let too = failed.filter(|(name, _)| there.tests.get(*name) == Some(&Verdict::Failed));
        both.extend(too.map(|(name, _)| (here.name.as_str(), name.as_str())));
    }
    both
}

fn list(lines: &mut Vec<String>, title: &str, tests: &[(&str, &str)]) {
    lines.extend([String::new(), format!("{} {title}{}", tests.len(), if tests.is_empty() { "." } else { ":" })]);
    if !tests.is_empty() {
        lines.push(String::new());
        lines.extend(tests.iter().map(|(file, test)| format!("* {file}: `{}`", test.replace('`', "'"))));
    }
}

fn cells(tally: Tally) -> String {
    format!("{} | {} | {}", tally.passed, tally.failed, tally.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "# suite s 1\n# runtime corun 2\n# kernel 6\n# file f\nok 1 a\nnot ok 2 b\nnot ok 3 c\n";

    #[test]
    fn a_row_has_a_files_three_numbers() {
        let text = markdown(&Results::parse(HERE), None);
        assert!(text.starts_with("# s 1 with corun 2\n"), "{text}");
        assert!(text.contains("| f | 1 | 2 | 0 |\n| **all** | 1 | 2 | 0 |\n"), "{text}");
    }

    #[test]
    fn a_baseline_stands_beside_and_the_difference_below() {
        let there = Results::parse("# runtime runc 1\n# file f\nok 1 b\nok 2 a # skip\nnot ok 3 c\n");
        let text = markdown(&Results::parse(HERE), Some(&there));
        assert!(text.contains("| f | 1 | 2 | 0 | 1 | 1 | 1 |\n"), "{text}");
        assert!(text.contains("1 passed there alone:\n\n* f: `b`\n"), "{text}");
        assert!(text.contains("1 passed here alone:\n\n* f: `a`\n"), "{text}");
        assert!(text.contains("1 failed by both:\n\n* f: `c`\n"), "{text}");
    }
}
