//! A tree meets a value.

use crate::error::{Error, Result};
use crate::functions;
use crate::print::print;
use crate::tree::{Branch, Command, Node, Operand, Pipeline, Tree};
use serde_json::Value;
use std::borrow::Cow;

/// How deep templates may call each other.
const DEEPEST: usize = 100;

/// What the template makes of a value.
pub fn execute(tree: &Tree, data: &Value) -> Result<String> {
    let mut run = Run { tree, output: String::new(), depth: 0 };
    let mut scope = Scope { variables: vec![(String::new(), Cow::Borrowed(data))] };
    run.nodes(&tree.main, data, &mut scope)?;
    Ok(run.output)
}

struct Run<'a> {
    tree: &'a Tree,
    output: String,
    depth: usize,
}

/// Variables, the innermost last; the first, without a name, is the data as a whole.
struct Scope<'v> {
    variables: Vec<(String, Cow<'v, Value>)>,
}

/// How a list of nodes was left.
#[derive(PartialEq, Eq)]
enum Left {
    AtEnd,
    ByBreak,
    ByContinue,
}

type Evaluated<'v> = Cow<'v, Value>;

impl Run<'_> {
    fn nodes<'v>(&mut self, nodes: &[Node], dot: &'v Value, scope: &mut Scope<'v>) -> Result<Left> {
        for node in nodes {
            match node {
                Node::Text(text) => self.output.push_str(text),
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot, scope)?;
                    if pipeline.variables.is_empty() {
                        print(&value, &mut self.output);
                    } else {
                        set(pipeline, scope, 0, value.into_owned())?;
                    }
                }
                Node::If(branch) | Node::With(branch) => {
                    let left = self.branch(branch, matches!(node, Node::With(_)), dot, scope)?;
                    if left != Left::AtEnd {
                        return Ok(left);
                    }
                }
                Node::Range(branch) => {
                    let left = self.range(branch, dot, scope)?;
                    if left != Left::AtEnd {
                        return Ok(left);
                    }
                }
                Node::Template { at, name, data } => self.template(*at, name, data.as_ref(), dot, scope)?,
                Node::Break => return Ok(Left::ByBreak),
                Node::Continue => return Ok(Left::ByContinue),
            }
        }
        Ok(Left::AtEnd)
    }

    fn branch<'v>(&mut self, branch: &Branch, moves: bool, dot: &'v Value, scope: &mut Scope<'v>) -> Result<Left> {
        let outside = scope.variables.len();
        let value = self.pipeline(&branch.pipeline, dot, scope)?.into_owned();
        if !branch.pipeline.variables.is_empty() {
            set(&branch.pipeline, scope, 0, value.clone())?;
        }
        let left = if !truth(&value) {
            self.nodes(&branch.otherwise, dot, scope)
        } else if moves {
            self.within(&branch.body, &value, scope)
        } else {
            self.nodes(&branch.body, dot, scope)
        };
        scope.variables.truncate(outside);
        left
    }

    /// With another dot, which does not live as long as the variables outside; what is set there is kept.
    fn within(&mut self, nodes: &[Node], dot: &Value, scope: &mut Scope<'_>) -> Result<Left> {
        let shared = scope.variables.iter().map(|(name, value)| (name.clone(), Cow::Borrowed(&**value))).collect();
        let mut inner = Scope { variables: shared };
        let left = self.nodes(nodes, dot, &mut inner)?;
        let changed: Vec<_> = inner
            .variables
            .into_iter()
            .take(scope.variables.len())
            .map(|(_, value)| match value {
                Cow::Owned(value) => Some(value),
                Cow::Borrowed(_) => None,
            })
            .collect();
        for (variable, changed) in scope.variables.iter_mut().zip(changed) {
            if let Some(value) = changed {
                variable.1 = Cow::Owned(value);
            }
        }
        Ok(left)
    }

    fn range<'v>(&mut self, branch: &Branch, dot: &'v Value, scope: &mut Scope<'v>) -> Result<Left> {
        let outside = scope.variables.len();
        let value = self.pipeline(&branch.pipeline, dot, scope)?.into_owned();
        let at = branch.pipeline.commands[0].at;
        let items: Vec<(Value, Value)> = match value {
            Value::Array(items) => items.into_iter().enumerate().map(|(at, item)| (at.into(), item)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, item)| (key.into(), item)).collect(),
            Value::Null => Vec::new(),
            // Since Go 1.22.
            Value::Number(number) if number.is_i64() => {
                (0..number.as_i64().unwrap_or(0).min(1 << 20)).map(|item| (item.into(), item.into())).collect()
            }
            other => return Err(Error::new(at, format!("range can't iterate over {}", printed(&other)))),
        };
        if items.is_empty() {
            return self.nodes(&branch.otherwise, dot, scope);
        }
        for (index, item) in items {
            let variables = &branch.pipeline.variables;
            if let Some(last) = variables.len().checked_sub(1) {
                set(&branch.pipeline, scope, last, item.clone())?;
                if last == 1 {
                    set(&branch.pipeline, scope, 0, index)?;
                }
            }
            let left = self.within(&branch.body, &item, scope)?;
            scope.variables.truncate(outside);
            if left == Left::ByBreak {
                break;
            }
        }
        Ok(Left::AtEnd)
    }

    fn template<'v>(
        &mut self,
        at: usize,
        name: &str,
        data: Option<&Pipeline>,
        dot: &'v Value,
        scope: &mut Scope<'v>,
    ) -> Result<()> {
        let tree = self.tree;
        let body = tree.named.get(name).ok_or_else(|| Error::new(at, format!("template {name:?} not defined")))?;
        let data = data.map(|data| self.pipeline(data, dot, scope).map(Cow::into_owned)).transpose()?;
        let data = data.unwrap_or(Value::Null);
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::new(at, "templates call each other without end"));
        }
        let mut inner = Scope { variables: vec![(String::new(), Cow::Borrowed(&data))] };
        self.nodes(body, &data, &mut inner)?;
        self.depth -= 1;
        Ok(())
    }

    fn pipeline<'v>(&mut self, pipeline: &Pipeline, dot: &'v Value, scope: &Scope<'v>) -> Result<Evaluated<'v>> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot, scope)?);
        }
        Ok(last.unwrap_or(Cow::Owned(Value::Null)))
    }

    fn command<'v>(
        &mut self,
        command: &Command,
        piped: Option<Evaluated<'v>>,
        dot: &'v Value,
        scope: &Scope<'v>,
    ) -> Result<Evaluated<'v>> {
        let Some(Operand::Function(name)) = command.operands.first() else {
            return self.operand(&command.operands[0], command.at, dot, scope);
        };
        if let Some(decides) = functions::short_circuit(name) {
            // Arguments after the one that decides are not looked at.
            let mut last = None;
            for operand in &command.operands[1..] {
                let value = self.operand(operand, command.at, dot, scope)?;
                let decided = truth(&value) == decides;
                last = Some(value);
                if decided {
                    break;
                }
            }
            let decided = last.as_ref().is_some_and(|value| truth(value) == decides);
            let last = if decided { last } else { piped.or(last) };
            return last.ok_or_else(|| Error::new(command.at, format!("wrong number of arguments for {name}")));
        }
        let mut arguments = Vec::with_capacity(command.operands.len());
        for operand in &command.operands[1..] {
            arguments.push(self.operand(operand, command.at, dot, scope)?.into_owned());
        }
        arguments.extend(piped.map(Cow::into_owned));
        let value = functions::call(name, &arguments);
        Ok(Cow::Owned(value.map_err(|reason| Error::new(command.at, format!("error calling {name}: {reason}")))?))
    }

    fn operand<'v>(
        &mut self,
        operand: &Operand,
        at: usize,
        dot: &'v Value,
        scope: &Scope<'v>,
    ) -> Result<Evaluated<'v>> {
        match operand {
            Operand::Dot => Ok(Cow::Borrowed(dot)),
            Operand::Nil => Ok(Cow::Owned(Value::Null)),
            Operand::Literal(value) => Ok(Cow::Owned(value.clone())),
            Operand::Field(names) => fields(Cow::Borrowed(dot), names, at),
            Operand::Variable(name, names) => {
                let found = scope.variables.iter().rev().find(|(variable, _)| variable == name);
                let (_, value) = found.ok_or_else(|| Error::new(at, format!("undefined variable ${name}")))?;
                fields(value.clone(), names, at)
            }
            Operand::Within(pipeline, names) => fields(self.pipeline(pipeline, dot, scope)?, names, at),
            Operand::Function(name) => {
                let value = functions::call(name, &[]);
                Ok(Cow::Owned(value.map_err(|reason| Error::new(at, format!("error calling {name}: {reason}")))?))
            }
        }
    }
}

fn set(pipeline: &Pipeline, scope: &mut Scope<'_>, which: usize, value: Value) -> Result<()> {
    let name = &pipeline.variables[which];
    if !pipeline.assigns {
        scope.variables.push((name.clone(), Cow::Owned(value)));
        return Ok(());
    }
    let found = scope.variables.iter_mut().rev().find(|(variable, _)| variable == name);
    let at = pipeline.commands[0].at;
    found.ok_or_else(|| Error::new(at, format!("undefined variable ${name}")))?.1 = Cow::Owned(value);
    Ok(())
}

/// Goes down by names.
fn fields<'v>(mut value: Evaluated<'v>, names: &[String], at: usize) -> Result<Evaluated<'v>> {
    for name in names {
        // Fields of Go's structs begin with a capital: any other name is the key of a map, which may not have it.
        let is_key = name.starts_with(|first: char| !first.is_ascii_uppercase());
        let inner = match value {
            Cow::Borrowed(Value::Object(map)) if is_key => {
                Some(map.get(name).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
            }
            Cow::Owned(Value::Object(mut map)) if is_key => Some(Cow::Owned(map.remove(name).unwrap_or(Value::Null))),
            Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed),
            Cow::Owned(Value::Object(mut map)) => map.remove(name).map(Cow::Owned),
            Cow::Borrowed(Value::Null) | Cow::Owned(Value::Null) => {
                return Err(Error::new(at, format!("nil has no field {name}")));
            }
            other => {
                return Err(Error::new(at, format!("can't evaluate field {name} in {}", printed(&other))));
            }
        };
        value = inner.ok_or_else(|| Error::new(at, format!("there is no field or key {name:?}")))?;
    }
    Ok(value)
}

/// Whether Go counts it as true: not empty, not zero.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn printed(value: &Value) -> String {
    let mut text = String::new();
    print(value, &mut text);
    text.chars().take(60).collect()
}
