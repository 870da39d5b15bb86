//! How far a pull or a push is, on standard error: on a terminal a bar for each layer under way and a line for the whole,
//! elsewhere a line for each layer that has come to its end, and nothing for who wants quiet.
//!
//! A layer that has ended leaves a line behind, above the bars; so these are never more than are under way at once, and
//! fit on any terminal.

use super::size;
use engine::{Moved, Watch};
use oci::image::Descriptor;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A terminal is not written to more often.
const PAUSE: Duration = Duration::from_millis(100);
/// The rate is that of the last while: networks change.
const WHILE: Duration = Duration::from_secs(3);

/// How far it is.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Lines,
    Bars,
}

#[derive(Debug, Default)]
struct State {
    layers: Vec<Layer>,
    /// When the bars were drawn, and how many lines they take.
    drawn: Option<(Instant, usize)>,
}

#[derive(Debug)]
struct Layer {
    name: String,
    size: u64,
    done: u64,
    ended: bool,
    /// Since when its rate is measured, and from where; the one before, until there is enough of this one.
    since: Option<(Instant, u64)>,
    rate: u64,
}

impl Progress {
    /// For a pull or a push that begins.
    pub fn new(quiet: bool) -> Self {
        let shown = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (_, true) => Shown::Bars,
            _ => Shown::Lines,
        };
        Self { shown, state: Mutex::default() }
    }

    /// Leaves the terminal empty below what has ended.
    pub fn end(&self) {
        let mut state = self.state();
        let clear = state.clear();
        state.drawn = None;
        tell(&clear);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody is helped by a pull that ends because its progress could not be shown.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl Watch for Progress {
    fn layers(&self, layers: &[Descriptor]) {
        let layer = |layer: &Descriptor| Layer {
            name: layer.digest.short(),
            size: layer.size,
            done: 0,
            ended: false,
            since: None,
            rate: 0,
        };
        self.state().layers = layers.iter().map(layer).collect();
    }

    fn moved(&self, layer: usize, bytes: u64) {
        let mut state = self.state();
        if let Some(layer) = state.layers.get_mut(layer) {
            layer.moved(bytes, Instant::now());
        }
        if self.shown == Shown::Bars && state.drawn.is_none_or(|(last, _)| last.elapsed() >= PAUSE) {
            let text = state.clear() + &state.bars(columns());
            state.drawn = Some((Instant::now(), state.under_way().count() + 1));
            tell(&text);
        }
    }

    fn ended(&self, layer: usize, how: Moved) {
        let mut state = self.state();
        let Some(layer) = state.layers.get_mut(layer) else { return };
        layer.done = layer.size;
        layer.ended = true;
        let how = match how {
            Moved::Sent => "done",
            Moved::Existed => "already there",
            Moved::Mounted => "taken from another repository",
        };
        let line = format!("layer {}: {}, {how}\n", layer.name, size(layer.size));
        match self.shown {
            Shown::Nothing => {}
            Shown::Lines => tell(&line),
            Shown::Bars => {
                let text = state.clear() + &line;
                state.drawn = None;
                tell(&text);
            }
        }
    }
}

impl Layer {
    fn moved(&mut self, bytes: u64, now: Instant) {
        self.done = bytes;
        let (since, from) = *self.since.get_or_insert((now, bytes));
        let span = now.saturating_duration_since(since);
        // What is sent again, after a failure, is not there twice.
        let gained = bytes.saturating_sub(from);
        if span >= WHILE || self.rate == 0 {
            self.rate = per_second(gained, span);
        }
        if span >= WHILE {
            self.since = Some((now, bytes));
        }
    }

    fn rate(&self) -> u64 {
        if self.ended { 0 } else { self.rate }
    }
}

fn per_second(bytes: u64, span: Duration) -> u64 {
    (u128::from(bytes) * 1000).checked_div(span.as_millis()).unwrap_or(0) as u64
}

impl State {
    fn under_way(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|layer| layer.since.is_some() && !layer.ended)
    }

    /// What removes the bars that are there.
    fn clear(&self) -> String {
        match self.drawn {
            Some((_, lines)) => format!("\r\u{1b}[{lines}A\u{1b}[J"),
            None => String::new(),
        }
    }

    /// The bars, each on a line, in a terminal of that width.
    fn bars(&self, columns: usize) -> String {
        let mut text = String::new();
        for layer in self.under_way() {
            let told = line(layer.done, layer.size, layer.rate());
            // `0123456789ab [====>    ] 12.3MB of 45.6MB, 7.8MB/s, 4 s left`
            let room = columns.saturating_sub(12 + 2 + 2 + told.len() + 1).min(40);
            let full =
                (u128::from(layer.done.min(layer.size)) * room as u128).checked_div(layer.size.into()).unwrap_or(0);
            let bar = format!("{:<room$}", format!("{}>", "=".repeat((full as usize).saturating_sub(1))));
            let bar = if room > 4 { format!("[{bar}] ") } else { String::new() };
            fit(&mut text, &format!("{} {bar}{told}", layer.name), columns);
        }
        let sum = |of: fn(&Layer) -> u64| self.layers.iter().map(of).fold(0, u64::saturating_add);
        let told = line(sum(|layer| layer.done), sum(|layer| layer.size), sum(Layer::rate));
        let ended = self.layers.iter().filter(|layer| layer.ended).count();
        fit(&mut text, &format!("{ended} of {} layers, {told}", self.layers.len()), columns);
        text
    }
}

/// `12.3MB of 45.6MB, 7.8MB/s, 4 s left`.
fn line(done: u64, whole: u64, rate: u64) -> String {
    let mut text = format!("{} of {}", size(done), size(whole));
    if let Some(left) = whole.saturating_sub(done).checked_div(rate) {
        _ = write!(text, ", {}/s, {left} s left", size(rate));
    }
    text
}

/// Adds a line that does not wrap: a wrapped one would be two, and stay.
fn fit(text: &mut String, line: &str, columns: usize) {
    text.extend(line.chars().take(columns.saturating_sub(1)));
    text.push('\n');
}

/// Columns of the terminal on standard error.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::digest::Digest;
    use oci::image::media_type;

    fn state(sizes: &[u64]) -> Progress {
        let progress = Progress { shown: Shown::Nothing, state: Mutex::default() };
        let layer = |size: &u64| Descriptor::new(media_type::LAYER, Digest::of(b""), *size);
        progress.layers(&sizes.iter().map(layer).collect::<Vec<_>>());
        progress
    }

    #[test]
    fn a_bar_tells_rate_and_time_left_and_fits_the_terminal() {
        let progress = state(&[10_000_000, 30_000_000, 5]);
        let mut state = progress.state();
        let then = Instant::now();
        state.layers[0].moved(1_000_000, then);
        state.layers[0].moved(5_000_000, then + Duration::from_secs(4));
        let bars = state.bars(100);
        let told: Vec<&str> = bars.lines().collect();
        assert_eq!(told.len(), 2, "what has not begun has no bar: {bars}");
        assert!(told[0].starts_with("e3b0c44298fc [====") && told[0].contains('>'), "{bars}");
        assert!(told[0].ends_with("] 5MB of 10MB, 1MB/s, 5 s left"), "{bars}");
        assert_eq!(told[1], "0 of 3 layers, 5MB of 40MB, 1MB/s, 35 s left");
        for columns in [1, 20, 40, 60] {
            assert!(state.bars(columns).lines().all(|line| line.chars().count() < columns), "{columns}");
        }
    }

    #[test]
    fn a_layer_that_has_ended_has_no_bar_and_no_rate() {
        let progress = state(&[10, 10]);
        progress.moved(0, 5);
        progress.ended(0, Moved::Sent);
        assert_eq!(progress.state().bars(100), "1 of 2 layers, 10B of 20B\n");
    }
}
