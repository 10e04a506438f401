//! The operator does not work: nobody will elect a master when one is lost.
//!
//! Judged from its Deployment, its pods and its leader Lease. Where none of them may be read, the answer is *unknown*.
//! A cluster without instances and CRD needs none, unless the settings give it the role `infra`.
//!
//! An instance is served without it, so it stays what it is; but it carries a note that nobody would fail it over.

use jiff::Timestamp;

use super::crd_missing::followed;
use super::leader::{self, Leader, leader};
use super::operator_pods::{ready_pods, reasons, why_not_ready};
use super::steps::of_fault;
use super::words::{bracketed, clock, counted};
use super::{
    Answer, Area, Case, Check, Finding, Severity, Shown, Since, Situation, State, Subject, Verdict,
};
use crate::domain::object::Deployment;
use crate::domain::text;
use crate::domain::{Access, Kind, Scope};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-down",
    area: Area::Operator,
    title: "Operator down",
    why: "Instances go on without it, but no master is replaced, no pod gets a role and no rollout moves.",
    reads: "the operator's Deployment, pods and Lease 31079dea.dragonflydb.io",
    next: "See what there is of an operator.\n\
           $ {cluster} get deployments,pods -A -l control-plane=controller-manager",
    situations: &[&ABSENT, &DOWN, &NOT_LEADING, &NOBODY, &UNTOLD],
    needs: Check::NOTHING,
    run,
};

const ABSENT: Situation = Situation {
    id: "operator-absent",
    word: "operator absent",
    class: State::Degraded,
    rule: "no Deployment and no pod of an operator is there though instances or the CRD are, or its Deployment is scaled to 0 or has no pod",
    meaning: "Instances run on, but a lost master will not be replaced.",
    shown: Shown::By(&["operator-absent"]),
    ..Situation::BASE
};

pub(super) const DOWN: Situation = Situation {
    id: "operator-down",
    word: "operator down",
    class: State::Degraded,
    rule: "the operator has pods and none of them is ready",
    meaning: "Instances run on, but a lost master will not be replaced.",
    shown: Shown::By(&["operator-down"]),
    ..Situation::BASE
};

const NOT_LEADING: Situation = Situation {
    id: "operator-not-leading",
    word: "no leader",
    class: State::Degraded,
    rule: "a pod of the operator is ready, but the Lease was not renewed for as long as it lasts and for 30 s",
    meaning: "Instances run on, but a lost master will not be replaced.",
    shown: Shown::By(&["operator-not-leading"]),
    ..Situation::BASE
};

/// What an instance is told of it: it stays what it is.
const NOBODY: Situation = Situation {
    id: "nobody-to-fail-over",
    word: "healthy",
    class: State::Healthy,
    rule: "the operator of its context is absent, down or not leading",
    meaning: "It is served as long as its master lives.",
    shown: Shown::By(&["operator-down", "operator-absent", "operator-not-leading"]),
    ..Situation::BASE
};

const UNTOLD: Situation = Situation {
    id: "operator-unknown",
    word: "operator unknown",
    class: State::Unknown,
    rule: "neither Deployments nor pods of an operator may be read, or none was found in the namespaces that may be",
    meaning: "Whether a lost master would be replaced is not known; instances are judged all the same.",
    shown: Shown::By(&["forbidden-lists"]),
    ..Situation::BASE
};

/// What the settings call a cluster that is to have an operator.
pub const EXPECTED: &str = "infra";
/// What they call one that only uses instances elsewhere.
pub const NOT_EXPECTED: &str = "apps";

fn run(case: &Case<'_>) -> Answer {
    match case.subject {
        Subject::Context(_) | Subject::Consumer(_) => Answer::NOT_APPLICABLE,
        Subject::Operator(_) => of_operator(case),
        Subject::Instance(_) => of_instance(case),
    }
}

/// The same operator, as it concerns an instance. It is asked again when the operator's own judgement changes.
fn of_instance(case: &Case<'_>) -> Answer {
    if case.instance.is_none() {
        return Answer::NOT_APPLICABLE;
    }
    let subject = Subject::Operator(case.context.id.clone());
    let Some(operator) = Case::of(case.world, &subject, case.limits, case.now) else {
        return Answer::NOT_APPLICABLE;
    };
    let Verdict::Finding(down) = of_operator(&operator).verdict else {
        return Answer::NOT_APPLICABLE;
    };
    // The operator's own finding says it once, loudly, with which of its pods waits in what.
    let (what, _) = down
        .sentence
        .split_once(": ")
        .unwrap_or((&down.sentence, ""));
    let mut finding = case
        .finding(
            &CHECK,
            &NOBODY,
            Severity::Note,
            format!("nobody would fail it over: {what}"),
        )
        .next(down.filled())
        .since(down.since);
    finding.evidence = down.evidence;
    finding.into()
}

/// The judgement of the operator itself.
pub(super) fn of_operator(case: &Case<'_>) -> Answer {
    let context = case.context;
    let id = &context.id;
    let expected = case.limits.operators.get(id).copied();
    if expected == Some(false) && context.dragonflies.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let (deployments, pods) = (
        followed(case, Kind::OperatorDeployment),
        followed(case, Kind::OperatorPod),
    );
    if !deployments && !pods {
        return unreadable(case);
    }
    if context.operators.is_empty() && context.operator_pods.is_empty() {
        return none_found(case, expected);
    }
    if let Some(held) = context
        .operators
        .iter()
        .find(|held| held.value.replicas == 0)
    {
        let meta = &held.value.meta;
        let finding = warning(case, &ABSENT, format!("the operator of {id} is scaled to 0"))
            .next(format!(
                "Scale it up again, unless somebody scaled it down on purpose: to as many as its release sets, and to two at least, one that \
                 leads and one that stands by.\n$ {{cluster}} -n {} scale deployment {} --replicas=2",
                meta.namespace, meta.name
            ))
            .resting_on(
                "spec.replicas is 0",
                format!("Deployment {}", meta.name),
                held.changed,
            );
        return with_lease(case, finding).into();
    }
    if ready_pods(context, pods) == 0 {
        return with_lease(case, no_pod_is_ready(case)).into();
    }
    lease(case)
}

fn warning(case: &Case<'_>, situation: &'static Situation, sentence: String) -> Finding {
    case.finding(&CHECK, situation, Severity::Warning, sentence)
}

fn none_found(case: &Case<'_>, expected: Option<bool>) -> Answer {
    let context = case.context;
    let id = &context.id;
    let is_needed = !context.dragonflies.is_empty() || !context.crds.is_empty();
    if !is_needed && expected != Some(true) {
        return Answer::NOT_APPLICABLE;
    }
    let refused = [Kind::OperatorDeployment, Kind::OperatorPod]
        .iter()
        .any(|kind| context.is_superseded(*kind, &Scope::Cluster));
    if refused || !context.namespaces.is_empty() {
        let sentence =
            format!("no operator is in the namespaces that are read in {id}; it may be in another");
        return case
            .finding(&CHECK, &UNTOLD, Severity::Note, sentence)
            .next("Add the operator's namespace with -n, or ask for the right to read Deployments and pods there.")
            .into();
    }
    let why = match (is_needed, expected) {
        (false, _) => format!(", whose role is {EXPECTED} in the settings"),
        (true, _) => String::new(),
    };
    let next = format!(
        "Install the operator there.\nOr, if the context only uses instances elsewhere, give it the role {NOT_EXPECTED} in the \
         settings."
    );
    warning(case, &ABSENT, format!("no operator was found in {id}{why}"))
        .next(next)
        .resting_on(
            "no Deployment and no pod of an operator",
            "lists of Deployments and pods",
            case.now,
        )
        .into()
}

/// Neither Deployment nor pods are being followed.
fn unreadable(case: &Case<'_>) -> Answer {
    let context = case.context;
    let denied = context.sources.iter().find_map(|((kind, _), source)| {
        let operators = matches!(kind, Kind::OperatorDeployment | Kind::OperatorPod);
        match &source.access {
            Some(Access::Denied(fault) | Access::Broken(fault)) if operators => {
                Some((fault, source.since))
            }
            _ => None,
        }
    });
    let id = &context.id;
    let Some((fault, since)) = denied else {
        let sentence = format!("the operator of {id} is still being looked for");
        return case
            .finding(&CHECK, &UNTOLD, Severity::Note, sentence)
            .since(Since::Seen(context.link_since))
            .into();
    };
    let sentence = format!(
        "whether an operator runs in {id} cannot be told{}",
        bracketed(&fault.message)
    );
    case.finding(&CHECK, &UNTOLD, Severity::Note, sentence)
        .next(of_fault(fault))
        .since(Since::Seen(since))
        .into()
}

fn no_pod_is_ready(case: &Case<'_>) -> Finding {
    let context = case.context;
    let id = &context.id;
    let reasons = reasons(context, true);
    let sentence = if reasons.is_empty() {
        format!("the operator of {id} has no pod")
    } else {
        format!("no pod of the operator of {id} is ready: {reasons}")
    };
    let since = context
        .operators
        .iter()
        .filter_map(|held| unavailable_since(&held.value))
        .max()
        .map_or(Since::Seen(case.now), Since::Exactly);
    let situation = match reasons.is_empty() {
        true => &ABSENT,
        false => &DOWN,
    };
    let mut finding = warning(case, situation, sentence).since(since);
    if let Some(held) = context.operators.iter().next() {
        let meta = &held.value.meta;
        finding = finding.next(match reasons.is_empty() {
            true => format!(
                "See why it has no pod.\n$ {{cluster}} -n {} describe deployment {}",
                meta.namespace, meta.name
            ),
            false => why_not_ready(case, &held.value),
        });
    }
    for held in context.operators.iter() {
        finding = finding.resting_on(
            format!(
                "{} of {} replicas ready",
                held.value.ready, held.value.replicas
            ),
            format!("Deployment {}", held.value.meta.name),
            held.changed,
        );
    }
    for held in context.operator_pods.iter() {
        finding = finding.resting_on(
            counted(held.value.restarts(), "restart", "restarts"),
            format!("pod {}", held.value.meta.name),
            held.changed,
        );
    }
    finding
}

fn unavailable_since(deployment: &Deployment) -> Option<Timestamp> {
    deployment
        .conditions
        .iter()
        .find(|c| c.name == "Available" && c.status == "False")?
        .since
}

/// Who leads, and when to look again.
fn lease(case: &Case<'_>) -> Answer {
    let leader = leader(case.context, case.limits, case.now);
    let again = leader::changes_at(case.context, &leader, case.now);
    let Leader::Expired(held, renewed) = leader else {
        // Not permitted, not made yet, or an operator that runs without leader election.
        return Answer::PASS.again(again);
    };
    // Whoever takes over after a leader that ended waits for the Lease first.
    if let Some(until) = case.still(renewed, case.limits.lease) {
        return Answer::PASS.again(Some(until));
    }
    let id = &case.context.id;
    let why = match leader::holder(&held.value) {
        Some(holder) => format!("{} does not renew its Lease", leader::pod_of(holder)),
        None => "nobody holds its Lease".to_owned(),
    };
    let finding = warning(
        case,
        &NOT_LEADING,
        format!("the operator of {id} has no leader: {why}"),
    )
    // Ours already, where all others are as the cluster tells them.
    .since(Since::Exactly(case.context.by_its_clock(renewed)))
    .next(format!(
        "See who holds the Lease, and since when it was not renewed.\n$ {{cluster}} -n {namespace} get lease {} -o yaml\nSee in \
         the log of its pods why.\n$ {{cluster}} -n {namespace} logs -l control-plane=controller-manager -c manager \
         --prefix --tail=100",
        held.value.meta.name,
        namespace = held.value.meta.namespace,
    ));
    with_lease(case, finding).into()
}

/// With what the Lease says: who holds it, when it was last renewed, and so how long ago.
fn with_lease(case: &Case<'_>, finding: Finding) -> Finding {
    let Some(held) = leader::newest(case.context) else {
        return finding;
    };
    let lease = &held.value;
    let holder = leader::holder(lease).unwrap_or("nobody");
    let (renewed, at) = match lease.renewed {
        Some(at) => (
            format!("last renewed at {}", clock(at)),
            case.context.by_our_clock(at),
        ),
        None => ("never renewed".to_owned(), held.changed),
    };
    let lasts = lease
        .duration
        .map_or(String::new(), |s| format!(", lasts {}", text::age_of(s)));
    let leads = match leader(case.context, case.limits, case.now) {
        Leader::Fresh(..) => "",
        Leader::Expired(..) => ": it has expired",
        Leader::Unknown => ": whether it is still renewed is not known yet",
    };
    finding.resting_on(
        format!("held by {holder}, {renewed}{lasts}{leads}"),
        format!("Lease {}", lease.meta.name),
        at,
    )
}

#[cfg(test)]
mod tests;
