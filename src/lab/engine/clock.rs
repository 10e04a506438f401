//! The lab's clock: one origin for all engines, and a speed.
//!
//! Durations measured on real servers are slept for in lab time, so a story that takes minutes can
//! be told in seconds. Sockets stay on real time: the clock never jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Time as all engines of a lab see it; cheap to clone.
#[derive(Clone, Debug)]
pub struct LabClock(Arc<Origin>);

#[derive(Debug)]
struct Origin {
    started: Instant,
    unix: Duration,
    /// Lab time that had passed before.
    past: Duration,
    speed: f64,
    /// By how many milliseconds what the clock shows is off; what it counts is right.
    skew: AtomicI64,
}

impl LabClock {
    /// A clock that starts at the present wall-clock time and runs `speed` times as fast
    /// (1.0 is real time; values that are not positive count as 1.0).
    pub fn new(speed: f64) -> Self {
        Self::aged(speed, Duration::ZERO)
    }

    /// A clock that has been running for `past`, so that processes can be older than the lab.
    pub fn aged(speed: f64, past: Duration) -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let speed = if speed.is_finite() && speed > 0.0 {
            speed
        } else {
            1.0
        };
        Self(Arc::new(Origin {
            started: Instant::now(),
            unix: unix.saturating_sub(past),
            past,
            speed,
            skew: AtomicI64::new(0),
        }))
    }

    /// Lab time since the clock was made.
    pub fn now(&self) -> Duration {
        self.0.past + self.0.started.elapsed().mul_f64(self.0.speed)
    }

    /// Lab time as milliseconds since 1970.
    pub fn unix_ms(&self) -> i64 {
        self.unix_ms_at(self.now())
    }

    /// Lab time as whole seconds since 1970.
    pub fn unix_s(&self) -> i64 {
        self.unix_ms() / 1000
    }

    /// A moment of lab time as milliseconds since 1970.
    pub fn unix_ms_at(&self, at: Duration) -> i64 {
        let millis = i64::try_from((self.0.unix + at).as_millis()).unwrap_or(i64::MAX);
        millis.saturating_add(self.0.skew.load(Ordering::Relaxed))
    }

    /// Puts the calendar time that it shows off by so many milliseconds; 0 puts it right.
    pub fn skew(&self, millis: i64) {
        self.0.skew.store(millis, Ordering::Relaxed);
    }

    /// Waits for a span of lab time.
    pub async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span.div_f64(self.0.speed)).await;
    }

    /// A moment of lab time, formatted by `strftime` rules in UTC.
    pub(super) fn format(&self, at: Duration, pattern: &str) -> String {
        let micros = i64::try_from((self.0.unix + at).as_micros()).unwrap_or(0);
        let skew = self.0.skew.load(Ordering::Relaxed).saturating_mul(1000);
        let micros = micros.saturating_add(skew);
        match Timestamp::from_microsecond(micros) {
            Ok(time) => time.to_zoned(TimeZone::UTC).strftime(pattern).to_string(),
            Err(_) => String::new(),
        }
    }
}

impl Default for LabClock {
    fn default() -> Self {
        Self::new(1.0)
    }
}
