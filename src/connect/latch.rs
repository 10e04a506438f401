//! Whether a context may be changed at all, and the pass that each single change needs.
//!
//! A context is locked when darner starts. Whoever unlocks it opens its latch for a time; what settings or arguments keep
//! closed never opens. Only `perform` asks for a [`Pass`], and without one the guard before every client stops a change, so
//! that no forgotten path can make one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Method, Uri};
use jiff::Timestamp;

/// Whether a context may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Latched {
    /// Never, and who says so.
    Closed(String),
    /// Not now.
    Locked,
    /// Until then.
    Open(Timestamp),
}

/// The latch of one context.
#[derive(Debug)]
pub struct Latch(Mutex<Latched>);

impl Default for Latch {
    fn default() -> Self {
        Self(Mutex::new(Latched::Locked))
    }
}

impl Latch {
    /// It never opens from here on.
    pub fn close(&self, why: &str) {
        *self.lock() = Latched::Closed(why.to_owned());
    }

    /// Opens it until then, or not: one that is closed stays so. Tells how it stands.
    pub fn open(&self, until: Timestamp) -> Latched {
        let mut latched = self.lock();
        if !matches!(*latched, Latched::Closed(_)) {
            *latched = Latched::Open(until);
        }
        latched.clone()
    }

    /// Locks it again.
    pub fn shut(&self) {
        let mut latched = self.lock();
        if !matches!(*latched, Latched::Closed(_)) {
            *latched = Latched::Locked;
        }
    }

    /// How it stands at that moment: what was open too long is locked.
    pub fn stands(&self, now: Timestamp) -> Latched {
        match &*self.lock() {
            Latched::Open(until) if *until <= now => Latched::Locked,
            latched => latched.clone(),
        }
    }

    /// A pass for one change, if the latch is open at that moment.
    ///
    /// # Errors
    /// Why there is none, as a clause.
    pub fn pass(&self, change: Change, now: Timestamp) -> Result<Pass, String> {
        match self.stands(now) {
            Latched::Open(_) => Ok(Pass(change)),
            Latched::Locked => Err("the context is locked".to_owned()),
            Latched::Closed(why) => Err(why),
        }
    }

    /// A pass for what ends a run that had begun while the latch was open: its lock is given back, and what it paused goes
    /// on, however late that is.
    ///
    /// # Errors
    /// Why there is none, as a clause.
    pub fn pass_to_end(&self, change: Change) -> Result<Pass, String> {
        match &*self.lock() {
            Latched::Closed(why) => Err(why.clone()),
            Latched::Open(_) | Latched::Locked => Ok(Pass(change)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Latched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a pass is for: this, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A request to the API server, by its path with the query.
    Request(Method, String),
    /// A command to an engine.
    Command(Vec<String>),
    /// A command that is run in a container, by the path with its query.
    Run(String),
}

/// The permission to make one change. It cannot be made but by a [`Latch`].
#[derive(Debug, Clone)]
pub struct Pass(Change);

impl Pass {
    /// Whether it is for that request.
    pub(super) fn fits(&self, method: &Method, uri: &Uri) -> bool {
        let whole = uri
            .path_and_query()
            .map_or(uri.path(), |whole| whole.as_str());
        match &self.0 {
            Change::Request(wanted, at) => wanted == method && *at == whole,
            Change::Run(wanted) => *method == Method::GET && *wanted == whole,
            Change::Command(_) => false,
        }
    }

    /// Whether it is for that command.
    pub(super) fn fits_command(&self, words: &[String]) -> bool {
        matches!(&self.0, Change::Command(wanted) if wanted == words)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_latch_opens_for_a_time_and_a_closed_one_never() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let change = || Change::Request(Method::DELETE, "/a".to_owned());
        let latch = Latch::default();
        assert_eq!(
            latch.pass(change(), at(1)).unwrap_err(),
            "the context is locked"
        );
        latch.open(at(10));
        assert!(latch.pass(change(), at(9)).is_ok());
        // It locks itself.
        assert!(latch.pass(change(), at(10)).is_err());
        assert!(latch.pass_to_end(change()).is_ok());
        latch.open(at(30));
        latch.shut();
        assert_eq!(latch.stands(at(11)), Latched::Locked);
        latch.close("--read-only");
        assert_eq!(
            latch.open(at(99)),
            Latched::Closed("--read-only".to_owned())
        );
        assert_eq!(latch.pass(change(), at(12)).unwrap_err(), "--read-only");
        assert!(latch.pass_to_end(change()).is_err());
    }

    #[test]
    fn a_pass_is_for_one_change() {
        let latch = Latch::default();
        let at = Timestamp::UNIX_EPOCH;
        latch.open(Timestamp::MAX);
        let pass = latch
            .pass(Change::Request(Method::DELETE, "/a".to_owned()), at)
            .unwrap();
        for (method, path, wanted) in [
            (Method::DELETE, "/a", true),
            (Method::DELETE, "https://host/a", true),
            (Method::DELETE, "/a?dry=1", false),
            (Method::DELETE, "/b", false),
            (Method::PATCH, "/a", false),
        ] {
            assert_eq!(
                pass.fits(&method, &path.parse().unwrap()),
                wanted,
                "{method} {path}"
            );
        }
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let pass = latch.pass(Change::Command(words("SAVE")), at).unwrap();
        assert!(pass.fits_command(&words("SAVE")) && !pass.fits_command(&words("FLUSHALL")));
        assert!(!pass.fits(&Method::DELETE, &"/a".parse().unwrap()));
    }
}
