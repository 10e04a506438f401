//! An instance keeps its snapshots in S3, and policies let it open no connection there.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, cannot_tell, manifest, resting};
use crate::checks::reach::{self, Passage};
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Want;
use crate::domain::reach::{Outcome, Protocol};

/// The check.
pub const CHECK: Check = Check {
    id: "snapshot-store-blocked",
    area: Area::Policy,
    title: "No way to the snapshot store",
    why: "Snapshots in S3 are written by the master itself, over HTTPS to somewhere outside of the cluster. A failed save shows in no \
          metric and no status of the object.",
    reads: "spec.snapshot.dir, and the policies that select its pods for egress",
    next: "Add a policy that admits egress to port 443 of the store.",
    situations: &[&BLOCKED],
    needs,
    run,
};

const BLOCKED: Situation = Situation {
    id: "snapshot-store-blocked",
    word: "store blocked",
    rule: "spec.snapshot.dir is an address in a store (s3://), and its pods are denied TCP to port 443 of what is outside of the cluster, by simulation",
    meaning: "No snapshot is saved, and a start cannot load one: with its last pod the data is gone.",
    ..ACCEPTED
};

/// HTTPS.
const PORT: u16 = 443;

fn needs(case: &Case<'_>) -> Vec<Want> {
    match dir(case) {
        Some(_) => reach::needs(case.context, namespace(case)),
        None => Vec::new(),
    }
}

fn namespace<'a>(case: &'a Case<'_>) -> &'a str {
    case.instance
        .as_ref()
        .map_or("", |instance| &instance.view.id.namespace)
}

fn dir<'a>(case: &Case<'a>) -> Option<&'a str> {
    let view = &case.instance.as_ref()?.view;
    let dir = view.dragonfly.value.snapshot.as_ref()?.dir.as_deref()?;
    dir.starts_with("s3://").then_some(dir)
}

fn run(case: &Case<'_>) -> Answer {
    let (Some(instance), Some(dir)) = (&case.instance, dir(case)) else {
        return Answer::NOT_APPLICABLE;
    };
    let id = &instance.view.id;
    let passage = Passage::outwards(case.context, reach::database(&instance.view));
    let found = passage.reach(PORT, Protocol::Tcp);
    match found.outcome() {
        Outcome::Allowed => return Answer::PASS,
        Outcome::Unknown => {
            let what = format!("{id} reaches its snapshot store {dir} on port {PORT}");
            return cannot_tell(case, &CHECK, &what, &found);
        }
        Outcome::Denied => {}
    }
    let sentence = format!(
        "{id} cannot reach its snapshot store {dir} on port {PORT}: {}",
        found.egress.words()
    );
    let finding = case.finding(&CHECK, &BLOCKED, Severity::Critical, sentence);
    let finding = resting(case, finding, &found);
    if !found.egress.by.is_empty() {
        return finding.into();
    }
    let admitted = Admitted {
        end: &passage.to,
        why: format!(
            "the snapshot store {dir}: narrow the block to its addresses where they are known"
        ),
        port: PORT,
    };
    let name = format!("{}-snapshots", id.name);
    finding
        .mended_by(manifest(&name, &passage.from, Way::Egress, &[admitted]))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Foreign;
    use crate::domain::fixture::Fixture;
    use serde_json::{Value, json};

    #[test]
    fn a_store_outside_must_be_reached() {
        let with = |dir: &'static str, egress: Value| {
            move |f: &mut Fixture| {
                dragonfly(f, |d| {
                    d.snapshot = Some(crate::domain::object::Snapshot {
                        dir: Some(dir.to_owned()),
                        ..Default::default()
                    });
                });
                let policy = json!({"metadata": {"name": "out", "namespace": "shop"},
                    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}});
                read(f, Foreign::NetworkPolicy, Ok(vec![policy]));
            }
        };
        let anywhere = |port: u16| json!([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": port}]}]);
        let public =
            json!([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]);
        instance_table(
            &CHECK,
            &[
                (
                    "on a volume",
                    &with("/dragonfly/snapshots", json!([])),
                    "n/a",
                ),
                ("none", &|_| {}, "n/a"),
                ("admitted", &with("s3://bucket", anywhere(443)), "pass"),
                (
                    "on another port",
                    &with("s3://bucket", anywhere(80)),
                    "critical critical: shop/orders cannot reach its snapshot store s3://bucket on port 443: egress at infra: NetworkPolicy shop/out selects it, and no rule admits it",
                ),
                (
                    "but for some addresses",
                    &with("s3://bucket", public.clone()),
                    "note unknown: whether shop/orders reaches its snapshot store s3://bucket on port 443 cannot be told: egress rule 1 of NetworkPolicy shop/out: \
                     it speaks of addresses, and which one this has is not known",
                ),
            ],
        );
    }
}
