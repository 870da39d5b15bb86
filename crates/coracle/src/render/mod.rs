//! Values as people and programs read them.

mod progress;
mod size;
mod table;
mod time;

pub use progress::Progress;
pub use size::size;
pub use table::{Table, columns};
pub use time::{ago, date, moment, now, seconds, span};

/// Columns of the terminal on standard output; 80 without one.
pub fn width() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(80)
}
