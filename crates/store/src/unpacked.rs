//! Layers on the way to their place: unpacked under `tmp/`, complete before they are seen.

use crate::driver::create;
use crate::file::{Sync, open_dir, read_record, sync_dir, write_record};
use crate::layers::{LAYERS, RootMeta};
use crate::record::{Form, IMAGE, ImageFile, RECORD, Record, TREE, boot_id};
use crate::temporary::Temporary;
use crate::{Driver, Error, LayerId, Result, Store};
use layer::{Options, Ownership};
use oci::digest::DiffId;
use rustix::fs::Mode;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

/// A layer that has been unpacked and has no name yet.
#[derive(Debug)]
pub(crate) struct Unpacked {
    tmp: Temporary,
    record: Record,
}

impl Unpacked {
    /// Unpacks a blob's bytes; `layer` names it in errors.
    ///
    /// Without a form, in that of the store's driver.
    pub(crate) fn make(
        store: &Store,
        blob: impl Read + Send,
        layer: DiffId,
        options: &Options<'_>,
        form: Option<Form>,
    ) -> Result<Self> {
        let tmp = Temporary::make(store)?;
        let failed = |source| Error::Layer { layer: layer.to_string(), source };
        let form = match form {
            Some(form) => form,
            // Layers for others' ids are a user's, who mounts no images.
            None if matches!(options.ownership, Ownership::Mapped { .. }) => Form::Directory,
            None => match store.driver()? {
                Driver::Overlay => Form::Directory,
                Driver::Erofs => Form::Image,
            },
        };
        let (applied, image) = if form == Form::Image {
            let (file, length, applied) = layer::write_image(blob, create(&tmp, IMAGE)?, options).map_err(failed)?;
            file.sync_all().map_err(Error::io(format!("cannot sync layer {layer}")))?;
            (applied, Some(ImageFile { length, revision: erofs::REVISION }))
        } else {
            sys::fs::mkdirat(&tmp, TREE, Mode::RWXU)?;
            let tree = open_dir(&tmp, TREE)?;
            sys::fs::fchmod(&tree, Mode::from(0o755))?;
            (layer::apply(blob, &tree, options).map_err(failed)?, None)
        };
        let record = Record {
            diff_id: applied.diff_id,
            size: applied.size,
            depends_on_lowers: applied.depends_on_lowers,
            hides_lowers: applied.hides_lowers,
            root: applied.root.map(|layer::RootMeta { mode, uid, gid }| RootMeta { mode, uid, gid }),
            form,
            image,
            boot: (form == Form::Directory).then(boot_id).transpose()?.map(str::to_owned),
        };
        Ok(Self { tmp, record })
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn diff_id(&self) -> DiffId {
        self.record.diff_id
    }

    pub(crate) fn depends_on_lowers(&self) -> bool {
        self.record.depends_on_lowers
    }

    /// Gives one that needs no layers below its name. That is on disk when the image has arrived: many that come
    /// together need one fsync(2) for it.
    pub(crate) fn place_alone(self, store: &Store) -> Result<()> {
        let (dir, id) = (store.dir(LAYERS)?, LayerId(self.record.diff_id.0));
        self.put(store, dir.as_fd(), id, is_whole)
    }

    /// Gives it its name, unless the same layer, compressed otherwise, was unpacked meanwhile.
    pub(crate) fn place(self, store: &Store, dir: BorrowedFd<'_>, id: LayerId) -> Result<()> {
        let form = self.record.form;
        self.put(store, dir, id, is_whole)?;
        if form == Form::Image { sync_dir(dir) } else { Ok(()) }
    }

    /// Gives it its name, whatever has that now.
    pub(crate) fn replace(self, store: &Store, id: LayerId) -> Result<()> {
        let (dir, form) = (store.dir(LAYERS)?, self.record.form);
        self.put(store, dir.as_fd(), id, |_| Ok(false))?;
        if form == Form::Image { sync_dir(dir.as_fd()) } else { Ok(()) }
    }

    fn put(
        self,
        store: &Store,
        dir: BorrowedFd<'_>,
        id: LayerId,
        stays: impl FnOnce(Option<Record>) -> Result<bool>,
    ) -> Result<()> {
        let sync = if self.record.form == Form::Image { Sync::Durable } else { Sync::Lazy };
        write_record(self.tmp.as_fd(), RECORD, &self.record, sync)?;
        let name = id.0.hex();
        match self.tmp.move_to(dir, &name) {
            Err(error) if error.errno == sys::Errno::EXIST => {
                let there = read_record::<Record>(open_dir(dir, &name)?, RECORD).ok().flatten();
                if stays(there)? {
                    return Ok(());
                }
                // What a power cut has left of it goes first.
                store.throw_away(dir, &name)?;
                self.tmp.move_to(dir, &name)?;
            }
            other => other?,
        }
        Ok(())
    }
}

/// Whether a layer that is there need not be made again.
fn is_whole(there: Option<Record>) -> Result<bool> {
    there.map_or(Ok(false), |there| Ok(!there.is_doubtful()?))
}

/// What it was made as, to be looked at.
impl AsFd for Unpacked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tmp.as_fd()
    }
}
