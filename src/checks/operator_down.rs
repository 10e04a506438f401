//! The operator does not work: nobody will elect a master when one is lost.
//!
//! Judged from its Deployment, its pods and its leader Lease. Where none of them may be read, the answer is *unknown*.
//! A cluster without instances and CRD needs none, unless the settings give it the role `infra`.
//!
//! An instance is served without it, so it stays what it is; but it carries a note that nobody would fail it over.

use jiff::Timestamp;

use super::crd_missing::followed;
use super::leader::{self, Leader, leader};
use super::steps::of_fault;
use super::words::{bracketed, clock, counted};
use super::{
    Answer, Case, Check, Finding, Severity, Shown, Since, Situation, State, Subject, Verdict,
};
use crate::domain::object::{ContainerState, Deployment, Pod};
use crate::domain::text;
use crate::domain::world::ContextWorld;
use crate::domain::{Access, Kind, Scope};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-down",
    title: "Operator down",
    why: "Instances go on without it, but no master is replaced, no pod gets a role and no rollout moves.",
    reads: "the operator's Deployment, pods and Lease 31079dea.dragonflydb.io",
    next: "See what there is of an operator.\n\
           $ {cluster} get deployments,pods -A -l control-plane=controller-manager",
    situations: &[&ABSENT, &DOWN, &NOT_LEADING, &NOBODY, &UNTOLD],
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
        Subject::Context(_) => Answer::NOT_APPLICABLE,
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

/// Why nobody acts on what an operator does by itself, as it is said after `nobody does it: `; and what to do about that, as
/// lines of steps. `None` while somebody may act.
pub(super) fn nobody(case: &Case<'_>) -> Option<(String, String)> {
    let subject = Subject::Operator(case.context.id.clone());
    let operator = Case::of(case.world, &subject, case.limits, case.now)?;
    match of_operator(&operator).verdict {
        Verdict::Finding(down) => {
            let what = down.sentence.split_once(": ").map(|(what, _)| what);
            let what = what.unwrap_or(&down.sentence).to_owned();
            Some((what, down.filled()))
        }
        _ => None,
    }
}

/// What to do where it is the operator's to act, as lines of steps: to set it right where it is away, else to read in its
/// log what keeps it from `what`.
pub(super) fn its_turn(case: &Case<'_>, what: &str) -> String {
    if let Some((why, steps)) = nobody(case) {
        return format!("Nobody does it: {why}.\n{steps}");
    }
    let look = format!(
        "Look in the operator's log {what} (in the console: the screen Operator, key 5, has it for one instance)."
    );
    let name = match case.subject {
        Subject::Instance(id) => format!(" | grep {}", text::shell_word(&id.name)),
        Subject::Context(_) | Subject::Operator(_) => String::new(),
    };
    // The log of the pod that leads; of one that does not there is nothing to read.
    let whose = match leader(case.context, case.limits, case.now) {
        Leader::Fresh(lease, _) => leader::holder(&lease.value).map(|holder| {
            let namespace = &lease.value.meta.namespace;
            (namespace.to_string(), leader::pod_of(holder).to_owned())
        }),
        _ => None,
    };
    let whose = whose.or_else(|| {
        let meta = &case.context.operators.iter().next()?.value.meta;
        Some((
            meta.namespace.to_string(),
            format!("deployment/{}", meta.name),
        ))
    });
    match whose {
        Some((namespace, pod)) => format!(
            "{look}\n$ {{cluster}} -n {} logs {} -c manager --tail=500{name}",
            text::shell_word(&namespace),
            text::shell_word(&pod)
        ),
        None => look,
    }
}

fn of_operator(case: &Case<'_>) -> Answer {
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
                "Scale it up again, unless somebody scaled it down on purpose.\n$ {{cluster}} -n {} scale deployment {} --replicas=1",
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

/// Ready pods of the operator; by its Deployments' word where its pods are not followed.
fn ready_pods(context: &ContextWorld, pods: bool) -> i64 {
    if pods {
        let ready = context
            .operator_pods
            .iter()
            .filter(|held| held.value.is_ready() && held.value.meta.deleting.is_none());
        i64::try_from(ready.count()).unwrap_or(i64::MAX)
    } else {
        context.operators.iter().map(|held| held.value.ready).sum()
    }
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

/// How long one that starts takes at the most until it has its Lease, seconds: the Lease of a leader that ended lasts so long.
const LEASE: i64 = 15;

/// What to do about pods that are not ready: what they said when they ended, where something ended; else what keeps them from
/// starting, or how they get on.
fn why_not_ready(case: &Case<'_>, deployment: &Deployment) -> String {
    let (namespace, name) = (&deployment.meta.namespace, &deployment.meta.name);
    let pods = || case.context.operator_pods.iter().map(|held| &held.value);
    let has_ended = |pod: &Pod| {
        let ended = |c: &crate::domain::object::Container| {
            let crashes = matches!(&c.state, ContainerState::Waiting { reason, .. } if reason.contains("CrashLoop"));
            crashes || c.last_end.is_some() || matches!(c.state, ContainerState::Ended(_))
        };
        pod.restarts() > 0 || pod.containers.iter().any(ended)
    };
    if pods().any(|pod| has_ended(pod)) {
        return format!(
            "See why it ended.\n$ {{cluster}} -n {namespace} logs deployment/{name} -c manager --previous"
        );
    }
    let started = pods()
        .flat_map(|pod| &pod.containers)
        .filter_map(|container| match &container.state {
            ContainerState::Running { since } => *since,
            _ => None,
        })
        .max();
    match started {
        Some(at) => format!(
            "It was started at {}, and takes up to {LEASE} s to get its Lease: wait for that.\nIf it is not ready then, see what \
             it does.\n$ {{cluster}} -n {namespace} logs deployment/{name} -c manager --tail=100",
            clock(case.context.by_our_clock(at).min(case.now))
        ),
        None => format!(
            "See why its pods do not start.\n$ {{cluster}} -n {namespace} describe pods -l control-plane=controller-manager"
        ),
    }
}

fn unavailable_since(deployment: &Deployment) -> Option<Timestamp> {
    deployment
        .conditions
        .iter()
        .find(|c| c.name == "Available" && c.status == "False")?
        .since
}

/// Why its pods are not ready, each reason before the pods that have it (where they are to be named): where there is little
/// room, long names must not hide it.
pub(super) fn reasons(context: &ContextWorld, named: bool) -> String {
    let mut by_reason: Vec<(String, Vec<&str>)> = Vec::new();
    for held in context.operator_pods.iter() {
        let (why, name) = (why(&held.value), &*held.value.meta.name);
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((why, vec![name])),
        }
    }
    let told: Vec<String> = by_reason
        .iter()
        .map(|(why, names)| match named {
            true => format!("{why}{}", bracketed(&names.join(", "))),
            false => why.clone(),
        })
        .collect();
    told.join(", ")
}

fn why(pod: &Pod) -> String {
    if pod.meta.deleting.is_some() {
        return "being deleted".to_owned();
    }
    let waiting = pod.containers.iter().find_map(|c| match &c.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.as_str()),
        _ => None,
    });
    match waiting {
        Some(reason) => reason.to_owned(),
        None if pod.phase.is_empty() || pod.phase == "Running" => "not ready".to_owned(),
        None => pod.phase.to_lowercase(),
    }
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use std::sync::Arc;

    use crate::checks::Limits;
    use crate::domain::fixture::Fixture;
    use crate::domain::object::{Condition, Container, Lease, Meta};
    use crate::domain::{Fact, Fault, FaultKind, Object};

    fn deployment(replicas: i64, ready: i64) -> Object {
        Object::OperatorDeployment(Arc::new(Deployment {
            meta: Meta {
                namespace: Arc::from("ops"),
                name: Arc::from("operator"),
                ..Meta::default()
            },
            replicas,
            ready,
            conditions: vec![Condition {
                name: "Available".to_owned(),
                status: if ready > 0 { "True" } else { "False" }.to_owned(),
                since: Some(ago(77)),
                ..Condition::default()
            }],
            ..Deployment::default()
        }))
    }

    fn pod(ready: bool, waiting: &str) -> Object {
        Object::OperatorPod(Arc::new(Pod {
            meta: Meta {
                name: Arc::from("operator-x"),
                ..Meta::default()
            },
            phase: "Running".to_owned(),
            conditions: vec![Condition {
                name: "Ready".to_owned(),
                status: if ready { "True" } else { "False" }.to_owned(),
                ..Condition::default()
            }],
            containers: vec![Container {
                name: "manager".to_owned(),
                state: ContainerState::Waiting {
                    reason: waiting.to_owned(),
                    message: String::new(),
                },
                ..Container::default()
            }],
            ..Pod::default()
        }))
    }

    #[test]
    fn a_reason_stands_before_all_pods_that_have_it() {
        let named = |name: &str, waiting| {
            let Object::OperatorPod(mut one) = pod(false, waiting) else {
                panic!("a pod");
            };
            Arc::make_mut(&mut one).meta.name = Arc::from(name);
            Object::OperatorPod(one)
        };
        for (pods, wanted) in [
            (
                vec![
                    named("op-a", "CrashLoopBackOff"),
                    named("op-b", "CrashLoopBackOff"),
                ],
                "CrashLoopBackOff (op-a, op-b)",
            ),
            (
                vec![named("op-a", "ImagePullBackOff"), named("op-b", "")],
                "ImagePullBackOff (op-a), not ready (op-b)",
            ),
        ] {
            let mut f = healthy().build();
            listed(&mut f, Kind::OperatorDeployment, vec![deployment(2, 0)]);
            listed(&mut f, Kind::OperatorPod, pods);
            let context = f.world.context(&infra()).unwrap();
            assert_eq!(reasons(context, true), wanted);
        }
    }

    fn lease_renewed(seconds: i64) -> Object {
        Object::OperatorLease(Arc::new(Lease {
            meta: Meta {
                name: Arc::from("31079dea.dragonflydb.io"),
                ..Meta::default()
            },
            holder: Some("operator-x_1234".to_owned()),
            renewed: Some(ago(seconds)),
            duration: Some(15),
            ..Lease::default()
        }))
    }

    fn listed(f: &mut Fixture, kind: Kind, objects: Vec<Object>) {
        f.tell(
            Fact::Listed {
                context: infra(),
                kind,
                scope: Scope::Cluster,
                objects,
            },
            ago(9),
        );
    }

    #[test]
    fn deployment_pods_and_lease_are_heard() {
        for (deployments, pods, leases, wanted) in [
            (
                vec![deployment(1, 1)],
                vec![pod(true, "")],
                vec![lease_renewed(3)],
                "pass",
            ),
            (vec![deployment(1, 1)], vec![pod(true, "")], vec![], "pass"),
            (
                vec![],
                vec![],
                vec![],
                "warning degraded: no operator was found in infra",
            ),
            (
                vec![deployment(0, 0)],
                vec![],
                vec![lease_renewed(300)],
                "warning degraded: the operator of infra is scaled to 0",
            ),
            (
                vec![deployment(1, 0)],
                vec![pod(false, "CrashLoopBackOff")],
                vec![lease_renewed(3)],
                "warning degraded: no pod of the operator of infra is ready: CrashLoopBackOff (operator-x)",
            ),
            (
                vec![deployment(1, 0)],
                vec![],
                vec![],
                "warning degraded: the operator of infra has no pod",
            ),
            (
                vec![deployment(1, 1)],
                vec![pod(true, "")],
                vec![lease_renewed(90)],
                "warning degraded: the operator of infra has no leader: operator-x does not renew its Lease",
            ),
            (
                // For all we know a clock is behind, and somebody renews it.
                vec![deployment(1, 1)],
                vec![pod(true, "")],
                vec![lease_renewed(40)],
                "pass",
            ),
        ] {
            let mut f = healthy().build();
            listed(&mut f, Kind::OperatorDeployment, deployments);
            listed(&mut f, Kind::OperatorPod, pods);
            listed(&mut f, Kind::OperatorLease, leases);
            assert_eq!(
                line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
                wanted
            );
        }
    }

    #[test]
    fn a_lease_is_looked_at_again_when_it_would_grow_stale() {
        let mut f = healthy().build();
        listed(&mut f, Kind::OperatorDeployment, vec![deployment(1, 1)]);
        listed(&mut f, Kind::OperatorPod, vec![pod(true, "")]);
        listed(&mut f, Kind::OperatorLease, vec![lease_renewed(3)]);
        let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
        assert_eq!(answer.again_at, Some(ago(-6)));
    }

    #[test]
    fn the_log_of_a_run_that_ended_is_asked_for_only_where_one_did() {
        let with = |reason: &str, restarts: u64, running: bool| {
            let mut one = pod(false, reason);
            if let Object::OperatorPod(pod) = &mut one {
                for container in &mut Arc::make_mut(pod).containers {
                    container.restarts = restarts;
                    if running {
                        let since = Some(ago(6));
                        container.state = ContainerState::Running { since };
                    }
                }
            }
            one
        };
        for (name, pod, wanted) in [
            ("crashes", with("CrashLoopBackOff", 0, false), "--previous"),
            ("was restarted", with("", 1, true), "--previous"),
            (
                "just started",
                with("", 0, true),
                "It was started at 11:59:54 UTC, and takes up to 15 s to get its Lease",
            ),
            (
                "never started",
                with("ImagePullBackOff", 0, false),
                "describe pods",
            ),
        ] {
            let mut f = healthy().build();
            listed(&mut f, Kind::OperatorDeployment, vec![deployment(1, 0)]);
            listed(&mut f, Kind::OperatorPod, vec![pod]);
            let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
            let Verdict::Finding(finding) = answer.verdict else {
                panic!("{name}")
            };
            let next = finding.next_step();
            assert!(next.contains(wanted), "{name}: {next}");
            let previous = next.contains("--previous");
            assert_eq!(previous, wanted == "--previous", "{name}: {next}");
        }
    }

    #[test]
    fn the_lease_is_evidence_of_an_operator_that_is_down() {
        let mut f = healthy().build();
        listed(&mut f, Kind::OperatorDeployment, vec![deployment(1, 0)]);
        listed(
            &mut f,
            Kind::OperatorPod,
            vec![pod(false, "CrashLoopBackOff")],
        );
        listed(&mut f, Kind::OperatorLease, vec![lease_renewed(80)]);
        let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
        let Verdict::Finding(finding) = answer.verdict else {
            panic!()
        };
        let lease = finding
            .evidence
            .iter()
            .find(|e| e.source.starts_with("Lease"))
            .unwrap();
        assert_eq!(
            (lease.text.as_str(), lease.at),
            (
                "held by operator-x_1234, last renewed at 11:58:40 UTC, lasts 15s: it has expired",
                ago(80)
            )
        );
        assert_eq!(
            finding.next_step(),
            "See why it ended: kubectl --context infra -n ops logs deployment/operator -c manager --previous"
        );
    }

    #[test]
    fn an_instance_is_served_without_it_but_says_that_nobody_would_fail_it_over() {
        for (deployments, wanted) in [
            (vec![deployment(1, 1)], "n/a"),
            (
                vec![deployment(0, 0)],
                "note healthy: nobody would fail it over: the operator of infra is scaled to 0",
            ),
            (
                vec![],
                "note healthy: nobody would fail it over: no operator was found in infra",
            ),
        ] {
            let mut f = healthy().build();
            let pods = deployments.iter().map(|_| pod(true, "")).collect();
            listed(&mut f, Kind::OperatorDeployment, deployments);
            listed(&mut f, Kind::OperatorPod, pods);
            listed(&mut f, Kind::OperatorLease, vec![lease_renewed(3)]);
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted);
            assert_eq!(judgement(&f).state, State::Healthy);
        }
    }

    #[test]
    fn the_role_in_the_settings_says_who_needs_one() {
        let crd = || {
            Object::Crd(Arc::new(crate::domain::object::Crd {
                established: true,
                ..Default::default()
            }))
        };
        for (role, crds, instances, wanted) in [
            (None, vec![], false, "n/a"),
            (
                None,
                vec![crd()],
                false,
                "warning degraded: no operator was found in infra",
            ),
            (Some(false), vec![crd()], false, "n/a"),
            (
                Some(false),
                vec![crd()],
                true,
                "warning degraded: no operator was found in infra",
            ),
            (
                Some(true),
                vec![],
                false,
                "warning degraded: no operator was found in infra, whose role is infra in the settings",
            ),
        ] {
            let mut f = healthy().build();
            for kind in [
                Kind::OperatorDeployment,
                Kind::OperatorPod,
                Kind::OperatorLease,
            ] {
                listed(&mut f, kind, vec![]);
            }
            listed(&mut f, Kind::Crd, crds);
            if !instances {
                listed(&mut f, Kind::Dragonfly, vec![]);
            }
            let limits = Limits {
                operators: role.map(|role| (infra(), role)).into_iter().collect(),
                ..Limits::default()
            };
            let subject = Subject::Operator(infra());
            let case = Case::of(&f.world, &subject, &limits, now()).unwrap();
            assert_eq!(line(&(CHECK.run)(&case)), wanted, "{role:?}");
        }
    }

    #[test]
    fn what_may_not_be_read_is_unknown_and_a_cluster_of_consumers_needs_none() {
        let mut f = healthy().build();
        assert_eq!(
            line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
            "note unknown: the operator of infra is still being looked for"
        );
        for kind in [Kind::OperatorDeployment, Kind::OperatorPod] {
            let access =
                Access::Denied(Fault::new(FaultKind::Forbidden, "deployments is forbidden"));
            f.tell(
                Fact::Watched {
                    context: infra(),
                    kind,
                    scope: Scope::Cluster,
                    access,
                },
                ago(9),
            );
        }
        assert_eq!(
            line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
            "note unknown: whether an operator runs in infra cannot be told (deployments is forbidden)"
        );
        let mut f = healthy().build();
        listed(&mut f, Kind::Dragonfly, vec![]);
        listed(&mut f, Kind::OperatorDeployment, vec![]);
        listed(&mut f, Kind::OperatorPod, vec![]);
        assert_eq!(
            line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
            "n/a"
        );
    }

    #[test]
    fn a_refused_cluster_is_no_blindness_where_its_namespace_is_read() {
        let kinds = [
            Kind::OperatorDeployment,
            Kind::OperatorPod,
            Kind::OperatorLease,
        ];
        for (deployments, pods, wanted) in [
            (vec![deployment(1, 1)], vec![pod(true, "")], "pass"),
            (
                vec![deployment(1, 0)],
                vec![pod(false, "CrashLoopBackOff")],
                "warning degraded: no pod of the operator of infra is ready: CrashLoopBackOff (operator-x)",
            ),
            (
                // Not confined by the reader, so no namespace is written in the context.
                vec![],
                vec![],
                "note unknown: no operator is in the namespaces that are read in infra; it may be in another",
            ),
        ] {
            let mut f = healthy().build();
            for (kind, objects) in kinds.into_iter().zip([deployments, pods, vec![]]) {
                f.tell(
                    Fact::Watched {
                        context: infra(),
                        kind,
                        scope: Scope::Cluster,
                        access: Access::Denied(Fault::new(FaultKind::Forbidden, "forbidden")),
                    },
                    ago(9),
                );
                f.tell(
                    Fact::Listed {
                        context: infra(),
                        kind,
                        scope: Scope::Namespace(Arc::from("dragonfly-system")),
                        objects,
                    },
                    ago(9),
                );
            }
            assert_eq!(
                line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
                wanted
            );
        }
    }
}
