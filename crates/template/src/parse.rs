//! Pieces and words become a tree.

use crate::error::{Error, Result};
use crate::functions;
use crate::lex::{self, Piece, Token, Word};
use crate::tree::{Branch, Command, Node, Operand, Pipeline, Tree};
use serde_json::Value;

/// How deep blocks and parentheses may nest: each costs a piece of the stack.
const DEEPEST: usize = 100;

/// Understands a template.
pub fn parse(text: &str) -> Result<Tree> {
    let pieces = lex::pieces(text)?;
    let mut parser = Parser { pieces: pieces.into_iter(), tree: Tree::default(), depth: 0, loops: 0, end: text.len() };
    match parser.nodes()? {
        (main, Close::Text) => Ok(Tree { main, ..parser.tree }),
        (_, Close::Block(at) | Close::Else(at, _)) => Err(Error::new(at, "end or else without a beginning")),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    tree: Tree,
    depth: usize,
    /// How many ranges are open.
    loops: usize,
    end: usize,
}

/// What ends a list of nodes.
enum Close {
    Text,
    Block(usize),
    /// With the words that follow: `else if …`.
    Else(usize, Vec<Token>),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, Close)> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (at, mut tokens) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { at, tokens } => (at, tokens),
            };
            let keyword = match tokens.first() {
                Some(Token { word: Word::Name(name), .. }) => name.clone(),
                _ => String::new(),
            };
            let mut rest = || tokens.split_off(1);
            match keyword.as_str() {
                "end" => return alone(at, &rest()).map(|()| (nodes, Close::Block(at))),
                "else" => return Ok((nodes, Close::Else(at, rest()))),
                "if" | "with" | "range" => nodes.push(self.branch(at, &keyword, rest())?),
                "define" => {
                    let name = name_only(at, &rest())?;
                    let body = self.body(at)?;
                    self.tree.named.insert(name, body);
                }
                "block" => {
                    let (name, data) = self.name_and_data(at, rest())?;
                    let body = self.body(at)?;
                    self.tree.named.entry(name.clone()).or_insert(body);
                    nodes.push(Node::Template { at, name, data });
                }
                "template" => {
                    let (name, data) = self.name_and_data(at, rest())?;
                    nodes.push(Node::Template { at, name, data });
                }
                "break" | "continue" if self.loops == 0 => {
                    return Err(Error::new(at, format!("{keyword} outside of a range")));
                }
                "break" => alone(at, &rest()).map(|()| nodes.push(Node::Break))?,
                "continue" => alone(at, &rest()).map(|()| nodes.push(Node::Continue))?,
                _ => nodes.push(Node::Action(pipeline(at, tokens, &mut self.depth)?)),
            }
        }
        Ok((nodes, Close::Text))
    }

    fn deeper<T>(&mut self, at: usize, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::new(at, "nested too deeply"));
        }
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// What stands up to `end`.
    fn body(&mut self, at: usize) -> Result<Vec<Node>> {
        match self.deeper(at, Self::nodes)? {
            (nodes, Close::Block(_)) => Ok(nodes),
            (_, Close::Else(at, _)) => Err(Error::new(at, "else without if, with or range")),
            (_, Close::Text) => Err(Error::new(self.end, "the end is missing: {{end}}")),
        }
    }

    fn branch(&mut self, at: usize, keyword: &str, tokens: Vec<Token>) -> Result<Node> {
        let pipeline = pipeline(at, tokens, &mut self.depth)?;
        if keyword != "range" && pipeline.variables.len() > 1 {
            return Err(Error::new(at, "two variables are for range alone"));
        }
        self.loops += usize::from(keyword == "range");
        let body = self.deeper(at, Self::nodes);
        self.loops -= usize::from(keyword == "range");
        let (body, end) = body?;
        let otherwise = match end {
            Close::Block(_) => Vec::new(),
            Close::Text => return Err(Error::new(self.end, "the end is missing: {{end}}")),
            Close::Else(_, rest) if rest.is_empty() => self.body(at)?,
            Close::Else(at, mut rest) => {
                let chained = match &rest[0].word {
                    Word::Name(name) if name == keyword && keyword != "range" => name.clone(),
                    _ => return Err(Error::new(at, "else is followed by something else than the same keyword")),
                };
                let tokens = rest.split_off(1);
                vec![self.deeper(at, |parser| parser.branch(at, &chained, tokens))?]
            }
        };
        let branch = Branch { pipeline, body, otherwise };
        Ok(match keyword {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    fn name_and_data(&mut self, at: usize, mut tokens: Vec<Token>) -> Result<(String, Option<Pipeline>)> {
        let data = if tokens.len() > 1 { Some(tokens.split_off(1)) } else { None };
        let data = data.map(|data| pipeline(at, data, &mut self.depth)).transpose()?;
        Ok((name_only(at, &tokens)?, data))
    }
}

fn alone(at: usize, rest: &[Token]) -> Result<()> {
    if rest.is_empty() { Ok(()) } else { Err(Error::new(at, "more than one word")) }
}

fn name_only(at: usize, tokens: &[Token]) -> Result<String> {
    match tokens {
        [Token { word: Word::Text(name), .. }] => Ok(name.clone()),
        _ => Err(Error::new(at, "a template's name in quotes is wanted")),
    }
}

/// A pipeline out of all these words.
fn pipeline(at: usize, tokens: Vec<Token>, depth: &mut usize) -> Result<Pipeline> {
    let mut words = Words { tokens: tokens.into_iter().peekable(), at, depth };
    let pipeline = words.pipeline()?;
    match words.tokens.next() {
        None => Ok(pipeline),
        Some(token) => Err(Error::new(token.at, "unexpected )")),
    }
}

struct Words<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    at: usize,
    depth: &'a mut usize,
}

impl Words<'_> {
    /// Up to a closing parenthesis, which stays, or the end.
    fn pipeline(&mut self) -> Result<Pipeline> {
        let (variables, assigns) = self.variables()?;
        let mut commands = vec![self.command()?];
        while self.tokens.next_if(|token| token.word == Word::Pipe).is_some() {
            commands.push(self.command()?);
        }
        for command in &commands[1..] {
            // What is piped becomes an argument, so there has to be a function.
            if !matches!(command.operands[0], Operand::Function(_)) {
                return Err(Error::new(command.at, "a value is piped into something that is no function"));
            }
        }
        Ok(Pipeline { variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, `$x, $y :=`.
    fn variables(&mut self) -> Result<(Vec<String>, bool)> {
        let ahead: Vec<_> = self.tokens.clone().take(4).map(|token| token.word).collect();
        let (names, sets) = match &ahead[..] {
            [Word::Variable(one), sets @ (Word::Declare | Word::Assign), ..] => (vec![one.clone()], sets),
            [Word::Variable(one), Word::Comma, Word::Variable(two), sets @ (Word::Declare | Word::Assign)] => {
                (vec![one.clone(), two.clone()], sets)
            }
            _ => return Ok((Vec::new(), false)),
        };
        if names.iter().any(String::is_empty) {
            return Err(Error::new(self.at, "$ alone cannot be set"));
        }
        for _ in 0..names.len() * 2 {
            self.tokens.next();
        }
        Ok((names, *sets == Word::Assign))
    }

    fn command(&mut self) -> Result<Command> {
        let at = self.tokens.peek().map_or(self.at, |token| token.at);
        let mut operands = Vec::new();
        while let Some(token) = self.tokens.next_if(|token| !matches!(token.word, Word::Pipe | Word::Close)) {
            if !operands.is_empty() && !token.apart {
                return Err(Error::new(token.at, "a space is missing before this"));
            }
            operands.push(self.operand(token)?);
        }
        match operands.first() {
            None => Err(Error::new(at, "a value is missing")),
            Some(Operand::Function(_)) => Ok(Command { at, operands }),
            // A method that looks something up, such as docker's `.Label "NAME"`.
            Some(Operand::Field(_)) if matches!(operands.get(1..), Some([Operand::Literal(Value::String(_))])) => {
                operands.insert(0, Operand::Function("index".to_owned()));
                Ok(Command { at, operands })
            }
            Some(_) if operands.len() > 1 => Err(Error::new(at, "what has arguments has to be a function")),
            Some(_) => Ok(Command { at, operands }),
        }
    }

    fn operand(&mut self, token: Token) -> Result<Operand> {
        Ok(match token.word {
            Word::Dot => Operand::Dot,
            Word::Field(name) => Operand::Field(self.fields(vec![name])),
            Word::Variable(name) => Operand::Variable(name, self.fields(Vec::new())),
            Word::Text(text) => Operand::Literal(Value::String(text)),
            Word::Integer(number) => Operand::Literal(number.into()),
            Word::Float(number) => Operand::Literal(number.into()),
            Word::Name(name) => match name.as_str() {
                "true" => Operand::Literal(true.into()),
                "false" => Operand::Literal(false.into()),
                "nil" => Operand::Nil,
                _ if functions::exists(&name) => Operand::Function(name),
                _ => return Err(Error::new(token.at, format!("function {name:?} not defined"))),
            },
            Word::Open => {
                *self.depth += 1;
                if *self.depth > DEEPEST {
                    return Err(Error::new(token.at, "nested too deeply"));
                }
                let inner = self.pipeline()?;
                *self.depth -= 1;
                if self.tokens.next_if(|token| token.word == Word::Close).is_none() {
                    return Err(Error::new(token.at, "a parenthesis is not closed"));
                }
                Operand::Within(inner, self.fields(Vec::new()))
            }
            other => return Err(Error::new(token.at, format!("unexpected {other:?}"))),
        })
    }

    /// Fields that follow without a space.
    fn fields(&mut self, mut names: Vec<String>) -> Vec<String> {
        while let Some(token) = self.tokens.next_if(|token| !token.apart && matches!(token.word, Word::Field(_))) {
            if let Word::Field(name) = token.word {
                names.push(name);
            }
        }
        names
    }
}
