//! A start of which the steps are recorded: the ring, and what its plan's steps are for.

use crate::subject::Subject;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use sys::Recorder;

/// What is recorded.
#[derive(Debug)]
pub struct Recording {
    recorder: Recorder,
    subjects: RefCell<Vec<Subject>>,
}

impl Recording {
    /// Records every call of this process from here on, and those of the stub that it makes.
    pub fn start() -> sys::Result<Self> {
        Ok(Self { recorder: Recorder::start()?, subjects: RefCell::default() })
    }

    /// What was recorded so far, for [`sys::Record::read`].
    pub fn bytes(&self) -> Vec<u8> {
        self.recorder.bytes()
    }

    /// What the plan's steps were for, by their index; none before there is a plan.
    pub fn subjects(&self) -> Vec<Subject> {
        self.subjects.borrow().clone()
    }

    /// There is a plan.
    pub(crate) fn planned(&self, subjects: &[Subject]) {
        self.subjects.replace(subjects.to_vec());
    }

    /// The ring, for the stub.
    pub(crate) fn memory(&self) -> &OwnedFd {
        self.recorder.memory()
    }
}
