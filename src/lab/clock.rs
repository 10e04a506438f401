//! The lab's own clock: the machine's time plus a shift that a scenario may grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp, Unit};

/// A clock shared by everything in one lab. Cloning it shares the shift.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shift_millis: Arc<AtomicI64>,
}

impl Clock {
    /// The time in the lab, to the microsecond.
    pub fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_millis(self.shift_millis.load(Ordering::Relaxed));
        let now = Timestamp::now();
        now.checked_add(shift).unwrap_or(now)
    }

    /// Moves the lab's time forward (or back, when negative) for everyone who shares this clock.
    pub fn advance(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shift_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

/// A time as Kubernetes writes `metav1.Time`: whole seconds, UTC, `Z`.
pub fn seconds(at: Timestamp) -> String {
    let whole = at.round(Unit::Second).unwrap_or(at);
    // Rounding up would put a creation into the future, which `kubectl` prints as `<invalid>`.
    let whole = if whole > at {
        whole
            .checked_sub(SignedDuration::from_secs(1))
            .unwrap_or(whole)
    } else {
        whole
    };
    whole.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as Kubernetes writes `metav1.MicroTime`: six digits after the point.
pub fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads either form; `None` for anything else.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kubernetes_times_are_cut_not_rounded() {
        let at: Timestamp = "2026-11-21T10:00:00.987654Z".parse().unwrap();
        assert_eq!(seconds(at), "2026-11-21T10:00:00Z");
        assert_eq!(micros(at), "2026-11-21T10:00:00.987654Z");
        assert_eq!(
            parse(&seconds(at)).unwrap().to_string(),
            "2026-11-21T10:00:00Z"
        );
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn a_shift_is_shared() {
        let clock = Clock::default();
        let other = clock.clone();
        other.advance(SignedDuration::from_hours(3));
        assert!(clock.now() > Timestamp::now() + SignedDuration::from_hours(2));
    }
}
