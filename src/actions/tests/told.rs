//! What an action says of a fixture: whether it is available, its gates and its plan, so that a table of cases reads as prose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Action, Args, Candidate, ObjectId, Objects, Plan, Reading, Resource, Rules, Scene, Target,
};
use crate::checks::Limits;
use crate::domain::fixture::{Fixture, ago, infra, now};
use crate::domain::object::{Deployment, Lease, Meta};
use crate::domain::{Fact, Kind, Object, Scope};

/// What an action says.
pub struct Told {
    /// Why it is not available; empty where it is.
    pub unavailable: String,
    /// Its own gates: `pass one-master: orders-0 ...`.
    pub gates: Vec<String>,
    /// Its plan.
    pub plan: Result<Plan, String>,
    /// What could be chosen.
    pub candidates: Vec<Candidate>,
}

impl Told {
    /// The gate of that id, with how it stands: `pass: ...`.
    pub fn gate(&self, id: &str) -> &str {
        let sign = format!("{id}: ");
        let found = self.gates.iter().find(|gate| gate.contains(&sign));
        found.unwrap_or_else(|| panic!("there is no gate {id} in {:#?}", self.gates))
    }

    /// Gates that let nothing run, by their ids, with those that ask.
    pub fn stops(&self) -> Vec<&str> {
        let stops = self
            .gates
            .iter()
            .filter(|gate| !gate.starts_with("pass") && !gate.starts_with("warn"));
        stops.map(|gate| gate.split(':').next().unwrap()).collect()
    }

    /// The words of its steps.
    pub fn steps(&self) -> Vec<String> {
        let plan = self.plan.as_ref().unwrap();
        plan.all_steps().map(|step| step.words.clone()).collect()
    }

    /// The words of its goals.
    pub fn goals(&self) -> Vec<String> {
        self.plan
            .as_ref()
            .unwrap()
            .goals
            .iter()
            .map(super::Goal::words)
            .collect()
    }
}

/// Asks an action about a fixture's instance.
pub fn told(
    action: &Action,
    fixture: &Fixture,
    args: &[(&'static str, &str)],
    objects: &Objects,
) -> Told {
    let mut asked = Args::default();
    args.iter()
        .for_each(|(name, value)| asked.set(name, *value));
    let target = Target::Instance(fixture.id.clone());
    let (limits, rules, accepted) = (Limits::default(), Rules::default(), BTreeSet::new());
    let reading = Reading {
        world: &fixture.world,
        objects,
        now: now(),
    };
    let scene = Scene::new(reading, &limits, &rules, &target, &asked, &accepted);
    let gates = (action.preflight)(&scene);
    let plan = (action.plan)(&scene);
    // What two looks at one world plan is one plan.
    assert_eq!(plan, (action.plan)(&scene));
    Told {
        unavailable: (action.available)(&scene).err().unwrap_or_default(),
        gates: gates
            .iter()
            .map(|gate| {
                let word = match gate.stand {
                    super::Stand::Pass => "pass",
                    super::Stand::Warn => "warn",
                    super::Stand::Ask => "ask",
                    super::Stand::Block => "block",
                };
                format!("{word} {}: {}", gate.id, gate.evidence)
            })
            .collect(),
        plan,
        candidates: (action.candidates)(&scene),
    }
}

/// An operator of that version with so many pods, whose Lease was renewed so many seconds ago and is looked at since a minute.
pub fn operator(fixture: &mut Fixture, version: &str, pods: i64, renewed: i64) -> Objects {
    let meta = |name: &str| Meta {
        namespace: Arc::from("op"),
        name: Arc::from(name),
        ..Meta::default()
    };
    let deployment = Deployment {
        meta: meta("op"),
        replicas: pods,
        ready: pods,
        images: vec![("manager".to_owned(), format!("operator:{version}"))],
        ..Deployment::default()
    };
    let lease = Lease {
        meta: meta("31079dea.dragonflydb.io"),
        holder: Some("op-1_x".to_owned()),
        renewed: Some(ago(renewed.max(60))),
        duration: Some(15),
        ..Lease::default()
    };
    for (kind, object) in [
        (
            Kind::OperatorDeployment,
            Object::OperatorDeployment(Arc::new(deployment)),
        ),
        (Kind::OperatorLease, Object::OperatorLease(Arc::new(lease))),
    ] {
        let fact = Fact::Listed {
            context: infra(),
            kind,
            scope: Scope::Cluster,
            objects: vec![object],
        };
        fixture.tell(fact, ago(60));
    }
    let mut objects = Objects::new();
    let id = |resource, name| ObjectId::new(&infra(), resource, "op", name);
    objects.insert(
        id(Resource::DEPLOYMENT, "op"),
        Some(json!({"spec": {"replicas": pods}, "status": {"replicas": pods}})),
    );
    objects.insert(
        id(Resource::LEASE, "31079dea.dragonflydb.io"),
        Some(json!({"spec": {
            "holderIdentity": "op-1_x",
            "leaseDurationSeconds": 15,
            "renewTime": ago(renewed).to_string(),
        }})),
    );
    objects
}

/// A machine, and the Lease of its kubelet.
pub fn machine(name: &str, machine: Option<Value>, renewed: Option<i64>) -> Objects {
    let mut objects = Objects::new();
    objects.insert(ObjectId::new(&infra(), Resource::NODE, "", name), machine);
    let lease = renewed.map(|ago_s| json!({"spec": {"renewTime": ago(ago_s).to_string()}}));
    objects.insert(
        ObjectId::new(&infra(), Resource::LEASE, "kube-node-lease", name),
        lease,
    );
    objects
}
