//! Engines' replies, read as what they were.

use std::time::Duration;

use crate::domain::engine::*;
use crate::wire::fixture::{folder, situation};
use crate::wire::*;

fn recorded(path: &str) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_master_in_steady_state_is_read_as_it_was() {
    let healthy = situation("healthy");
    let a = healthy.node("a");
    let Replication {
        replid,
        side: Side::Master {
            connected,
            replicas,
        },
    } = a.replication()
    else {
        panic!()
    };
    assert_eq!(
        replid.as_deref(),
        Some("c1d276f4ced1b18d3a054504d1e92dc47aca62df")
    );
    assert_eq!(*connected, 2);
    let line = &replicas[0];
    assert_eq!(
        (line.ip.as_str(), line.port, &line.state),
        ("10.0.0.2", 6379, &LinkState::Online)
    );
    assert!(line.lag.is_some());
    let told = sections(&recorded("healthy/a/info-all.txt")).unwrap();
    let server = told.server.unwrap();
    assert_eq!(server.version.as_deref(), Some("v1.39.0"));
    assert_eq!((server.threads, server.port), (Some(2), Some(6_379)));
    assert_eq!(server.io.as_deref(), Some("iouring"));
    let memory = told.memory.unwrap();
    assert!(memory.used.unwrap() > 1_000_000_000);
    assert_eq!(memory.max, Some(6 << 30));
    assert_eq!(memory.percent(), Some(23));
    assert_eq!((memory.cache, memory.evicts), (Some(false), Some(false)));
    assert!(memory.streaming.is_some() && memory.backlog.unwrap() > 0);
    let clients = told.clients.unwrap();
    assert_eq!((clients.blocked, clients.max), (Some(1), Some(64_000)));
    let stats = told.stats.unwrap();
    assert!(stats.ops.unwrap() > 0 && stats.mutations.unwrap() > 3_000_000);
    let keyspace = told.keyspace.unwrap();
    assert_eq!(keyspace.expiring, Some(500));
    assert_eq!(keyspace.databases[0].1.keys, Some(keyspace.keys));
    let commands = told.commands.unwrap();
    assert_eq!(commands.busiest.len(), Commands::KEPT);
    assert!(
        commands
            .busiest
            .iter()
            .any(|c| c.name == "set" && c.calls > 3_000_000)
    );
    assert!(commands.busiest.is_sorted_by(|a, b| a.micros >= b.micros));
    assert_eq!(told.errors, Some(Errors::default()));
    let rest = told.rest.unwrap();
    assert_eq!((rest.cluster, rest.users), (Some(false), Some(1)));
    assert_eq!(rest.modules, ["ReJSON", "search"]);
    assert!(told.cpu.unwrap().user_ms.unwrap() > 1_000);
    assert_eq!(told.tiering.unwrap().entries, Some(0));
}

#[test]
fn who_is_connected_is_told_by_groups() {
    let list = situation("healthy").node("a").client_list().clone();
    assert_eq!((list.total, list.blocked, list.subscribed), (14, 1, 1));
    assert_eq!(
        (list.others, list.slow.len(), list.upstream.is_none()),
        (0, 0, true)
    );
    let sessions: Vec<_> = list.downstream.iter().map(|d| d.session).collect();
    assert_eq!(sessions, [1, 2]);
    assert_eq!(list.takeover_hint(), None);
    let largest = &list.groups[0];
    assert_eq!(
        (
            largest.ip.as_str(),
            largest.name.as_deref(),
            largest.port,
            largest.count
        ),
        ("127.0.0.1", None, Some(6_379), 4)
    );
    assert_eq!((largest.youngest, largest.oldest), (Some(3), Some(3)));
    let named = list.groups.iter().find(|g| g.name.is_some()).unwrap();
    assert_eq!(
        (named.name.as_deref(), named.count),
        (Some("billing-api"), 1)
    );
    let library = list.groups.iter().find_map(|g| g.library.as_deref());
    assert_eq!(library, Some("jedis 5.1.0"));
    let blocked = list.groups.iter().find(|g| g.blocked == 1).unwrap();
    assert_eq!(blocked.phase, Phase::Processing);
}

#[test]
fn replication_that_stopped_for_good_is_told_from_one_that_is_retried() {
    for (name, node, wanted) in [
        ("replication-stopped", "b", LinkPhase::Stopped),
        ("replication-stopped", "c", LinkPhase::Stopped),
        ("replication-stopped-v1.40", "b", LinkPhase::Stopped),
        ("master-dead", "b", LinkPhase::Retrying),
        ("full-sync", "c", LinkPhase::FullSync),
        ("full-sync-v1.40", "b", LinkPhase::FullSync),
        ("healthy", "b", LinkPhase::StableSync),
        ("takeover-wedged", "c", LinkPhase::StableSync),
    ] {
        let situation = situation(name);
        let upstream = situation.node(node).client_list().upstream.clone();
        assert_eq!(upstream.map(|u| u.phase), Some(wanted), "{name}");
    }
    let stopped = situation("replication-stopped");
    let master = stopped.node("a").replication();
    let Side::Master {
        connected,
        replicas,
    } = &master.side
    else {
        panic!()
    };
    assert_eq!(*connected, 2);
    assert!(replicas.iter().all(|r| r.state == LinkState::Preparation));
    let follower = stopped.node("b").follower();
    assert!(!follower.link_up && !follower.syncing && follower.offset.is_some());
    assert!(!follower.claims_sync() && !follower.is_half_way());
    assert_ne!(stopped.node("b").replication().replid, master.replid);
    assert_eq!(
        stopped.node("b").answer(Question::Role),
        Some(&Probe::Role(RoleReply::Replica {
            host: "10.0.0.1".to_owned(),
            port: 9999,
            state: LinkState::Connecting
        }))
    );
    assert!(situation("half-way").node("c").follower().is_half_way());
    assert!(
        situation("frozen-master")
            .node("b")
            .follower()
            .claims_sync()
    );
}

#[test]
fn a_takeover_that_is_held_up_shows_who_holds_it_up() {
    let wedged = situation("takeover-wedged");
    let list = wedged.node("b").client_list();
    let slow = &list.slow[0];
    assert_eq!(
        (
            slow.id,
            slow.phase.clone(),
            slow.send_wait,
            slow.queued,
            slow.queued_bytes
        ),
        (Some(1_284), Phase::Sending, Some(5), Some(50), Some(14_000))
    );
    assert_eq!(slow.name, None);
    assert_eq!(list.takeover_hint().map(|d| d.session), Some(2));
    assert_eq!(
        wedged.node("b").answer(Question::Health),
        Some(&Probe::Health(Health::Busy))
    );
    assert_eq!(
        wedged.node("c").silent[0].question,
        Some(Question::Replication)
    );
    let finished = situation("takeover-old-master-up");
    let offsets = |node: &str| match finished.node(node).answer(Question::Offsets) {
        Some(Probe::Offsets(offsets)) => offsets.total(),
        other => panic!("{other:?}"),
    };
    assert!(offsets("c") > 0);
    assert_eq!(finished.node("b").replication().role(), Role::Master);
    assert_eq!(finished.node("c").replication().role(), Role::Master);
}

#[test]
fn a_failed_save_is_read_from_the_fields_that_tell_it() {
    let told = |name: &str| match situation(name).node("a").answer(Question::Persistence) {
        Some(Probe::Persistence(told)) => told.clone(),
        other => panic!("{other:?}"),
    };
    let never = told("never-saved");
    assert_eq!((never.saved_at(), never.last_failed), (None, None));
    assert!(never.last_save.is_some(), "the start of the process");
    assert!(!never.last_save_failed());
    for name in ["save-failed", "bgsave-failed"] {
        let failed = told(name);
        assert!(failed.last_save_failed(), "{name}: {failed:?}");
        assert!(failed.last_error.contains("No space left"), "{failed:?}");
    }
    let saved = told("saved");
    assert!(saved.saved_at().is_some() && !saved.last_save_failed());
    let saving = told("saving");
    assert_eq!(
        (
            saving.saving,
            saving.save_percent,
            saving.save_keys_done,
            saving.save_keys_total
        ),
        (true, Some(6), Some(93_201), Some(1_500_000))
    );
    assert!(told("loading").loading);
}

#[test]
fn pages_tell_the_state_where_nothing_else_can_be_asked() {
    let page = |name: &str, node: &str| match situation(name).node(node).answer(Question::Metrics) {
        Some(Probe::Metrics(page)) => page.clone(),
        other => panic!("{other:?}"),
    };
    let master = page("healthy", "a");
    assert_eq!(
        (master.version.as_deref(), master.role),
        (Some("v1.39.0"), Some(Role::Master))
    );
    assert_eq!((master.clients, master.other_clients), (Some(7), Some(6)));
    assert_eq!(master.max_clients, Some(64_000));
    assert_eq!(master.replicas.len(), 2);
    assert_eq!(
        master.replicas[0],
        MetricsReplica {
            ip: "10.0.0.2".to_owned(),
            port: 6_379,
            state: LinkState::Online,
            lag: Some(440)
        }
    );
    assert_eq!((master.keys, master.expiring), (Some(3_052_697), Some(500)));
    assert_eq!((master.hits, master.misses), (Some(0), Some(1)));
    assert_eq!(master.turned_away, Some(0));
    assert_eq!(
        (master.link_up, master.offset, master.oom_errors),
        (None, None, None)
    );
    assert_eq!(master.expired, None, "a family without a sample");
    let left = page("master-dead", "b");
    assert_eq!(
        (
            left.role,
            left.link_up,
            left.syncing,
            left.last_io,
            left.reconnects
        ),
        (
            Some(Role::Replica),
            Some(false),
            Some(false),
            Some(18),
            Some(36)
        )
    );
    assert_eq!(page("oom", "a").oom_errors, Some(7));
    assert_eq!(page("full-sync", "c").syncing, Some(true));
    assert_eq!(healthz(200), Ok(Health::Active));
    assert_eq!(healthz(503), Ok(Health::Busy));
    assert!(healthz(404).unwrap_err().to_string().contains("HTTP 404"));
    for (text, wanted) in [
        ("", None),
        ("<html>", None),
        ("go_goroutines 7", None),
        ("dragonfly_master 1 1700000000000", Some(Some(Role::Master))),
        ("dragonfly_master NaN", Some(None)),
        (
            "dragonfly_master{a=\"}\",b=\"\\\"\"} 0",
            Some(Some(Role::Replica)),
        ),
        ("dragonfly_master{a=\"} 0", None),
    ] {
        assert_eq!(metrics(text).ok().map(|page| page.role), wanted, "{text}");
    }
}

#[test]
fn the_slow_log_keeps_the_slowest_and_no_values() {
    let log = match situation("healthy").node("a").answer(Question::SlowLog) {
        Some(Probe::SlowLog(log)) => log.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((log.told, log.slowest.len()), (23, SlowLog::KEPT));
    assert!(log.slowest.is_sorted_by(|a, b| a.micros >= b.micros));
    let first = &log.slowest[0];
    assert_eq!(
        (first.micros, first.command.as_str(), first.key.as_deref()),
        (2_156_242, "DEBUG", None)
    );
    let set = log.slowest.iter().find(|e| e.command == "SET").unwrap();
    assert_eq!(
        (set.micros, set.key.as_deref(), set.arguments),
        (38_324, Some("pop:1396253"), 2)
    );
    assert_eq!(first.name, None, "the id is no name");
    assert!(!format!("{log:?}").contains("xxxx"), "a value was kept");
    let bulk = |text: &str| Reply::Text(text.as_bytes().to_vec());
    for (arguments, command, key) in [
        (vec!["AUTH", "hunter2"], "AUTH", None),
        (vec!["auth", "user", "hunter2"], "AUTH", None),
        (
            vec!["CONFIG", "SET", "requirepass", "hunter2"],
            "CONFIG",
            None,
        ),
        (vec!["EVAL", "hunter2", "0"], "EVAL", None),
        (vec!["HGET", "basket:7", "x"], "HGET", Some("basket:7")),
        (vec![], "", None),
    ] {
        let arguments = Reply::List(arguments.into_iter().map(bulk).collect());
        let entry = vec![
            Reply::Number(1),
            Reply::Number(1_795_302_633),
            Reply::Number(9),
            arguments,
        ];
        let log = slow_log(&Reply::List(vec![Reply::List(entry), Reply::Nil])).unwrap();
        let entry = &log.slowest[0];
        assert_eq!(
            (entry.command.as_str(), entry.key.as_deref()),
            (command, key)
        );
        assert!(!format!("{log:?}").contains("hunter2"));
    }
}

#[test]
fn an_engine_tells_its_clock() {
    for seconds in [
        Reply::Number(1_795_300_000),
        Reply::Text(b"1795300000".to_vec()),
    ] {
        let reply = Reply::List(vec![seconds, Reply::Number(123_456)]);
        let told = answer(Question::Time, &reply, Duration::ZERO);
        let wanted = jiff::Timestamp::from_second(1_795_300_000).unwrap();
        assert_eq!(told, Ok(Probe::Time(wanted)));
    }
}

#[test]
fn flags_are_kept_and_secrets_are_not() {
    let config = match situation("healthy").node("a").answer(Question::Config) {
        Some(Probe::Config(config)) => config.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(config.flags.len(), 53);
    assert_eq!(config.snapshot_cron(), Some(""));
    assert_eq!(config.number("maxmemory"), Some(6 << 30));
    assert_eq!(config.is_on("tls"), Some(false));
    assert_eq!(config.rss_deny_percent(), Some(125));
    assert_eq!(config.secrets, ["requirepass"]);
    assert!(config.wants_password());
    assert!(!format!("{config:?}").contains("\"secret\""), "{config:?}");
    let guarded = situation("rss-guard");
    let Some(Probe::Config(guarded)) = guarded.node("a").answer(Question::Config) else {
        panic!()
    };
    assert_eq!(guarded.rss_deny_percent(), Some(50));
}

#[test]
fn memory_beyond_the_info_section_is_read() {
    let healthy = situation("healthy");
    assert_eq!(
        healthy.node("a").answer(Question::MemoryStats),
        Some(&Probe::MemoryStats(MemoryStats {
            connections: Some(107_776),
            replication_connections: Some(4),
            replication: Some(43_072),
        }))
    );
    let told = "total reserved: 751071376, committed: 750075664, used: 749897928 fragmentation waste: 0.02%\n--- End\n";
    assert_eq!(
        arena(told),
        Ok(Arena {
            reserved: 751_071_376,
            committed: 750_075_664,
            used: 749_897_928
        })
    );
    assert!(arena("total reserved: x").is_err());
    let oom = situation("oom");
    let Some(Probe::Stats(stats)) = oom.node("a").answer(Question::Stats) else {
        panic!()
    };
    assert!(stats.oom_rejections.unwrap() > 0);
    let guard = situation("rss-guard");
    let Some(Probe::Memory(memory)) = guard.node("a").answer(Question::Memory) else {
        panic!()
    };
    assert!(memory.rss_percent().unwrap() > 50, "{memory:?}");
}

#[test]
fn a_situation_can_be_told_to_a_world() {
    use crate::domain::fixture::{ago, instance, master, now, replica};
    use crate::domain::world::Turn;
    let three = || {
        instance("orders")
            .node(master())
            .node(replica())
            .node(replica())
    };
    let mut f = three().build();
    situation("healthy").tell(&mut f, ago(-60));
    situation("replication-stopped").tell(&mut f, ago(-120));
    let context = f.world.context(&f.id.context).unwrap();
    let engine = |n: usize| context.engine("shop", &format!("orders-{n}")).unwrap();
    assert_eq!(engine(0).keyspace.as_ref().unwrap().value.keys, 0);
    assert!(engine(1).keyspace.as_ref().unwrap().value.keys > 3_000_000);
    assert_eq!(
        engine(1).upstream().unwrap().value.phase,
        LinkPhase::Stopped
    );
    assert_eq!(engine(1).follower().unwrap().host, "10.0.0.1");
    let history = context.history("shop", "orders").unwrap();
    let restarted = history.last_of("orders-0", |turn| *turn == Turn::Restarted);
    assert!(restarted.unwrap().keys.unwrap() > 3_000_000, "{history:?}");
    // A mute node goes on being mute since it first was.
    let mut f = three().build();
    situation("frozen-master").tell(&mut f, now());
    situation("frozen-master").tell(&mut f, ago(-30));
    let context = f.world.context(&f.id.context).unwrap();
    let (_, fault, since) = context
        .engine("shop", "orders-0")
        .unwrap()
        .role_silence()
        .unwrap();
    assert_eq!(
        (fault.kind, since),
        (crate::domain::FaultKind::Timeout, now())
    );
    let mut f = three().build();
    situation("master-dead").tell_pages(&mut f, ago(-1));
    let context = f.world.context(&f.id.context).unwrap();
    let page = context
        .engine("shop", "orders-1")
        .unwrap()
        .metrics
        .as_ref()
        .unwrap();
    assert_eq!(page.value.link_up, Some(false));
}

#[test]
fn a_key_that_is_any_text_is_told_apart_from_fields() {
    let told = sections(
        "# Replication\r\nrole:master\r\n# Errorstats\r\nrole:3\r\n-READONLY You can't write: no.:6\r\nno_auth:1\r\n\r\n# Keyspace\r\ndb0:keys=1\r\n",
    )
    .unwrap();
    assert_eq!(told.replication.unwrap().role(), Role::Master);
    let errors = told.errors.unwrap();
    assert_eq!(errors.total, 10);
    assert_eq!(
        errors.frequent[0],
        ("-READONLY You can't write: no.".to_owned(), 6)
    );
    assert_eq!(told.keyspace.unwrap().keys, 1);
    let left = situation("master-dead");
    let Some(Probe::Errors(errors)) = left.node("b").answer(Question::Errors) else {
        panic!()
    };
    assert_eq!(errors.frequent[0].1, 13);
    // A section of another's name is none: nothing is made up of what is not there.
    assert!(memory("# Stats\r\nexpired_keys:1\r\n").is_err());
    assert!(persistence("role:master\r\n").is_err());
    // The last of several counts, and one without a heading is found by its key.
    let told =
        sections("used_memory:1\nused_memory:2\n# Novelty\nrole:slave\nmaster_host:h\n").unwrap();
    assert_eq!(told.memory.unwrap().used, Some(2));
    assert_eq!(told.replication.unwrap().role(), Role::Replica);
}

#[test]
fn older_spellings_and_odd_line_ends_are_read() {
    for (text, wanted) in [
        (
            "role:slave\nmaster_host:h\nmaster_port:9999\nmaster_link_status:up\n",
            Role::Replica,
        ),
        ("# Replication\r\nrole:replica\r\n", Role::Replica),
        ("role:master", Role::Master),
    ] {
        assert_eq!(replication(text).unwrap().role(), wanted, "{text:?}");
    }
    let info = "role:slave\r\nmaster_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:1\r\n";
    let Side::Replica(follower) = replication(info).unwrap().side else {
        panic!()
    };
    assert_eq!(
        (follower.last_io, follower.syncing, follower.offset),
        (None, true, None)
    );
    let info = "role:master\nslave10:ip=b,port=1,state=stable_sync,lag=2\nslave2:ip=a,port=x,state=new_word,lag=-1\n";
    let Side::Master { replicas, .. } = replication(info).unwrap().side else {
        panic!()
    };
    assert_eq!(replicas[0].ip, "a");
    assert_eq!(replicas[0].state, LinkState::Other("new_word".to_owned()));
    assert_eq!(replicas[1].state, LinkState::Online);
    let info = "# Keyspace\r\ndb0:keys=2,expires=0\r\ndb12:keys=40,x=y\r\ndbx:keys=9\r\n";
    assert_eq!(keyspace(info).unwrap().keys, 42);
    assert_eq!(keyspace("# Keyspace\r\n").unwrap().keys, 0);
}

#[test]
fn replies_that_are_none_are_typed_errors() {
    let error = |text: &str| Reply::Error(text.to_owned());
    let text = |text: &str| Reply::Text(text.as_bytes().to_vec());
    for (question, reply, wanted) in [
        (
            Question::Replication,
            text("<html><p style='a:b'>502</p>"),
            "INFO REPLICATION cannot be understood",
        ),
        (
            Question::Replication,
            text("role:queen"),
            "unknown role 'queen'",
        ),
        (
            Question::Memory,
            text(""),
            "INFO MEMORY cannot be understood",
        ),
        (
            Question::Keyspace,
            text("garbage"),
            "INFO KEYSPACE cannot be understood",
        ),
        (Question::Memory, Reply::Nil, "it is a null"),
        (
            Question::Role,
            text("master"),
            "it is a text of another shape",
        ),
        (Question::Role, Reply::List(vec![]), "another shape"),
        (
            Question::Role,
            Reply::List(vec![text("slave"), text("h")]),
            "another shape",
        ),
        (
            Question::Role,
            Reply::List(vec![text("sentinel")]),
            "unknown role 'sentinel'",
        ),
        (Question::Ping, text("QUACK"), "'QUACK'"),
        (Question::Time, text("now"), "it is a text"),
        (Question::Time, Reply::List(vec![]), "it is a list"),
        (
            Question::Time,
            Reply::List(vec![text("-5"), text("0")]),
            "it is a list",
        ),
        (
            Question::Time,
            Reply::List(vec![text("100000000000000000000"), text("0")]),
            "it is a list",
        ),
        (
            Question::Ping,
            error("NOAUTH Authentication required."),
            "PING was refused: NOAUTH",
        ),
        (
            Question::Role,
            error("LOADING Dragonfly is loading"),
            "ROLE was refused: LOADING",
        ),
    ] {
        let told = answer(question, &reply, Duration::ZERO)
            .unwrap_err()
            .to_string();
        assert!(told.contains(wanted), "{told}");
    }
    let took = Duration::from_millis(3);
    assert_eq!(
        answer(Question::Ping, &text("PONG"), took),
        Ok(Probe::Ping {
            took,
            loading: false
        })
    );
    assert_eq!(
        answer(
            Question::Ping,
            &error("LOADING Dragonfly is loading the dataset in memory"),
            took
        ),
        Ok(Probe::Ping {
            took,
            loading: true
        })
    );
}
