//! Engines where port-forwards are not permitted: asked through the API server's proxy, and by a command in the pod.

use super::api::{Act, Api, Asked, dragonfly, empty, list, pod};
use super::engines::{engine, healthy, record, silence};
use super::*;
use crate::domain::FaultKind;
use crate::domain::engine::{Health, Question, Role, Way};

const MASTER: &str = "\
# TYPE dragonfly_version gauge
dragonfly_version{version=\"df-v1.39.0\"} 1
dragonfly_master 1
dragonfly_uptime_in_seconds 77
dragonfly_memory_used_bytes 100
dragonfly_memory_max_bytes 1000
dragonfly_db_keys{db=\"db0\"} 4
dragonfly_connected_replica_lag_records{replica_ip=\"10.0.0.2\",replica_port=\"6379\",replica_state=\"online\"} 7
";
const REPLICA: &str = "dragonfly_version{version=\"df-v1.39.0\"} 1\ndragonfly_master 0\ndragonfly_db_keys{db=\"db0\"} 4\n";
const INFO: &str = "# Server\r\ndragonfly_version:df-v1.39.0\r\n# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:9999\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:0\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:9\r\nmaster_replid:abc\r\n# Keyspace\r\ndb0:keys=5,expires=0\r\n\r\n";

/// A cluster of one instance `ns/a` with a pod, where a way does what is given for it.
fn cluster(
    way: impl Fn(&str, &Asked) -> Act + Send + Sync,
) -> impl Fn(&Asked) -> Act + Send + Sync {
    move |asked| {
        let path = asked.path.as_str();
        if let Some(verb) = path.strip_prefix("/api/v1/namespaces/ns/pods/a-0/") {
            return way(verb, asked);
        }
        if let Some(page) = path.strip_prefix("/api/v1/namespaces/ns/pods/a-0:9999/proxy") {
            return way(page, asked);
        }
        let owned = asked
            .query
            .get("labelSelector")
            .is_some_and(|s| s.ends_with("Ddragonfly"));
        match path {
            "/api/v1/pods" if owned && !asked.is_watch() => {
                list("1", vec![pod("ns", "a", 0, "u0")])
            }
            _ if path.ends_with("/dragonflies") && !asked.is_watch() => {
                list("1", vec![dragonfly("ns", "a", "1")])
            }
            _ => empty(asked),
        }
    }
}

fn denied() -> Act {
    Act::status(403, "forbidden")
}

fn asked(api: &Api, end: &str) -> usize {
    api.log().iter().filter(|a| a.path.ends_with(end)).count()
}

#[tokio::test]
async fn a_page_tells_what_it_can_and_the_rest_is_unknown_and_says_why() {
    let api = Api::start(cluster(|way, _| match way {
        "portforward" => denied(),
        "/metrics" => Act::Answer(200, MASTER.to_owned()),
        "/healthz" => Act::Answer(503, "LOADING".to_owned()),
        other => panic!("{other} was asked"),
    }))
    .await;
    let mut it = Followed::api(&api);
    it.until("all of it", |c| {
        record(c, 0).is_some_and(|r| r.health.is_some())
            && silence(c, Some(Question::Persistence)).is_some()
    })
    .await;
    let it = record(it.context(), 0).unwrap();
    assert_eq!(it.health.as_ref().unwrap().value, Health::Busy);
    assert_eq!(it.engine_role().unwrap().value, Role::Master);
    assert!(it.speaks());
    assert_eq!(it.keyspace.as_ref().unwrap().value.keys, 4);
    assert_eq!(it.way(), Some(Way::PodProxy));
    assert_eq!(it.way_of(Question::Keyspace), Some(Way::PodProxy));
    assert_eq!(it.no_port_forward().unwrap().kind, FaultKind::Forbidden);
    // A master's page lists its replicas; its start-up is on no page.
    assert!(it.stands(Question::Replication) && !it.stands(Question::Persistence));
    let (fault, _) = it.silent.get(&Some(Question::Persistence)).unwrap();
    assert_eq!(
        fault.message,
        "/metrics does not tell, and we may not port-forward (pods/portforward) in namespace ns"
    );
    assert!(
        fault
            .hint
            .ends_with("for /metrics alone --verb=get --resource=pods/proxy is enough")
    );
}

#[tokio::test]
async fn whom_a_replica_follows_is_on_no_page() {
    let api = Api::start(cluster(|way, _| match way {
        "/metrics" => Act::Answer(200, REPLICA.to_owned()),
        "/healthz" => Act::Answer(404, "404 page not found".to_owned()),
        _ => denied(),
    }))
    .await;
    let mut it = Followed::api(&api);
    it.until("silence", |c| {
        silence(c, Some(Question::Replication)).is_some()
    })
    .await;
    // A server without the page is asked for it once.
    it.during(api.wait_for(|a| a.path.ends_with("/metrics") && a.before == 4))
        .await;
    assert_eq!(asked(&api, "/healthz"), 1);
    let it = record(it.context(), 0).unwrap();
    assert_eq!(it.engine_role().unwrap().value, Role::Replica);
    assert_eq!(it.replication, None);
}

#[tokio::test]
async fn nothing_is_run_in_a_pod_unless_the_settings_say_so() {
    for exec in [false, true] {
        let api = Api::start(cluster(|way, asked| match way {
            "exec" => {
                assert_eq!(asked.query["container"], "dragonfly");
                Act::Run(INFO, "a warning", 0)
            }
            "/metrics" => Act::Answer(200, REPLICA.to_owned()),
            _ => denied(),
        }))
        .await;
        let pace = Pace { exec, ..quick() };
        let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
        if exec {
            it.until("told", |c| {
                record(c, 0).is_some_and(|r| r.replication.is_some())
            })
            .await;
            let it = record(it.context(), 0).unwrap();
            assert_eq!(it.follower().unwrap().host, "10.0.0.1");
            assert_eq!(it.way_of(Question::Replication), Some(Way::Exec));
            assert!(it.stands(Question::Replication));
        } else {
            it.during(api.wait_for(|a| a.path.ends_with("/metrics") && a.before == 3))
                .await;
            assert_eq!(asked(&api, "/exec"), 0);
        }
    }
}

#[tokio::test]
async fn every_way_that_is_refused_is_named() {
    for (page, ran, wanted) in [
        (
            denied(),
            denied(),
            "may not port-forward (pods/portforward) in namespace ns, nor read pages of pods (pods/proxy), nor run commands in pods (pods/exec)",
        ),
        (
            Act::status(
                503,
                "error trying to reach service: dial tcp 10.0.0.1:9999: i/o timeout",
            ),
            Act::Run(
                "",
                "OCI runtime exec failed: exec: \"redis-cli\": executable file not found in $PATH",
                127,
            ),
            "may not port-forward (pods/portforward) in namespace ns; /metrics: the API server answered 503: error trying to reach service: dial tcp 10.0.0.1:9999: i/o timeout; exec: the image has no redis-cli",
        ),
        (
            Act::Answer(200, "<html>".to_owned()),
            Act::Run("ERR unknown", "", 1),
            "may not port-forward (pods/portforward) in namespace ns; /metrics: the reply to GET /metrics cannot be understood: it has no dragonfly_ metric; exec: redis-cli in the pod ended with status 1: command terminated with exit code 1",
        ),
    ] {
        let api = Api::start(cluster(move |way, _| match way {
            "exec" => ran.clone(),
            "/metrics" => page.clone(),
            _ => denied(),
        }))
        .await;
        let pace = Pace {
            exec: true,
            ..quick()
        };
        let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
        it.until(wanted, |c| silence(c, None).is_some()).await;
        let (kind, told) = silence(it.context(), None).unwrap();
        assert_eq!((kind, told.as_str()), (FaultKind::Forbidden, wanted));
        assert!(it.context().engines_forbidden().is_some());
        // Rounds in which nothing is run, since it is not due yet, say no less.
        it.during(api.wait_for(|a| a.path.ends_with("/portforward") && a.before == 2))
            .await;
        let (_, told) = silence(it.context(), None).unwrap();
        assert_eq!(told, wanted);
    }
}

#[tokio::test]
async fn a_right_that_comes_back_ends_the_detour() {
    let ready = cluster(|way, asked| match way {
        "portforward" if asked.before < 3 => denied(),
        "portforward" => Act::Forward(engine(healthy)),
        "/metrics" => Act::Answer(200, MASTER.to_owned()),
        _ => denied(),
    });
    let api = Api::start(ready).await;
    let mut it = Followed::api(&api);
    it.until("by the page", |c| {
        record(c, 0).is_some_and(|r| r.metrics.is_some())
    })
    .await;
    it.until("asked all", |c| {
        record(c, 0).is_some_and(|r| r.ping.is_some())
    })
    .await;
    it.until("nothing open", |c| {
        record(c, 0).is_some_and(|r| r.silent.is_empty())
    })
    .await;
    assert_eq!(
        record(it.context(), 0).unwrap().way(),
        Some(Way::PortForward)
    );
    assert_eq!(it.context().engines_forbidden(), None);
}
