//! Clocks that differ from ours by more than a minute: every age that is told by them would be wrong by as much. Times of
//! the API server and of engines are told by our clock once theirs are known; what is left (times that others wrote into
//! objects) is not.

use super::{Answer, Area, Case, Check, Severity, Shown, Since, Situation, State, Subject};
use crate::domain::text;

/// Clocks that differ by less are as good as the same, seconds.
const SAME: i64 = 60;

/// The situation.
pub const DIFFER: Situation = Situation {
    id: "clocks-differ",
    word: "clocks differ",
    class: State::Healthy,
    rule: "the Date of the API server's answers, or TIME of an engine, is more than 60 s before or after our own clock",
    meaning: "Clients are served. Ages are told by our own clock as far as theirs is known; times in logs and events are as they \
              were written, certificates and snapshots are kept by the wrong clock.",
    accounts_for: &[],
    shown: Shown::By(&["clock-skew"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "clocks-differ",
    area: Area::Access,
    title: "Clocks differ",
    why: "With clocks that are hours apart every since and every schedule tells another time than one thinks.",
    reads: "the Date of the API server's answers, TIME of every engine, our own clock",
    next: "Compare with a third clock.\n\
           If ours is right, look at the time synchronisation of the cluster's machines.",
    situations: &[&DIFFER],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Subject::Context(id) = case.subject else {
        return Answer::NOT_APPLICABLE;
    };
    let server = case
        .context
        .clock
        .as_ref()
        .filter(|known| known.value.abs() > SAME);
    // By node, the farthest first.
    let mut engines: Vec<(String, i64, jiff::Timestamp)> = case
        .context
        .pods
        .iter()
        .filter_map(|pod| {
            let meta = &pod.value.meta;
            let engine = case.context.engine(&meta.namespace, &meta.name)?;
            let known = engine.clock.as_ref()?;
            let name = format!("{}/{}", meta.namespace, meta.name);
            (known.value.abs() > SAME).then_some((name, known.value, known.at))
        })
        .collect();
    engines.sort_by_key(|(name, ahead, _)| (std::cmp::Reverse(ahead.abs()), name.clone()));
    let mut told = Vec::new();
    if let Some(known) = server {
        told.push(format!(
            "the clock of {id}'s API server is {}",
            off(known.value)
        ));
    }
    match engines.as_slice() {
        [] => {}
        [(name, ahead, _)] => told.push(format!("the clock of {name} is {}", off(*ahead))),
        [(_, ahead, _), ..] => told.push(format!(
            "the clocks of {} engines are up to {}",
            engines.len(),
            off(*ahead)
        )),
    }
    if told.is_empty() {
        return Answer::PASS;
    }
    let mut finding = case
        .finding(&CHECK, &DIFFER, Severity::Note, told.join("; "))
        .since(Since::Seen(case.now));
    if let Some(known) = server {
        finding = finding.resting_on(
            off(known.value),
            "Date of the API server's answers",
            known.at,
        );
    }
    for (name, ahead, at) in engines.into_iter().take(5) {
        finding = finding.resting_on(off(ahead), format!("TIME of {name}"), at);
    }
    finding.into()
}

/// `3h00m ahead of ours`.
fn off(ahead: i64) -> String {
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    format!("{} {which} ours", text::age_of(ahead.abs()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::Fact;
    use crate::domain::engine::Probe;
    use crate::domain::fixture::*;

    #[test]
    fn clocks_that_differ_are_a_note_with_by_how_much() {
        for (name, server, engines, wanted) in [
            ("nothing known", None, vec![], "pass"),
            (
                "as good as the same",
                Some(-59),
                vec![("orders-0", 40)],
                "pass",
            ),
            (
                "the API server's",
                Some(3 * 3_600),
                vec![],
                "note healthy: the clock of infra's API server is 3h00m ahead of ours",
            ),
            (
                "one engine's",
                Some(0),
                vec![("orders-0", -7_200), ("orders-1", 2)],
                "note healthy: the clock of shop/orders-0 is 2h00m behind ours",
            ),
            (
                "both",
                Some(10_800),
                vec![("orders-0", -7_200), ("orders-1", -7_100)],
                "note healthy: the clock of infra's API server is 3h00m ahead of ours; the clocks of 2 engines are up to 2h00m \
                 behind ours",
            ),
        ] {
            let mut f = healthy().build();
            if let Some(ahead) = server {
                let context = infra();
                f.tell(Fact::Dated { context, ahead }, ago(5));
            }
            for (pod, ahead) in engines {
                f.answers(pod, Probe::Time(ago(1 - ahead)), ago(1));
            }
            let subject = Subject::Context(infra());
            assert_eq!(line(&answer_about(&CHECK, &f, &subject)), wanted, "{name}");
        }
    }
}
