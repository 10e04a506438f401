//! Commands over real sockets, by an ordinary client library and by hand.

use std::time::Duration;

use redis::AsyncCommands;

use super::stage::{Stage, Wire, admin, data, until};
use crate::lab::engine::{Engine, Fault, Version};

async fn library(engine: &Engine, proto: u8) -> redis::aio::MultiplexedConnection {
    let url = format!(
        "redis://:secret@{}/?protocol=resp{proto}",
        engine.data_addr()
    );
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn an_ordinary_library_works_in_both_protocols() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    for proto in [2, 3] {
        let mut redis = library(&engine, proto).await;
        let _: () = redis.set("k", "v").await.unwrap();
        let got: String = redis.get("k").await.unwrap();
        assert_eq!(got, "v");
        let _: () = redis
            .hset_multiple("h", &[("a", 1), ("b", 2)])
            .await
            .unwrap();
        let all: std::collections::BTreeMap<String, i32> = redis.hgetall("h").await.unwrap();
        assert_eq!(all.get("b"), Some(&2));
        let _: () = redis.rpush("l", &["x", "y"]).await.unwrap();
        let items: Vec<String> = redis.lrange("l", 0, -1).await.unwrap();
        assert!(items.ends_with(&["x".into(), "y".into()]));
        let _: () = redis.zadd("z", "m", 1.5).await.unwrap();
        let score: f64 = redis.zscore("z", "m").await.unwrap();
        assert_eq!(score, 1.5);
        let (a, b): (i64, i64) = redis::pipe()
            .atomic()
            .incr("n", 1)
            .incr("n", 1)
            .query_async(&mut redis)
            .await
            .unwrap();
        assert_eq!(b, a + 1);
        let none: Option<String> = redis.get("nothing").await.unwrap();
        assert_eq!(none, None);
        let names: std::collections::BTreeMap<String, String> = redis::cmd("CONFIG")
            .arg("GET")
            .arg("snapshot_cron")
            .query_async(&mut redis)
            .await
            .unwrap();
        assert_eq!(names.get("snapshot_cron").map(String::as_str), Some(""));
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(info.contains("dragonfly_version:df-v1.39.0"), "{info}");
    }
}

#[tokio::test]
async fn keys_end_when_their_time_comes() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = data(&engine).await;
    assert_eq!(wire.text("SET k v PX 60").await, "+OK");
    assert_eq!(wire.text("EXISTS k").await, ":1");
    until(|| async {
        let mut wire = data(&engine).await;
        let size = wire.text("INFO keyspace").await;
        if size.contains("db0:keys=0,expires=0") {
            Ok(())
        } else {
            Err(size)
        }
    })
    .await;
    assert!(wire.text("INFO stats").await.contains("\nexpired_keys:1\n"));
}

#[tokio::test]
async fn transactions_watch_and_abort() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let (mut one, mut two) = (data(&engine).await, data(&engine).await);
    let cases = [
        ("EXEC", "-ERR EXEC without MULTI"),
        ("MULTI", "+OK"),
        ("SET k 1", "+QUEUED"),
        ("INCR k", "+QUEUED"),
        ("EXEC", "*2\n+OK\n:2"),
        ("MULTI", "+OK"),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        (
            "EXEC",
            "-EXECABORT Transaction discarded because of previous errors",
        ),
        ("WATCH k", "+OK"),
    ];
    for (command, reply) in cases {
        assert_eq!(one.text(command).await, reply, "{command}");
    }
    two.text("SET k 9").await;
    one.text("MULTI").await;
    one.text("SET k 10").await;
    assert_eq!(one.text("EXEC").await, "*-1");
    assert_eq!(two.text("GET k").await, "$1\n9");
}

#[tokio::test]
async fn messages_reach_subscribers_and_monitors() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let (mut reader, mut monitor, mut writer) = (
        data(&engine).await,
        admin(&engine).await,
        data(&engine).await,
    );
    assert_eq!(
        reader.text("SUBSCRIBE news").await,
        "*3\n$9\nsubscribe\n$4\nnews\n:1"
    );
    assert_eq!(
        reader.text("PSUBSCRIBE n*").await,
        "*3\n$10\npsubscribe\n$2\nn*\n:2"
    );
    assert_eq!(monitor.text("MONITOR").await, "+OK");
    assert_eq!(writer.text("PUBLISH news hi").await, ":2");
    assert_eq!(
        reader.reply().await.unwrap(),
        "*3\n$7\nmessage\n$4\nnews\n$2\nhi"
    );
    assert_eq!(
        reader.reply().await.unwrap(),
        "*4\n$8\npmessage\n$2\nn*\n$4\nnews\n$2\nhi"
    );
    assert!(
        monitor
            .reply()
            .await
            .unwrap()
            .contains("\"PUBLISH\" \"news\" \"hi\"")
    );
    let list = writer.text("CLIENT LIST").await;
    assert!(list.contains(" flags=P phase=readsock"), "{list}");
    assert_eq!(writer.text("PUBSUB CHANNELS").await, "*1\n$4\nnews");
    assert!(reader.text("UNSUBSCRIBE").await.contains("unsubscribe"));
}

#[tokio::test]
async fn a_blocked_client_shows_and_is_served() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let (mut waiting, mut other) = (data(&engine).await, data(&engine).await);
    waiting.send(&["BLPOP", "l", "0"]).await.unwrap();
    until(|| async {
        let list = admin(&engine).await.text("CLIENT LIST").await;
        if list.contains(" flags=b phase=process ") {
            Ok(())
        } else {
            Err(list)
        }
    })
    .await;
    assert!(
        admin(&engine)
            .await
            .text("INFO clients")
            .await
            .contains("\nblocked_clients:1\n")
    );
    other.text("RPUSH l x").await;
    assert_eq!(waiting.reply().await.unwrap(), "*2\n$1\nl\n$1\nx");
    assert_eq!(waiting.text("BLPOP l 0.01").await, "*-1");
}

#[tokio::test]
async fn clients_are_named_listed_and_killed() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut one = data(&engine).await;
    assert_eq!(one.text("CLIENT GETNAME").await, "$-1");
    assert_eq!(one.text("CLIENT SETNAME billing-api").await, "+OK");
    assert_eq!(one.text("CLIENT SETINFO LIB-NAME jedis").await, "+OK");
    assert_eq!(one.text("CLIENT SETINFO LIB-VER 5.1.0").await, "+OK");
    assert_eq!(one.text("CLIENT NO-EVICT on").await, "+OK");
    let mut boss = admin(&engine).await;
    let list = boss.text("CLIENT LIST").await;
    let line = list
        .lines()
        .find(|line| line.contains("name=billing-api"))
        .unwrap();
    assert!(line.ends_with("lib-name=jedis lib-ver=5.1.0"), "{line}");
    let addr = line
        .split("addr=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert_eq!(boss.text(&format!("CLIENT KILL ADDR {addr}")).await, ":1");
    assert_eq!(one.reply().await, None);
    assert_eq!(
        boss.text("CLIENT KILL TYPE normal").await,
        "-ERR syntax error"
    );
}

#[tokio::test]
async fn passwords_change_as_recorded() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut old = data(&engine).await;
    let mut boss = admin(&engine).await;
    assert_eq!(boss.text("CONFIG SET requirepass newsecret").await, "+OK");
    assert_eq!(old.text("SET k v").await, "+OK");
    for password in ["secret", "newsecret"] {
        let mut wire = Wire::open(engine.data_addr()).await.unwrap();
        assert_eq!(wire.text(&format!("AUTH {password}")).await, "+OK");
        assert_eq!(wire.text("GET k").await, "$1\nv");
    }
    engine.inject(Fault::RefuseAuth(true));
    let mut wire = Wire::open(engine.data_addr()).await.unwrap();
    assert!(wire.text("AUTH secret").await.starts_with("-WRONGPASS"));
}

#[tokio::test]
async fn the_rss_guard_closes_the_data_port() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut existing = data(&engine).await;
    engine.inject(Fault::RssGuard(true));
    let mut refused = Wire::open(engine.data_addr()).await.unwrap();
    assert_eq!(refused.reply().await, None);
    assert_eq!(existing.text("PING").await, "+PONG");
    assert_eq!(existing.text("SET s v").await, "-ERR Out of memory");
    assert_eq!(admin(&engine).await.text("PING").await, "+PONG");
    assert_eq!(
        admin(&engine).await.text("SET s v").await,
        "-ERR Out of memory"
    );
    // The way out that the field knows.
    assert_eq!(admin(&engine).await.text("MEMORY DECOMMIT").await, "+OK");
    assert_eq!(data(&engine).await.text("SET s v").await, "+OK");
}

#[tokio::test]
async fn faults_of_the_wire_can_be_injected() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = admin(&engine).await;
    engine.inject(Fault::SlowReplies(Duration::from_millis(400)));
    wire.send(&["PING"]).await.unwrap();
    assert!(wire.is_silent().await);
    assert_eq!(wire.reply().await.unwrap(), "+PONG");
    engine.heal();
    engine.inject(Fault::Garbage(true));
    wire.send(&["PING"]).await.unwrap();
    let garbage = wire.reply().await.unwrap_or_default();
    assert!(!garbage.starts_with('+'), "{garbage}");
    engine.heal();
    engine.freeze(true);
    let mut frozen = admin(&engine).await;
    frozen.send(&["PING"]).await.unwrap();
    assert!(frozen.is_silent().await);
    engine.freeze(false);
    assert_eq!(frozen.reply().await.unwrap(), "+PONG");
}

#[tokio::test]
async fn a_client_that_does_not_read_shows_in_the_list() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = data(&engine).await;
    let value = "x".repeat(3_000_000);
    wire.send(&["SET", "big", &value]).await.unwrap();
    assert_eq!(wire.reply().await.unwrap(), "+OK");
    for _ in 0..50 {
        wire.send(&["GET", "big"]).await.unwrap();
    }
    until(|| async {
        let list = admin(&engine).await.text("CLIENT LIST").await;
        let found = list.contains("send-wait-time=")
            && list.contains("pipeline=")
            && list.contains(" phase=send ");
        if found { Ok(()) } else { Err(list) }
    })
    .await;
}

#[tokio::test]
async fn rules_of_older_versions_hold() {
    let mut stage = Stage::of(Version(1, 34, 1));
    let engine = stage.engine("a").await;
    let mut wire = admin(&engine).await;
    assert_eq!(
        wire.text("INFO replication persistence").await,
        "-ERR syntax error"
    );
    assert!(wire.text("INFO replication").await.contains("role:master"));
    let mut older = Stage::of(Version(1, 17, 0));
    let [master, replica, _] = older.trio_without_offsets().await;
    let info = admin(&replica).await.text("INFO replication").await;
    assert!(
        info.contains("role:replica")
            && !info.contains("slave_repl_offset")
            && !info.contains("psync"),
        "{info}"
    );
    assert!(
        admin(&master)
            .await
            .text("INFO replication")
            .await
            .contains("state=stable_sync")
    );
}
