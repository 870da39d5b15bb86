//! An image out of a root file system's tar.

use crate::arrivals::{Arrivals, Found};
use crate::blob::Spooling;
use crate::changes;
use crate::image::Tagged;
use crate::load::layer_type;
use crate::temporary::Temporary;
use crate::{Error, LoadedImage, Result, Store};
use oci::digest::Algorithm;
use oci::image::{Descriptor, History, ImageConfig, ImageId, Manifest, Platform, RootFs, media_type, rfc3339};
use oci::reference::Reference;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the new image is to be.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Its name, if any.
    pub name: Option<Reference>,
    /// Instructions of a Containerfile that change its configuration: `CMD ["sh"]`, `ENV A=1`, …
    pub changes: Vec<String>,
    /// The comment in its history.
    pub message: Option<String>,
    /// Where the tar came from, for errors and the history.
    pub source: String,
}

impl Store {
    /// Makes an image of one layer out of a tar, see [`Self::read_tar`], and enters it.
    pub fn import(&self, tar: impl Read, import: &Import) -> Result<LoadedImage> {
        let missing = || Error::MissingBlob { what: "the new image".to_owned() };
        self.admit(self.read_tar(tar, import)?)?.pop().ok_or_else(missing)
    }

    /// Makes an image of one layer out of a tar, plain or compressed; the layer is stored as it comes.
    pub fn read_tar(&self, tar: impl Read, import: &Import) -> Result<Arrivals> {
        let host = Platform::host();
        let mut config = ImageConfig {
            created: Some(now()),
            architecture: host.architecture,
            variant: host.variant,
            os: host.os,
            ..ImageConfig::default()
        };
        // Before anything is read: a wrong change must not cost a copy of the tar.
        import.changes.iter().try_for_each(|change| changes::apply(change, &mut config.config))?;
        let (lease, tmp) = (self.lease()?, Temporary::make(self)?);
        let mut spooling = Spooling::start(&tmp, Algorithm::default())?;
        spooling.write_from(tar, u64::MAX, &import.source)?;
        let spooled = spooling.finish();
        let archive = |source| Error::ArchiveTar { archive: import.source.clone(), source };
        let scanned = layer::scan(spooled.open(&tmp)?).map_err(archive)?;
        self.adopt_blob(&tmp, &spooled)?;
        let layer = Descriptor::new(layer_type(scanned.compression), spooled.digest, spooled.size);
        config.rootfs = RootFs { diff_ids: vec![scanned.diff_id], ..RootFs::default() };
        config.history.push(History {
            created: config.created.clone(),
            created_by: Some(format!("import {}", import.source)),
            comment: import.message.clone(),
            ..History::default()
        });
        let json = |source| Error::Json { what: "the new image".to_owned(), source };
        let config = self.put_blob(&tmp, media_type::CONFIG, &serde_json::to_vec(&config).map_err(json)?)?;
        let id = ImageId(config.digest);
        let manifest = serde_json::to_vec(&Manifest::new(config, vec![layer])).map_err(json)?;
        let descriptor = self.put_blob(&tmp, media_type::MANIFEST, &manifest)?;
        self.sync_blobs()?;
        let names = import.name.iter().cloned().collect();
        Ok(Arrivals { found: vec![Found { id, tagged: Tagged { descriptor, names } }], lease, _tmp: tmp })
    }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(since.as_secs() as i64, since.subsec_nanos())
}
