//! Applies a layer's tar in an empty directory and says what it was: `apply LAYER.tar[.gz|.zst] DIRECTORY`.
//! For comparing its speed and result with tar(1).

use layer::{Devices, Limits, Options, OverlayXattrs, Ownership, apply};
use std::error::Error;
use std::fs::File;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(blob), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: apply LAYER DIRECTORY".into());
    };
    let options = Options {
        ownership: Ownership::AsRecorded,
        xattrs: OverlayXattrs::Trusted,
        devices: Devices::Create,
        lowers: &[],
        limits: Limits::default(),
    };
    let applied = apply(File::open(blob)?, File::open(directory)?, &options)?;
    println!("{applied:#?}");
    Ok(())
}
