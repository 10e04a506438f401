//! What the store promises, case by case.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::{Value, json};

use super::*;
use crate::lab::resources::{CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS};

fn store() -> Store {
    let store = Store::new(7, Clock::default());
    store
        .create(NAMESPACES, "", json!({"metadata": {"name": "ns"}}), "t")
        .unwrap();
    store
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": {"nodeName": "n1", "containers": [{"name": "c"}]}})
}

fn add(store: &Store, name: &str) -> Arc<Object> {
    store.create(PODS, "ns", pod(name), "t").unwrap()
}

#[test]
fn creation_fills_in_what_a_server_fills_in() {
    let store = store();
    let object = add(&store, "a").value();
    assert_eq!(object["apiVersion"], "v1");
    assert_eq!(object["kind"], "Pod");
    assert_eq!(object["metadata"]["namespace"], "ns");
    assert_eq!(object["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(
        object["metadata"]["resourceVersion"],
        store.revision().to_string()
    );
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(
        object["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"],
        json!({".": {}, "f:app": {}})
    );
    assert_eq!(
        object["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"],
        json!({"k:{\"name\":\"c\"}": {".": {}, "f:name": {}}})
    );
    let again = store.create(PODS, "ns", pod("a"), "t").unwrap_err();
    assert_eq!(
        (again.code, again.message.as_str()),
        (409, "pods \"a\" already exists")
    );
    let nowhere = store.create(PODS, "nope", pod("a"), "t").unwrap_err();
    assert_eq!(
        (nowhere.code, nowhere.message.as_str()),
        (404, "namespaces \"nope\" not found")
    );
    let bad = store.create(PODS, "ns", pod("A_b"), "t").unwrap_err();
    assert_eq!(bad.code, 422);
    let generated = store
        .create(PODS, "ns", json!({"metadata": {"generateName": "x-"}}), "t")
        .unwrap();
    assert_eq!(generated.name.len(), 7);
}

#[test]
fn the_same_seed_gives_the_same_uids() {
    assert_eq!(add(&store(), "a").uid, add(&store(), "a").uid);
}

#[test]
fn a_write_that_changes_nothing_is_none() {
    let store = store();
    let first = add(&store, "a");
    let same = store.update(PODS, "ns", "a", "other", |_| ()).unwrap();
    assert_eq!(first.revision, same.revision);
    let changed = store
        .update(PODS, "ns", "a", "other", |pod| {
            pod["metadata"]["labels"]["role"] = "master".into()
        })
        .unwrap();
    assert_eq!(changed.revision, first.revision + 1);
    assert_eq!(changed.label("role"), Some("master"));
    let value = changed.value();
    let fields = &value["metadata"]["managedFields"][0];
    assert_eq!(fields["manager"], "other");
    assert_eq!(
        fields["fieldsV1"],
        json!({"f:metadata": {"f:labels": {"f:role": {}}}})
    );
}

#[test]
fn generation_counts_spec_only() {
    let store = store();
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1}});
    store.create(DEPLOYMENTS, "ns", deployment, "t").unwrap();
    let status = store
        .update(DEPLOYMENTS, "ns", "d", "t", |d| {
            d["status"] = json!({"replicas": 1})
        })
        .unwrap();
    assert_eq!(status.value()["metadata"]["generation"], 1);
    let spec = store
        .update(DEPLOYMENTS, "ns", "d", "t", |d| {
            d["spec"]["replicas"] = 2.into()
        })
        .unwrap();
    assert_eq!(spec.value()["metadata"]["generation"], 2);

    // A pod's binding to a machine is none of it (API server 1.33), a change of its image is.
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a"}]}});
    store.create(PODS, "ns", pod, "t").unwrap();
    for (change, wanted) in [("nodeName", 1), ("containers", 2)] {
        let pod = store
            .update(PODS, "ns", "p", "t", |pod| match change {
                "nodeName" => pod["spec"]["nodeName"] = "n".into(),
                _ => pod["spec"]["containers"][0]["image"] = "b".into(),
            })
            .unwrap();
        assert_eq!(pod.value()["metadata"]["generation"], wanted, "{change}");
    }
}

#[test]
fn expectations_are_checked() {
    let store = store();
    let object = add(&store, "a");
    let stale = Expect {
        revision: Some("1".into()),
        ..Expect::default()
    };
    let error = store
        .try_update(PODS, "ns", "a", "t", &stale, |_| Ok(()))
        .unwrap_err();
    assert_eq!(error, Status::modified(PODS, "a"));
    let other = Delete {
        expect: Expect {
            uid: Some("u".into()),
            ..Expect::default()
        },
        ..Delete::now()
    };
    let error = store.delete(PODS, "ns", "a", &other).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "Operation cannot be fulfilled on Pod \"a\": the UID in the precondition (u) does not match the UID in record ({}). \
             The object might have been deleted and then recreated",
            object.uid
        )
    );
}

#[test]
fn a_pod_goes_when_its_kubelet_says_so() {
    let store = store();
    add(&store, "a");
    let Deleted::Marked(marked) = store.delete(PODS, "ns", "a", &Delete::default()).unwrap() else {
        panic!("a running pod has 30 s");
    };
    assert_eq!(marked.value()["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(marked.deleting);
    let again = store.delete(PODS, "ns", "a", &Delete::default()).unwrap();
    assert!(matches!(again, Deleted::Marked(again) if again.revision == marked.revision));
    assert!(matches!(
        store.delete(PODS, "ns", "a", &Delete::now()).unwrap(),
        Deleted::Gone(_)
    ));
    assert_eq!(store.get(PODS, "ns", "a").unwrap_err().code, 404);
}

#[test]
fn finalizers_hold_until_the_last_is_gone() {
    let store = store();
    let held = json!({"metadata": {"name": "c", "finalizers": ["x/y"]}});
    store.create(CONFIG_MAPS, "ns", held, "t").unwrap();
    assert!(matches!(
        store
            .delete(CONFIG_MAPS, "ns", "c", &Delete::now())
            .unwrap(),
        Deleted::Marked(_)
    ));
    store
        .update(CONFIG_MAPS, "ns", "c", "t", |c| {
            c["metadata"]["finalizers"] = json!([])
        })
        .unwrap();
    assert_eq!(store.get(CONFIG_MAPS, "ns", "c").unwrap_err().code, 404);
}

fn family(store: &Store) -> Arc<Object> {
    let owner = store
        .create(
            DEPLOYMENTS,
            "ns",
            json!({"metadata": {"name": "d"}, "spec": {}}),
            "t",
        )
        .unwrap();
    let owned = |name: &str, kind: &str, uid: &str| {
        json!({"metadata": {"name": name, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": uid, "blockOwnerDeletion": true, "controller": true}
        ]}, "spec": {}})
    };
    let set = store
        .create(
            REPLICA_SETS,
            "ns",
            owned("rs", "Deployment", &owner.uid),
            "t",
        )
        .unwrap();
    let mut value = owned("p", "ReplicaSet", &set.uid);
    value["spec"] = json!({"nodeName": "n1"});
    store.create(PODS, "ns", value, "t").unwrap();
    owner
}

#[test]
fn owners_take_what_they_own_with_them() {
    let store = store();
    family(&store);
    store
        .delete(DEPLOYMENTS, "ns", "d", &Delete::default())
        .unwrap();
    assert_eq!(store.get(REPLICA_SETS, "ns", "rs").unwrap_err().code, 404);
    assert!(store.get(PODS, "ns", "p").unwrap().deleting);

    let store = self::store();
    family(&store);
    let foreground = Delete {
        propagation: Propagation::Foreground,
        ..Delete::default()
    };
    assert!(matches!(
        store.delete(DEPLOYMENTS, "ns", "d", &foreground).unwrap(),
        Deleted::Marked(_)
    ));
    store.delete(PODS, "ns", "p", &Delete::now()).unwrap();
    assert_eq!(store.get(DEPLOYMENTS, "ns", "d").unwrap_err().code, 404);

    let store = self::store();
    family(&store);
    let orphan = Delete {
        propagation: Propagation::Orphan,
        ..Delete::default()
    };
    store.delete(DEPLOYMENTS, "ns", "d", &orphan).unwrap();
    assert!(
        store
            .get(REPLICA_SETS, "ns", "rs")
            .unwrap()
            .owners
            .is_empty()
    );
}

#[test]
fn a_namespace_empties_before_it_goes() {
    let store = store();
    add(&store, "a");
    store
        .delete(NAMESPACES, "", "ns", &Delete::default())
        .unwrap();
    assert_eq!(
        store.get(NAMESPACES, "", "ns").unwrap().value()["status"]["phase"],
        "Terminating"
    );
    let refused = store.create(PODS, "ns", pod("b"), "t").unwrap_err();
    assert_eq!(refused.code, 403);
    store.delete(PODS, "ns", "a", &Delete::now()).unwrap();
    assert_eq!(store.get(NAMESPACES, "", "ns").unwrap_err().code, 404);
}

#[test]
fn a_watch_tells_what_happened_since() {
    let store = store();
    let first = add(&store, "a");
    let mut watch = store.watch(PODS, Some("ns"), Some(first.revision)).unwrap();
    assert!(watch.drain().unwrap().is_empty());
    add(&store, "b");
    store
        .update(PODS, "ns", "a", "t", |pod| {
            pod["metadata"]["labels"] = json!({})
        })
        .unwrap();
    store.delete(PODS, "ns", "b", &Delete::now()).unwrap();
    let told: Vec<(Happened, String)> = watch
        .drain()
        .unwrap()
        .iter()
        .map(|change| (change.happened, change.object.name.clone()))
        .collect();
    let expected = [
        (Happened::Added, "b"),
        (Happened::Modified, "a"),
        (Happened::Deleted, "b"),
    ];
    assert_eq!(
        told,
        expected.map(|(happened, name)| (happened, name.to_owned()))
    );
    assert_eq!(watch.seen(), store.revision());
}

#[test]
fn history_is_bounded_and_can_expire() {
    let store = store().with_history(3);
    let first = add(&store, "a");
    let mut slow = store.watch(PODS, None, Some(first.revision)).unwrap();
    for name in ["b", "c", "d", "e"] {
        add(&store, name);
    }
    assert_eq!(slow.drain().unwrap_err().code, 410);
    assert_eq!(
        store
            .watch(PODS, None, Some(first.revision))
            .err()
            .unwrap()
            .code,
        410
    );
    let listed = store.list(PODS, None).unwrap();
    assert!(store.watch(PODS, None, Some(listed.revision)).is_ok());
    store.expire_history();
    assert_eq!(
        store
            .watch(PODS, None, Some(listed.revision))
            .err()
            .unwrap()
            .code,
        410
    );
    assert!(store.watch(PODS, None, Some(store.revision())).is_ok());
}

#[test]
fn a_definition_serves_its_kind_until_it_goes() {
    let store = store();
    let definition = json!({"metadata": {"name": "dragonflies.dragonflydb.io"}, "spec": {
        "group": "dragonflydb.io", "scope": "Namespaced",
        "names": {"kind": "Dragonfly", "plural": "dragonflies", "singular": "dragonfly"},
        "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {}}}]}});
    let what = resources::DRAGONFLIES;
    assert_eq!(store.list(what, None).unwrap_err().code, 404);
    let made = store
        .create(DEFINITIONS, "", definition, "t")
        .unwrap()
        .value();
    assert_eq!(made["status"]["conditions"][1]["type"], "Established");
    let object = store
        .create(
            what,
            "ns",
            json!({"metadata": {"name": "df"}, "spec": {}}),
            "t",
        )
        .unwrap();
    assert_eq!(object.value()["apiVersion"], "dragonflydb.io/v1alpha1");
    assert_eq!(object.value()["metadata"]["generation"], 1);
    store
        .delete(
            DEFINITIONS,
            "",
            "dragonflies.dragonflydb.io",
            &Delete::default(),
        )
        .unwrap();
    assert_eq!(store.list(what, None).unwrap_err().code, 404);
}

#[tokio::test]
async fn a_waiting_watch_wakes() {
    let store = store();
    let mut watch = store.watch(PODS, None, None).unwrap();
    let other = store.clone();
    let task = tokio::spawn(async move { watch.next().await.map(|changes| changes.len()) });
    add(&other, "a");
    assert_eq!(task.await.unwrap().unwrap(), 1);
}
