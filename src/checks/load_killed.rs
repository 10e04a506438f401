//! A load that its own probe ends: the server answers LOADING for longer than a probe has patience, is started again, and loads
//! anew (op#397, op#426, df#5881).

use super::words::{list, number};
use super::{Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::object::Event;
use crate::domain::text;
use crate::domain::world::Held;

/// The check.
pub const CHECK: Check = Check {
    id: "load-killed",
    area: Area::Instance,
    title: "Its probe ends its load",
    why: "A load that is ended begins anew, and takes as long as before: the node never comes up, however often it is started.",
    reads: "events of the kubelet about pods, whether the engine loads, restarts of the container",
    next: "Let the probe wait: a liveness probe that takes LOADING for an answer, and a startup probe whose failureThreshold times \
           periodSeconds is longer than the load (with operator v1.6.0 and later spec.customLivenessProbeConfigMap and \
           spec.customStartupProbeConfigMap; without them its own probe takes any reply).\n\
           See what the probe was told.\n\
           $ {kubectl} describe pod {pod}",
    situations: &[&KILLED],
    needs: Check::NOTHING,
    run,
};

const KILLED: Situation = Situation {
    id: "load-killed",
    word: "load killed",
    class: State::Degraded,
    rule: "by its events the kubelet ended a container twice or more for its liveness or startup probe, and its engine loads, or the \
           probe was told LOADING and the pod is not ready",
    meaning: "It never finishes its load: there is one node fewer to fail over to, and if it is the master, nobody is served.",
    accounts_for: &[
        "pods-missing",
        "pods-starting",
        "replica-loading",
        "replica-waiting",
        "role-coming",
    ],
    shown: Shown::By(&["load-killed"]),
};

/// Ends by a probe from which on it is no accident.
const ENDS: u64 = 2;

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let found: Vec<(&Node<'_>, Ends<'_>)> = instance
        .nodes
        .iter()
        .filter(|node| !node.is_going())
        .filter_map(|node| {
            let ends = Ends::of(instance, node);
            let loads = node.loading || ends.was_loading && !node.is_ready();
            (ends.count >= ENDS && loads).then_some((node, ends))
        })
        .collect();
    if found.is_empty() {
        return Answer::PASS;
    }
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name()).collect();
    let most = found.iter().map(|(_, ends)| ends.count).max().unwrap_or(0);
    let sentence = format!(
        "{} {} to load: {} probe has ended it {} times before it was done",
        list(&names),
        number(names.len(), "never comes", "never come"),
        number(names.len(), "its", "their"),
        text::count(most)
    );
    let since = found.iter().filter_map(|(_, ends)| ends.first).min();
    let mut finding = case
        .finding(&CHECK, &KILLED, Severity::Warning, sentence)
        .about(names)
        .since(since.map_or(Since::Seen(case.now), Since::Exactly));
    for (node, ends) in &found {
        let name = node.name();
        if let Some(held) = ends.last {
            finding = finding.resting_on(
                held.value.note.clone(),
                format!("event {} of pod {name}", held.value.reason),
                held.changed,
            );
        }
        let restarts = node.view.pod.value.restarts();
        finding = finding.resting_on(
            format!("restartCount {restarts}"),
            format!("container status of pod {name}"),
            node.view.pod.changed,
        );
        if node.loading {
            finding = finding.resting_on("it loads", format!("engine of {name}"), case.now);
        }
    }
    finding.into()
}

/// How often a probe ended a container of a pod, as far as events tell.
struct Ends<'a> {
    count: u64,
    first: Option<jiff::Timestamp>,
    last: Option<&'a Held<Event>>,
    /// What the probe was told was LOADING.
    was_loading: bool,
}

impl<'a> Ends<'a> {
    fn of(instance: &Instance<'a>, node: &Node<'_>) -> Self {
        let mut ends = Ends {
            count: 0,
            first: None,
            last: None,
            was_loading: false,
        };
        let uid = &*node.view.pod.value.meta.uid;
        // Newest first.
        for held in instance.view.events() {
            let event = &held.value;
            let is_its = event.about_name == node.name()
                && (event.about_uid.is_empty() || event.about_uid == uid);
            if !is_its {
                continue;
            }
            ends.was_loading |= event.reason == "Unhealthy" && event.note.contains("LOADING");
            let by_probe = event.note.contains("failed liveness probe")
                || event.note.contains("failed startup probe");
            if event.reason == "Killing" && by_probe {
                ends.count += event.count.max(1);
                ends.first = ends.first.into_iter().chain(event.first.or(event.at)).min();
                ends.last = ends.last.or(Some(held));
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use crate::domain::object::Meta;
    use crate::domain::{Fact, Object};

    fn told(f: &mut Fixture, name: &str, reason: &str, note: &str, count: u64) {
        let event = Event {
            meta: Meta {
                namespace: Arc::from("shop"),
                name: Arc::from(name),
                ..Meta::default()
            },
            about_kind: "Pod".to_owned(),
            about_name: "orders-1".to_owned(),
            reason: reason.to_owned(),
            note: note.to_owned(),
            count,
            at: Some(ago(30)),
            first: Some(ago(300)),
            ..Event::default()
        };
        let object = Object::Event(Arc::new(event));
        let context = infra();
        f.tell(Fact::Seen { context, object }, ago(5));
    }

    #[test]
    fn a_load_that_its_probe_ends_again_and_again_is_told() {
        let killed = "Container dragonfly failed liveness probe, will be restarted";
        let loading = "Liveness probe failed: LOADING Dragonfly is loading the dataset in memory";
        let silent = "Liveness probe failed: command timed out";
        let crashing = || replica().ended("Error", 137).waiting("CrashLoopBackOff");
        let sentence = "warning degraded: orders-1 never comes to load: its probe has ended it 3 times before it was done";
        for (name, node, ends, told_of, wanted) in [
            (
                "it loads for the first time",
                replica().loading(),
                0,
                loading,
                "pass",
            ),
            ("ended once", replica().loading(), 1, loading, "pass"),
            (
                "ended thrice, and loads",
                replica().loading(),
                3,
                loading,
                sentence,
            ),
            (
                "its probe says nothing of it",
                replica().loading(),
                3,
                silent,
                sentence,
            ),
            (
                "waits to be started again",
                crashing(),
                3,
                loading,
                sentence,
            ),
            ("hangs, and does not load", crashing(), 3, silent, "pass"),
            ("has loaded since", replica(), 3, loading, "pass"),
        ] {
            let mut f = instance("orders").node(master()).node(node).build();
            told(&mut f, "unhealthy", "Unhealthy", told_of, 3);
            if ends > 0 {
                told(&mut f, "killing", "Killing", killed, ends);
            }
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }
}
