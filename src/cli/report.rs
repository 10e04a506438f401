//! The versioned report behind every output of `darner status`. Its own types, so that a change inside the house never
//! changes what programs read: within one version fields are only added.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::status::is_read;
use crate::checks::{
    Board, Finding as Judged, Leader, Limits, Since, State, Subject, UNKNOWN, leader,
};
use crate::domain::engine::Role;
use crate::domain::figures::{Figures, Master, figures_under};
use crate::domain::text;
use crate::domain::world::{ContextWorld, EngineRecord, World};
use crate::domain::{Access, InstanceId, Kind, Link, NodeView, Scope};

/// Name and version of the format.
pub const VERSION: &str = "darner.status/v1";

/// Everything that the Fleet screen says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: &'static str,
    /// When it was made.
    pub at: Timestamp,
    /// Every source of every context answered before the deadline.
    pub complete: bool,
    /// What had not answered by then, in words; empty when it is complete.
    pub unanswered: Vec<String>,
    /// `well`, `findings` or `unjudged`; decides the exit code.
    pub verdict: Overall,
    /// Namespaces that were asked for by name and hold no instance.
    pub empty_namespaces: Vec<String>,
    /// Contexts in the order of opening.
    pub contexts: Vec<Context>,
    /// Instances, worst first.
    pub instances: Vec<Instance>,
}

/// What it all adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// Everything was judged, and nothing is wrong.
    Well,
    /// Something is wrong.
    Findings,
    /// Nothing wrong was found, but something could not be judged.
    Unjudged,
}

impl Overall {
    /// The exit code: 0 well, 1 findings, 2 could not judge.
    pub fn code(self) -> u8 {
        match self {
            Overall::Well => 0,
            Overall::Findings => 1,
            Overall::Unjudged => 2,
        }
    }
}

/// One context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Context {
    /// Its name in the kubeconfig.
    pub name: String,
    /// `connecting`, `live`, `degraded`, `unreachable`, `login-needed`, `unusable`.
    pub state: &'static str,
    /// Why it is not live, or which rights are missing; empty when all is well.
    pub reasons: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// Round trip of the last heartbeat, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Uid of `kube-system`.
    pub cluster: Option<String>,
    /// Version of the API server.
    pub server: Option<String>,
    /// The context that shows the same cluster, in which case instances are listed there.
    pub same_as: Option<String>,
    /// Every instance there is known: all were listed, or there can be none.
    pub instances_known: bool,
    /// The CRD is not installed there.
    pub crd_absent: bool,
    /// The operator, where it was found.
    pub operator: Option<Operator>,
    /// Findings about the context, its operator and its CRD.
    pub findings: Vec<Finding>,
}

/// The operator of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operator {
    /// Its namespace.
    pub namespace: String,
    /// Its Deployment.
    pub name: String,
    /// Pods ready.
    pub ready: i64,
    /// Pods wanted.
    pub wanted: i64,
    /// Version by its image's tag.
    pub version: Option<String>,
    /// Holder of its Lease, while that is fresh.
    pub leader: Option<String>,
    /// Its Lease as it is written, fresh or not.
    pub lease: Option<Lease>,
}

/// The Lease of an operator, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lease {
    /// `spec.holderIdentity`.
    pub holder: Option<String>,
    /// `spec.renewTime`, by the holder's clock.
    pub renewed: Option<Timestamp>,
    /// `spec.leaseDurationSeconds`.
    pub seconds: Option<i64>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instance {
    /// Context.
    pub context: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The state, by [`State::id`].
    pub state: &'static str,
    /// The leading situation as people read it; the state's word where nothing is wrong.
    pub state_words: String,
    /// The leading situation, by its id in docs/reference/states.md; else the state's id.
    pub situation: &'static str,
    /// Who acts as master: the node's name, or `null`.
    pub master: Option<String>,
    /// How sure that is: `one`, `none`, `contested`, `labelled`, `unknown`.
    pub master_is: &'static str,
    /// All nodes that act as master, when contested.
    pub contested: Vec<String>,
    /// Pods ready.
    pub ready: usize,
    /// Pods wanted.
    pub wanted: Option<i64>,
    /// Replicas in stable sync; `null` when no engine answers.
    pub in_sync: Option<usize>,
    /// Replicas there should be.
    pub replicas: usize,
    /// Largest lag, journal records.
    pub lag_records: Option<u64>,
    /// Memory used, bytes.
    pub memory_used: Option<u64>,
    /// `maxmemory`, bytes.
    pub memory_max: Option<u64>,
    /// Operations a second.
    pub ops_per_second: Option<u64>,
    /// Keys.
    pub keys: Option<u64>,
    /// Connected clients.
    pub clients: Option<u64>,
    /// Server versions in use.
    pub versions: Vec<String>,
    /// The oldest of the nodes' last answers.
    pub as_of: Option<Timestamp>,
    /// Its nodes, by ordinal.
    pub nodes: Vec<Node>,
    /// Findings, worst first.
    pub findings: Vec<Finding>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// The pod.
    pub name: String,
    /// `master`, `replica` or `null`, by the label.
    pub label_role: Option<&'static str>,
    /// `master`, `replica` or `null`, by the engine.
    pub engine_role: Option<&'static str>,
    /// The master Service sends traffic to it.
    pub endpoint: bool,
    /// Pod condition `Ready`.
    pub ready: bool,
    /// `up`, `down`, `syncing`, or `null` on a master and where the engine is silent.
    pub link: Option<&'static str>,
    /// `slave_repl_offset`.
    pub offset: Option<u64>,
    /// Server version.
    pub version: Option<String>,
    /// Restarts of its containers.
    pub restarts: u64,
    /// When the engine last answered anything.
    pub heard: Option<Timestamp>,
    /// Why the engine does not answer, if it does not.
    pub silent: Option<String>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// What it found, by its id in docs/reference/states.md.
    pub situation: &'static str,
    /// `critical`, `warning`, `note`, or `unknown` when it could not be judged.
    pub severity: &'static str,
    /// What is so.
    pub sentence: String,
    /// What it means for clients.
    pub meaning: String,
    /// What to do next.
    pub next: String,
    /// Since when.
    pub since: Timestamp,
    /// The cluster itself says since when; otherwise only our own watching does, and it may be older.
    pub since_is_exact: bool,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
}

/// One fact behind a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// What was observed.
    pub text: String,
    /// Where.
    pub source: String,
    /// When it was learned.
    pub at: Timestamp,
}

impl Report {
    /// The same, its commands by the kubeconfig file that was named.
    #[must_use]
    pub fn reached_by(mut self, kubeconfig: Option<&Path>) -> Self {
        let reached = |text: &mut String| *text = text::reached_by(text, kubeconfig);
        let contexts = self.contexts.iter_mut();
        let hints = contexts.filter_map(|context| context.hint.as_mut());
        hints.for_each(reached);
        let of_contexts = self.contexts.iter_mut().flat_map(|c| &mut c.findings);
        let of_instances = self.instances.iter_mut().flat_map(|i| &mut i.findings);
        let findings = of_contexts.chain(of_instances);
        findings.for_each(|finding| reached(&mut finding.next));
        self
    }
}

/// Makes the report of what is known, confined to instances that `wanted` lets through. `unanswered` is what
/// has not answered, `asked` are the namespaces that
/// were asked for by name.
pub fn report(
    world: &World,
    board: &Board,
    limits: &Limits,
    unanswered: Vec<String>,
    now: Timestamp,
    asked: &[String],
    wanted: impl Fn(&InstanceId) -> bool,
) -> Report {
    let empty_namespaces: Vec<String> = asked
        .iter()
        .filter(|ns| !world.instances().any(|id| *id.namespace == ***ns))
        .cloned()
        .collect();
    let contexts: Vec<Context> = world
        .contexts()
        .map(|context| context_of(world, board, limits, now, context))
        .collect();
    let mut judged: Vec<(State, Instance)> = world
        .instances()
        .filter(|id| wanted(id))
        .filter_map(|id| instance_of(world, board, &id))
        .collect();
    judged.sort_by(|a, b| {
        (b.0, &a.1.context, &a.1.namespace, &a.1.name).cmp(&(
            a.0,
            &b.1.context,
            &b.1.namespace,
            &b.1.name,
        ))
    });
    let instances: Vec<Instance> = judged.into_iter().map(|(_, instance)| instance).collect();
    let complete = unanswered.is_empty();
    let is_lacking = !complete || !empty_namespaces.is_empty() || world.contexts().any(is_lacking);
    let verdict = overall(&contexts, &instances, is_lacking);
    Report {
        version: VERSION,
        at: now,
        complete,
        unanswered,
        verdict,
        empty_namespaces,
        contexts,
        instances,
    }
}

/// What it adds up to. Only what an instance's judgement lacks makes it unjudged: an operator that may not be looked for
/// is told, and leaves the instances as they were judged.
fn overall(contexts: &[Context], instances: &[Instance], is_lacking: bool) -> Overall {
    let of_instances = || instances.iter().flat_map(|i| &i.findings);
    let mut findings = contexts
        .iter()
        .flat_map(|c| &c.findings)
        .chain(of_instances());
    let well = [
        State::Healthy.id(),
        State::Syncing.id(),
        State::Unknown.id(),
    ];
    let is_ill = |instance: &Instance| !well.contains(&instance.state);
    if instances.iter().any(is_ill)
        || findings.any(|f| matches!(f.severity, "critical" | "warning"))
    {
        Overall::Findings
    } else if is_lacking || of_instances().any(|f| f.severity == UNKNOWN) {
        Overall::Unjudged
    } else {
        Overall::Well
    }
}

/// Whether instances of a context may be missing from the report: it does not answer, they were not listed, or only those
/// of some namespaces may be, and there is none.
fn is_lacking(context: &ContextWorld) -> bool {
    let confined = context.is_superseded(Kind::Dragonfly, &Scope::Cluster);
    !is_read(context) || (confined && context.dragonflies.is_empty())
}

pub(super) fn finding_of(judged: &Judged) -> Finding {
    Finding {
        check: judged.check,
        situation: judged.situation.id,
        severity: judged.word(),
        sentence: judged.sentence.clone(),
        meaning: judged.meaning.clone(),
        next: judged.next_step(),
        since: judged.since.at(),
        since_is_exact: matches!(judged.since, Since::Exactly(_)),
        evidence: judged
            .evidence
            .iter()
            .map(|e| Evidence {
                text: e.text.clone(),
                source: e.source.clone(),
                at: e.at,
            })
            .collect(),
    }
}

fn findings_of(board: &Board, subject: &Subject) -> Vec<Finding> {
    board
        .subject(subject)
        .map(|j| j.findings.iter().map(finding_of).collect())
        .unwrap_or_default()
}

fn context_of(
    world: &World,
    board: &Board,
    limits: &Limits,
    now: Timestamp,
    context: &ContextWorld,
) -> Context {
    let (state, reasons, hint) = match &context.link {
        Link::Connecting => ("connecting", Vec::new(), None),
        Link::Live { .. } => {
            let missing = rights_missing(context);
            (
                if missing.is_empty() {
                    "live"
                } else {
                    "degraded"
                },
                missing,
                None,
            )
        }
        Link::Unreachable { fault, .. } => (
            "unreachable",
            vec![fault.message.clone()],
            fault.hint_in(&context.id),
        ),
        Link::LoginNeeded { fault, .. } => (
            "login-needed",
            vec![fault.message.clone()],
            fault.hint_in(&context.id),
        ),
        Link::Unusable { fault } => (
            "unusable",
            vec![fault.message.clone()],
            fault.hint_in(&context.id),
        ),
    };
    let mut findings = findings_of(board, &Subject::Context(context.id.clone()));
    // What cuts the whole context off is said once.
    for finding in findings_of(board, &Subject::Operator(context.id.clone())) {
        if !findings.iter().any(|f| f.sentence == finding.sentence) {
            findings.push(finding);
        }
    }
    Context {
        name: text::one_line(context.id.as_str()),
        state,
        reasons,
        hint,
        since: context.stands_since(),
        rtt_ms: match context.link {
            Link::Live { rtt } => Some((rtt.as_secs_f64() * 10_000.0).round() / 10.0),
            _ => None,
        },
        cluster: context.cluster.clone(),
        server: context.version.clone(),
        same_as: world
            .twin(&context.id)
            .map(|twin| text::one_line(twin.as_str())),
        instances_known: is_read(context)
            && !context.is_superseded(Kind::Dragonfly, &Scope::Cluster),
        crd_absent: context.has_listed(Kind::Crd) && context.crds.is_empty(),
        operator: operator_of(context, limits, now),
        findings,
    }
}

fn rights_missing(context: &ContextWorld) -> Vec<String> {
    // What was refused for the whole cluster and is read in some namespaces instead is not missing, but confined.
    let instead: Vec<&str> = context.namespaces_instead().into_iter().collect();
    let confined = (!instead.is_empty()).then(|| format!("only in {}", instead.join(", ")));
    let mut reasons: Vec<String> = Vec::new();
    for reason in context
        .troubled_sources()
        .filter_map(|(.., source)| match &source.access {
            Some(Access::Denied(fault)) => Some(fault.message.clone()),
            _ => None,
        })
        .chain(
            context
                .unidentified
                .as_ref()
                .map(|(fault, _)| fault.message.clone()),
        )
        .chain(confined)
        .chain(
            context
                .engines_forbidden()
                .map(|fault| fault.message.clone()),
        )
    {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

fn operator_of(context: &ContextWorld, limits: &Limits, now: Timestamp) -> Option<Operator> {
    let deployment = &context.operators.iter().next()?.value;
    Some(Operator {
        namespace: deployment.meta.namespace.to_string(),
        name: deployment.meta.name.to_string(),
        ready: deployment.ready,
        wanted: deployment.replicas,
        version: deployment.version().map(str::to_owned),
        leader: match leader(context, limits, now) {
            Leader::Fresh(held, _) => held.value.holder.clone(),
            Leader::Unknown | Leader::Expired(..) => None,
        },
        lease: context
            .leases
            .iter()
            .max_by_key(|held| held.value.renewed)
            .map(|held| Lease {
                holder: held.value.holder.clone(),
                renewed: held.value.renewed,
                seconds: held.value.duration,
            }),
    })
}

fn instance_of(world: &World, board: &Board, id: &InstanceId) -> Option<(State, Instance)> {
    let view = world.instance(id)?;
    let judgement = board.instance(id)?;
    let Figures {
        master,
        ready,
        wanted,
        in_sync,
        replicas,
        lag,
        used,
        max,
        ops,
        keys,
        versions,
        clients,
        as_of,
    } = figures_under(&view, judgement.master.clone());
    let (master_is, master, contested) = match master {
        Master::None => ("none", None, Vec::new()),
        Master::One(name) => ("one", Some(name), Vec::new()),
        Master::Contested(names) => ("contested", None, names),
        Master::Labelled(name) => ("labelled", Some(name), Vec::new()),
        Master::Unknown => ("unknown", None, Vec::new()),
    };
    Some((
        judgement.state,
        Instance {
            context: text::one_line(id.context.as_str()),
            namespace: id.namespace.to_string(),
            name: id.name.to_string(),
            state: judgement.state.id(),
            state_words: judgement.word().to_owned(),
            situation: judgement.situation(),
            master,
            master_is,
            contested,
            ready,
            wanted,
            in_sync,
            replicas,
            lag_records: lag,
            memory_used: used,
            memory_max: max,
            ops_per_second: ops,
            keys,
            clients,
            versions,
            as_of,
            nodes: view.nodes.iter().map(|node| node_of(node)).collect(),
            findings: judgement.findings.iter().map(finding_of).collect(),
        },
    ))
}

fn node_of(node: &NodeView<'_>) -> Node {
    let engine = node.engine;
    let follower = engine.and_then(EngineRecord::follower);
    Node {
        name: node.id.pod.to_string(),
        label_role: node.label_role().map(Role::word),
        engine_role: node.engine_role().map(|k| k.value.word()),
        endpoint: node.is_endpoint,
        ready: node.pod.value.is_ready(),
        link: follower.map(|f| match (f.link_up, f.syncing) {
            (_, true) => "syncing",
            (true, false) => "up",
            (false, false) => "down",
        }),
        offset: follower.and_then(|f| f.offset),
        version: engine
            .and_then(|e| e.server.as_ref())
            .and_then(|k| k.value.version.clone()),
        restarts: node.pod.value.restarts(),
        heard: engine.and_then(|e| e.heard),
        silent: engine
            .and_then(EngineRecord::first_silence)
            .map(|(question, fault, _)| match question {
                Some(question) => format!("{}: {fault}", question.command()),
                None => fault.to_string(),
            }),
    }
}
