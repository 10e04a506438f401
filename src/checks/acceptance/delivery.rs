//! What delivers a subject, as the checks of delivery ask for it; and the same made for their tables.

use crate::checks::flux::{Chain, delivered, owners, wants};
use crate::checks::listed::Untold;
use crate::checks::{Answer, Case, Check, Subject};
use crate::domain::Want;

/// What must be read to tell what delivers the subject: nothing where no label names a Flux object.
pub(super) fn needs(case: &Case<'_>) -> Vec<Want> {
    wants(case.context, delivered(case))
}

/// What delivers the subject, or the answer where nothing does, or where that is not known.
pub(super) fn chain<'a>(case: &Case<'a>, check: &Check) -> Result<Chain<'a>, Box<Answer>> {
    let metas = delivered(case);
    if metas.iter().all(|meta| owners(meta).is_empty()) {
        return Err(Box::new(Answer::NOT_APPLICABLE));
    }
    let chain = Chain::of(case.context, metas);
    if let Some((who, why)) = chain.unread.first() {
        let (id, namespace) = (&case.context.id, &who.namespace);
        return Err(Box::new(
            case.unlisted(check, id, who.what, namespace, *why),
        ));
    }
    // Where none of the kinds is served, another cluster's Flux delivers it.
    let is_served = chain.absent.iter().any(|absent| {
        let found = crate::checks::listed::listed(case.context, absent.what, &absent.namespace);
        !matches!(found, Err(Untold::NotServed))
    });
    match chain.links.is_empty() && !is_served {
        true => Err(Box::new(Answer::NOT_APPLICABLE)),
        false => Ok(chain),
    }
}

/// The subject, as a sentence calls it.
pub(super) fn what(case: &Case<'_>) -> String {
    match case.subject {
        Subject::Instance(id) => id.to_string(),
        _ => "the operator".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod fixture {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::checks::acceptance::fixture::{listed, operator, read};
    use crate::domain::fixture::{Fixture, ago, infra};
    use crate::domain::object::Writer;
    use crate::domain::{Foreign, Kind, Object};

    /// An operator that HelmRelease flux-system/op delivers.
    pub(in crate::checks) fn operator_of_release(f: &mut Fixture) {
        operator_scaled_by(f, "helm-controller");
    }

    /// The same, its replicas written by that manager.
    pub(in crate::checks) fn operator_scaled_by(f: &mut Fixture, manager: &str) {
        operator(f, 2, &["m-1", "m-2"]);
        let context = f.world.context(&infra()).unwrap();
        let mut deployment = (*context.operators.iter().next().unwrap().value).clone();
        for (key, value) in [("name", "op"), ("namespace", "flux-system")] {
            let key = format!("helm.toolkit.fluxcd.io/{key}");
            deployment.meta.labels.insert(key, value.to_owned());
        }
        deployment.scaled_by = Some(Writer {
            manager: manager.to_owned(),
            at: Some(ago(100)),
        });
        let object = Object::OperatorDeployment(Arc::new(deployment));
        listed(f, Kind::OperatorDeployment, vec![object]);
    }

    /// Its Deployment was made by whoever wrote its replicas last.
    pub(in crate::checks) fn made_when_scaled(f: &mut Fixture) {
        let context = f.world.context(&infra()).unwrap();
        let mut deployment = (*context.operators.iter().next().unwrap().value).clone();
        deployment.meta.created = deployment.scaled_by.as_ref().and_then(|by| by.at);
        let object = Object::OperatorDeployment(Arc::new(deployment));
        listed(f, Kind::OperatorDeployment, vec![object]);
    }

    /// The same, with that release and its source ready.
    pub(in crate::checks) fn delivered_by_release(f: &mut Fixture) {
        operator_of_release(f);
        read(
            f,
            Foreign::HelmRelease,
            Ok(vec![release("True", "", json!({}))]),
        );
        read(f, Foreign::OciRepository, Ok(vec![source("True", "")]));
    }

    /// A condition Ready, an hour old.
    pub(in crate::checks) fn conditions(ready: &str, message: &str) -> Value {
        json!([{"type": "Ready", "status": ready, "reason": "R", "message": message,
                "lastTransitionTime": ago(3_600).to_string()}])
    }

    /// That release, with what its `spec` says beside its chart.
    pub(in crate::checks) fn release(ready: &str, message: &str, spec: Value) -> Value {
        let mut spec = spec;
        spec["chartRef"] = json!({"kind": "OCIRepository", "name": "charts"});
        json!({
            "metadata": {"name": "op", "namespace": "flux-system", "generation": 1},
            "spec": spec,
            "status": {"observedGeneration": 1, "conditions": conditions(ready, message)},
        })
    }

    /// Its source.
    pub(in crate::checks) fn source(ready: &str, message: &str) -> Value {
        json!({
            "metadata": {"name": "charts", "namespace": "flux-system", "generation": 1},
            "status": {"observedGeneration": 1, "conditions": conditions(ready, message)},
        })
    }
}
