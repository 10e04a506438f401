//! What a lab does with changes: everything that a verb of the console sends, by `kubectl` and by hand.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::driver::ground::Ground;
use crate::driver::promotion::{Answer, Hand};
use crate::driver::{LabProcess, PATIENCE};

const SYSTEM: &str = "dragonfly-system";

fn ground() -> Ground {
    Ground::Lab {
        lab: LabProcess::start("healthy"),
        kubectl: PathBuf::from("kubectl"),
    }
}

fn pod(name: &str) -> String {
    format!("/api/v1/namespaces/{SYSTEM}/pods/{name}")
}

/// Asks until the answer is as wanted.
fn until(hand: &Hand, path: &str, what: &str, is: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let answer = hand.try_ask("GET", path, "", &json!({}));
        if answer.as_ref().is_ok_and(&is) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {answer:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn every_patch_and_every_dry_run_is_answered_as_it_should_be() {
    let ground = ground();
    let hand = Hand::new(&ground, SYSTEM, "gitlab");
    let uid = hand
        .try_ask("GET", &pod("gitlab-1"), "", &json!({}))
        .unwrap()["metadata"]["uid"]
        .clone();
    let merge = "application/merge-patch+json";
    let label = json!({"metadata": {"labels": {"x": "1"}}});
    let deployment = "/apis/apps/v1/namespaces/dragonfly-operator-system/deployments/dragonfly-operator-controller-manager";
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    let dragonfly = "/apis/dragonflydb.io/v1alpha1/namespaces/dragonfly-system/dragonflies/gitlab";
    let image = json!({"spec": {"image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.40.1"}});
    let apply = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gitlab-1", "labels": {"y": "1"}}});
    let delete = |more: Value| {
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        options
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        options
    };
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "gitlab-1", "namespace": SYSTEM}});
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "darner-gitlab"},
        "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z"}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/dragonfly-system/leases";
    let mut stale = lease.clone();
    stale["metadata"]["resourceVersion"] = json!("1");
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "gitlab.1"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Promote", "reason": "Promoted", "type": "Normal", "note": "n",
        "reportingController": "darner", "reportingInstance": "me", "regarding": {"kind": "Dragonfly", "name": "gitlab", "namespace": SYSTEM}});
    let old_event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "gitlab.2", "namespace": SYSTEM},
        "reason": "Promoted", "message": "n", "type": "Normal", "involvedObject": {"kind": "Dragonfly", "name": "gitlab", "namespace": SYSTEM}});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"group": "", "resource": "pods", "subresource": "eviction", "verb": "create", "namespace": SYSTEM}}});
    let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let json_patch = json!([{"op": "test", "path": "/metadata/labels/role", "value": "replica"},
        {"op": "add", "path": "/metadata/labels/x", "value": "1"}]);
    let wrong_test = json!([{"op": "test", "path": "/metadata/labels/role", "value": "master"}]);
    let (one, dry) = (pod("gitlab-1"), format!("{}?dryRun=All", pod("gitlab-1")));
    let plain = "application/json";
    // Method, path, media type, body, code.
    let table: Vec<(&str, String, &str, Value, u16)> = vec![
        ("PATCH", dry.clone(), merge, label.clone(), 200),
        (
            "PATCH",
            dry.clone(),
            "application/strategic-merge-patch+json",
            label.clone(),
            200,
        ),
        (
            "PATCH",
            dry.clone(),
            "application/json-patch+json",
            json_patch,
            200,
        ),
        (
            "PATCH",
            dry.clone(),
            "application/json-patch+json",
            wrong_test,
            422,
        ),
        (
            "PATCH",
            format!("{dry}&fieldManager=darner&force=true"),
            "application/apply-patch+yaml",
            apply,
            200,
        ),
        (
            "PATCH",
            one.clone(),
            merge,
            json!({"metadata": {"uid": "other", "labels": {"x": "1"}}}),
            409,
        ),
        (
            "PATCH",
            one.clone(),
            merge,
            json!({"metadata": {"resourceVersion": "1", "labels": {"x": "1"}}}),
            409,
        ),
        (
            "PATCH",
            format!("{deployment}?dryRun=All"),
            "application/strategic-merge-patch+json",
            restart.clone(),
            200,
        ),
        (
            "PATCH",
            format!("{deployment}/scale?dryRun=All"),
            merge,
            json!({"spec": {"replicas": 0}}),
            200,
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/dragonfly-system/statefulsets/gitlab?dryRun=All".into(),
            merge,
            restart,
            200,
        ),
        (
            "PATCH",
            format!("{dragonfly}?dryRun=All"),
            merge,
            image.clone(),
            200,
        ),
        (
            "PATCH",
            format!("{dragonfly}?dryRun=All"),
            "application/strategic-merge-patch+json",
            image,
            415,
        ),
        (
            "DELETE",
            one.clone(),
            plain,
            delete(json!({"preconditions": {"uid": "other"}})),
            409,
        ),
        (
            "DELETE",
            one.clone(),
            plain,
            delete(json!({"preconditions": {"resourceVersion": "1"}})),
            409,
        ),
        (
            "DELETE",
            one.clone(),
            plain,
            delete(json!({"preconditions": {"uid": uid}, "dryRun": ["All"]})),
            200,
        ),
        (
            "DELETE",
            dry.clone(),
            plain,
            delete(json!({"gracePeriodSeconds": 0, "dryRun": ["All"]})),
            200,
        ),
        (
            "POST",
            format!("{one}/eviction?dryRun=All"),
            plain,
            eviction,
            201,
        ),
        (
            "POST",
            format!("{leases}?dryRun=All"),
            plain,
            lease.clone(),
            201,
        ),
        ("POST", leases.into(), plain, lease.clone(), 201),
        ("POST", leases.into(), plain, lease, 409),
        ("PUT", format!("{leases}/darner-gitlab"), plain, stale, 409),
        (
            "POST",
            "/apis/events.k8s.io/v1/namespaces/dragonfly-system/events".into(),
            plain,
            event,
            201,
        ),
        (
            "POST",
            "/api/v1/namespaces/dragonfly-system/events".into(),
            plain,
            old_event,
            201,
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".into(),
            plain,
            review,
            201,
        ),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews".into(),
            plain,
            who,
            201,
        ),
    ];
    let before = hand.try_ask("GET", &one, "", &json!({})).unwrap();
    for (method, path, kind, body, code) in &table {
        let answer = hand.try_ask(method, path, kind, body);
        let found = match &answer {
            Ok(_) if *code < 300 => *code,
            Ok(_) => 200,
            Err(status) => status.code,
        };
        assert_eq!(found, *code, "{method} {path} {body}: {answer:?}");
    }
    let after = hand.try_ask("GET", &one, "", &json!({})).unwrap();
    assert_eq!(
        before["metadata"]["labels"], after["metadata"]["labels"],
        "nothing of it was kept"
    );
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    let events = hand
        .try_ask(
            "GET",
            "/api/v1/namespaces/dragonfly-system/events/gitlab.1",
            "",
            &json!({}),
        )
        .unwrap();
    assert_eq!(
        events["message"], "n",
        "an event of either kind is one: {events}"
    );
}

#[test]
fn an_eviction_that_a_budget_refuses_names_its_cause() {
    let ground = ground();
    let hand = Hand::new(&ground, "harbor", "cache");
    // The operator may write its own again: asked until it is as it is here.
    let strict = json!({"spec": {"minAvailable": "100%", "maxUnavailable": null}});
    let budgets = "/apis/policy/v1/namespaces/harbor/poddisruptionbudgets";
    let list = hand.try_ask("GET", budgets, "", &json!({})).unwrap();
    let budget = format!(
        "{budgets}/{}",
        list["items"][0]["metadata"]["name"].as_str().unwrap()
    );
    let path = "/api/v1/namespaces/harbor/pods/cache-1/eviction?dryRun=All";
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "cache-1", "namespace": "harbor"}});
    let begun = Instant::now();
    loop {
        let _ = hand.try_ask("PATCH", &budget, "application/merge-patch+json", &strict);
        match hand.try_ask("POST", path, "application/json", &eviction) {
            Err(status) if status.code == 429 && status.text.contains("DisruptionBudget") => return,
            // The controller has not counted yet.
            answer => assert!(begun.elapsed() < PATIENCE, "{answer:?}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_volume_grows_in_steps() {
    let ground = ground();
    let hand = Hand::new(&ground, SYSTEM, "dragonfly");
    let claims = format!("/api/v1/namespaces/{SYSTEM}/persistentvolumeclaims");
    let list = hand.try_ask("GET", &claims, "", &json!({})).unwrap();
    let name = list["items"][0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{claims}/{name}");
    let patch = json!({"spec": {"resources": {"requests": {"storage": "200Gi"}}}});
    hand.try_ask("PATCH", &path, "application/merge-patch+json", &patch)
        .unwrap();
    let told = |kind: &'static str| {
        move |claim: &Value| {
            claim["status"]["conditions"][0]["type"] == kind
                && claim["status"]["capacity"]["storage"] != "200Gi"
        }
    };
    until(&hand, &path, "the disk grows", told("Resizing"));
    until(
        &hand,
        &path,
        "the file system waits",
        told("FileSystemResizePending"),
    );
    until(&hand, &path, "the capacity is told", |claim| {
        claim["status"]["capacity"]["storage"] == "200Gi" && claim["status"]["conditions"].is_null()
    });
}

#[test]
fn faults_meet_who_changes_something() {
    let ground = ground();
    let hand = Hand::new(&ground, SYSTEM, "gitlab");
    let merge = "application/merge-patch+json";
    let label = |value: &str| json!({"metadata": {"labels": {"x": value}}});
    let code = |answer: Answer| answer.map_or_else(|status| status.code, |_| 200);
    ground.fault("conflicts");
    assert_eq!(
        code(hand.try_ask("PATCH", &pod("gitlab-1"), merge, &label("1"))),
        409
    );
    assert_eq!(
        code(hand.try_ask("GET", &pod("gitlab-1"), "", &json!({}))),
        200
    );
    ground.fault("heal");
    ground.fault("rights-half-way");
    let changed: Vec<u16> = ["1", "2", "3"]
        .map(|value| code(hand.try_ask("PATCH", &pod("gitlab-1"), merge, &label(value))))
        .to_vec();
    assert_eq!(changed, [200, 403, 403]);
    ground.fault("heal");
    assert_eq!(
        code(hand.try_ask("PATCH", &pod("gitlab-1"), merge, &label("4"))),
        200
    );
}

/// What comes back of REPLTAKEOVER under each fault of the way, and whether the engine has run it.
#[test]
fn a_takeover_whose_answer_is_lost_has_run_unless_it_was_cut_in_the_middle() {
    for (fault, answered, runs) in [
        ("forward-cut-early", Some(false), false),
        ("forward-cut", Some(false), true),
        ("reply-swallowed", None, true),
    ] {
        let ground = ground();
        let hand = Hand::new(&ground, SYSTEM, "gitlab");
        ground.fault("operator-stalled");
        ground.fault(fault);
        let said = hand.say("gitlab-1", &["REPLTAKEOVER", "3"]);
        assert_eq!(said.map(|said| said.is_ok()), answered, "{fault}");
        if runs {
            let begun = Instant::now();
            while !matches!(hand.say("gitlab-1", &["ROLE"]), Some(Ok(role)) if role.starts_with("master"))
            {
                assert!(begun.elapsed() < PATIENCE, "{fault}: never master");
            }
        } else {
            let role = hand.say("gitlab-1", &["ROLE"]).unwrap().unwrap();
            assert!(!role.starts_with("master"), "{fault}: {role}");
        }
    }
}

#[test]
fn a_request_to_reconcile_is_taken_note_of() {
    let ground = ground();
    ground.apply(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: helmreleases.helm.toolkit.fluxcd.io}\n\
         spec:\n  group: helm.toolkit.fluxcd.io\n  scope: Namespaced\n  names: {plural: helmreleases, singular: helmrelease, kind: HelmRelease, listKind: HelmReleaseList}\n  \
         versions:\n  - {name: v2, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n",
    );
    let hand = Hand::new(&ground, SYSTEM, "gitlab");
    let all = format!("/apis/helm.toolkit.fluxcd.io/v2/namespaces/{SYSTEM}/helmreleases");
    let release = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "op"}, "spec": {}});
    let begun = Instant::now();
    while hand
        .try_ask("POST", &all, "application/json", &release)
        .is_err()
    {
        assert!(begun.elapsed() < PATIENCE, "the kind is never served");
    }
    let one = format!("{all}/op");
    let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "t1"}}});
    hand.try_ask("PATCH", &one, "application/merge-patch+json", &request)
        .unwrap();
    until(&hand, &one, "handled", |release| {
        release["status"]["lastHandledReconcileAt"] == "t1"
    });
}
