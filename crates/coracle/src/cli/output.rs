//! What the verbs that print have in common.

use super::Failure;
use engine::flags::Invalid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;
use template::Template;

/// The help of one of our verbs.
pub fn help<T>(text: &flag::Help, flags: &[flag::Flag<T>], width: usize) -> String {
    flag::help("coracle", text, flags, width)
}

/// `--format`.
#[derive(Debug, Clone, Default)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: docker's field names, one object a line.
    Json,
    /// What somebody wants to see of each object.
    Template(Layout),
}

/// A template for each object, maybe as rows of a table with headings.
#[derive(Debug, Clone)]
pub struct Layout {
    template: Template,
    table: bool,
    text: String,
}

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "table" => return Ok(Self::Table),
            "json" | "{{json .}}" => return Ok(Self::Json),
            _ if !word.contains("{{") => {
                return Err(Invalid::new(word, "not a format").hint("give table, json, or a template: '{{.Name}}'"));
            }
            _ => {}
        }
        let (table, text) = word.strip_prefix("table ").map_or((false, word), |text| (true, text));
        // A shell hands these on as they are; docker takes them so.
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let template = Template::parse(&text).map_err(|error| Invalid::new(word, error.to_string()))?;
        Ok(Self::Template(Layout { template, table, text }))
    }
}

impl Format {
    /// Whether a template asks for this field.
    pub fn asks_for(&self, field: &str) -> bool {
        matches!(self, Self::Template(layout) if layout.text.contains(&format!(".{field}")))
    }
}

impl Layout {
    /// A line for each object. `headings` has a heading for each field that they have.
    pub fn lines(&self, objects: &[Value], headings: &[(&str, &str)]) -> Result<String, Failure> {
        let line = |object: &Value| self.template.execute(object).map_err(|error| wrong(&error));
        if !self.table {
            return Ok(lines(objects.iter().map(line).collect::<Result<Vec<_>, _>>()?));
        }
        let heading = headings.iter().map(|(field, heading)| ((*field).to_owned(), Value::from(*heading)));
        // docker's method has no heading of its own.
        let labels = ("Label".to_owned(), serde_json::json!({}));
        let heading = Value::Object(heading.chain([labels]).collect());
        let heading = (!headings.is_empty()).then_some(&heading);
        let rows: Result<Vec<_>, _> = heading.into_iter().chain(objects).map(line).collect();
        let cells = |row: String| row.split('\t').map(str::to_owned).collect();
        Ok(crate::render::columns(&rows?.into_iter().map(cells).collect::<Vec<Vec<_>>>()))
    }
}

/// The failure of a template that asks for what is not there.
pub fn wrong(error: &template::Error) -> Failure {
    Failure::words(error.to_string(), "--format json shows all fields")
}

/// Prints to standard output, all at once.
pub fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::output)
}

/// What an `inspect` has found: an array of JSON, or a line for each by a template.
pub fn objects(format: Option<Format>, objects: Vec<Value>) -> Result<String, Failure> {
    match format {
        Some(Format::Template(layout)) => layout.lines(&objects, &[]),
        _ => Ok(lines([format!("{:#}", Value::Array(objects))])),
    }
}

/// Lines of text, each with its end.
pub fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// An id as people see it.
pub fn id(id: &str, whole: bool) -> String {
    if whole { id.to_owned() } else { id.chars().take(12).collect() }
}

/// `a=b,c=d`.
pub fn label_list(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}
