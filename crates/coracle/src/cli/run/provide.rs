//! The image of `run`: what is there, or what a registry has. Of all this nothing is done for an image that is there.

use crate::cli::Failure;
use crate::cli::remote::{Machine, Remote};
use crate::render::Progress;
use engine::Engine;
use engine::config::{ContainerConfig, ImageRef, Pull};

/// Where and how it is asked for.
#[derive(Debug, Default)]
pub struct From {
    pub remote: Remote,
    pub machine: Machine,
    pub quiet: bool,
}

/// Sees to it that the image is there, and has the request name it as the store does.
pub fn provide(engine: &Engine, config: &mut ContainerConfig, from: &From) -> Result<Option<u8>, Failure> {
    let (policy, platform) = (config.pull, from.machine.platform());
    if !matches!(config.image, ImageRef::Name(_)) {
        return Ok(None);
    }
    engine.enter_for(config)?;
    let ImageRef::Name(name) = &mut config.image else { return Ok(None) };
    let asks = matches!(policy, Pull::Always | Pull::Newer) || platform.is_some();
    match engine.image(name) {
        Err(error) if error.is_not_found() => {}
        // One that is damaged is told of by who wants to use it.
        _ if asks => {}
        _ => return Ok(None),
    }
    let client = from.remote.client()?;
    if policy == Pull::Never || (policy == Pull::Missing && engine.present(&client, name, platform.as_ref())?.is_some())
    {
        // Nothing is to be fetched.
    } else {
        let code = engine.apart(|| {
            let progress = Progress::new(from.quiet);
            let provided = engine.provide(&client, name, policy, platform.as_ref(), &progress);
            progress.end();
            let Err(error) = provided else { return 0 };
            let failure = Failure::from(error);
            let code = failure.code();
            _ = failure.report("run");
            code
        })?;
        if code != 0 {
            return Ok(Some(code));
        }
    }
    if let Some(image) = engine.present(&client, name, platform.as_ref())? {
        // A short name may have led to another registry than the store takes it for.
        if !engine.image(name).is_ok_and(|own| own.id == image.id) {
            *name = image.id.0.hex();
        }
    } else if let Some(platform) = platform {
        return Err(Failure::absent(format!("no image {name} for {platform}"), "--pull missing fetches it"));
    }
    Ok(None)
}
