//! The rules of one call that look at arguments, as a chain of tests.
//!
//! Rules are sorted so that those which begin alike stand together and share their beginning; one that fails halfway
//! goes on with the next that does not share it. Among rules with different actions that hold for the same arguments
//! the first in this order decides, as far as that makes sense as in libseccomp: the one with fewer conditions; the
//! higher argument; equality before inequality before ranges; the narrower range.

use std::cmp::{Ordering, Reverse};

use oci::runtime::{Arg, Operator};

use crate::abi::Width;
use crate::error::Error;
use crate::graph::{Graph, Node, Test, Word};
use crate::program::code;
use crate::rules::{Conditional, Conditions, Verdict};

/// One thing to ask of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// A word under a mask is that.
    Equal { index: u8, word: Word, mask: u32, value: u32 },
    /// A comparison that is no conjunction of words.
    Compare { index: u8, width: Width, how: Compare, value: u64 },
}

/// In the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Compare {
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Question {
    fn order(&self, other: &Self) -> Ordering {
        // Which argument first, then which kind of question.
        let place = |question: &Self| match question {
            Self::Equal { index, mask: u32::MAX, .. } => (Reverse(*index), 0),
            Self::Equal { index, .. } => (Reverse(*index), 1),
            Self::Compare { index, how: Compare::NotEqual, .. } => (Reverse(*index), 2),
            Self::Compare { index, how: Compare::Less | Compare::LessEqual, .. } => (Reverse(*index), 3),
            Self::Compare { index, .. } => (Reverse(*index), 4),
        };
        place(self).cmp(&place(other)).then_with(|| match (self, other) {
            (Self::Equal { word: w, mask: m, value: v, .. }, Self::Equal { word, mask, value, .. }) => {
                (Reverse(w), m, v).cmp(&(Reverse(word), mask, value))
            }
            (Self::Compare { how: h, value: v, .. }, Self::Compare { how, value, .. }) => match h {
                Compare::Greater | Compare::GreaterEqual => (Reverse(v), h).cmp(&(Reverse(value), how)),
                _ => (v, h).cmp(&(value, how)),
            },
            _ => Ordering::Equal,
        })
    }
}

struct Alternative {
    questions: Vec<Question>,
    verdict: Verdict,
}

/// The chain for `rules`, which are all of one call; `otherwise` is where it goes when none holds.
pub(crate) fn chain(graph: &mut Graph, rules: &[Conditional], width: Width, otherwise: Node) -> Result<Node, Error> {
    let alternatives = sorted(rules.iter().map(|rule| (&rule.conditions, rule.verdict)), width);
    let contradiction = alternatives
        .windows(2)
        .any(|pair| pair[0].verdict != pair[1].verdict && pair[0].questions == pair[1].questions);
    match rules.first() {
        Some(rule) if contradiction => Err(Error::Contradiction { call: rule.call.name() }),
        _ => Ok(level(graph, &alternatives, 0, otherwise)),
    }
}

/// As [`chain`], for rules of several calls that share one number; of two that are equal the first decides.
pub(crate) fn merged_chain(graph: &mut Graph, rules: &[(Conditions, Verdict)], width: Width, otherwise: Node) -> Node {
    let alternatives = sorted(rules.iter().map(|(conditions, verdict)| (conditions, *verdict)), width);
    level(graph, &alternatives, 0, otherwise)
}

fn sorted<'a>(rules: impl Iterator<Item = (&'a Conditions, Verdict)>, width: Width) -> Vec<Alternative> {
    let mut alternatives: Vec<Alternative> = rules
        .map(|(conditions, verdict)| Alternative {
            questions: conditions.iter().flat_map(|arg| questions(arg, width)).flatten().collect(),
            verdict,
        })
        .collect();
    alternatives.sort_by(|a, b| {
        let differing = a.questions.iter().zip(&b.questions).map(|(a, b)| a.order(b)).find(|order| order.is_ne());
        differing.unwrap_or_else(|| a.questions.len().cmp(&b.questions.len()))
    });
    alternatives
}

/// What a condition asks, in the order of asking.
fn questions(arg: &Arg, width: Width) -> [Option<Question>; 2] {
    let index = arg.index as u8;
    let compare = |how| {
        let value = if width == Width::Low { arg.value & u64::from(u32::MAX) } else { arg.value };
        [Some(Question::Compare { index, width, how, value }), None]
    };
    match arg.op {
        Operator::Equal => words(index, u64::MAX, arg.value, width),
        Operator::MaskedEqual => words(index, arg.value, arg.value_two, width),
        Operator::NotEqual => compare(Compare::NotEqual),
        Operator::Less => compare(Compare::Less),
        Operator::LessEqual => compare(Compare::LessEqual),
        Operator::Greater => compare(Compare::Greater),
        Operator::GreaterEqual => compare(Compare::GreaterEqual),
    }
}

/// Equality word by word. Bits of the value outside the mask count for nothing, as in libseccomp.
fn words(index: u8, mask: u64, value: u64, width: Width) -> [Option<Question>; 2] {
    let equal = |word, mask: u64, value: u64| {
        let (mask, value) = (mask as u32, value as u32 & mask as u32);
        (mask != 0).then_some(Question::Equal { index, word, mask, value })
    };
    let high = match width {
        Width::Whole => equal(Word::high(index), mask >> 32, value >> 32),
        Width::Low => None,
    };
    [high, equal(Word::low(index), mask, value)]
}

/// The alternatives, which agree in the questions before `depth`.
fn level(graph: &mut Graph, alternatives: &[Alternative], depth: usize, otherwise: Node) -> Node {
    let mut node = otherwise;
    for group in alternatives.chunk_by(|a, b| a.questions.get(depth) == b.questions.get(depth)).rev() {
        node = match group[0].questions.get(depth) {
            // Nothing more to ask; what comes after it in the order is never reached.
            None => graph.verdict(group[0].verdict.0),
            Some(question) => {
                let then = level(graph, group, depth + 1, node);
                ask(graph, *question, then, node)
            }
        };
    }
    node
}

fn ask(graph: &mut Graph, question: Question, then: Node, otherwise: Node) -> Node {
    let (index, width, how, value) = match question {
        Question::Equal { word, mask, value, .. } => {
            return graph.test(Test { word, mask, code: code::EQUAL, k: value }, then, otherwise);
        }
        Question::Compare { index, width, how, value } => (index, width, how, value),
    };
    let (high, low) = ((value >> 32) as u32, value as u32);
    let test = |word, code, k| Test { word, mask: u32::MAX, code, k };
    // "Less" is "greater or equal" with its outcomes exchanged, and so on: BPF has no other tests.
    let (code, then, otherwise) = match how {
        Compare::NotEqual => (code::EQUAL, otherwise, then),
        Compare::Less => (code::GREATER_EQUAL, otherwise, then),
        Compare::LessEqual => (code::GREATER, otherwise, then),
        Compare::Greater => (code::GREATER, then, otherwise),
        Compare::GreaterEqual => (code::GREATER_EQUAL, then, otherwise),
    };
    let decided_low = graph.test(test(Word::low(index), code, low), then, otherwise);
    if width == Width::Low {
        return decided_low;
    }
    let equal_high = graph.test(test(Word::high(index), code::EQUAL, high), decided_low, otherwise);
    if code == code::EQUAL {
        equal_high
    } else {
        graph.test(test(Word::high(index), code::GREATER, high), then, equal_high)
    }
}
