//! What of an engine's answer is news, and what only moves a figure.
//!
//! News is shown at once. Figures (operations a second, memory, keys, how far a replica is behind) move with every answer
//! of every engine; a person reads them no faster than once a second, so they wait for the tick at which ages are
//! written anew. A figure that crosses a limit changes a judgement, and that is news again.

use super::EngineRecord;
use crate::domain::engine::{ClientList, Probe, Replication, Side, Unanswered};

/// Whether an answer tells more than other figures: the first to its question, the end of a silence, another role, link
/// or version.
pub(super) fn is_news(record: &EngineRecord, probe: &Probe) -> bool {
    let question = probe.question();
    let silent = &record.silent;
    if silent.contains_key(&None) || silent.contains_key(&Some(question)) {
        return true;
    }
    match probe {
        Probe::Ping { loading, .. } => {
            let before = record.ping.as_ref().map(|known| known.value.1);
            before != Some(*loading)
        }
        Probe::Role(now) => record.role.as_ref().is_none_or(|old| old.value != *now),
        Probe::Replication(now) => {
            let old = record.replication.as_ref();
            old.is_none_or(|old| still(&old.value) != still(now))
        }
        Probe::Persistence(now) => {
            let old = record.persistence.as_ref();
            old.is_none_or(|old| old.value != *now)
        }
        Probe::Server(now) => record.server.as_ref().is_none_or(|old| {
            // Less uptime than before: the process was started anew.
            old.value.version != now.version || old.value.uptime > now.uptime
        }),
        Probe::Clients(_) => record.clients.is_none(),
        Probe::Memory(_) => record.memory.is_none(),
        Probe::Stats(_) => record.stats.is_none(),
        Probe::Keyspace(_) => record.keyspace.is_none(),
        Probe::Config(now) => record.config.as_ref().is_none_or(|old| old.value != *now),
        Probe::Time(_) => record.clock.is_none(),
        Probe::Health(now) => record.health.as_ref().is_none_or(|old| old.value != *now),
        Probe::ClientList(now) => record.client_list.as_ref().is_none_or(|old| {
            // Its ages move; how the link stands does not by itself.
            let phase = |list: &ClientList| list.upstream.as_ref().map(|link| link.phase.clone());
            phase(&old.value) != phase(now)
        }),
        // Figures through and through; nobody waits for the first of them either.
        Probe::Offsets(_)
        | Probe::SlowLog(_)
        | Probe::SlowLogLength(_)
        | Probe::MemoryStats(_)
        | Probe::Cpu(_)
        | Probe::Commands(_)
        | Probe::Errors(_)
        | Probe::Tiering(_)
        | Probe::Metrics(_) => false,
    }
}

/// Whether a silence is news: nobody knew that this is not answered, or it has another reason than before.
pub(super) fn is_new_silence(record: &EngineRecord, unanswered: &Unanswered) -> bool {
    let known = record.silent.get(&unanswered.question);
    known.is_none_or(|(fault, _)| *fault != unanswered.fault)
}

/// The same without what moves by itself: offsets, lags, seconds since the last byte.
fn still(replication: &Replication) -> Replication {
    let mut still = replication.clone();
    match &mut still.side {
        Side::Master { replicas, .. } => replicas
            .iter_mut()
            .for_each(|line| line.lag = line.lag.map(|_| 0)),
        Side::Replica(follower) => {
            follower.last_io = None;
            // Only whether there is one tells something: there is none before the first full sync ended.
            follower.offset = follower.offset.map(|_| 0);
        }
    }
    still
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::engine::*;
    use crate::domain::{Fault, FaultKind};

    fn master(state: LinkState, lag: u64) -> Probe {
        Probe::Replication(Replication {
            replid: None,
            side: Side::Master {
                connected: 1,
                replicas: vec![ReplicaLine {
                    ip: "10.0.0.2".to_owned(),
                    port: 6379,
                    state,
                    lag: Some(lag),
                }],
            },
        })
    }

    fn server(version: &str, uptime: u64) -> Probe {
        Probe::Server(Server {
            version: Some(version.to_owned()),
            uptime: Some(uptime),
            ..Server::default()
        })
    }

    fn ops(ops: u64) -> Probe {
        Probe::Stats(Stats {
            ops: Some(ops),
            ..Stats::default()
        })
    }

    fn ping(micros: u64, loading: bool) -> Probe {
        Probe::Ping {
            took: Duration::from_micros(micros),
            loading,
        }
    }

    #[test]
    fn a_figure_that_moves_is_no_news_and_everything_else_is() {
        for (before, now, news) in [
            (ping(100, false), ping(900, false), false),
            (ping(100, false), ping(100, true), true),
            (
                master(LinkState::Online, 3),
                master(LinkState::Online, 9),
                false,
            ),
            (
                master(LinkState::Online, 3),
                master(LinkState::FullSync, 3),
                true,
            ),
            (server("v1.39.0", 10), server("v1.39.0", 20), false),
            (server("v1.39.0", 10), server("v1.40.0", 20), true),
            (server("v1.39.0", 10), server("v1.39.0", 1), true),
            (ops(1), ops(2), false),
        ] {
            let at = Timestamp::UNIX_EPOCH;
            let mut record = EngineRecord::new(Arc::from("uid"));
            assert!(is_news(&record, &before), "the first answer: {before:?}");
            record.answered(before.clone(), at);
            assert_eq!(is_news(&record, &now), news, "{before:?} then {now:?}");
            let lost = |message: &str| Unanswered {
                question: Some(now.question()),
                fault: Fault::new(FaultKind::Timeout, message),
            };
            assert!(is_new_silence(&record, &lost("late")), "{now:?}");
            record.silent(lost("late"), at);
            assert!(!is_new_silence(&record, &lost("late")), "{now:?}");
            assert!(is_new_silence(&record, &lost("closed")), "{now:?}");
            assert!(is_news(&record, &now), "the end of a silence: {now:?}");
        }
    }
}
