//! The Storage screen in every condition that it can be in.

use std::sync::Arc;

use darner::domain::engine::{Persistence, Probe, Server};
use darner::domain::object::*;
use darner::domain::want::{Fetched, Foreign, ForeignObject, VolumeUse, Want};
use darner::domain::*;
use darner::msg::Effect;
use darner::settings::GlyphSet;
use insta::assert_snapshot;
use serde_json::json;

use super::world::*;

const GIB: u64 = 1 << 30;

/// The StatefulSets of these instances, with claim templates of that size.
fn sets(dbs: &[Db], size: u64) -> Fact {
    let objects = dbs.iter().map(|db| {
        let id = db.id();
        Object::StatefulSet(Arc::new(StatefulSet {
            meta: Meta {
                namespace: id.namespace.clone(),
                name: id.name.clone(),
                labels: [("app".to_owned(), id.name.to_string())].into(),
                ..Meta::default()
            },
            replicas: 3,
            claim_templates: vec![("df".to_owned(), Some(size))],
            ..StatefulSet::default()
        }))
    });
    listed("infra", Kind::StatefulSet, objects.collect())
}

fn classes(names: &[&str]) -> Fact {
    Fact::Fetched {
        want: Want::Objects {
            context: ctx("infra"),
            what: Foreign::StorageClass,
            scope: Scope::Cluster,
        },
        answer: Ok(Fetched::Objects {
            objects: names
                .iter()
                .map(|name| ForeignObject {
                    meta: Meta {
                        name: Arc::from(*name),
                        ..Meta::default()
                    },
                    body: json!({"allowVolumeExpansion": true, "reclaimPolicy": "Retain"}),
                })
                .collect(),
            more: false,
        }),
    }
}

fn on(machine: &str) -> Want {
    Want::Volumes {
        context: ctx("infra"),
        machine: Arc::from(machine),
    }
}

/// The kubelets of all machines measured so many GiB on the volumes of that instance.
fn measured(db: &Db, used: u64) -> Vec<Fact> {
    (0..3)
        .map(|at| Fact::Fetched {
            want: on(&format!("worker-{}", at + 1)),
            answer: Ok(Fetched::Volumes(vec![VolumeUse {
                namespace: db.id().namespace,
                claim: Arc::from(format!("df-{}", db.pod(at))),
                used: Some(used),
                capacity: Some(10 * GIB),
                measured: None,
            }])),
        })
        .collect()
}

/// Its engines saved so many seconds ago.
fn saved(story: &Story, db: &Db, seconds_ago: i64, error: &str) -> Vec<Fact> {
    let at = story.now.as_second() - seconds_ago;
    (0..3)
        .flat_map(|node| {
            let pod = db.pod(node);
            let id = db.id();
            let uid: Arc<str> = Arc::from(format!("uid-{}-{pod}", id.namespace));
            let node = NodeId::new(id.context, &id.namespace, &pod);
            [
                Probe::Persistence(Persistence {
                    last_save: Some(at),
                    last_file: "/dragonfly/snapshots/dump-summary.dfs".to_owned(),
                    last_failed: (!error.is_empty()).then_some(at + 60),
                    last_error: error.to_owned(),
                    ..Persistence::default()
                }),
                Probe::Server(Server {
                    uptime: Some(864_000),
                    version: Some("v1.39.0".to_owned()),
                    ..Server::default()
                }),
            ]
            .map(|probe| Fact::Probed {
                node: node.clone(),
                uid: uid.clone(),
                probe,
            })
        })
        .collect()
}

fn shown(columns: u16, rows: u16, glyphs: GlyphSet) -> Story {
    let mut story = Story::with(columns, rows, glyphs, Vec::new(), None);
    fleet(&mut story, &[dragonfly()], &[cache()]);
    story.told(vec![sets(&[dragonfly()], 10 * GIB)]);
    let told = saved(&story, &dragonfly(), 30, "");
    story.told(told).press("4").take_effects();
    story.told(vec![classes(&["fast-ssd"])]);
    story.told(measured(&dragonfly(), 2 * GIB));
    story.after(120).told(measured(&dragonfly(), 2 * GIB + 512));
    story
}

#[test]
fn all_well() {
    let mut story = shown(120, 40, GlyphSet::Unicode);
    story
        .says("20%")
        .says("● snapshots")
        .says("which lets volumes grow");
    assert_snapshot!(story.screen());
}

#[test]
fn narrow() {
    assert_snapshot!(shown(80, 24, GlyphSet::Unicode).screen());
}

#[test]
fn huge() {
    assert_snapshot!(shown(200, 60, GlyphSet::Unicode).screen());
}

#[test]
fn too_small_to_show() {
    let mut story = shown(80, 24, GlyphSet::Ascii);
    story.resize(20, 5);
    assert_snapshot!(story.screen());
    story.resize(50, 10).draw();
}

#[test]
fn nothing_is_known_yet() {
    let mut story = Story::new(120, 40);
    story.press("4");
    assert_snapshot!(story.screen());
}

#[test]
fn broken() {
    let mut story = Story::new(120, 40);
    fleet(&mut story, &[dragonfly(), gitlab()], &[]);
    story.told(vec![sets(&[dragonfly()], 5 * GIB), classes(&[])]);
    story.press("4");
    let told = saved(&story, &dragonfly(), 7_200, "No space left on device");
    story.told(told);
    story.told(measured(&dragonfly(), 10 * GIB - 4_096));
    story
        .says("save failed")
        .says("No space left on device")
        .says("99%")
        .says("the StatefulSet's template 5.0 GiB")
        .says("StorageClass fast-ssd is not there");
    assert_snapshot!(story.screen());
    // The next row that is ill, and its instance.
    story.press("n enter").says("─ Topology");
}

#[test]
fn what_may_not_be_read_is_said() {
    let mut story = Story::new(120, 40);
    fleet(&mut story, &[dragonfly()], &[]);
    story.press("4").says("?");
    let forbidden = |what: &str| {
        Fault::new(FaultKind::Forbidden, format!("may not {what}"))
            .with_hint("the right is missing: kubectl create clusterrole darner --verb=get --resource=nodes/proxy, and bind it")
    };
    for machine in ["worker-1", "worker-2", "worker-3"] {
        story.told(vec![Fact::Fetched {
            want: on(machine),
            answer: Err(forbidden("get nodes/proxy in the whole cluster")),
        }]);
    }
    story.told(vec![Fact::Fetched {
        want: Want::Objects {
            context: ctx("infra"),
            what: Foreign::StorageClass,
            scope: Scope::Cluster,
        },
        answer: Err(Fault::new(
            FaultKind::Forbidden,
            "may not list storageclasses",
        )),
    }]);
    story
        .says("how full it is, is not known")
        .says("--resource=nodes/proxy")
        .says("storageclasses");
    assert_snapshot!(story.screen());
}

#[test]
fn only_ill_rows_and_only_what_fits() {
    let mut story = Story::new(120, 40);
    fleet(&mut story, &[dragonfly(), gitlab()], &[cache()]);
    story.told(vec![sets(&[dragonfly(), gitlab()], 10 * GIB)]);
    let told = saved(&story, &gitlab(), 7_200, "");
    story.told(told).press("4");
    story.says("dragonfly-0").says("cache-0").says("gitlab-0");
    story.press("!").says("gitlab-0").says_not("cache-0");
    story
        .press("!")
        .press("/")
        .type_text("harbor")
        .press("enter");
    story.says("cache-0").says_not("gitlab-0");
}

#[test]
fn the_machines_of_pods_with_claims_are_wanted() {
    let mut story = Story::new(120, 40);
    let mut objects = dragonfly().objects();
    for object in &mut objects {
        if let Object::Pod(pod) = object {
            let mut with = (**pod).clone();
            with.claims = vec![format!("df-{}", with.meta.name)];
            *pod = Arc::new(with);
        }
    }
    fleet(&mut story, &[dragonfly()], &[]);
    let pods = objects.into_iter().filter(|o| o.kind() == Kind::Pod);
    story.told(vec![listed("infra", Kind::Pod, pods.collect())]);
    story.take_effects();
    story.press("4");
    let wants = story
        .take_effects()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Want(needs) => Some(needs.wants),
            _ => None,
        });
    let wants = wants.unwrap();
    assert!(wants.contains(&on("worker-1")) && wants.contains(&on("worker-3")));
    assert_eq!(wants.len(), 4, "three machines and the classes");
}
