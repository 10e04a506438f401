//! Every state of docs/reference/states.md, raised by its scenario: the lab falls into it, and exactly it is found.
//!
//! The labs run in this process, all at the same time; what watches each of them is what `darner status` runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use darner::checks::{Finding, Judgement, Severity, Shown, State, Subject, situations};
use darner::cli::args::Reach;
use darner::cli::fleet::{Fleet, choose};
use darner::cli::gather::Gathering;
use darner::domain::world::EngineRecord;
use darner::domain::{ContextId, InstanceId};
use darner::lab::{Lab, LabOptions, SCENARIOS, Use};
use darner::observe::{Focus, inbox};
use darner::runtime::Supervisor;
use darner::settings::Settings;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// Labs that run at the same time.
const AT_ONCE: usize = 10;
/// Longest wait for a state; only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(100);
/// Keys that a comparison samples.
const SAMPLE: usize = 400;

/// Scenarios that a lab must start in: a connection that is open already stays with the process that it reached.
/// Or it would have to make the instance that it befalls.
const STARTED: &[&str] = &["foreign-node", "link-down", "rollout-blocked"];

/// What a state is raised on.
#[derive(Debug, Clone, Copy)]
enum On {
    /// The instance of that namespace and name in the infra cluster.
    Instance(&'static str, &'static str),
    /// The operator of the infra cluster.
    Operator,
    /// The operator of a context.
    OperatorOf(&'static str),
    /// A context.
    Context(&'static str),
}

/// One state and one scenario that raises it.
struct Row {
    situation: &'static str,
    scenario: &'static str,
    on: On,
    /// What else is found on the same subject, and why it is no mere consequence.
    also: &'static [&'static str],
}

const MAIN: On = On::Instance("dragonfly-system", "dragonfly");
const GITLAB: On = On::Instance("dragonfly-system", "gitlab");
const CACHE: On = On::Instance("harbor", "cache");
const LEGACY: On = On::Instance("archive", "legacy");
const THUMBS: On = On::Instance("media", "thumbs");

const fn row(situation: &'static str, scenario: &'static str, on: On) -> Row {
    also(situation, scenario, on, &[])
}

const fn also(
    situation: &'static str,
    scenario: &'static str,
    on: On,
    also: &'static [&'static str],
) -> Row {
    Row {
        situation,
        scenario,
        on,
        also,
    }
}

const ROWS: &[Row] = &[
    row(
        "context-unreachable",
        "context-unreachable",
        On::Context("lab-apps"),
    ),
    row(
        "context-unreachable",
        "context-hangs",
        On::Context("lab-apps"),
    ),
    row(
        "rights-missing",
        "forbidden-lists",
        On::Context("lab-infra"),
    ),
    row("operator-absent", "operator-absent", On::Operator),
    row("operator-down", "operator-down", On::Operator),
    row("operator-not-leading", "operator-not-leading", On::Operator),
    // Noted on an instance, which stays healthy.
    row("nobody-to-fail-over", "operator-absent", MAIN),
    row("nobody-to-fail-over", "operator-down", MAIN),
    row("nobody-to-fail-over", "operator-not-leading", MAIN),
    row("no-master", "no-master", GITLAB),
    row("takeover-in-progress", "takeover-in-progress", GITLAB),
    row("takeover-wedged", "takeover-wedged", MAIN),
    row("old-master-up", "takeover-old-master-up", GITLAB),
    row("frozen-master", "frozen-master", MAIN),
    row("frozen-replica", "frozen-replica", MAIN),
    // The replica that stays with the old side is as it was; the last one follows the new side.
    row("split-brain", "split-brain", GITLAB),
    row("several-masters", "two-masters", GITLAB),
    row("foreign-node", "foreign-node", GITLAB),
    // Nonsense is not silence, and slow is not frozen.
    row("answers-garbled", "bad-resp", GITLAB),
    row("answers-garbled", "bad-resp-huge", GITLAB),
    row("answers-garbled", "bad-resp-deep", GITLAB),
    row("slow-engine", "slow-engine", GITLAB),
    row("engine-silent", "bad-resp-drip", GITLAB),
    row("engines-forbidden", "forbidden", MAIN),
    row("engines-forbidden", "no-port-forward", MAIN),
    row("clocks-differ", "clock-skew", On::Context("lab-infra")),
    row("rollout-waiting", "rollout-stuck", GITLAB),
    row("rollout-waiting", "rollout-unstable", MAIN),
    row("rollout-waiting", "rollout-blocked", THUMBS),
    // It cannot ask any pod, and so takes no step of its own either.
    also(
        "rollout-waiting",
        "policy-blocks",
        GITLAB,
        &["operator-stalled"],
    ),
    row("rollout-waiting", "threads-starved", GITLAB),
    row("replicas-deleted-together", "replicas-deleted", GITLAB),
    row("stuck-terminating", "lost-node", MAIN),
    row("machine-lost", "lost-node", On::Context("lab-infra")),
    // Its replicas might lead, and the scenario holds the operator off.
    also(
        "ready-while-loading",
        "ready-while-loading",
        MAIN,
        &["operator-stalled"],
    ),
    row("stale-master", "stale-master", MAIN),
    // Its replicas have stopped for good, and hold what it lost.
    also(
        "empty-master",
        "empty-master",
        GITLAB,
        &["replication-stopped"],
    ),
    row("rss-guard", "rss-guard", MAIN),
    row("out-of-memory", "oom", MAIN),
    row("saving", "saving", MAIN),
    row("save-failed", "save-failed", MAIN),
    row("disk-full", "disk-full", MAIN),
    row("snapshot-stale", "snapshot-stale", MAIN),
    row("replica-loading", "loading", MAIN),
    row("replication-stopped", "replication-stopped", MAIN),
    row("replica-half-way", "replica-half-way", MAIN),
    row("stray-replica", "stray-replica", GITLAB),
    row("stray-follower", "stray-replica", MAIN),
    row("replication-retrying", "replication-retrying", MAIN),
    row("diverged", "diverged", CACHE),
    row("full-sync", "full-sync", MAIN),
    row("partial-sync", "partial-sync", MAIN),
    row("lag-high", "lagging", MAIN),
    // What an API server does not list.
    row("operator-unknown", "forbidden-lists", On::Operator),
    row("rights-fewer", "fewer-rights", On::Context("lab-infra")),
    row("source-silent", "watch-broken", MAIN),
    row(
        "garbled-object",
        "nameless-object",
        On::Context("lab-infra"),
    ),
    row("crd-missing", "crd-missing", On::OperatorOf("lab-apps")),
    // Instances without all their pods.
    row("being-made", "new-instance", On::Instance("shop", "cart")),
    row("scaled-to-nothing", "scaled-to-zero", CACHE),
    row("pods-missing", "no-room", CACHE),
    row("pods-missing", "oom-killed", GITLAB),
    row("load-killed", "load-killed", MAIN),
    // What the operator would mend, and so is absent; that is noted on each instance.
    also(
        "role-coming",
        "pod-unconfigured",
        GITLAB,
        &["replica-waiting", "nobody-to-fail-over"],
    ),
    also(
        "role-missing",
        "pod-unconfigured",
        GITLAB,
        &["nobody-to-fail-over"],
    ),
    also(
        "two-master-labels",
        "two-master-labels",
        GITLAB,
        &["nobody-to-fail-over"],
    ),
    also(
        "service-elsewhere",
        "service-elsewhere",
        GITLAB,
        &["nobody-to-fail-over"],
    ),
    also(
        "service-missing",
        "service-deleted",
        GITLAB,
        &["nobody-to-fail-over"],
    ),
    also(
        "roles-disagree",
        "failover-by-hand",
        GITLAB,
        &["nobody-to-fail-over"],
    ),
    row("follows-another", "follows-another", GITLAB),
    row("replica-unlisted", "replica-unlisted", GITLAB),
    row("data-port-unusable", "data-port-hangs", GITLAB),
    row("schedule-lost", "schedule-lost", MAIN),
    row("rolling-update", "rolling-update", GITLAB),
    row("operator-stalled", "operator-stalled", GITLAB),
    also("loading", "loading-not-ready", MAIN, &["operator-stalled"]),
    // These pass: of one scenario they stand before what it comes to.
    row("engines-unasked", "healthy", GITLAB),
    row("replica-waiting", "replica-restarted", GITLAB),
    row("role-changing", "master-moved", GITLAB),
    row("replica-joining", "link-down", LEGACY),
    row("link-down", "link-down", LEGACY),
];

/// One lab, and one darner that watches it.
struct Watched {
    lab: Lab,
    fleet: Fleet,
    supervisor: Supervisor,
    focus: watch::Sender<Focus>,
    gathering: Gathering,
    _folder: tempfile::TempDir,
}

impl Watched {
    async fn start(scenario: &str) -> Self {
        let lab = Lab::start(LabOptions {
            scenario: scenario.to_owned(),
            ..LabOptions::default()
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, lab.kubeconfig()).unwrap();
        let reach = Reach {
            contexts: vec!["lab-infra".to_owned(), "lab-apps".to_owned()],
            kubeconfig: Some(file),
            ..Reach::default()
        };
        let fleet = choose(&reach, &Settings::default(), Vec::new()).unwrap();
        let (outlet, inbox) = inbox();
        let mut supervisor = Supervisor::default();
        let (focus, watching) = watch::channel(Focus::default());
        fleet.start(&mut supervisor, &outlet, &watching);
        let gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
        Self {
            lab,
            fleet,
            supervisor,
            focus,
            gathering,
            _folder: folder,
        }
    }

    /// What was judged of a subject, if anything was.
    fn judged(&self, subject: &Subject) -> Option<&Judgement> {
        self.gathering.board.subject(subject)
    }

    /// Waits until `is` holds of the judgement, each of which is looked at; what was judged last and what was found on the
    /// way, when it never does.
    async fn until(
        &mut self,
        subject: &Subject,
        is: impl Fn(&Judgement) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut way: Vec<String> = Vec::new();
        loop {
            if let Some(judgement) = self.judged(subject) {
                if is(judgement) {
                    return Ok(());
                }
                let found: Vec<&str> = judgement.findings.iter().map(|f| f.situation.id).collect();
                let found = format!("[{}]", found.join(" "));
                if way.last() != Some(&found) {
                    way.push(found);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || timeout(left, self.gathering.change()).await.is_err() {
                let last = self.judged(subject).map_or("nothing".to_owned(), told);
                return Err(format!("{last}\n  on the way: {}", way.join(" ")));
            }
        }
    }

    async fn stop(mut self) {
        drop(self.fleet);
        self.supervisor.stop().await;
        self.lab.shutdown();
    }
}

/// A judgement for a failure to be read by a person.
fn told(judgement: &Judgement) -> String {
    let findings: Vec<String> = judgement
        .findings
        .iter()
        .map(|f| {
            let facts: Vec<String> = f
                .evidence
                .iter()
                .map(|e| format!("{}: {}", e.source, e.text))
                .collect();
            format!(
                "  {} ({}): {} [{}]",
                f.situation.id,
                f.short,
                f.sentence,
                facts.join("; ")
            )
        })
        .collect();
    format!("{}\n{}", judgement.word(), findings.join("\n"))
}

fn subject(on: On) -> Subject {
    let context = |name: &str| ContextId::new(name);
    match on {
        On::Instance(namespace, name) => Subject::Instance(InstanceId {
            context: context("lab-infra"),
            namespace: Arc::from(namespace),
            name: Arc::from(name),
        }),
        On::Operator => Subject::Operator(context("lab-infra")),
        On::OperatorOf(name) => Subject::Operator(context(name)),
        On::Context(name) => Subject::Context(context(name)),
    }
}

/// Exactly this is found: it leads, and nothing but it and what the row names.
fn is_exactly(row: &Row, judgement: &Judgement) -> bool {
    let found: BTreeSet<&str> = judgement.findings.iter().map(|f| f.situation.id).collect();
    let wanted: BTreeSet<&str> = row.also.iter().copied().chain([row.situation]).collect();
    let leads = |finding: &Finding| finding.situation.id == row.situation;
    found == wanted && judgement.findings.first().is_some_and(leads)
}

/// Plays a scenario to a healthy lab and holds what is found to its rows.
async fn play(scenario: &'static str, rows: Vec<&'static Row>) -> Vec<String> {
    let known = SCENARIOS.iter().find(|s| s.name == scenario).unwrap();
    let starts_in_it = known.when == Use::Start || STARTED.contains(&scenario);
    let mut watched = Watched::start(if starts_in_it { scenario } else { "healthy" }).await;
    let lab = watched.lab.clone();
    let mut wrong = Vec::new();
    if let Some(Subject::Instance(id)) = rows.iter().map(|row| subject(row.on)).next() {
        watched.focus.send_modify(|focus| focus.instance = Some(id));
    }
    if !starts_in_it {
        // The healthy lab raises none.
        for on in [
            MAIN,
            GITLAB,
            CACHE,
            On::Operator,
            On::Context("lab-infra"),
            On::Context("lab-apps"),
        ] {
            let well = watched.until(&subject(on), |j| j.findings.is_empty()).await;
            if let Err(instead) = well {
                wrong.push(format!("healthy, before {scenario}: {on:?} is {instead}"));
            }
        }
    }
    // It is watched from its first moment on: some states pass while others come.
    let befalls = async {
        match starts_in_it {
            true => Ok(()),
            false => lab.fault(scenario).await.map(|_| ()),
        }
    };
    let ((), befallen) = tokio::join!(see(&mut watched, scenario, rows, &mut wrong), befalls);
    if let Err(error) = befallen {
        wrong.push(format!("{scenario}: {error}"));
    }
    watched.stop().await;
    wrong
}

/// Holds what is found to the rows, one after the other.
async fn see(
    watched: &mut Watched,
    scenario: &str,
    rows: Vec<&'static Row>,
    wrong: &mut Vec<String>,
) {
    for row in rows {
        let subject = subject(row.on);
        if let Subject::Instance(id) = &subject {
            let id = id.clone();
            watched.focus.send_modify(|focus| {
                focus.instance = Some(id.clone());
                if row.situation == "diverged" {
                    focus.compare(id, SAMPLE);
                }
            });
        }
        let raised = watched.until(&subject, |j| is_exactly(row, j)).await;
        if let Some(judgement) = watched.judged(&subject) {
            wrong.extend(judgement.findings.iter().flat_map(|finding| {
                let odd = oddities(judgement, finding).into_iter();
                odd.map(|odd| format!("{scenario}: {}: {odd}", finding.situation.id))
            }));
        }
        if let Err(instead) = raised {
            wrong.push(format!(
                "{scenario}: {:?} should be {} with {:?}, but is {instead}",
                row.on, row.situation, row.also
            ));
        }
    }
}

/// What must be so of every finding of every scenario: its severity, its class and the class of its subject do not contradict
/// each other, and its steps are sentences with commands that need nothing but to be run.
fn oddities(judgement: &Judgement, finding: &Finding) -> Vec<String> {
    let mut odd = Vec::new();
    if finding.severity == Severity::Critical
        && !(finding.state >= State::Critical && judgement.state >= finding.state)
    {
        odd.push(format!(
            "critical, but its class is {:?} in {:?}",
            finding.state, judgement.state
        ));
    }
    let steps = finding.steps();
    if steps.is_empty() {
        odd.push("it has no next step".to_owned());
    }
    for step in steps {
        let command = step.command.as_deref();
        let is_run = command.is_none_or(|command| {
            let whole = command.starts_with("kubectl ") || command.starts_with("darner ");
            whole && command.contains("--context lab-") && !command.contains('\n')
        });
        // A figure that only a person can choose stands in capitals, and its sentence says so.
        let unfilled = [
            "{kubectl", "{cluster", "{redis", "{pod", "{name", "{context", "{service",
        ];
        let told = step.words();
        if !is_run
            || !step.say.ends_with('.')
            || step.say.contains("kubectl ")
            || unfilled.iter().any(|place| told.contains(place))
        {
            odd.push(format!("no step to follow as it is: {step:?}"));
        }
    }
    odd
}

#[test]
fn every_state_that_a_scenario_raises_has_its_row() {
    let mut listed = BTreeSet::new();
    for (situation, _) in situations() {
        if let Shown::By(names) = situation.shown {
            listed.extend(names.iter().map(|name| (situation.id, *name)));
        }
    }
    let rows: BTreeSet<(&str, &str)> = ROWS.iter().map(|r| (r.situation, r.scenario)).collect();
    assert_eq!(
        listed, rows,
        "left: states that name a scenario; right: rows"
    );
    for (situation, scenario) in rows {
        assert!(
            SCENARIOS.iter().any(|s| s.name == scenario),
            "{situation}: there is no scenario {scenario}"
        );
    }
}

#[test]
fn each_scenario_raises_exactly_its_state() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Some scenarios alone (a,b), for whoever works on them.
    // Some scenarios alone, with commas between them, for whoever works on them.
    let only = std::env::var("DARNER_SCENARIO").ok();
    let is_wanted = |name: &str| {
        only.as_deref()
            .is_none_or(|only| only.split(',').any(|one| one == name))
    };
    let mut scenarios: Vec<&'static str> = ROWS.iter().map(|r| r.scenario).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    scenarios.retain(|name| is_wanted(name));
    scenarios.retain(|name| {
        let only = only.as_deref();
        only.is_none_or(|only| only.split(',').any(|one| one == *name))
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let wrong: Vec<String> = runtime.block_on(async {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut playing = tokio::task::JoinSet::new();
        for scenario in scenarios {
            let turns = Arc::clone(&turns);
            let rows: Vec<&'static Row> = ROWS.iter().filter(|r| r.scenario == scenario).collect();
            playing.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                let begun = Instant::now();
                let wrong = play(scenario, rows).await;
                eprintln!("{scenario}: {:.1} s", begun.elapsed().as_secs_f32());
                wrong
            });
        }
        playing.join_all().await.into_iter().flatten().collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// An old server, and one that wants TLS and a password, are odd and not ill: asked for all there is, data port included.
#[test]
fn what_is_odd_is_no_illness() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for (scenario, namespace, name) in [
        ("old-server", "archive", "legacy"),
        ("tls", "payments", "secure"),
    ] {
        runtime.block_on(async {
            let mut watched = Watched::start(scenario).await;
            let subject = subject(On::Instance(namespace, name));
            let Subject::Instance(id) = &subject else {
                unreachable!()
            };
            let id = id.clone();
            watched
                .focus
                .send_modify(|focus| focus.instance = Some(id.clone()));
            let deadline = Instant::now() + PATIENCE;
            // Whether the data port can be used is known of every node.
            while !watched.gathering.world.instance(&id).is_some_and(|view| {
                let known = |engine: &EngineRecord| engine.data_port.is_some();
                !view.nodes.is_empty() && view.nodes.iter().all(|n| n.engine.is_some_and(known))
            }) {
                let left = deadline.saturating_duration_since(Instant::now());
                let change = timeout(left, watched.gathering.change()).await;
                assert!(change.is_ok(), "{scenario}: {:?}", watched.judged(&subject));
            }
            let well = watched
                .until(&subject, |j| j.findings.is_empty() && j.applies)
                .await;
            assert_eq!(well, Ok(()), "{scenario}");
            watched.stop().await;
        });
    }
}

/// What is asked more closely of an instance in view is asked of any that is in trouble: whoever looks at the Fleet alone is
/// told the same.
#[test]
fn what_is_in_trouble_is_found_though_nobody_looks_at_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let wrong: Vec<String> = runtime.block_on(async {
        let mut playing = tokio::task::JoinSet::new();
        for row in ROWS.iter().filter(|row| {
            [
                "data-port-hangs",
                "takeover-wedged",
                "takeover-old-master-up",
            ]
            .contains(&row.scenario)
        }) {
            playing.spawn(async move {
                let mut watched = Watched::start(row.scenario).await;
                let raised = watched
                    .until(&subject(row.on), |j| is_exactly(row, j))
                    .await;
                watched.stop().await;
                raised
                    .err()
                    .map(|instead| format!("{}: {instead}", row.scenario))
            });
        }
        playing.join_all().await.into_iter().flatten().collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
