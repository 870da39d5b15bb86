//! Why a profile is refused.

/// Why a profile is refused. Nothing is dropped in silence but what the tables cannot know: see [`crate::notes`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel knows no greater error number than 4095 (`MAX_ERRNO`) and would cut this one down to it.
    #[error("errnoRet {value} of {place} is above 4095")]
    ErrnoRange {
        /// The default action, or the names of the rule.
        place: String,
        /// As the profile has it.
        value: u32,
    },
    /// 16 bits of data go to a tracer.
    #[error("errnoRet {value} of {place} is above 65535")]
    TraceRange {
        /// The default action, or the names of the rule.
        place: String,
        /// As the profile has it.
        value: u32,
    },
    /// config-linux.md, "Seccomp": an action that takes no error number must not be given one.
    #[error("errnoRet given for {place}, but {action} takes none")]
    ErrnoNotTaken {
        /// The default action, or the names of the rule.
        place: String,
        /// The action, as a profile writes it.
        action: &'static str,
    },
    /// A system call has six arguments.
    #[error("argument index {index} of {place} is above 5")]
    ArgumentIndex {
        /// The names of the rule.
        place: String,
        /// As the profile has it.
        index: u32,
    },
    /// A rule with an empty list of names, or with an empty name.
    #[error("a rule names no system call")]
    NoName,
    /// Two rules of a call have the same conditions and different actions.
    #[error("two rules for {call} have the same conditions and different actions")]
    Contradiction {
        /// The call.
        call: &'static str,
    },
    /// Not one of the four that the specification has.
    #[error("unknown seccomp flag {0:?}")]
    Flag(String),
    /// The kernel takes the flag only together with a listener.
    #[error("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV without a rule that has SCMP_ACT_NOTIFY")]
    WaitKillableWithoutNotify,
    /// The process that loads the filter has to write the listener's fd to somebody after it is loaded.
    #[error("SCMP_ACT_NOTIFY cannot be used for the write syscall")]
    NotifyOnWrite,
    /// As for `write`.
    #[error("SCMP_ACT_NOTIFY cannot be the default action")]
    NotifyByDefault,
    /// The kernel takes 4096 instructions (`BPF_MAXINSNS`).
    #[error("the profile needs {0} instructions, the kernel takes 4096")]
    TooLong(usize),
}
