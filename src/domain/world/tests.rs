#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
//! What facts do to the world: replacing, forgetting, and telling what they touched.

use std::time::Duration;

use super::*;
use crate::domain::engine::*;
use crate::domain::fact::Scope;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fixture::{ago, healthy, infra, instance, ip, master, now, replica};
use crate::domain::id::Kind;
use crate::domain::object::*;

fn pod(namespace: &str, name: &str, uid: &str, app: &str) -> Object {
    Object::Pod(Arc::new(Pod {
        meta: meta(namespace, name, uid, app),
        ip: Some(ip(0)),
        ..Pod::default()
    }))
}

fn dragonfly(namespace: &str, name: &str) -> Object {
    Object::Dragonfly(Arc::new(Dragonfly {
        meta: meta(namespace, name, "u", name),
        service: name.to_owned(),
        ..Dragonfly::default()
    }))
}

fn meta(namespace: &str, name: &str, uid: &str, app: &str) -> Meta {
    Meta {
        namespace: Arc::from(namespace),
        name: Arc::from(name),
        uid: Arc::from(uid),
        labels: [("app".to_owned(), app.to_owned())].into(),
        ..Meta::default()
    }
}

fn opened(contexts: &[&str]) -> World {
    let mut world = World::default();
    for name in contexts {
        world.apply(
            Fact::Opened {
                context: ContextId::new(name),
                namespaces: Vec::new(),
            },
            ago(60),
        );
    }
    world
}

fn list(world: &mut World, kind: Kind, scope: Scope, objects: Vec<Object>) -> Touched {
    world.apply(
        Fact::Listed {
            context: infra(),
            kind,
            scope,
            objects,
        },
        now(),
    )
}

fn seen(world: &mut World, object: Object) -> Touched {
    world.apply(
        Fact::Seen {
            context: infra(),
            object,
        },
        now(),
    )
}

fn gone(world: &mut World, kind: Kind, namespace: &str, name: &str) -> Touched {
    world.apply(
        Fact::Gone {
            context: infra(),
            kind,
            namespace: Arc::from(namespace),
            name: Arc::from(name),
        },
        now(),
    )
}

fn probed(world: &mut World, pod: &str, uid: &str, probe: Probe) -> Touched {
    world.apply(
        Fact::Probed {
            node: NodeId::new(infra(), "shop", pod),
            uid: Arc::from(uid),
            probe,
        },
        now(),
    )
}

fn ping() -> Probe {
    Probe::Ping {
        took: Duration::from_millis(1),
        loading: false,
    }
}

fn in_namespace(namespace: &str) -> Scope {
    Scope::Namespace(Arc::from(namespace))
}

fn pods(world: &World) -> Vec<String> {
    world
        .context(&infra())
        .unwrap()
        .pods
        .iter()
        .map(|held| format!("{}/{}", held.value.meta.namespace, held.value.meta.name))
        .collect()
}

fn names(touched: &Touched) -> Vec<String> {
    touched
        .instances
        .iter()
        .map(InstanceId::to_string)
        .collect()
}

#[test]
fn a_list_replaces_its_scope_at_once_and_no_other() {
    let mut world = opened(&["infra"]);
    list(
        &mut world,
        Kind::Pod,
        in_namespace("shop"),
        vec![
            pod("shop", "orders-0", "a", "orders"),
            pod("shop", "orders-1", "b", "orders"),
        ],
    );
    list(
        &mut world,
        Kind::Pod,
        in_namespace("harbor"),
        vec![pod("harbor", "cache-0", "c", "cache")],
    );
    let touched = list(
        &mut world,
        Kind::Pod,
        in_namespace("shop"),
        vec![pod("shop", "orders-2", "d", "orders")],
    );
    assert_eq!(pods(&world), ["harbor/cache-0", "shop/orders-2"]);
    assert_eq!(names(&touched), ["shop/orders"]);
    // Another kind's list of the same scope takes nothing away.
    list(&mut world, Kind::Service, in_namespace("shop"), vec![]);
    assert_eq!(pods(&world).len(), 2);
    list(&mut world, Kind::Pod, Scope::Cluster, vec![]);
    assert_eq!(pods(&world), [] as [&str; 0]);
}

#[test]
fn nothing_is_known_of_absence_before_the_whole_list() {
    let mut world = opened(&["infra"]);
    seen(&mut world, pod("shop", "orders-0", "a", "orders"));
    let context = world.context(&infra()).unwrap();
    assert!(!context.has_listed(Kind::Pod));
    assert!(context.source(Kind::Pod, "shop").is_none());
    list(&mut world, Kind::Pod, in_namespace("shop"), vec![]);
    world.apply(
        Fact::Watched {
            context: infra(),
            kind: Kind::Pod,
            scope: in_namespace("harbor"),
            access: Access::Broken(Fault::new(FaultKind::Refused, "503")),
        },
        now(),
    );
    let context = world.context(&infra()).unwrap();
    assert!(
        !context.has_listed(Kind::Pod),
        "one of the two was not listed yet"
    );
    assert!(context.source(Kind::Pod, "shop").unwrap().listed.is_some());
    assert!(
        context
            .source(Kind::Pod, "harbor")
            .unwrap()
            .listed
            .is_none()
    );
    assert_eq!(context.troubled_sources().count(), 1);
}

#[test]
fn a_broken_watch_keeps_what_was_listed() {
    let mut world = opened(&["infra"]);
    list(
        &mut world,
        Kind::Pod,
        Scope::Cluster,
        vec![pod("shop", "orders-0", "a", "orders")],
    );
    let broken = |message| Fact::Watched {
        context: infra(),
        kind: Kind::Pod,
        scope: Scope::Cluster,
        access: Access::Broken(Fault::new(FaultKind::Refused, message)),
    };
    let touched = world.apply(broken("503"), now());
    assert!(touched.links.contains(&infra()));
    assert_eq!(pods(&world), ["shop/orders-0"]);
    // Broken as before, in other words: shown, but no news for judging, and not broken since later.
    let touched = world.apply(broken("502"), ago(-9));
    assert!(touched.links.is_empty() && touched.shown);
    let source = world.context(&infra()).unwrap().source(Kind::Pod, "shop");
    assert_eq!(source.unwrap().since, now());
}

#[test]
fn another_pod_of_the_same_name_inherits_nothing() {
    let mut world = opened(&["infra"]);
    seen(&mut world, dragonfly("shop", "orders"));
    seen(&mut world, pod("shop", "orders-0", "first", "orders"));
    let touched = probed(&mut world, "orders-0", "first", ping());
    assert_eq!(names(&touched), ["shop/orders"]);
    let engine = |world: &World| {
        world
            .context(&infra())
            .unwrap()
            .engine("shop", "orders-0")
            .cloned()
    };
    assert!(engine(&world).unwrap().heard.is_some());
    seen(&mut world, pod("shop", "orders-0", "second", "orders"));
    assert!(engine(&world).is_none());
    // A late answer of the first one is dropped.
    let touched = probed(&mut world, "orders-0", "first", ping());
    assert!(touched.is_empty());
    assert!(engine(&world).is_none());
    // And so is a late failure.
    let touched = world.apply(
        Fact::Silent {
            node: NodeId::new(infra(), "shop", "orders-0"),
            uid: Arc::from("first"),
            unanswered: Unanswered {
                question: None,
                fault: Fault::new(FaultKind::Timeout, "timed out"),
            },
        },
        now(),
    );
    assert!(touched.is_empty() && engine(&world).is_none());
    // The same through a list.
    probed(&mut world, "orders-0", "second", ping());
    list(
        &mut world,
        Kind::Pod,
        Scope::Cluster,
        vec![pod("shop", "orders-0", "third", "orders")],
    );
    assert!(engine(&world).is_none());
    // A pod that is gone takes its engine with it.
    probed(&mut world, "orders-0", "third", ping());
    gone(&mut world, Kind::Pod, "shop", "orders-0");
    assert!(engine(&world).is_none());
}

#[test]
fn an_answer_ends_the_silence_that_it_answers() {
    let mut f = instance("orders").node(master()).build();
    let fault = || Fault::new(FaultKind::Timeout, "timed out");
    f.silent("orders-0", None, fault(), ago(20));
    f.silent("orders-0", None, fault(), ago(10));
    f.silent("orders-0", Some(Question::Memory), fault(), ago(5));
    let silent = |f: &crate::domain::fixture::Fixture| {
        let engine = f
            .world
            .context(&infra())
            .unwrap()
            .engine("shop", "orders-0");
        engine.unwrap().silent.clone()
    };
    assert_eq!(silent(&f)[&None].1, ago(20), "silent since the first time");
    f.answers("orders-0", ping(), now());
    assert_eq!(
        silent(&f).keys().collect::<Vec<_>>(),
        [&Some(Question::Memory)]
    );
    f.answers("orders-0", Probe::Memory(Memory::default()), now());
    assert!(silent(&f).is_empty());
}

#[test]
fn a_role_that_changes_before_our_eyes_is_noted() {
    let mut f = healthy().build();
    let engine = |f: &crate::domain::fixture::Fixture| {
        let context = f.world.context(&infra()).unwrap();
        context.engine("shop", "orders-1").unwrap().role_changed
    };
    assert_eq!(engine(&f), None);
    f.answers(
        "orders-1",
        Probe::Role(RoleReply::Master {
            replicas: Vec::new(),
        }),
        now(),
    );
    assert_eq!(engine(&f), Some(now()));

    let relabelled = |f: &crate::domain::fixture::Fixture| {
        let context = f.world.context(&infra()).unwrap();
        context.relabelled("shop", "orders-1")
    };
    assert_eq!(relabelled(&f), None);
    f.relabel("orders-1", Some(Role::Replica), ago(9));
    assert_eq!(relabelled(&f), None, "written again, but the same");
    f.relabel("orders-1", Some(Role::Master), ago(8));
    f.relabel("orders-1", Some(Role::Master), ago(7));
    assert_eq!(relabelled(&f), Some(ago(8)));
}

#[test]
fn since_when_a_master_lists_a_replica_so_is_kept() {
    let mut f = instance("orders").node(master()).node(replica()).build();
    let says = |state: LinkState, lag| {
        Probe::Replication(Replication {
            replid: None,
            side: Side::Master {
                connected: 1,
                replicas: vec![ReplicaLine {
                    ip: ip(1),
                    port: 6379,
                    state,
                    lag: Some(lag),
                }],
            },
        })
    };
    f.answers("orders-0", says(LinkState::Preparation, 0), ago(20));
    f.answers("orders-0", says(LinkState::Preparation, 3), ago(10));
    let since = |f: &crate::domain::fixture::Fixture| {
        let context = f.world.context(&infra()).unwrap();
        context.engine("shop", "orders-0").unwrap().line_since[&ip(1)].clone()
    };
    assert_eq!(since(&f), (LinkState::Preparation, ago(20)));
    f.answers("orders-0", says(LinkState::Online, 3), ago(5));
    assert_eq!(since(&f), (LinkState::Online, ago(5)));
}

#[test]
fn two_contexts_of_one_cluster_are_shown_once() {
    let mut world = opened(&["infra", "infra-admin", "apps", "old"]);
    for (context, cluster) in [
        ("infra", Some("uid-1")),
        ("infra-admin", Some("uid-1")),
        ("apps", Some("uid-2")),
        ("old", None),
    ] {
        world.apply(
            Fact::Identified {
                context: ContextId::new(context),
                cluster: cluster.map(str::to_owned),
                version: None,
                denied: None,
            },
            now(),
        );
        world.apply(
            Fact::Listed {
                context: ContextId::new(context),
                kind: Kind::Dragonfly,
                scope: Scope::Cluster,
                objects: vec![dragonfly("shop", "orders")],
            },
            now(),
        );
    }
    assert_eq!(world.twin(&ContextId::new("infra-admin")), Some(&infra()));
    for shown in ["infra", "apps", "old"] {
        assert_eq!(world.twin(&ContextId::new(shown)), None, "{shown}");
    }
    let shown: Vec<&str> = world.shown_contexts().map(|c| c.id.as_str()).collect();
    assert_eq!(shown, ["infra", "apps", "old"]);
    assert_eq!(world.instances().count(), 3);
    assert_eq!(world.contexts().count(), 4);
}

#[test]
fn a_fact_tells_which_instances_it_touched() {
    let mut world = opened(&["infra"]);
    list(
        &mut world,
        Kind::Dragonfly,
        Scope::Cluster,
        vec![
            dragonfly("shop", "orders"),
            dragonfly("shop", "orders-eu"),
            dragonfly("harbor", "cache"),
        ],
    );
    let plain = |name: &str| meta("shop", name, "u", "orders");
    let unlabelled = |name: &str| Meta {
        labels: Default::default(),
        ..plain(name)
    };
    let event = |about: &str| {
        Object::Event(Arc::new(Event {
            meta: unlabelled("e"),
            about_name: about.to_owned(),
            ..Event::default()
        }))
    };
    let pvc = |meta| {
        Object::Pvc(Arc::new(Pvc {
            meta,
            ..Pvc::default()
        }))
    };
    for (object, wanted) in [
        (dragonfly("shop", "orders"), vec!["shop/orders"]),
        (pod("shop", "orders-0", "a", "orders"), vec!["shop/orders"]),
        (
            Object::StatefulSet(Arc::new(StatefulSet {
                meta: plain("orders"),
                ..StatefulSet::default()
            })),
            vec!["shop/orders"],
        ),
        (pvc(plain("df-orders-0")), vec!["shop/orders"]),
        (pvc(unlabelled("df-orders-eu-1")), vec!["shop/orders-eu"]),
        (pvc(unlabelled("tiering-orders-2")), vec!["shop/orders"]),
        (
            Object::Pdb(Arc::new(Pdb {
                meta: unlabelled("any"),
                ..Pdb::default()
            })),
            vec!["shop/orders", "shop/orders-eu"],
        ),
        (event("orders-0"), vec!["shop/orders"]),
        (event("orders-eu"), vec!["shop/orders-eu"]),
        (event("df-orders-eu-0"), vec!["shop/orders-eu"]),
        (event("somebody-else"), vec![]),
    ] {
        let touched = seen(&mut world, object.clone());
        assert_eq!(names(&touched), wanted, "{object:?}");
        assert!(touched.operators.is_empty() && touched.links.is_empty());
    }
    let lease = Object::OperatorLease(Arc::new(Lease {
        meta: unlabelled("31079dea.dragonflydb.io"),
        ..Lease::default()
    }));
    let touched = seen(&mut world, lease);
    assert_eq!(touched.operators, [infra()].into());
    assert!(touched.instances.is_empty());
    // What goes touches what it belonged to.
    assert_eq!(
        names(&gone(&mut world, Kind::Pod, "shop", "orders-0")),
        ["shop/orders"]
    );
    assert!(gone(&mut world, Kind::Pod, "shop", "never-there").is_empty());
}

#[test]
fn a_heartbeat_is_no_news_but_a_broken_one_is() {
    let mut world = opened(&["infra"]);
    let live = |ms| Link::Live {
        rtt: Duration::from_millis(ms),
    };
    let cut = |message| Link::Unreachable {
        fault: Fault::new(FaultKind::Timeout, message),
        retry_at: now(),
    };
    for (link, links, shown) in [
        (live(1), true, true),
        (live(1), false, false),
        (live(2), false, true),
        (cut("dial timeout"), true, true),
        (cut("dial timeout"), false, false),
        (cut("refused"), true, true),
        (live(2), true, true),
    ] {
        let touched = world.apply(
            Fact::Linked {
                context: infra(),
                link: link.clone(),
            },
            now(),
        );
        assert_eq!(
            (!touched.links.is_empty(), touched.shown),
            (links, shown),
            "{link:?}"
        );
    }
}

#[test]
fn the_time_it_was_heard_outlives_the_link() {
    let mut world = opened(&["infra"]);
    let linked = |link| Fact::Linked {
        context: infra(),
        link,
    };
    world.apply(
        linked(Link::Live {
            rtt: Duration::ZERO,
        }),
        ago(40),
    );
    let fault = Fault::new(FaultKind::Timeout, "dial timeout");
    let cut = Link::Unreachable {
        fault,
        retry_at: now(),
    };
    world.apply(linked(cut.clone()), ago(30));
    world.apply(linked(cut), ago(20));
    let context = world.context(&infra()).unwrap();
    assert_eq!(
        (context.heard, context.link_since),
        (Some(ago(40)), ago(30))
    );
    assert!(!context.is_live());
}

#[test]
fn garbled_objects_are_kept_by_name_until_they_are_understood() {
    let mut world = opened(&["infra"]);
    let garble = |world: &mut World, namespace: &str, name: &str| {
        world.apply(
            Fact::Garbled {
                context: infra(),
                kind: Kind::Pod,
                namespace: Arc::from(namespace),
                name: Arc::from(name),
                problem: "it has no metadata.name".to_owned(),
            },
            now(),
        )
    };
    let count = |world: &World| world.context(&infra()).unwrap().garbled.len();
    assert!(garble(&mut world, "shop", "").links.contains(&infra()));
    garble(&mut world, "shop", "orders-0");
    garble(&mut world, "harbor", "cache-0");
    assert_eq!(count(&world), 3);
    seen(&mut world, pod("shop", "orders-0", "a", "orders"));
    assert_eq!(count(&world), 2);
    gone(&mut world, Kind::Pod, "harbor", "cache-0");
    assert_eq!(count(&world), 1);
    list(&mut world, Kind::Service, in_namespace("shop"), vec![]);
    assert_eq!(count(&world), 1, "another kind's list");
    list(&mut world, Kind::Pod, in_namespace("shop"), vec![]);
    assert_eq!(count(&world), 0);
}

#[test]
fn a_question_given_up_takes_its_answers_along() {
    let mut world = opened(&["infra"]);
    seen(&mut world, dragonfly("shop", "orders"));
    list(
        &mut world,
        Kind::Pod,
        in_namespace("shop"),
        vec![pod("shop", "orders-0", "a", "orders")],
    );
    let touched = world.apply(
        Fact::Unwatched {
            context: infra(),
            kind: Kind::Pod,
            scope: in_namespace("shop"),
        },
        now(),
    );
    assert_eq!(names(&touched), ["shop/orders"]);
    assert!(touched.links.contains(&infra()));
    assert!(pods(&world).is_empty());
    assert!(world.context(&infra()).unwrap().sources.is_empty());
}

#[test]
fn facts_about_a_context_that_is_not_open_change_nothing() {
    let mut world = World::default();
    assert!(seen(&mut world, pod("shop", "orders-0", "a", "orders")).is_empty());
    assert!(probed(&mut world, "orders-0", "a", ping()).is_empty());
    assert_eq!(world.contexts().count(), 0);
}

#[test]
fn an_object_changed_keeps_when_it_was_first_seen() {
    let mut world = opened(&["infra"]);
    let at = |world: &mut World, object: Object, at| {
        world.apply(
            Fact::Seen {
                context: infra(),
                object,
            },
            at,
        );
        let context = world.context(&infra()).unwrap();
        let held = context.pods.get("shop", "orders-0").unwrap();
        (held.first_seen, held.changed)
    };
    let plain = || pod("shop", "orders-0", "a", "orders");
    let mut other = Pod {
        meta: meta("shop", "orders-0", "a", "orders"),
        ..Pod::default()
    };
    other.phase = "Running".to_owned();
    assert_eq!(at(&mut world, plain(), ago(50)), (ago(50), ago(50)));
    assert_eq!(at(&mut world, plain(), ago(40)), (ago(50), ago(50)));
    let changed = Object::Pod(Arc::new(other));
    assert_eq!(at(&mut world, changed, ago(30)), (ago(50), ago(30)));
    let another = pod("shop", "orders-0", "b", "orders");
    assert_eq!(at(&mut world, another, ago(20)), (ago(20), ago(20)));
}

#[test]
fn a_pod_that_moves_to_another_instance_leaves_the_first() {
    let mut world = opened(&["infra"]);
    seen(&mut world, dragonfly("shop", "orders"));
    seen(&mut world, dragonfly("shop", "carts"));
    seen(&mut world, pod("shop", "x-0", "a", "orders"));
    let touched = seen(&mut world, pod("shop", "x-0", "a", "carts"));
    assert_eq!(names(&touched), ["shop/carts", "shop/orders"]);
    let nodes = |name: &str| {
        let id = InstanceId::new(infra(), "shop", name);
        world.instance(&id).unwrap().nodes.len()
    };
    assert_eq!((nodes("orders"), nodes("carts")), (0, 1));
}

#[test]
fn events_are_bounded_and_the_oldest_go_first() {
    let mut world = opened(&["infra"]);
    for i in 0..1_500_i64 {
        let event = Event {
            meta: meta("shop", &format!("e{i}"), "u", "orders"),
            at: Some(ago(10_000 - i)),
            ..Event::default()
        };
        seen(&mut world, Object::Event(Arc::new(event)));
    }
    let events = &world.context(&infra()).unwrap().events;
    assert!(events.len() <= 1_200, "{}", events.len());
    assert!(events.get("shop", "e1499").is_some());
    assert!(events.get("shop", "e0").is_none());
}

#[test]
fn a_refused_cluster_gives_way_to_its_namespaces() {
    let shop = || Scope::Namespace(Arc::from("shop"));
    let kind = Kind::Dragonfly;
    let refused = |scope| Fact::Watched {
        context: infra(),
        kind,
        scope,
        access: Access::Denied(Fault::new(FaultKind::Forbidden, "forbidden")),
    };
    let listed = || Fact::Listed {
        context: infra(),
        kind,
        scope: shop(),
        objects: vec![],
    };
    let unasked = || Fact::Unwatched {
        context: infra(),
        kind,
        scope: Scope::Cluster,
    };
    // Which facts come; whether the kind counts as listed, how many troubled questions there are, and what is superseded.
    for (facts, wanted) in [
        (vec![refused(Scope::Cluster)], (false, 1, 0)),
        (vec![refused(Scope::Cluster), listed()], (true, 0, 1)),
        (
            vec![refused(Scope::Cluster), refused(shop())],
            (false, 1, 1),
        ),
        (vec![listed()], (true, 0, 0)),
    ] {
        let mut f = healthy().build();
        f.tell(unasked(), ago(10));
        for fact in facts {
            f.tell(fact, ago(9));
        }
        let context = f.world.context(&infra()).unwrap();
        assert_eq!(
            (
                context.has_listed(kind),
                context.troubled_sources().count(),
                context.superseded_sources().count(),
            ),
            wanted
        );
    }
}

fn says(role: Role, replid: &str, offset: Option<u64>) -> Probe {
    Probe::Replication(Replication {
        replid: Some(replid.to_owned()),
        side: match role {
            Role::Master => Side::Master {
                connected: 0,
                replicas: Vec::new(),
            },
            Role::Replica => Side::Replica(Follower {
                offset,
                ..Follower::default()
            }),
        },
    })
}

fn keys(keys: u64) -> Probe {
    Probe::Keyspace(Keyspace {
        keys,
        ..Keyspace::default()
    })
}

fn up(seconds: u64) -> Probe {
    Probe::Server(Server {
        uptime: Some(seconds),
        ..Server::default()
    })
}

#[test]
fn what_changed_in_an_instance_is_kept_with_what_was_there_before() {
    let mut f = instance("orders").node(master()).node(replica()).build();
    let moments = |f: &crate::domain::fixture::Fixture| -> Vec<(i64, String, Turn, Option<u64>)> {
        let context = f.world.context(&infra()).unwrap();
        let history = context.history("shop", "orders");
        history
            .into_iter()
            .flat_map(History::moments)
            .map(|m| {
                (
                    now().as_second() - m.at.as_second(),
                    m.pod.to_string(),
                    m.turn.clone(),
                    m.keys,
                )
            })
            .collect()
    };
    f.answers("orders-1", says(Role::Replica, "c1d276f4", Some(70)), now());
    assert_eq!(moments(&f), [], "nothing changed");
    f.answers("orders-1", keys(900), ago(-1));
    f.answers("orders-1", says(Role::Master, "ffff", None), ago(-2));
    f.relabel("orders-1", Some(Role::Master), ago(-3));
    f.answers("orders-0", up(5_000), ago(-3));
    f.answers("orders-0", up(5_010), ago(-13));
    f.answers("orders-0", up(2), ago(-23));
    f.answers("orders-0", up(3), ago(-24));
    f.tell(
        Fact::Gone {
            context: infra(),
            kind: Kind::Pod,
            namespace: Arc::from("shop"),
            name: Arc::from("orders-0"),
        },
        ago(-30),
    );
    let role = Turn::Role {
        from: Role::Replica,
        to: Role::Master,
    };
    let replid = Turn::Replid {
        from: "c1d276f4".to_owned(),
        to: "ffff".to_owned(),
    };
    let label = Turn::Label {
        from: Some(Role::Replica),
        to: Some(Role::Master),
    };
    let (zero, one) = ("orders-0".to_owned(), "orders-1".to_owned());
    assert_eq!(
        moments(&f),
        [
            (-2, one.clone(), role, Some(900)),
            (-2, one.clone(), replid, Some(900)),
            (-3, one, label, Some(900)),
            (-23, zero.clone(), Turn::Restarted, Some(1_000)),
            (-30, zero, Turn::Gone, Some(1_000)),
        ]
    );
    let context = f.world.context(&infra()).unwrap();
    let history = context.history("shop", "orders").unwrap();
    let last = history.last_of("orders-1", |turn| matches!(turn, Turn::Role { .. }));
    assert_eq!(last.and_then(|m| m.offset), Some(70));
    // Flapping for a day is remembered for its end only, and forgotten with the instance.
    for second in 0..500 {
        let role = [Role::Master, Role::Replica][second % 2];
        f.answers(
            "orders-1",
            says(role, "ffff", None),
            ago(-40 - second as i64),
        );
    }
    assert_eq!(moments(&f).len(), History::LENGTH);
    f.tell(
        Fact::Gone {
            context: infra(),
            kind: Kind::Dragonfly,
            namespace: Arc::from("shop"),
            name: Arc::from("orders"),
        },
        ago(-900),
    );
    assert_eq!(moments(&f), []);
}

#[test]
fn a_rate_is_told_over_the_time_that_the_figures_are_from() {
    let mut f = instance("orders").node(master()).build();
    let rate = |f: &crate::domain::fixture::Fixture, seconds| {
        let engine = f
            .world
            .context(&infra())
            .unwrap()
            .engine("shop", "orders-0");
        engine.unwrap().keys.rate(seconds)
    };
    assert_eq!(rate(&f, 10), None, "one figure is no rate");
    f.answers("orders-0", keys(2_000), ago(-9));
    assert_eq!(rate(&f, 10), Some(100.0));
    f.answers("orders-0", keys(2_000), ago(-14));
    assert_eq!(rate(&f, 5), Some(0.0));
    assert_eq!(rate(&f, 4), None, "nothing else in that time");
    f.answers("orders-0", keys(1_000), ago(-19));
    assert_eq!(rate(&f, 5), Some(-200.0));
    for second in 0..200 {
        f.answers("orders-0", keys(second), ago(-20 - second as i64));
    }
    let context = f.world.context(&infra()).unwrap();
    let series = &context.engine("shop", "orders-0").unwrap().keys;
    assert_eq!(
        (series.figures().len(), series.last()),
        (Series::LENGTH, Some(199))
    );
    // Clocks that are set back make no rate of it.
    f.answers("orders-0", keys(7), ago(100));
    assert_eq!(rate(&f, 10), None);
}

#[test]
fn a_page_tells_the_role_where_a_forward_is_forbidden_and_each_way_says_why() {
    let mut f = instance("orders").node(master()).node(replica()).build();
    let forbidden = || Fault::new(FaultKind::Forbidden, "may not create pods/portforward");
    let tried = |f: &mut crate::domain::fixture::Fixture, way, fault: Option<Fault>, at| {
        let uid = Arc::from("uid-orders-1");
        let node = NodeId::new(infra(), "shop", "orders-1");
        f.tell(
            Fact::Tried {
                node,
                uid,
                way,
                fault,
            },
            at,
        )
    };
    tried(&mut f, Way::PortForward, Some(forbidden()), now());
    f.silent("orders-1", None, forbidden(), now());
    let touched = tried(&mut f, Way::PortForward, Some(forbidden()), ago(-5));
    assert!(!touched.instances.is_empty());
    let engine = |f: &crate::domain::fixture::Fixture| {
        let context = f.world.context(&infra()).unwrap();
        context.engine("shop", "orders-1").unwrap().clone()
    };
    assert!(!engine(&f).speaks());
    assert_eq!(engine(&f).way(), None);
    assert_eq!(
        engine(&f).ways[&Way::PortForward].at,
        now(),
        "since the first time"
    );
    tried(&mut f, Way::PodProxy, None, ago(-6));
    let page = Metrics {
        role: Some(Role::Master),
        ..Metrics::default()
    };
    f.answers("orders-1", Probe::Metrics(Box::new(page)), ago(-6));
    assert_eq!(engine(&f).way(), Some(Way::PodProxy));
    assert_eq!(
        engine(&f).engine_role().map(|k| k.value),
        Some(Role::Master)
    );
    assert!(engine(&f).speaks());
}

#[test]
fn only_what_every_engine_is_asked_counts_as_silence() {
    let mut f = instance("orders").node(master()).build();
    let refused = || Fault::new(FaultKind::Refused, "unknown command");
    let late = || Fault::new(FaultKind::Timeout, "INFO REPLICATION: no answer within 2 s");
    f.silent("orders-0", Some(Question::SlowLog), refused(), now());
    let engine = |f: &crate::domain::fixture::Fixture| {
        let context = f.world.context(&infra()).unwrap();
        context.engine("shop", "orders-0").unwrap().clone()
    };
    assert!(engine(&f).first_silence().is_none());
    assert!(!engine(&f).stands(Question::SlowLog));
    assert_eq!(engine(&f).hung().count(), 0);
    f.silent("orders-0", Some(Question::Replication), late(), now());
    assert_eq!(
        engine(&f).first_silence().map(|s| s.0),
        Some(Some(Question::Replication))
    );
    let hung: Vec<_> = engine(&f).hung().map(|(question, ..)| question).collect();
    assert_eq!(hung, [Question::Replication]);
}

#[test]
fn a_clock_that_is_wrong_is_told_once_and_moments_are_put_to_ours() {
    let mut f = healthy().build();
    let mut dated = |ahead: i64, seconds: i64| {
        let context = infra();
        f.tell(Fact::Dated { context, ahead }, ago(seconds))
    };
    assert!(dated(0, 9).is_empty(), "as ours");
    assert!(dated(1, 8).is_empty(), "told to the second");
    let wrong = dated(3 * 3_600, 7);
    assert!(wrong.links.contains(&infra()), "set");
    assert!(dated(3 * 3_600 - 1, 6).is_empty(), "known already");
    let context = f.world.context(&infra()).unwrap();
    // A second to and fro is no other time: ages would jump with every beat.
    let ahead = 3 * 3_600;
    assert_eq!(context.by_our_clock(ago(-ahead)), now());
    assert_eq!(context.by_its_clock(now()), ago(-ahead));
    // Machines differ by less among themselves.
    let context = infra();
    f.tell(Fact::Dated { context, ahead: 59 }, ago(5));
    let context = f.world.context(&infra()).unwrap();
    assert_eq!(context.by_our_clock(ago(100)), ago(100));
    let told = f.answers("orders-0", Probe::Time(ago(7_200)), ago(0));
    assert!(told.links.contains(&infra()), "an engine's");
    assert!(
        f.answers("orders-0", Probe::Time(ago(7_201)), ago(0))
            .links
            .is_empty()
    );
    let context = f.world.context(&infra()).unwrap();
    let engine = context.engine("shop", "orders-0").unwrap();
    assert_eq!(engine.by_our_clock(ago(7_261)), ago(60));
}

#[test]
fn a_pace_counts_from_the_last_fall_and_growth_leaves_falls_out() {
    let series = |figures: &[(i64, u64)]| {
        let mut f = instance("orders").node(master()).build();
        for (later, keys) in figures {
            let keyspace = Keyspace {
                keys: *keys,
                ..Keyspace::default()
            };
            f.answers("orders-0", Probe::Keyspace(keyspace), ago(-later));
        }
        let context = f.world.context(&infra()).unwrap();
        context.engine("shop", "orders-0").unwrap().keys.clone()
    };
    // The fixture itself tells 1,000 keys a second before now.
    for (figures, climb, growth) in [
        (&[][..], None, vec![]),
        (&[(9, 2_000)], Some(100.0), vec![100]),
        // Thrown away, and coming again.
        (&[(1, 0), (11, 500)], Some(50.0), vec![50]),
        (&[(1, 0), (2, 0)], Some(0.0), vec![0]),
        // What is longer ago than the time that is asked for.
        (&[(40, 1_000), (50, 2_000)], Some(100.0), vec![0, 100]),
    ] {
        let keys = series(figures);
        assert_eq!(keys.climb(30), climb, "{figures:?}");
        let grown: Vec<u64> = keys.growth().map(|(_, rate)| rate).collect();
        assert_eq!(grown, growth, "{figures:?}");
    }
}

#[test]
fn a_try_at_a_data_port_is_news_when_it_finds_something_else() {
    use crate::domain::data_port::{DataPort, Found, Stage};
    let mut f = crate::domain::fixture::healthy().build();
    for (name, found, wanted) in [
        ("usable, the first time", Found::Usable, false),
        ("as before", Found::Usable, false),
        ("hangs", Found::TimedOut, true),
        ("still", Found::TimedOut, false),
        ("well again", Found::Usable, true),
    ] {
        let fact = Fact::Knocked {
            node: NodeId::new(crate::domain::fixture::infra(), "shop", "orders-0"),
            uid: "uid-orders-0".into(),
            tried: Box::new(DataPort {
                found,
                stage: Stage::Command,
                took: std::time::Duration::ZERO,
                certificate: None,
                logged_in: false,
            }),
        };
        let touched = f.tell(fact, crate::domain::fixture::ago(1));
        assert_eq!(
            (touched.news, touched.is_empty()),
            (wanted, false),
            "{name}"
        );
    }
}
