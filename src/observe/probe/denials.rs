//! Rights that are missing, as the engines of a context remember them together: one refusal is enough for all pods of a
//! namespace, it is doubted first and then believed for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Fault;
use crate::domain::engine::Way;
use crate::observe::Pace;

/// How long a namespace rests in which a way is not permitted.
const REST: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Clone, Default)]
pub(in crate::observe) struct Denials(Arc<Mutex<ByPlace>>);

type ByPlace = BTreeMap<(Arc<str>, Way), Denial>;

/// That a way is not permitted in a namespace.
struct Denial {
    fault: Fault,
    /// How often it was said and doubted.
    doubted: u32,
    /// How long engines rest before one asks again.
    rest: Duration,
    /// Until when it is believed without being asked for again.
    until: Instant,
    /// How often somebody had asked to try again when it was noted: it is not believed once they do again.
    nudges: u64,
}

impl Denial {
    fn is_believed(&self, now: Instant, nudges: u64) -> bool {
        now < self.until && self.nudges == nudges
    }
}

impl Denials {
    /// The refusal that is believed at present, and how long to rest.
    pub(in crate::observe) fn standing(
        &self,
        namespace: &Arc<str>,
        way: Way,
        nudges: u64,
    ) -> Option<(Fault, Duration)> {
        let denials = self.lock();
        let denial = denials.get(&(namespace.clone(), way))?;
        denial
            .is_believed(Instant::now(), nudges)
            .then(|| (denial.fault.clone(), denial.rest))
    }

    /// Notes a refusal, and tells how long to rest. The first few are doubted, as those of standing questions are;
    /// engines that asked at the same time count as one.
    pub(in crate::observe) fn note(
        &self,
        namespace: &Arc<str>,
        way: Way,
        fault: &Fault,
        pace: &Pace,
        nudges: u64,
    ) -> Duration {
        let now = Instant::now();
        let mut denials = self.lock();
        let key = (namespace.clone(), way);
        let before = denials.get(&key);
        if let Some(denial) = before.filter(|denial| denial.is_believed(now, nudges)) {
            return denial.rest;
        }
        let doubted = before.map_or(0, |denial| denial.doubted);
        let doubt = pace.doubt(doubted);
        let rest = doubt.unwrap_or(REST);
        let denial = Denial {
            // It is said of every pod of the namespace from here on: the words that name one of them stay behind.
            fault: Fault {
                detail: String::new(),
                ..fault.clone()
            },
            doubted: doubted + u32::from(doubt.is_some()),
            rest,
            // A little less than the rest, so that the first to wake asks again.
            until: now + rest / 2,
            nudges,
        };
        denials.insert(key, denial);
        rest
    }

    /// The way leads there after all.
    pub(in crate::observe) fn lift(&self, namespace: &Arc<str>, way: Way) {
        self.lock().remove(&(namespace.clone(), way));
    }

    fn lock(&self) -> MutexGuard<'_, ByPlace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
