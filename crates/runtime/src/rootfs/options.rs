//! The words of a mount's `options`, and what each means (config.md, "Linux mount options").
//!
//! A word is an attribute of the mount, a propagation type, a request to us, or, failing all these, a parameter of
//! the file system.

use oci::runtime::Mount;
use sys::mount::{MountAttr, attr, propagation};

/// What the words add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Attributes to set on this mount.
    pub set: u64,
    /// Attributes to clear on this mount.
    pub clear: u64,
    /// A word says what the attributes of this mount are.
    pub attributes: bool,
    /// Attributes to set on the whole tree.
    pub recursive_set: u64,
    /// Attributes to clear on the whole tree.
    pub recursive_clear: u64,
    /// Propagation types, each `MS_…` and whether it is for the whole tree.
    pub propagation: Option<(u64, bool)>,
    /// `bind` or `rbind`.
    pub bind: Option<Bind>,
    /// `idmap` or `ridmap`.
    pub idmap: Option<Bind>,
    /// The maps that stand behind that word (`idmap=uids=…;gids=…`, of crun).
    pub maps: Option<String>,
    /// What is mounted there already gets the attributes, and nothing is mounted.
    pub remount: bool,
    /// A source that is a link becomes a link at the destination (`copy-symlink`, of crun).
    pub copy_symlink: bool,
    /// A source that is a link is mounted itself (`src-nofollow`, of crun).
    pub src_nofollow: bool,
    /// A destination that is a link is mounted over (`dest-nofollow`, of crun).
    pub dest_nofollow: bool,
    /// Parameters of the file system, `key` or `key=value`.
    pub parameters: Vec<String>,
}

/// One mount, or the tree below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// This mount alone.
    One,
    /// With what is mounted below it.
    Recursive,
}

impl Options {
    /// The words of a mount, and what its maps mean.
    pub fn of(mount: &Mount) -> Self {
        let mut options = Self::parse(&mount.options);
        if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
            // Maps without the word ask for it, as in runc.
            options.idmap = options.idmap.or(Some(Bind::One));
        }
        options
    }

    /// Reads the words; later ones win.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Self {
        let mut options = Self::default();
        for word in words {
            options.word(word.as_ref());
        }
        options
    }

    fn word(&mut self, word: &str) {
        match word {
            "bind" => self.bind = Some(Bind::One),
            "rbind" => self.bind = Some(Bind::Recursive),
            "remount" => self.remount = true,
            "idmap" => self.idmap = Some(Bind::One),
            "ridmap" => self.idmap = Some(Bind::Recursive),
            "private" => self.propagation = Some((propagation::PRIVATE, false)),
            "rprivate" => self.propagation = Some((propagation::PRIVATE, true)),
            "shared" => self.propagation = Some((propagation::SHARED, false)),
            "rshared" => self.propagation = Some((propagation::SHARED, true)),
            "slave" => self.propagation = Some((propagation::SLAVE, false)),
            "rslave" => self.propagation = Some((propagation::SLAVE, true)),
            "unbindable" => self.propagation = Some((propagation::UNBINDABLE, false)),
            "runbindable" => self.propagation = Some((propagation::UNBINDABLE, true)),
            "copy-symlink" => self.copy_symlink = true,
            "src-nofollow" => self.src_nofollow = true,
            "dest-nofollow" => self.dest_nofollow = true,
            // Whether mount(2) says what it does in the kernel's log, which the new calls do not. And whether inodes have
            // version counters: file systems that have them no longer let that be chosen.
            // And what is so if no word says otherwise.
            "silent" | "loud" | "iversion" | "noiversion" | "defaults" => {}
            "rw" => self.clear_bits(attr::RDONLY),
            "suid" => self.clear_bits(attr::NOSUID),
            "dev" => self.clear_bits(attr::NODEV),
            "exec" => self.clear_bits(attr::NOEXEC),
            "symfollow" => self.clear_bits(attr::NOSYMFOLLOW),
            "diratime" => {
                self.clear_bits(attr::NODIRATIME);
                self.clear &= !attr::NODIRATIME;
            }
            "atime" => self.take_back(attr::NOATIME),
            "norelatime" => self.take_back(attr::RELATIME),
            "nostrictatime" => self.take_back(attr::STRICTATIME),
            _ if word.starts_with("idmap=") || word.starts_with("ridmap=") => {
                let (word, maps) = word.split_once('=').unwrap_or_default();
                self.word(word);
                self.maps = Some(maps.to_owned());
            }
            _ => match attribute(word) {
                Some((set, clear)) => {
                    self.attributes = true;
                    self.set = self.set & !clear | set;
                    self.clear = self.clear & !set | clear;
                }
                None => self.recursive_or_parameter(word),
            },
        }
    }

    /// The first parameter that means nothing to a bind mount. What is an option of the file system as a whole, whatever
    /// its kind, is the source's own and stays so, as with mount(2).
    pub fn unknown_to_bind(&self) -> Option<&str> {
        const WHOLE: [&str; 7] = ["sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"];
        self.parameters.iter().map(String::as_str).find(|word| !WHOLE.contains(word))
    }

    /// Does this word mean something whatever the file system?
    pub fn knows(word: &str) -> bool {
        // The one word that the root's composer takes out of the parameters.
        word == "tmpcopyup" || Self::parse(&[word]).unknown_to_bind().is_none()
    }

    /// The attributes of a bind mount: those that words ask for, and none of the `lockable` else. A word for access times
    /// settles them all, and `nodiratime` means relatime beside it (mount(2)).
    pub fn of_bind(&self, lockable: u64) -> MountAttr {
        let times = self.clear & attr::ATIME != 0 || self.set & attr::NODIRATIME != 0;
        let clear = lockable | attr::NOSYMFOLLOW | if times { attr::NODIRATIME } else { 0 };
        let times = if times { attr::ATIME } else { 0 };
        MountAttr { set: self.set, clear: self.clear | clear & !self.set | times, ..MountAttr::default() }
    }

    fn clear_bits(&mut self, bits: u64) {
        self.attributes = true;
        self.set &= !bits;
        self.clear |= bits;
    }

    /// Forgets a word for access times, if it was this one; the mode that stays is the source's.
    fn take_back(&mut self, mode: u64) {
        self.attributes = true;
        if self.clear & attr::ATIME != 0 && self.set & attr::ATIME == mode {
            self.set &= !attr::ATIME;
            self.clear &= !attr::ATIME;
        }
    }

    fn recursive_or_parameter(&mut self, word: &str) {
        let inner = word.strip_prefix('r').unwrap_or_default();
        let (set, clear) = match inner {
            "rw" => (0, attr::RDONLY),
            "suid" => (0, attr::NOSUID),
            "dev" => (0, attr::NODEV),
            "exec" => (0, attr::NOEXEC),
            "symfollow" => (0, attr::NOSYMFOLLOW),
            "diratime" => (0, attr::NODIRATIME),
            "atime" | "norelatime" | "nostrictatime" => (attr::RELATIME, attr::ATIME),
            _ => {
                let Some(bits) = attribute(inner) else {
                    self.parameters.push(word.to_owned());
                    return;
                };
                bits
            }
        };
        self.recursive_set = self.recursive_set & !clear | set;
        self.recursive_clear = self.recursive_clear & !set | clear;
    }
}

/// The attributes that a word sets, and those it must clear for that: access-time modes are one field, so the others
/// of the field are cleared first (mount_setattr(2)).
fn attribute(word: &str) -> Option<(u64, u64)> {
    Some(match word {
        "ro" => (attr::RDONLY, 0),
        "nosuid" => (attr::NOSUID, 0),
        "nodev" => (attr::NODEV, 0),
        "noexec" => (attr::NOEXEC, 0),
        "nosymfollow" => (attr::NOSYMFOLLOW, 0),
        "nodiratime" => (attr::NODIRATIME, 0),
        "noatime" => (attr::NOATIME, attr::ATIME),
        "strictatime" => (attr::STRICTATIME, attr::ATIME),
        "relatime" => (attr::RELATIME, attr::ATIME),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_words_win() {
        let options = Options::parse(&["ro", "rw", "nosuid"]);
        assert_eq!((options.set, options.clear), (attr::NOSUID, attr::RDONLY));
    }

    #[test]
    fn recursive_words_start_with_r() {
        let options = Options::parse(&["rbind", "rro", "rnosuid", "rslave"]);
        assert_eq!(options.bind, Some(Bind::Recursive));
        assert_eq!(options.recursive_set, attr::RDONLY | attr::NOSUID);
        assert_eq!(options.propagation, Some((propagation::SLAVE, true)));
        assert!(options.parameters.is_empty());
    }

    #[test]
    fn a_recursive_access_time_clears_the_whole_field_first() {
        let options = Options::parse(&["rnoatime"]);
        assert_eq!((options.recursive_set, options.recursive_clear), (attr::NOATIME, attr::ATIME));
    }

    #[test]
    fn every_option_of_the_specification_is_known() {
        // config.md, "Linux mount options".
        let attributes = "atime bind defaults dev diratime exec iversion loud noatime nodev nodiratime noexec noiversion \
            norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime rexec rnoatime \
            rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared \
            rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow \
            unbindable idmap ridmap remount";
        let words: Vec<&str> = attributes.split_whitespace().collect();
        assert_eq!(Options::parse(&words).parameters, [""; 0]);
        // These are flags of the file system, which fsconfig(2) takes by these names.
        let flags = ["async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync"];
        let options = Options::parse(&flags);
        assert_eq!((options.parameters.len(), options.unknown_to_bind()), (flags.len(), None));
        assert_eq!(Options::parse(&["sync", "size=1m"]).unknown_to_bind(), Some("size=1m"));
    }

    #[test]
    fn what_nobody_knows_goes_to_the_file_system() {
        let options = Options::parse(&["size=64m", "mode=755", "ro"]);
        assert_eq!(options.parameters, ["size=64m", "mode=755"]);
    }
}
