//! Standing questions: lists told whole, changes told all, and what cannot be asked told as such.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::api::{Act, Api, Asked, dragonfly, empty, event, list, pod};
use super::*;
use crate::domain::fact::{Access, Scope};
use crate::domain::{FaultKind, InstanceId};

const DRAGONFLIES: &str = "/apis/dragonflydb.io/v1alpha1/dragonflies";

/// An empty cluster but for the Dragonfly objects, which are as `script` says.
fn dragonflies(
    script: impl Fn(&Asked) -> Act + Send + Sync,
) -> impl Fn(&Asked) -> Act + Send + Sync {
    move |asked| {
        if asked.path == DRAGONFLIES {
            script(asked)
        } else {
            empty(asked)
        }
    }
}

fn access(context: &ContextWorld, kind: Kind) -> Option<Access> {
    context.source(kind, "ns")?.access.clone()
}

fn page(revision: &str, next: &str, items: Vec<Value>) -> Act {
    Act::json(json!({"metadata": {"resourceVersion": revision, "continue": next}, "items": items}))
}

fn lists_told(it: &Followed) -> Vec<usize> {
    it.facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Listed {
                kind: Kind::Dragonfly,
                objects,
                ..
            } => Some(objects.len()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn what_is_asked_is_narrow_and_never_a_secret() {
    let api = Api::start(|asked| match asked.path.as_str() {
        DRAGONFLIES if !asked.is_watch() => {
            // With a claim of its own, so that every question arises.
            let mut one = dragonfly("ns", "a", "1");
            one["spec"]["snapshot"]["existingPersistentVolumeClaimName"] = "mine".into();
            list("1", vec![one])
        }
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("all listed", |c| Kind::ALL.iter().all(|k| c.has_listed(*k)))
        .await;
    for kind in Kind::ALL {
        it.during(api.wait_for(|a| a.is_watch() && a.path.ends_with(kind.resource())))
            .await;
    }
    let log = api.log();
    let watches: BTreeSet<(String, bool)> = log
        .iter()
        .filter(|a| a.is_watch())
        .map(|a| {
            let selects =
                a.query.contains_key("labelSelector") || a.query.contains_key("fieldSelector");
            assert_eq!(a.query["allowWatchBookmarks"], "true");
            assert_eq!(a.query["timeoutSeconds"], "2");
            assert_eq!(a.query["resourceVersion"], "1");
            assert_eq!(a.headers["accept-encoding"], "identity");
            (a.path.clone(), selects)
        })
        .collect();
    let (in_namespaces, wide): (Vec<_>, Vec<_>) = watches
        .iter()
        .partition(|(path, _)| path.contains("/namespaces/ns/"));
    assert_eq!(in_namespaces.len(), 4, "{in_namespaces:?}");
    // Both questions about pods share a path.
    assert!(wide.len() <= 12, "{wide:?}");
    for (path, selects) in wide {
        assert!(
            *selects || path == DRAGONFLIES,
            "{path} asks for everything"
        );
    }
    assert!(!log.iter().any(|a| a.path.contains("secrets")));
}

#[tokio::test]
async fn a_list_is_told_whole_or_not_at_all() {
    let second_page: Vec<(&str, Act)> = vec![
        ("refused", Act::status(500, "no")),
        (
            "cut",
            Act::Raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"metadata\":{\"name\":\"b\",\"namespace\":\"ns\"}}",
            ),
        ),
        ("html", Act::Answer(200, "<html>".to_owned())),
        ("not a list", Act::json(json!({"kind": "Status"}))),
        ("silent", Act::Silence),
    ];
    for (name, bad) in second_page {
        let api = Api::start(dragonflies(move |asked| {
            if asked.is_watch() {
                return Act::Hold(vec![]);
            }
            match asked.query.get("continue") {
                None => page("7", "t/1=", vec![dragonfly("ns", "a", "1")]),
                Some(token) => {
                    assert_eq!(token, "t%2F1%3D");
                    // Asked for pages of lists: 1, 2 (bad), 1, 2.
                    if asked.before < 2 {
                        bad.clone()
                    } else {
                        page("7", "", vec![dragonfly("ns", "b", "1")])
                    }
                }
            }
        }))
        .await;
        let mut it = Followed::api(&api);
        it.until("trouble", |c| {
            matches!(access(c, Kind::Dragonfly), Some(Access::Broken(_)))
        })
        .await;
        assert_eq!(it.dragonflies(), Vec::<String>::new(), "{name}");
        it.until("whole", |c| c.has_listed(Kind::Dragonfly)).await;
        assert_eq!(it.dragonflies(), ["ns/a", "ns/b"], "{name}");
        assert_eq!(lists_told(&it), [2], "{name}");
        assert_eq!(access(it.context(), Kind::Dragonfly), Some(Access::Live));
    }
}

#[tokio::test]
async fn pages_that_expire_begin_again_and_at_last_come_in_one() {
    let api = Api::start(dragonflies(|asked| {
        if asked.is_watch() {
            return Act::Hold(vec![]);
        }
        match (asked.query.get("continue"), asked.query.get("limit")) {
            (Some(_), _) => Act::status(410, "expired"),
            (None, Some(_)) => page("7", "t", vec![dragonfly("ns", "a", "1")]),
            (None, None) => page(
                "8",
                "",
                vec![dragonfly("ns", "a", "1"), dragonfly("ns", "b", "1")],
            ),
        }
    }))
    .await;
    let mut it = Followed::api(&api);
    it.until("whole", |c| c.has_listed(Kind::Dragonfly)).await;
    assert_eq!(lists_told(&it), [2]);
    let watch = it
        .during(api.wait_for(|a| a.path == DRAGONFLIES && a.is_watch()))
        .await;
    assert_eq!(watch.query["resourceVersion"], "8");
}

#[tokio::test]
async fn changes_are_followed_and_a_cut_watch_goes_on_where_it_was() {
    for (name, ends) in [("cut", false), ("ended", true)] {
        let api = Api::start(dragonflies(move |asked| {
            if !asked.is_watch() {
                return list(
                    "5",
                    vec![dragonfly("ns", "a", "3"), dragonfly("ns", "b", "4")],
                );
            }
            let lines = match asked.query["resourceVersion"].as_str() {
                "5" => vec![
                    event("ADDED", dragonfly("ns", "c", "6")),
                    event("DELETED", dragonfly("ns", "a", "7")),
                    event(
                        "BOOKMARK",
                        json!({"kind": "Dragonfly", "metadata": {"resourceVersion": "9"}}),
                    ),
                ],
                "9" => return Act::Hold(vec![event("MODIFIED", dragonfly("ns", "d", "10"))]),
                other => panic!("nobody asked for {other}"),
            };
            if ends {
                Act::End(lines)
            } else {
                Act::Cut(lines)
            }
        }))
        .await;
        let mut it = Followed::api(&api);
        it.until("d is there", |c| c.dragonflies.get("ns", "d").is_some())
            .await;
        assert_eq!(it.dragonflies(), ["ns/b", "ns/c", "ns/d"], "{name}");
        assert_eq!(lists_told(&it), [2], "{name}: nothing was listed anew");
    }
}

#[tokio::test]
async fn a_revision_that_expired_lists_anew_and_swaps_whole() {
    let gone = json!({"kind": "Status", "code": 410, "message": "too old resource version", "reason": "Expired"});
    for (name, act) in [
        ("at once", Act::status(410, "too old")),
        (
            "in the stream",
            Act::End(vec![
                event("ADDED", dragonfly("ns", "c", "6")),
                event("ERROR", gone),
            ]),
        ),
    ] {
        let api = Api::start(dragonflies(move |asked| {
            match (asked.is_watch(), asked.before) {
                (false, 0) => list(
                    "5",
                    vec![dragonfly("ns", "a", "1"), dragonfly("ns", "b", "1")],
                ),
                (false, _) => list(
                    "50",
                    vec![dragonfly("ns", "b", "1"), dragonfly("ns", "z", "40")],
                ),
                (true, 0) => act.clone(),
                (true, _) => Act::Hold(vec![]),
            }
        }))
        .await;
        let mut it = Followed::api(&api);
        it.until("z is there", |c| c.dragonflies.get("ns", "z").is_some())
            .await;
        assert_eq!(it.dragonflies(), ["ns/b", "ns/z"], "{name}");
        let watch = it
            .during(api.wait_for(|a| a.path == DRAGONFLIES && a.is_watch() && a.before == 1))
            .await;
        assert_eq!(watch.query["resourceVersion"], "50", "{name}");
        let troubled = it.facts.iter().any(|fact| {
            matches!(
                fact,
                Fact::Watched {
                    access: Access::Broken(_),
                    ..
                }
            )
        });
        assert!(!troubled, "{name}: an expired revision is no trouble");
    }
}

#[tokio::test]
async fn trouble_in_a_watch_is_told_and_passes() {
    let status = json!({"kind": "Status", "code": 500, "message": "etcd is away"});
    let cases: Vec<(&str, Act, FaultKind)> = vec![
        ("refused", Act::status(503, "away"), FaultKind::Refused),
        (
            "html",
            Act::Answer(502, "<html>".to_owned()),
            FaultKind::Protocol,
        ),
        (
            "html in the stream",
            Act::Answer(200, "<html>\n".to_owned()),
            FaultKind::Protocol,
        ),
        (
            "an error in the stream",
            Act::End(vec![event("ERROR", status)]),
            FaultKind::Refused,
        ),
        (
            "an unknown event",
            Act::End(vec![event("SURPRISE", json!({}))]),
            FaultKind::Protocol,
        ),
        ("silent", Act::Silence, FaultKind::Timeout),
    ];
    for (name, act, kind) in cases {
        let api = Api::start(dragonflies(move |asked| {
            match (asked.is_watch(), asked.before) {
                (false, _) => list("5", vec![dragonfly("ns", "a", "1")]),
                (true, 0) => act.clone(),
                (true, _) => Act::Hold(vec![event("ADDED", dragonfly("ns", "b", "6"))]),
            }
        }))
        .await;
        let mut it = Followed::api(&api);
        it.until(name, |c| {
            matches!(access(c, Kind::Dragonfly), Some(Access::Broken(fault)) if fault.kind == kind)
        })
        .await;
        assert_eq!(it.dragonflies(), ["ns/a"], "{name}: what is known is kept");
        it.until("passed", |c| c.dragonflies.get("ns", "b").is_some())
            .await;
        assert_eq!(
            access(it.context(), Kind::Dragonfly),
            Some(Access::Live),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_watch_that_falls_silent_is_asked_for_again() {
    let api = Api::start(dragonflies(|asked| {
        match (asked.is_watch(), asked.before) {
            (false, _) => list("5", vec![]),
            // The server ought to end it after two seconds, and does not.
            (true, 0) => Act::Hold(vec![]),
            (true, _) => Act::Hold(vec![event("ADDED", dragonfly("ns", "b", "6"))]),
        }
    }))
    .await;
    let mut it = Followed::api(&api);
    it.until("noticed", |c| c.dragonflies.get("ns", "b").is_some())
        .await;
    assert_eq!(lists_told(&it), [0]);
}

#[tokio::test]
async fn one_odd_object_fails_nothing() {
    let odd = || json!({"metadata": {"namespace": "ns"}, "spec": 7});
    let alien = json!({"metadata": {"namespace": "ns", "name": "alien", "resourceVersion": "1"}, "spec": {"replicas": "many", "new": {}}, "status": []});
    let api = Api::start(dragonflies(move |asked| {
        if asked.is_watch() {
            Act::Hold(vec![
                event("ADDED", json!("not even an object")),
                event("ADDED", dragonfly("ns", "b", "6")),
            ])
        } else {
            list(
                "5",
                vec![odd(), dragonfly("ns", "a", "1"), json!(3), alien.clone()],
            )
        }
    }))
    .await;
    let mut it = Followed::api(&api);
    it.until("b is there", |c| c.dragonflies.get("ns", "b").is_some())
        .await;
    assert_eq!(it.dragonflies(), ["ns/a", "ns/alien", "ns/b"]);
    assert!(!it.context().garbled.is_empty());
}

#[tokio::test]
async fn where_only_namespaces_are_permitted_they_are_read_and_the_rest_is_stated() {
    let api = Api::start(|asked| match asked.path.as_str() {
        path if path.contains("/namespaces/") || path == "/version" => match path {
            "/apis/dragonflydb.io/v1alpha1/namespaces/ns/dragonflies" if !asked.is_watch() => {
                list("1", vec![dragonfly("ns", "a", "1")])
            }
            _ => empty(asked),
        },
        _ => Act::status(403, "forbidden"),
    })
    .await;
    for confined in [true, false] {
        let mut plan = if confined {
            ContextPlan::paced(entry("c", &api.url, "{}"), quick())
        } else {
            // Not confined, but the kubeconfig's context names a namespace.
            ContextPlan::paced(entry_in("c", &api.url, "{}", "ns"), quick())
        };
        if confined {
            plan.namespaces = vec![Arc::from("ns"), Arc::from("two")];
        }
        let mut it = Followed::plan(plan);
        it.until("read", |c| {
            c.instances().count() == 1
                && matches!(access(c, Kind::Pdb), Some(Access::Live))
                && matches!(access(c, Kind::OperatorPod), Some(Access::Live))
                && matches!(access(c, Kind::Crd), Some(Access::Denied(_)))
        })
        .await;
        assert_eq!(it.dragonflies(), ["ns/a"]);
        let denied: BTreeSet<Kind> = it
            .context()
            .sources
            .iter()
            .filter(|((_, scope), source)| {
                *scope == Scope::Cluster && matches!(source.access, Some(Access::Denied(_)))
            })
            .map(|((kind, _), _)| *kind)
            .collect();
        if confined {
            // What the plan leaves out is not even asked for; the operator is looked for everywhere.
            let wanted = [
                Kind::Crd,
                Kind::OperatorDeployment,
                Kind::OperatorPod,
                Kind::OperatorLease,
            ];
            assert_eq!(denied, BTreeSet::from(wanted));
        } else {
            assert_eq!(denied, standing::WIDE.iter().copied().collect());
        }
        let Some(Access::Denied(fault)) = it.context().sources[&(Kind::Crd, Scope::Cluster)]
            .access
            .clone()
        else {
            panic!("not denied");
        };
        assert_eq!(
            fault.message,
            "may not list customresourcedefinitions in the whole cluster"
        );
    }
}

#[tokio::test]
async fn a_server_that_has_not_read_its_roles_yet_is_asked_again_soon() {
    for (name, verb_is_watch, namespace) in [
        ("lists", false, ""),
        ("watches", true, ""),
        ("lists, where namespaces could be read instead", false, "ns"),
    ] {
        let api = Api::start(move |asked| {
            let refused = asked.path != "/version" && asked.is_watch() == verb_is_watch;
            if refused && asked.before < 2 {
                Act::status(403, "forbidden")
            } else {
                empty(asked)
            }
        })
        .await;
        let entry = entry_in("c", &api.url, "{}", namespace);
        let mut it = Followed::plan(ContextPlan::paced(entry, quick()));
        // Two refusals' rests would be a minute or more.
        it.until(name, |c| {
            let asked_thrice = api.log().iter().any(|asked| {
                asked.path == DRAGONFLIES && asked.is_watch() == verb_is_watch && asked.before == 2
            });
            asked_thrice
                && standing::WIDE.iter().all(|kind| {
                    let source = c.sources.get(&(*kind, Scope::Cluster));
                    source.is_some_and(|source| source.access == Some(Access::Live))
                })
        })
        .await;
    }
}

#[tokio::test]
async fn a_right_that_stays_missing_is_at_last_believed() {
    let api = Api::start(dragonflies(|_| Act::status(403, "forbidden"))).await;
    let mut it = Followed::api(&api);
    let asked = |path: &str| api.log().iter().filter(|a| a.path == path).count();
    it.until("doubted", |_| asked(DRAGONFLIES) == 4).await;
    // As long as the longest doubt lasts, five of the shortest waits, and more: two beats are 90 ms and longer.
    let beats = asked("/version") + 5;
    it.until("time", |_| asked("/version") >= beats).await;
    assert_eq!(asked(DRAGONFLIES), 4);
}

#[tokio::test]
async fn one_missing_right_takes_away_one_kind() {
    let api = Api::start(|asked| match asked.path.as_str() {
        "/api/v1/persistentvolumeclaims" => Act::status(403, "forbidden"),
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("denied", |c| {
        matches!(access(c, Kind::Pvc), Some(Access::Denied(_)))
    })
    .await;
    it.until("the rest", |c| {
        standing::WIDE.iter().filter(|k| c.has_listed(**k)).count() == 9
    })
    .await;
    // Granted, and the reader asks for a try.
    api.play(empty);
    it.focus.send_modify(|focus| focus.nudges += 1);
    it.until("granted", |c| {
        matches!(access(c, Kind::Pvc), Some(Access::Live))
    })
    .await;
}

#[tokio::test]
async fn an_api_that_is_absent_is_found_as_soon_as_its_crd_comes() {
    let crd = || json!({"metadata": {"name": "dragonflies.dragonflydb.io", "uid": "u", "resourceVersion": "6"}});
    let is_crd = |asked: &Asked| asked.path.ends_with("/customresourcedefinitions");
    let installed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let served = installed.clone();
    let api = Api::start(move |asked| {
        let there = served.load(std::sync::atomic::Ordering::SeqCst);
        match asked.path.as_str() {
            DRAGONFLIES if !there => Act::Answer(404, "404 page not found\n".to_owned()),
            DRAGONFLIES if !asked.is_watch() => list("7", vec![dragonfly("ns", "a", "7")]),
            _ if is_crd(asked) && !asked.is_watch() => list("5", vec![]),
            // Installed when the second watch begins.
            _ if is_crd(asked) && asked.before == 1 => {
                served.store(true, std::sync::atomic::Ordering::SeqCst);
                Act::Hold(vec![event("ADDED", crd())])
            }
            _ => empty(asked),
        }
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("absent", |c| {
        access(c, Kind::Dragonfly) == Some(Access::Absent)
    })
    .await;
    let began = Instant::now();
    it.until("found", |c| c.instances().count() == 1).await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it waited for its rest to end"
    );
    // And gone again: what was listed goes with it.
    api.play(|asked| match asked.path.as_str() {
        DRAGONFLIES => Act::Answer(404, "404 page not found\n".to_owned()),
        _ => empty(asked),
    });
    installed.store(false, std::sync::atomic::Ordering::SeqCst);
    it.until("absent again", |c| {
        access(c, Kind::Dragonfly) == Some(Access::Absent)
    })
    .await;
    assert_eq!(it.dragonflies(), Vec::<String>::new());
}

#[tokio::test]
async fn the_server_says_when_to_come_again() {
    let api = Api::start(dragonflies(|asked| {
        match (asked.is_watch(), asked.before) {
            (true, _) => Act::Hold(vec![]),
            (false, 0) => Act::With(429, "retry-after", "1"),
            (false, _) => list("1", vec![]),
        }
    }))
    .await;
    let mut it = Followed::api(&api);
    it.until("slowed down", |c| {
        matches!(access(c, Kind::Dragonfly), Some(Access::Broken(_)))
    })
    .await;
    it.until("listed", |c| c.has_listed(Kind::Dragonfly)).await;
    let times: Vec<Instant> = api
        .log()
        .iter()
        .filter(|a| a.path == DRAGONFLIES && !a.is_watch())
        .map(|a| a.at)
        .collect();
    assert!(
        times[1] - times[0] >= Duration::from_millis(950),
        "{:?}",
        times[1] - times[0]
    );
}

#[tokio::test]
async fn namespaces_are_watched_while_they_have_an_instance() {
    let api = Api::start(dragonflies(|asked| {
        match (asked.is_watch(), asked.before) {
            (false, _) => list(
                "5",
                vec![dragonfly("one", "a", "1"), dragonfly("one", "b", "1")],
            ),
            (true, 0) => Act::Hold(vec![event("ADDED", dragonfly("two", "c", "6"))]),
            (true, 1) => Act::Hold(vec![event("DELETED", dragonfly("one", "a", "7"))]),
            (true, _) => Act::Hold(vec![event("DELETED", dragonfly("one", "b", "8"))]),
        }
    }))
    .await;
    let mut it = Followed::api(&api);
    let watched = |c: &ContextWorld| -> BTreeSet<String> {
        c.sources
            .keys()
            .filter(|(kind, _)| *kind == Kind::Event)
            .map(|(_, scope)| format!("{scope:?}"))
            .collect()
    };
    let both = |c: &ContextWorld| watched(c).len() == 2;
    it.until("both", both).await;
    it.until("a is gone", |c| c.dragonflies.get("one", "a").is_none())
        .await;
    assert!(both(it.context()), "one still has b");
    it.until("only two", |c| watched(c).len() == 1).await;
    assert_eq!(
        watched(it.context()),
        BTreeSet::from(["Namespace(\"two\")".to_owned()])
    );
    assert_eq!(
        it.context().instances().collect::<Vec<_>>(),
        [InstanceId::new(ContextId::new("c"), "two", "c")]
    );
}

#[tokio::test]
async fn pods_of_the_operator_are_told_from_those_of_others() {
    let named = |name: &str| json!({"metadata": {"namespace": "ops", "name": name, "uid": name, "resourceVersion": "1"}});
    let api = Api::start(move |asked| {
        let selector = asked.query.get("labelSelector").map(String::as_str);
        match (asked.path.as_str(), selector, asked.is_watch()) {
            ("/api/v1/pods", Some("control-plane%3Dcontroller-manager"), false) => list(
                "1",
                vec![
                    named("dragonfly-operator-controller-manager-1"),
                    named("capi-controller-manager-1"),
                ],
            ),
            ("/api/v1/pods", _, false) => list("1", vec![pod("ns", "a", 0, "u0")]),
            _ => empty(asked),
        }
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("both listed", |c| {
        c.has_listed(Kind::Pod) && c.has_listed(Kind::OperatorPod)
    })
    .await;
    let names: Vec<String> = it
        .context()
        .operator_pods
        .iter()
        .map(|held| held.value.meta.name.to_string())
        .collect();
    assert_eq!(names, ["dragonfly-operator-controller-manager-1"]);
    assert_eq!(it.context().pods.len(), 1);
}
