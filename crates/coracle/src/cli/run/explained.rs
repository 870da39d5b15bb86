//! `--explain-file`: the steps of a start in a file, in the form that its name asks for.

use crate::cli::Failure;
use engine::explanation::Explanation;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// A file that is open, and what is to be in it.
pub struct Explained<'a> {
    path: &'a Path,
    file: File,
    form: fn(&Explanation) -> String,
}

impl<'a> Explained<'a> {
    /// Makes it, or empties it.
    pub fn create(path: &'a Path) -> Result<Self, Failure> {
        let form = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => explain::json,
            Some("trace") => explain::trace,
            _ => explain::text,
        };
        let file = File::create(path).map_err(|error| failed(path, &error))?;
        Ok(Self { path, file, form })
    }

    /// Writes it.
    pub fn write(mut self, explanation: &Explanation) -> Result<(), Failure> {
        self.file.write_all((self.form)(explanation).as_bytes()).map_err(|error| failed(self.path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::words(format!("write --explain-file {}: {error}", path.display()), "name a file that can be written")
}
