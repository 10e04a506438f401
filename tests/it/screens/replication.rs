//! The Replication screen in every condition that it can be in.

use darner::domain::engine::*;
use darner::domain::*;
use darner::settings::GlyphSet;
use insta::assert_snapshot;

use super::world::*;

/// A console of that size that shows the replication of this instance, after two minutes of watching.
fn shown(columns: u16, rows: u16, db: &Db) -> Story {
    let mut story = Story::new(columns, rows);
    show(&mut story, db);
    story
}

fn show(story: &mut Story, db: &Db) {
    fleet(story, std::slice::from_ref(db), &[cache()]);
    for _ in 0..30 {
        story.after(4).told(db.answers());
    }
    for context in ["infra", "apps"] {
        story.told(operator(context, 2, story.now));
    }
    story.told(in_view(db));
    story
        .press(":")
        .type_text(&format!("show {}", db.id()))
        .press("enter 3")
        .take_effects();
}

#[test]
fn all_well() {
    let mut story = shown(120, 40, &dragonfly());
    story
        .says("2 of 2 in sync")
        .says("stable sync")
        .says("usable 2 ms")
        .says("one data set")
        .says("never compared: i c");
    assert_snapshot!(story.screen());
}

#[test]
fn before_any_engine_is_heard_no_master_is_called_a_stranger() {
    let db = dragonfly();
    let mut story = Story::new(120, 40);
    story.told(vec![opened("infra"), live("infra", 12)]);
    story.told(lists("infra", std::slice::from_ref(&db)));
    story
        .press(":")
        .type_text(&format!("show {}", db.id()))
        .press("enter 3")
        .says("no master is known")
        .says_not("is none of ours");
}

#[test]
fn narrow() {
    let mut story = shown(80, 24, &dragonfly());
    assert_snapshot!(story.screen());
    // Every pane has its turn.
    for says in [
        "─ Nodes and data sets",
        "─ Lag and growth",
        "─ What changed",
        "─ Data compared",
        "─ Links, from both ends",
    ] {
        story.press("tab").says(says);
    }
}

#[test]
fn huge() {
    let story = shown(200, 60, &dragonfly());
    assert_snapshot!(story.screen());
}

#[test]
fn too_small_to_show() {
    let mut story = shown(80, 24, &dragonfly());
    story.resize(20, 5);
    assert_snapshot!(story.screen());
    story.resize(50, 10).draw();
}

#[test]
fn a_full_sync_tells_its_progress() {
    let db = db("infra", "dragonfly-system", "dragonfly")
        .node(master())
        .node(replica())
        .node(replica().full_sync());
    let mut story = shown(120, 40, &db);
    let keys = |n| {
        Probe::Keyspace(Keyspace {
            keys: n,
            ..Keyspace::default()
        })
    };
    story.told(vec![db.also(2, keys(400_000))]);
    story.after(10).told(vec![db.also(2, keys(602_100))]);
    story.says("50 % of the master's keys (602k of 1.2M), 20.2k keys/s, about 30s left");
    assert_snapshot!(story.screen());
}

#[test]
fn replication_that_stopped_is_told_by_the_replica_alone() {
    let db = db("infra", "dragonfly-system", "dragonfly")
        .node(master())
        .node(replica().link_down());
    let mut story = shown(120, 40, &db);
    let list = ClientList {
        upstream: Some(Upstream {
            addr: "10.0.0.1:9999".to_owned(),
            phase: LinkPhase::Stopped,
            age: Some(600),
            idle: Some(500),
        }),
        ..ClientList::default()
    };
    story.told(vec![db.also(1, Probe::ClientList(list))]);
    let line = story.line_with("▸dragonfly-1");
    assert!(line.contains("✖ stopped"), "{line}");
    assert!(line.contains("stopped for good"), "{line}");
    story.says("0 of 1 in sync");
}

#[test]
fn as_many_are_in_sync_as_in_the_fleet() {
    let of = || db("infra", "dragonfly-system", "dragonfly");
    let no_answer = "no answer within 2 s";
    let cases = [
        (
            of().node(master()).node(replica()).node(replica()),
            "2 of 2",
        ),
        // Two masters, and a replica of one of them.
        (of().node(master()).node(master()).node(replica()), "1 of 2"),
        // No master: the pod without a role does not run.
        (
            of().node(master().labelled(None).silent(no_answer, 30))
                .node(replica().link_down())
                .node(replica().link_down()),
            "0 of 2",
        ),
        // A replica that is missing is not in sync.
        (of().node(master()).node(replica()).wanting(3), "1 of 2"),
        (
            of().node(master())
                .node(replica().labelled(Some(Role::Master)))
                .node(replica()),
            "2 of 2",
        ),
        (
            of().node(master().silent(no_answer, 30)).node(replica()),
            "0 of 1",
        ),
        (
            of().node(master()).node(replica().lagging(24_812)),
            "1 of 1",
        ),
    ];
    for (at, (db, wanted)) in cases.into_iter().enumerate() {
        let mut story = shown(120, 40, &db);
        story.says(&format!(" {wanted} in sync"));
        // Where its name has room.
        story.resize(200, 40).press("1");
        let line = story.line_with("dragonfly-system/dragonfly");
        assert!(line.contains(&format!(" {wanted} ")), "{at}: {line}");
    }
    // One that is far behind is in sync all the same, and that is told.
    let behind = of().node(master()).node(replica().lagging(24_812));
    shown(120, 40, &behind).says("1 of 1 in sync, 1 lagging");
}

#[test]
fn numbers_of_keys_that_differ_never_read_the_same() {
    let db = db("infra", "dragonfly-system", "dragonfly")
        .node(master())
        .node(master());
    let mut story = shown(120, 40, &db);
    let keys = |at, keys| {
        let keyspace = Keyspace {
            keys,
            ..Keyspace::default()
        };
        db.also(at, Probe::Keyspace(keyspace))
    };
    story.told(vec![keys(0, 902_194), keys(1, 902_475)]);
    story.says(" 902,194 ").says(" 902,475 ");
    story.told(vec![keys(0, 902_194), keys(1, 902_194)]);
    story.says(" 902k ").says_not("902,194");
    // It is not cut where there is little room.
    story.told(vec![keys(0, 1_902_194), keys(1, 1_902_475)]);
    story.resize(80, 24).says(" 1,902,194 ").says(" 1,902,475 ");
    // Of one data set they differ only by when they were asked.
    let db = dragonfly();
    let mut story = shown(120, 40, &db);
    let keyspace = |keys| {
        Probe::Keyspace(Keyspace {
            keys,
            ..Keyspace::default()
        })
    };
    story.told(vec![
        db.also(0, keyspace(902_194)),
        db.also(1, keyspace(902_190)),
    ]);
    story.says(" 902k ").says_not("902,19");
}

#[test]
fn the_target_of_a_takeover_is_told_as_what_it_is() {
    let db = db("infra", "dragonfly-system", "dragonfly")
        .node(master())
        .node(replica())
        .node(replica());
    let mut story = shown(120, 40, &db);
    let info_hangs = || Fact::Silent {
        node: NodeId::new(ctx("infra"), "dragonfly-system", db.pod(1)),
        uid: std::sync::Arc::from(format!("uid-dragonfly-system-{}", db.pod(1)).as_str()),
        unanswered: Unanswered {
            question: Some(Question::Replication),
            fault: Fault::new(FaultKind::Timeout, "no answer within 2 s"),
        },
    };
    let role = || {
        db.also(
            1,
            Probe::Role(RoleReply::Replica {
                host: "10.0.0.1".to_owned(),
                port: 9999,
                state: LinkState::Online,
            }),
        )
    };
    story.told(vec![info_hangs()]).after(1).told(vec![role()]);
    story.says("1 of 2 in sync");
    let line = story.line_with("dragonfly-1  ");
    assert!(line.contains("◐ takes over"), "{line}");
    assert!(line.contains("nothing of its link"), "{line}");
    story
        .says_not("calls itself master")
        .says_not("that it is a master");
    story
        .press("2")
        .says("dragonfly-1 replica  takes over from dragonfly-0  seen for");
}

#[test]
fn an_end_that_does_not_answer_is_not_spoken_for() {
    let well = dragonfly();
    let mut story = shown(120, 40, &well);
    let frozen = db("infra", "dragonfly-system", "dragonfly")
        .node(master().silent("no answer within 2 s", 0))
        .node(replica())
        .node(replica());
    for _ in 0..4 {
        story.after(10).told(frozen.answers());
    }
    let line = story.line_with("▸dragonfly-1");
    assert!(line.contains("? not told by the master"), "{line}");
    assert!(line.contains("nothing 30s, said online"), "{line}");
    assert!(line.contains("stable sync"), "{line}");
    assert_snapshot!(story.screen());
}

#[test]
fn two_masters_are_two_data_sets() {
    let db = gitlab();
    let mut story = shown(120, 40, &db);
    let mut other = Replication {
        replid: Some("ffff0000ffff0000".to_owned()),
        side: Side::Master {
            connected: 0,
            replicas: Vec::new(),
        },
    };
    story.told(vec![db.also(2, Probe::Replication(other.clone()))]);
    story
        .says("2 data sets")
        .says("ffff0000 its own")
        .says("is of data set ffff0000, before that c1d276f4");
    assert_snapshot!(story.screen());
    // And now it follows nobody's data but its own.
    other.replid = Some("c1d276f4".to_owned());
    story.told(vec![db.also(2, Probe::Replication(other))]);
    story.says("one data set");
}

#[test]
fn a_comparison_says_how_old_it_is() {
    let db = dragonfly();
    let mut story = shown(120, 40, &db);
    let compared = |pod: &str, different| Compared {
        pod: pod.into(),
        equal: 200 - different,
        different,
        names: (0..different.min(2)).map(|n| format!("key:{n}")).collect(),
        keys: Some(1_204_113),
        ..Compared::default()
    };
    story.told(vec![Fact::Compared {
        instance: db.id(),
        outcome: Ok(Comparison {
            master: "dragonfly-0".into(),
            asked: 201,
            sampled: 200,
            every: false,
            too_large: 1,
            nodes: vec![compared("dragonfly-1", 0), compared("dragonfly-2", 3)],
            keys: Some(1_204_113),
            replid: None,
        }),
    }]);
    story.after(70).told(db.answers());
    story.press("tab tab tab tab");
    story
        .says("1m10s ago")
        .says("● the same")
        .says("✖ diverged")
        .says("key:0, key:1");
    assert_snapshot!(story.screen());
    // Once a node holds another data set, it tells of the past only.
    let another = Replication {
        replid: Some("0badcafe".to_owned()),
        side: Side::Replica(Follower::default()),
    };
    story
        .after(5)
        .told(vec![db.also(1, Probe::Replication(another))]);
    story
        .says("since then dragonfly-1 has another data set; i c compares anew")
        .says("? was the same")
        .says("✖ diverged")
        .says("as of 1m15s ago")
        .says_not("● the same");
    story.press("x G").says("another data set, 1m15s ago");
}

#[test]
fn keys_lead_on() {
    let mut story = shown(120, 40, &gitlab());
    story.press("t").says("▸").press("enter").says("told by");
    story.press("g m");
    assert!(
        story.selected_line().contains("gitlab-0"),
        "{}",
        story.selected_line()
    );
    story
        .press("enter")
        .says("Why: dragonfly-system/gitlab-0")
        .press("esc");
    story
        .press("x")
        .says("Why: dragonfly-system/gitlab")
        .press("esc");
    story
        .press("2")
        .says("─ Topology")
        .press("-")
        .says("─ Links");
    story
        .press("/")
        .type_text("nothing-has-this")
        .press("enter");
    story.says("nothing fits the filter");
}

#[test]
fn what_is_gone_or_not_known_yet_is_said() {
    let mut story = shown(120, 40, &dragonfly());
    story.told(vec![listed("infra", Kind::Dragonfly, vec![])]);
    story.says("there is no Dragonfly");
    // Nothing has answered yet.
    let bare = db("infra", "shop", "orders").node(master()).node(replica());
    let mut story = Story::new(120, 40);
    story.told(vec![opened("infra"), live("infra", 9)]);
    story.told(lists("infra", std::slice::from_ref(&bare)));
    story
        .press(":")
        .type_text("show shop/orders")
        .press("enter 3");
    story.says("not asked").says("no replica has answered yet");
}

#[test]
fn plain_letters_do() {
    let mut story = Story::with(80, 24, GlyphSet::Ascii, Vec::new(), None);
    show(&mut story, &gitlab());
    for _ in 0..6 {
        story.press("tab").draw();
    }
}
