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

/// Rows and columns of the terminal that the command talks to, if there is one.
pub fn console_size() -> Option<oci::runtime::ConsoleSize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdin()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0)
        .then_some(oci::runtime::ConsoleSize { height: size.ws_row, width: size.ws_col })
}
