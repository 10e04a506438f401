//! What drawing, judging and taking facts in costs at 700 instances with 2,000 pods: the pure rooms alone, without a
//! terminal, a network or a lab. `cargo bench --bench screens`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tests/it/screens/world.rs"]
#[allow(dead_code)]
mod world;

use std::hint::black_box;
use std::time::Instant;

use darner::checks::{self, Board, Limits, Standing, State, Subject};
use darner::domain::reach::{Compiled, End, Network, Policies, Protocol, reach};
use darner::domain::{ContextId, Foreign, InstanceId, Touched};
use darner::msg::Msg;
use darner::wire;
use serde_json::{Value, json};
use world::*;

fn main() {
    let mut story = Story::new(200, 60);
    let dbs = |context: &'static str| -> Vec<Db> {
        (0..350)
            .map(|i| {
                let nodes = db(
                    context,
                    &format!("team-{}", i % 40),
                    &format!("cache-{i:03}"),
                )
                .node(master().ops(100 + i))
                .node(replica().lagging(i * 7));
                if i % 9 == 0 {
                    nodes.node(master())
                } else {
                    nodes.node(replica())
                }
            })
            .collect()
    };
    let (infra, apps) = (dbs("infra"), dbs("apps"));
    fleet(&mut story, &infra, &apps);
    story.after(10);
    let measured = |what: &str, times: usize, act: &mut dyn FnMut()| {
        let mut took: Vec<f64> = (0..times)
            .map(|_| {
                let begun = Instant::now();
                act();
                begun.elapsed().as_secs_f64() * 1_000.0
            })
            .collect();
        took.sort_by(f64::total_cmp);
        println!(
            "{what}: median {:.3} ms, worst {:.3} ms",
            took[times / 2],
            took[times - 1]
        );
    };
    measured("view of Fleet", 300, &mut || story.draw());
    // Before minutes pass below without an answer, after which nothing is known of anything.
    judging(&story, &infra, &measured);
    let mut at = 0;
    measured("one instance's figures taken in", 300, &mut || {
        at += 1;
        let answers = infra[at % 350].clone().busy(1_000 + at as u64).answers();
        // The frame before has been drawn, and the next second is not here yet.
        story.state.take_dirty();
        story.send(Msg::Facts(answers));
    });
    measured("the same, and shown", 300, &mut || {
        at += 1;
        story.told(infra[at % 350].clone().busy(1_000 + at as u64).answers());
    });
    measured("a batch of 512 facts taken in", 20, &mut || {
        at += 1;
        let facts: Vec<_> = infra
            .iter()
            .chain(&apps)
            .flat_map(|db| db.clone().busy(at as u64).answers())
            .take(512)
            .collect();
        story.told(facts);
    });
    measured("a key", 300, &mut || {
        story.press("j");
    });
    measured("a letter of the filter", 100, &mut || {
        story.press("/ c backspace esc");
    });
    measured("a tick", 100, &mut || {
        story.after(1);
    });
    measured("the palette opened, three letters, closed", 50, &mut || {
        story.press(": c a 1").press("esc");
    });
    palette();
    policies(&measured);
    story.press("g g enter");
    measured("view of Instance", 300, &mut || story.draw());
}

/// Measures what it is given, so many times, and prints it.
type Measure = dyn Fn(&str, usize, &mut dyn FnMut());

/// The palette with 5,000 entries: opened, and a letter of it.
fn palette() {
    let mut story = Story::new(200, 60);
    let many: Vec<Db> = (0..1_250)
        .map(|at| {
            let name = format!("cache-{at:04}");
            let nodes = db("infra", &format!("team-{}", at % 40), &name).node(master());
            nodes.node(replica()).node(replica())
        })
        .collect();
    fleet(&mut story, &many, &[]);
    story.after(10);
    // Each is measured with its frame, and what puts it back without.
    let mut timed = |what: &str, key: &str, before: &str, after: &str| {
        let mut took: Vec<f64> = (0..50)
            .map(|_| {
                story.press(before);
                let begun = Instant::now();
                story.press(key);
                let took = begun.elapsed().as_secs_f64() * 1_000.0;
                story.press(after);
                took
            })
            .collect();
        took.sort_by(f64::total_cmp);
        println!(
            "{what}: median {:.3} ms, worst {:.3} ms",
            took[25], took[49]
        );
    };
    timed("the palette of 5,000 entries opened", ":", "", "esc");
    timed("its first letter", "c", ":", "esc");
    timed("its third letter", "1", ": c a", "esc");
}

/// A policy of a thousand rules, and a thousand policies: compiled as they come, and asked about one connection.
fn policies(measured: &Measure) {
    let rule = |at: usize| json!({"from": [{"podSelector": {"matchLabels": {"app": format!("web-{at}")}}}], "ports": [{"port": 6379}]});
    let object = |namespace: &str, name: &str, rules: Vec<Value>| {
        let policy = json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"podSelector": {}, "ingress": rules},
        });
        wire::foreign(Foreign::NetworkPolicy, &policy).unwrap()
    };
    let big = [object("db", "big", (0..1_000).map(rule).collect())];
    let many: Vec<_> = (0..1_000)
        .map(|at| {
            object(
                &format!("team-{}", at % 100),
                &format!("p-{at}"),
                vec![rule(at)],
            )
        })
        .collect();
    let end = |namespace: &str, app: &str| {
        let labels = [("app".to_owned(), app.to_owned())];
        End::pod(&ContextId::new("infra"), namespace, labels)
    };
    for (what, objects, namespace, app) in [
        ("a policy of 1,000 rules", &big[..], "db", "web-999"),
        ("1,000 policies", &many[..], "team-7", "web-7"),
    ] {
        measured(&format!("{what}: compiled"), 50, &mut || {
            black_box(Compiled::of(Foreign::NetworkPolicy, black_box(objects)));
        });
        let compiled = Compiled::of(Foreign::NetworkPolicy, objects).unwrap();
        let mut all = Policies::new(Network::default());
        all.share(&compiled, namespace);
        let (from, to) = (end(namespace, app), end(namespace, "db"));
        measured(&format!("{what}: one connection asked"), 300, &mut || {
            black_box(reach((&from, &all), (&to, &all), 6379, Protocol::Tcp));
        });
    }
}

/// One instance, the whole board, and what is judged again when little was touched.
fn judging(story: &Story, infra: &[Db], measured: &Measure) {
    let (world, limits, now) = (story.state.world(), Limits::default(), story.now);
    let judge =
        |id: &InstanceId| checks::judge(world, &Subject::Instance(id.clone()), &limits, now);
    let ill = |id: &InstanceId| judge(id).state.is_ill();
    let of = |wanted: bool| {
        infra
            .iter()
            .map(Db::id)
            .find(|id| ill(id) == wanted)
            .unwrap()
    };
    let (well, bad) = (of(false), of(true));
    assert_eq!(judge(&well).state, State::Healthy);
    for (what, id) in [
        ("a healthy instance of 3 pods judged", &well),
        ("one with two masters judged", &bad),
    ] {
        measured(what, 500, &mut || {
            black_box(judge(black_box(id)));
        });
    }
    let touching = |instances: &[Db]| Touched {
        instances: instances.iter().map(Db::id).collect(),
        ..Touched::default()
    };
    let everything = Touched {
        links: world.contexts().map(|context| context.id.clone()).collect(),
        ..Touched::default()
    };
    let mut board = Board::default();
    board.update(world, &everything, &limits, now);
    measured("the whole board judged", 30, &mut || {
        board.update(world, &everything, &limits, now);
    });
    for count in [0, 1, 10] {
        let touched = touching(&infra[..count]);
        measured(
            &format!("the board, {count} instances touched"),
            300,
            &mut || {
                board.update(world, &touched, &limits, now);
            },
        );
    }
    answers(story, infra, measured);
    measured("the attention list", 100, &mut || {
        black_box(board.attention(world).len());
    });
}

/// Every answer of every check kept, at the 200 instances that the budget speaks of: a context of 200, and one of none.
fn answers(story: &Story, infra: &[Db], measured: &Measure) {
    let mut small = Story::new(200, 60);
    let few = &infra[..200];
    fleet(&mut small, few, &[]);
    small.after(10);
    let (world, limits, now) = (small.state.world(), Limits::default(), small.now);
    assert!(story.state.world().instances().count() > 200);
    assert_eq!(world.instances().count(), 200);
    measured("every check of 200 instances asked", 20, &mut || {
        let mut standing = Standing::default();
        standing.begin(world, &limits, now);
        black_box(standing.answers().count());
    });
    let mut standing = Standing::default();
    standing.begin(world, &limits, now);
    let touched = Touched {
        instances: [few[7].id()].into(),
        news: true,
        ..Touched::default()
    };
    measured(
        "the answers, one of 200 instances touched",
        300,
        &mut || {
            black_box(standing.update(world, &touched, &limits, now));
        },
    );
}
