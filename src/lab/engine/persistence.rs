//! Saving and loading: SAVE, BGSAVE, the cron, SIGTERM's last save, and the load at start.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Progress, State};
use super::node::Node;
use super::resp::Reply;
use super::snapshot::Snapshot;

/// Keys a save writes per lab second (1.5 million took 1.6 s when recorded), and a load reads.
const KEYS_PER_SECOND: f64 = 930_000.0;
const LOADED_PER_SECOND: f64 = 1_500_000.0;

/// What INFO persistence tells about saves.
#[derive(Debug)]
pub(super) struct Saves {
    /// Unix seconds; the start of the process until something was saved.
    pub(super) last_success: i64,
    pub(super) last_file: String,
    pub(super) last_success_took: u64,
    pub(super) last_failed: i64,
    pub(super) last_error: String,
    pub(super) last_failed_took: u64,
    /// The save that runs: since when, how long it will take, how many keys there are.
    pub(super) running: Option<Running>,
    /// Stays set after a BGSAVE until a later SAVE (v1.39, v1.40).
    pub(super) bgsave_flag: bool,
    /// `keyspace_mutations` at the last success.
    pub(super) mutations_saved: u64,
    /// Keys by kind in the last file, once there is one.
    pub(super) kinds: Vec<(&'static str, u64)>,
    pub(super) total: u64,
    pub(super) failed: u64,
    pub(super) kept: Option<Snapshot>,
    cron_watched: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) since: Duration,
    pub(super) takes: Duration,
    pub(super) keys: u64,
}

impl Saves {
    pub(super) fn new(unix_s: i64) -> Self {
        Self {
            last_success: unix_s,
            last_file: String::new(),
            last_success_took: 0,
            last_failed: 0,
            last_error: String::new(),
            last_failed_took: 0,
            running: None,
            bgsave_flag: false,
            mutations_saved: 0,
            kinds: vec![],
            total: 0,
            failed: 0,
            kept: None,
            cron_watched: false,
        }
    }
}

impl Node {
    /// Loads what lies in the directory, or says that nothing does. Returns at once; LOADING lasts
    /// as long as the load takes.
    pub(super) fn load_at_start(self: &Arc<Self>) {
        let place = "snapshot_storage.cc:225";
        let mut core = self.core();
        let text = format!(
            "Load snapshot: Searching for snapshot in directory: \"{}\"",
            self.spec.dir
        );
        core.log.info(0, place, &text);
        core.stats.restores += 1;
        let found = self.spec.snapshot.clone();
        let Some(snapshot) = found.filter(Snapshot::is_there) else {
            core.log.warn(
                0,
                "server_family.cc:1321",
                "Load snapshot: No snapshot found",
            );
            return;
        };
        core.log.info(
            0,
            "server_family.cc:1476",
            &format!("Loading {}", snapshot.file),
        );
        core.saves.kept = Some(snapshot.clone());
        let takes = self.spec.load_takes.unwrap_or_else(|| {
            Duration::from_secs_f64(0.03 + snapshot.keys() as f64 / LOADED_PER_SECOND)
        });
        core.databases = snapshot.databases.as_ref().clone();
        core.databases.entry(0).or_default();
        drop(core);
        self.load_again(takes);
    }

    /// Puts the engine into LOADING for a while, its keys appearing one after the other.
    pub(super) fn load_again(self: &Arc<Self>, takes: Duration) {
        self.begin_progress();
        self.core().state = State::Loading;
        let node = Arc::clone(self);
        self.spawn(async move {
            node.advance(takes).await;
            let mut core = node.core();
            core.progress = None;
            core.state = State::Active;
            let keys = core.key_count();
            core.stats.mutations += keys;
            let text = format!("Load finished, num keys read: {keys}");
            core.log.info(0, "server_family.cc:1534", &text);
        });
    }

    /// Notes what is there, so that it can appear step by step.
    pub(super) fn begin_progress(&self) {
        let mut core = self.core();
        core.progress = None;
        let memory = core.memory();
        core.progress = Some(Progress {
            done: 0.0,
            keys: memory.keys,
            expiring: memory.expiring,
            weights: memory.weights,
        });
    }

    /// Moves the progress from its start to its end; stands still while the process is frozen.
    async fn advance(&self, takes: Duration) {
        let mut spent = Duration::ZERO;
        while spent < takes {
            let step = Duration::from_millis(50).min(takes - spent);
            self.clock.sleep(step).await;
            self.thaw().await;
            spent += step;
            let mut core = self.core();
            if std::mem::take(&mut core.hurry) {
                return;
            }
            if let Some(progress) = &mut core.progress {
                progress.done = spent.as_secs_f64() / takes.as_secs_f64();
            }
        }
    }

    /// Begins a save; an error reply if one cannot begin.
    pub(super) fn begin_save(&self, background: bool) -> Result<Running, Reply> {
        let now = self.now();
        let mut core = self.core();
        if core.saves.running.is_some() {
            let text = "Operation now in progress: SAVING - can not save database";
            let name = if background { "BGSAVE" } else { "SAVE" };
            let line = format!(" {name} failed with reason: {text}");
            core.log.warn(1, "main_service.cc:1619", &line);
            return Err(Reply::err(text));
        }
        let keys = core.key_count();
        let by_size = Duration::from_secs_f64(0.04 + keys as f64 / KEYS_PER_SECOND);
        let takes = core.faults.save_takes.unwrap_or(by_size);
        let running = Running {
            since: now,
            takes,
            keys,
        };
        core.saves.running = Some(running);
        core.saves.bgsave_flag = background;
        Ok(running)
    }

    /// Waits for a save to end and books its result.
    pub(super) async fn finish_save(&self, running: Running) -> Reply {
        let failing = self.core().faults.save_error.is_some();
        let takes = if failing {
            running.takes.min(Duration::from_millis(40))
        } else {
            running.takes
        };
        self.clock.sleep(takes).await;
        self.thaw().await;
        self.book_save(running)
    }

    fn book_save(&self, running: Running) -> Reply {
        let unix_s = self.clock.unix_s();
        let took = self.now().saturating_sub(running.since).as_secs();
        let stamp = self.clock.format(running.since, "%Y-%m-%dT%H:%M:%S");
        let mut core = self.core();
        core.saves.running = None;
        if let Some(error) = core.faults.save_error.clone() {
            let saves = &mut core.saves;
            saves.failed += 1;
            saves.last_failed = unix_s;
            saves.last_error = error.clone();
            saves.last_failed_took = took;
            for thread in 0..core.threads {
                let text = format!("Error writing to rdb sink {error}");
                core.log.info(thread, "rdb_save.cc:1394", &text);
                core.log.warn(
                    thread,
                    "execution_state.cc:93",
                    &format!("ReportError: {error}"),
                );
            }
            let line = format!(" SAVE failed with reason: {error}");
            core.log.warn(0, "main_service.cc:1619", &line);
            return Reply::err(error);
        }
        let base = core
            .config
            .text("dbfilename")
            .replace("{timestamp}", &stamp);
        let file = format!("{}/{base}-summary.dfs", self.spec.dir);
        let kinds = super::value::KINDS
            .into_iter()
            .zip(core.memory().weights.counts);
        let kinds: Vec<_> = kinds.filter(|(_, count)| *count > 0).collect();
        let mutations = core.stats.mutations;
        let databases = Arc::new(core.databases.clone());
        let saves = &mut core.saves;
        saves.total += 1;
        saves.last_success = unix_s;
        saves.last_success_took = took;
        saves.last_file = file.clone();
        saves.mutations_saved = mutations;
        saves.kinds = kinds;
        let before = saves.kept.take();
        let mut removed = before
            .as_ref()
            .map(|kept| kept.removed.clone())
            .unwrap_or_default();
        // What is written again is there again.
        let stem = format!("{base}-");
        removed.retain(|name| !name.starts_with(&stem));
        saves.kept = Some(Snapshot {
            older: before.map(|kept| kept.beside(&file)).unwrap_or_default(),
            removed,
            file: file.clone(),
            databases,
        });
        let text = format!("Saving \"{file}\" finished after {took} s");
        core.log.info(0, "save_stages_controller.cc:360", &text);
        Reply::ok()
    }

    /// SIGTERM, SHUTDOWN and the end of a takeover: the ports are closed already; the process lives
    /// on to save (if it is to), then exits.
    pub(super) async fn last_save_and_exit(&self, save: bool, code: i32) {
        let running = self.core().saves.running;
        if let Some(running) = running {
            let left = (running.since + running.takes).saturating_sub(self.now());
            self.clock.sleep(left).await;
            self.book_save(running);
        }
        if save
            && !self.core().config.text("dbfilename").is_empty()
            && let Ok(running) = self.begin_save(false)
        {
            self.finish_save(running).await;
        }
        let used = self.core().memory().used;
        // The process takes about a second per gigabyte to give its memory back.
        self.clock
            .sleep(Duration::from_secs_f64(0.1 + used as f64 / 1e9))
            .await;
        self.exit(code);
    }

    /// A copy of all keys.
    pub(super) fn copy(&self) -> Snapshot {
        Snapshot {
            older: vec![],
            removed: Default::default(),
            file: String::new(),
            databases: Arc::new(self.core().databases.clone()),
        }
    }
}

/// Has somebody follow the cron, if there is one and nobody does.
pub(super) fn watch_cron(node: &Arc<Node>, core: &mut Core) {
    let wanted = !core.config.text("snapshot_cron").is_empty();
    if wanted && !core.saves.cron_watched {
        core.saves.cron_watched = true;
        node.spawn(follow_cron(Arc::clone(node)));
    }
}

/// Saves whenever the cron says so; asks once per lab minute.
async fn follow_cron(node: Arc<Node>) {
    loop {
        let into = node.clock.unix_ms() % 60_000;
        let rest = u64::try_from(60_000 - into).unwrap_or(60_000);
        node.clock.sleep(Duration::from_millis(rest + 5)).await;
        node.thaw().await;
        let (cron, active) = {
            let core = node.core();
            (
                core.config.text("snapshot_cron").to_owned(),
                core.state == State::Active,
            )
        };
        let moment = node.clock.format(node.now(), "%M %H %d %m %w");
        if active
            && due(&cron, &moment)
            && let Ok(running) = node.begin_save(false)
        {
            node.finish_save(running).await;
        }
    }
}

/// Whether a five-field cron names this moment (`minute hour day month weekday`).
fn due(cron: &str, moment: &str) -> bool {
    let fields: Vec<_> = cron.split_whitespace().collect();
    let values: Vec<u32> = moment
        .split(' ')
        .filter_map(|text| text.parse().ok())
        .collect();
    fields.len() == 5
        && values.len() == 5
        && fields
            .iter()
            .zip(values)
            .all(|(field, value)| field.split(',').any(|part| names(part, value)))
}

/// One part of a cron field: `*`, `7`, `1-5`, `*/5`, `10-40/10`.
fn names(part: &str, value: u32) -> bool {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse().unwrap_or(0)),
        None => (part, 1),
    };
    let (low, high) = match range.split_once('-') {
        Some((low, high)) => (low.parse().ok(), high.parse().ok()),
        None if range == "*" || range == "?" => (Some(0), Some(u32::MAX)),
        // `7/5` means from 7 on; `7` means 7.
        None if step != 1 => (range.parse().ok(), Some(u32::MAX)),
        None => (range.parse().ok(), range.parse().ok()),
    };
    match (low, high) {
        (Some(low), Some(high)) => {
            step > 0 && (low..=high).contains(&value) && (value - low).is_multiple_of(step)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crons_name_their_minutes() {
        let cases = [
            ("*/5 * * * *", "10 03 01 01 4", true),
            ("*/5 * * * *", "11 03 01 01 4", false),
            ("0 3 * * *", "00 03 15 07 2", true),
            ("0 3 * * *", "00 04 15 07 2", false),
            ("10-40/10 * * * 1-5", "30 00 15 07 5", true),
            ("10-40/10 * * * 1-5", "30 00 15 07 6", false),
            ("1,31 * * * *", "31 00 15 07 6", true),
            ("", "31 00 15 07 6", false),
        ];
        for (cron, moment, wanted) in cases {
            assert_eq!(due(cron, moment), wanted, "{cron} at {moment}");
        }
    }
}
