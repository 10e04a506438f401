//! Starting, loading, saving, stopping; and the same story from the same seed.

use std::time::Duration;

use super::stage::{Stage, Wire, admin, data, field, shows, until};
use crate::lab::engine::{Engine, EngineSpec, Fault, LabClock, Load, Network, Version};

#[tokio::test]
async fn wrong_flags_refuse_to_start_and_say_why() {
    let mut stage = Stage::new();
    let spec = stage.spec("a");
    let cases = [
        (
            EngineSpec {
                threads: 4,
                maxmemory: 500 << 20,
                ..spec.clone()
            },
            "There are 4 threads, so 1.00GiB are required. Exiting...",
        ),
        (
            EngineSpec {
                version: Version(1, 17, 0),
                ..spec.clone()
            },
            "ERROR: Unknown command line flag 'break_replication_on_master_restart'",
        ),
        (
            EngineSpec {
                snapshot_cron: "bad".into(),
                ..spec
            },
            "ERROR: Illegal value 'bad' specified for flag 'snapshot_cron'; cron expression must have six fields",
        ),
    ];
    for (spec, text) in cases {
        let engine = stage.start(spec).await;
        assert_eq!(engine.exited().await, 1);
        let log = engine.log(0).lines;
        assert!(log.iter().any(|(_, line)| line.contains(text)), "{log:?}");
        assert!(Wire::open(engine.admin_addr()).await.is_none());
    }
}

#[tokio::test]
async fn a_graceful_stop_saves_and_the_next_process_loads_it() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = data(&engine).await;
    wire.text("SET k v").await;
    engine.fill("pop", 200_000, 10_000_000);
    engine.stop_graceful();
    assert_eq!(wire.reply().await, None);
    assert_eq!(engine.exited().await, 0);
    assert!(Wire::open(engine.admin_addr()).await.is_none());
    let saved = engine.saved().expect("SIGTERM saves");
    assert_eq!(saved.keys(), 200_001);
    assert!(
        saved.file.starts_with("/dragonfly/snapshots/dump-20")
            && saved.file.ends_with("-summary.dfs")
    );
    let spec = EngineSpec {
        snapshot: Some(saved),
        restarts: 1,
        load_takes: Some(Duration::from_millis(400)),
        ..stage.spec("a")
    };
    let next = stage.start(spec).await;
    assert_ne!(next.replid(), engine.replid());
    let mut wire = admin(&next).await;
    assert!(wire.text("PING").await.starts_with("-LOADING"));
    let info = wire.text("INFO ALL").await;
    assert_eq!(
        (field(&info, "loading"), field(&info, "role")),
        (Some("1"), Some("master"))
    );
    let info = shows(&next, &["loading:0"]).await;
    assert!(info.contains("db0:keys=200001,"), "{info}");
    assert_eq!(wire.text("GET k").await, "$1\nv");
    assert!(
        next.log(0)
            .lines
            .iter()
            .any(|(_, line)| line.ends_with("Load finished, num keys read: 200001"))
    );
}

#[tokio::test]
async fn a_kill_ends_everything_at_once() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = data(&engine).await;
    engine.kill();
    assert_eq!(engine.exit_code(), Some(137));
    assert_eq!(wire.reply().await, None);
    until(|| async {
        match Wire::open(engine.data_addr()).await {
            None => Ok(()),
            Some(_) => Err("the data port still accepts".to_owned()),
        }
    })
    .await;
    assert!(engine.saved().is_none());
}

#[tokio::test]
async fn saves_show_what_the_recordings_show() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    engine.fill("pop", 1000, 100_000);
    let mut wire = admin(&engine).await;
    engine.inject(Fault::SaveTakes(Some(Duration::from_millis(300))));
    assert_eq!(wire.text("BGSAVE").await, "+OK");
    assert_eq!(
        wire.text("SAVE").await,
        "-ERR Operation now in progress: SAVING - can not save database"
    );
    let info = shows(&engine, &["saving:1", "current_save_keys_total:1000"]).await;
    assert_eq!(field(&info, "rdb_bgsave_in_progress"), Some("1"));
    let info = shows(&engine, &["saving:0", "-summary.dfs"]).await;
    // Recorded: the flag stays until a later SAVE.
    assert_eq!(field(&info, "rdb_bgsave_in_progress"), Some("1"));
    assert_eq!(field(&info, "rdb_string"), Some("1000"));
    assert_eq!(
        field(&info, "rdb_changes_since_last_success_save"),
        Some("0")
    );
    engine.inject(Fault::SaveFails(Some("No space left on device".into())));
    assert_eq!(wire.text("SAVE").await, "-ERR No space left on device");
    let info = wire.text("INFO persistence").await;
    assert_eq!(field(&info, "last_error"), Some("No space left on device"));
    assert_eq!(field(&info, "rdb_last_bgsave_status"), Some("ok"));
    assert_ne!(field(&info, "last_failed_save"), Some("0"));
    assert_eq!(field(&info, "rdb_bgsave_in_progress"), Some("0"));
    assert_eq!(engine.saved().map(|saved| saved.keys()), Some(1000));
    // A save that is said to be older has the file of then.
    engine.saved_ago(Duration::from_secs(90_000));
    let info = wire.text("INFO persistence").await;
    let at: i64 = field(&info, "last_success_save").unwrap().parse().unwrap();
    let stamp = jiff::Timestamp::from_second(at).unwrap();
    let stamp = stamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let file = field(&info, "last_saved_file").unwrap();
    assert!(file.contains(&stamp), "{file} {stamp}");
}

#[tokio::test]
async fn a_cron_saves_by_itself() {
    let mut stage = Stage::new();
    stage.clock = LabClock::new(600.0);
    let engine = stage.engine("a").await;
    engine.fill("pop", 10, 100);
    let mut wire = admin(&engine).await;
    wire.send(&["CONFIG", "SET", "snapshot_cron", "* * * * *"])
        .await
        .unwrap();
    assert_eq!(wire.reply().await.unwrap(), "+OK");
    shows(&engine, &["-summary.dfs"]).await;
}

#[tokio::test]
async fn a_seed_repeats_its_story() {
    let story = |seed| async move {
        let spec = EngineSpec {
            seed,
            ..EngineSpec::default()
        };
        let engine = Engine::start(spec, Network::default(), LabClock::default())
            .await
            .unwrap();
        engine.write_burst(&Load::default(), 200);
        let mut wire = admin(&engine).await;
        let keys = wire.text("KEYS *").await;
        let value = wire.text("GET orders-api:7").await;
        let replid = engine.replid();
        engine.kill();
        (replid, keys, value)
    };
    assert_eq!(story(5).await, story(5).await);
    assert_ne!(story(5).await.0, story(6).await.0);
}

#[tokio::test]
async fn a_load_writes_while_the_engine_is_a_master() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    engine.load(Load {
        per_second: 2000,
        ..Load::default()
    });
    let info = shows(&engine, &["cmdstat_set"]).await;
    assert!(info.contains("db0:keys="));
    let list = admin(&engine).await.text("CLIENT LIST").await;
    assert!(
        list.contains("addr=10.1.0.20:41000 laddr=127.0.0.11:6379")
            && list.contains("name=orders-api"),
        "{list}"
    );
    until(|| async {
        let info = admin(&engine).await.text("INFO stats").await;
        let ops: u64 = field(&info, "instantaneous_ops_per_sec")
            .unwrap()
            .parse()
            .unwrap();
        if ops > 500 { Ok(()) } else { Err(info) }
    })
    .await;
}

#[tokio::test]
async fn a_stopped_process_hears_no_sigterm() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    engine.freeze(true);
    engine.stop_graceful();
    let mut wire = admin(&engine).await;
    wire.send(&["PING"]).await.unwrap();
    assert!(wire.is_silent().await);
    assert_eq!(engine.exit_code(), None);
    engine.freeze(false);
    assert_eq!(engine.exited().await, 0);
}

#[tokio::test]
async fn shutdown_ends_the_process() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = admin(&engine).await;
    wire.send(&["SHUTDOWN", "NOSAVE"]).await.unwrap();
    assert_eq!(wire.reply().await, None);
    assert_eq!(engine.exited().await, 0);
    assert!(engine.saved().is_none());
}

/// Recorded (`rss-guard/commands.resp.txt`): what refuses a start is accepted at run time, two threads and 300 MB.
#[tokio::test]
async fn maxmemory_below_what_a_start_needs_is_accepted_at_run_time() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    let mut wire = admin(&engine).await;
    assert!(engine.spec().threads >= 2);
    assert_eq!(wire.text("CONFIG SET maxmemory 300mb").await, "+OK");
    let told = wire.text("CONFIG GET maxmemory").await;
    assert!(told.contains("314572800"), "{told}");
    assert_eq!(wire.text("MEMORY DEFRAGMENT").await, "+OK");
}

#[tokio::test]
async fn older_snapshots_lie_beside_the_newest_until_they_are_removed() {
    let mut stage = Stage::new();
    let engine = stage.engine("a").await;
    engine.fill("pop", 10, 1000);
    let mut wire = admin(&engine).await;
    assert_eq!(wire.text("SAVE").await, "+OK");
    let first = engine.saved().unwrap().file;
    // The name has the second in it.
    until(|| async {
        admin(&engine).await.text("SAVE").await;
        let kept = engine.saved().unwrap();
        match kept.older.as_slice() {
            [(file, 10), ..] if *file == first => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let newest = engine.saved().unwrap().file;
    let name = newest.rsplit('/').next().unwrap();
    engine.remove_saved(name);
    let mut spec = engine.spec().clone();
    spec.snapshot = engine.saved();
    engine.kill();
    let next = stage.start(spec).await;
    assert_eq!(next.keys(), 0, "what names the others is gone");
}
