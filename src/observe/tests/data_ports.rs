//! Data ports: tried in the background too, without a command run for a password, and what trouble calls for.

use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;

use super::api::{Act, Api, Asked, dragonfly, empty, list, pod};
use super::engines::{Does, engine, healthy, record, stopped_replica};
use super::*;
use crate::connect::keyring::Keyring;
use crate::domain::data_port::Found;
use crate::domain::engine::Question;
use crate::domain::{FaultKind, InstanceId};

/// A cluster of one instance `ns/a`: `port` says what is behind each port of each pod.
fn cluster(
    pods: usize,
    port: impl Fn(usize, &str) -> Act + Send + Sync,
) -> impl Fn(&Asked) -> Act + Send + Sync {
    move |asked| {
        let path = asked.path.as_str();
        if let Some(name) = path.strip_prefix("/api/v1/namespaces/ns/pods/a-") {
            let (ordinal, verb) = name.split_once('/').unwrap();
            return match verb {
                "portforward" => port(ordinal.parse().unwrap(), &asked.query["ports"]),
                _ => Act::status(403, "forbidden"),
            };
        }
        let owned = asked
            .query
            .get("labelSelector")
            .is_some_and(|s| s.ends_with("Ddragonfly"));
        match path {
            "/api/v1/pods" if owned && !asked.is_watch() => {
                let pods = (0..pods).map(|i| pod("ns", "a", i, &format!("u{i}")));
                list("1", pods.collect())
            }
            _ if path.ends_with("/dragonflies") && !asked.is_watch() => {
                list("1", vec![dragonfly("ns", "a", "1")])
            }
            _ => empty(asked),
        }
    }
}

/// Tries soon where one looks or where it is bad, and hardly ever elsewhere.
fn seldom() -> Pace {
    Pace {
        data_port: Some(Duration::from_millis(50)),
        data_port_background: Duration::from_secs(600),
        ..quick()
    }
}

fn follow_at(api: &Api, pace: Pace, keyring: Keyring) -> Followed {
    let mut plan = ContextPlan::paced(entry("c", &api.url, "{}"), pace);
    plan.keyring = Arc::new(keyring);
    Followed::plan(plan)
}

fn usable(command: &str) -> Does {
    match command {
        "EXISTS darner:probe" => Does::Says(":0\r\n".to_owned()),
        other => healthy(other),
    }
}

fn found(context: &ContextWorld, ordinal: usize) -> Option<&Found> {
    Some(&record(context, ordinal)?.data_port.as_ref()?.value.found)
}

fn tries(api: &Api) -> usize {
    let log = api.log();
    let tries = log
        .iter()
        .filter(|asked| asked.path.ends_with("portforward") && asked.query["ports"] == "6379");
    tries.count()
}

#[tokio::test]
async fn every_data_port_is_tried_again_and_again_though_nobody_looks() {
    let api = Api::start(cluster(2, |_, _| Act::Forward(engine(usable)))).await;
    let pace = Pace {
        data_port: Some(Duration::from_secs(600)),
        data_port_background: Duration::from_millis(100),
        ..quick()
    };
    let mut it = follow_at(&api, pace, Keyring::default());
    it.until("both", |c| {
        (0..2).all(|ordinal| found(c, ordinal) == Some(&Found::Usable))
    })
    .await;
    let last = |c: &ContextWorld| record(c, 1).unwrap().data_port.as_ref().unwrap().at;
    for _ in 0..2 {
        let before = last(it.context());
        it.until("again", |c| last(c) > before).await;
    }
}

#[tokio::test]
async fn none_is_tried_where_the_settings_say_so() {
    let api = Api::start(cluster(1, |_, port| {
        assert_eq!(port, "9999");
        Act::Forward(engine(healthy))
    }))
    .await;
    let mut it = Followed::api(&api);
    it.focus.send_modify(|focus| {
        focus.instance = Some(InstanceId::new(ContextId::new("c"), "ns", "a"));
    });
    it.until("asked in view", |c| {
        record(c, 0).is_some_and(|r| r.client_list.is_some() || !r.stands(Question::ClientList))
    })
    .await;
    assert_eq!(tries(&api), 0);
}

#[tokio::test]
async fn a_bad_one_is_tried_again_soon_until_it_is_well() {
    let count = AtomicUsize::new(0);
    let api = Api::start(cluster(1, move |_, port| match port {
        "6379" => match count.fetch_add(1, Ordering::Relaxed) {
            0 => Act::Refuse("connection refused"),
            1 => Act::Forward(engine(|_| Does::Closes)),
            2 => Act::Forward(engine(|_| Does::Says("-LOADING wait\r\n".to_owned()))),
            _ => Act::Forward(engine(usable)),
        },
        _ => Act::Forward(engine(healthy)),
    }))
    .await;
    let mut it = follow_at(&api, seldom(), Keyring::default());
    it.until("well", |c| found(c, 0) == Some(&Found::Usable))
        .await;
    let all: Vec<&Found> = it
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Knocked { tried, .. } => Some(&tried.found),
            _ => None,
        })
        .collect();
    assert!(matches!(all[0], Found::Refused(_)), "{all:?}");
    assert!(all.contains(&&Found::Loading), "{all:?}");
    // From then on it is one of many.
    let before = tries(&api);
    it.during(api.wait_for(|a| a.path == "/version" && a.before > 20))
        .await;
    assert_eq!(tries(&api), before);
}

#[cfg(unix)]
#[tokio::test]
async fn in_the_background_no_command_is_run_for_a_password_and_what_it_printed_is_used() {
    let guarded = |command: &str| match command {
        "AUTH pw" => Does::Says("+OK\r\n".to_owned()),
        "EXISTS darner:probe" => Does::Says("-NOAUTH Authentication required.\r\n".to_owned()),
        other => healthy(other),
    };
    // Whoever has logged in on this connection is answered.
    let port = move || {
        let known = AtomicUsize::new(0);
        engine(move |command| match command {
            "AUTH pw" => {
                known.store(1, Ordering::Relaxed);
                guarded(command)
            }
            "EXISTS darner:probe" if known.load(Ordering::Relaxed) == 1 => usable(command),
            other => guarded(other),
        })
    };
    let api = Api::start(cluster(1, move |_, which| match which {
        "6379" => Act::Forward(port()),
        _ => Act::Forward(engine(healthy)),
    }))
    .await;
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let script = format!("echo run >> '{}'; echo pw", ran.display());
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let pace = Pace {
        data_port: Some(Duration::from_millis(50)),
        data_port_background: Duration::from_millis(100),
        ..quick()
    };
    let keyring = Keyring::new(vec![("ns/a".to_owned(), command)]);
    let mut it = follow_at(&api, pace, keyring);
    it.until("reached", |c| found(c, 0) == Some(&Found::PasswordWanted))
        .await;
    let at = |c: &ContextWorld| record(c, 0).unwrap().data_port.as_ref().unwrap().at;
    let before = at(it.context());
    it.until("again", |c| at(c) > before).await;
    assert!(!ran.exists(), "a command was run though nobody looks");
    let id = InstanceId::new(it.context().id.clone(), "ns", "a");
    it.focus
        .send_modify(|focus| focus.instance = Some(id.clone()));
    it.until("usable", |c| found(c, 0) == Some(&Found::Usable))
        .await;
    it.focus.send_modify(|focus| focus.instance = None);
    for _ in 0..2 {
        let before = at(it.context());
        it.until("again", |c| at(c) > before).await;
    }
    assert_eq!(found(it.context(), 0), Some(&Found::Usable));
    assert_eq!(std::fs::read_to_string(&ran).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn what_was_entered_is_used_in_the_background_and_not_sent_twice_when_it_is_wrong() {
    let sent = Arc::new(AtomicUsize::new(0));
    let seen = sent.clone();
    let api = Api::start(cluster(1, move |_, port| match port {
        "6379" => {
            let seen = seen.clone();
            Act::Forward(engine(move |command| match command {
                "AUTH typed" => {
                    seen.fetch_add(1, Ordering::Relaxed);
                    Does::Says("-WRONGPASS invalid username-password pair\r\n".to_owned())
                }
                _ => Does::Says("-NOAUTH Authentication required.\r\n".to_owned()),
            }))
        }
        _ => Act::Forward(engine(healthy)),
    }))
    .await;
    let pace = Pace {
        data_port: Some(Duration::from_millis(50)),
        data_port_background: Duration::from_millis(100),
        ..quick()
    };
    let keyring = Keyring::default();
    let id = InstanceId::new(ContextId::new("c"), "ns", "a");
    keyring.enter(id, SecretString::from("typed"));
    let mut it = follow_at(&api, pace, keyring);
    it.until("tried", |c| found(c, 0) == Some(&Found::WrongPassword))
        .await;
    let before = tries(&api);
    it.during(
        api.wait_for(|a| {
            a.query.get("ports").is_some_and(|p| p == "6379") && a.before > before + 1
        }),
    )
    .await;
    assert_eq!(sent.load(Ordering::Relaxed), 1);
    assert_eq!(found(it.context(), 0), Some(&Found::WrongPassword));
}

#[tokio::test]
async fn where_port_forwards_are_not_permitted_one_refusal_is_enough_for_a_namespace() {
    let api = Api::start(cluster(8, |_, _| Act::status(403, "forbidden"))).await;
    let pace = Pace {
        // What is doubted is asked for again soon; what is believed rests for a minute.
        probe_background: Duration::from_secs(5),
        ..seldom()
    };
    let mut it = follow_at(&api, pace, Keyring::default());
    let forbidden = |c: &ContextWorld, ordinal| match found(c, ordinal) {
        Some(Found::NoWay(fault)) => fault.kind == FaultKind::Forbidden,
        _ => false,
    };
    it.until("told of all", |c| {
        (0..8).all(|ordinal| forbidden(c, ordinal))
    })
    .await;
    it.during(api.wait_for(|a| a.path == "/version" && a.before > 20))
        .await;
    let before = tries(&api);
    it.during(api.wait_for(|a| a.path == "/version" && a.before > 40))
        .await;
    assert_eq!(tries(&api), before, "it rests");
}

#[tokio::test]
async fn trouble_of_one_node_has_the_list_of_clients_of_its_master_asked_for_and_its_data_port_tried()
 {
    let api = Api::start(cluster(2, |ordinal, port| {
        Act::Forward(match (ordinal, port) {
            (0, "6379") => engine(|_| Does::Says("-LOADING locked\r\n".to_owned())),
            (0, _) => engine(|command| match command {
                "CLIENT LIST" => super::engines::bulk("id=5 addr=m:9999 flags=N\r\n"),
                other => healthy(other),
            }),
            (_, "6379") => engine(usable),
            (_, _) => engine(|command| match command {
                "INFO REPLICATION" => Does::Hangs,
                other => stopped_replica(other),
            }),
        })
    }))
    .await;
    // Nothing of this is left to a second round.
    let pace = Pace {
        probe_background: Duration::from_secs(600),
        ..seldom()
    };
    let mut it = follow_at(&api, pace, Keyring::default());
    it.until("the master's list", |c| {
        record(c, 0).is_some_and(|r| r.client_list.is_some())
    })
    .await;
    let at = |c: &ContextWorld, ordinal| Some(record(c, ordinal)?.data_port.as_ref()?.at);
    it.until("both ports", |c| at(c, 0).is_some() && at(c, 1).is_some())
        .await;
    // The replica's port is well, and tried again soon all the same.
    let before = at(it.context(), 1);
    it.until("again", |c| at(c, 1) > before).await;
}

#[tokio::test]
async fn why_a_replica_is_cut_off_is_asked_at_once() {
    let api = Api::start(cluster(1, |_, _| Act::Forward(engine(stopped_replica)))).await;
    let pace = Pace {
        probe_background: Duration::from_secs(600),
        ..quick()
    };
    let mut it = follow_at(&api, pace, Keyring::default());
    it.until("its list", |c| {
        record(c, 0).is_some_and(|r| r.client_list.is_some())
    })
    .await;
}
