//! A node writes a snapshot. Nothing is wrong with it: it takes memory and time, refuses another save, and holds up a
//! rolling update, so it is worth a note.

use jiff::{SignedDuration, Timestamp};

use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State};
use crate::domain::engine::{Persistence, Question};
use crate::domain::text;

/// The situation.
pub const SAVES: Situation = Situation {
    id: "saving",
    word: "saving",
    class: State::Healthy,
    rule: "INFO persistence of a node says saving:1 (rdb_bgsave_in_progress stays 1 after a save and is not read)",
    meaning: "Clients are served. Another save is refused until it has ended, and memory use is higher meanwhile.",
    accounts_for: &[],
    shown: Shown::By(&["saving"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "saving",
    area: Area::Storage,
    title: "Saving a snapshot",
    why: "A save takes memory beside the data and refuses any other save; whoever wonders about either should see it.",
    reads: "INFO persistence of every node",
    next: "Wait. In the console the screen Storage (key 4) tells how old the last snapshot is.",
    situations: &[&SAVES],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let saves: Vec<(&Node<'_>, &Persistence, Timestamp)> = instance
        .nodes
        .iter()
        .filter_map(|node| {
            let known = node.told(case, Question::Persistence, |e| e.persistence.as_ref())?;
            known.value.saving.then_some((node, &known.value, known.at))
        })
        .collect();
    if saves.is_empty() {
        return Answer::PASS;
    }
    let told: Vec<String> = saves
        .iter()
        .map(|(node, said, _)| format!("{} saves a snapshot{}", node.name(), progress(said)))
        .collect();
    let since = saves
        .iter()
        .map(|(_, said, at)| begun(case, said, *at))
        .min_by_key(|since| since.at())
        .unwrap_or(Since::Seen(case.now));
    let mut finding = case
        .finding(&CHECK, &SAVES, Severity::Note, super::words::list(&told))
        .about(saves.iter().map(|(node, ..)| node.name()))
        .since(since);
    for (node, said, at) in saves {
        finding = finding.resting_on(
            format!("saving:1{}", progress(said)),
            format!("INFO persistence of {}", node.name()),
            at,
        );
    }
    finding.into()
}

/// `, 6 % of 1.5M keys`; nothing where the server does not tell.
fn progress(said: &Persistence) -> String {
    let by_keys = match (said.save_keys_done, said.save_keys_total) {
        (Some(done), Some(total)) if total > 0 => {
            u64::try_from(u128::from(done) * 100 / u128::from(total)).ok()
        }
        _ => None,
    };
    let Some(percent) = said.save_percent.or(by_keys) else {
        return String::new();
    };
    match said.save_keys_total.filter(|total| *total > 0) {
        Some(total) => format!(", {percent} % of {}", text::counted(total, "key", "keys")),
        None => format!(", {percent} %"),
    }
}

/// The server tells how long it has been saving, by no clock.
fn begun(case: &Case<'_>, said: &Persistence, at: Timestamp) -> Since {
    let spent = said.saving_for.and_then(|s| i64::try_from(s).ok());
    let begun = spent.and_then(|s| at.checked_sub(SignedDuration::from_secs(s)).ok());
    begun.map_or(Since::Seen(at), |at| case.exactly(at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::Verdict;
    use crate::checks::fixture::*;
    use crate::domain::engine::Probe;
    use crate::domain::fixture::*;

    fn told(said: Persistence) -> Answer {
        let mut f = healthy().build();
        f.answers("orders-0", Probe::Persistence(said), ago(1));
        answer_of(&CHECK, &f)
    }

    #[test]
    fn a_save_is_a_note_with_its_progress() {
        let saving = Persistence {
            saving: true,
            ..Persistence::default()
        };
        for (name, said, wanted) in [
            ("no save", Persistence::default(), "pass"),
            (
                "an old server that tells no progress",
                saving.clone(),
                "note healthy: orders-0 saves a snapshot",
            ),
            (
                "by percent",
                Persistence {
                    save_percent: Some(6),
                    save_keys_done: Some(93_201),
                    save_keys_total: Some(1_500_000),
                    saving_for: Some(40),
                    ..saving.clone()
                },
                "note healthy: orders-0 saves a snapshot, 6 % of 1.5M keys",
            ),
            (
                "by keys",
                Persistence {
                    save_keys_done: Some(30),
                    save_keys_total: Some(120),
                    ..saving.clone()
                },
                "note healthy: orders-0 saves a snapshot, 25 % of 120 keys",
            ),
            (
                "of an empty server",
                Persistence {
                    save_keys_total: Some(0),
                    ..saving.clone()
                },
                "note healthy: orders-0 saves a snapshot",
            ),
        ] {
            assert_eq!(line(&told(said)), wanted, "{name}");
        }
    }

    #[test]
    fn since_when_it_saves_is_the_servers_own_word() {
        let said = Persistence {
            saving: true,
            saving_for: Some(40),
            ..Persistence::default()
        };
        let Verdict::Finding(finding) = told(said).verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Exactly(ago(41)));
    }
}
