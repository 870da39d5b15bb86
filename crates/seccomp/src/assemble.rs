//! Gives the nodes their places.
//!
//! The program is laid out from its end. A conditional jump reaches 255 instructions; a target that lies further gets a
//! stand-in close by, which later jumps use too: a copy where it is a verdict, an unconditional jump otherwise.

use crate::error::Error;
use crate::graph::{Graph, Node};
use crate::program::{Instruction, MAX_INSTRUCTIONS, code};

/// The program that begins with `root`.
pub(crate) fn assemble(graph: &Graph, root: Node) -> Result<Vec<Instruction>, Error> {
    let mut layout = Layout { graph, reversed: Vec::with_capacity(512), places: vec![UNPLACED; root.index() + 1] };
    for (index, used) in reachable(graph, root).into_iter().enumerate() {
        // A verdict is placed when something first leads to it.
        if used && graph.steps()[index].code != code::RETURN {
            layout.place(index);
        }
    }
    if layout.reversed.len() > MAX_INSTRUCTIONS {
        return Err(Error::TooLong(layout.reversed.len()));
    }
    layout.reversed.reverse();
    Ok(layout.reversed)
}

/// Which nodes up to `root` are used. A node leads only to lower numbers.
fn reachable(graph: &Graph, root: Node) -> Vec<bool> {
    let mut used = vec![false; root.index() + 1];
    used[root.index()] = true;
    for index in (0..used.len()).rev().filter(|index| *index > 0) {
        let step = graph.steps()[index];
        if used[index] && step.code != code::RETURN {
            used[step.then.index()] = true;
            used[step.otherwise.index()] = true;
        }
    }
    used
}

struct Layout<'a> {
    graph: &'a Graph,
    /// The program, last instruction first.
    reversed: Vec<Instruction>,
    /// Where in `reversed` a node, or its nearest stand-in, lies.
    places: Vec<u32>,
}

/// Of nodes that have no place yet.
const UNPLACED: u32 = u32::MAX;

impl Layout<'_> {
    fn place(&mut self, index: usize) {
        let step = self.graph.steps()[index];
        let (mut jt, mut jf) = (0, 0);
        match step.code {
            code::LOAD | code::AND => {
                // Falls through, so its successor has to be the very next.
                if self.distance(step.then) != 0 {
                    self.stand_in(step.then);
                }
            }
            _ => loop {
                // A stand-in for one target moves the other a little further away, hence the second look.
                match (u8::try_from(self.distance(step.then)), u8::try_from(self.distance(step.otherwise))) {
                    (Ok(then), Ok(otherwise)) => {
                        (jt, jf) = (then, otherwise);
                        break;
                    }
                    (Err(_), _) => self.stand_in(step.then),
                    (_, Err(_)) => self.stand_in(step.otherwise),
                }
            },
        }
        self.places[index] = self.reversed.len() as u32;
        self.reversed.push(Instruction { code: step.code, jt, jf, k: step.k });
    }

    /// Instructions between the next one to be placed and `target`.
    fn distance(&self, target: Node) -> u32 {
        match self.places[target.index()] {
            UNPLACED => u32::MAX,
            place => self.reversed.len() as u32 - place - 1,
        }
    }

    fn stand_in(&mut self, target: Node) {
        let step = self.graph.steps()[target.index()];
        let instruction = if step.code == code::RETURN {
            Instruction { code: code::RETURN, jt: 0, jf: 0, k: step.k }
        } else {
            Instruction { code: code::JUMP, jt: 0, jf: 0, k: self.distance(target) }
        };
        self.places[target.index()] = self.reversed.len() as u32;
        self.reversed.push(instruction);
    }
}
