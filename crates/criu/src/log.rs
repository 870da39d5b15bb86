//! What criu writes about its work: long, and with the cause of a failure somewhere in it.

/// How many lines are told.
const MOST: usize = 3;

/// The errors in a log, the last ones, as one line. A line has the form `(00.014597) Error (criu/vdso.c:381): …`.
pub fn errors(log: &str) -> Option<String> {
    let error = |line: &str| {
        let (_, text) = line.split_once("Error (")?;
        let (_, text) = text.split_once("): ")?;
        let printed = text.chars().map(|c| if c.is_control() { '?' } else { c });
        Some(printed.collect::<String>().trim().to_owned())
    };
    let errors: Vec<String> = log.lines().filter_map(error).filter(|text| !text.is_empty()).collect();
    let last = errors.len().saturating_sub(MOST);
    (!errors.is_empty()).then(|| errors[last..].join("; "))
}

#[cfg(test)]
mod tests {
    use super::errors;

    #[test]
    fn the_last_errors_are_told_and_nothing_that_moves_a_cursor() {
        let log = "(00.1) vdso: Parsing\n(00.2) Error (criu/vdso.c:381): vdso: Unexpected\x1b[2J bounds\n\
                   (00.3) Warn  (criu/x.c:1): no\n(00.4) Error (criu/crtools.c:260): Could not initialize.\n";
        assert_eq!(errors(log).unwrap(), "vdso: Unexpected?[2J bounds; Could not initialize.");
        assert_eq!(errors("(00.1) all is well\nError\nError (\n"), None);
    }
}
