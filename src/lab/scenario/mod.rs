//! The scenarios: states a lab can start in, most of which can also befall one that runs.
//!
//! One constant a scenario, in the file of its kind, and one line in [`SCENARIOS`].

mod answers;
mod changes;
mod clusters;
mod copies;
mod drifts;
mod frozen;
mod handovers;
mod links;
mod lists;
mod loading;
pub(in crate::lab) mod machines;
mod masters;
mod memory;
mod names;
mod objects;
mod operators;
mod population;
mod ports;
pub mod reference;
mod restarts;
mod rolling;
mod rollouts;
mod schedules;
mod snapshots;
mod start;
mod sync;
mod takeovers;
mod ways;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub(in crate::lab) use names::find;
pub use names::{MOST_INSTANCES, Unknown};

use super::furnish::infra::SYSTEM;
use super::furnish::instance::Plan;
use super::furnish::operator::Found;
use super::stage::{Lasting, Stage};

/// Everything a lab can be told to play.
pub const SCENARIOS: &[Scenario] = &[
    start::HEALTHY,
    sync::FULL_SYNC,
    sync::PARTIAL_SYNC,
    sync::REPLICATION_RETRYING,
    sync::REPLICATION_STOPPED,
    sync::REPLICA_HALF_WAY,
    sync::LAGGING,
    sync::STRAY_REPLICA,
    links::LINK_DOWN,
    links::FOLLOWS_ANOTHER,
    links::REPLICA_UNLISTED,
    restarts::REPLICA_RESTARTED,
    frozen::FROZEN_MASTER,
    frozen::FROZEN_REPLICA,
    takeovers::IN_PROGRESS,
    takeovers::WEDGED,
    takeovers::OLD_MASTER_UP,
    masters::NO_MASTER,
    masters::TWO_MASTERS,
    handovers::MASTER_MOVED,
    copies::SPLIT_BRAIN,
    copies::DIVERGED,
    copies::STALE_MASTER,
    copies::EMPTY_MASTER,
    loading::LOADING,
    loading::READY_WHILE_LOADING,
    loading::LOADING_NOT_READY,
    memory::OOM,
    memory::RSS_GUARD,
    ports::DATA_PORT_HANGS,
    snapshots::SAVING,
    snapshots::SAVE_FAILED,
    snapshots::DISK_FULL,
    snapshots::SNAPSHOT_STALE,
    schedules::SCHEDULE_LOST,
    rollouts::STUCK,
    rollouts::UNSTABLE,
    rolling::ROLLING_UPDATE,
    operators::DOWN,
    operators::STALLED,
    operators::ABSENT,
    operators::NOT_LEADING,
    machines::LOST_NODE,
    population::NEW_INSTANCE,
    population::SCALED_TO_ZERO,
    population::NO_ROOM,
    objects::POD_UNCONFIGURED,
    objects::FAILOVER_BY_HAND,
    objects::TWO_MASTER_LABELS,
    objects::SERVICE_ELSEWHERE,
    objects::SERVICE_DELETED,
    drifts::LABELS_MANAGED,
    drifts::CLAIMS_RESIZED,
    drifts::SNAPSHOT_UNLOADABLE,
    drifts::OPERATOR_OLD,
    drifts::GATE_STUCK,
    answers::FOREIGN_NODE,
    answers::SLOW_ENGINE,
    answers::BAD_RESP,
    answers::HUGE_RESP,
    answers::DEEP_RESP,
    answers::DRIPPING_RESP,
    answers::ODD_INFO,
    ways::NO_PORT_FORWARD,
    ways::ONLY_EXEC,
    ways::FORBIDDEN,
    ways::FORBIDDEN_LISTS,
    lists::FEWER_RIGHTS,
    changes::CONFLICTS,
    changes::RIGHTS_HALF_WAY,
    changes::FORWARD_CUT,
    changes::FORWARD_CUT_EARLY,
    changes::REPLY_SWALLOWED,
    ways::TLS,
    ways::OLD_SERVER,
    clusters::UNREACHABLE,
    clusters::HANGS,
    clusters::SLOW_API,
    clusters::WATCH_EXPIRED,
    lists::WATCH_BROKEN,
    lists::NAMELESS_OBJECT,
    lists::CRD_MISSING,
    clusters::CLOCK_SKEW,
    start::SCALE,
    start::HEAL,
];

/// Where a scenario can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Only at the start.
    Start,
    /// Only on a running lab.
    Running,
    /// Both.
    Both,
}

/// How long what a scenario shows lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until the lab is healed.
    UntilHealed,
    /// About so many seconds of lab time; then it ends by itself.
    Seconds(u64),
}

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name, for `--scenario` and `fault`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// By what it is to be recognised.
    pub shows: &'static str,
    /// The folder of recordings it follows; empty where nothing was recorded.
    pub follows: &'static str,
    /// How long it lasts.
    pub lasts: Lasts,
    /// Where it can be used.
    pub when: Use,
    /// What a lab that starts in it is furnished with.
    arrange: fn(&mut Arrangement),
    /// What it does to a lab that stands.
    play: Play,
}

type Playing<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;
/// Plays a scenario; the answer says in one sentence what was done.
type Play = for<'a> fn(Scene<'a>) -> Playing<'a>;

/// What a scenario acts upon.
#[derive(Clone, Copy)]
pub(in crate::lab) struct Scene<'a> {
    pub(in crate::lab) stage: &'a Arc<Stage>,
    pub(in crate::lab) lasting: &'a Lasting,
}

/// What stands in a lab beside its three instances, and how.
pub(in crate::lab) struct Arrangement {
    /// The number in `scale:N`.
    pub(in crate::lab) count: usize,
    /// Lean instances.
    pub(in crate::lab) many: usize,
    /// Instances of a scenario's own.
    pub(in crate::lab) plans: Vec<Plan>,
    /// The state of the operator.
    pub(in crate::lab) operator: Found,
}

impl Scenario {
    /// What most have in common.
    const BASE: Self = Self {
        name: "",
        about: "",
        shows: "",
        follows: "",
        lasts: Lasts::UntilHealed,
        when: Use::Both,
        arrange: |_| {},
        play: |_| {
            Box::pin(async {
                Err("this scenario can only be chosen when a lab is started".to_owned())
            })
        },
    };

    /// Whether asking for it while it is in force does it again: it ends by itself, or takes the others away.
    pub(in crate::lab) fn again(&self) -> bool {
        matches!(self.lasts, Lasts::Seconds(_)) || self.heals()
    }

    /// Whether it is the one that takes all others away.
    pub(in crate::lab) fn heals(&self) -> bool {
        self.name == start::HEAL.name
    }

    /// Whether the lab is as it should be in it, so that there is nothing to play after the start.
    pub(in crate::lab) fn is_plain(&self) -> bool {
        self.when == Use::Start
    }

    /// What a lab that starts in it is furnished with.
    pub(in crate::lab) fn arrangement(&self, count: usize) -> Arrangement {
        let mut all = Arrangement {
            count,
            many: 0,
            plans: Vec::new(),
            operator: Found::Working,
        };
        (self.arrange)(&mut all);
        all
    }

    /// Plays it.
    ///
    /// # Errors
    /// Why it cannot be played as things are.
    pub(in crate::lab) async fn play(&self, scene: Scene<'_>) -> Result<String, String> {
        (self.play)(scene).await
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The instance that most scenarios befall: three pods, a password, snapshots.
const MAIN: (&str, &str) = (SYSTEM, "dragonfly");
/// Three pods without a volume.
const GITLAB: (&str, &str) = (SYSTEM, "gitlab");
/// Two pods, evicting.
const CACHE: (&str, &str) = ("harbor", "cache");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn every_listed_name_is_known_and_finds_itself() {
        for scenario in SCENARIOS {
            let name = scenario.name.replace(":N", ":3");
            assert_eq!(find(&name).unwrap().0.name, scenario.name);
            for (what, text) in [("about", scenario.about), ("shows", scenario.shows)] {
                assert!(!text.is_empty(), "{name} says what it {what}");
            }
            assert!(scenario.about.len() < 120, "{name}");
            assert!(
                !matches!(scenario.lasts, Lasts::Seconds(seconds) if seconds < 60),
                "{name} is over before anybody has looked"
            );
        }
    }

    #[test]
    fn every_scenario_of_a_file_is_in_the_list() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lab/scenario");
        let mut written = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            if !path.ends_with("mod.rs") {
                written += text.matches(": Scenario = Scenario {").count();
            }
        }
        assert_eq!(written, SCENARIOS.len());
    }

    #[test]
    fn what_a_scenario_follows_was_recorded() {
        let shared = std::env::var("DARNER_SHARED").unwrap_or_else(|_| "../shared".into());
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(shared);
        let folder = folder.join("data/recordings/dragonfly-v1.39.0");
        if !folder.is_dir() {
            eprintln!("no recordings at {}: not checked", folder.display());
            return;
        }
        for scenario in SCENARIOS.iter().filter(|one| !one.follows.is_empty()) {
            let there = folder.join(scenario.follows).exists();
            assert!(
                there,
                "{}: no recording {}",
                scenario.name, scenario.follows
            );
        }
    }
}
