//! How long to wait before another try: doubling, bounded, and jittered so that many watches of one server that came
//! back do not all ask in the same instant.

use std::time::Duration;

/// A small source of jitter, the same for the same seed, so that a test tells the same story twice.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    /// Seeded by a name (FNV-1a).
    pub(super) fn of(seed: &str) -> Self {
        let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// Between 0 and 1 (xorshift64).
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// That time, shortened or stretched by up to a tenth.
    pub(super) fn about(&mut self, time: Duration) -> Duration {
        time.mul_f64(0.9 + 0.2 * self.share())
    }

    /// Any time up to that.
    pub(super) fn within(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.share())
    }
}

/// A wait that doubles with each failure and starts over with success.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
    jitter: Jitter,
}

impl Backoff {
    pub(super) fn new(least: Duration, most: Duration, jitter: Jitter) -> Self {
        Self {
            least,
            most,
            next: least,
            jitter,
        }
    }

    /// The wait after another failure: between half and the whole of what is due, never above the bound.
    pub(super) fn pause(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.most);
        due / 2 + self.jitter.within(due / 2)
    }

    /// Success: the next failure waits shortest again.
    pub(super) fn reset(&mut self) {
        self.next = self.least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_over() {
        let s = Duration::from_secs;
        let mut backoff = Backoff::new(s(1), s(30), Jitter::of("kind-a"));
        for due in [1, 2, 4, 8, 16, 30, 30, 30] {
            let pause = backoff.pause();
            assert!(pause >= s(due) / 2 && pause <= s(due), "{due}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= s(1));
    }

    #[test]
    fn jitter_is_the_same_for_a_seed_and_differs_between_seeds() {
        let draw = |seed: &str| {
            let mut jitter = Jitter::of(seed);
            (0..8)
                .map(|_| jitter.about(Duration::from_secs(10)))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw("a"), draw("a"));
        assert_ne!(draw("a"), draw("b"));
        for time in draw("a").into_iter().chain(draw("")) {
            assert!(time >= Duration::from_secs(9) && time <= Duration::from_secs(11));
        }
        let drawn = draw("a");
        assert!(drawn.iter().any(|t| *t > Duration::from_secs(10)));
        assert!(drawn.iter().any(|t| *t < Duration::from_secs(10)));
    }
}
