//! Changing what a fixture holds, for the tables of the acceptance checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use crate::checks::fixture::{answer_about, line};
use serde_json::json;

use crate::checks::{Answer, Case, Check, Limits, Subject, Verdict};
use crate::domain::expected::InstanceName;
use crate::domain::fixture::{Fixture, ago, infra, now};
use crate::domain::object::{Deployment, Dragonfly, Meta, Pdb, Pod};
use crate::domain::selector::Selector;
use crate::domain::{
    Access, Consumer, ConsumerId, ContextId, Fact, Fault, Fetched, Foreign, Kind, Object, Scope,
    Want,
};

/// A change of a world.
pub(in crate::checks) type Change<'a> = &'a dyn Fn(&mut Fixture);

/// Holds a check's answers about the instance of a healthy fixture, changed, to a table.
pub(in crate::checks) fn table(check: &Check, cases: &[(&str, Change<'_>, &str)]) {
    for (name, change, wanted) in cases {
        let mut f = crate::domain::fixture::healthy().build();
        change(&mut f);
        let subject = Subject::Instance(f.id.clone());
        assert_eq!(line(&answer_about(check, &f, &subject)), *wanted, "{name}");
    }
}

/// The same about the operator.
pub(in crate::checks) fn operator_table(check: &Check, cases: &[(&str, Change<'_>, &str)]) {
    for (name, change, wanted) in cases {
        let mut f = crate::domain::fixture::healthy().build();
        change(&mut f);
        let subject = Subject::Operator(infra());
        assert_eq!(line(&answer_about(check, &f, &subject)), *wanted, "{name}");
    }
}

/// The Dragonfly object becomes another.
pub(crate) fn dragonfly(f: &mut Fixture, change: impl Fn(&mut Dragonfly)) {
    let context = f.world.context(&infra()).unwrap();
    let held = context.dragonflies.get("shop", &f.id.name).unwrap();
    let mut new = (*held.value).clone();
    change(&mut new);
    seen(f, Object::Dragonfly(Arc::new(new)));
}

/// Every pod becomes another, by its ordinal.
pub(crate) fn pods(f: &mut Fixture, change: impl Fn(usize, &mut Pod)) {
    let context = f.world.context(&infra()).unwrap();
    let mut all: Vec<Pod> = context
        .pods
        .iter()
        .map(|held| (*held.value).clone())
        .collect();
    for (ordinal, pod) in all.iter_mut().enumerate() {
        change(ordinal, pod);
    }
    for pod in all {
        seen(f, Object::Pod(Arc::new(pod)));
    }
}

/// An object is seen.
pub(in crate::checks) fn seen(f: &mut Fixture, object: Object) {
    let context = infra();
    f.tell(Fact::Seen { context, object }, ago(20));
}

/// All objects of a kind are listed in the whole cluster.
pub(in crate::checks) fn listed(f: &mut Fixture, kind: Kind, objects: Vec<Object>) {
    listed_in(f, kind, Scope::Cluster, objects);
}

/// The same, in one namespace.
pub(in crate::checks) fn listed_in(
    f: &mut Fixture,
    kind: Kind,
    scope: Scope,
    objects: Vec<Object>,
) {
    let context = infra();
    f.tell(
        Fact::Listed {
            context,
            kind,
            scope,
            objects,
        },
        ago(60),
    );
}

/// Metadata of that name in the namespace of the fixture's instance, with its labels.
pub(in crate::checks) fn meta(name: &str) -> Meta {
    Meta {
        namespace: Arc::from("shop"),
        name: Arc::from(name),
        uid: Arc::from(format!("uid-{name}").as_str()),
        labels: [("app".to_owned(), "orders".to_owned())].into(),
        ..Meta::default()
    }
}

/// An operator in the namespace `operators`: so many pods wanted, and these there, each on its machine.
pub(in crate::checks) fn operator(f: &mut Fixture, replicas: i64, machines: &[&str]) {
    let meta = |name: &str| Meta {
        namespace: Arc::from("operators"),
        labels: [("app".to_owned(), "dragonfly-operator".to_owned())].into(),
        ..meta(name)
    };
    let deployment = Deployment {
        meta: meta("dragonfly-operator"),
        replicas,
        ready: replicas,
        ..Deployment::default()
    };
    let pods = machines.iter().enumerate().map(|(at, machine)| {
        Object::OperatorPod(Arc::new(Pod {
            meta: meta(&format!("dragonfly-operator-{at}")),
            machine: Some((*machine).to_owned()),
            ..Pod::default()
        }))
    });
    listed(
        f,
        Kind::OperatorDeployment,
        vec![Object::OperatorDeployment(Arc::new(deployment))],
    );
    listed(f, Kind::OperatorPod, pods.collect());
}

/// A PodDisruptionBudget that selects the pods with that label `app`, and allows so many of them to be disrupted.
pub(in crate::checks) fn budget_in(namespace: &str, app: &str, allowed: i64) -> Object {
    Object::Pdb(Arc::new(Pdb {
        meta: Meta {
            namespace: Arc::from(namespace),
            ..meta(&format!("of-{app}-{allowed}"))
        },
        selector: Some(Selector {
            labels: [("app".to_owned(), app.to_owned())].into(),
            expressions: Vec::new(),
        }),
        allowed,
        healthy: 3,
        desired: 3 - allowed,
        expected: 3,
        ..Pdb::default()
    }))
}

/// Objects of a kind are read over the whole cluster, or cannot be.
pub(in crate::checks) fn read(
    f: &mut Fixture,
    what: Foreign,
    found: Result<Vec<serde_json::Value>, Fault>,
) {
    read_in(f, &infra(), what, Scope::Cluster, found);
}

/// The same in some context, over some scope.
pub(in crate::checks) fn read_in(
    f: &mut Fixture,
    context: &ContextId,
    what: Foreign,
    scope: Scope,
    found: Result<Vec<serde_json::Value>, Fault>,
) {
    let answer = found.map(|objects| Fetched::Objects {
        objects: objects
            .iter()
            .map(|object| crate::wire::foreign(what, object).unwrap())
            .collect(),
        more: false,
    });
    let want = Want::Objects {
        context: context.clone(),
        what,
        scope,
    };
    f.tell(Fact::Fetched { want, answer }, ago(30));
}

/// That is how the question for that kind stands.
pub(in crate::checks) fn watched(f: &mut Fixture, kind: Kind, access: Access) {
    f.tell(
        Fact::Watched {
            context: infra(),
            kind,
            scope: Scope::Cluster,
            access,
        },
        ago(60),
    );
}

/// A healthy fixture, its policies read and none of them there, with the consumer `web/front` of context `apps`: one that is to
/// reach it, or one that must not.
pub(in crate::checks) fn with_consumer(denied: bool) -> (Fixture, Limits) {
    let mut f = crate::domain::fixture::healthy().build();
    let apps = ContextId::new("apps");
    f.tell(
        Fact::Opened {
            context: apps.clone(),
            namespaces: Vec::new(),
        },
        ago(500),
    );
    let rtt = std::time::Duration::from_millis(9);
    f.tell(
        Fact::Linked {
            context: apps.clone(),
            link: crate::domain::Link::Live { rtt },
        },
        ago(500),
    );
    network(&mut f, &apps, "apps", &["web", "kube-system"]);
    network(
        &mut f,
        &infra(),
        "infra",
        &["shop", "operators", "kube-system", "metrics"],
    );
    let consumer = Consumer {
        id: ConsumerId {
            context: apps,
            namespace: Arc::from("web"),
            name: Arc::from("front"),
        },
        instance: InstanceName::of("shop/orders").unwrap(),
        host: "orders.shop.svc.cluster.local".to_owned(),
        port: 6379,
        labels: [("app".to_owned(), "front".to_owned())].into(),
        workload: String::new(),
        tenant: String::new(),
        denied,
    };
    let mut limits = Limits::default();
    limits.expected.consumers.push(consumer);
    (f, limits)
}

/// A cluster in which Cilium makes the network, peers are of any cluster, and no policy is.
fn network(f: &mut Fixture, context: &ContextId, name: &str, namespaces: &[&str]) {
    for what in [
        Foreign::NetworkPolicy,
        Foreign::CiliumNetworkPolicy,
        Foreign::CiliumClusterwideNetworkPolicy,
    ] {
        read_in(f, context, what, Scope::Cluster, Ok(Vec::new()));
    }
    let config = json!({"cluster-name": name, "policy-default-local-cluster": "false"});
    read_in(
        f,
        context,
        Foreign::CiliumConfig,
        Scope::Cluster,
        Ok(vec![config_map(config)]),
    );
    let namespaces = namespaces.iter().map(
        |name| json!({"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}),
    );
    read_in(
        f,
        context,
        Foreign::Namespace,
        Scope::Cluster,
        Ok(namespaces.collect()),
    );
    let scope = || Scope::Namespace(Arc::from("kube-system"));
    read_in(f, context, Foreign::Deployment, scope(), Ok(Vec::new()));
    read_in(f, context, Foreign::Service, scope(), Ok(Vec::new()));
}

fn config_map(data: serde_json::Value) -> serde_json::Value {
    json!({"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": data})
}

/// Those are Cilium's settings in `infra`.
pub(in crate::checks) fn cilium(f: &mut Fixture, data: serde_json::Value) {
    read(f, Foreign::CiliumConfig, Ok(vec![config_map(data)]));
}

/// Holds a check's answers about that consumer to a table.
pub(in crate::checks) fn consumer_table(
    check: &Check,
    denied: bool,
    cases: &[(&str, Change<'_>, &str)],
) {
    for (name, change, wanted) in cases {
        let (mut f, limits) = with_consumer(denied);
        change(&mut f);
        assert_eq!(consumer_line(check, &f, &limits), *wanted, "{name}");
    }
}

/// Holds a check's answers about the instance, as it stands beside its consumer, to a table.
pub(in crate::checks) fn instance_table(check: &Check, cases: &[(&str, Change<'_>, &str)]) {
    for (name, change, wanted) in cases {
        let (mut f, limits) = with_consumer(false);
        change(&mut f);
        let subject = Subject::Instance(f.id.clone());
        let answer = answer_within(check, &f, &limits, &subject);
        assert_eq!(line(&answer), *wanted, "{name}");
    }
}

/// A check's answer about that consumer, as a line.
pub(in crate::checks) fn consumer_line(check: &Check, f: &Fixture, limits: &Limits) -> String {
    line(&answer_within(check, f, limits, &consumer_subject(limits)))
}

fn consumer_subject(limits: &Limits) -> Subject {
    Subject::Consumer(limits.expected.consumers.first().unwrap().id.clone())
}

/// A check's answer about a subject, where so much is expected.
pub(in crate::checks) fn answer_within(
    check: &Check,
    f: &Fixture,
    limits: &Limits,
    subject: &Subject,
) -> Answer {
    let case = Case::of(&f.world, subject, limits, now()).unwrap();
    (check.run)(&case)
}

/// The manifest by which a check's finding about that consumer is mended.
pub(in crate::checks) fn mend(check: &Check, f: &Fixture, limits: &Limits) -> String {
    match answer_within(check, f, limits, &consumer_subject(limits)).verdict {
        Verdict::Finding(finding) => finding.manifest.expect("a manifest"),
        other => panic!("{other:?}"),
    }
}

/// A manifest, as an API server would read it.
pub(in crate::checks) fn yaml(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
