//! What pods and instances live through: elections, rollouts, crashes, and coming and going.

use super::*;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, LogParams, Patch, PatchParams,
    PostParams, WatchEvent, WatchParams,
};

fn dragonflies(bench: &Bench, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("dragonflydb.io", "v1alpha1", "Dragonfly");
    let resource = ApiResource::from_gvk_with_plural(&kind, "dragonflies");
    Api::namespaced_with(bench.infra.clone(), namespace, &resource)
}

async fn phase(bench: &Bench, namespace: &str, name: &str) -> String {
    let df = dragonflies(bench, namespace).get(name).await.unwrap();
    df.data
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

async fn reasons(bench: &Bench, namespace: &str, about: &str) -> Vec<String> {
    let events = Api::<Event>::namespaced(bench.infra.clone(), namespace)
        .list(&ListParams::default())
        .await
        .unwrap();
    let about = |event: &&Event| event.involved_object.name.as_deref() == Some(about);
    let said = |event: &Event| {
        format!(
            "{} {}",
            event.reason.clone().unwrap_or_default(),
            event.message.clone().unwrap_or_default()
        )
    };
    events.items.iter().filter(about).map(said).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_master_pod_goes_the_replica_with_the_highest_offset_takes_over() {
    let bench = bench("healthy").await;
    // Hold one replica back, so that the other one is ahead.
    bench
        .engine(SYSTEM, "dragonfly-1")
        .inject(crate::lab::engine::Fault::HoldBack(true));
    let load = instance::load("dragonfly");
    bench
        .engine(SYSTEM, "dragonfly-0")
        .traffic(&load, 500, 0, 3);
    let offset = |pod: &'static str| {
        let engine = bench.engine(SYSTEM, pod);
        async move {
            let mut client =
                crate::lab::redis::Client::new(engine.dial(9999).await.unwrap(), PATIENCE);
            let info = client.call(&["INFO", "replication"]).await.unwrap().text();
            crate::lab::redis::field(&info, "slave_repl_offset")
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        }
    };
    eventually("dragonfly-2 is ahead of dragonfly-1", || async {
        let (behind, ahead) = (offset("dragonfly-1").await, offset("dragonfly-2").await);
        if ahead > behind + 100 {
            Ok(())
        } else {
            Err(format!("{behind} {ahead}"))
        }
    })
    .await;
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let old = pods.get("dragonfly-0").await.unwrap().metadata.uid;
    pods.delete("dragonfly-0", &DeleteParams::default())
        .await
        .unwrap();
    eventually(
        "dragonfly-2 leads and the old master is back as its replica",
        || async {
            bench.is_well(SYSTEM, "dragonfly", 3).await?;
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            if seen.masters == ["dragonfly-2"] {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        },
    )
    .await;
    let new = pods.get("dragonfly-0").await.unwrap();
    assert_ne!(new.metadata.uid, old);
    assert_eq!(phase(&bench, SYSTEM, "dragonfly").await, "Ready");
    let said = reasons(&bench, SYSTEM, "dragonfly").await;
    assert!(
        said.iter()
            .any(|one| one == "Replication Updated master instance"),
        "{said:?}"
    );
    let said = reasons(&bench, SYSTEM, "dragonfly-0").await;
    for reason in ["Killing", "Scheduled", "Pulled", "Created", "Started"] {
        assert!(
            said.iter().any(|one| one.starts_with(reason)),
            "{reason} in {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_pod_goes_in_steps_and_takes_its_time() {
    let bench = bench("healthy").await;
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), "harbor");
    let engine = bench.engine("harbor", "cache-0");
    let old = pods.get("cache-0").await.unwrap().metadata;
    let only = WatchParams::default().fields("metadata.name=cache-0");
    let version = old.resource_version.clone().unwrap_or_default();
    let mut changes = std::pin::pin!(pods.watch(&only, &version).await.unwrap());
    let asked = Instant::now();
    pods.delete("cache-0", &DeleteParams::default())
        .await
        .unwrap();
    // What the object said at each step, and when.
    let mut steps: Vec<(bool, bool, String)> = Vec::new();
    while let Some(change) = changes.next().await {
        let (pod, deleted) = match change.unwrap() {
            WatchEvent::Modified(pod) => (pod, false),
            WatchEvent::Deleted(pod) => (pod, true),
            other => panic!("{other:?}"),
        };
        assert_eq!(pod.metadata.uid, old.uid);
        if deleted {
            break;
        }
        let status = pod.status.unwrap();
        let state = &status.container_statuses.unwrap()[0].state;
        let over = state.as_ref().unwrap().terminated.is_some();
        let step = (
            pod.metadata.deletion_timestamp.is_some(),
            over,
            status.phase.unwrap(),
        );
        if steps.last() != Some(&step) {
            steps.push(step);
        }
        if !over && pod.metadata.deletion_timestamp.is_some() {
            // SIGTERM: both ports close long before the process and the object are gone.
            eventually("both ports are closed", || async {
                for port in [6379, 9999] {
                    match engine.dial(port).await {
                        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {}
                        other => return Err(format!("{port}: {other:?}")),
                    }
                }
                Ok(())
            })
            .await;
        }
    }
    let wanted = [(true, false, "Running"), (true, true, "Succeeded")]
        .map(|(going, over, phase)| (going, over, phase.to_owned()));
    assert_eq!(steps, wanted);
    // A client that deletes, looks and only then watches does not find the next pod of that name already.
    assert!(asked.elapsed() >= Duration::from_millis(800).div_f64(SPEED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leading_operator_goes_the_other_one_takes_the_lease_and_works() {
    let bench = bench("healthy").await;
    let leases = Api::<Lease>::namespaced(bench.infra.clone(), NAMESPACE);
    let holder = || async {
        let lease = leases.get("31079dea.dragonflydb.io").await.unwrap();
        let spec = lease.spec.unwrap();
        let holder = spec.holder_identity.unwrap();
        (
            holder.split('_').next().unwrap().to_owned(),
            spec.lease_transitions,
        )
    };
    let (first, transitions) = holder().await;
    let operators = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE);
    operators
        .delete(&first, &DeleteParams::default())
        .await
        .unwrap();
    eventually("another pod holds the lease", || async {
        let (now, count) = holder().await;
        let taken = now != first && count == transitions.map(|count| count + 1);
        if taken { Ok(()) } else { Err(now) }
    })
    .await;
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), "harbor");
    pods.delete("cache-0", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the new leader has elected another master", || async {
        bench.is_well("harbor", "cache", 2).await?;
        let seen = bench.seen("harbor", "cache").await;
        if seen.masters == ["cache-1"] {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    let names: Vec<String> = operators
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(name)
        .collect();
    assert!(names.len() == 2 && !names.contains(&first), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_template_rolls_all_pods_and_loses_no_key() {
    let bench = bench("healthy").await;
    let keys = bench.engine("harbor", "cache-0").keys();
    let before: Vec<Option<String>> = bench
        .pods("harbor", "cache")
        .await
        .into_iter()
        .map(|pod| pod.metadata.uid)
        .collect();
    let patch = json!({"spec": {"podMetadata": {"annotations": {"rolled": "1"}}}});
    dragonflies(&bench, "harbor")
        .patch("cache", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    eventually("both pods are new and all is well", || async {
        bench.is_well("harbor", "cache", 2).await?;
        let pods = bench.pods("harbor", "cache").await;
        let rolled = |pod: &&Pod| {
            pod.metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.contains_key("rolled"))
        };
        let new = pods
            .iter()
            .filter(rolled)
            .filter(|pod| !before.contains(&pod.metadata.uid))
            .count();
        match (new, phase(&bench, "harbor", "cache").await.as_str()) {
            (2, "Ready") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let seen = bench.seen("harbor", "cache").await;
    assert_eq!(seen.masters, ["cache-1"]);
    assert!(bench.engine("harbor", "cache-1").keys() >= keys);
    let said = reasons(&bench, "harbor", "cache").await;
    for wanted in [
        "Rollout Starting a rollout",
        "Rollout Deleting replica",
        "Rollout Completed",
    ] {
        assert!(said.iter().any(|one| one == wanted), "{wanted} in {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_comes_and_goes() {
    let bench = bench("healthy").await;
    let made = json!({
        "apiVersion": "dragonflydb.io/v1alpha1", "kind": "Dragonfly",
        "metadata": {"name": "orders", "namespace": "harbor"},
        "spec": {"replicas": 2, "args": ["--proactor_threads=1"], "snapshot": {"cron": "0 3 * * *",
            "persistentVolumeClaimSpec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}},
    });
    let made: DynamicObject = serde_json::from_value(made).unwrap();
    dragonflies(&bench, "harbor")
        .create(&PostParams::default(), &made)
        .await
        .unwrap();
    eventually("the new instance is well", || {
        bench.is_well("harbor", "orders", 2)
    })
    .await;
    assert_eq!(phase(&bench, "harbor", "orders").await, "Ready");
    let said = reasons(&bench, "harbor", "orders").await;
    for wanted in [
        "Resources Created resources",
        "Replication Initial replication configured",
    ] {
        assert!(said.iter().any(|one| one == wanted), "{wanted} in {said:?}");
    }
    dragonflies(&bench, "harbor")
        .delete("orders", &DeleteParams::default())
        .await
        .unwrap();
    eventually("its pods are gone", || async {
        match bench.pods("harbor", "orders").await.len() {
            0 => Ok(()),
            left => Err(format!("{left} left")),
        }
    })
    .await;
    let claims = Api::<PersistentVolumeClaim>::namespaced(bench.infra.clone(), "harbor");
    let claims: Vec<String> = claims
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .filter_map(|one| one.metadata.name)
        .collect();
    assert_eq!(
        claims,
        ["df-orders-0", "df-orders-1"],
        "claims stay when the instance goes"
    );
    assert!(bench.seen("harbor", "orders").await.endpoints.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_engine_starts_again_in_place_and_leaves_its_log() {
    let bench = bench("healthy").await;
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let restarts = |pod: &Pod| {
        pod.status
            .as_ref()
            .unwrap()
            .container_statuses
            .as_ref()
            .unwrap()[0]
            .restart_count
    };
    bench.engine(SYSTEM, "gitlab-1").kill();
    eventually("gitlab-1 runs again after one restart", || async {
        let pod = pods.get("gitlab-1").await.unwrap();
        if restarts(&pod) == 1 && is_ready(&pod) {
            Ok(())
        } else {
            Err(format!("{:?}", pod.status))
        }
    })
    .await;
    let pod = pods.get("gitlab-1").await.unwrap();
    let status = &pod
        .status
        .as_ref()
        .unwrap()
        .container_statuses
        .as_ref()
        .unwrap()[0];
    let ended = status
        .last_state
        .as_ref()
        .unwrap()
        .terminated
        .as_ref()
        .unwrap();
    assert_eq!(
        (ended.exit_code, ended.reason.as_deref()),
        (137, Some("Error"))
    );
    let previous = LogParams {
        previous: true,
        ..LogParams::default()
    };
    let log = pods.logs("gitlab-1", &previous).await.unwrap();
    assert!(log.contains("Starting dragonfly df-v1.39.0"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_image_is_backed_off_from_and_a_better_one_rolls_on() {
    let bench = bench("healthy").await;
    let image = |tag: &str| json!({"spec": {"image": format!("docker.dragonflydb.io/dragonflydb/dragonfly:{tag}")}});
    let patch = |tag: &'static str| {
        let api = dragonflies(&bench, "harbor");
        async move {
            api.patch("cache", &PatchParams::default(), &Patch::Merge(&image(tag)))
                .await
                .unwrap()
        }
    };
    patch("nosuch").await;
    eventually("the first pod waits for its image", || async {
        let pods = bench.pods("harbor", "cache").await;
        let waits = pods
            .iter()
            .any(|pod| format!("{:?}", pod.status).contains("ImagePullBackOff"));
        if waits { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    let seen = bench.seen("harbor", "cache").await;
    assert_eq!(
        (seen.endpoints.as_slice(), seen.ready),
        (["cache-0".to_owned()].as_slice(), 1)
    );
    patch("v1.40.1").await;
    eventually("the rollout is over", || async {
        bench.is_well("harbor", "cache", 2).await?;
        match phase(&bench, "harbor", "cache").await.as_str() {
            "Ready" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    let images: Vec<Option<String>> = bench
        .pods("harbor", "cache")
        .await
        .into_iter()
        .map(|pod| pod.spec.unwrap().containers[0].image.clone())
        .collect();
    assert!(
        images
            .iter()
            .all(|image| image.as_ref().unwrap().ends_with(":v1.40.1")),
        "{images:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_engine_fails_its_probes_and_is_killed() {
    let bench = bench("healthy").await;
    bench.engine("harbor", "cache-1").freeze(true);
    eventually("cache-1 was restarted", || async {
        let pod = Api::<Pod>::namespaced(bench.infra.clone(), "harbor")
            .get("cache-1")
            .await
            .unwrap();
        let restarts = pod
            .status
            .as_ref()
            .unwrap()
            .container_statuses
            .as_ref()
            .unwrap()[0]
            .restart_count;
        if restarts == 1 && is_ready(&pod) {
            Ok(())
        } else {
            Err(format!("{restarts}"))
        }
    })
    .await;
    let said = reasons(&bench, "harbor", "cache-1").await;
    for wanted in [
        "Unhealthy Readiness probe failed",
        "Unhealthy Liveness probe failed",
        "Killing Container dragonfly failed",
    ] {
        assert!(
            said.iter().any(|one| one.starts_with(wanted)),
            "{wanted} in {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_clients_reach_an_engine_through_a_port_forward() {
    let bench = bench("healthy").await;
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let mut forward = pods.portforward("dragonfly-0", &[6379]).await.unwrap();
    let stream = forward.take_stream(6379).unwrap();
    let settings = redis::RedisConnectionInfo::default().set_password("lab-password");
    let config = redis::AsyncConnectionConfig::new();
    let (mut connection, driver) =
        redis::aio::MultiplexedConnection::new_with_config(&settings, stream, config)
            .await
            .unwrap();
    tokio::spawn(driver);
    let set: String = redis::cmd("SET")
        .arg("hello")
        .arg("lab")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(set, "OK");
    let got: String = redis::cmd("GET")
        .arg("hello")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(got, "lab");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_keeps_what_was_saved() {
    let bench = bench("healthy").await;
    let keys = bench.engine(SYSTEM, "dragonfly-1").keys();
    let saved = bench.engine(SYSTEM, "dragonfly-1").saved().unwrap();
    assert!(
        saved.keys() > 400_000 && !saved.file.is_empty(),
        "{saved:?}"
    );
    bench.lab.fault("operator-stalled").await.unwrap();
    bench.engine(SYSTEM, "dragonfly-1").kill();
    eventually(
        "dragonfly-1 has its keys again without anybody's help",
        || async {
            let machines = &bench.lab.0.stage.infra.machines;
            let found = machines
                .engine(SYSTEM, "dragonfly-1")
                .map_or(0, |engine| engine.keys());
            if found.abs_diff(keys) < 2_000 {
                Ok(())
            } else {
                Err(format!("{found} of {keys}"))
            }
        },
    )
    .await;
}
