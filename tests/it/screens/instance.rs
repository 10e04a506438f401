//! The Instance screen in every condition that it can be in.

use darner::domain::{Fact, Kind, Role};
use darner::msg::Effect;
use darner::settings::GlyphSet;
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::world::*;

/// A console of that size that shows this instance, after two minutes of watching.
fn shown(columns: u16, rows: u16, db: &Db) -> Story {
    let mut story = Story::new(columns, rows);
    show(&mut story, db);
    story
}

fn show(story: &mut Story, db: &Db) {
    fleet(story, std::slice::from_ref(db), &[cache()]);
    for second in 0..30 {
        story.after(4);
        let wave = 9_000 + 600 * (second % 5);
        story.told(db.clone().busy(wave).answers());
    }
    for context in ["infra", "apps"] {
        story.told(operator(context, 2, story.now));
    }
    story.told(vec![
        event(
            db,
            ("Pod", &db.pod(1)),
            "Started",
            "Started container dragonfly",
            3_000,
        ),
        event(
            db,
            ("Pod", &db.pod(1)),
            "Unhealthy",
            "Readiness probe failed: command timed out",
            95,
        ),
        event(
            db,
            ("Dragonfly", "dragonfly"),
            "Rollout",
            "Rolling out new image",
            240,
        ),
    ]);
    story
        .press(":")
        .type_text(&format!("show {}", db.id()))
        .press("enter");
    story.says("─ Topology").take_effects();
}

#[test]
fn all_well() {
    let mut story = shown(120, 32, &dragonfly());
    story.says("nothing is wrong here");
    assert_snapshot!(story.screen());
}

#[test]
fn two_masters() {
    let story = shown(120, 32, &gitlab());
    assert_snapshot!(story.screen());
}

#[test]
fn narrow() {
    let mut story = shown(80, 24, &gitlab());
    assert_snapshot!(story.screen());
    // Every lower pane has its turn.
    for says in ["df-gitlab-0", "no event", "ops/s"] {
        if says == "no event" {
            story.press("tab").says("gitlab-1");
            continue;
        }
        story
            .press("tab")
            .press(if says == "df-gitlab-0" { "tab" } else { "l" })
            .says(says);
    }
}

#[test]
fn huge() {
    let story = shown(200, 60, &gitlab());
    assert_snapshot!(story.screen());
}

#[test]
fn endpoints_that_were_never_listed_are_not_called_none() {
    let db = dragonfly();
    for listed in [true, false] {
        let mut story = Story::new(120, 32);
        story.told(vec![opened("infra"), live("infra", 12)]);
        let lists = lists("infra", std::slice::from_ref(&db)).into_iter();
        let is_slices =
            |fact: &Fact| matches!(fact, Fact::Listed { kind, .. } if *kind == Kind::EndpointSlice);
        story.told(lists.filter(|fact| listed || !is_slices(fact)).collect());
        story.told(db.answers()).press("2");
        if listed {
            story.says_not("is not known");
        } else {
            story
                .says("? whether the Service sends here is not known")
                .says_not("the Service does not send here");
        }
    }
}

#[test]
fn too_small_to_show() {
    let mut story = shown(80, 24, &gitlab());
    story.resize(20, 5);
    assert_snapshot!(story.screen());
}

#[test]
fn no_master_and_a_silent_engine() {
    let db = db("infra", "shop", "orders")
        .node(
            master()
                .silent("no answer within 2 s", 42)
                .endpoint(false)
                .unready(),
        )
        .node(replica().link_down())
        .node(replica().link_down().labelled(None))
        .wanting(4)
        .with_storage();
    let story = shown(120, 32, &db);
    assert_snapshot!(story.screen());
}

#[test]
fn a_master_that_is_gone_is_told_as_what_it_was() {
    let well = db("infra", "shop", "orders")
        .node(master())
        .node(replica())
        .node(replica());
    let mut story = shown(120, 32, &well);
    story.says("orders-0 master");
    let gone = db("infra", "shop", "orders")
        .node(
            master()
                .silent("connection refused", 0)
                .labelled(None)
                .endpoint(false)
                .unready(),
        )
        .node(replica().link_down())
        .node(replica().link_down());
    story
        .after(8)
        .told(lists("infra", std::slice::from_ref(&gone)));
    story.told(gone.answers());
    story.after(40).told(gone.answers());
    story.says("no master");
    let lines = story.screen();
    let called = lines.matches("was master").count();
    assert_eq!(called, 2, "in the drawing and in the table: {lines}");
    assert!(
        !lines.contains("orders-0 master") && !lines.contains("master?"),
        "{lines}"
    );
}

#[test]
fn an_engine_falls_silent_and_says_how_old_its_last_answer_is() {
    let db = dragonfly();
    let mut story = shown(130, 32, &db);
    story.after(8);
    let quiet = super::world::db("infra", "dragonfly-system", "dragonfly")
        .node(master())
        .node(replica())
        .node(replica().silent("connection reset", 0));
    story.told(quiet.answers());
    story.after(30).told(quiet.answers());
    let line = story.line_with("▸dragonfly-0");
    assert!(line.contains("master"), "{line}");
    story.says("silent 30s: connection reset, as of 38s ago");
}

#[test]
fn the_service_sends_elsewhere_and_labels_lie() {
    let db = db("infra", "shop", "orders")
        .node(master().endpoint(false).labelled(Some(Role::Replica)))
        .node(
            replica()
                .endpoint(true)
                .labelled(Some(Role::Master))
                .lagging(24_812),
        );
    let story = shown(120, 32, &db);
    assert_snapshot!(story.screen());
}

#[test]
fn a_replica_is_in_full_sync() {
    let db = db("infra", "shop", "orders")
        .node(master())
        .node(replica().full_sync());
    let mut story = shown(120, 32, &db);
    story.says("full sync 100%");
    assert_snapshot!(story.screen());
}

#[test]
fn nothing_but_the_object() {
    let db = db("infra", "shop", "orders").wanting(3);
    let mut story = shown(100, 24, &db);
    story.says("no pod");
    assert_snapshot!(story.screen());
}

#[test]
fn its_context_is_unreachable() {
    let mut story = shown(120, 32, &dragonfly());
    story.after(20);
    let retry = story.now + SignedDuration::from_secs(22);
    story
        .told(vec![unreachable("infra", "dial timeout", retry)])
        .after(18);
    story
        .says("as of")
        .says("infra is unreachable: dial timeout");
    assert_snapshot!(story.screen());
}

#[test]
fn rights_are_missing_and_each_takes_one_pane_away() {
    let mut story = shown(140, 40, &dragonfly());
    story.told(vec![
        denied("infra", Kind::Event),
        denied("infra", Kind::Pdb),
    ]);
    for kind in [Kind::Event, Kind::Pdb] {
        story.told(vec![Fact::Unwatched {
            context: ctx("infra"),
            kind,
            scope: darner::domain::Scope::Cluster,
        }]);
    }
    story.told(vec![
        denied("infra", Kind::Event),
        denied("infra", Kind::Pdb),
    ]);
    story
        .says("events: may not list events")
        .says("df-dragonfly-0");
    story.says("PodDisruptionBudgets: may not list poddisruptionbudgets.policy");
}

#[test]
fn ascii() {
    let mut story = Story::with(100, 28, GlyphSet::Ascii, Vec::new(), None);
    fleet(&mut story, &[gitlab()], &[]);
    story.after(60).told(gitlab().answers()).press("enter");
    for context in ["infra", "apps"] {
        story.told(operator(context, 2, story.now));
    }
    assert_snapshot!(story.screen());
}

#[test]
fn it_is_deleted_while_one_looks_at_it() {
    let db = dragonfly();
    let mut story = shown(100, 24, &db);
    story.told(vec![Fact::Gone {
        context: ctx("infra"),
        kind: Kind::Dragonfly,
        namespace: "dragonfly-system".into(),
        name: "dragonfly".into(),
    }]);
    story.says("there is no Dragonfly dragonfly-system/dragonfly in infra (any more)");
    story.press("j k enter x tab + g m c n esc").says("");
    story.press("esc esc").says("─ Fleet");
}

#[test]
fn the_machine_room_is_told_what_is_in_view() {
    let db = dragonfly();
    let mut story = Story::new(100, 24);
    fleet(&mut story, std::slice::from_ref(&db), &[cache()]);
    story.take_effects();
    story.press("G enter");
    let watched = |story: &mut Story| -> Vec<Effect> {
        let effects = story.take_effects();
        effects
            .into_iter()
            .filter(|e| matches!(e, Effect::Watch(_)))
            .collect()
    };
    assert_eq!(watched(&mut story), [Effect::Watch(Some(cache().id()))]);
    story.press("tab j k");
    assert_eq!(watched(&mut story), []);
    story
        .press(":")
        .type_text(&format!("show {}", db.id()))
        .press("enter");
    assert_eq!(watched(&mut story), [Effect::Watch(Some(db.id()))]);
    story.press("1");
    assert_eq!(watched(&mut story), [Effect::Watch(None)]);
    story.press("-");
    assert_eq!(watched(&mut story), [Effect::Watch(Some(db.id()))]);
}

#[test]
fn what_is_selected_can_be_copied_as_name_command_and_evidence() {
    let mut story = shown(120, 32, &gitlab());
    let copied = |story: &mut Story| -> String {
        let effects = story.take_effects();
        let text = effects.into_iter().find_map(|effect| match effect {
            Effect::Copy { text, .. } => Some(text),
            _ => None,
        });
        text.expect("nothing was copied")
    };
    story.press("j c n");
    assert_eq!(copied(&mut story), "dragonfly-system/gitlab-1");
    story.press("c c");
    assert_eq!(
        copied(&mut story),
        "kubectl --context infra -n dragonfly-system get pod gitlab-1 -o yaml"
    );
    story.press("g p c c");
    assert_eq!(
        copied(&mut story),
        "kubectl --context infra -n dragonfly-system get pvc df-gitlab-0 -o yaml"
    );
    story.press("c e");
    let evidence = copied(&mut story);
    for part in [
        "dragonfly-system/gitlab in context infra: several masters at 2026-01-02T12:0",
        "- gitlab-0 and gitlab-2 both act as master",
        "  - gitlab-2 says role:master",
    ] {
        assert!(evidence.contains(part), "{part}: {evidence}");
    }
}

#[test]
fn jumps_go_to_what_they_name() {
    let mut story = shown(120, 32, &gitlab());
    story.press("G");
    assert!(story.selected_line().contains("gitlab-2"));
    story.press("g m");
    assert!(story.selected_line().contains("gitlab-0"));
    story.press("e");
    assert!(
        story.selected_line().contains("Unhealthy"),
        "{}",
        story.text()
    );
    story
        .press("enter")
        .says("Unhealthy: Readiness probe failed");
    story.press("g !");
    assert!(
        story.selected_line().contains("both act as master"),
        "{}",
        story.text()
    );
    story
        .press("enter")
        .says("Why: dragonfly-system/gitlab")
        .press("esc");
    story.press("/").type_text("gitlab-1").press("enter");
    story.press("tab tab tab tab").says("─ Nodes");
    story.says_not("▸gitlab-2");
}

/// The same, as it is asked while it is in view.
fn in_view_of(columns: u16, rows: u16, db: &Db) -> Story {
    let mut story = shown(columns, rows, db);
    story.told(in_view(db)).told(consumers());
    story
}

#[test]
fn clients_are_told_by_workload_and_how_each_fares() {
    let mut story = in_view_of(120, 40, &dragonfly());
    story.press("g u");
    story
        .says("─ Clients")
        .says("shop/orders-api")
        .says("reads only, on a replica")
        .says("10.77.0.9, no pod's");
    assert_snapshot!(story.screen());
    // With columns that have no room here.
    story.press("enter").says("context apps, node dragonfly-0");
    // Only those who are hurt.
    story.press("!");
    story.says("reads only").says_not("billing/worker");
    story.press("!");
    // Of a node that has never answered nothing is known, and that is said.
    let mute = super::world::db("infra", "shop", "orders")
        .node(master().silent("no answer within 2 s", 3))
        .node(replica());
    shown(120, 40, &mute)
        .press("g u")
        .says("clients of orders-0 are not known: no answer within 2 s");
    let mut lost = gitlab();
    lost = lost.node(replica());
    let mut story = in_view_of(120, 40, &lost);
    story.press("g u").says("on one of several masters");
}

#[test]
fn whose_clients_they_are_is_asked_only_while_they_are_looked_at() {
    let wanted = |story: &mut Story| {
        let effects = story.take_effects().into_iter().rev();
        effects.into_iter().find_map(|effect| match effect {
            Effect::Want(needs) => Some(needs.wants.len()),
            _ => None,
        })
    };
    let mut story = shown(80, 24, &dragonfly());
    story.told(in_view(&dragonfly()));
    assert_eq!(wanted(&mut story), None);
    story.press("g u").draw();
    story.after(1);
    story.says("pods of infra, apps are being read");
    assert_eq!(wanted(&mut story), Some(2), "the pods of both contexts");
    story.press("1").draw();
    story.after(1);
    assert_eq!(wanted(&mut story), Some(0));
}

#[test]
fn what_was_slow_shows_no_value_and_what_waits_says_who() {
    let mut story = in_view_of(120, 40, &dragonfly());
    story.press("g u l");
    story
        .says("─ Slow log")
        .says("842 ms")
        .says("HGETALL")
        .says("orders:by-customer")
        .says("shop/orders-api");
    assert_snapshot!(story.screen());
    story.press("l");
    story
        .says("─ Buffers")
        .says("does not read its replies: it holds up a takeover")
        .says("billing/worker")
        .says("all buffers: clients 3.2 MiB");
    assert_snapshot!(story.screen());
}

#[test]
fn what_changed_is_listed_newest_first_with_its_source() {
    let db = dragonfly();
    let mut story = shown(120, 40, &db);
    story.after(20);
    let other = super::world::db("infra", "dragonfly-system", "dragonfly")
        .node(replica())
        .node(master())
        .node(replica());
    story.told(other.answers());
    story.told(vec![event(
        &db,
        ("Dragonfly", "dragonfly"),
        "Replication",
        "Updated master instance",
        7,
    )]);
    story.press("t");
    story
        .says("─ History")
        .says("calls itself master, before that replica")
        .says("the operator says: Updated master instance")
        .says("exactly")
        .says("seen");
    assert_snapshot!(story.screen());
    story.press("enter").says("told by");
}

#[test]
fn who_is_hurt_stands_beside_what_happened_where_there_is_room() {
    let story = in_view_of(200, 60, &gitlab());
    assert_snapshot!(story.screen());
}

#[test]
fn every_lower_pane_has_its_tab_where_it_is_narrow() {
    let mut story = in_view_of(80, 24, &dragonfly());
    for says in [
        "─ Findings",
        "─ Storage",
        "─ Events",
        "─ Charts",
        "─ Clients",
        "─ Slow log",
        "─ Buffers",
        "─ History",
    ] {
        story.press("tab").says(says).says("history");
    }
    story.press("shift-tab shift-tab shift-tab");
    assert_snapshot!(story.screen());
    // The terminal that has letters only.
    let mut story = Story::with(80, 24, GlyphSet::Ascii, Vec::new(), None);
    show_plainly(&mut story);
    for _ in 0..9 {
        story.press("tab").draw();
    }
}

fn show_plainly(story: &mut Story) {
    let db = gitlab();
    fleet(story, std::slice::from_ref(&db), &[cache()]);
    story.told(in_view(&db)).told(consumers());
    story
        .press(":")
        .type_text(&format!("show {}", db.id()))
        .press("enter")
        .says("- Topology");
}

#[test]
fn ages_are_by_our_clock_where_the_cluster_has_another() {
    const AHEAD: i64 = 3 * 3_600;
    let db = dragonfly();
    let mut story = shown(120, 40, &db);
    // 95 s before the two minutes of watching, written by a clock that is three hours ahead.
    let about = ("Pod", &*db.pod(1));
    let written = event(&db, about, "Killing", "Stopping container", 95 - AHEAD);
    let dated = Fact::Dated {
        context: ctx("infra"),
        ahead: AHEAD,
    };
    story.told(vec![dated, written]);
    story.press("tab tab tab");
    let line = story.line_with("Killing");
    assert!(line.contains("3m35s"), "{line}");
}
