//! `darner wait`: until an instance is as wanted, since a Dragonfly object has no conditions that `kubectl wait` could
//! wait for, and its phase says `Ready` with zero pods.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::args::WaitArgs;
use super::gather::{Gathering, few};
use super::status::unread;
use super::{USAGE, fleet};
use crate::checks::{Judgement, State, Subject};
use crate::domain::{InstanceId, InstanceView, Master, address, figures, figures_under, text};
use crate::observe::{Focus, inbox};
use crate::runtime::Supervisor;

/// Name and version of the format of `-o json`.
pub const VERSION: &str = "darner.wait/v1";

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// The Dragonfly object exists: only then is one waited for that is not there.
    Created,
    /// Judged healthy.
    Healthy,
    /// One master, and every replica that there should be in stable sync with it by the word of both ends.
    Synced,
    /// That pod's engine, and no other, calls itself master.
    Master(String),
    /// `status.phase` of the Dragonfly object, whatever it is worth.
    Phase(String),
}

impl Goal {
    /// Reads what stands behind `--for`.
    ///
    /// # Errors
    /// A sentence that names what there is.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "created" => Ok(Goal::Created),
            None if text == "healthy" => Ok(Goal::Healthy),
            None if text == "synced" => Ok(Goal::Synced),
            Some(("master", pod)) if !pod.is_empty() => Ok(Goal::Master(pod.to_owned())),
            Some(("phase", phase)) if !phase.is_empty() => Ok(Goal::Phase(phase.to_owned())),
            _ => Err("wait for created, healthy, synced, master=POD or phase=PHASE".to_owned()),
        }
    }

    fn words(&self) -> String {
        match self {
            Goal::Created => "created".to_owned(),
            Goal::Healthy => "healthy".to_owned(),
            Goal::Synced => "synced".to_owned(),
            Goal::Master(pod) => format!("master={pod}"),
            Goal::Phase(phase) => format!("phase={phase}"),
        }
    }
}

/// Reads `90`, `500ms`, `30s`, `5m`, `1h`.
///
/// # Errors
/// A sentence that shows how it is written.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let unit = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let each = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let span = number.parse::<u64>().ok().and_then(|n| n.checked_mul(each));
    match span {
        Some(ms) if (1..=86_400_000).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err("write a length of time up to a day as 30s, 5m or 1h".to_owned()),
    }
}

/// How one goal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stand {
    Holds,
    /// Not yet, and why not.
    NotYet(String),
    /// It cannot be told, and why not.
    Untold(String),
}

/// How everything that is waited for stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    /// The instance's state; `None` while the instance is not known.
    state: Option<State>,
    /// The word for it: that of the situation which leads.
    word: String,
    goals: Vec<(String, Stand)>,
}

impl Standing {
    fn is_reached(&self) -> bool {
        self.goals.iter().all(|(_, stand)| *stand == Stand::Holds)
    }

    /// 0 reached, 1 not reached, 2 could not be told.
    fn code(&self) -> u8 {
        let untold = |(_, stand): &(String, Stand)| matches!(stand, Stand::Untold(_));
        match () {
            () if self.is_reached() => 0,
            () if self
                .goals
                .iter()
                .any(|(_, s)| matches!(s, Stand::NotYet(_))) =>
            {
                1
            }
            () if self.goals.iter().any(untold) => 2,
            () => 1,
        }
    }

    /// `degraded; not yet healthy: orders-1 does not answer`; `unknown: orders-1 does not answer`.
    fn words(&self) -> String {
        let is_state = |goal: &str, stand: &Stand| {
            goal == Goal::Healthy.words() && matches!(stand, Stand::Untold(why) if !why.is_empty())
        };
        // Why healthy cannot be told is why the state cannot.
        let untold = self.goals.iter().find_map(|(goal, stand)| match stand {
            Stand::Untold(why) if is_state(goal, stand) => Some(why),
            _ => None,
        });
        let state = match untold {
            Some(why) => format!("{}: {why}", self.word),
            None => self.word.clone(),
        };
        let open: Vec<String> = self
            .goals
            .iter()
            .filter_map(|(goal, stand)| match stand {
                Stand::Holds => None,
                told if is_state(goal, told) => None,
                Stand::NotYet(why) => Some(format!("not yet {goal}: {why}")),
                Stand::Untold(why) => Some(format!("{goal} cannot be told: {why}")),
            })
            .collect();
        match (untold, open.is_empty()) {
            (Some(_), true) => state,
            (None, true) => format!("{state}; reached"),
            (_, false) => format!("{state}; {}", open.join("; ")),
        }
    }
}

/// Runs the command; the result is the exit code: 0 reached, 1 timed out, 2 could not judge, 64 wrong usage.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: &WaitArgs, fleet: fleet::Fleet) -> color_eyre::Result<u8> {
    for problem in &fleet.problems {
        eprintln!("darner: {problem}");
    }
    let begun = Instant::now();
    let deadline = begun + args.timeout;
    let (outlet, inbox) = inbox();
    let mut supervisor = Supervisor::default();
    let (focus, watching) = tokio::sync::watch::channel(Focus::default());
    let fleet = fleet.once();
    fleet.start(&mut supervisor, &outlet, &watching);
    let gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    let mut gathering = gathering.looking_once(&fleet);
    let patience = args.timeout.min(Duration::from_secs(15));
    gathering
        .settle_on(patience, Some((&focus, &args.instance)))
        .await;

    let mut said = String::new();
    // One that goes while it is waited for may come again: an object is replaced so. One that never was is a slip of the
    // pen, unless it is just this that is waited for.
    let mut may_come = args.goals.contains(&Goal::Created);
    let (id, standing) = loop {
        let found = match address::find(&gathering.world, &args.instance) {
            Ok(found) if found.len() > 1 => {
                let names: Vec<String> = found
                    .iter()
                    .map(|place| format!("{} in {}", place.instance, place.instance.context))
                    .collect();
                eprintln!(
                    "darner: {} means several: {}; write it as [CONTEXT/]NAMESPACE/NAME",
                    args.instance,
                    names.join(", ")
                );
                supervisor.stop().await;
                return Ok(USAGE);
            }
            Ok(found) => Ok(found.into_iter().next().map(|place| place.instance)),
            Err(unfound) if !may_come && unread(&gathering.world).is_none() => {
                eprintln!(
                    "darner: {}; `--for created` beside it waits for one to come",
                    text::one_line(&unfound.to_string())
                );
                supervisor.stop().await;
                return Ok(USAGE);
            }
            Err(unfound) => Err(unfound.to_string()),
        };
        may_come |= matches!(found, Ok(Some(_)));
        let (id, absent) = match found {
            Ok(id) => (id, String::new()),
            Err(sentence) => (None, sentence),
        };
        // Its engines are asked as those of an instance in view.
        gathering.look_at(&focus, id.clone());
        let standing = stand(&args.goals, &gathering, id.as_ref(), &absent);
        let words = standing.words();
        if words != said {
            let after = text::age_of(i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX));
            let name = id
                .as_ref()
                .map_or(args.instance.clone(), ToString::to_string);
            eprintln!("{after} {name}: {}", text::one_line(&words));
            said = words;
        }
        if standing.is_reached() {
            break (id, standing);
        }
        let interrupted = async {
            // Whoever interrupts has the reason on the screen already.
            let _ = tokio::signal::ctrl_c().await;
        };
        tokio::select! {
            changed = timeout_at(deadline, gathering.change()) => if changed.is_err() {
                break (id, standing);
            },
            () = interrupted => {
                supervisor.stop().await;
                return Ok(130);
            }
        }
    };
    supervisor.stop().await;
    let code = standing.code();
    if code != 0 {
        eprintln!(
            "darner: {} within {}: {}",
            if code == 1 {
                "not reached"
            } else {
                "could not be judged"
            },
            text::age_of(i64::try_from(args.timeout.as_secs()).unwrap_or(i64::MAX)),
            text::one_line(&said)
        );
    }
    if args.json() {
        let report = Report {
            version: VERSION,
            at: Timestamp::now(),
            instance: id
                .as_ref()
                .map_or(args.instance.clone(), ToString::to_string),
            context: id.as_ref().map(|id| id.context.to_string()),
            outcome: match code {
                0 => "reached",
                1 => "timed-out",
                _ => "unjudged",
            },
            waited_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            state: standing.state.map(State::id),
            goals: standing.goals.into_iter().map(told).collect(),
        };
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    Ok(code)
}

fn stand(goals: &[Goal], gathering: &Gathering, id: Option<&InstanceId>, absent: &str) -> Standing {
    let view = id.and_then(|id| gathering.world.instance(id));
    let judgement = id.and_then(|id| gathering.board.subject(&Subject::Instance(id.clone())));
    let unanswered = id.map_or_else(Vec::new, |id| gathering.unanswered_of(id));
    let goals = goals
        .iter()
        .map(|goal| {
            let stand = match &view {
                None => missing(gathering, absent),
                Some(view) => one(goal, view, judgement, &unanswered),
            };
            (goal.words(), stand)
        })
        .collect();
    standing(judgement, goals)
}

/// Nothing is called healthy before everything was looked at that healthy was asked of.
fn standing(judgement: Option<&Judgement>, goals: Vec<(String, Stand)>) -> Standing {
    let healthy = Goal::Healthy.words();
    let is_untold =
        |(goal, stand): &(String, Stand)| *goal == healthy && matches!(stand, Stand::Untold(_));
    let (state, word) = match judgement {
        None => (None, "not there".to_owned()),
        Some(judgement) if judgement.state == State::Healthy && goals.iter().any(is_untold) => {
            (Some(State::Unknown), State::Unknown.word().to_owned())
        }
        Some(judgement) => (Some(judgement.state), judgement.word().to_owned()),
    };
    Standing { state, word, goals }
}

/// The instance is not known: is it not there, or could that not be read?
fn missing(gathering: &Gathering, absent: &str) -> Stand {
    match unread(&gathering.world) {
        None => Stand::NotYet(absent.to_owned()),
        Some(unread) => Stand::Untold(format!("{unread} could not be read")),
    }
}

fn one(
    goal: &Goal,
    view: &InstanceView<'_>,
    judgement: Option<&Judgement>,
    unanswered: &[String],
) -> Stand {
    // Who is master is told by the same facts as the state: the one must not contradict the other.
    let figures = match judgement {
        Some(judgement) => figures_under(view, judgement.master.clone()),
        None => figures(view),
    };
    let state = judgement.map(|judgement| judgement.state);
    let reason = || {
        judgement
            .and_then(Judgement::leading)
            .map_or_else(String::new, |finding| finding.sentence.clone())
    };
    let untold = state == Some(State::Unknown) || !view.context.is_live();
    let open = |why: String| {
        if untold {
            Stand::Untold(why)
        } else {
            Stand::NotYet(why)
        }
    };
    match goal {
        Goal::Created if view.context.is_live() => Stand::Holds,
        Goal::Created => Stand::Untold(format!("{} cannot be reached", view.id.context)),
        Goal::Healthy => match state {
            Some(State::Healthy) if unanswered.is_empty() => Stand::Holds,
            Some(State::Healthy) => {
                let has = if unanswered.len() == 1 { "has" } else { "have" };
                let what = few(unanswered, " and ");
                Stand::Untold(format!("{what} {has} not answered yet"))
            }
            Some(State::Unknown) => Stand::Untold(reason()),
            Some(_) => Stand::NotYet(reason()),
            None => Stand::Untold("it was not judged yet".to_owned()),
        },
        // What was last seen of a cluster that cannot be reached is no proof.
        Goal::Synced => match (&figures.master, figures.in_sync) {
            (Master::One(_), Some(n)) if n >= figures.replicas && view.context.is_live() => {
                Stand::Holds
            }
            (Master::One(_), Some(_)) => open(format!("{} replicas in sync", figures.sync_words())),
            (Master::None | Master::Contested(_), _) => open(master_words(&figures.master)),
            _ => Stand::Untold("no engine says who is master".to_owned()),
        },
        Goal::Master(pod) => match &figures.master {
            Master::One(name) if name == pod && view.context.is_live() => Stand::Holds,
            Master::One(_) | Master::None | Master::Contested(_) => open(format!(
                "{}{}",
                master_words(&figures.master),
                no_such_pod(view, pod)
            )),
            Master::Labelled(name) => Stand::Untold(format!(
                "{name} is labelled master, and no engine vouches for it"
            )),
            Master::Unknown => Stand::Untold("no engine says who is master".to_owned()),
        },
        Goal::Phase(wanted) => match &view.dragonfly.value.phase {
            _ if !view.context.is_live() => {
                Stand::Untold(format!("{} cannot be reached", view.id.context))
            }
            Some(phase) if phase.eq_ignore_ascii_case(wanted) => Stand::Holds,
            Some(phase) => Stand::NotYet(format!("the phase is {phase}")),
            None => Stand::NotYet("there is no phase yet".to_owned()),
        },
    }
}

/// Who is master, as a part of a sentence.
fn master_words(master: &Master) -> String {
    match master {
        Master::None => "no node acts as master".to_owned(),
        Master::Contested(names) => format!("{} all act as master", few(names, " and ")),
        other => format!("the master is {}", other.words()),
    }
}

/// That a pod is not there, and which are: it may still come, or be a slip of the pen.
fn no_such_pod(view: &InstanceView<'_>, pod: &str) -> String {
    let there: Vec<String> = view.nodes.iter().map(|n| n.id.pod.to_string()).collect();
    if there.is_empty() || there.iter().any(|name| name == pod) {
        return String::new();
    }
    let near = match text::nearest(pod, there.iter().map(String::as_str)) {
        Some(near) if there.len() > 5 => format!("did you mean {near}?"),
        _ => format!("there are {}", few(&there, " and ")),
    };
    format!("; there is no pod {pod}: {near}")
}

/// The report behind `-o json`. Within one version fields are only added.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    at: Timestamp,
    instance: String,
    context: Option<String>,
    /// `reached`, `timed-out`, `unjudged`.
    outcome: &'static str,
    waited_ms: u64,
    /// The state by its id; `null` where the instance is not known.
    state: Option<&'static str>,
    goals: Vec<OneGoal>,
}

#[derive(Debug, Serialize)]
struct OneGoal {
    #[serde(rename = "for")]
    goal: String,
    /// `true`, `false`, or `null` where it cannot be told.
    holds: Option<bool>,
    /// Why it does not hold, or cannot be told; empty when it holds.
    reason: String,
}

fn told((goal, stand): (String, Stand)) -> OneGoal {
    let (holds, reason) = match stand {
        Stand::Holds => (Some(true), String::new()),
        Stand::NotYet(why) => (Some(false), why),
        Stand::Untold(why) => (None, why),
    };
    OneGoal {
        goal,
        holds,
        reason,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::fixture::*;

    #[test]
    fn goals_and_spans_are_read_or_explained() {
        for (text, wanted) in [
            ("created", Some(Goal::Created)),
            ("healthy", Some(Goal::Healthy)),
            ("synced", Some(Goal::Synced)),
            ("master=orders-1", Some(Goal::Master("orders-1".into()))),
            ("phase=Ready", Some(Goal::Phase("Ready".into()))),
            ("phase=", None),
            ("ready", None),
            ("healthy=yes", None),
        ] {
            assert_eq!(Goal::parse(text).ok(), wanted, "{text}");
        }
        for (text, wanted) in [
            ("90", Some(90_000)),
            ("500ms", Some(500)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("0s", None),
            ("25h", None),
            ("5 m", None),
            ("m", None),
            ("99999999999999999999s", None),
        ] {
            let got = parse_span(text).ok().map(|span| span.as_millis());
            assert_eq!(got, wanted, "{text}");
        }
    }

    #[test]
    fn each_goal_holds_is_open_or_cannot_be_told() {
        let well = || instance("orders").node(master()).node(replica()).build();
        let half = || {
            instance("orders")
                .node(master())
                .node(replica().cut_off(90))
                .build()
        };
        for (name, fixture, state, goal, wanted) in [
            (
                "healthy",
                well(),
                State::Healthy,
                Goal::Healthy,
                Stand::Holds,
            ),
            (
                "ill",
                well(),
                State::Degraded,
                Goal::Healthy,
                Stand::NotYet(String::new()),
            ),
            (
                "unknown",
                well(),
                State::Unknown,
                Goal::Healthy,
                Stand::Untold(String::new()),
            ),
            ("synced", well(), State::Healthy, Goal::Synced, Stand::Holds),
            (
                "one is cut off",
                half(),
                State::Degraded,
                Goal::Synced,
                Stand::NotYet("0 of 1 replicas in sync".into()),
            ),
            (
                "one is cut off, as far as can be told",
                half(),
                State::Unknown,
                Goal::Synced,
                Stand::Untold("0 of 1 replicas in sync".into()),
            ),
            (
                "master",
                well(),
                State::Healthy,
                Goal::Master("orders-0".into()),
                Stand::Holds,
            ),
            (
                "another master",
                well(),
                State::Healthy,
                Goal::Master("orders-1".into()),
                Stand::NotYet("the master is orders-0".into()),
            ),
            (
                "a pod that is not there",
                well(),
                State::Healthy,
                Goal::Master("orders-9".into()),
                Stand::NotYet(
                    "the master is orders-0; there is no pod orders-9: there are orders-0 and orders-1"
                        .into(),
                ),
            ),
        ] {
            let view = fixture.world.instance(&fixture.id).unwrap();
            let judgement = judged(state, Master::One("orders-0".into()));
            let got = one(&goal, &view, Some(&judgement), &[]);
            assert_eq!(got, wanted, "{name}");
        }
    }

    fn judged(state: State, master: Master) -> Judgement {
        Judgement {
            state,
            findings: Vec::new(),
            applies: true,
            master,
            again_at: None,
        }
    }

    #[test]
    fn who_is_master_is_told_as_the_state_tells_it() {
        // Its engine calls itself master, and that was judged to be no acting master.
        let f = instance("orders").node(master()).node(replica()).build();
        let view = f.world.instance(&f.id).unwrap();
        let contested = Master::Contested(vec!["orders-0".into(), "orders-1".into()]);
        for (master, goal, wanted) in [
            (
                Master::None,
                Goal::Master("orders-0".into()),
                "no node acts as master",
            ),
            (Master::None, Goal::Synced, "no node acts as master"),
            (
                contested.clone(),
                Goal::Master("orders-0".into()),
                "orders-0 and orders-1 all act as master",
            ),
            (
                contested,
                Goal::Synced,
                "orders-0 and orders-1 all act as master",
            ),
        ] {
            let judgement = judged(State::NoMaster, master);
            let got = one(&goal, &view, Some(&judgement), &[]);
            assert_eq!(got, Stand::NotYet(wanted.to_owned()), "{goal:?}");
        }
    }

    #[test]
    fn healthy_is_not_said_before_everything_was_looked_at() {
        let f = instance("orders").node(master()).node(replica()).build();
        let view = f.world.instance(&f.id).unwrap();
        let judgement = judged(State::Healthy, Master::One("orders-0".into()));
        let open = ["the data port of shop/orders-1 in infra".to_owned()];
        let got = one(&Goal::Healthy, &view, Some(&judgement), &open);
        let why = "the data port of shop/orders-1 in infra has not answered yet";
        assert_eq!(got, Stand::Untold(why.to_owned()));
        let synced = ("synced".to_owned(), Stand::NotYet("0 of 1".to_owned()));
        let healthy = ("healthy".to_owned(), got);
        let alone = standing(Some(&judgement), vec![healthy.clone()]);
        assert_eq!(alone.words(), format!("unknown: {why}"));
        assert_eq!(alone.state, Some(State::Unknown));
        let both = standing(Some(&judgement), vec![healthy, synced]);
        assert_eq!(
            both.words(),
            format!("unknown: {why}; not yet synced: 0 of 1")
        );
        let reached = ("healthy".to_owned(), Stand::Holds);
        let reached = standing(Some(&judgement), vec![reached]);
        assert_eq!(reached.words(), "healthy; reached");
    }

    #[test]
    fn a_goal_that_is_not_reached_outweighs_one_that_cannot_be_told() {
        let standing = |stands: &[Stand]| Standing {
            state: None,
            word: String::new(),
            goals: stands.iter().map(|s| (String::new(), s.clone())).collect(),
        };
        let (no, untold) = (Stand::NotYet(String::new()), Stand::Untold(String::new()));
        for (stands, wanted) in [
            (vec![Stand::Holds, Stand::Holds], 0),
            (vec![Stand::Holds, no.clone()], 1),
            (vec![Stand::Holds, untold.clone()], 2),
            (vec![untold, no], 1),
        ] {
            assert_eq!(standing(&stands).code(), wanted, "{stands:?}");
        }
    }
}
