#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod faint;
mod faults;
mod lives;
mod modes;
mod places;
mod signatures;

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::*;

/// Everything the lab waits for goes twenty times as fast.
const SPEED: f64 = 20.0;
/// No state of a test may take longer; on a quiet machine all take a fraction.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lab and clients of both its contexts.
struct Bench {
    lab: Lab,
    infra: Client,
    apps: Client,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lab.shutdown();
    }
}

async fn client(lab: &Lab, context: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..Default::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

async fn bench(scenario: &str) -> Bench {
    let options = LabOptions {
        scenario: scenario.to_owned(),
        seed: 7,
        speed: SPEED,
    };
    let lab = Lab::start(options).await.unwrap();
    let (infra, apps) = (
        client(&lab, "lab-infra").await,
        client(&lab, "lab-apps").await,
    );
    Bench { lab, infra, apps }
}

/// Asks again until the answer is yes; says what it was waiting for when it never is.
async fn eventually<F: Future<Output = Result<(), String>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) {
    let until = Instant::now() + PATIENCE;
    loop {
        let Err(why) = ask().await else { return };
        assert!(Instant::now() < until, "waited in vain until {what}: {why}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// One instance, as clients see it: labels, endpoints, and what the engines say of themselves.
#[derive(Debug, PartialEq)]
struct Seen {
    masters: Vec<String>,
    replicas: Vec<String>,
    /// Pods to which the Service sends.
    endpoints: Vec<String>,
    /// Engines that call themselves master.
    acting: Vec<String>,
    /// Replicas in sync.
    in_sync: Vec<String>,
    ready: usize,
}

impl Bench {
    async fn pods(&self, namespace: &str, app: &str) -> Vec<Pod> {
        let labels = ListParams::default().labels(&format!("app={app}"));
        Api::<Pod>::namespaced(self.infra.clone(), namespace)
            .list(&labels)
            .await
            .unwrap()
            .items
    }

    async fn seen(&self, namespace: &str, app: &str) -> Seen {
        let pods = self.pods(namespace, app).await;
        let labelled = |role: &str| {
            let has = |pod: &&Pod| {
                pod.metadata
                    .labels
                    .as_ref()
                    .is_some_and(|all| all.get("role").is_some_and(|r| r == role))
            };
            pods.iter().filter(has).map(name).collect()
        };
        let service = ListParams::default().labels(&format!("kubernetes.io/service-name={app}"));
        let slices = Api::<EndpointSlice>::namespaced(self.infra.clone(), namespace)
            .list(&service)
            .await
            .unwrap();
        let endpoints = slices
            .items
            .iter()
            .flat_map(|slice| &slice.endpoints)
            .filter(|one| {
                one.conditions
                    .as_ref()
                    .is_some_and(|all| all.ready == Some(true))
            })
            .filter_map(|one| one.target_ref.as_ref()?.name.clone())
            .collect();
        let state = self.lab.state();
        let engines: Vec<&Value> = state["engines"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|engine| {
                engine["namespace"] == namespace
                    && engine["pod"]
                        .as_str()
                        .unwrap()
                        .starts_with(&format!("{app}-"))
            })
            .collect();
        let named = |wanted: &dyn Fn(&Value) -> bool| {
            engines
                .iter()
                .filter(|one| wanted(one))
                .map(|one| one["pod"].as_str().unwrap().to_owned())
                .collect()
        };
        Seen {
            masters: labelled("master"),
            replicas: labelled("replica"),
            endpoints,
            acting: named(&|one| one["role"] == "master"),
            in_sync: named(&|one| one["role"] == "replica" && one["inSync"] == true),
            ready: pods.iter().filter(|pod| is_ready(pod)).count(),
        }
    }

    /// Whether an instance of `replicas` pods is as it should be.
    async fn is_well(&self, namespace: &str, app: &str, replicas: usize) -> Result<(), String> {
        let seen = self.seen(namespace, app).await;
        let well = seen.masters.len() == 1
            && seen.replicas.len() == replicas - 1
            && seen.endpoints == seen.masters
            && seen.acting == seen.masters
            && seen.in_sync == seen.replicas
            && seen.ready == replicas;
        if well {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    }

    async fn story_is_well(&self) -> Result<(), String> {
        self.is_well(SYSTEM, "dragonfly", 3).await?;
        self.is_well(SYSTEM, "gitlab", 3).await?;
        self.is_well("harbor", "cache", 2).await
    }

    fn engine(&self, namespace: &str, pod: &str) -> crate::lab::engine::Engine {
        self.lab
            .0
            .stage
            .infra
            .machines
            .engine(namespace, pod)
            .unwrap()
    }
}

fn name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|all| {
        all.iter()
            .any(|one| one.type_ == "Ready" && one.status == "True")
    });
    ready && pod.metadata.deletion_timestamp.is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_lab_is_well_from_the_first_answer() {
    let bench = bench("healthy").await;
    bench.story_is_well().await.unwrap();
    let keys = |pod: &str| bench.engine(SYSTEM, pod).keys();
    assert!(keys("dragonfly-0") > 400_000);
    eventually("the replica has every key", || async {
        let (master, replica) = (keys("dragonfly-0"), keys("dragonfly-2"));
        if master.abs_diff(replica) < 50 {
            Ok(())
        } else {
            Err(format!("{master} and {replica}"))
        }
    })
    .await;
    let master = bench.engine(SYSTEM, "dragonfly-0");
    let days = master.uptime().as_secs() / 86_400;
    assert_eq!(days, 9, "an engine is as old as its container");
    assert!(matches!(master.role(), EngineRole::Master { online: 2 }));
    let consumers = Api::<Pod>::all(bench.apps.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(
        consumers.items.iter().filter(|pod| is_ready(pod)).count(),
        13
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_tells_the_same_story() {
    let told = |seed| async move {
        let lab = Lab::start(LabOptions {
            seed,
            ..LabOptions::default()
        })
        .await
        .unwrap();
        let infra = client(&lab, "lab-infra").await;
        let pods = Api::<Pod>::all(infra)
            .list(&ListParams::default())
            .await
            .unwrap();
        let mut story: Vec<String> = pods
            .items
            .iter()
            .map(|pod| {
                let status = pod.status.as_ref().unwrap();
                format!(
                    "{} {:?} {:?} {:?}",
                    name(pod),
                    pod.metadata.uid,
                    status.pod_ip,
                    pod.spec.as_ref().unwrap().node_name
                )
            })
            .collect();
        let state = lab.state();
        story.extend(
            state["engines"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["replid"].to_string()),
        );
        story.extend(lab.contexts().into_iter().map(|context| context.token));
        lab.shutdown();
        story
    };
    let first = told(11).await;
    assert_eq!(first, told(11).await);
    let other = told(12).await;
    assert!(
        first.iter().zip(&other).all(|(a, b)| a != b),
        "{first:?}\n{other:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_instances_are_there_at_once() {
    let bench = bench("scale:40").await;
    bench.story_is_well().await.unwrap();
    let servers = ListParams::default().labels("app.kubernetes.io/name=dragonfly");
    let pods = Api::<Pod>::all(bench.infra.clone())
        .list(&servers)
        .await
        .unwrap()
        .items;
    assert_eq!(pods.len(), 8 + 120);
    assert!(pods.iter().all(is_ready));
    bench.is_well("team-02", "cache-040", 3).await.unwrap();
    let addresses: std::collections::BTreeSet<_> = pods
        .iter()
        .map(|pod| pod.status.as_ref().unwrap().pod_ip.clone())
        .collect();
    assert_eq!(addresses.len(), pods.len());
}

/// Serves a lab for trying clients by hand: `DARNER_LAB_SERVE=/tmp/kubeconfig cargo test --lib serve_by_hand -- --nocapture`,
/// with `DARNER_LAB_SCENARIO` if wanted. Without the variable there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_by_hand() {
    let Ok(path) = std::env::var("DARNER_LAB_SERVE") else {
        return;
    };
    let scenario = std::env::var("DARNER_LAB_SCENARIO").unwrap_or_else(|_| "healthy".into());
    let began = Instant::now();
    let lab = Lab::start(LabOptions {
        scenario,
        ..LabOptions::default()
    })
    .await
    .unwrap();
    std::fs::write(&path, lab.kubeconfig()).unwrap();
    let control = lab
        .serve_control(&std::path::Path::new(&path).with_extension("lab"), None)
        .await
        .unwrap();
    println!(
        "up after {:?}; {} {}",
        began.elapsed(),
        path,
        control.file().display()
    );
    lab.ended().await;
}
