//! Which containers a verb is for: those that are named, or chosen by what they are, as docker and podman let one say it.

use super::filter::{CONTAINERS, Chosen};
use super::{Context, Failure, no_words, some_words};
use engine::Engine;
use engine::containers::Status;
use flag::{Flag, push_word};

/// What the flags say.
#[derive(Debug, Default)]
pub struct Which {
    all: bool,
    filters: Vec<String>,
    latest: bool,
    cidfiles: Vec<String>,
}

/// `--all`.
pub const fn all<G: AsMut<Which>>(about: &'static str) -> Flag<G> {
    Flag::switch("all", |g: &mut G, on| g.as_mut().all = on, about).under("Options")
}

/// `--cidfile`.
pub const fn cidfile<G: AsMut<Which>>() -> Flag<G> {
    let about = "Those whose ids are in these files";
    Flag::takes("cidfile", "FILE", |g: &mut G, w| push_word(&mut g.as_mut().cidfiles, w), about).under("Options")
}

/// `--filter`.
pub const fn filter<G: AsMut<Which>>() -> Flag<G> {
    let about = "Those that fit, as ps has it";
    Flag::takes("filter", "NAME=VALUE", |g: &mut G, w| push_word(&mut g.as_mut().filters, w), about).under("Options")
}

/// `--latest`.
pub const fn latest<G: AsMut<Which>>() -> Flag<G> {
    Flag::switch("latest", |g: &mut G, on| g.as_mut().latest = on, "The newest").short('l').under("Options")
}

impl Which {
    /// None is named, and all that fit are meant.
    pub fn is_rule(&self) -> bool {
        self.all || !self.filters.is_empty()
    }

    /// Nothing but names is given.
    pub fn is_named(&self) -> bool {
        !self.latest && self.cidfiles.is_empty() && !self.is_rule()
    }

    /// All are meant, whatever they are.
    pub fn is_all(&self) -> bool {
        self.all && self.filters.is_empty()
    }

    /// Whether anything is chosen at all, before anything is opened for it.
    pub fn needs(&self, names: &[String]) -> Result<(), Failure> {
        if self.is_named() { some_words(names, "a container") } else { Ok(()) }
    }

    /// They, by their names or ids; of all, and of those that fit, only what is of the kind.
    pub fn names(
        &self,
        mut names: Vec<String>,
        engine: &Engine,
        kind: impl Fn(&Status) -> bool,
    ) -> Result<Vec<String>, Failure> {
        for file in &self.cidfiles {
            let id = std::fs::read_to_string(file).map_err(|error| Failure::unreadable("--cidfile", file, error))?;
            names.push(id.trim().to_owned());
        }
        if self.latest {
            if !names.is_empty() || self.is_rule() {
                return Err(Failure::words("--latest and names exclude each other", "leave out either of them"));
            }
            return Ok(vec![newest(engine)?]);
        }
        if !self.is_rule() {
            some_words(&names, "a container")?;
            return Ok(names);
        }
        if !names.is_empty() {
            let flag = if self.all { "--all" } else { "--filter" };
            return Err(Failure::words(format!("{flag} and names exclude each other"), "leave out either of them"));
        }
        let filters = Chosen::read(&self.filters, &[CONTAINERS], engine)?;
        let listed = engine.containers()?.into_iter().flatten();
        let fits = listed.filter(|listed| kind(&listed.status) && filters.fits(listed));
        Ok(fits.map(|listed| listed.container.id.to_string()).collect())
    }

    /// The one container of a verb that takes a name or `--latest`.
    pub fn only(&self, words: &[String], context: &Context, usage: &str) -> Result<(Engine, String), Failure> {
        if !self.latest {
            let [name] = words else { return Err(Failure::words("one container is needed", usage)) };
            return Ok((context.engine()?, name.clone()));
        }
        no_words(words)?;
        let engine = context.engine()?;
        let name = newest(&engine)?;
        Ok((engine, name))
    }

    /// The same for a verb that is for one.
    pub fn one(&self, words: &[String], engine: &Engine) -> Result<Option<String>, Failure> {
        match (self.latest, self.cidfiles.as_slice()) {
            (true, []) => newest(engine).map(Some),
            (false, [_]) => Ok(self.names(Vec::new(), engine, |_| true)?.pop()),
            (false, []) => Ok(None),
            _ => {
                no_words(words)?;
                Err(Failure::words("one container is needed", "leave out --latest, or all but one --cidfile"))
            }
        }
    }
}

/// The newest container.
pub fn newest(engine: &Engine) -> Result<String, Failure> {
    let newest = engine.containers()?.into_iter().flatten().max_by_key(|listed| listed.container.config.created);
    let none = || Failure::absent("there is no container", "coracle run makes one");
    Ok(newest.ok_or_else(none)?.container.id.to_string())
}
