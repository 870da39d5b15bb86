//! Go's text/template, which `--format` of docker and podman speaks, over JSON values.
//!
//! All of the language that makes sense without methods: pipelines, variables, `if`, `range`, `with`, `define`, `template`,
//! `block`, `break`, `continue`, comments, trim marks, Go's functions, and the ones that docker adds (`json`, `split`,
//! `join`, `title`, `lower`, `upper`, `pad`, `truncate`). A field that is not there is an error, as docker has it
//! (`missingkey=error`): a misspelt name that prints nothing helps nobody.
//!
//! Source of the rules: pkg.go.dev/text/template.

#![forbid(unsafe_code)]

mod error;
mod execute;
mod functions;
mod lex;
mod parse;
mod print;
mod tree;

pub use error::{Error, Result};

use serde_json::Value;

/// A template that was understood.
#[derive(Debug, Clone)]
pub struct Template {
    tree: tree::Tree,
}

impl Template {
    /// Understands a template.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self { tree: parse::parse(text)? })
    }

    /// What the template makes of a value.
    pub fn execute(&self, data: &Value) -> Result<String> {
        execute::execute(&self.tree, data)
    }
}
