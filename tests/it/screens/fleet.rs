//! The Fleet screen in every condition that it can be in.

use darner::domain::{Fact, Fault, FaultKind, Kind, Link, Role};
use darner::settings::GlyphSet;
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::world::*;

fn orders() -> Db {
    db("infra", "shop", "orders")
        .node(replica().labelled(None).link_down())
        .node(replica().link_down())
        .wanting(3)
}

fn queue() -> Db {
    db("infra", "shop", "queue")
        .node(master().silent("no answer within 2 s", 42))
        .node(replica())
}

fn search() -> Db {
    db("apps", "search", "index")
        .node(master().endpoint(false))
        .node(replica().lagging(24_812).endpoint(true))
}

fn sessions() -> Db {
    db("apps", "web", "sessions")
        .node(master())
        .node(replica().full_sync())
}

fn broken(story: &mut Story) {
    fleet(
        story,
        &[dragonfly(), gitlab(), orders(), queue()],
        &[cache(), search(), sessions()],
    );
    story.after(90);
    // The engines go on answering what they did, and the operators go on leading.
    for context in ["infra", "apps"] {
        story.told(operator(context, 2, story.now));
    }
    for db in [
        dragonfly(),
        gitlab(),
        orders(),
        queue(),
        cache(),
        search(),
        sessions(),
    ] {
        story.told(db.answers());
    }
    story.after(2);
}

#[test]
fn before_anything_is_known() {
    let story = Story::new(80, 24);
    assert_snapshot!(story.screen());
}

#[test]
fn while_connecting() {
    let hint = "only the current context is open; name others with --context, or list them as `fleet` in the settings";
    let mut story = Story::with(
        100,
        24,
        GlyphSet::Unicode,
        Vec::new(),
        Some(hint.to_owned()),
    );
    story.told(vec![opened("infra")]).after(3);
    assert_snapshot!(story.screen());
}

#[test]
fn all_well() {
    let mut story = Story::new(120, 24);
    fleet(&mut story, &[dragonfly()], &[cache()]);
    story.after(2);
    assert_snapshot!(story.screen());
}

#[test]
fn much_is_broken() {
    let mut story = Story::new(140, 32);
    broken(&mut story);
    assert_snapshot!(story.screen());
}

#[test]
fn narrow() {
    let mut story = Story::new(80, 24);
    broken(&mut story);
    assert_snapshot!(story.screen());
}

#[test]
fn contexts_without_room_on_the_top_line_are_counted() {
    let contexts = ["infra", "apps", "edge", "lab", "batch"];
    let mut story = Story::new(200, 24);
    for context in contexts {
        story.told(vec![opened(context), live(context, 12)]);
        story.told(lists(context, &[]));
    }
    let retry = story.now + SignedDuration::from_secs(60);
    story.told(vec![unreachable("lab", "dial timeout", retry)]);
    for (columns, shown, more) in [
        (200, &contexts[..], None),
        (100, &["infra", "apps", "edge", "lab"], Some("+1")),
        (80, &["infra", "apps", "lab"], Some("+2")),
        (60, &["lab"], Some("+4")),
    ] {
        story.resize(columns, 24);
        let text = story.text();
        let top = text.lines().next().unwrap_or_default();
        for context in contexts {
            let is_shown = top.contains(&format!(" {context} "));
            assert_eq!(is_shown, shown.contains(&context), "{context}: {top}");
        }
        assert_eq!(top.contains('+'), more.is_some(), "{top}");
        assert!(more.is_none_or(|more| top.contains(more)), "{top}");
    }
}

#[test]
fn a_context_that_can_have_no_instance_says_so_in_one_line() {
    for columns in [80, 100, 120] {
        let mut story = Story::new(columns, 24);
        fleet(&mut story, &[dragonfly(), gitlab()], &[]);
        let gone = [
            Kind::Crd,
            Kind::OperatorDeployment,
            Kind::OperatorPod,
            Kind::OperatorLease,
        ];
        story.told(gone.map(|kind| listed("apps", kind, vec![])).into());
        story.after(2);
        let line = story.line_with("– no CRD");
        assert!(
            line.ends_with("no CRD, so there can be no instance"),
            "{line}"
        );
    }
}

#[test]
fn huge() {
    let mut story = Story::new(200, 60);
    broken(&mut story);
    assert_snapshot!(story.screen());
}

#[test]
fn too_small_to_show() {
    let mut story = Story::new(20, 5);
    broken(&mut story);
    assert_snapshot!(story.screen());
    // Nothing at all is no reason to fail.
    for (columns, rows) in [(1, 1), (0, 0), (3, 40), (200, 2)] {
        story.resize(columns, rows).text();
    }
}

#[test]
fn ascii() {
    let mut story = Story::with(
        100,
        30,
        GlyphSet::Ascii,
        vec!["settings.toml:3: no".to_owned()],
        None,
    );
    broken(&mut story);
    story.press("enter");
    story.says("- Topology -");
    story.press("esc");
    assert_snapshot!(story.screen());
}

#[test]
fn one_context_is_unreachable_and_its_rows_are_old() {
    let mut story = Story::new(120, 24);
    fleet(&mut story, &[dragonfly()], &[cache()]);
    story.after(20);
    let retry = story.now + SignedDuration::from_secs(22);
    story.told(vec![unreachable("apps", "dial timeout", retry)]);
    story.after(18);
    story.told(vec![live("infra", 13)]);
    story.told(operator("infra", 2, story.now));
    story.told(dragonfly().answers());
    story.says("retry in 4s").says("AS OF");
    assert_snapshot!(story.screen());
}

#[test]
fn contexts_that_show_nothing_say_why() {
    let mut story = Story::new(150, 24);
    let contexts = [
        "starting", "empty", "bare", "shut", "dark", "locked", "bent",
    ];
    story.told(contexts.map(opened).to_vec());
    story.told(["empty", "bare", "shut"].map(|c| live(c, 9)).to_vec());
    story.told(lists("empty", &[]));
    story.told(vec![
        listed("bare", Kind::Crd, Vec::new()),
        denied("shut", Kind::Dragonfly),
        denied("shut", Kind::Event),
        unreachable(
            "dark",
            "connection refused",
            start() + SignedDuration::from_secs(9),
        ),
        linked(
            "locked",
            Link::LoginNeeded {
                fault: Fault::new(
                    FaultKind::Unauthenticated,
                    "`corp-login` says: token expired",
                )
                .with_hint("run `corp-login refresh`"),
                retry_at: start() + SignedDuration::from_secs(60),
            },
        ),
        linked(
            "bent",
            Link::Unusable {
                fault: Fault::new(
                    FaultKind::Unusable,
                    "kubeconfig names a cluster that is not in it",
                ),
            },
        ),
    ]);
    story.after(5);
    assert_snapshot!(story.screen());
    // The rest of the story is one key away.
    story.press("g g");
    let mut seen = String::new();
    for _ in 0..7 {
        story.press("x");
        seen.push_str(&story.text());
        story.press("esc j");
    }
    assert!(seen.contains("c1 corp-login refresh"), "{seen}");
    assert!(
        seen.contains("deadline has elapsed"),
        "the raw cause: {seen}"
    );
}

#[test]
fn two_contexts_of_one_cluster_are_shown_once() {
    let mut story = Story::new(120, 12);
    fleet(&mut story, &[dragonfly()], &[]);
    let identified = |context: &str| Fact::Identified {
        context: ctx(context),
        cluster: Some("uid-of-kube-system".to_owned()),
        version: Some("v1.33.1".to_owned()),
        denied: None,
    };
    story.told(vec![identified("infra"), identified("apps")]);
    story
        .says("apps = same cluster as infra")
        .says("1 instance, none ill");
    assert_snapshot!(story.text());
}

#[test]
fn rows_stand_still_when_figures_change_and_are_worst_first() {
    let mut story = Story::new(200, 32);
    broken(&mut story);
    let order = |story: &Story| -> Vec<String> {
        let text = story.table();
        let names = [
            "dragonfly-system/gitlab",
            "shop/orders",
            "shop/queue",
            "search/index",
            "web/sessions",
            "dragonfly-system/dragonfly",
            "harbor/cache",
        ];
        let mut found: Vec<(usize, &str)> = names
            .iter()
            .map(|name| (text.lines().position(|l| l.contains(name)).unwrap(), *name))
            .collect();
        found.sort();
        found.into_iter().map(|(_, name)| name.to_owned()).collect()
    };
    let before = order(&story);
    assert_eq!(before[0], "shop/orders", "no master is the worst");
    assert_eq!(before[1], "dragonfly-system/gitlab");
    for ops in [5, 90_000, 12] {
        let busy = db("apps", "harbor", "cache")
            .node(master().ops(ops))
            .node(replica());
        story.told(busy.answers());
        assert_eq!(order(&story), before);
    }
    // Another role: the row moves, the selection stays on its instance.
    story.press("G");
    assert!(
        story.selected_line().contains("harbor/cache"),
        "{}",
        story.text()
    );
    let split = db("apps", "harbor", "cache").node(master()).node(master());
    story.told(split.answers());
    story.after(6).told(split.answers());
    assert_ne!(order(&story), before);
    assert!(
        story.selected_line().contains("harbor/cache"),
        "{}",
        story.text()
    );
    assert!(
        story.selected_line().contains("several masters"),
        "{}",
        story.text()
    );
}

#[test]
fn a_sort_goes_by_the_column_that_is_named_and_what_is_unknown_comes_last() {
    let mut story = Story::new(200, 30);
    broken(&mut story);
    let first = |story: &Story| story.text().lines().nth(3).unwrap().to_owned();
    let last = |story: &Story| story.text().lines().nth(9).unwrap().to_owned();
    story.press(":").type_text("sort lag").press("enter");
    story.says("LAG rec▼");
    assert!(first(&story).contains("search/index"), "{}", story.text());
    story.press("=").says("LAG rec▲");
    assert!(!first(&story).contains("–"), "{}", story.text());
    assert!(
        last(&story).contains("–"),
        "unknown is last: {}",
        story.text()
    );
    story
        .press(">")
        .says("MEM USED▼")
        .press("<")
        .says("LAG rec▼");
    story.press(":").type_text("sort instance").press("enter");
    story.says("INSTANCE▲");
    assert!(
        first(&story).contains("dragonfly-system/dragonfly"),
        "{}",
        story.text()
    );
    story.press(":").type_text("sort lagg").press("enter");
    story.says("there is no column `lagg`; did you mean `lag`?");
}

#[test]
fn a_pattern_that_does_not_end_is_said_and_the_last_rows_stay() {
    for columns in [140, 80] {
        let mut story = Story::new(columns, 32);
        broken(&mut story);
        story.press("/").type_text("orders");
        let shown = |story: &Story| story.table().lines().skip(2).collect::<Vec<_>>().join("\n");
        let before = shown(&story);
        assert!(before.contains("orders") && !before.contains("gitlab"));
        // Its line stays open, for nothing of it is in force.
        story.type_text(" /(").press("enter");
        assert_eq!(shown(&story), before);
        let line = story.text().lines().last().unwrap_or_default().to_owned();
        assert!(line.contains("/orders /("), "{line}");
        assert!(line.contains("`/(` does not end: a pattern"), "{line}");
        story.type_text("/");
        let line = story.text().lines().last().unwrap_or_default().to_owned();
        assert!(line.contains("`/(/` is not a pattern"), "{line}");
        assert_eq!(shown(&story), before);
        story.press("left").type_text(")").press("enter");
        story.says("orders /()/ shows 1").says("open");
        // Where there is no line, it is told.
        story.press("esc :").type_text("filter /(").press("enter");
        story.says("`/(` does not end: a pattern stands between two `/`");
    }
}

#[test]
fn the_filter_holds_while_it_is_typed_and_esc_takes_it_back() {
    let mut story = Story::new(140, 32);
    broken(&mut story);
    story.press("/").type_text("ctx:apps");
    story.says("harbor/cache").says("ctx:apps shows 3");
    assert!(!story.table().contains("shop/orders"), "{}", story.text());
    story
        .type_text(" lag>100")
        .says("search/index")
        .says_not("harbor/cache");
    story
        .press("enter")
        .says("open")
        .says("ctx:apps lag>100 shows 1");
    story
        .press("/")
        .type_text(" nonsense:1")
        .says("there is no field `nonsense:`");
    story.press("esc").says("ctx:apps lag>100 shows 1");
    story.press("esc").says_not("shows 1");
    assert!(story.table().contains("shop/orders"), "{}", story.text());
    story
        .press("/")
        .type_text("zzz")
        .press("enter")
        .says("nothing matches the filter");
    story
        .press("esc !")
        .says("not well shows 5")
        .says("3 ill, 1 unknown, 1 syncing")
        .says_not("harbor/cache");
    // A filter that lets none of them through does not mean that all is well.
    story
        .press("/")
        .type_text("zzz")
        .press("enter")
        .says("nothing that is not well matches the filter, 5 hidden");
    story.press("esc !").says("harbor/cache");
    story
        .press("/")
        .type_text("state:ill")
        .press("enter")
        .says("state:ill shows 3");
    story
        .press("/")
        .type_text(" state:sick")
        .says("there is no state `sick`");
    story.press("esc esc").says("harbor/cache");
}

#[test]
fn attention_can_be_walked_and_opened() {
    let mut story = Story::new(140, 32);
    broken(&mut story);
    story.press("tab");
    let first = story.selected_line();
    story.press("j");
    assert_ne!(story.selected_line(), first);
    story.press("k");
    assert_eq!(story.selected_line(), first);
    story
        .press("enter")
        .says("Topology")
        .press("esc")
        .says("─ Fleet");
    story
        .press("+")
        .says_not("─ Fleet")
        .says("─ Attention")
        .press("esc")
        .says("─ Fleet");
}

#[test]
fn an_instance_that_appears_or_goes_changes_the_table_at_once() {
    let mut story = Story::new(120, 20);
    fleet(&mut story, &[], &[cache()]);
    story.says("no Dragonfly in this cluster");
    for object in dragonfly().objects() {
        story.told(vec![Fact::Seen {
            context: ctx("infra"),
            object,
        }]);
    }
    story
        .says_not("no Dragonfly in this cluster")
        .says("dragonfly-system/dragonfly");
    story.told(vec![Fact::Gone {
        context: ctx("infra"),
        kind: Kind::Dragonfly,
        namespace: "dragonfly-system".into(),
        name: "dragonfly".into(),
    }]);
    story
        .says("no Dragonfly in this cluster")
        .says_not("dragonfly-system/dragonfly");
}

#[test]
fn label_and_engine_at_odds_are_seen_from_afar() {
    let mut story = Story::new(140, 20);
    let odd = db("infra", "shop", "orders")
        .node(master().labelled(Some(Role::Replica)))
        .node(replica().labelled(Some(Role::Master)));
    fleet(&mut story, std::slice::from_ref(&odd), &[cache()]);
    story.after(10).told(odd.answers());
    story.says("roles disagree");
}

#[test]
fn what_tells_rows_apart_stays_when_columns_are_scrolled() {
    let mut story = Story::new(80, 24);
    broken(&mut story);
    for presses in 0..12 {
        let row = story.line_with("shop/orders");
        assert!(
            row.contains("no master") && row.contains("infra"),
            "{presses}: {row}"
        );
        story.press("l");
    }
    let last = story.line_with("INSTANCE");
    assert!(last.contains("AGE") && !last.contains('›'), "{last}");
    // No press is lost beyond the last column: one to the left shows another one.
    story.press("h");
    assert_ne!(story.line_with("INSTANCE"), last);
}

#[test]
fn names_that_share_their_beginning_lose_that_first() {
    let mut story = Story::new(80, 24);
    let contexts = [
        "arn:aws:eks:eu-west-1:41:cluster/orders",
        "arn:aws:eks:eu-west-1:41:cluster/sessions",
    ];
    story.told(contexts.map(opened).to_vec());
    story.told(contexts.map(|c| live(c, 9)).to_vec());
    for context in contexts {
        story.told(lists(
            context,
            &[db(context, "shop", "cache").node(master())],
        ));
    }
    let table = story.table();
    let row = |name: &str| {
        table
            .lines()
            .skip(2)
            .any(|l| l.contains(name) && l.contains("shop/cache"))
    };
    assert!(row("…orders") && row("…sessions"), "{table}");
    story.resize(160, 24);
    let wide = story.table();
    assert!(
        wide.contains("arn:aws:eks:eu-we…sessions") || wide.contains("…sessions"),
        "{wide}"
    );
}

#[test]
fn a_wide_screen_leaves_what_it_does_not_need_at_the_right() {
    let mut story = Story::new(300, 40);
    broken(&mut story);
    let at = |line: &str, what: &str| {
        line.find(what)
            .map(|at| line[..at].chars().count())
            .unwrap()
    };
    let head = story.line_with("INSTANCE");
    assert!(at(&head, "MASTER") - at(&head, "INSTANCE") < 32, "{head}");
    assert!(!head.contains('›'), "{head}");
    let line = story.line_with("act as master");
    assert!(at(&line, "seen for") < 160, "{line}");
}

#[test]
fn an_api_server_that_answers_after_seconds_is_told_without_a_colour() {
    let mut story = Story::new(120, 24);
    fleet(&mut story, &[dragonfly()], &[cache()]);
    for (ms, slow) in [(1_500, true), (999, false), (2_300, true)] {
        story.told(vec![live("apps", ms)]);
        let line = story.line_with("apps");
        assert_eq!(line.contains("s slow"), slow, "{ms}: {line}");
    }
}

#[test]
fn the_filter_holds_for_what_needs_attention_too() {
    let mut story = Story::new(120, 40);
    broken(&mut story);
    let listed = |story: &Story| {
        let text = story.text();
        let from = text
            .lines()
            .skip_while(|line| !line.starts_with("─ Attention"));
        from.collect::<Vec<_>>().join("\n")
    };
    let all = listed(&story);
    assert!(all.contains("queue") && all.contains("gitlab"), "{all}");
    story.press("/").type_text("gitlab").press("enter");
    let some = listed(&story);
    assert!(some.contains("gitlab") && !some.contains("queue"), "{some}");
    assert!(some.contains("in all"), "{some}");
    // By what is known of the instance, too, and by the words of the finding.
    for (filter, shown, hidden) in [
        ("lag>100", "index", "gitlab"),
        ("ctx:apps", "index", "gitlab"),
        ("!gitlab", "queue", "gitlab"),
        ("state:several-masters", "gitlab", "queue"),
        ("both act", "gitlab", "queue"),
    ] {
        story.press("esc /").type_text(filter).press("enter");
        let some = listed(&story);
        assert!(
            some.contains(shown) && !some.contains(hidden),
            "{filter}: {some}"
        );
    }
    story.press("esc /").type_text("zzzz").press("enter");
    story.says("nothing that needs attention matches the filter");
    story.press("esc").says("queue");
}

#[test]
fn a_row_that_falls_ill_out_of_sight_is_announced_and_the_cursor_stays() {
    let mut story = Story::new(80, 24);
    let many: Vec<Db> = (0..40)
        .map(|n| db("infra", "shop", &format!("db-{n:02}")).node(master()))
        .collect();
    fleet(&mut story, &many, &[]);
    for db in &many {
        story.told(db.answers());
    }
    story.press("G k");
    let before = story.selected_line();
    assert!(before.contains("db-39"), "{before}");
    story.says("none ill");
    let ill = db("infra", "shop", "db-00").node(master().endpoint(false));
    let mut later = many.clone();
    later[0] = ill.clone();
    story.told(lists("infra", &later));
    story.told(ill.answers()).after(20);
    story.told(operator(
        "infra",
        2,
        start() + SignedDuration::from_secs(20),
    ));
    assert!(story.selected_line().contains("db-39"), "{}", story.text());
}
