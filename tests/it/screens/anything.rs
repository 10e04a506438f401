//! Whatever is pressed, told and resized in whatever order: nothing panics, and nothing is drawn outside.

use darner::domain::{Fact, Kind, Link, Role, Scope};
use darner::msg::{Mouse, Msg};
use darner::settings::GlyphSet;
use proptest::prelude::*;

use super::world::*;

#[derive(Debug, Clone)]
enum Step {
    Keys(&'static str),
    Char(char),
    Resize(u16, u16),
    Click(u16, u16),
    Wait(i64),
    Fact(usize),
    Instance(usize, u8, u8),
    Paste(String),
}

fn step() -> impl Strategy<Value = Step> {
    let keys = [
        "enter",
        "esc",
        "tab",
        "shift-tab",
        "j",
        "k",
        "g",
        "G",
        "pgdn",
        "pgup",
        "ctrl-d",
        "h",
        "l",
        "<",
        ">",
        "=",
        "!",
        "n",
        "N",
        "+",
        "x",
        "?",
        ":",
        "/",
        "c",
        "e",
        "z",
        "1",
        "2",
        "3",
        "4",
        "5",
        "[",
        "]",
        "-",
        "q",
        "m",
        "p",
        "t",
        "u",
        "up",
        "down",
        "backspace",
        "ctrl-w",
        "home",
        "end",
        "f1",
    ];
    prop_oneof![
        8 => prop::sample::select(keys.to_vec()).prop_map(Step::Keys),
        2 => prop_oneof![any::<char>(), Just('/'), Just('('), Just('!'), Just('>'), Just('日')].prop_map(Step::Char),
        1 => (0u16..220, 0u16..70).prop_map(|(w, h)| Step::Resize(w, h)),
        1 => (0u16..220, 0u16..70).prop_map(|(x, y)| Step::Click(x, y)),
        1 => (0i64..100_000).prop_map(Step::Wait),
        3 => (0usize..14).prop_map(Step::Fact),
        4 => (0usize..6, any::<u8>(), any::<u8>()).prop_map(|(at, a, b)| Step::Instance(at, a, b)),
        1 => ".{0,20}".prop_map(Step::Paste),
    ]
}

/// An instance in one of many conditions.
fn odd(at: usize, shape: u8, how: u8) -> Db {
    let names = [
        "a",
        "orders",
        "日本語-キャッシュ",
        "x",
        "very-long-name-of-an-instance-that-nobody-would-choose",
        "b",
    ];
    let context = if at.is_multiple_of(2) {
        "infra"
    } else {
        "apps"
    };
    let mut db = db(context, "ns", names[at]);
    for bit in 0..(shape % 5) {
        let node = if (how >> bit) & 1 == 1 {
            master()
        } else {
            replica()
        };
        let node = match (shape.wrapping_mul(how).wrapping_add(bit)) % 8 {
            0 => node.silent("no answer", 3),
            1 => node.link_down(),
            2 => node.full_sync(),
            3 => node.labelled(None).unready(),
            4 => node.labelled(Some(Role::Master)).endpoint(true),
            5 => node.lagging(u64::MAX),
            6 => node.restarted(u64::from(how)),
            _ => node,
        };
        db = db.node(node);
    }
    if shape.is_multiple_of(3) {
        db.with_storage()
    } else {
        db
    }
}

fn fact(at: usize, story: &Story) -> Vec<Fact> {
    let now = story.now;
    let identified = |context: &str, cluster: &str| Fact::Identified {
        context: ctx(context),
        cluster: Some(cluster.to_owned()),
        version: None,
        denied: None,
    };
    match at {
        0 => vec![opened("infra")],
        1 => vec![opened("apps")],
        2 => vec![live("infra", 5)],
        3 => vec![unreachable("infra", "dial timeout", now)],
        4 => vec![live("apps", 70_000)],
        5 => vec![linked("apps", Link::Connecting)],
        6 => vec![denied("infra", Kind::Pod)],
        7 => vec![denied("apps", Kind::Dragonfly)],
        8 => lists("infra", &[dragonfly(), gitlab()]),
        9 => lists("apps", &[]),
        10 => vec![identified("infra", "one"), identified("apps", "one")],
        11 => vec![Fact::Unwatched {
            context: ctx("infra"),
            kind: Kind::Dragonfly,
            scope: Scope::Cluster,
        }],
        12 => operator("infra", 0, now),
        _ => vec![Fact::Garbled {
            context: ctx("infra"),
            kind: Kind::Dragonfly,
            namespace: "ns".into(),
            name: "bent".into(),
            problem: "spec is a list".to_owned(),
        }],
    }
}

fn run(steps: Vec<Step>, glyphs: GlyphSet) {
    let mut story = Story::with(80, 24, glyphs, Vec::new(), Some("a hint".to_owned()));
    story.press(":").type_text("mouse").press("enter");
    for step in steps {
        match step {
            Step::Keys(keys) => story.press(keys),
            Step::Char(c) => story.send(Msg::Key(darner::settings::KeyPress::char(c))),
            Step::Resize(w, h) => story.resize(w, h),
            Step::Click(column, row) => story.send(Msg::Mouse(Mouse::Click { column, row })),
            Step::Wait(seconds) => story.after(seconds),
            Step::Fact(at) => {
                let facts = fact(at, &story);
                story.told(facts)
            }
            Step::Instance(at, shape, how) => {
                let db = odd(at, shape, how);
                let context = if at.is_multiple_of(2) {
                    "infra"
                } else {
                    "apps"
                };
                let seen = db.objects().into_iter().map(|object| Fact::Seen {
                    context: ctx(context),
                    object,
                });
                story.told(seen.collect()).told(db.answers())
            }
            Step::Paste(text) => story.send(Msg::Paste(text)),
        };
        story.draw();
        if let Some(wake) = story.state.next_wake(story.now) {
            assert!(wake >= story.now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(steps in prop::collection::vec(step(), 1..60), ascii in any::<bool>()) {
        run(steps, if ascii { GlyphSet::Ascii } else { GlyphSet::Unicode });
    }
}
