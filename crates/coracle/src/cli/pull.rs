//! `coracle pull`: an image from a registry.

use super::output::print;
use super::remote::{self, Remote};
use super::{Context, Failure, Verb};
use crate::cli::output::help;
use crate::render;
use engine::Watch;
use engine::flags::Invalid;
use flag::{Flag, Help, Order, parse, put_word};
use oci::image::{Descriptor, Platform};
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const HELP: Help = Help {
    usage: &["pull [OPTIONS] NAME..."],
    about: "Pull images from a registry",
    more: &["Prints the images' ids. A pull that was cut off goes on where it was."],
};

/// The verb.
pub const VERB: Verb =
    Verb { name: "pull", aliases: &["image pull"], about: HELP.about, run, help: |width| help(&HELP, FLAGS, width) };

#[derive(Debug, Default)]
struct Given {
    remote: Remote,
    platform: Option<Platform>,
    quiet: bool,
}

impl AsMut<Remote> for Given {
    fn as_mut(&mut self) -> &mut Remote {
        &mut self.remote
    }
}

type F = Flag<Given>;

const FLAGS: &[F] = &[
    remote::auth_file(),
    remote::cert_dir(),
    F::takes("creds", "USER:PASSWORD", |g, w| put_word(&mut g.remote.credential, w), "Instead of kept credentials")
        .under("Options"),
    F::takes("platform", "OS/ARCH", put_platform, "Of an image for several, the one for this: linux/arm64")
        .under("Options"),
    F::switch("quiet", |g, on| g.quiet = on, "Say nothing of how far it is").short('q').under("Options"),
    remote::tls_verify(),
];

fn put_platform(given: &mut Given, word: &str) -> Result<(), Invalid> {
    let mut parts = word.split('/').map(str::to_owned);
    let platform = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => {
            Platform { os, architecture, variant, ..Platform::default() }
        }
        _ => return Err(Invalid::new(word, "not a platform").hint("give OS/ARCH or OS/ARCH/VARIANT")),
    };
    given.platform = Some(platform);
    Ok(())
}

fn run(words: &[String], context: &Context) -> Result<u8, Failure> {
    let mut given = Given::default();
    let names = parse(FLAGS, words, Order::Anywhere, &mut given)?;
    super::some_words(&names, "an image's name")?;
    let engine = context.engine()?;
    let client = given.remote.client()?;
    super::apart(&engine, VERB.name, || {
        for name in &names {
            let progress = Progress::new(given.quiet);
            let pulled = engine.pull(&client, name, given.platform.as_ref(), &progress);
            progress.end();
            print(&format!("{}\n", pulled?.id.0.hex()))?;
        }
        Ok(())
    })
}

/// How far a pull is: one line that changes on a terminal, a line for each layer elsewhere.
struct Progress {
    shown: Shown,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Lines,
    Terminal,
}

struct State {
    begun: Instant,
    last: Option<Instant>,
    total: u64,
    arrived: Vec<u64>,
}

/// A terminal is not written to more often.
const PAUSE: Duration = Duration::from_millis(100);

impl Progress {
    fn new(quiet: bool) -> Self {
        let shown = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (_, true) => Shown::Terminal,
            _ => Shown::Lines,
        };
        let state = State { begun: Instant::now(), last: None, total: 0, arrived: Vec::new() };
        Self { shown, state: Mutex::new(state) }
    }

    /// Leaves the terminal's line empty for what follows.
    fn end(&self) {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.last.is_some() {
            tell("\r\u{1b}[K");
        }
    }
}

/// Nobody is helped by a pull that ends because its progress could not be shown.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl Watch for Progress {
    fn layers(&self, layers: &[Descriptor]) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.total = layers.iter().fold(0, |total, layer| total.saturating_add(layer.size));
        state.arrived = vec![0; layers.len()];
        if self.shown == Shown::Lines {
            for layer in layers {
                tell(&format!("layer {}: {}\n", layer.digest.short(), render::size(layer.size)));
            }
        }
    }

    fn arrived(&self, layer: usize, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(arrived) = state.arrived.get_mut(layer) {
            *arrived = bytes;
        }
        if self.shown != Shown::Terminal || state.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        state.last = Some(Instant::now());
        let (arrived, millis) = (state.arrived.iter().sum::<u64>(), state.begun.elapsed().as_millis() as u64);
        let rate = arrived.saturating_mul(1000) / millis.max(1);
        let left = state.total.saturating_sub(arrived) / rate.max(1);
        let (arrived, total, rate) = (render::size(arrived), render::size(state.total), render::size(rate));
        tell(&format!("\r\u{1b}[K{arrived} of {total}, {rate}/s, {left} s left"));
    }
}
