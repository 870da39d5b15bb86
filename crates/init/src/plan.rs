//! The plan: what the stub does, as flat data that needs no parsing.
//!
//! A header, then steps of one size, then data. A step names an operation, a slot and up to five numbers; texts and
//! lists are offsets into the data. Slots hold file descriptors: the first ones are inherited from the parent, the
//! others are filled by steps. The reader checks every offset, so that a broken plan is an error and never a wild
//! read. Knows only `core`; compiled into the stub and into the library.

/// `Cor1`, little-endian.
pub const MAGIC: u32 = 0x3172_6f43;
/// Most slots of one plan.
pub const SLOTS: usize = 4096;
/// Says "no slot" where an argument may be one.
pub const NONE: u64 = u64::MAX;
/// Beside the flags of mount_setattr(2): nothing changes, and nothing is said, where the host has locked what would.
pub const MAY_BE_LOCKED: u64 = 1;

/// The start of a plan.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u32,
    /// Number of steps.
    pub steps: u32,
    /// Bytes of the whole plan.
    pub size: u32,
    /// Where the inherited fds stand, from the plan's start: pairs of slot and fd.
    pub inherited: u32,
    /// Number of inherited fds.
    pub inherited_len: u32,
    /// The socket to the parent, an fd number.
    pub socket: i32,
    /// The recorder's ring, an fd number, or −1.
    pub ring: i32,
    /// The host's procfs, an fd number.
    pub proc: i32,
}

/// One step.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// An [`Op`].
    pub op: u32,
    /// The slot it reads or fills.
    pub slot: u32,
    /// What the operation wants.
    pub args: [u64; 5],
}

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal,)*) => {
        /// What a step does.
        #[repr(u32)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Op {
            $($(#[doc = $doc])* $name = $number,)*
        }

        impl Op {
            /// The operation with this number.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    /// setns(2) of the slot's fd; args: namespace type.
    Join = 1,
    /// unshare(2); args: flags.
    Unshare = 2,
    /// Writes a text to the slot's fd; args: text.
    Write = 3,
    /// Writes a text to a file below the host's procfs; args: path, text.
    WriteProc = 4,
    /// Sets the propagation of the whole mount tree; args: `MS_…`.
    Propagation = 5,
    /// Makes a file system and a detached mount of it in the slot; args: type, parameters, mount attributes.
    FsMount = 6,
    /// Copies the mount at a path of the host's view, detached, into the slot; args: path, flags, 1 for a path in the
    /// coming root.
    OpenTree = 7,
    /// mount_setattr(2) of the slot's mount; args: set, clear, propagation, its flags and [`MAY_BE_LOCKED`], slot of a user
    /// namespace or NONE.
    SetAttr = 8,
    /// Attaches the slot's mount to a path in the root; args: path, [`target`] flags.
    Attach = 9,
    /// Attaches the slot's mount as the coming root; args: path of the host's view.
    Root = 10,
    /// Makes a directory in the root, with its parents; args: path, mode, uid, gid, 1 if it may fail.
    MakeDir = 11,
    /// Makes a node in the root, or finds the same one there; args: path, type and mode, device, uid, gid.
    MakeNode = 12,
    /// Makes a symbolic link in the root; args: target, path.
    MakeLink = 13,
    /// Hides a path of the root; args: path, whether it may be hidden already, key and value of an option of the file
    /// system that hides a directory, or NONE.
    Mask = 14,
    /// Makes a path of the root read-only; args: path, whether it may be so already.
    ReadOnly = 15,
    /// Makes the coming root the root, and lets the old one go.
    Pivot = 16,
    /// sethostname(2); args: text.
    Hostname = 17,
    /// setdomainname(2); args: text.
    Domainname = 18,
    /// prlimit64(2) of this process; args: resource, soft, hard.
    Rlimit = 19,
    /// Joins a new session keyring; args: name.
    Keyring = 20,
    /// personality(2); args: persona.
    Personality = 21,
    /// umask(2); args: mask.
    Umask = 22,
    /// Opens a pseudo-terminal of the root's devpts, sends its master to the parent and makes it the standard
    /// streams; args: owner, rows and columns (rows in the upper half), 1 for a /dev/console on it, [`newline`].
    Terminal = 23,
    /// Sets the loopback interface up.
    Loopback = 24,
    /// Changes to a directory, making it where it is missing; args: path.
    Cwd = 25,
    /// setgroups(2), setresgid(2), setresuid(2), keeping capabilities; args: uid, gid, groups, 1 to skip setgroups.
    User = 26,
    /// Drops what is not in the mask from the bounding set; args: mask.
    Bounding = 27,
    /// capset(2) and the ambient set; args: effective, permitted, inheritable, ambient.
    Capabilities = 28,
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs = 29,
    /// Installs a filter; args: program, flags, 1 to send the listener to the parent.
    Seccomp = 30,
    /// `PR_SET_PDEATHSIG`, and a check that the parent still lives; args: signal.
    DeathSignal = 31,
    /// Finds the command along PATH and remembers it; args: argv, PATH, 1 if modes of files are no obstacle.
    Find = 32,
    /// Tells the parent that this point is reached, and waits for its word; args: one of [`sync`].
    Sync = 33,
    /// Forks: the child goes on, this process stays as PID 1, passes signals on and reaps.
    Reap = 34,
    /// Closes every fd from this one on, but the socket and the slot's, if there is one; args: first fd.
    Close = 35,
    /// Executes the found command; args: argv, envp.
    Exec = 36,
    /// Waits until somebody connects to the slot's listening socket and sends a byte, and speaks to him from then on.
    Gate = 37,
    /// Makes the process the leader of a new session.
    Session = 38,
    /// sched_setaffinity(2); args: mask, or NONE for all CPUs, which may fail.
    Affinity = 39,
    /// ioprio_set(2); args: value.
    IoPriority = 40,
    /// Gives the slot's tmpfs what the directory has that it will cover; args: path, [`copy_up`] flags.
    CopyUp = 41,
    /// sched_setattr(2); args: `struct sched_attr`.
    Scheduler = 42,
    /// set_mempolicy(2); args: mode with its flags, mask of nodes or NONE.
    MemoryPolicy = 43,
    /// Hides this process from others of its user: it is not dumpable (prctl(2)).
    Hide = 44,
    /// The root is where this process is: that of a mount namespace that it has joined.
    Here = 45,
    /// Clones a child of the parent's, which is told its pid and goes on with the plan when it says so; this process ends.
    /// It is no new program: its memory stays its maker's, also where the ids are another user namespace's. Args: flags of
    /// new namespaces.
    Born = 46,
    /// Runs a program as a child and waits for it; args: path, argv, envp, [`hook`] details.
    Hook = 50,
    /// Takes fds that the parent sends into the slots from the step's on; args: how many, at most 32.
    Take = 54,
    /// Has the parent map the ids of the slot's mount, and waits for it; args: which of its maps.
    AskForIds = 55,
    /// From here on this process ends of signals that ask it to, be it a PID namespace's first; until the command.
    Mortal = 57,
    /// Gives the root of the slot's mount an SELinux label, where its file system has them; args: label.
    Label = 56,
    /// Finds the user's home for the environment that the command gets; args: uid.
    Home = 51,
    /// Sends the slot's fd to the parent.
    Show = 52,
    /// Detaches what is mounted at a path of the root, with what is mounted below it; args: path, [`target`] flags, the
    /// mount's id or NONE for any, and which of its ids that is (a bit of statx(2)'s mask).
    Unmount = 53,
}

/// The points at which the stub waits for its parent.
pub mod sync {
    /// All is done but the start of the command.
    pub const START: u64 = 0;
    /// The namespaces are there, and nothing is done in them.
    pub const NAMESPACES: u64 = 1;
    /// The root is ready to be pivoted to; the parent runs hooks.
    pub const HOOKS: u64 = 2;
    /// Nothing of the container is entered.
    pub const OUTSIDE: u64 = 3;
}

/// How a mount's destination is found.
pub mod target {
    /// Make a missing destination: a directory, or a file where the mount's root is none.
    pub const CREATE: u64 = 1;
    /// No component may be a link (procfs and sysfs: CVE-2019-19921, CVE-2023-28642).
    pub const NO_LINKS: u64 = 2;
    /// A destination that is missing and cannot be made is no error.
    pub const OPTIONAL: u64 = 4;
    /// The destination may not be in procfs, by whatever links it is reached (CVE-2019-16884).
    pub const NOT_PROC: u64 = 8;
    /// A destination that is a link is the place itself, and not what it leads to.
    pub const NO_FOLLOW: u64 = 16;
    /// The mount is the parent's, older than those that the stub has made: a copy takes its place in their order.
    pub const IN_ORDER: u64 = 32;
}

/// What a new terminal does with newlines.
pub mod newline {
    /// A carriage return comes before each, as on any terminal.
    pub const TRANSLATED: u64 = 0;
    /// Nothing.
    pub const AS_WRITTEN: u64 = 1;
}

/// What a tmpfs takes over from the directory below it.
pub mod copy_up {
    /// Its owner.
    pub const OWNER: u64 = 1;
    /// All that is in it (`tmpcopyup`).
    pub const CONTENT: u64 = 2;
}

/// Details of a hook, by their places in a list.
pub mod hook {
    /// A text: the state up to the pid.
    pub const BEFORE_PID: usize = 0;
    /// A text: the state from behind the pid.
    pub const AFTER_PID: usize = 1;
    /// Seconds that it may take; 0 means that it may take any.
    pub const TIMEOUT: usize = 2;
    /// 1 if its environment is the process's, with what [`super::Op::Home`] has found.
    pub const INHERITS: usize = 3;
    /// How many there are.
    pub const DETAILS: usize = 4;
}

/// Kinds of file system parameters, the first of each triple in a parameter list.
pub mod parameter {
    /// A flag: the second number is its key, a text.
    pub const FLAG: u64 = 0;
    /// A text: key and value are texts.
    pub const TEXT: u64 = 1;
    /// An fd: key is a text, value a slot.
    pub const FD: u64 = 2;
    /// The permission bits of a directory, if it is there: key is a text, value its path in the root.
    pub const MODE_OF: u64 = 3;
}

/// What the stub says to its parent, one datagram each.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// One of [`message`].
    pub kind: u32,
    /// The step.
    pub step: u32,
    /// The failed system call, or a number.
    pub number: u32,
    /// The error number, or 0.
    pub errno: i32,
    /// The operation, and in the upper half how many of its kind came before: for who does not know the plan.
    pub op: u32,
}

/// Kinds of messages.
pub mod message {
    /// A step failed; the stub has ended.
    pub const FAILED: u32 = 1;
    /// A [`super::Op::Sync`] point is reached; answer with one byte.
    pub const SYNC: u32 = 2;
    /// The terminal's master, an fd in the datagram.
    pub const TERMINAL: u32 = 3;
    /// The filter is in force; the number is its listener's fd in the stub. Answer with one byte when it is taken, or with
    /// [`SEND`] to have it in a datagram.
    pub const LISTENER: u32 = 4;
    /// An fd of the plan, in the datagram.
    pub const SHOWN: u32 = 6;
    /// A mount whose ids are to be mapped, an fd in the datagram, and the number of the map; answer with one byte.
    pub const MAP_IDS: u32 = 7;
    /// The number is the pid of the child that has taken the stub's place, which waits for one byte.
    pub const BORN: u32 = 8;
    /// The command is about to be executed; end of file that follows says that it was.
    pub const EXEC: u32 = 5;
}

/// The answer of a parent that may not fetch what it was told of.
pub const SEND: u8 = 2;

/// A checked view of a plan's bytes.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> Plan<'a> {
    /// Takes the bytes as a plan; `None` if they are none.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?).into();
        let word = |at: usize| -> Option<u32> { word(at) };
        let header = Header {
            magic: word(0)?,
            steps: word(4)?,
            size: word(8)?,
            inherited: word(12)?,
            inherited_len: word(16)?,
            socket: word(20)? as i32,
            ring: word(24)? as i32,
            proc: word(28)? as i32,
        };
        let bytes = bytes.get(..header.size as usize)?;
        let fits = (header.steps as usize).checked_mul(size_of::<Step>())? <= bytes.len().checked_sub(32)?;
        (header.magic == MAGIC && fits && header.inherited_len as usize <= SLOTS).then_some(Self { bytes, header })
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The step with this index.
    pub fn step(&self, index: u32) -> Option<Step> {
        if index >= self.header.steps {
            return None;
        }
        let at = 32 + index as usize * size_of::<Step>();
        let word = |at: usize| Some(u32::from_le_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?));
        let mut args = [0; 5];
        for (i, arg) in args.iter_mut().enumerate() {
            *arg = self.number(at + 8 + 8 * i)?;
        }
        Some(Step { op: word(at)?, slot: word(at + 4)?, args })
    }

    /// The inherited fd number `index`: its slot and itself.
    pub fn inherited(&self, index: u32) -> Option<(u32, i32)> {
        let at = self.header.inherited as usize + 8 * index as usize;
        let pair = self.number(at)?;
        Some((pair as u32, (pair >> 32) as i32))
    }

    fn number(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
    }

    /// Bytes named by a reference: offset in the lower half, length in the upper.
    pub fn data(&self, reference: u64) -> Option<&'a [u8]> {
        let (at, length) = ((reference as u32) as usize, (reference >> 32) as usize);
        self.bytes.get(at..at.checked_add(length)?)
    }

    /// A text, with the zero byte that ends it.
    pub fn text(&self, reference: u64) -> Option<&'a core::ffi::CStr> {
        let (at, length) = ((reference as u32) as usize, (reference >> 32) as usize);
        let bytes = self.bytes.get(at..at.checked_add(length)?.checked_add(1)?)?;
        core::ffi::CStr::from_bytes_with_nul(bytes).ok()
    }

    /// Entry `index` of a list of numbers.
    pub fn entry(&self, list: u64, index: usize) -> Option<u64> {
        let (at, length) = ((list as u32) as usize, (list >> 32) as usize);
        if index >= length {
            return None;
        }
        self.number(at.checked_add(index.checked_mul(8)?)?)
    }

    /// Entries of a list.
    pub fn length(&self, list: u64) -> usize {
        (list >> 32) as usize
    }
}
