//! Engines behind port-forwards: asked in rounds, each question with its own budget.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::api::{Act, Api, Asked, Pod, dragonfly, empty, event, list, pod};
use super::*;
use crate::domain::engine::{LinkPhase, Question, Role, Side, Way};
use crate::domain::world::EngineRecord;
use crate::domain::{FaultKind, InstanceId};

const PODS: &str = "/api/v1/pods";

/// What an engine does with a command.
#[derive(Clone)]
pub(super) enum Does {
    Says(String),
    /// That, after longer than one waits for an answer.
    SaysLate(String),
    Hangs,
    Closes,
}

pub(super) fn bulk(text: &str) -> Does {
    Does::Says(format!("${}\r\n{text}\r\n", text.len()))
}

/// A master in good health.
pub(super) fn healthy(command: &str) -> Does {
    match command {
        "PING" => Does::Says("+PONG\r\n".to_owned()),
        "TIME" => Does::Says("*2\r\n$10\r\n1795300000\r\n$6\r\n123456\r\n".to_owned()),
        "CONFIG GET *" => Does::Says("*2\r\n$13\r\nsnapshot_cron\r\n$0\r\n\r\n".to_owned()),
        "ROLE" => Does::Says("*2\r\n$6\r\nmaster\r\n*0\r\n".to_owned()),
        "INFO REPLICATION" => {
            bulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:abc\r\n")
        }
        "INFO PERSISTENCE" => bulk("# Persistence\r\nloading:0\r\nsaving:0\r\n"),
        "INFO SERVER" => bulk("# Server\r\ndragonfly_version:df-v1.39.0\r\n"),
        "INFO CLIENTS" => bulk("# Clients\r\nconnected_clients:3\r\n"),
        "INFO MEMORY" => bulk("# Memory\r\nused_memory:100\r\n"),
        "INFO STATS" => bulk("# Stats\r\ninstantaneous_ops_per_sec:7\r\n"),
        "INFO KEYSPACE" => bulk("# Keyspace\r\ndb0:keys=4,expires=0\r\n"),
        _ => Does::Says("+OK\r\n".to_owned()),
    }
}

/// An engine that does with each command what the script says; commands of a connection are handled in order.
pub(super) fn engine(script: impl Fn(&str) -> Does + Send + Sync + 'static) -> Pod {
    let script = Arc::new(script);
    Arc::new(move |stream| Box::pin(speak(stream, script.clone())))
}

async fn speak(mut stream: DuplexStream, script: Arc<dyn Fn(&str) -> Does + Send + Sync>) {
    let mut buffer = Vec::new();
    loop {
        while let Some(command) = next_command(&mut buffer) {
            match script(&command) {
                Does::Says(text) => {
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Does::SaysLate(text) => {
                    tokio::time::sleep(Duration::from_millis(600)).await;
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Does::Closes => return,
                Does::Hangs => {
                    let mut rest = [0; 64];
                    while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
                    return;
                }
            }
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
}

/// `*2\r\n$4\r\nINFO\r\n$6\r\nSERVER\r\n` to `INFO SERVER`.
fn next_command(buffer: &mut Vec<u8>) -> Option<String> {
    let text = String::from_utf8(buffer.clone()).unwrap();
    let mut lines = text.split_inclusive("\r\n");
    let head = lines.next()?;
    let words: usize = head
        .strip_prefix('*')?
        .strip_suffix("\r\n")?
        .parse()
        .unwrap();
    let (mut used, mut out) = (head.len(), Vec::new());
    for _ in 0..words {
        let (length, word) = (lines.next()?, lines.next()?);
        out.push(word.strip_suffix("\r\n")?.to_owned());
        used += length.len() + word.len();
    }
    buffer.drain(..used);
    Some(out.join(" "))
}

/// A cluster of one instance `ns/a` whose pods have these engines.
fn cluster(engines: Vec<Act>) -> impl Fn(&Asked) -> Act + Send + Sync {
    move |asked| {
        let path = asked.path.as_str();
        if let Some(name) = path.strip_prefix("/api/v1/namespaces/ns/pods/a-") {
            let (ordinal, verb) = name.split_once('/').unwrap();
            if verb == "proxy/metrics" {
                return Act::status(403, "forbidden");
            }
            assert_eq!(
                (verb, asked.query["ports"].as_str()),
                ("portforward", "9999")
            );
            return engines[ordinal.parse::<usize>().unwrap()].clone();
        }
        let owned = asked
            .query
            .get("labelSelector")
            .is_some_and(|s| s.ends_with("Ddragonfly"));
        match path {
            PODS if owned && !asked.is_watch() => {
                let pods = (0..engines.len()).map(|i| pod("ns", "a", i, &format!("u{i}")));
                list("1", pods.collect())
            }
            _ if path.ends_with("/dragonflies") && !asked.is_watch() => {
                list("1", vec![dragonfly("ns", "a", "1")])
            }
            _ => empty(asked),
        }
    }
}

pub(super) fn record(context: &ContextWorld, ordinal: usize) -> Option<&EngineRecord> {
    context.engine("ns", &format!("a-{ordinal}"))
}

pub(super) fn silence(
    context: &ContextWorld,
    question: Option<Question>,
) -> Option<(FaultKind, String)> {
    let (fault, _) = record(context, 0)?.silent.get(&question)?;
    Some((fault.kind, fault.message.clone()))
}

/// How many questions a record has answers to.
fn answers(record: &EngineRecord) -> usize {
    usize::from(record.ping.is_some())
        + usize::from(record.role.is_some())
        + usize::from(record.replication.is_some())
        + usize::from(record.persistence.is_some())
        + usize::from(record.server.is_some())
        + usize::from(record.clients.is_some())
        + usize::from(record.memory.is_some())
        + usize::from(record.stats.is_some())
        + usize::from(record.keyspace.is_some())
}

#[tokio::test]
async fn an_engine_is_asked_everything_over_one_connection() {
    let api = Api::start(cluster(vec![Act::Forward(engine(healthy))])).await;
    let mut it = Followed::api(&api);
    it.until("all answered", |c| {
        record(c, 0).is_some_and(|r| answers(r) == 9)
    })
    .await;
    let role = record(it.context(), 0)
        .unwrap()
        .engine_role()
        .unwrap()
        .value;
    assert_eq!(role, Role::Master);
    // Later rounds come over the same connection.
    let first = record(it.context(), 0).unwrap().keyspace.clone();
    it.until("asked again", |c| record(c, 0).unwrap().keyspace != first)
        .await;
    let forwards = api
        .log()
        .iter()
        .filter(|a| a.path.ends_with("portforward"))
        .count();
    assert_eq!(forwards, 1);
}

/// A replica whose replication has stopped for good.
pub(super) fn stopped_replica(command: &str) -> Does {
    match command {
        "ROLE" => Does::Says(
            "*4\r\n$5\r\nslave\r\n$1\r\nm\r\n$4\r\n9999\r\n$10\r\nconnecting\r\n".to_owned(),
        ),
        "INFO REPLICATION" => bulk("role:slave\r\nmaster_host:m\r\nmaster_link_status:down\r\n"),
        "CLIENT LIST" => bulk("id=5 addr=m:9999 flags=M repl-phase=disabled\r\n"),
        "SLOWLOG LEN" => Does::Says(":7\r\n".to_owned()),
        "DFLY REPLICAOFFSET" => Does::Says("-ERR unknown command `DFLY`\r\n".to_owned()),
        command => healthy(command),
    }
}

#[tokio::test]
async fn a_replica_is_asked_for_its_link_and_one_in_view_for_all_there_is() {
    let api = Api::start(cluster(vec![
        Act::Forward(engine(healthy)),
        Act::Forward(engine(stopped_replica)),
    ]))
    .await;
    let mut it = Followed::api(&api);
    let phase = |c: &ContextWorld, ordinal| {
        let record = record(c, ordinal)?;
        Some(
            record
                .client_list
                .as_ref()?
                .value
                .upstream
                .as_ref()?
                .phase
                .clone(),
        )
    };
    it.until("the replica's link", |c| {
        phase(c, 1) == Some(LinkPhase::Stopped)
    })
    .await;
    let replica = record(it.context(), 1).unwrap();
    assert_eq!(replica.way(), Some(Way::PortForward));
    assert!(replica.slow_log_length.is_none(), "not in view");
    let asked = |facts: &[Fact], question, ordinal: usize| {
        let pod = format!("a-{ordinal}");
        facts.iter().any(|fact| match fact {
            Fact::Probed { node, probe, .. } => *node.pod == *pod && probe.question() == question,
            Fact::Silent {
                node, unanswered, ..
            } => *node.pod == *pod && unanswered.question == Some(question),
            _ => false,
        })
    };
    assert!(
        !asked(&it.facts, Question::ClientList, 0),
        "a master not in view"
    );
    it.focus.send_modify(|focus| {
        focus.instance = Some(InstanceId::new(it.context().id.clone(), "ns", "a"));
    });
    it.until("what is asked in view", |c| {
        record(c, 1).is_some_and(|r| r.slow_log_length.is_some())
    })
    .await;
    // That one question is not known to it hides no other, and the engine is not silent for it.
    it.until("the last of them", |c| {
        record(c, 1).is_some_and(|r| !r.stands(Question::Tiering))
    })
    .await;
    let replica = record(it.context(), 1).unwrap();
    assert!(!replica.stands(Question::Offsets));
    assert!(replica.speaks() && replica.first_silence().is_none());
    for question in Question::IN_VIEW {
        assert!(asked(&it.facts, *question, 1), "{question:?}");
    }
}

#[tokio::test]
async fn a_question_that_hangs_hides_no_other_answer() {
    for hung in [
        Question::Ping,
        Question::Role,
        Question::Replication,
        Question::Keyspace,
    ] {
        let stuck = engine(move |command| {
            if command == hung.command() {
                Does::Hangs
            } else {
                healthy(command)
            }
        });
        let api = Api::start(cluster(vec![Act::Forward(stuck)])).await;
        let mut it = Followed::api(&api);
        it.until("the others", |c| {
            record(c, 0).is_some_and(|r| answers(r) == 8)
        })
        .await;
        it.until("silence", |c| silence(c, Some(hung)).is_some())
            .await;
        let told = silence(it.context(), Some(hung)).unwrap();
        assert_eq!(
            told,
            (
                FaultKind::Timeout,
                format!("{}: no answer within 0.4 s", hung.command())
            )
        );
        assert_eq!(
            silence(it.context(), None),
            None,
            "the engine as a whole is not silent"
        );
        // Asked last from then on: between one silence and the next, everything else is answered.
        let before = it.facts.len();
        it.during(api.wait_for(|a| a.path.ends_with("portforward") && a.before == 4))
            .await;
        let told: Vec<(bool, Question)> = it.facts[before..]
            .iter()
            .filter_map(|fact| match fact {
                Fact::Probed { probe, .. } => Some((true, probe.question())),
                Fact::Silent { unanswered, .. } => Some((false, unanswered.question?)),
                _ => None,
            })
            // What is asked now and then is not in every round.
            .filter(|(_, question)| question.is_standing())
            .collect();
        let rounds: Vec<_> = told.split(|(answered, _)| !answered).collect();
        assert!(rounds.len() > 2, "{told:?}");
        for round in &rounds[1..rounds.len() - 1] {
            // One round or several: what hangs is not asked in each.
            assert_eq!(round.len() % 8, 0, "{hung:?}: {told:?}");
            assert!(!round.is_empty(), "{hung:?}: {told:?}");
        }
    }
}

/// Each try leaves a connection at a server that does not answer it, for as long as that lasts.
#[tokio::test]
async fn a_question_that_goes_on_hanging_is_asked_ever_more_seldom() {
    let (rounds, hung) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, hanging) = (rounds.clone(), hung.clone());
    let stuck = engine(move |command| match command {
        "INFO REPLICATION" => {
            hanging.fetch_add(1, Ordering::Relaxed);
            Does::Hangs
        }
        command => {
            counted.fetch_add(usize::from(command == "PING"), Ordering::Relaxed);
            healthy(command)
        }
    });
    let api = Api::start(cluster(vec![Act::Forward(stuck)])).await;
    let mut it = Followed::api(&api);
    it.until("25 rounds", |_| rounds.load(Ordering::Relaxed) >= 25)
        .await;
    let hung = hung.load(Ordering::Relaxed);
    assert!((2..=12).contains(&hung), "{hung}");
    assert!(silence(it.context(), Some(Question::Replication)).is_some());
}

#[tokio::test]
async fn a_question_that_closes_the_connection_hides_no_other_answer() {
    let hung_up_on = engine(|command| match command {
        "INFO REPLICATION" => Does::Closes,
        command => healthy(command),
    });
    let api = Api::start(cluster(vec![Act::Forward(hung_up_on)])).await;
    let mut it = Followed::api(&api);
    it.until("the others", |c| {
        record(c, 0).is_some_and(|r| answers(r) == 8)
    })
    .await;
    it.until("silence", |c| {
        silence(c, Some(Question::Replication)).is_some()
    })
    .await;
    let told = silence(it.context(), Some(Question::Replication)).unwrap();
    assert_eq!(
        told,
        (
            FaultKind::Unreachable,
            "the connection to the engine was closed".to_owned()
        )
    );
    assert_eq!(silence(it.context(), None), None);
}

#[tokio::test]
async fn an_engine_that_closes_every_connection_is_silent_as_a_whole() {
    let api = Api::start(cluster(vec![Act::Forward(engine(|_| Does::Closes))])).await;
    let mut it = Followed::api(&api);
    it.until("silent", |c| silence(c, None).is_some()).await;
    assert_eq!(
        silence(it.context(), None).unwrap(),
        (
            FaultKind::Unreachable,
            "the connection to the engine was closed".to_owned()
        )
    );
}

#[tokio::test]
async fn a_frozen_engine_is_silent_as_a_whole() {
    let api = Api::start(cluster(vec![Act::Forward(engine(|_| Does::Hangs))])).await;
    let mut it = Followed::api(&api);
    it.until("silent", |c| silence(c, None).is_some()).await;
    assert_eq!(
        silence(it.context(), None).unwrap(),
        (
            FaultKind::Timeout,
            "a port-forward to it opens, and nothing is answered within 0.4 s".to_owned()
        )
    );
}

/// It is mute within the time of a round, and answers who waits longer: then its role is known, and that it is late.
#[tokio::test]
async fn a_slow_engine_is_told_from_a_frozen_one() {
    let late = |command: &str| match healthy(command) {
        Does::Says(text) => Does::SaysLate(text),
        other => other,
    };
    let api = Api::start(cluster(vec![Act::Forward(engine(late))])).await;
    let mut it = Followed::api(&api);
    it.until("mute", |c| silence(c, None).is_some()).await;
    let is_heard = |c: &ContextWorld| {
        let heard = record(c, 0).filter(|r| r.ping.is_some() && r.replication.is_some());
        heard.is_some_and(EngineRecord::speaks)
    };
    it.until("heard", is_heard).await;
    let record = |it: &mut Followed| record(it.context(), 0).unwrap().clone();
    let (took, _) = record(&mut it).ping.unwrap().value;
    assert!(took >= Duration::from_millis(600), "{took:?}");
    // It is heard again and again, and never mute between.
    let first = record(&mut it).replication;
    it.until("heard again", |c| {
        let known = self::record(c, 0).unwrap();
        assert!(!known.silent.contains_key(&None), "mute again");
        known.replication != first
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_answers_nonsense_or_errors_is_told_so() {
    let garbage = engine(|_| Does::Says("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()));
    let refusing = engine(|_| Does::Says("-NOAUTH Authentication required.\r\n".to_owned()));
    let loading = engine(|command| match command {
        "PING" => Does::Says("-LOADING Dragonfly is loading the dataset in memory\r\n".to_owned()),
        command => healthy(command),
    });
    let swapped = engine(|command| match command {
        "INFO SERVER" => Does::Says(":7\r\n".to_owned()),
        "ROLE" => Does::Says("*1\r\n$5\r\nqueen\r\n".to_owned()),
        command => healthy(command),
    });
    for (name, pod, question, kind, wanted) in [
        (
            "garbage",
            garbage,
            Question::Ping,
            FaultKind::Protocol,
            "answered with something that is not RESP",
        ),
        (
            "refusing",
            refusing,
            Question::Ping,
            FaultKind::Refused,
            "PING was refused: NOAUTH Authentication required.",
        ),
        (
            "swapped",
            swapped.clone(),
            Question::Server,
            FaultKind::Protocol,
            "the reply to INFO SERVER cannot be understood",
        ),
        (
            "swapped",
            swapped,
            Question::Role,
            FaultKind::Protocol,
            "the reply to ROLE cannot be understood",
        ),
    ] {
        let api = Api::start(cluster(vec![Act::Forward(pod)])).await;
        let mut it = Followed::api(&api);
        it.until(name, |c| silence(c, Some(question)).is_some())
            .await;
        let (got, message) = silence(it.context(), Some(question)).unwrap();
        assert_eq!(got, kind, "{name}: {message}");
        assert!(message.starts_with(wanted), "{name}: {message}");
    }
    let api = Api::start(cluster(vec![Act::Forward(loading)])).await;
    let mut it = Followed::api(&api);
    it.until("loading", |c| record(c, 0).is_some_and(|r| answers(r) == 9))
        .await;
    assert!(
        record(it.context(), 0)
            .unwrap()
            .ping
            .as_ref()
            .unwrap()
            .value
            .1
    );
}

#[tokio::test]
async fn a_way_that_cannot_be_opened_says_why() {
    let refused = "error forwarding port 9999 to pod x: failed to connect to localhost:9999 inside namespace: connection refused";
    for (act, kind, wanted) in [
        (
            Act::Refuse(refused),
            FaultKind::Unreachable,
            "nothing listens on the port in the pod",
        ),
        (
            Act::status(403, "forbidden"),
            FaultKind::Forbidden,
            "may not port-forward (pods/portforward) in namespace ns, nor read pages of pods (pods/proxy)",
        ),
        (
            Act::status(404, "pods \"a-0\" not found"),
            FaultKind::NotFound,
            "cannot port-forward (pods/portforward) in namespace ns: pods \"a-0\" not found",
        ),
        (
            Act::status(500, "container not running"),
            FaultKind::Refused,
            "the API server answered 500: container not running",
        ),
        (
            Act::Answer(502, "<html>".to_owned()),
            FaultKind::Protocol,
            "answered with something that is not Kubernetes (HTML, 502)",
        ),
        (
            Act::json(serde_json::json!({})),
            FaultKind::Protocol,
            "the API server, or a proxy before it, does not open WebSockets",
        ),
        (
            Act::Silence,
            FaultKind::Timeout,
            "no port-forward within 2 s",
        ),
    ] {
        let api = Api::start(cluster(vec![act])).await;
        let mut it = Followed::api(&api);
        it.until(wanted, |c| silence(c, None).is_some()).await;
        assert_eq!(
            silence(it.context(), None).unwrap(),
            (kind, wanted.to_owned())
        );
        assert!(it.context().is_live(), "the context is not the engine");
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_not_asked_for_by_every_pod() {
    let forbidden = || Act::status(403, "forbidden");
    let api = Api::start(cluster((0..6).map(|_| forbidden()).collect())).await;
    let pace = Pace {
        // So that a refusal is not doubted before all have been told.
        retry_least: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    it.until("all told", |c| {
        (0..6).all(|i| record(c, i).is_some_and(|r| r.silent.contains_key(&None)))
    })
    .await;
    let asked = api
        .log()
        .iter()
        .filter(|a| a.path.ends_with("portforward"))
        .count();
    // As many as may be under way at once; those after them believe them.
    assert!(asked <= quick().probes_in_flight, "{asked}");
}

#[tokio::test]
async fn a_server_that_has_not_read_its_roles_yet_is_asked_again_for_the_way_to_an_engine() {
    let ready = cluster(vec![Act::Forward(engine(healthy))]);
    let api = Api::start(move |asked| {
        if asked.path.ends_with("portforward") && asked.before < 3 {
            Act::status(403, "forbidden")
        } else {
            ready(asked)
        }
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("refused", |c| silence(c, None).is_some()).await;
    // Long before a refusal's rest is over.
    it.until("answered", |c| {
        record(c, 0).is_some_and(|r| answers(r) == Question::STANDING.len())
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_is_opened_again_in_silence() {
    let rounds = AtomicUsize::new(0);
    let closing = engine(move |command| {
        // After the last question of each second round the engine hangs up.
        if command == "PING" && rounds.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return Does::Closes;
        }
        healthy(command)
    });
    let api = Api::start(cluster(vec![Act::Forward(closing)])).await;
    let mut it = Followed::api(&api);
    it.until("answered", |c| {
        record(c, 0).is_some_and(|r| answers(r) == 9)
    })
    .await;
    it.during(api.wait_for(|a| a.path.ends_with("portforward") && a.before == 3))
        .await;
    assert!(
        !it.facts
            .iter()
            .any(|fact| matches!(fact, Fact::Silent { .. }))
    );
}

#[tokio::test]
async fn what_is_in_view_is_asked_often_and_the_rest_seldom() {
    let asked = Arc::new(Mutex::new(BTreeMap::<usize, usize>::new()));
    let counting = |i: usize| {
        let asked = asked.clone();
        Act::Forward(engine(move |command| {
            if command == "PING" {
                *asked.lock().unwrap().entry(i).or_default() += 1;
            }
            healthy(command)
        }))
    };
    let api = Api::start(cluster(vec![counting(0)])).await;
    let pace = Pace {
        probe_background: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    it.until("answered", |c| {
        record(c, 0).is_some_and(|r| answers(r) == 9)
    })
    .await;
    let count = || asked.lock().unwrap()[&0];
    assert_eq!(count(), 1);
    // It comes into view: asked at once, and again and again.
    let instance = InstanceId::new(ContextId::new("c"), "ns", "a");
    it.focus
        .send_modify(|focus| focus.instance = Some(instance));
    let mut seen = record(it.context(), 0).unwrap().keyspace.clone();
    for _ in 0..3 {
        it.until("again", |c| record(c, 0).unwrap().keyspace != seen)
            .await;
        seen = record(it.context(), 0).unwrap().keyspace.clone();
    }
    // Out of view, a nudge asks everybody once.
    it.focus.send_modify(|focus| focus.instance = None);
    it.focus.send_modify(|focus| focus.nudges += 1);
    it.until("nudged", |c| record(c, 0).unwrap().keyspace != seen)
        .await;
}

#[tokio::test]
async fn while_a_link_moves_its_ends_are_asked_as_if_in_view() {
    // The replica's full sync is over by its fifth round.
    let rounds = Arc::new(AtomicUsize::new(0));
    let replica = move |command: &str| {
        if command != "INFO REPLICATION" {
            return healthy(command);
        }
        let syncing = u8::from(rounds.fetch_add(1, Ordering::Relaxed) < 5);
        bulk(&format!(
            "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:9999\r\nmaster_link_status:up\r\n\
             master_last_io_seconds_ago:0\r\nmaster_sync_in_progress:{syncing}\r\nslave_repl_offset:7\r\n\
             master_replid:abc\r\n"
        ))
    };
    let api = Api::start(cluster(vec![Act::Forward(engine(replica))])).await;
    let pace = Pace {
        probe_background: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    it.until("stable sync", |c| {
        record(c, 0)
            .and_then(|record| record.replication.as_ref())
            .is_some_and(|known| matches!(&known.value.side, Side::Replica(f) if f.claims_sync()))
    })
    .await;
}

#[tokio::test]
async fn frozen_engines_do_not_hold_up_the_one_in_view() {
    // More frozen ones than may be asked at once, none of which is ever given up.
    let frozen = quick().probes_in_flight + 2;
    let api = Api::start(move |asked| {
        let owned = asked
            .query
            .get("labelSelector")
            .is_some_and(|s| s.ends_with("Ddragonfly"));
        match asked.path.as_str() {
            PODS if owned && !asked.is_watch() => {
                let mut pods: Vec<_> = (0..frozen).map(|i| pod("ns", "a", i, "u")).collect();
                pods.push(pod("ns", "b", 0, "u"));
                list("1", pods)
            }
            path if path.ends_with("b-0/portforward") => Act::Forward(engine(healthy)),
            path if path.ends_with("portforward") => Act::Forward(engine(|_| Does::Hangs)),
            _ => empty(asked),
        }
    })
    .await;
    let pace = Pace {
        probe_deadline: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    it.during(api.wait_for(|a| a.path.ends_with("portforward") && !a.path.contains("b-0")))
        .await;
    let instance = InstanceId::new(ContextId::new("c"), "ns", "b");
    it.focus
        .send_modify(|focus| focus.instance = Some(instance));
    it.until("answered", |c| {
        c.engine("ns", "b-0").is_some_and(|r| answers(r) == 9)
    })
    .await;
}

#[tokio::test]
async fn a_pod_that_ends_is_let_go_at_once_and_its_namesake_is_asked_anew() {
    let let_go = Arc::new(AtomicUsize::new(0));
    let counted = let_go.clone();
    let holding: Pod = Arc::new(move |stream| {
        let counted = counted.clone();
        Box::pin(async move {
            speak(stream, Arc::new(healthy)).await;
            counted.fetch_add(1, Ordering::SeqCst);
        })
    });
    let play = cluster(vec![Act::Forward(holding)]);
    let api = Api::start(move |asked| {
        let owned = asked
            .query
            .get("labelSelector")
            .is_some_and(|s| s.ends_with("Ddragonfly"));
        match (asked.path.as_str(), asked.before) {
            (PODS, 1) if owned && asked.is_watch() => Act::Hold(vec![
                event("DELETED", pod("ns", "a", 0, "u0")),
                event("ADDED", pod("ns", "a", 0, "other")),
            ]),
            _ => play(asked),
        }
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("answered", |c| {
        record(c, 0).is_some_and(|r| answers(r) == 9)
    })
    .await;
    assert_eq!(&*record(it.context(), 0).unwrap().uid, "u0");
    it.until("the namesake", |c| {
        record(c, 0).is_some_and(|r| &*r.uid == "other" && answers(r) == 9)
    })
    .await;
    it.during(async {
        while let_go.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A real server where the machine has one. Its answers are Dragonfly's in everything that is asked here but the version.
#[tokio::test]
async fn a_real_redis_server_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let started = tokio::process::Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .current_dir(dir.path())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(_server) = started else {
        let required = std::env::var("DARNER_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|what| what == "redis"),
            "redis-server is required and missing"
        );
        eprintln!("skipped: no redis-server on this machine");
        return;
    };
    let path = socket.clone();
    let bridge: Pod = Arc::new(move |mut stream| {
        let path = path.clone();
        Box::pin(async move {
            if let Ok(mut server) = tokio::net::UnixStream::connect(&path).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            }
        })
    });
    let api = Api::start(cluster(vec![Act::Forward(bridge)])).await;
    let mut it = Followed::api(&api);
    it.until("all answered", |c| {
        record(c, 0).is_some_and(|r| answers(r) == 9)
    })
    .await;
    let record = record(it.context(), 0).unwrap();
    assert_eq!(record.engine_role().unwrap().value, Role::Master);
    assert!(record.memory.as_ref().unwrap().value.used.unwrap() > 0);
    assert!(record.clients.as_ref().unwrap().value.connected.unwrap() >= 1);
}
