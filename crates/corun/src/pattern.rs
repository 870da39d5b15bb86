//! A regular expression for ids, as crun's `--regex` takes it: POSIX's extended ones (regex(7)), found anywhere in the id
//! unless `^` and `$` hold it.
//!
//! Matched by stepping through all states at once, so that no expression takes longer than its length times the id's.

/// A compiled expression: a program for a machine that is in several places at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// One character of these ranges, or one that is in none of them.
    Of {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// Any character.
    Any,
    Begin,
    End,
    /// Goes on at both places, relative to here.
    Fork(isize, isize),
    /// Goes on at a place.
    Go(isize),
}

/// How large an expression may become by repetition; regcomp(3)'s limit of a count is 255.
const LARGEST: usize = 10_000;
const MOST: usize = 255;

impl Pattern {
    /// Reads an expression; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let mut parser = Parser { rest: text, depth: 0 };
        let steps = parser.alternatives()?;
        if parser.rest.is_empty() { Ok(Self(steps)) } else { Err("a ) without its (") }
    }

    /// Does it match somewhere in `text`?
    pub fn matches(&self, text: &str) -> bool {
        let mut states = vec![false; self.0.len() + 1];
        let mut rest = text.chars();
        let mut first = true;
        loop {
            let next = rest.next();
            self.enter(0, &mut states, first, next.is_none());
            // Whatever is entered by a step that consumed has been followed when it was entered.
            if states[self.0.len()] {
                return true;
            }
            let Some(c) = next else { return false };
            first = false;
            let end = rest.as_str().is_empty();
            let mut after = vec![false; states.len()];
            for (at, step) in self.0.iter().enumerate().filter(|(at, _)| states[*at]) {
                let fits = match step {
                    Step::Any => true,
                    Step::Of { ranges, negated } => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated,
                    _ => false,
                };
                if fits {
                    self.enter(at + 1, &mut after, false, end);
                }
            }
            states = after;
        }
    }

    /// Marks a place and all that is reached from it without a character.
    fn enter(&self, at: usize, states: &mut [bool], begin: bool, end: bool) {
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut states[at], true) {
                continue;
            }
            match self.0.get(at) {
                Some(Step::Begin) if begin => open.push(at + 1),
                Some(Step::End) if end => open.push(at + 1),
                Some(Step::Go(by)) => open.push(at.saturating_add_signed(*by)),
                Some(Step::Fork(one, other)) => {
                    open.extend([at.saturating_add_signed(*one), at.saturating_add_signed(*other)]);
                }
                _ => {}
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

type Steps = Result<Vec<Step>, &'static str>;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        self.peek() == Some(c) && self.take().is_some()
    }

    fn alternatives(&mut self) -> Steps {
        let mut steps = self.sequence()?;
        while self.eat('|') {
            let other = self.sequence()?;
            let mut both = vec![Step::Fork(1, steps.len() as isize + 2)];
            both.append(&mut steps);
            both.push(Step::Go(other.len() as isize + 1));
            both.extend(other);
            steps = both;
        }
        Ok(steps)
    }

    fn sequence(&mut self) -> Steps {
        let mut all = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && (c != ')' || self.depth == 0)) {
            let mut one = self.atom()?;
            while let Some((least, most)) = self.count()? {
                one = repeated(&one, least, most)?;
            }
            all.extend(one);
            if all.len() > LARGEST {
                return Err("it is too large");
            }
        }
        Ok(all)
    }

    fn atom(&mut self) -> Steps {
        let one = |c| vec![Step::Of { ranges: vec![(c, c)], negated: false }];
        Ok(match self.take() {
            Some('(') => {
                self.depth += 1;
                if self.depth > 100 {
                    return Err("it is nested too deeply");
                }
                let steps = self.alternatives()?;
                self.depth -= 1;
                if !self.eat(')') {
                    return Err("a ( without its )");
                }
                steps
            }
            Some('[') => self.brackets()?,
            Some('.') => vec![Step::Any],
            Some('^') => vec![Step::Begin],
            Some('$') => vec![Step::End],
            Some(')') => return Err("a ) without its ("),
            Some('*' | '+' | '?') => return Err("nothing to repeat"),
            Some('\\') => one(self.take().ok_or("a \\ at its end")?),
            Some(c) => one(c),
            None => Vec::new(),
        })
    }

    fn brackets(&mut self) -> Steps {
        let negated = self.eat('^');
        let mut ranges = Vec::new();
        loop {
            let first = self.take().ok_or("a [ without its ]")?;
            if first == ']' && !ranges.is_empty() {
                return Ok(vec![Step::Of { ranges, negated }]);
            }
            if first == '[' && self.peek() == Some(':') {
                let (name, rest) = self.rest[1..].split_once(":]").ok_or("a [: without its :]")?;
                self.rest = rest;
                ranges.extend(class(name).ok_or("an unknown class of characters")?);
            } else if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.take();
                let last = self.take().ok_or("a [ without its ]")?;
                if last < first {
                    return Err("a range that ends before it begins");
                }
                ranges.push((first, last));
            } else {
                ranges.push((first, first));
            }
        }
    }

    /// `*`, `+`, `?`, `{2}`, `{2,}` or `{2,5}`.
    fn count(&mut self) -> Result<Option<(usize, Option<usize>)>, &'static str> {
        const WRONG: &str = "a { that is no count";
        let count = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let (text, rest) = self.rest[1..].split_once('}').ok_or(WRONG)?;
                let number = |text: &str| text.parse().ok().filter(|number| *number <= MOST).ok_or(WRONG);
                let count = match text.split_once(',') {
                    None => (number(text)?, Some(number(text)?)),
                    Some((least, "")) => (number(least)?, None),
                    Some((least, most)) => (number(least)?, Some(number(most)?)),
                };
                if count.1.is_some_and(|most| most < count.0) {
                    return Err(WRONG);
                }
                self.rest = rest;
                return Ok(Some(count));
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(count))
    }
}

fn repeated(one: &[Step], least: usize, most: Option<usize>) -> Steps {
    if one.len().saturating_mul(most.unwrap_or(least).max(1)) > LARGEST {
        return Err("it is too large");
    }
    let length = one.len() as isize;
    let mut steps: Vec<Step> = one.iter().cloned().cycle().take(one.len() * least).collect();
    match most {
        None => {
            steps.push(Step::Fork(1, length + 2));
            steps.extend_from_slice(one);
            steps.push(Step::Go(-length - 1));
        }
        Some(most) => {
            for _ in least..most {
                steps.push(Step::Fork(1, length + 1));
                steps.extend_from_slice(one);
            }
        }
    }
    Ok(steps)
}

/// The classes of regex(7) that characters of an id can be of.
fn class(name: &str) -> Option<Vec<(char, char)>> {
    Some(match name {
        "alpha" => vec![('a', 'z'), ('A', 'Z')],
        "digit" => vec![('0', '9')],
        "alnum" => vec![('a', 'z'), ('A', 'Z'), ('0', '9')],
        "lower" => vec![('a', 'z')],
        "upper" => vec![('A', 'Z')],
        "xdigit" => vec![('0', '9'), ('a', 'f'), ('A', 'F')],
        "punct" => vec![('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    /// What grep -E says, which is POSIX's own.
    #[test]
    fn it_matches_what_grep_matches() {
        let ids = ["a", "web-1", "web-12", "db_1", "x.y", "WEB", "aaa", "ab", "abab", "c+d", ""];
        let patterns = [
            "web",
            "^web",
            "1$",
            "^web-[0-9]+$",
            "^(web|db)",
            "a{2,3}",
            "^a{1}$",
            "(ab)+$",
            "^(ab){2}$",
            "x\\.y",
            "^.$",
            "[^a-z]",
            "[[:digit:]]",
            "^[[:upper:]]+$",
            "c\\+d",
            "",
            "^$",
            "b?",
            "^a*$",
            "(a|b|)x",
            "[]_]",
            "[a-]",
            "^x|1$",
            "a{0}",
            "(^w|^d)",
            "a{2,}",
            "((a))*b",
        ];
        for pattern in patterns {
            let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            for id in ids {
                let grep = std::process::Command::new("sh")
                    .args(["-c", "printf '%s\\n' \"$1\" | LC_ALL=C grep -qE -- \"$2\"", "sh", id, pattern])
                    .status()
                    .unwrap();
                assert_eq!(compiled.matches(id), grep.success(), "{pattern} in {id:?}");
            }
        }
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for text in
            ["(", "a)", "[a", "*a", "a{x}", "a{2,1}", "a{256}", "[z-a]", "\\", "[[:x:]]", "[", "((a{255}){255}){255}"]
        {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn no_expression_takes_long() {
        let id = "a".repeat(255);
        assert!(!Pattern::new("^(a*)*b$").unwrap().matches(&id));
        assert!(!Pattern::new("(a|aa)+c").unwrap().matches(&id));
    }
}
