//! Changing what a fixture holds, for the tables of the acceptance checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use crate::checks::fixture::{answer_about, line};
use crate::checks::{Check, Subject};
use crate::domain::fixture::{Fixture, ago, infra};
use crate::domain::object::{Deployment, Dragonfly, Meta, Pdb, Pod};
use crate::domain::selector::Selector;
use crate::domain::{Access, ContextId, Fact, Fault, Fetched, Foreign, Kind, Object, Scope, Want};

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
pub(in crate::checks) fn dragonfly(f: &mut Fixture, change: impl Fn(&mut Dragonfly)) {
    let context = f.world.context(&infra()).unwrap();
    let held = context.dragonflies.get("shop", &f.id.name).unwrap();
    let mut new = (*held.value).clone();
    change(&mut new);
    seen(f, Object::Dragonfly(Arc::new(new)));
}

/// Every pod becomes another, by its ordinal.
pub(in crate::checks) fn pods(f: &mut Fixture, change: impl Fn(usize, &mut Pod)) {
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
