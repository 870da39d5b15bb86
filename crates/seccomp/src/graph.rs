//! The program before it has addresses: tests that lead to tests or verdicts, each distinct one stored once.
//!
//! A node says what happens from here on, given what the accumulator holds. That makes equal nodes exchangeable wherever
//! they stand, so that one chain of argument tests serves every call, and every ABI, that has these rules. A node is
//! stored after those it leads to; ascending numbers are therefore the program from its end to its beginning.

use crate::program::code;

/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(u32);

impl Node {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node does. `then` is also the successor of a node that tests nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) code: u16,
    pub(crate) k: u32,
    pub(crate) then: Node,
    pub(crate) otherwise: Node,
}

/// A 32-bit word of `struct seccomp_data`, by its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word(u32);

impl Word {
    /// `nr`.
    pub(crate) const NUMBER: Self = Self(0);
    /// `arch`.
    pub(crate) const ARCH: Self = Self(4);

    /// Lower half of an argument, on a little-endian machine.
    pub(crate) const fn low(argument: u8) -> Self {
        Self(16 + 8 * argument as u32)
    }

    /// Upper half.
    pub(crate) const fn high(argument: u8) -> Self {
        Self(Self::low(argument).0 + 4)
    }
}

/// A question about one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) word: Word,
    /// Applied to the word first.
    pub(crate) mask: u32,
    /// [`code::EQUAL`], [`code::GREATER`] or [`code::GREATER_EQUAL`].
    pub(crate) code: u16,
    pub(crate) k: u32,
}

/// The nodes, and an index of them by content.
#[derive(Debug)]
pub(crate) struct Graph {
    steps: Vec<Step>,
    /// Open addressing; 0 is free, otherwise a node's number plus one. The length is a power of two.
    slots: Vec<u32>,
}

impl Graph {
    pub(crate) fn new() -> Self {
        Self { steps: Vec::with_capacity(512), slots: vec![0; 1024] }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Ends with a verdict (`SECCOMP_RET_…`).
    pub(crate) fn verdict(&mut self, value: u32) -> Node {
        self.node(code::RETURN, value, Node(0), Node(0))
    }

    /// Puts a word into the accumulator.
    pub(crate) fn load(&mut self, word: Word, then: Node) -> Node {
        self.node(code::LOAD, word.0, then, then)
    }

    /// Compares what the accumulator holds. A test that cannot fail, or whose outcome does not matter, is not made.
    pub(crate) fn compare(&mut self, code: u16, k: u32, then: Node, otherwise: Node) -> Node {
        match (code, k) {
            _ if then == otherwise => then,
            (code::GREATER_EQUAL, 0) => then,
            (code::GREATER, u32::MAX) => otherwise,
            _ => self.node(code, k, then, otherwise),
        }
    }

    /// Loads, masks and compares. Where a successor begins by loading what the accumulator holds by then, its load is
    /// skipped.
    pub(crate) fn test(&mut self, test: Test, then: Node, otherwise: Node) -> Node {
        if then == otherwise {
            return then;
        }
        let (then, otherwise) = (self.loaded(test, then), self.loaded(test, otherwise));
        let mut node = self.compare(test.code, test.k, then, otherwise);
        if test.mask != u32::MAX {
            node = self.node(code::AND, test.mask, node, node);
        }
        self.load(test.word, node)
    }

    /// `node` for a reader whose accumulator holds the word of `test` under its mask.
    fn loaded(&self, test: Test, node: Node) -> Node {
        let step = self.steps[node.index()];
        if (step.code, step.k) != (code::LOAD, test.word.0) {
            return node;
        }
        let next = self.steps[step.then.index()];
        match test.mask {
            u32::MAX => step.then,
            mask if (next.code, next.k) == (code::AND, mask) => next.then,
            _ => node,
        }
    }

    fn node(&mut self, code: u16, k: u32, then: Node, otherwise: Node) -> Node {
        let step = Step { code, k, then, otherwise };
        let mut slot = self.slot(step);
        while let Some(index) = self.slots[slot].checked_sub(1) {
            if self.steps[index as usize] == step {
                return Node(index);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.steps.push(step);
        self.slots[slot] = self.steps.len() as u32;
        if self.steps.len() * 2 > self.slots.len() {
            self.grow();
        }
        Node(self.steps.len() as u32 - 1)
    }

    fn slot(&self, step: Step) -> usize {
        let mut hash = u64::from(step.code) << 32 | u64::from(step.k);
        hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(step.then.0) << 32 | u64::from(step.otherwise.0));
        hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for index in 0..self.steps.len() {
            let mut slot = self.slot(self.steps[index]);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (self.slots.len() - 1);
            }
            self.slots[slot] = index as u32 + 1;
        }
    }
}
