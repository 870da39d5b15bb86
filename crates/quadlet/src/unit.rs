//! Unit files: sections of keys and values (systemd.syntax(7)).

use crate::Error;
use std::fmt;

/// A unit file. The order of sections and keys is kept, and keys may be there several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Unit {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut unit = Self::default();
        let mut section = None;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let mut line = line.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            // A line that ends with a backslash goes on, over comments, and a blank stands for the break.
            while let Some(open) = line.strip_suffix('\\') {
                let mut rest =
                    lines.by_ref().map(|(_, line)| line.trim()).skip_while(|line| line.starts_with(['#', ';']));
                line = format!("{} {}", open.trim_end(), rest.next().unwrap_or_default());
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                unit.section(name);
                section = Some(name.to_owned());
                continue;
            }
            let (key, value) = line.split_once('=').ok_or(Error::Line(number + 1))?;
            let section = section.as_deref().ok_or(Error::Line(number + 1))?;
            unit.add(section, key.trim(), value.trim());
        }
        Ok(unit)
    }

    /// Another file on top of this one, as a drop-in is.
    pub fn extend(&mut self, other: Self) {
        for (name, keys) in other.sections {
            self.section(&name).extend(keys);
        }
    }

    fn section(&mut self, name: &str) -> &mut Vec<(String, String)> {
        let at = self.sections.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.sections.push((name.to_owned(), Vec::new()));
            self.sections.len() - 1
        });
        &mut self.sections[at].1
    }

    /// Whether a section is there.
    pub fn has(&self, section: &str) -> bool {
        self.sections.iter().any(|(name, _)| name == section)
    }

    /// The keys of a section, in their order.
    pub fn keys(&self, section: &str) -> &[(String, String)] {
        self.sections.iter().find(|(name, _)| name == section).map_or(&[], |(_, keys)| keys)
    }

    /// All values of a key; an empty one takes back those before it.
    pub fn values<'a>(&'a self, section: &str, key: &str) -> Vec<&'a str> {
        let mut values = Vec::new();
        for (_, value) in self.keys(section).iter().filter(|(known, _)| known == key) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push(value.as_str());
            }
        }
        values
    }

    /// The last value of a key that is not empty.
    pub fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).pop()
    }

    /// Adds a key.
    pub fn add(&mut self, section: &str, key: &str, value: impl Into<String>) {
        self.section(section).push((key.to_owned(), value.into()));
    }

    /// Adds a key that is not there yet.
    pub fn add_missing(&mut self, section: &str, key: &str, value: &str) {
        if self.last(section, key).is_none() {
            self.add(section, key, value);
        }
    }

    /// Gives a section another name, under which systemd does not read it.
    pub fn set_aside(&mut self, section: &str) {
        for (name, _) in self.sections.iter_mut().filter(|(name, _)| name == section) {
            *name = format!("X-{section}");
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, keys)) in self.sections.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            writeln!(f, "[{name}]")?;
            keys.iter().try_for_each(|(key, value)| writeln!(f, "{key}={value}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_left_out_and_lines_go_on() {
        let unit = Unit::parse("# a\n[A]\n K = one \\\n ; between\n  two\nK=\nK=three\n;b\n[B]\n[A]\nL=a=b\n").unwrap();
        assert_eq!(unit.keys("A").len(), 4, "{unit:?}");
        assert_eq!(unit.keys("A")[0].1, "one two");
        assert_eq!(unit.values("A", "K"), ["three"]);
        assert_eq!(unit.last("A", "L"), Some("a=b"));
        assert!(unit.has("B") && !unit.has("C"));
        assert_eq!(unit.to_string(), "[A]\nK=one two\nK=\nK=three\nL=a=b\n\n[B]\n");
    }

    #[test]
    fn what_is_no_unit_is_refused_by_its_line() {
        assert_eq!(Unit::parse("[A]\n\nnonsense\n"), Err(Error::Line(3)));
        assert_eq!(Unit::parse("K=V\n"), Err(Error::Line(1)));
        assert_eq!(Unit::parse("[A]\nK=open\\").unwrap().last("A", "K"), Some("open"));
    }
}
