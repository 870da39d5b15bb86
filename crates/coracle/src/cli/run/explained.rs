//! `--explain` and `--explain-file`: where the steps of a start are told, and in which form.

use crate::cli::Failure;
use engine::explanation::Explanation;
use explain::Form;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Where they are told: a file that is open, or standard error.
pub enum Explained<'a> {
    /// With its name.
    File(&'a Path, File),
    /// Standard output is the container's.
    Error,
}

impl<'a> Explained<'a> {
    /// Makes the file, or empties it: nothing is run whose steps could not be written.
    pub fn open(path: Option<&'a Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Error) };
        Ok(Self::File(path, File::create(path).map_err(|error| failed(path, &error))?))
    }

    /// Tells them.
    pub fn tell(&mut self, explanation: &Explanation) -> Result<(), Failure> {
        match self {
            Self::File(path, file) => {
                let text = Form::of_file(path).of(explanation);
                file.write_all(text.as_bytes()).map_err(|error| failed(path, &error))
            }
            Self::Error => {
                super::tell(&explain::text(explanation));
                Ok(())
            }
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::words(format!("write --explain-file {}: {error}", path.display()), "name a file that can be written")
}
