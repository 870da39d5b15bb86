//! The two kinds of pattern that filters have: a shell's, for names of images, and a plain part of regular expressions,
//! for names of containers.

/// A shell's pattern as Go's path.Match reads it: `*` and `?` stand for anything but a slash, `[a-z]` and `[^a-z]` for one
/// of these; a backslash takes the next character as it is. `None` for a pattern that is none.
pub fn glob(pattern: &str, text: &str) -> Option<bool> {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let steps = parse(&pattern)?;
    // For each step, from where the text may go on: no pattern takes more than its length times the text's.
    let mut at = vec![false; text.len() + 1];
    at[0] = true;
    for step in &steps {
        let mut next = vec![false; text.len() + 1];
        for from in 0..=text.len() {
            if !at[from] {
                continue;
            }
            match step {
                Step::Any => {
                    let end = text[from..].iter().position(|c| *c == '/').map_or(text.len(), |slash| from + slash);
                    next[from..=end].fill(true);
                }
                Step::One(one) => {
                    if text.get(from).is_some_and(|c| one.takes(*c)) {
                        next[from + 1] = true;
                    }
                }
            }
        }
        at = next;
    }
    at.pop()
}

enum Step {
    Any,
    One(One),
}

enum One {
    Anything,
    This(char),
    Of { ranges: Vec<(char, char)>, not: bool },
}

impl One {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Anything => c != '/',
            Self::This(this) => *this == c,
            Self::Of { ranges, not } => ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *not,
        }
    }
}

fn parse(pattern: &[char]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = pattern.iter().copied();
    while let Some(c) = rest.next() {
        steps.push(match c {
            '*' => Step::Any,
            '?' => Step::One(One::Anything),
            '\\' => Step::One(One::This(rest.next()?)),
            '[' => {
                let mut ranges = Vec::new();
                let mut next = rest.next()?;
                let not = next == '^';
                if not {
                    next = rest.next()?;
                }
                while next != ']' || ranges.is_empty() {
                    let first = if next == '\\' { rest.next()? } else { next };
                    next = rest.next()?;
                    let mut last = first;
                    if next == '-' {
                        last = rest.next()?;
                        if last == '\\' {
                            last = rest.next()?;
                        }
                        next = rest.next()?;
                    }
                    ranges.push((first, last));
                }
                Step::One(One::Of { ranges, not })
            }
            c => Step::One(One::This(c)),
        });
    }
    Some(steps)
}

/// A name's part by a regular expression of `^ $ . * + ? \\` and plain characters; `None` for one that needs more.
pub fn finds(expression: &str, text: &str) -> Option<bool> {
    let (anchored, rest) = expression.strip_prefix('^').map_or((false, expression), |rest| (true, rest));
    let (to_end, rest) = match rest.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => (true, rest),
        _ => (false, rest),
    };
    let mut atoms: Vec<(One, char)> = Vec::new();
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        let one = match c {
            '*' | '+' | '?' => {
                let last = atoms.last_mut().filter(|(_, count)| *count == ' ')?;
                last.1 = c;
                continue;
            }
            '^' | '$' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => return None,
            '.' => One::Of { ranges: Vec::new(), not: true },
            '\\' => One::This(characters.next().filter(char::is_ascii_punctuation)?),
            c => One::This(c),
        };
        atoms.push((one, ' '));
    }
    let text: Vec<char> = text.chars().collect();
    let mut at = vec![!anchored; text.len() + 1];
    at[0] = true;
    for (one, count) in &atoms {
        let mut next = vec![false; text.len() + 1];
        for from in 0..=text.len() {
            let stays = at[from] && matches!(count, '*' | '?');
            let goes = from > 0 && one.takes(text[from - 1]) && {
                at[from - 1] || (matches!(count, '*' | '+') && next[from - 1])
            };
            next[from] = stays || goes;
        }
        at = next;
    }
    Some(if to_end { at[text.len()] } else { at.contains(&true) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gos_path_match() {
        // The cases of Go's own table, path/match_test.go, by what the documentation says of them.
        for (pattern, text, expected) in [
            ("abc", "abc", Some(true)),
            ("*", "abc", Some(true)),
            ("*c", "abc", Some(true)),
            ("a*", "ab/c", Some(false)),
            ("a*/b", "abc/b", Some(true)),
            ("a*/b", "a/c/b", Some(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Some(false)),
            ("ab[c]", "abc", Some(true)),
            ("ab[b-d]", "abc", Some(true)),
            ("ab[e-g]", "abc", Some(false)),
            ("ab[^c]", "abc", Some(false)),
            ("a\\*b", "a*b", Some(true)),
            ("a\\*b", "ab", Some(false)),
            ("a?b", "a/b", Some(false)),
            ("[a-", "a", None),
            ("a[", "a", None),
            ("\\", "a", None),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_part_of_a_name_is_found_by_expressions_that_grep_knows() {
        // As `grep -E` finds them.
        for (expression, text, expected) in [
            ("b", "abc", Some(true)),
            ("^b", "abc", Some(false)),
            ("^a.*c$", "abbbc", Some(true)),
            ("^ab+c$", "ac", Some(false)),
            ("^ab?c$", "ac", Some(true)),
            ("^web-1$", "web-10", Some(false)),
            ("a\\.b", "axb", Some(false)),
            ("c$", "cb", Some(false)),
            ("", "abc", Some(true)),
            ("(a|b)", "a", None),
            ("*a", "a", None),
        ] {
            assert_eq!(finds(expression, text), expected, "{expression} {text}");
        }
    }
}
