//! What a container has written.

use crate::config::ContainerConfig;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::spec::Composed;
pub use monitor::Stream;
use monitor::log::{Driver, Reader};
pub use monitor::log::{Line, rfc3339};
use std::time::Duration;
use store::{Container, ContainerDir, ContainerId};

/// How often somebody looks who follows a log: no line is older than that when it is shown.
const LOOK: Duration = Duration::from_millis(50);

/// A container's log, line by line.
#[derive(Debug)]
pub struct Log<'a> {
    engine: &'a Engine,
    id: ContainerId,
    reader: Reader<ContainerDir>,
}

impl Engine {
    /// The log of a container.
    pub fn log(&self, text: &str) -> Result<Log<'_>> {
        let id = self.find(text)?;
        let dir = self.store()?.container(&id)?;
        let record: Container<Record> = dir.read()?;
        let driver = record.config.config.log.driver;
        let format = driver.format().ok_or_else(|| match driver {
            Driver::Journald => Error::InJournal(id.to_string()),
            _ => Error::NoLog(text.to_owned(), driver.name()),
        })?;
        Ok(Log { engine: self, id, reader: Reader::new(dir, format) })
    }
}

impl Log<'_> {
    /// The next line, if it is there.
    pub fn next_line(&mut self) -> Option<Line> {
        self.reader.next_line()
    }

    /// More may come.
    pub fn grows(&self) -> bool {
        self.engine.is_held(&self.id)
    }

    /// Waits a little for more.
    pub fn wait(&self) {
        std::thread::sleep(LOOK);
    }
}

/// How its log is kept, with the labels and variables that are told with each line.
pub(crate) fn log_of(config: &ContainerConfig, composed: &Composed) -> monitor::log::Config {
    let mut log = config.log.clone();
    let labels = log.labels.iter().filter_map(|name| Some((name.clone(), config.labels.get(name)?.clone())));
    let env = composed.spec.process.iter().flat_map(|process| &process.env).filter_map(|word| word.split_once('='));
    let env = env.filter(|(name, _)| log.env.iter().any(|wanted| wanted == name));
    log.attrs = labels.chain(env.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    log
}
