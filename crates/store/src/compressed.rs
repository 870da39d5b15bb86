//! What layers are once they are compressed. Who has compressed one to send it writes down what came out, so that nobody has
//! to do it again to learn whether a registry has it.
//!
//! It is a hint and no more: what cannot be read counts as not there. Only what the store still has is remembered.

use crate::blob::place;
use crate::file::{read_record, write_record};
use crate::lease::Flock;
use crate::{Result, Store};
use oci::digest::Digest;
use oci::image::Descriptor;
use rustix::fs::{Access, AtFlags};
use serde::{Deserialize, Serialize};

const RECORD: &str = "compressed.json";

/// What came of a blob.
#[derive(Serialize, Deserialize)]
struct Known {
    plain: Digest,
    how: String,
    digest: Digest,
    size: u64,
}

impl Store {
    /// What a blob is when it is compressed so, if anybody knows; it has this media type then.
    pub fn compressed(&self, plain: Digest, how: &str, media_type: &str) -> Option<Descriptor> {
        let known = self.all_compressed().into_iter().find(|known| known.plain == plain && known.how == how)?;
        Some(Descriptor::new(media_type, known.digest, known.size))
    }

    /// Remembers that.
    pub fn remember_compressed(&self, plain: Digest, how: &str, compressed: &Descriptor) -> Result<()> {
        let _lock = Flock::exclusive(self.dir(".")?)?;
        let there =
            |blob: &Digest| rustix::fs::accessat(self.root(), place(*blob), Access::EXISTS, AtFlags::empty()).is_ok();
        let mut all = self.all_compressed();
        all.retain(|known| (known.plain, known.how.as_str()) != (plain, how) && there(&known.plain));
        all.push(Known { plain, how: how.to_owned(), digest: compressed.digest, size: compressed.size });
        write_record(self.root(), RECORD, &all, crate::file::Sync::Lazy)
    }

    fn all_compressed(&self) -> Vec<Known> {
        read_record(self.root(), RECORD).ok().flatten().unwrap_or_default()
    }
}
