//! What the API tells in scenarios whose objects are not there, not whole, or not as the operator would have them.

use k8s_openapi::api::apps::v1::Deployment;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::signatures::{Seen, get, info, phase, pod, tells, want};
use super::*;

/// The operator has no pod any more.
async fn without_operator(bench: &Bench) -> Seen {
    let api = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE);
    let pods = api.list(&ListParams::default()).await.unwrap().items;
    want(pods.is_empty(), pods.len())
}

fn label(pod: &Pod, key: &str) -> Option<String> {
    pod.metadata.labels.as_ref()?.get(key).cloned()
}

/// Whether the lab shows what a scenario describes.
pub(super) async fn shows(bench: &Bench, scenario: &str) -> Seen {
    match scenario {
        "fewer-rights" => {
            for (path, may) in [
                ("/api/v1/persistentvolumeclaims", false),
                (
                    "/apis/policy/v1/namespaces/harbor/poddisruptionbudgets",
                    false,
                ),
                (
                    "/apis/networking.k8s.io/v1/namespaces/harbor/networkpolicies",
                    false,
                ),
                ("/api/v1/pods", true),
                ("/api/v1/namespaces/harbor/events", true),
            ] {
                let answer = get(bench, path).await;
                want(answer.is_ok() == may, (path, answer.err()))?;
            }
            Ok(())
        }
        "watch-broken" => {
            let slices = get(bench, "/apis/discovery.k8s.io/v1/endpointslices").await;
            tells(
                &slices.unwrap_err(),
                &["etcdserver: request timed out"],
                &[],
            )?;
            get(bench, "/api/v1/pods").await.map(|_| ())
        }
        "nameless-object" => {
            let path = "/apis/networking.k8s.io/v1/namespaces/harbor/networkpolicies";
            let list: Value = serde_json::from_str(&get(bench, path).await?).unwrap();
            let meta = &list["items"][0]["metadata"];
            want(
                meta["name"].is_null() && meta["namespace"] == "harbor",
                &list,
            )?;
            let other = get(bench, &path.replace("harbor", SYSTEM)).await?;
            tells(&other, &["\"name\":\"gitlab\""], &[])
        }
        "crd-missing" => {
            let all = Api::<Deployment>::namespaced(bench.apps.clone(), NAMESPACE);
            all.get(DEPLOYMENT)
                .await
                .map_err(|error| error.to_string())?;
            let request = http::Request::get("/apis/dragonflydb.io/v1alpha1/dragonflies");
            let kind = bench.apps.request_text(request.body(Vec::new()).unwrap());
            want(kind.await.is_err(), "it serves Dragonfly objects")?;
            let pods = Api::<Pod>::namespaced(bench.apps.clone(), NAMESPACE);
            let params = kube::api::LogParams {
                container: Some("manager".into()),
                ..Default::default()
            };
            let mut log = String::new();
            for one in pods.list(&ListParams::default()).await.unwrap().items {
                log += &pods.logs(&name(&one), &params).await.unwrap_or_default();
            }
            tells(&log, &["no matches for kind"], &[])
        }
        "new-instance" => {
            let first = Api::<Pod>::namespaced(bench.infra.clone(), "shop");
            let first = first.get("cart-0").await;
            let first = first.map_err(|error| error.to_string())?;
            let events = get(bench, "/api/v1/namespaces/shop/events").await?;
            tells(&events, &["Pulling image"], &[])?;
            let seen = bench.seen("shop", "cart").await;
            want(seen.ready < 2, (&seen, first.status))
        }
        "scaled-to-zero" => {
            let seen = bench.seen("harbor", "cache").await;
            let pods = bench.pods("harbor", "cache").await;
            want(pods.is_empty() && seen.endpoints.is_empty(), seen)?;
            let phase = phase(bench, "harbor", "cache").await;
            want(phase == "Ready", phase)
        }
        "no-room" => {
            let seen = bench.seen("harbor", "cache").await;
            want(seen.masters == ["cache-0"] && seen.ready == 1, seen)?;
            let pods = bench.pods("harbor", "cache").await;
            let pending = pods.iter().find(|pod| name(pod) == "cache-1");
            let status = pending.and_then(|pod| pod.status.clone());
            let conditions = status.and_then(|status| status.conditions);
            tells(&format!("{conditions:?}"), &["3 Insufficient memory"], &[])
        }
        "pod-unconfigured" => {
            without_operator(bench).await?;
            let young = pod(bench, SYSTEM, "gitlab-2").await;
            want(
                is_ready(&young) && label(&young, "role").is_none(),
                &young.metadata.labels,
            )?;
            let told = info(bench, "gitlab-2", "replication").await;
            tells(&told, &["role:master", "connected_slaves:0"], &[])
        }
        "failover-by-hand" => {
            without_operator(bench).await?;
            let seen = bench.seen(SYSTEM, "gitlab").await;
            want(
                seen.masters == ["gitlab-0"]
                    && seen.acting == ["gitlab-1"]
                    && seen.endpoints == ["gitlab-1"]
                    && seen.in_sync == ["gitlab-0", "gitlab-2"],
                seen,
            )
        }
        "two-master-labels" => {
            without_operator(bench).await?;
            let seen = bench.seen(SYSTEM, "gitlab").await;
            let both = ["gitlab-0", "gitlab-2"];
            want(
                seen.masters == both && seen.endpoints == both && seen.acting == ["gitlab-0"],
                seen,
            )
        }
        "service-elsewhere" => {
            without_operator(bench).await?;
            let seen = bench.seen(SYSTEM, "gitlab").await;
            want(
                seen.masters == ["gitlab-0"] && seen.endpoints == ["gitlab-1", "gitlab-2"],
                seen,
            )
        }
        "service-deleted" => {
            without_operator(bench).await?;
            let path = format!("/api/v1/namespaces/{SYSTEM}/services/gitlab");
            let service = get(bench, &path).await;
            want(service.is_err(), service)?;
            let seen = bench.seen(SYSTEM, "gitlab").await;
            want(
                seen.endpoints.is_empty() && seen.masters == ["gitlab-0"],
                seen,
            )
        }
        "labels-managed" => {
            let df = get(bench, &dragonfly("gitlab")).await?;
            tells(
                &df,
                &["\"podMetadata\":{\"labels\":{\"app\":\"gitlab\"}}"],
                &[],
            )?;
            let seen = bench.seen(SYSTEM, "gitlab").await;
            want(seen.masters == ["gitlab-0"] && seen.ready == 3, seen)
        }
        "claims-resized" => {
            let df = get(bench, &dragonfly("dragonfly")).await?;
            tells(&df, &["\"storage\":\"50Gi\""], &[])?;
            let set = format!("/apis/apps/v1/namespaces/{SYSTEM}/statefulsets/dragonfly");
            tells(
                &get(bench, &set).await?,
                &["volumeClaimTemplates"],
                &["50Gi"],
            )
        }
        "snapshot-unloadable" => {
            let pod = pod(bench, SYSTEM, "dragonfly-2").await;
            let status = format!("{:?}", pod.status);
            want(!is_ready(&pod), &status)
        }
        "operator-old" => {
            without_operator(bench).await?;
            let operator = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}");
            tells(&get(bench, &operator).await?, &[":v1.5.0"], &[])?;
            let df = get(bench, &dragonfly("dragonfly")).await?;
            tells(&df, &["\"enableOnMasterOnly\":true"], &[])
        }
        "gate-stuck" => {
            let path = format!("/api/v1/namespaces/{SYSTEM}/pods/gitlab-2");
            let told = get(bench, &path).await?;
            let pod: Value = serde_json::from_str(&told).unwrap();
            let conditions = pod["status"]["conditions"].as_array().unwrap();
            let gate = conditions
                .iter()
                .find(|one| one["type"] == "dragonflydb.io/replication-ready");
            want(gate.is_some_and(|gate| gate["status"] == "False"), told)
        }
        "conflicts" => want(relabelled(bench).await == 409, "no conflict"),
        "rights-half-way" => {
            // Whoever asked before may have used the one that is allowed.
            relabelled(bench).await;
            want(relabelled(bench).await == 403, "still allowed")
        }
        "forward-cut" | "forward-cut-early" => {
            // The word is what is caught; a takeover would change more.
            let said = over_a_forward(bench, &["ECHO", "REPLTAKEOVER"]).await;
            want(said == Some(false), said)?;
            let said = over_a_forward(bench, &["ECHO", "else"]).await;
            want(said == Some(true), said)
        }
        "reply-swallowed" => {
            let said = over_a_forward(bench, &["ECHO", "REPLTAKEOVER"]).await;
            want(said.is_none(), said)?;
            let said = over_a_forward(bench, &["ECHO", "else"]).await;
            want(said == Some(true), said)
        }
        other => panic!("no test says what {other} looks like"),
    }
}

/// The status code of a patch of a pod that changes nothing of note.
async fn relabelled(bench: &Bench) -> u16 {
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let patch =
        kube::api::Patch::Merge(serde_json::json!({"metadata": {"labels": {"asked": "yes"}}}));
    match pods.patch("gitlab-1", &Default::default(), &patch).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(_) => 0,
    }
}

/// Whether something is answered over a port-forward to a replica, or it ends without; `None` when neither comes.
async fn over_a_forward(bench: &Bench, command: &[&str]) -> Option<bool> {
    let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
    let mut forward = pods.portforward("gitlab-1", &[9999]).await.unwrap();
    let mut stream = forward.take_stream(9999).unwrap();
    let mut wire = format!("*{}\r\n", command.len());
    for word in command {
        wire += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(wire.as_bytes()).await.unwrap();
    let mut some = [0; 16];
    let read = tokio::time::timeout(
        std::time::Duration::from_millis(700),
        stream.read(&mut some),
    );
    read.await
        .ok()
        .map(|read| read.is_ok_and(|count| count > 0))
}

/// Where the Dragonfly object of that name is.
fn dragonfly(name: &str) -> String {
    format!("/apis/dragonflydb.io/v1alpha1/namespaces/{SYSTEM}/dragonflies/{name}")
}
