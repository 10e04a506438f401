//! The Network screen in every condition that it can be in.

use std::sync::Arc;

use darner::domain::object::*;
use darner::domain::want::{Fetched, Foreign, ForeignObject, Want};
use darner::domain::*;
use darner::settings::{GlyphSet, Settings, Source};
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::world::*;

const SETTINGS: &str = r#"
[[consumer]]
name = "cart"
context = "apps"
namespace = "shop"
instance = "infra/dragonfly-system/dragonfly"
host = "dragonfly.dragonfly-system.svc.cluster.local"
labels = ["app=cart"]

[[consumer]]
name = "stranger"
context = "apps"
namespace = "default"
instance = "infra/dragonfly-system/dragonfly"
expect = "denied"
"#;

fn settings() -> Settings {
    let (settings, problems) = Settings::read(&Source::new("settings", "settings.toml", SETTINGS));
    assert_eq!(problems, []);
    settings
}

fn object(namespace: &str, name: &str, annotations: &[(&str, &str)], body: Value) -> ForeignObject {
    ForeignObject {
        meta: Meta {
            namespace: Arc::from(namespace),
            name: Arc::from(name),
            annotations: annotations
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Meta::default()
        },
        body,
    }
}

fn read(context: &str, what: Foreign, scope: Scope, objects: Vec<ForeignObject>) -> Fact {
    Fact::Fetched {
        want: Want::Objects {
            context: ctx(context),
            what,
            scope,
        },
        answer: Ok(Fetched::Objects {
            objects: objects.into(),
            more: false,
        }),
    }
}

fn within(namespace: &str) -> Scope {
    Scope::Namespace(Arc::from(namespace))
}

fn policy(name: &str, spec: Value) -> ForeignObject {
    object("dragonfly-system", name, &[], json!({"spec": spec}))
}

/// What is read in a cluster, with those policies in infra.
fn ground(policies: Vec<ForeignObject>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (context, policies) in [("infra", policies), ("apps", Vec::new())] {
        let global = [("service.cilium.io/global", "true")];
        let service = object(
            "dragonfly-system",
            "dragonfly",
            &global,
            json!({"spec": {"selector": {"app": "dragonfly", "role": "master"}}}),
        );
        let config = object(
            "kube-system",
            "cilium-config",
            &[],
            json!({"data": {"cluster-name": context, "policy-default-local-cluster": "true"}}),
        );
        let other = if context == "infra" { "apps" } else { "infra" };
        let mesh = object(
            "kube-system",
            "cilium-clustermesh",
            &[],
            json!({"keys": [other]}),
        );
        let server = object(
            "kube-system",
            "clustermesh-apiserver",
            &[],
            json!({"status": {"readyReplicas": 2}}),
        );
        facts.extend([
            read(context, Foreign::NetworkPolicy, Scope::Cluster, policies),
            read(
                context,
                Foreign::CiliumNetworkPolicy,
                Scope::Cluster,
                Vec::new(),
            ),
            read(
                context,
                Foreign::CiliumClusterwideNetworkPolicy,
                Scope::Cluster,
                Vec::new(),
            ),
            read(context, Foreign::CiliumConfig, Scope::Cluster, vec![config]),
            read(context, Foreign::Namespace, Scope::Cluster, Vec::new()),
            read(
                context,
                Foreign::Service,
                Scope::Cluster,
                vec![service.clone()],
            ),
            read(
                context,
                Foreign::Service,
                within("dragonfly-system"),
                vec![service],
            ),
            read(context, Foreign::Service, within("kube-system"), Vec::new()),
            read(context, Foreign::Secret, within("kube-system"), vec![mesh]),
            read(
                context,
                Foreign::Deployment,
                within("kube-system"),
                vec![server],
            ),
        ]);
    }
    facts
}

fn own() -> ForeignObject {
    policy(
        "dragonfly",
        json!({"podSelector": {"matchLabels": {"app": "dragonfly"}}, "ingress": [
            {"from": [{"podSelector": {}}], "ports": [{"port": 6379}]},
            {"from": [{"podSelector": {"matchLabels": {"app": "dragonfly"}}}], "ports": [{"port": 9999}]},
        ]}),
    )
}

fn shown(columns: u16, rows: u16, glyphs: GlyphSet, policies: Vec<ForeignObject>) -> Story {
    let mut story = Story::with(columns, rows, glyphs, Vec::new(), None);
    story.set(settings());
    fleet(&mut story, &[dragonfly()], &[]);
    story.press("7").take_effects();
    story.told(ground(policies));
    story
}

#[test]
fn a_consumer_of_the_other_cluster_is_kept_out() {
    let mut story = shown(120, 40, GlyphSet::Unicode, vec![own()]);
    story
        .says("Who may reach whom")
        .says("shop/cart")
        .says("ingress at infra: NetworkPolicy dragonfly-system/dragonfly selects it");
    assert_snapshot!(story.screen());
    // The pane of findings, with the evidence of the one that is selected.
    story
        .press("shift-tab j")
        .says("consumer-blocked of")
        .press("shift-tab shift-tab shift-tab +")
        .says("consumer-blocked of")
        .says("+ CiliumNetworkPolicy dragonfly-system/cart-to-dragonfly (is not there yet)");
}

#[test]
fn open_to_all() {
    let story = shown(120, 40, GlyphSet::Unicode, Vec::new());
    assert_snapshot!(story.screen());
}

#[test]
fn narrow() {
    assert_snapshot!(shown(80, 24, GlyphSet::Unicode, vec![own()]).screen());
}

#[test]
fn huge() {
    assert_snapshot!(shown(200, 60, GlyphSet::Unicode, vec![own()]).screen());
}

#[test]
fn too_small_to_show() {
    let mut story = shown(80, 24, GlyphSet::Ascii, vec![own()]);
    story.resize(20, 5);
    assert_snapshot!(story.screen());
    story.resize(50, 10).draw();
}

#[test]
fn nothing_is_known_yet() {
    let mut story = Story::new(120, 40);
    story.press("7");
    assert_snapshot!(story.screen());
}

#[test]
fn what_may_not_be_read_is_unknown() {
    let mut story = shown(120, 40, GlyphSet::Unicode, vec![own()]);
    story.told(vec![Fact::Fetched {
        want: Want::Objects {
            context: ctx("infra"),
            what: Foreign::NetworkPolicy,
            scope: Scope::Cluster,
        },
        answer: Err(Fault::new(
            FaultKind::Forbidden,
            "networkpolicies may not be listed",
        )),
    }]);
    story
        .says("? unknown")
        .says("networkpolicies may not be listed");
}
