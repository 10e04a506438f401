//! When rounds begin: first ones bit by bit, later ones together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far apart the first rounds of engines begin, over all contexts, once [`AT_ONCE`] have begun. A fleet of thousands
/// that is opened is asked within seconds, and what happens in it meanwhile is not queued behind the asking.
const APART: Duration = Duration::from_millis(2);
const AT_ONCE: u32 = 96;
/// The same for first tries at data ports: each is a connection of its own, and nothing waits for them but a command that
/// looks once.
const TRIES_APART: Duration = Duration::from_millis(8);
/// How far apart rounds in the background begin, as long as there are not more than [`FEW`] engines; with twice as many,
/// half as far apart, and so on: no more than ten of them begin together, for what follows holds up whatever else is done.
const SLOT: Duration = Duration::from_millis(250);
const FEW: usize = 400;

/// The engines that this process asks, over all contexts.
static ENGINES: AtomicUsize = AtomicUsize::new(0);

/// One engine that is asked, for as long as it lives.
pub(super) struct Asked(());

impl Asked {
    pub(super) fn count() -> Self {
        ENGINES.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        ENGINES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long the next first round of this process waits for its turn.
pub(super) fn first_turn() -> Duration {
    /// When the first rounds that were let through would all have begun, had they been [`APART`].
    static LET_THROUGH: Mutex<Option<Instant>> = Mutex::new(None);
    next(&LET_THROUGH, APART)
}

/// The same for the next first try at a data port.
pub(in crate::observe) fn first_try() -> Duration {
    static LET_THROUGH: Mutex<Option<Instant>> = Mutex::new(None);
    next(&LET_THROUGH, TRIES_APART)
}

fn next(through: &Mutex<Option<Instant>>, apart: Duration) -> Duration {
    let mut through = through.lock().unwrap_or_else(PoisonError::into_inner);
    turn(&mut through, Instant::now(), apart)
}

/// How long the next first round waits for its turn, given when those before it would all have begun.
fn turn(through: &mut Option<Instant>, now: Instant, apart: Duration) -> Duration {
    let due = through.map_or(now, |through| through.max(now));
    *through = Some(due + apart);
    due.saturating_duration_since(now + apart * AT_ONCE)
}

/// A wait that ends with those of others: rounds in the background begin at the same moments, so that the machine is not
/// woken, and nothing is judged, for each by itself. A wait that is short against that is as it is.
pub(in crate::observe) fn together(wait: Duration) -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let slot = slot(ENGINES.load(Ordering::Relaxed));
    wait + until_slot(BEGAN.elapsed(), wait, slot)
}

/// How far apart rounds of so many engines begin.
fn slot(engines: usize) -> Duration {
    let mut slot = SLOT;
    let mut few = FEW;
    while engines > few && !slot.is_zero() {
        slot /= 2;
        few = few.saturating_mul(2);
    }
    slot
}

/// How long after that wait, which begins then, the next slot is.
fn until_slot(begins: Duration, wait: Duration, slot: Duration) -> Duration {
    if wait < SLOT * 8 {
        return Duration::ZERO;
    }
    let over = (begins + wait).as_nanos().checked_rem(slot.as_nanos());
    match over.and_then(|over| u64::try_from(over).ok()) {
        Some(over) if over > 0 => slot.saturating_sub(Duration::from_nanos(over)),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fleet_is_asked_at_once_and_a_large_one_bit_by_bit() {
        let (mut through, now) = (None, Instant::now());
        let waits: Vec<Duration> = (0..2_000).map(|_| turn(&mut through, now, APART)).collect();
        let at_once = waits.iter().take_while(|wait| wait.is_zero()).count();
        assert_eq!(at_once, AT_ONCE as usize + 1);
        assert_eq!(waits.last(), Some(&(APART * (1_999 - AT_ONCE))));
        // When all of them have long begun, the next ones are let through at once again.
        let later = now + Duration::from_secs(60);
        assert!(turn(&mut through, later, APART).is_zero());
    }

    #[test]
    fn long_waits_end_together_and_short_ones_when_they_end() {
        for (begins, wait, slot, more) in [
            (0, 10_000, 250, 0),
            (0, 10_001, 250, 249),
            (1, 9_998, 250, 1),
            (13_120, 9_700, 250, 180),
            (13_120, 9_700, 50, 30),
            (7, 1_999, 250, 0),
            (7, 50, 250, 0),
            (7, 10_000, 0, 0),
        ] {
            let ms = Duration::from_millis;
            let told = until_slot(ms(begins), ms(wait), ms(slot));
            assert_eq!(told, ms(more), "{begins} {wait} {slot}");
        }
    }

    #[test]
    fn no_more_than_ten_begin_together() {
        for engines in [0, 1, 120, 400, 401, 2_020, 50_000] {
            // In the background each is asked every ten seconds.
            let slots = 10.0 / slot(engines).as_secs_f64();
            assert!(engines as f64 / slots <= 10.0, "{engines}");
        }
        assert_eq!(slot(400), SLOT);
        assert_eq!(slot(usize::MAX), Duration::ZERO);
    }
}
