//! Whether something is *as it should be*, which is another question than whether it is well now: an instance without a
//! PodDisruptionBudget serves its clients well until the day its machines are drained.
//!
//! These checks are asked by [`roll`](super::roll) and told by `darner check`. They have no say in an instance's state: no
//! board, no STATE column, no exit code of `status` follows from them. Their situations are of class *healthy* for that
//! reason, and weigh by the severity of what is found alone.
//!
//! Never: judging health. What is broken now is a check beside this folder.
//!
//! One file a check, in the folder of its area, named by the bad state. To add one: write the file, add one line to
//! [`ACCEPTANCE`].

mod exposure {
    pub(super) mod consumer_unconnected;
    pub(super) mod host_unserved;
    pub(super) mod mesh_unjoined;
    pub(super) mod selector_too_wide;
    pub(super) mod workload_elsewhere;
}
mod gitops {
    pub(super) mod crds_policy_idle;
    pub(super) mod drift_unwatched;
    pub(super) mod flux_not_ready;
    pub(super) mod flux_suspended;
    pub(super) mod release_gives_up;
}
mod instance {
    pub(super) mod arguments_fight;
    pub(super) mod budget_unfit;
    pub(super) mod few_replicas;
    pub(super) mod gate_stuck;
    pub(super) mod image_floating;
    pub(super) mod killed_for_memory;
    pub(super) mod labels_managed;
    pub(super) mod limit_missing;
    pub(super) mod limit_tight;
    pub(super) mod one_machine;
    pub(super) mod one_zone;
    pub(super) mod probes_missing;
    pub(super) mod requests_low;
    pub(super) mod security_lax;
    pub(super) mod threads_starved;
    pub(super) mod unfilled;
}
mod observability {
    mod cover;
    mod families;
    #[cfg(test)]
    mod fixture;
    mod manifests;
    pub(super) mod operator_unscraped;
    pub(super) mod operator_unwatched;
    mod promql;
    mod purpose;
    mod rules;
    pub(super) mod rules_dead;
    pub(super) mod rules_missing;
    pub(super) mod runbook_missing;
    pub(super) mod scraped_wrongly;
    mod scrapes;
    pub(super) mod series_missing;
    mod stores;
    mod watch;

    pub use manifests::PROMETHEUS_RULE;
    pub use watch::{Fires, Watch, WatchRule, needs as watch_needs, watch};
}
mod operator {
    pub(super) mod crd_of_another_version;
    pub(super) mod operator_alone;
    pub(super) mod operator_in_one_zone;
    pub(super) mod operator_on_one_machine;
    pub(super) mod operator_rights_missing;
    pub(super) mod operator_unprotected;
    pub(super) mod rolls_at_once;
    pub(super) mod versions_unfit;
}
mod policy {
    pub(super) mod admin_port_blocked;
    pub(super) mod consumer_blocked;
    pub(super) mod consumer_let_in;
    pub(super) mod database_open;
    pub(super) mod mesh_default_ahead;
    pub(super) mod name_lookup_blocked;
    pub(super) mod scraper_blocked;
    pub(super) mod store_blocked;
    pub(super) mod upgrade_locks_out;
}
mod secrets {
    pub(super) mod certificate_ending;
    pub(super) mod external_secret_late;
    pub(super) mod secret_missing;
    pub(super) mod secret_newer_than_pods;
}
mod storage {
    pub(super) mod claim_unfit;
    pub(super) mod class_unfit;
    pub(super) mod saved_everywhere;
    pub(super) mod snapshots_pile_up;
    pub(super) mod volume_short;
}
mod tenancy {
    pub(super) mod shared;
}

mod delivery;
#[cfg(test)]
pub(crate) mod fixture;
mod flags;
mod mend;
mod passages;

pub(super) use exposure::consumer_unconnected::asked;
pub use observability::{Fires, PROMETHEUS_RULE, Watch, WatchRule, watch, watch_needs};

use super::case::is_followed;
use super::crd_missing::followed;
use super::{
    Answer, Case, Check, Instance, Severity, Shown, Since, Situation, State, Subject, steps,
};
use crate::domain::object::Deployment;
use crate::domain::world::Held;
use crate::domain::{Access, Kind};

/// Every acceptance check, by area.
pub const ACCEPTANCE: &[&Check] = &[
    &operator::operator_alone::CHECK,
    &operator::operator_on_one_machine::CHECK,
    &operator::operator_in_one_zone::CHECK,
    &operator::operator_unprotected::CHECK,
    &operator::rolls_at_once::CHECK,
    &operator::operator_rights_missing::CHECK,
    &operator::crd_of_another_version::CHECK,
    &operator::versions_unfit::CHECK,
    &gitops::flux_not_ready::CHECK,
    &gitops::flux_suspended::CHECK,
    &gitops::release_gives_up::CHECK,
    &gitops::drift_unwatched::CHECK,
    &gitops::crds_policy_idle::CHECK,
    &instance::few_replicas::CHECK,
    &instance::one_machine::CHECK,
    &instance::one_zone::CHECK,
    &instance::budget_unfit::CHECK,
    &instance::image_floating::CHECK,
    &instance::limit_missing::CHECK,
    &instance::limit_tight::CHECK,
    &instance::threads_starved::CHECK,
    &instance::requests_low::CHECK,
    &instance::killed_for_memory::CHECK,
    &instance::probes_missing::CHECK,
    &instance::gate_stuck::CHECK,
    &instance::labels_managed::CHECK,
    &instance::arguments_fight::CHECK,
    &instance::unfilled::CHECK,
    &instance::security_lax::CHECK,
    &storage::claim_unfit::CHECK,
    &storage::class_unfit::CHECK,
    &storage::volume_short::CHECK,
    &storage::snapshots_pile_up::CHECK,
    &storage::saved_everywhere::CHECK,
    &exposure::selector_too_wide::CHECK,
    &exposure::host_unserved::CHECK,
    &exposure::workload_elsewhere::CHECK,
    &exposure::mesh_unjoined::CHECK,
    &exposure::consumer_unconnected::CHECK,
    &policy::consumer_blocked::CHECK,
    &policy::consumer_let_in::CHECK,
    &policy::name_lookup_blocked::CHECK,
    &policy::database_open::CHECK,
    &policy::admin_port_blocked::CHECK,
    &policy::scraper_blocked::CHECK,
    &policy::store_blocked::CHECK,
    &policy::upgrade_locks_out::CHECK,
    &policy::mesh_default_ahead::CHECK,
    &tenancy::shared::CHECK,
    &observability::scraped_wrongly::CHECK,
    &observability::series_missing::CHECK,
    &observability::rules_missing::CHECK,
    &observability::rules_dead::CHECK,
    &observability::runbook_missing::CHECK,
    &observability::operator_unscraped::CHECK,
    &observability::operator_unwatched::CHECK,
    &secrets::secret_missing::CHECK,
    &secrets::secret_newer_than_pods::CHECK,
    &secrets::external_secret_late::CHECK,
    &secrets::certificate_ending::CHECK,
];

/// What the situations of these checks have in common: no weight in any state.
const ACCEPTED: Situation = Situation {
    class: State::Healthy,
    shown: Shown::Not("it is asked by darner check, and is no state of health"),
    ..Situation::BASE
};

/// Could not be judged.
pub(super) const UNTOLD: Situation = Situation {
    id: "acceptance-unknown",
    word: "unknown",
    class: State::Unknown,
    rule: "what an acceptance check reads is not known, or was known too long ago",
    meaning: "Whether it is as it should be is not known.",
    ..ACCEPTED
};

/// The answer of a check that lacks a fact, in a sentence that says which.
fn untold(case: &Case<'_>, check: &Check, sentence: impl Into<String>) -> Answer {
    case.finding(check, &UNTOLD, Severity::Note, sentence)
        .into()
}

/// The answer of a check that would have to read objects which are not being followed.
fn unread(case: &Case<'_>, check: &Check, kind: Kind, namespace: &str) -> Answer {
    let source = case.context.source(kind, namespace);
    let (place, within) = match namespace {
        "" => (String::new(), "--all-namespaces".to_owned()),
        name => (format!(" of namespace {name}"), format!("-n {name}")),
    };
    let fault = source.and_then(|source| match &source.access {
        Some(Access::Denied(fault) | Access::Broken(fault)) => Some((fault, source.since)),
        _ => None,
    });
    let why = fault.map_or("they are not being followed", |(fault, _)| {
        fault.message.as_str()
    });
    let sentence = format!("nothing is known of {}{place}: {why}", kind.words());
    let finding = case
        .finding(check, &UNTOLD, Severity::Note, sentence)
        .next(format!(
            "See for yourself.\n$ {{cluster}} get {} {within}",
            kind.resource()
        ));
    match fault {
        Some((fault, since)) => finding
            .next(steps::of_fault(fault))
            .resting_on(fault.message.clone(), "list and watch", since)
            .since(Since::Seen(since))
            .into(),
        None => finding.into(),
    }
}

/// Objects of that kind in that namespace are being followed, so that an absent one is absent.
fn knows(case: &Case<'_>, kind: Kind, namespace: &str) -> bool {
    let source = case.context.source(kind, namespace);
    source.is_some_and(|source| is_followed(source, case.limits, case.now))
}

/// The subject as an instance with its pods, or the answer where that is not what is known.
fn with_pods<'c, 'a>(case: &'c Case<'a>, check: &Check) -> Result<&'c Instance<'a>, Box<Answer>> {
    let Some(instance) = &case.instance else {
        return Err(Box::new(Answer::NOT_APPLICABLE));
    };
    match instance.pods_known {
        true => Ok(instance),
        false => Err(Box::new(unread(
            case,
            check,
            Kind::Pod,
            &instance.view.id.namespace,
        ))),
    }
}

/// The operator's Deployments that want pods, or the answer where there is none to ask about: that it is absent or scaled
/// down is told elsewhere.
fn operators<'a>(case: &Case<'a>, check: &Check) -> Result<Vec<&'a Held<Deployment>>, Box<Answer>> {
    let Subject::Operator(id) = case.subject else {
        return Err(Box::new(Answer::NOT_APPLICABLE));
    };
    let context = case.context;
    let is_needed = !context.dragonflies.is_empty() || !context.crds.is_empty();
    let expected = case.limits.operators.get(id).copied();
    let is_asked = expected.unwrap_or(is_needed) || !context.dragonflies.is_empty();
    if !is_asked {
        return Err(Box::new(Answer::NOT_APPLICABLE));
    }
    if !followed(case, Kind::OperatorDeployment) {
        return Err(Box::new(unread(case, check, Kind::OperatorDeployment, "")));
    }
    let found: Vec<_> = context
        .operators
        .iter()
        .filter(|held| held.value.replicas > 0)
        .collect();
    match found.is_empty() {
        true => Err(Box::new(Answer::NOT_APPLICABLE)),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests;
