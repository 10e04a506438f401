//! The schedule of snapshots (`--snapshot_cron`): five fields, as the server reads them.
//!
//! The server hands the text to croncpp with a `0` for the seconds before it (read of server v1.40), which is stricter
//! than the cron of Unix: a moment must fit the day of the month *and* the day of the week. Times are UTC, as in the
//! server's image.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How far back or ahead a moment is looked for, days: a leap day that must be a certain weekday comes every 28 years.
const DAYS: u32 = 366 * 29;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
}

impl Cron {
    /// Reads a schedule.
    ///
    /// # Errors
    /// Which part cannot be read, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("it has {} fields instead of 5", fields.len()));
        };
        let months_names = [
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ];
        let day_names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
        let mut on = field(weekdays, 0, 7, &day_names, 0)?;
        if on & (1 << 7) != 0 {
            on |= 1;
        }
        Ok(Self {
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 0)?,
            months: field(months, 1, 12, &months_names, 1)?,
            weekdays: on,
        })
    }

    /// The last moment of the schedule at or before that; `None` when it never comes.
    pub fn before(&self, at: Timestamp) -> Option<Timestamp> {
        self.search(at, false)
    }

    /// The first moment of the schedule after that; `None` when it never comes.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        self.search(at.checked_add(SignedDuration::from_secs(60)).ok()?, true)
    }

    fn search(&self, at: Timestamp, ahead: bool) -> Option<Timestamp> {
        let start = at.to_zoned(TimeZone::UTC);
        let mut date = start.date();
        let mut from = (start.hour(), start.minute());
        for _ in 0..DAYS {
            let fits = has(self.days, date.day())
                && has(self.months, date.month())
                && has(self.weekdays, weekday(date.weekday()));
            if fits && let Some((hour, minute)) = self.time(from, ahead) {
                let moment = date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok()?;
                return Some(moment.timestamp());
            }
            (date, from) = match ahead {
                true => (date.tomorrow().ok()?, (0, 0)),
                false => (date.yesterday().ok()?, (23, 59)),
            };
        }
        None
    }

    /// The nearest time of day at or after (or before) a time.
    fn time(&self, (hour, minute): (i8, i8), ahead: bool) -> Option<(i8, i8)> {
        let nearest = |set: u64, from: i8, most: i8| -> Option<i8> {
            match ahead {
                true => (from..=most).find(|n| has(set, *n)),
                false => (0..=from).rev().find(|n| has(set, *n)),
            }
        };
        let step = if ahead { 1 } else { -1 };
        let start = if ahead { 0 } else { 59 };
        if has(self.hours, hour)
            && let Some(minute) = nearest(self.minutes, minute, 59)
        {
            return Some((hour, minute));
        }
        let hour = nearest(self.hours, hour + step, 23)?;
        Some((hour, nearest(self.minutes, start, 59)?))
    }
}

fn has(set: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|n| n < 64 && set & (1 << n) != 0)
}

fn weekday(day: Weekday) -> i8 {
    day.to_sunday_zero_offset()
}

/// One field: `*`, `?`, numbers, names, ranges, steps, and lists of these.
fn field(text: &str, least: u32, most: u32, names: &[&str], first: u32) -> Result<u64, String> {
    let wrong = || format!("`{text}` cannot be read");
    let number = |word: &str| -> Result<u32, String> {
        let named = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(word));
        let value = match named {
            Some(at) => u32::try_from(at).unwrap_or(0) + first,
            None => word.parse().map_err(|_| wrong())?,
        };
        match (least..=most).contains(&value) {
            true => Ok(value),
            false => Err(format!("`{word}` is not between {least} and {most}")),
        }
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().map_err(|_| wrong())?),
            None => (part, 1),
        };
        if step == 0 {
            return Err(wrong());
        }
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/10` means from 5 on.
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(wrong());
        }
        for n in (from..=to).step_by(usize::try_from(step).unwrap_or(1)) {
            set |= 1 << n;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_schedule_knows_the_moments_around_a_moment() {
        // 2026-01-02 is a Friday.
        for (cron, at, before, after) in [
            (
                "*/5 * * * *",
                "2026-01-02T12:03:20Z",
                "2026-01-02T12:00:00Z",
                "2026-01-02T12:05:00Z",
            ),
            (
                "*/5 * * * *",
                "2026-01-02T12:05:00Z",
                "2026-01-02T12:05:00Z",
                "2026-01-02T12:10:00Z",
            ),
            (
                "30 2 * * *",
                "2026-01-02T01:00:00Z",
                "2026-01-01T02:30:00Z",
                "2026-01-02T02:30:00Z",
            ),
            (
                "0 0 1 * *",
                "2026-01-02T12:00:00Z",
                "2026-01-01T00:00:00Z",
                "2026-02-01T00:00:00Z",
            ),
            (
                "15 6,18 * * MON-FRI",
                "2026-01-04T12:00:00Z",
                "2026-01-02T18:15:00Z",
                "2026-01-05T06:15:00Z",
            ),
            (
                "0 12 * * 7",
                "2026-01-02T12:00:00Z",
                "2025-12-28T12:00:00Z",
                "2026-01-04T12:00:00Z",
            ),
            (
                "0 0 29 feb ?",
                "2026-01-02T12:00:00Z",
                "2024-02-29T00:00:00Z",
                "2028-02-29T00:00:00Z",
            ),
            (
                "50/5 23 * * *",
                "2026-01-02T12:00:00Z",
                "2026-01-01T23:55:00Z",
                "2026-01-02T23:50:00Z",
            ),
            // Both days must fit: Friday the 13th.
            (
                "0 0 13 * 5",
                "2026-01-02T12:00:00Z",
                "2025-06-13T00:00:00Z",
                "2026-02-13T00:00:00Z",
            ),
        ] {
            let read = Cron::parse(cron).unwrap();
            let at: Timestamp = at.parse().unwrap();
            let told = (
                read.before(at).unwrap().to_string(),
                read.after(at).unwrap().to_string(),
            );
            assert_eq!(told, (before.to_owned(), after.to_owned()), "{cron}");
        }
        let never = Cron::parse("0 0 31 2 *").unwrap();
        let at: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        assert_eq!((never.before(at), never.after(at)), (None, None));
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for (text, wanted) in [
            ("", "it has 0 fields instead of 5"),
            ("0 */5 * * * *", "it has 6 fields instead of 5"),
            ("61 * * * *", "`61` is not between 0 and 59"),
            ("a * * * *", "`a` cannot be read"),
            ("*/0 * * * *", "`*/0` cannot be read"),
            ("5-1 * * * *", "`5-1` cannot be read"),
            ("* * 0 * *", "`0` is not between 1 and 31"),
            ("* * * FOO *", "`FOO` cannot be read"),
            ("1,, * * * *", "`1,,` cannot be read"),
            (
                "99999999999999999999 * * * *",
                "`99999999999999999999` cannot be read",
            ),
        ] {
            assert_eq!(Cron::parse(text), Err(wanted.to_owned()), "{text}");
        }
    }
}
