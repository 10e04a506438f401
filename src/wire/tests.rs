#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
//! Objects as API servers send them, with fields missing and alien; engines' replies in `engine`.

mod engine;
mod garbage;
mod recordings;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::engine::*;
use crate::domain::object::*;

fn stamp(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

// Objects.

#[test]
fn a_dragonfly_of_v1_6_is_read_whole() {
    let object = decode(
        Kind::Dragonfly,
        &json!({
            "metadata": {
                "name": "orders", "namespace": "shop", "uid": "u1", "resourceVersion": "77", "generation": 4,
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": {"team": "\u{1b}[31mred"},
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                    "note": "kept",
                },
            },
            "spec": {
                "replicas": 3, "image": "dragonfly:v1.39.0", "args": ["--cache_mode=true", 7],
                "serviceSpec": {"name": "orders-svc"},
                "snapshot": {
                    "dir": "s3://bucket", "cron": "*/5 * * * *", "enableOnMasterOnly": true,
                    "persistentVolumeClaimSpec": {"resources": {"requests": {"storage": "2Gi"}}},
                },
                "authentication": {"passwordFromSecret": {"name": "secret", "key": "password"}},
                "tlsSecretRef": {"name": "cert"},
                "resources": {"limits": {"memory": "1Gi"}},
                "networkPolicyEnabled": false,
                "podMetadata": {}, "somethingNew": 1,
            },
            "status": {"phase": "Ready"},
        }),
    )
    .unwrap();
    let Object::Dragonfly(d) = object else {
        panic!()
    };
    assert_eq!(&*d.meta.namespace, "shop");
    assert_eq!(d.meta.generation, 4);
    assert_eq!(d.meta.created, Some(stamp("2026-01-02T03:04:05Z")));
    assert_eq!(d.meta.labels["team"], "red");
    assert_eq!(d.meta.annotations.len(), 1);
    assert_eq!(d.replicas, Some(3));
    assert_eq!(d.args, ["--cache_mode=true"]);
    assert_eq!(d.service, "orders-svc");
    let snapshot = d.snapshot.as_ref().unwrap();
    assert_eq!(snapshot.claim_size, Some(2 << 30));
    assert!(snapshot.master_only);
    assert_eq!(
        d.password_secret,
        Some(("secret".to_owned(), "password".to_owned()))
    );
    assert!(d.tls);
    assert_eq!(d.memory_limit, Some(1 << 30));
    assert_eq!(d.network_policy, Some(false));
    assert_eq!(d.unknown_fields, ["somethingNew"]);
    assert_eq!(d.phase.as_deref(), Some("Ready"));
}

#[test]
fn the_known_fields_are_sorted_as_the_search_in_them_needs() {
    let all: serde_json::Map<_, _> = super::dragonfly::KNOWN_FIELDS
        .iter()
        .map(|field| ((*field).to_owned(), json!(null)))
        .collect();
    let object = decode(
        Kind::Dragonfly,
        &json!({"metadata": {"name": "x"}, "spec": all}),
    );
    let Ok(Object::Dragonfly(d)) = object else {
        panic!()
    };
    assert_eq!(d.unknown_fields, [] as [String; 0]);
}

#[test]
fn alien_types_are_absent_and_fail_no_object() {
    for alien in [
        json!(null),
        json!("text"),
        json!(7),
        json!([1, 2]),
        json!({"x": {}}),
        json!(true),
    ] {
        for kind in Kind::ALL {
            let value = json!({
                "metadata": {
                    "name": "orders", "namespace": alien, "uid": alien, "labels": alien, "annotations": alien,
                    "ownerReferences": alien, "managedFields": alien, "creationTimestamp": alien,
                },
                "spec": {
                    "replicas": alien, "args": alien, "snapshot": alien, "containers": alien, "volumes": alien,
                    "selector": alien, "ports": alien, "versions": alien, "template": alien, "resources": alien,
                    "authentication": alien, "renewTime": alien,
                },
                "status": alien, "endpoints": alien, "involvedObject": alien, "series": alien,
            });
            let object = decode(*kind, &value).unwrap_or_else(|e| panic!("{kind:?} {alien}: {e}"));
            assert_eq!(object.kind(), *kind);
            assert_eq!(&*object.meta().name, "orders");
        }
    }
}

#[test]
fn only_an_object_without_a_name_fails_and_the_error_says_where() {
    for (value, wanted) in [
        (json!("<html>"), "without a namespace"),
        (json!({}), "it has no metadata.name"),
        (
            json!({"metadata": {"namespace": "shop", "name": 7}}),
            "of namespace shop",
        ),
        (
            json!({"metadata": {"namespace": "shop", "name": "\u{1b}[2J"}}),
            "of namespace shop",
        ),
    ] {
        let error = decode(Kind::Pod, &value).unwrap_err();
        assert!(error.to_string().contains("Dragonfly pods"), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn a_pod_tells_its_containers_ends_claims_and_when_its_role_was_written() {
    let object = decode(
        Kind::Pod,
        &json!({
            "metadata": {
                "name": "orders-0", "namespace": "shop", "labels": {"role": "master"},
                "deletionTimestamp": "2026-01-02T00:10:30Z",
                "deletionGracePeriodSeconds": 30,
                "ownerReferences": [
                    {"kind": "Other", "name": "other"},
                    {"kind": "StatefulSet", "name": "orders", "uid": "s", "controller": true},
                ],
                "managedFields": [
                    {"time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {"f:role": {}}}}},
                    {"time": "2026-01-02T00:05:00Z", "fieldsV1": {"f:metadata": {"f:labels": {"f:role": {}, "f:x": {}}}}},
                    {"time": "2026-01-02T00:09:00Z", "fieldsV1": {"f:status": {}}},
                ],
            },
            "spec": {
                "nodeName": "machine-1",
                "containers": [{"name": "dragonfly", "image": "dragonfly:v1"}, {"name": "late", "image": "l"}],
                "volumes": [{"name": "df", "persistentVolumeClaim": {"claimName": "df-orders-0"}}, {"name": "tmp"}],
            },
            "status": {
                "phase": "Running", "podIP": "10.0.0.1", "startTime": "2026-01-01T23:00:00Z",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T23:01:00Z"}],
                "containerStatuses": [{
                    "name": "dragonfly", "ready": true, "restartCount": 2,
                    "state": {"running": {"startedAt": "2026-01-01T23:30:00Z"}},
                    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T23:29:00Z"}},
                }],
            },
        }),
    );
    let Ok(Object::Pod(pod)) = object else {
        panic!()
    };
    assert_eq!(pod.label_role(), Some(Role::Master));
    assert_eq!(pod.role_since, Some(stamp("2026-01-02T00:05:00Z")));
    assert_eq!(pod.meta.deleting, Some(stamp("2026-01-02T00:10:00Z")));
    assert_eq!(pod.meta.owner.as_ref().unwrap().kind, "StatefulSet");
    assert_eq!(pod.claims, ["df-orders-0"]);
    assert!(pod.is_ready());
    assert_eq!(pod.restarts(), 2);
    let dragonfly = pod.container("dragonfly").unwrap();
    assert_eq!(
        dragonfly.state,
        ContainerState::Running {
            since: Some(stamp("2026-01-01T23:30:00Z"))
        }
    );
    assert_eq!(dragonfly.last_end.as_ref().unwrap().exit, 137);
    assert_eq!(pod.containers[1].state, ContainerState::Unreported);
}

#[test]
fn what_a_container_may_do_is_read_of_it_and_of_its_pod() {
    let object = decode(
        Kind::Pod,
        &json!({
            "metadata": {"name": "orders-0", "namespace": "shop"},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "runAsUser": 999, "fsGroup": 999, "readOnlyRootFilesystem": true},
                "containers": [
                    {"name": "dragonfly", "image": "d", "args": ["--admin_port=9999", "--maxmemory=1gb", 3],
                     "resources": {"limits": {"memory": "2Gi"}},
                     "securityContext": {"runAsUser": 0, "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"], "add": ["SYS_NICE"]}}},
                    {"name": "side", "securityContext": "wrong", "args": "wrong", "resources": {"limits": {"memory": "x"}}},
                ],
            },
        }),
    );
    let Ok(Object::Pod(pod)) = object else {
        panic!()
    };
    assert_eq!(pod.fs_group, Some(999));
    let dragonfly = pod.container("dragonfly").unwrap();
    assert_eq!(dragonfly.args, ["--admin_port=9999", "--maxmemory=1gb"]);
    assert_eq!(dragonfly.memory_limit, Some(2 << 30));
    assert_eq!(
        dragonfly.security,
        Security {
            non_root: Some(true),
            // Its own word stands before its pod's.
            user: Some(0),
            // A pod has no such field.
            read_only_root: None,
            escalation: Some(false),
            privileged: None,
            dropped: vec!["ALL".to_owned()],
            added: vec!["SYS_NICE".to_owned()],
        }
    );
    let side = &pod.containers[1];
    assert_eq!((side.memory_limit, side.args.len()), (None, 0));
    assert_eq!(side.security.user, Some(999));
}

#[test]
fn what_was_left_unfilled_in_a_dragonfly_is_told_by_its_place_and_not_by_its_text() {
    let object = decode(
        Kind::Dragonfly,
        &json!({"metadata": {"name": "orders", "namespace": "shop"}, "spec": {
            "image": "${IMAGE}",
            "args": ["--maxmemory=1gb", "--requirepass=abc${PASS:-x}"],
            "snapshot": {"cron": "${CRON}"},
            "env": [{"name": "A", "value": "$(B)"}],
            // A shell's own variables.
            "initContainers": [{"name": "init", "image": "${TOOL}", "command": ["sh", "-c", "echo ${HOME}"]}],
            "additionalContainers": [{"name": "side", "args": ["${HOME}"]}],
        }}),
    );
    let Ok(Object::Dragonfly(dragonfly)) = object else {
        panic!()
    };
    let mut told: Vec<String> = dragonfly
        .unfilled
        .iter()
        .map(|one| format!("{} {}", one.place, one.words))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "spec.args[1] ${PASS}",
            "spec.image ${IMAGE}",
            "spec.initContainers[0].image ${TOOL}",
            "spec.snapshot.cron ${CRON}",
        ]
    );
    let many: Vec<String> = (0..100).map(|_| "${A}".to_owned()).collect();
    let object = decode(
        Kind::Dragonfly,
        &json!({"metadata": {"name": "orders"}, "spec": {"args": many}}),
    );
    let Ok(Object::Dragonfly(dragonfly)) = object else {
        panic!()
    };
    assert_eq!(dragonfly.unfilled.len(), 16);
}

#[test]
fn waiting_and_ended_containers_keep_their_reason() {
    let with_state = |state: serde_json::Value| {
        let object = decode(
            Kind::Pod,
            &json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "dragonfly", "state": state}]}}),
        );
        let Ok(Object::Pod(pod)) = object else {
            panic!()
        };
        pod.containers[0].state.clone()
    };
    assert_eq!(
        with_state(json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}})),
        ContainerState::Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: "back-off 40s".to_owned()
        }
    );
    assert_eq!(
        with_state(json!({"terminated": {"reason": "Error", "exitCode": 1}})),
        ContainerState::Ended(ContainerEnd {
            reason: "Error".to_owned(),
            exit: 1,
            at: None
        })
    );
    assert_eq!(with_state(json!({})), ContainerState::Unreported);
}

#[test]
fn endpoints_count_as_ready_unless_they_say_otherwise() {
    let object = decode(
        Kind::EndpointSlice,
        &json!({
            "metadata": {"name": "orders-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "orders"}},
            "endpoints": [
                {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "orders-0"}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": true, "terminating": true}},
                {"addresses": ["10.0.0.3"], "targetRef": {"kind": "Node", "name": "machine"}},
                "alien",
            ],
        }),
    );
    let Ok(Object::EndpointSlice(slice)) = object else {
        panic!()
    };
    assert_eq!(slice.service, "orders");
    let told: Vec<_> = slice
        .endpoints
        .iter()
        .map(|e| (e.ready, e.serving, e.terminating, e.pod.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (true, true, false, Some("orders-0")),
            (false, true, true, None),
            (true, true, false, None)
        ]
    );
}

#[test]
fn both_spellings_of_an_event_say_the_same() {
    let core = json!({
        "metadata": {"name": "e", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "involvedObject": {"kind": "Pod", "name": "orders-0", "uid": "u"},
        "type": "Warning", "reason": "BackOff", "message": "Back-off restarting", "count": 5,
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:04:00Z",
        "eventTime": null, "source": {"component": "kubelet"}, "reportingComponent": "kubelet",
    });
    let newer = json!({
        "metadata": {"name": "e", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "regarding": {"kind": "Pod", "name": "orders-0", "uid": "u"},
        "type": "Warning", "reason": "BackOff", "note": "Back-off restarting", "deprecatedCount": 5,
        "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z", "deprecatedLastTimestamp": "2026-01-01T00:04:00Z",
        "deprecatedSource": {"component": "kubelet"},
    });
    let one = decode(Kind::Event, &core).unwrap();
    assert_eq!(one, decode(Kind::Event, &newer).unwrap());
    let Object::Event(event) = one else { panic!() };
    assert_eq!(event.at, Some(stamp("2026-01-01T00:04:00Z")));
    assert_eq!(event.first, Some(stamp("2026-01-01T00:00:00Z")));
    assert_eq!((event.count, event.warning), (5, true));
    assert_eq!(event.source, "kubelet");

    let series = decode(
        Kind::Event,
        &json!({
            "metadata": {"name": "e"}, "eventTime": "2026-01-01T00:00:00.000001Z",
            "series": {"count": 9, "lastObservedTime": "2026-01-01T00:09:00.5Z"},
        }),
    );
    let Ok(Object::Event(event)) = series else {
        panic!()
    };
    assert_eq!(event.at, Some(stamp("2026-01-01T00:09:00.5Z")));
    assert_eq!(event.first, Some(stamp("2026-01-01T00:00:00.000001Z")));
    assert_eq!(event.count, 9);
}

#[test]
fn the_rest_of_the_kinds_are_read() {
    let crd = json!({
        "metadata": {"name": "dragonflies.dragonflydb.io"},
        "spec": {"versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
            {"properties": {"spec": {"properties": {"replicas": {}, "image": {}}}}}}}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    });
    let Ok(Object::Crd(crd)) = decode(Kind::Crd, &crd) else {
        panic!()
    };
    assert!(crd.established);
    assert_eq!(crd.served, ["v1alpha1"]);
    assert_eq!(crd.spec_fields, ["image", "replicas"]);

    let set = json!({
        "metadata": {"name": "orders"},
        "spec": {
            "replicas": 3, "template": {"spec": {"containers": [{"name": "side", "image": "s"}, {"name": "dragonfly", "image": "d:1"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "df"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}],
        },
        "status": {"readyReplicas": 2, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"},
    });
    let Ok(Object::StatefulSet(set)) = decode(Kind::StatefulSet, &set) else {
        panic!()
    };
    assert_eq!((set.replicas, set.ready, set.updated), (3, 2, 1));
    assert_eq!(set.image, "d:1");
    assert_eq!(set.claim_templates, [("df".to_owned(), Some(1 << 30))]);

    let deployment = json!({
        "metadata": {"name": "operator"},
        "spec": {"template": {"spec": {"containers": [{"name": "kube-rbac-proxy", "image": "p:v0"}, {"name": "manager", "image": "o:v1.6.1"}]}}},
        "status": {"readyReplicas": 1},
    });
    let Ok(Object::OperatorDeployment(d)) = decode(Kind::OperatorDeployment, &deployment) else {
        panic!()
    };
    assert_eq!((d.replicas, d.ready, d.version()), (1, 1, Some("v1.6.1")));

    let service = json!({
        "metadata": {"name": "orders", "annotations": {"service.cilium.io/global": "true"}},
        "spec": {"selector": {"role": "master"}, "type": "ClusterIP", "clusterIP": "10.1.0.1",
                 "ports": [{"name": "redis", "port": 6379}, {"port": 700_000}]},
    });
    let Ok(Object::Service(service)) = decode(Kind::Service, &service) else {
        panic!()
    };
    assert!(service.is_global());
    assert_eq!(service.ports, [("redis".to_owned(), 6379)]);

    let pdb = json!({
        "metadata": {"name": "orders"},
        "spec": {"minAvailable": "50%", "maxUnavailable": 1, "selector": {"matchLabels": {"app": "orders"}}},
        "status": {"disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3},
    });
    let Ok(Object::Pdb(pdb)) = decode(Kind::Pdb, &pdb) else {
        panic!()
    };
    assert_eq!(pdb.min_available.as_deref(), Some("50%"));
    assert_eq!(pdb.max_unavailable.as_deref(), Some("1"));
    assert_eq!((pdb.allowed, pdb.expected), (1, 3));

    for (spec, rules) in [
        (json!({"ingress": [{}, {}]}), Some(2)),
        (json!({"policyTypes": ["Ingress"]}), Some(0)),
        (json!({"policyTypes": ["Egress"]}), None),
    ] {
        let value = json!({"metadata": {"name": "n"}, "spec": spec});
        let Ok(Object::NetworkPolicy(policy)) = decode(Kind::NetworkPolicy, &value) else {
            panic!()
        };
        assert_eq!(policy.ingress_rules, rules, "{value}");
    }

    let pvc = json!({
        "metadata": {"name": "df-orders-0"},
        "spec": {"resources": {"requests": {"storage": "2Gi"}}, "storageClassName": "fast", "volumeName": "pv"},
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "conditions": [{"type": "FileSystemResizePending", "status": "True"}]},
    });
    let Ok(Object::Pvc(pvc)) = decode(Kind::Pvc, &pvc) else {
        panic!()
    };
    assert_eq!(
        (pvc.requested, pvc.capacity),
        (Some(2 << 30), Some(1 << 30))
    );
    assert_eq!(pvc.conditions.len(), 1);

    let lease = json!({
        "metadata": {"name": "31079dea.dragonflydb.io"},
        "spec": {"holderIdentity": "pod_uuid", "renewTime": "2026-01-01T00:00:00.123456Z", "leaseDurationSeconds": 15, "leaseTransitions": 2},
    });
    let Ok(Object::OperatorLease(lease)) = decode(Kind::OperatorLease, &lease) else {
        panic!()
    };
    assert_eq!(lease.holder.as_deref(), Some("pod_uuid"));
    assert_eq!(lease.renewed, Some(stamp("2026-01-01T00:00:00.123456Z")));
    assert_eq!(lease.duration, Some(15));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,20}".prop_map(|s| json!(s)),
    ];
    let key = prop_oneof![
        "[a-z]{1,4}",
        prop::sample::select(vec![
            "metadata",
            "name",
            "namespace",
            "spec",
            "status",
            "containers",
            "containerStatuses",
            "state",
            "running",
            "conditions",
            "endpoints",
            "replicas",
            "labels",
            "managedFields",
            "time",
            "versions",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn garbage_objects_never_panic(value in any_json()) {
        for kind in Kind::ALL {
            if let Ok(object) = decode(*kind, &value) {
                prop_assert!(!object.meta().name.is_empty());
            }
        }
    }
}
