//! A template as a tree.

use serde_json::Value;
use std::collections::BTreeMap;

/// A template with all that it defines.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The text itself.
    pub main: Vec<Node>,
    /// By `define` and `block`.
    pub named: BTreeMap<String, Vec<Node>>,
}

/// A piece.
#[derive(Debug, Clone)]
pub enum Node {
    Text(String),
    /// A pipeline whose value is printed, unless it only sets a variable.
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        at: usize,
        name: String,
        data: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// A pipeline, and what its value decides.
#[derive(Debug, Clone)]
pub struct Branch {
    pub pipeline: Pipeline,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Variables that get the value: `$x :=`, or in a range `$index, $element :=`.
    pub variables: Vec<String>,
    /// They are there already: `=`.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// A function with arguments, or a single operand.
#[derive(Debug, Clone)]
pub struct Command {
    pub at: usize,
    pub operands: Vec<Operand>,
}

/// Something that has a value, or names a function.
#[derive(Debug, Clone)]
pub enum Operand {
    Dot,
    Nil,
    Literal(Value),
    /// `$x`, and fields of it; the empty name is the data as a whole.
    Variable(String, Vec<String>),
    /// `.A.B`.
    Field(Vec<String>),
    /// `(pipeline).A.B`.
    Within(Pipeline, Vec<String>),
    Function(String),
}
