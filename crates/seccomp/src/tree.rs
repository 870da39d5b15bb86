//! From ranges of call numbers to a balanced decision tree.

use crate::graph::{Graph, Node};
use crate::program::code;

/// All numbers from 0 to `u32::MAX`, cut into ranges: where each begins and what happens in it.
#[derive(Debug, Default)]
pub(crate) struct Ranges(Vec<(u32, Node)>);

impl Ranges {
    /// From `start` on it is `outcome`; `start` does not lie below what was given before. Equal neighbours become one.
    pub(crate) fn from(&mut self, start: u32, outcome: Node) {
        if self.0.last().is_some_and(|(last, _)| *last == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|(_, last)| *last != outcome) {
            self.0.push((start, outcome));
        }
    }

    /// The tree; it expects the number in the accumulator. `otherwise` is what an empty list means.
    pub(crate) fn tree(&self, graph: &mut Graph, otherwise: Node) -> Node {
        if self.0.is_empty() { otherwise } else { split(graph, &self.0) }
    }
}

fn split(graph: &mut Graph, ranges: &[(u32, Node)]) -> Node {
    match ranges {
        [(_, outcome)] => *outcome,
        // One number that differs from all around it: one test instead of two.
        [(_, before), (number, outcome), (after, rest)] if before == rest && *after == number + 1 => {
            graph.compare(code::EQUAL, *number, *outcome, *before)
        }
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let start = high[0].0;
            let low = split(graph, low);
            let high = split(graph, high);
            graph.compare(code::GREATER_EQUAL, start, high, low)
        }
    }
}
