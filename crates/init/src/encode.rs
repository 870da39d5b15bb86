//! Writes a plan. The only place that knows how texts and lists are laid out; the reader is `plan.rs`.

use crate::plan::{Header, MAGIC, NONE, Op, Step};

/// A text in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text(u64);

/// A list of numbers in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List(u64);

impl From<Text> for u64 {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl From<List> for u64 {
    fn from(list: List) -> Self {
        list.0
    }
}

/// A plan in the making. Offsets of texts are fixed only by [`Encoder::finish`], so the data part is kept apart and
/// references carry a mark until then.
#[derive(Debug, Default)]
pub struct Encoder {
    steps: Vec<Step>,
    /// Which arguments of a step are references, a bit each.
    references: Vec<u8>,
    data: Vec<u8>,
    /// Offsets in `data` of numbers that are references themselves.
    inner: Vec<usize>,
    /// Slot and fd.
    inherited: Vec<(u32, i32)>,
    slots: u32,
    /// A text had a zero byte, which would end it for the kernel.
    cut: Option<String>,
}

/// One argument of a step.
#[derive(Debug, Clone, Copy)]
pub enum Arg {
    /// A number as it is.
    Number(u64),
    /// A text or list.
    Reference(u64),
}

impl From<u64> for Arg {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<Text> for Arg {
    fn from(text: Text) -> Self {
        Self::Reference(text.0)
    }
}

impl From<List> for Arg {
    fn from(list: List) -> Self {
        Self::Reference(list.0)
    }
}

impl Encoder {
    /// An empty plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives an inherited fd a slot.
    pub fn inherit(&mut self, fd: i32) -> u32 {
        let slot = self.slot();
        self.inherited.push((slot, fd));
        slot
    }

    /// A new, empty slot.
    pub fn slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots - 1
    }

    /// How many slots there are.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// How many steps there are, which is the index of the next one.
    pub fn len(&self) -> u32 {
        self.steps.len() as u32
    }

    /// No step yet.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The inherited fds.
    pub fn inherited(&self) -> impl Iterator<Item = i32> + '_ {
        self.inherited.iter().map(|(_, fd)| *fd)
    }

    /// Adds a text. One with a zero byte, which would end it for the kernel, spoils the plan: see [`Encoder::cut`].
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> Text {
        let whole = text.as_ref();
        let text = whole.split(|byte| *byte == 0).next().unwrap_or_default();
        if text.len() < whole.len() && self.cut.is_none() {
            self.cut = Some(String::from_utf8_lossy(whole).into_owned());
        }
        let at = self.data.len() as u64;
        self.data.extend_from_slice(text);
        self.data.push(0);
        Text(at | (text.len() as u64) << 32)
    }

    /// The first text that had a zero byte in it.
    pub fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> Text {
        self.align();
        let at = self.data.len() as u64;
        self.data.extend_from_slice(bytes);
        self.data.push(0);
        Text(at | (bytes.len() as u64) << 32)
    }

    /// Adds a list of texts.
    pub fn texts<T: AsRef<[u8]>>(&mut self, texts: impl IntoIterator<Item = T>) -> List {
        let texts: Vec<Arg> = texts.into_iter().map(|text| self.text(text).into()).collect();
        self.list(&texts)
    }

    /// Adds a list of numbers, each of which may be a text.
    pub fn list(&mut self, entries: &[Arg]) -> List {
        self.align();
        let at = self.data.len() as u64;
        for entry in entries {
            let number = match *entry {
                Arg::Number(number) => number,
                Arg::Reference(reference) => {
                    self.inner.push(self.data.len());
                    reference
                }
            };
            self.data.extend_from_slice(&number.to_le_bytes());
        }
        List(at | (entries.len() as u64) << 32)
    }

    fn align(&mut self) {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
    }

    /// Adds a step; returns its index.
    pub fn step<const N: usize>(&mut self, op: Op, slot: Option<u32>, args: [Arg; N]) -> u32 {
        let mut step = Step { op: op as u32, slot: slot.unwrap_or(NONE as u32), args: [0; 5] };
        let mut references = 0;
        for (i, arg) in args.into_iter().enumerate() {
            step.args[i] = match arg {
                Arg::Number(number) => number,
                Arg::Reference(reference) => {
                    references |= 1 << i;
                    reference
                }
            };
        }
        self.steps.push(step);
        self.references.push(references);
        self.len() - 1
    }

    /// The plan's bytes.
    pub fn finish(mut self, socket: i32, ring: i32, proc: i32) -> Vec<u8> {
        let base = (size_of::<Header>() + self.steps.len() * size_of::<Step>()) as u64;
        self.align();
        for at in std::mem::take(&mut self.inner) {
            let number = u64::from_le_bytes(self.data[at..at + 8].try_into().unwrap_or_default());
            self.data[at..at + 8].copy_from_slice(&(number + base).to_le_bytes());
        }
        let inherited = base as usize + self.data.len();
        let size = inherited + 8 * self.inherited.len();
        let mut out = Vec::with_capacity(size);
        for word in [MAGIC, self.len(), size as u32, inherited as u32, self.inherited.len() as u32] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for fd in [socket, ring, proc] {
            out.extend_from_slice(&fd.to_le_bytes());
        }
        for (step, references) in self.steps.iter().zip(&self.references) {
            out.extend_from_slice(&step.op.to_le_bytes());
            out.extend_from_slice(&step.slot.to_le_bytes());
            for (i, arg) in step.args.iter().enumerate() {
                let arg = if references & (1 << i) == 0 { *arg } else { arg + base };
                out.extend_from_slice(&arg.to_le_bytes());
            }
        }
        out.extend_from_slice(&self.data);
        for (slot, fd) in &self.inherited {
            out.extend_from_slice(&slot.to_le_bytes());
            out.extend_from_slice(&fd.to_le_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn what_is_encoded_is_read_back() {
        let mut encoder = Encoder::new();
        let root = encoder.inherit(7);
        let name = encoder.text("box");
        let argv = encoder.texts(["sh", "-c", ""]);
        encoder.step(Op::Root, Some(root), []);
        encoder.step(Op::Hostname, None, [name.into()]);
        encoder.step(Op::Exec, None, [argv.into(), 9_u64.into()]);
        let bytes = encoder.finish(3, -1, 5);

        let plan = Plan::new(&bytes).expect("a plan");
        assert_eq!(plan.header().steps, 3);
        assert_eq!(plan.inherited(0), Some((root, 7)));
        assert_eq!(plan.step(0).map(|step| (step.op, step.slot)), Some((Op::Root as u32, root)));
        let hostname = plan.step(1).expect("a step");
        assert_eq!(plan.text(hostname.args[0]), Some(c"box"));
        let exec = plan.step(2).expect("a step");
        assert_eq!(plan.length(exec.args[0]), 3);
        assert_eq!(plan.entry(exec.args[0], 1).and_then(|text| plan.text(text)), Some(c"-c"));
        assert_eq!(plan.entry(exec.args[0], 2).and_then(|text| plan.text(text)), Some(c""));
        assert_eq!(plan.entry(exec.args[0], 3), None);
        assert_eq!(exec.args[1], 9);
        assert_eq!(plan.step(3), None);
    }

    #[test]
    fn broken_plans_are_refused_and_never_read_past_their_end() {
        let mut encoder = Encoder::new();
        let name = encoder.text("box");
        encoder.step(Op::Hostname, None, [name.into()]);
        let bytes = encoder.finish(3, -1, 5);
        for length in 0..bytes.len() {
            assert!(Plan::new(&bytes[..length]).is_none(), "cut at {length}");
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0xff;
            if let Some(plan) = Plan::new(&broken) {
                for index in 0..4 {
                    if let Some(step) = plan.step(index) {
                        for arg in step.args {
                            let _ = (plan.text(arg), plan.data(arg), plan.entry(arg, 0));
                        }
                    }
                }
            }
        }
    }
}
