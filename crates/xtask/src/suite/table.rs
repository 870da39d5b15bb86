//! Results as a table for people, file by file, beside those of other runtimes.

use super::results::{Results, Verdict};
use crate::test::Tally;

/// The table, in Markdown.
pub fn markdown(results: &Results, baselines: &[Results]) -> String {
    let all: Vec<&Results> = std::iter::once(results).chain(baselines).collect();
    let mut lines = vec![format!("# {} with {}", results.suite, results.runtime), String::new()];
    lines.push(format!("Linux {}. Tests passed / failed / skipped, {}.", results.kernel, in_same_place(baselines)));
    lines.push(String::new());
    lines.push(row("file", all.iter().map(|one| one.runtime.clone())));
    lines.push(format!("|---|{}", "---:|".repeat(all.len())));
    for file in &results.files {
        let tally = |one: &&Results| one.file(&file.name).map_or(String::new(), |file| cell(file.tally()));
        lines.push(row(&file.name, all.iter().map(tally)));
    }
    lines.push(row("**all tests**", all.iter().map(|one| cell(one.tally()))));
    lines.push(row("**files without a failure**", all.iter().map(|one| one.whole().to_string())));
    lines.push(row("of these without a test", all.iter().map(|one| one.empty().to_string())));
    for baseline in baselines {
        let title = format!("passed by {} and not here", baseline.runtime);
        list(&mut lines, &title, &results.lost(baseline), |file| is_nothing(results, file));
    }
    if !baselines.is_empty() {
        let passed = results.with(Verdict::Passed);
        let alone = passed.filter(|test| !baselines.iter().any(|other| other.verdict(*test) == Some(Verdict::Passed)));
        list(&mut lines, "passed here alone", &alone.collect::<Vec<_>>(), |file| {
            baselines.iter().all(|it| is_nothing(it, file))
        });
        let failed = results.with(Verdict::Failed);
        let by_all = failed.filter(|test| baselines.iter().all(|other| other.verdict(*test) == Some(Verdict::Failed)));
        list(&mut lines, "failed by all", &by_all.collect::<Vec<_>>(), |_| false);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn in_same_place(baselines: &[Results]) -> &'static str {
    if baselines.is_empty() { "by file" } else { "each in the same place; what a machine lacks fails for all" }
}

/// Whether no test of a file passed.
fn is_nothing(results: &Results, file: &str) -> bool {
    results.file(file).is_none_or(|file| file.tally().passed == 0)
}

/// The tests, file by file; of a file that came to nothing on the other side only how many.
fn list(lines: &mut Vec<String>, title: &str, tests: &[(&str, &str)], nothing: impl Fn(&str) -> bool) {
    lines.extend([String::new(), format!("{} {title}{}", tests.len(), if tests.is_empty() { "." } else { ":" })]);
    if !tests.is_empty() {
        lines.push(String::new());
    }
    for tests in tests.chunk_by(|(one, _), (other, _)| one == other) {
        let file = tests[0].0;
        if tests.len() > 1 && nothing(file) {
            lines.push(format!("* {file}: all {}, for it ended before its first", tests.len()));
            continue;
        }
        lines.extend(tests.iter().map(|(file, test)| format!("* {file}: `{}`", test.replace('`', "'"))));
    }
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> String {
    cells.fold(format!("| {first} |"), |row, cell| format!("{row} {cell} |"))
}

fn cell(tally: Tally) -> String {
    format!("{} / {} / {}", tally.passed, tally.failed, tally.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str =
        "# suite s 1\n# runtime corun 2\n# kernel 6\n# file f\nok 1 a\nnot ok 2 b\nnot ok 3 c\n# file g\nok 1 d\n";

    #[test]
    fn a_row_has_a_files_three_numbers() {
        let text = markdown(&Results::parse(HERE), &[]);
        assert!(text.starts_with("# s 1 with corun 2\n"), "{text}");
        assert!(text.contains("| f | 1 / 2 / 0 |\n| g | 1 / 0 / 0 |\n| **all tests** | 2 / 2 / 0 |\n"), "{text}");
    }

    #[test]
    fn files_without_a_failure_are_counted_and_those_that_show_nothing_told() {
        let text = markdown(&Results::parse(&format!("{HERE}# file h\n1..0\n# file i\nnot ok - exit code 1\n")), &[]);
        assert!(text.contains("| **files without a failure** | 2 |\n| of these without a test | 1 |\n"), "{text}");
    }

    #[test]
    fn baselines_stand_beside_and_the_difference_below() {
        let there = Results::parse("# runtime runc 1\n# file f\nok 1 b\nok 2 a # skip\nnot ok 3 c\n");
        let other = Results::parse("# runtime crun 1\n# file f\nok 1 a\nnot ok 2 b\nnot ok 3 c\n");
        let text = markdown(&Results::parse(HERE), &[there, other]);
        assert!(text.contains("| file | corun 2 | runc 1 | crun 1 |\n"), "{text}");
        assert!(text.contains("| f | 1 / 2 / 0 | 1 / 1 / 1 | 1 / 2 / 0 |\n| g | 1 / 0 / 0 |  |  |\n"), "{text}");
        assert!(text.contains("1 passed by runc 1 and not here:\n\n* f: `b`\n"), "{text}");
        assert!(text.contains("0 passed by crun 1 and not here.\n"), "{text}");
        assert!(text.contains("1 passed here alone:\n\n* g: `d`\n"), "{text}");
        assert!(text.contains("1 failed by all:\n\n* f: `c`\n"), "{text}");
    }

    #[test]
    fn a_file_that_came_to_nothing_is_one_line() {
        let there = Results::parse("# runtime runc 1\n# file f\nok 1 a\nok 2 b\n");
        let here = Results::parse("# runtime corun 2\n# file f\nnot ok - exit code 1\n");
        let text = markdown(&here, std::slice::from_ref(&there));
        assert!(text.contains("not here:\n\n* f: all 2, for it ended before its first\n"), "{text}");
        assert!(markdown(&there, &[here]).contains("2 passed here alone:\n\n* f: all 2, for it"), "{text}");
    }
}
