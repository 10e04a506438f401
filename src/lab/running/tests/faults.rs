//! Every scenario reaches the state it describes, at the start and on a running lab, and heals.

use super::*;
use crate::lab::{Knock, Lasts, SCENARIOS, Use, knock, read_state, send_fault, send_stop};
use kube::api::{WatchEvent, WatchParams};

/// Whether the lab shows what a scenario describes.
async fn shows(bench: &Bench, scenario: &str) -> Result<(), String> {
    let wrong = |what: String| Err(what);
    match scenario {
        "full-sync" => {
            let seen = bench.seen(SYSTEM, "dragonfly").await;
            let engine = bench.engine(SYSTEM, "dragonfly-2");
            if seen.in_sync == ["dragonfly-1"] && engine.is_loading() && seen.ready == 3 {
                Ok(())
            } else {
                wrong(format!("{seen:?}"))
            }
        }
        "no-master" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            if seen.masters.is_empty()
                && seen.acting.is_empty()
                && seen.endpoints.is_empty()
                && seen.in_sync.is_empty()
            {
                Ok(())
            } else {
                wrong(format!("{seen:?}"))
            }
        }
        "two-masters" => {
            let seen = bench.seen(SYSTEM, "gitlab").await;
            let replid = |pod: &str| bench.engine(SYSTEM, pod).replid();
            let apart =
                |acting: &[String]| acting.len() == 2 && replid(&acting[0]) != replid(&acting[1]);
            if seen.masters.len() == 1
                && seen.endpoints == seen.masters
                && seen.acting.contains(&seen.masters[0])
                && apart(&seen.acting)
            {
                Ok(())
            } else {
                wrong(format!("{seen:?}"))
            }
        }
        "operator-down" => {
            let pods = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE)
                .list(&ListParams::default())
                .await
                .unwrap();
            let ready: Vec<String> = pods
                .items
                .iter()
                .filter(|pod| is_ready(pod))
                .map(name)
                .collect();
            if pods.items.len() == 2 && ready.is_empty() {
                Ok(())
            } else {
                wrong(format!("ready: {ready:?}"))
            }
        }
        "context-unreachable" => match Api::<Pod>::all(bench.apps.clone())
            .list(&ListParams::default())
            .await
        {
            Err(error) if !error.to_string().contains("timed out") => Ok(()),
            other => wrong(format!("{other:?}")),
        },
        "context-hangs" => {
            let pods = Api::<Pod>::all(bench.apps.clone());
            let params = ListParams::default();
            let asked = tokio::time::timeout(Duration::from_millis(400), pods.list(&params)).await;
            asked.map_or(Ok(()), |answer| wrong(format!("{answer:?}")))
        }
        "forbidden-lists" => {
            let within = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM)
                .list(&ListParams::default())
                .await;
            within.map_err(|error| error.to_string())?;
            match Api::<Pod>::all(bench.infra.clone())
                .list(&ListParams::default())
                .await
            {
                Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
                other => wrong(format!("{:?}", other.map(|list| list.items.len()))),
            }
        }
        "slow-api" => {
            let began = Instant::now();
            let asked = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM)
                .get("dragonfly-0")
                .await;
            asked.map_err(|error| error.to_string())?;
            if began.elapsed() > Duration::from_millis(1400) {
                Ok(())
            } else {
                wrong("quick".into())
            }
        }
        "watch-expired" => {
            use futures::{StreamExt, TryStreamExt};
            let pods = Api::<Pod>::namespaced(bench.infra.clone(), SYSTEM);
            let listed = pods
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let revision = listed.metadata.resource_version.unwrap();
            let stream = pods
                .watch(&WatchParams::default(), &revision)
                .await
                .map_err(|error| error.to_string())?;
            let mut stream = stream.boxed();
            let until = tokio::time::sleep(Duration::from_secs(20));
            tokio::pin!(until);
            loop {
                tokio::select! {
                    next = stream.try_next() => match next {
                        Ok(Some(WatchEvent::Error(status))) if status.code == 410 => return Ok(()),
                        Ok(Some(_)) => {}
                        other => return wrong(format!("{other:?}")),
                    },
                    () = &mut until => return wrong("the watch lives on".into()),
                }
            }
        }
        other => match super::faint::shows(bench, other).await {
            Some(seen) => seen,
            None => match super::modes::shows(bench, other).await {
                Some(seen) => seen,
                None => super::signatures::shows(bench, other).await,
            },
        },
    }
}

fn faults() -> impl Iterator<Item = &'static str> {
    SCENARIOS
        .iter()
        .filter(|scenario| scenario.when == Use::Both)
        .map(|scenario| scenario.name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_starts_in_every_scenario() {
    for scenario in faults() {
        let bench = bench(scenario).await;
        eventually(&format!("a lab started as {scenario} shows it"), || {
            shows(&bench, scenario)
        })
        .await;
        assert_eq!(bench.lab.state()["scenario"], scenario);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_befalls_a_running_lab_and_heals() {
    for scenario in faults() {
        let bench = bench("healthy").await;
        bench
            .lab
            .fault(scenario)
            .await
            .unwrap_or_else(|error| panic!("{scenario}: {error}"));
        eventually(&format!("{scenario} shows"), || shows(&bench, scenario)).await;
        assert_eq!(bench.lab.state()["faults"], json!([scenario]));
        bench.lab.fault("heal").await.unwrap();
        assert_eq!(bench.lab.state()["faults"], json!([]));
        eventually(&format!("all is well after {scenario}"), || {
            bench.story_is_well()
        })
        .await;
        let operators = || async {
            let pods = Api::<Pod>::namespaced(bench.infra.clone(), NAMESPACE)
                .list(&ListParams::default())
                .await
                .unwrap();
            match pods.items.iter().filter(|pod| is_ready(pod)).count() {
                2 => Ok(()),
                ready => Err(format!("{ready} ready")),
            }
        };
        eventually(&format!("the operator is well after {scenario}"), operators).await;
        let apps = Api::<Pod>::all(bench.apps.clone());
        eventually(&format!("lab-apps answers after {scenario}"), || async {
            apps.list(&ListParams::default())
                .await
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_by_itself_leaves_a_lab_that_is_well() {
    let ending = SCENARIOS
        .iter()
        .filter(|scenario| matches!(scenario.lasts, Lasts::Seconds(_)));
    for scenario in ending {
        let bench = bench(scenario.name).await;
        let name = scenario.name;
        eventually(&format!("{name} shows"), || shows(&bench, name)).await;
        eventually(&format!("{name} is over"), || async {
            match shows(&bench, name).await {
                Ok(()) => Err("it still shows".to_owned()),
                Err(_) => bench.story_is_well().await,
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_refused_where_they_make_no_sense() {
    let start = |scenario: &str| {
        Lab::start(LabOptions {
            scenario: scenario.to_owned(),
            ..LabOptions::default()
        })
    };
    let error = |result: Result<Lab, LabError>| result.err().unwrap().to_string();
    assert!(error(start("two-master").await).contains("did you mean 'two-masters'?"));
    assert!(error(start("heal").await).contains("runs already"));
    let bench = bench("healthy").await;
    let refused = bench.lab.fault("scale:3").await.unwrap_err().to_string();
    assert!(refused.contains("when a lab is started"), "{refused}");
    bench.lab.fault("no-master").await.unwrap();
    let refused = bench
        .lab
        .fault("two-masters")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("cannot be played") && refused.contains("heal"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_finds_the_lab_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run").join("lab.json");
    let missing = send_fault(&file, "heal").await.unwrap_err().to_string();
    assert!(missing.contains("no lab is running"), "{missing}");

    let bench = bench("healthy").await;
    let kubeconfig = folder.path().join("kubeconfig");
    let control = bench
        .lab
        .serve_control(&file, Some(&kubeconfig))
        .await
        .unwrap();
    assert!(
        send_fault(&file, "operator-stalled")
            .await
            .unwrap()
            .contains("no work")
    );
    let state = read_state(&file).await.unwrap();
    assert_eq!(state["faults"], json!(["operator-stalled"]));
    assert!(state["contexts"][0]["revision"].as_u64().unwrap() > 10);
    assert_eq!(state["kubeconfig"], kubeconfig.to_str().unwrap());
    let wrong = send_fault(&file, "operator-stall")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("did you mean 'operator-stalled'?"),
        "{wrong}"
    );
    assert!(send_fault(&file, "../state").await.is_err());

    // Without the key nothing is done.
    let text = std::fs::read_to_string(&file).unwrap();
    let other = folder.path().join("other.json");
    std::fs::write(&other, text.replace("\"key\":\"", "\"key\":\"0")).unwrap();
    let refused = send_fault(&other, "heal").await.unwrap_err().to_string();
    assert!(refused.contains("key"), "{refused}");
    assert_eq!(
        read_state(&file).await.unwrap()["faults"],
        json!(["operator-stalled"])
    );

    send_stop(&file).await.unwrap();
    tokio::time::timeout(PATIENCE, bench.lab.ended())
        .await
        .unwrap();
    assert!(
        send_fault(&file, "heal")
            .await
            .unwrap_err()
            .to_string()
            .contains("no lab is running")
    );
    drop(control);
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_without_its_lab_is_known_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench("healthy").await;
    let file = folder.path().join("lab.json");
    let _control = bench.lab.serve_control(&file, None).await.unwrap();
    let there = std::fs::read_to_string(&file).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap().to_string();
    let at = |address: &str| json!({"address": address, "key": "k", "pid": 1}).to_string();
    // Accepts and never answers, as a stopped process does.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = deaf.local_addr().unwrap().to_string();
    drop(nobody);
    for (case, text, wanted) in [
        ("a running lab", there.clone(), "answers"),
        ("its port is closed", at(&closed), "gone"),
        (
            "another lab has its port",
            there.replace("\"key\":\"", "\"key\":\"0"),
            "gone",
        ),
        ("a stopped lab", at(&silent), "silent"),
        ("no JSON", "{".to_owned(), "gone"),
    ] {
        let file = folder.path().join("case.json");
        std::fs::write(&file, text).unwrap();
        let found = match knock(&file).await {
            Knock::Answers(_) => "answers",
            Knock::Silent => "silent",
            Knock::Gone => "gone",
        };
        assert_eq!(found, wanted, "{case}");
    }
    assert_eq!(knock(&folder.path().join("none")).await, Knock::Gone);
}
