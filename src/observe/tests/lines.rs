//! The way to the API server: found, lost, found again, and what it is called meanwhile.

use tokio::net::TcpListener;

use super::api::{Act, Api, dragonfly, empty, list};
use super::*;
use crate::domain::{FaultKind, Link};

fn fault_of(context: &ContextWorld) -> Option<(FaultKind, String)> {
    match &context.link {
        Link::Unreachable { fault, .. }
        | Link::LoginNeeded { fault, .. }
        | Link::Unusable { fault } => Some((fault.kind, fault.message.clone())),
        Link::Connecting | Link::Live { .. } => None,
    }
}

#[tokio::test]
async fn a_cluster_is_reached_and_says_who_it_is() {
    let api = Api::start(empty).await;
    let mut it = Followed::api(&api);
    it.until("identified", |c| c.cluster.is_some()).await;
    assert!(it.context().is_live());
    assert_eq!(it.context().cluster.as_deref(), Some("cluster-uid"));
    assert_eq!(it.context().version.as_deref(), Some("v1.33.1"));
    assert!(matches!(
        it.facts[1],
        Fact::Linked {
            link: Link::Connecting,
            ..
        }
    ));
    let asked = api.wait_for(|asked| asked.path == "/version").await;
    let agent = format!(
        "darner/{} ({}; context c)",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS
    );
    assert_eq!(asked.headers["user-agent"], agent);
}

#[tokio::test]
async fn who_the_cluster_is_may_be_hidden() {
    let api = Api::start(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/kube-system" => Act::status(403, "forbidden"),
        "/version" => Act::status(403, "forbidden"),
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("live and listed", |c| {
        c.is_live() && c.has_listed(Kind::Dragonfly) && c.unidentified.is_some()
    })
    .await;
    assert_eq!(
        (&it.context().cluster, &it.context().version),
        (&None, &None)
    );
    let (fault, _) = it.context().unidentified.clone().unwrap();
    assert_eq!(fault.message, "may not get namespaces in the whole cluster");
}

/// What was told of the cluster's identity, in order.
fn identities(it: &Followed) -> Vec<(Option<String>, Option<String>)> {
    let told = it.facts.iter().filter_map(|fact| match fact {
        Fact::Identified {
            cluster, version, ..
        } => Some((cluster.clone(), version.clone())),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn who_the_cluster_is_is_asked_until_it_is_answered() {
    for (name, first) in [
        ("busy", Act::With(429, "retry-after", "1")),
        ("in trouble", Act::status(500, "etcd leader changed")),
        ("late", Act::Silence),
        ("odd", Act::json(serde_json::json!({}))),
        ("roles not read yet", Act::status(403, "forbidden")),
    ] {
        let api = Api::start(move |asked| match asked.path.as_str() {
            "/api/v1/namespaces/kube-system" if asked.before < 2 => first.clone(),
            "/version" if asked.before < 3 => Act::With(429, "retry-after", "1"),
            _ => empty(asked),
        })
        .await;
        let pace = Pace {
            request_deadline: Duration::from_millis(200),
            ..quick()
        };
        let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
        it.until(name, |c| {
            c.cluster.is_some() && c.version.is_some() && c.unidentified.is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn who_the_cluster_is_stays_known_when_the_way_comes_back() {
    let api = Api::start(empty).await;
    let mut it = Followed::api(&api);
    it.until("identified", |c| c.cluster.is_some()).await;
    for code in [403, 404, 429, 500] {
        api.play(|_| Act::Raw(""));
        it.until("down", |c| !c.is_live()).await;
        let before = api.log().len();
        api.play(move |asked| match asked.path.as_str() {
            "/api/v1/namespaces/kube-system" => Act::status(code, "no"),
            _ => empty(asked),
        });
        // The way was lost: it is asked anew, and once more unless the answer settles it.
        let asked_again = || {
            let log = api.log();
            let asked = log.iter().skip(before);
            asked.filter(|a| a.path.ends_with("/kube-system")).count()
        };
        let enough = if code == 404 { 1 } else { 2 };
        it.until("asked again", |c| c.is_live() && asked_again() >= enough)
            .await;
    }
    let known = (Some("cluster-uid".to_owned()), Some("v1.33.1".to_owned()));
    assert_eq!(identities(&it).last(), Some(&known));
    let first = identities(&it).iter().position(|told| told.0.is_some());
    assert!(
        identities(&it)
            .iter()
            .skip(first.unwrap())
            .all(|t| *t == known),
        "{:?}",
        identities(&it)
    );
}

#[tokio::test]
async fn a_server_that_is_no_kubernetes_is_named_for_what_it_does() {
    let html = "<html><body>Log in</body></html>";
    let cases: Vec<(Act, FaultKind, &str)> = vec![
        (
            Act::Answer(200, html.to_owned()),
            FaultKind::Protocol,
            "answered with something that is not Kubernetes (HTML, 200)",
        ),
        (
            Act::Answer(502, html.to_owned()),
            FaultKind::Protocol,
            "answered with something that is not Kubernetes (HTML, 502)",
        ),
        (
            Act::Raw("SSH-2.0-OpenSSH_9.2\r\n"),
            FaultKind::Protocol,
            "answered with something that is not HTTP",
        ),
        (
            Act::Raw("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"gitVersion\""),
            FaultKind::Protocol,
            "the connection closed half-way through the answer",
        ),
        (
            Act::Raw(""),
            FaultKind::Protocol,
            "the connection closed half-way through the answer",
        ),
        (
            Act::Silence,
            FaultKind::Timeout,
            "no answer within 1 s to /version",
        ),
        (
            Act::status(500, "etcd leader changed"),
            FaultKind::Refused,
            "the API server answered 500: etcd leader changed",
        ),
    ];
    for (act, kind, message) in cases {
        let played = act.clone();
        let api = Api::start(move |_| played.clone()).await;
        let mut it = Followed::api(&api);
        it.until(message, |c| fault_of(c).is_some()).await;
        assert_eq!(fault_of(it.context()), Some((kind, message.to_owned())));
        assert!(matches!(it.context().link, Link::Unreachable { .. }));
        // It is tried again by itself, and comes to be.
        api.play(empty);
        it.until("live after all", |c| {
            c.is_live() && c.has_listed(Kind::Dragonfly)
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_comes_late_dies_and_comes_back_is_followed() {
    // The port is taken and given back, so that nothing listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let plan = ContextPlan::paced(entry("c", &format!("http://{address}"), "{}"), quick());
    let mut it = Followed::plan(plan);
    it.until("refused", |c| fault_of(c).is_some()).await;
    assert_eq!(
        fault_of(it.context()),
        Some((FaultKind::Unreachable, "connection refused".to_owned()))
    );
    let serve = |names: &'static [&'static str]| {
        move |asked: &api::Asked| match asked.path.as_str() {
            "/apis/dragonflydb.io/v1alpha1/dragonflies" if !asked.is_watch() => {
                list("5", names.iter().map(|n| dragonfly("ns", n, "5")).collect())
            }
            _ => empty(asked),
        }
    };
    let api = Api::on(
        TcpListener::bind(address).await.unwrap(),
        serve(&["a", "b"]),
    );
    it.until("both instances", |c| c.instances().count() == 2)
        .await;
    drop(api);
    it.until("lost", |c| fault_of(c).is_some()).await;
    // What was known is kept, and what happened meanwhile is found by listing anew.
    assert_eq!(it.dragonflies(), ["ns/a", "ns/b"]);
    let _api = Api::on(TcpListener::bind(address).await.unwrap(), serve(&["b"]));
    it.until("one instance", |c| {
        c.is_live() && c.instances().count() == 1
    })
    .await;
    assert_eq!(it.dragonflies(), ["ns/b"]);
}

#[tokio::test]
async fn one_missed_heartbeat_lists_nothing_anew() {
    let api = Api::start(empty).await;
    let mut it = Followed::api(&api);
    it.until("listed", |c| {
        Kind::ALL.iter().filter(|k| c.has_listed(**k)).count() == 10
    })
    .await;
    let missed = std::sync::atomic::AtomicBool::new(false);
    api.play(move |asked| {
        let first =
            asked.path == "/version" && !missed.swap(true, std::sync::atomic::Ordering::SeqCst);
        if first {
            Act::status(500, "hiccup")
        } else {
            empty(asked)
        }
    });
    it.until("lost", |c| fault_of(c).is_some()).await;
    it.until("back", |c| c.is_live()).await;
    let beats = |api: &Api| api.log().iter().filter(|a| a.path == "/version").count();
    let then = beats(&api);
    // Two beats later nothing was listed again.
    it.during(api.wait_for(|a| a.path == "/version" && a.before > then + 2))
        .await;
    let lists = api
        .log()
        .iter()
        .filter(|a| a.path.ends_with("/dragonflies") && !a.is_watch())
        .count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn a_server_that_dies_is_noticed_by_what_breaks_not_by_the_next_beat() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Api::on(listener, empty);
    let pace = Pace {
        heartbeat: Duration::from_secs(3_600),
        ..quick()
    };
    let plan = ContextPlan::paced(entry("c", &api.url, "{}"), pace);
    let mut it = Followed::plan(plan);
    it.until("watched", |c| c.is_live() && c.has_listed(Kind::Dragonfly))
        .await;
    it.during(api.wait_for(|a| a.is_watch())).await;
    drop(api);
    it.until("lost", |c| fault_of(c).is_some()).await;
    let _api = Api::on(TcpListener::bind(address).await.unwrap(), empty);
    it.until("back", |c| c.is_live()).await;
}

#[tokio::test]
async fn a_busy_server_is_live() {
    let api = Api::start(|asked| match asked.path.as_str() {
        "/version" => Act::With(429, "retry-after", "1"),
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    it.until("live", |c| c.is_live()).await;
}

#[tokio::test]
async fn a_nudge_ends_the_wait_for_the_next_try() {
    let api = Api::start(|_| Act::status(500, "down")).await;
    let pace = Pace {
        retry_least: Duration::from_secs(3_600),
        retry_most: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    it.until("down", |c| fault_of(c).is_some()).await;
    api.play(empty);
    it.focus.send_modify(|focus| focus.nudges += 1);
    it.until("live", |c| c.is_live()).await;
}

#[tokio::test]
async fn an_entry_that_cannot_be_used_says_so() {
    for (server, user, wanted) in [
        ("no url", "{}", "the cluster's server is not a URL"),
        (
            "127.0.0.1:6443",
            "{}",
            "the cluster's server is not a URL: \"127.0.0.1:6443\"",
        ),
        (
            "https://127.0.0.1:1",
            "{client-certificate: /nowhere.crt, client-key: /nowhere.key}",
            "the client certificate cannot be read: /nowhere.crt",
        ),
        (
            "https://127.0.0.1:1",
            "{client-certificate-data: '%%', client-key-data: '%%'}",
            "the client certificate in the kubeconfig is not base64",
        ),
        (
            "https://127.0.0.1:1",
            "{tokenFile: /nowhere.token}",
            "the token file cannot be read",
        ),
        (
            "https://127.0.0.1:1",
            "{auth-provider: {name: gcp, config: {cmd-path: /bin/true}}}",
            "auth-provider \"gcp\" is not supported",
        ),
    ] {
        let mut it = Followed::plan(ContextPlan::paced(entry("c", server, user), quick()));
        it.until(wanted, |c| fault_of(c).is_some()).await;
        let (_, message) = fault_of(it.context()).unwrap();
        assert!(message.starts_with(wanted), "{wanted}: {message}");
    }
}

#[tokio::test]
async fn impersonation_and_basic_login_are_sent() {
    let api = Api::start(empty).await;
    let user = "{username: joe, password: pw, as: jane, as-groups: [dev, ops], as-uid: u1, as-user-extra: {why: [test]}}";
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, user), quick()));
    it.until("live", |c| c.is_live()).await;
    let asked = api.wait_for(|a| a.path == "/version").await;
    for (header, wanted) in [
        ("authorization", "Basic am9lOnB3"),
        ("impersonate-user", "jane"),
        ("impersonate-uid", "u1"),
        ("impersonate-extra-why", "test"),
    ] {
        assert_eq!(asked.headers[header], wanted);
    }
}
