//! Snapshots: their schedule, the last one, and how old it is against that schedule.

use jiff::Timestamp;

use crate::domain::cron::Cron;
use crate::domain::engine::Persistence;
use crate::domain::{InstanceView, NodeView, Role};

/// How much later than its moment a snapshot may be, seconds: the server looks once a minute, and saving takes time.
const SLACK: i64 = 120;

/// What is known of the snapshots of one node.
#[derive(Debug, PartialEq)]
pub struct Snapshots {
    /// The schedule in the Dragonfly object.
    pub schedule: Option<String>,
    /// The schedule that the engine itself has, by CONFIG GET snapshot_cron; empty: none. `None` while it has not told.
    pub engine: Option<String>,
    /// Why the engine's own schedule is not the one that it should have; empty when it is, or is not known.
    pub strays: String,
    /// When the next one is due.
    pub next: Option<Timestamp>,
    /// When it last saved, in this run of its process.
    pub last: Option<Timestamp>,
    /// The file that it saved to.
    pub file: String,
    /// A failure after the last success: when, and what was said.
    pub failure: Option<(Timestamp, String)>,
    /// The last one was made when the schedule wanted one; `None` where that cannot be told. Somebody may save by hand.
    pub by_schedule: Option<bool>,
    /// How old the last one is.
    pub age: Age,
}

/// How old the last snapshot is.
#[derive(Debug, PartialEq, Eq)]
pub enum Age {
    /// None are scheduled.
    Unscheduled,
    /// The schedule cannot be read, and why.
    Unreadable(String),
    /// They are made on the master only, and this is none.
    Elsewhere,
    /// The engine has not told.
    Unknown,
    /// Its process is younger than the schedule's last moment.
    Young,
    /// As it should be.
    Good,
    /// One moment of the schedule passed without a snapshot.
    Missed,
    /// Two or more did.
    MissedTwice,
}

/// What is known of the snapshots of a node.
pub fn snapshots(
    view: &InstanceView<'_>,
    node: Option<&NodeView<'_>>,
    now: Timestamp,
) -> Snapshots {
    let wanted = view.dragonfly.value.snapshot.as_ref();
    let schedule = wanted.and_then(|snapshot| snapshot.cron.clone());
    let engine = node.and_then(|node| node.engine);
    let told = engine.and_then(|engine| engine.persistence.as_ref());
    let mut snapshots = Snapshots {
        engine: None,
        strays: String::new(),
        schedule,
        next: None,
        last: None,
        file: String::new(),
        failure: None,
        by_schedule: None,
        age: Age::Unscheduled,
    };
    let is_replica = node
        .and_then(NodeView::engine_role)
        .is_some_and(|known| known.value == Role::Replica);
    let master_only = wanted.is_some_and(|snapshot| snapshot.master_only);
    snapshots.engine = engine
        .and_then(|engine| engine.config.as_ref())
        .and_then(|config| config.value.snapshot_cron().map(str::to_owned));
    snapshots.strays = strays(
        snapshots
            .schedule
            .as_deref()
            .filter(|_| !(is_replica && master_only)),
        snapshots.engine.as_deref(),
    );
    if let Some(known) = told {
        let said = &known.value;
        let ours = |at| engine.map_or(at, |engine| engine.by_our_clock(at));
        snapshots.last = saved_at(said).map(ours);
        snapshots.file.clone_from(&said.last_file);
        snapshots.failure = failure(said).map(|(at, error)| (ours(at), error));
    }
    // The schedule is kept by the engine's clock, and so are the moments that it tells.
    let ahead = engine
        .and_then(|engine| engine.clock.as_ref())
        .map_or(0, |known| known.value);
    let there = |at: Timestamp| moved(at, ahead);
    let Some(text) = &snapshots.schedule else {
        return snapshots;
    };
    let cron = match Cron::parse(text) {
        Ok(cron) => cron,
        Err(why) => {
            snapshots.age = Age::Unreadable(why);
            return snapshots;
        }
    };
    snapshots.next = cron.after(there(now)).map(|at| moved(at, -ahead));
    if is_replica && master_only {
        snapshots.next = None;
        snapshots.age = Age::Elsewhere;
        return snapshots;
    }
    let Some(known) = told else {
        snapshots.age = Age::Unknown;
        return snapshots;
    };
    snapshots.by_schedule = saved_at(&known.value).and_then(|at| {
        let took = known
            .value
            .last_save_took
            .and_then(|s| i64::try_from(s).ok());
        let latest = SLACK.saturating_add(took.unwrap_or(0));
        // Clocks differ, and it is told with the second in which it ended.
        let due = cron.before(moved(at, SLACK))?;
        Some(at.as_second().saturating_sub(due.as_second()) <= latest)
    });
    let uptime = engine
        .and_then(|engine| engine.server.as_ref())
        .and_then(|server| Some((server.value.uptime?, server.at)));
    let started = uptime.and_then(|(uptime, at)| {
        let seconds = i64::try_from(uptime).ok()?;
        Timestamp::from_second(there(at).as_second().checked_sub(seconds)?).ok()
    });
    snapshots.age = age(&cron, saved_at(&known.value), started, there(now));
    snapshots
}

/// A moment by a clock that is that many seconds ahead.
fn moved(at: Timestamp, ahead: i64) -> Timestamp {
    match ahead.abs() > 2 {
        true => Timestamp::from_second(at.as_second().saturating_add(ahead)).unwrap_or(at),
        false => at,
    }
}

/// How the schedule that an engine has differs from the one that it should have. The operator sets and clears it at run
/// time, and up to v1.5 forgot a new master (op#393).
fn strays(wanted: Option<&str>, engine: Option<&str>) -> String {
    match (wanted, engine) {
        (Some(wanted), Some("")) => format!(
            "the engine itself has no schedule (CONFIG GET snapshot_cron is empty) where it should have {wanted}: it makes no \
             snapshots (op#393)"
        ),
        (Some(wanted), Some(has)) if has != wanted => format!(
            "the engine itself has the schedule {has} (CONFIG GET snapshot_cron) where it should have {wanted}"
        ),
        (None, Some(has)) if !has.is_empty() => format!(
            "the engine itself has the schedule {has} (CONFIG GET snapshot_cron) where it should have none"
        ),
        _ => String::new(),
    }
}

fn age(cron: &Cron, saved: Option<Timestamp>, started: Option<Timestamp>, now: Timestamp) -> Age {
    let earlier = |at: Timestamp, seconds: i64| {
        Timestamp::from_second(at.as_second().saturating_sub(seconds)).unwrap_or(Timestamp::MIN)
    };
    let Some(due) = cron.before(earlier(now, SLACK)) else {
        return Age::Good;
    };
    // Clocks differ, and a save is told with the second in which it ended.
    let since = |at: Timestamp| earlier(at, SLACK);
    match (saved, started) {
        (Some(saved), _) if saved >= since(due) => Age::Good,
        (None, Some(started)) if started >= since(due) => Age::Young,
        (None, None) => Age::Unknown,
        (saved, started) => match cron.before(earlier(due, 1)) {
            Some(before) if saved.or(started).is_none_or(|at| at < since(before)) => {
                Age::MissedTwice
            }
            _ => Age::Missed,
        },
    }
}

/// The last save of this process: `last_success_save` is the process start while there was none, and then there is no
/// file.
fn saved_at(said: &Persistence) -> Option<Timestamp> {
    let at = said.last_save.filter(|_| !said.last_file.is_empty())?;
    Timestamp::from_second(at).ok()
}

/// The failure that is newer than the last success.
fn failure(said: &Persistence) -> Option<(Timestamp, String)> {
    let at = Timestamp::from_second(said.last_failed?).ok()?;
    let stands = saved_at(said).is_none_or(|saved| at >= saved);
    stands.then(|| (at, said.last_error.clone()))
}

/// Every save writes a new file and none is ever deleted, unless `--dbfilename` is a fixed name (op#179).
pub fn files_pile_up(view: &InstanceView<'_>) -> bool {
    let args = &view.dragonfly.value.args;
    let mut named = args.iter().zip(args.iter().skip(1).map(Some).chain([None]));
    let name = named.find_map(|(arg, next)| {
        let arg = arg.trim_start_matches('-');
        match arg.split_once('=') {
            Some(("dbfilename", name)) => Some(name.to_owned()),
            None if arg == "dbfilename" => next.cloned(),
            _ => None,
        }
    });
    let writes = view.dragonfly.value.snapshot.is_some();
    writes && name.is_none_or(|name| name.contains("{timestamp}"))
}
