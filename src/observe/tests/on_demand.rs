//! What is read only while it is wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::api::{Act, Api, Asked, empty};
use super::*;
use crate::domain::want::{Foreign, LogId, Want};
use crate::domain::world::{Found, Reading};
use crate::domain::{Needs, Scope};

fn classes() -> Want {
    Want::Objects {
        context: ContextId::new("c"),
        what: Foreign::StorageClass,
        scope: Scope::Cluster,
    }
}

fn volumes() -> Want {
    Want::Volumes {
        context: ContextId::new("c"),
        machine: Arc::from("m1"),
    }
}

fn log() -> Want {
    Want::Log(LogId {
        context: ContextId::new("c"),
        namespace: Arc::from("op"),
        pod: Arc::from("op-1"),
        container: Arc::from("manager"),
    })
}

fn want(it: &Followed, wants: &[Want]) {
    let wants: BTreeSet<Want> = wants.iter().cloned().collect();
    it.focus.send_modify(|focus| {
        let needs = Needs {
            wants,
            ..Needs::clone(&focus.needs)
        };
        focus.needs = Arc::new(needs);
    });
}

/// A screen that judges is shown, or no longer.
fn judge(it: &Followed, judged: bool) {
    it.focus.send_modify(|focus| {
        let needs = Needs {
            judged,
            ..Needs::clone(&focus.needs)
        };
        focus.needs = Arc::new(needs);
    });
}

fn classes_of(context: &ContextWorld) -> Option<usize> {
    match context
        .on_demand
        .objects(&context.id, Foreign::StorageClass, &Scope::Cluster)
    {
        Reading::Known { objects, .. } => Some(objects.len()),
        Reading::Unread | Reading::Failed(..) => None,
    }
}

const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";

fn asked_for(api: &Api) -> usize {
    let log = api.log();
    log.iter().filter(|asked| asked.path == CLASSES).count()
}

fn two_pages(asked: &Asked) -> Act {
    if asked.path != CLASSES {
        return empty(asked);
    }
    let class = |name: &str| json!({"metadata": {"name": name}, "provisioner": "p"});
    match asked.query.get("continue").map(String::as_str) {
        None => Act::json(
            json!({"metadata": {"resourceVersion": "5", "continue": "a+b"}, "items": [class("one"), {}]}),
        ),
        Some(_) => {
            Act::json(json!({"metadata": {"resourceVersion": "5"}, "items": [class("two")]}))
        }
    }
}

#[tokio::test]
async fn a_list_is_read_while_it_is_wanted_and_let_go_after() {
    let api = Api::start(two_pages).await;
    let mut it = Followed::api(&api);
    it.until("live", ContextWorld::is_live).await;
    assert_eq!(asked_for(&api), 0, "nobody has wanted it yet");
    want(&it, &[classes()]);
    it.until("both pages", |c| classes_of(c) == Some(2)).await;
    // It is read again and again, and not once more when nobody wants it.
    it.during(api.wait_for(|asked| asked.path == CLASSES && asked.before > 2))
        .await;
    want(&it, &[]);
    it.until("let go", |c| c.on_demand.get(&classes()).is_none())
        .await;
    let asked = asked_for(&api);
    it.until("later", |c| c.on_demand.get(&classes()).is_none())
        .await;
    assert_eq!(asked_for(&api), asked);
}

#[tokio::test]
async fn a_missing_right_is_told_with_its_name() {
    let api = Api::start(|asked: &Asked| match asked.path.as_str() {
        "/api/v1/nodes/m1/proxy/stats/summary" => Act::status(403, "nodes/proxy is forbidden"),
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    want(&it, &[volumes()]);
    it.until("refused", |c| {
        c.on_demand.get(&volumes()).is_some_and(|looked| {
            looked.fault.as_ref().is_some_and(|(fault, _)| {
                fault.message == "may not get nodes/proxy in the whole cluster"
                    && fault.hint.contains("--verb=get --resource=nodes/proxy")
            })
        })
    })
    .await;
}

#[tokio::test]
async fn the_use_of_volumes_is_read() {
    let api = Api::start(|asked: &Asked| match asked.path.as_str() {
        "/api/v1/nodes/m1/proxy/stats/summary" => Act::json(json!({"pods": [{"volume": [
            {"usedBytes": 4096, "capacityBytes": 8192, "pvcRef": {"namespace": "shop", "name": "df-orders-0"}}]}]})),
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    want(&it, &[volumes()]);
    it.until("measured", |c| {
        let volume = c.on_demand.volume("shop", "df-orders-0");
        volume.is_some_and(|(v, _)| v.now.used == Some(4096) && v.now.capacity == Some(8192))
    })
    .await;
}

fn lines_of(context: &ContextWorld) -> Vec<String> {
    let looked = context.on_demand.get(&log());
    match looked
        .and_then(|looked| looked.found.as_ref())
        .map(|k| &k.value)
    {
        Some(Found::Log(tail)) => tail.lines().map(|line| line.message.clone()).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_log_is_followed_and_goes_on_after_its_last_line_when_it_is_cut() {
    let api = Api::start(|asked: &Asked| match asked.path.as_str() {
        "/api/v1/namespaces/op/pods/op-1/log" => match asked.query.get("sinceTime") {
            None => Act::Answer(
                200,
                "2026-01-02T12:00:00.5Z one\n2026-01-02T12:00:01.5Z two\n".to_owned(),
            ),
            Some(since) => {
                assert_eq!(since, "2026-01-02T12%3A00%3A01.5Z");
                Act::Answer(
                    200,
                    "2026-01-02T12:00:01.5Z two\n2026-01-02T12:00:01.7Z three\nhalf".to_owned(),
                )
            }
        },
        _ => empty(asked),
    })
    .await;
    let mut it = Followed::api(&api);
    want(&it, &[log()]);
    it.until("three lines", |c| lines_of(c).len() >= 3).await;
    assert_eq!(lines_of(it.context()), ["one", "two", "three"]);
    want(&it, &[]);
    it.until("let go", |c| c.on_demand.get(&log()).is_none())
        .await;
}

const RELEASES: &str = "/apis/helm.toolkit.fluxcd.io/v2/helmreleases";

fn releases() -> Want {
    Want::Objects {
        context: ContextId::new("c"),
        what: Foreign::HelmRelease,
        scope: Scope::Cluster,
    }
}

#[tokio::test]
async fn a_change_is_read_at_once_and_not_from_before_it() {
    let api = Api::start(|asked: &Asked| {
        if asked.path != RELEASES {
            return empty(asked);
        }
        let of = |name: &str| json!({"metadata": {"name": name, "resourceVersion": "7"}});
        let query = |key: &str| asked.query.get(key).map(String::as_str);
        match (query("watch"), query("resourceVersion")) {
            (Some(_), Some("5")) => Act::Hold(vec![json!({"type": "ADDED", "object": of("two")})]),
            // Nothing more happens.
            (Some(_), _) => Act::Hold(Vec::new()),
            (None, Some("0")) => {
                Act::json(json!({"metadata": {"resourceVersion": "5"}, "items": [of("one")]}))
            }
            (None, revision) => {
                assert_eq!(revision, Some("7"));
                Act::json(
                    json!({"metadata": {"resourceVersion": "7"}, "items": [of("one"), of("two")]}),
                )
            }
        }
    })
    .await;
    let pace = Pace {
        // Without a word of the change it would be read again in an hour.
        on_demand: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    want(&it, &[releases()]);
    it.until("both", |c| {
        let read = c
            .on_demand
            .objects(&c.id, Foreign::HelmRelease, &Scope::Cluster);
        matches!(read, Reading::Known { objects, .. } if objects.len() == 2)
    })
    .await;
}

#[tokio::test]
async fn what_hardly_ever_changes_is_followed_only_while_it_is_judged() {
    let class = |revision: &str, grows: bool| json!({"metadata": {"name": "one", "resourceVersion": revision}, "allowVolumeExpansion": grows});
    let api = Api::start(move |asked: &Asked| {
        if asked.path != CLASSES {
            return empty(asked);
        }
        let query = |key: &str| asked.query.get(key).map(String::as_str);
        let list = |revision: &str, grows: bool| {
            let meta = json!({"resourceVersion": revision});
            Act::json(json!({"metadata": meta, "items": [class(revision, grows)]}))
        };
        match (query("watch"), query("resourceVersion")) {
            (Some(_), Some("5")) => Act::Hold(vec![
                // Nothing that is read of it differs.
                json!({"type": "MODIFIED", "object": class("6", true)}),
                json!({"type": "MODIFIED", "object": class("7", false)}),
            ]),
            (Some(_), _) => Act::Hold(Vec::new()),
            (None, Some("0")) => list("5", true),
            (None, revision) => {
                assert_eq!(revision, Some("7"), "read for a change that is none");
                list("7", false)
            }
        }
    })
    .await;
    let pace = Pace {
        on_demand: Duration::from_secs(3_600),
        ..quick()
    };
    let mut it = Followed::plan(ContextPlan::paced(entry("c", &api.url, "{}"), pace));
    let grows = |c: &ContextWorld| {
        let read = c
            .on_demand
            .objects(&c.id, Foreign::StorageClass, &Scope::Cluster);
        match read {
            Reading::Known { objects, .. } => objects[0].body["allowVolumeExpansion"].as_bool(),
            Reading::Unread | Reading::Failed(..) => None,
        }
    };
    let watched = |api: &Api| {
        let log = api.log();
        let watches = log.iter().filter(|a| a.path == CLASSES && a.is_watch());
        watches.count()
    };
    want(&it, &[classes()]);
    it.until("read", |c| grows(c) == Some(true)).await;
    want(&it, &[classes(), volumes()]);
    it.during(api.wait_for(|asked| asked.path.ends_with("/stats/summary")))
        .await;
    assert_eq!(watched(&api), 0, "nobody judges it");
    judge(&it, true);
    it.until("changed", |c| grows(c) == Some(false)).await;
    it.during(api.wait_for(|asked| asked.is_watch() && asked.query["resourceVersion"] == "7"))
        .await;
    assert_eq!(watched(&api), 2);
}

#[tokio::test]
async fn of_secrets_only_the_metadata_is_asked_for() {
    let path = "/api/v1/namespaces/shop/secrets";
    let api = Api::start(move |asked: &Asked| match asked.path == path {
        true if asked.headers.get("accept").is_some_and(|a| a.contains("as=PartialObjectMetadataList")) => Act::json(
            json!({"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "auth", "namespace": "shop"}}]}),
        ),
        true => Act::status(406, "only metadata is given here"),
        false => empty(asked),
    })
    .await;
    let secrets = Want::Objects {
        context: ContextId::new("c"),
        what: Foreign::Secret,
        scope: Scope::Namespace(Arc::from("shop")),
    };
    let mut it = Followed::api(&api);
    want(&it, &[secrets]);
    let scope = Scope::Namespace(Arc::from("shop"));
    it.until("read", |c| {
        let read = c.on_demand.objects(&c.id, Foreign::Secret, &scope);
        matches!(read, Reading::Known { objects, .. } if objects.len() == 1)
    })
    .await;
    let log = api.log();
    assert!(
        log.iter()
            .all(|asked| asked.path != path || !asked.query.contains_key("watch"))
    );
}
