//! Whether an operator leads, as read just now: by its Deployment, and by the Lease that it renews every two seconds.
//!
//! What a run knows of the Lease from before is not believed: nobody watches it while a plan is made. `renewTime` is by the
//! clock of the holder's machine, so a Lease counts as expired only when it is older than what clocks may differ by, or was
//! seen not to be renewed for as long as it lasts.

use jiff::Timestamp;
use serde_json::Value;

use super::{Gate, Look, ObjectId, Resource, Scene, gates};
use crate::checks::Case;
use crate::domain::text;
use crate::domain::{Kind, Version};

/// The operator's leader Lease, all releases to v1.6.1.
const LEASE: &str = "31079dea.dragonflydb.io";
/// What a Lease lasts where it does not say so: the default of controller-runtime, seconds.
const DURATION: i64 = 15;
/// Clocks of machines differ by less than this, seconds.
const CLOCKS_DIFFER: i64 = 60;

/// Whether an operator leads, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leads {
    /// It does.
    Yes(String),
    /// Nobody does.
    No(String),
    /// That cannot be told.
    Untold(String),
}

/// What must be read to tell.
pub(super) fn looks(case: &Case<'_>) -> Vec<Look> {
    let mut ids: Vec<ObjectId> = gates::operator(case).into_iter().collect();
    ids.extend(leases(case));
    ids.into_iter().map(Look::Object).collect()
}

/// Every Lease that an operator of the context may hold.
fn leases(case: &Case<'_>) -> Vec<ObjectId> {
    let of = |namespace: &str, name: &str| {
        ObjectId::new(&case.context.id, Resource::LEASE, namespace, name)
    };
    let known = case.context.leases.iter();
    let mut ids: Vec<ObjectId> = known
        .map(|held| of(&held.value.meta.namespace, &held.value.meta.name))
        .collect();
    let operators = case.context.operators.iter();
    ids.extend(operators.map(|held| of(&held.value.meta.namespace, LEASE)));
    ids.sort();
    ids.dedup();
    ids
}

/// Whether an operator leads.
pub(super) fn leads(scene: &Scene<'_>, case: &Case<'_>) -> Leads {
    let context = &case.context.id;
    if case.context.operators.is_empty() && case.context.leases.is_empty() {
        let followed = case
            .context
            .source(Kind::OperatorDeployment, "")
            .is_some_and(|source| source.listed.is_some());
        return match followed || !case.context.operator_pods.is_empty() {
            true => Leads::No(format!("no operator is known in {context}")),
            false => Leads::Untold(format!("whether {context} has an operator is not known")),
        };
    }
    let pods = pods(scene, case);
    if pods == Some(0) {
        return Leads::No(format!("the operator of {context} has no pod"));
    }
    let mut untold = None;
    let mut expired = None;
    for id in leases(case) {
        let Some(read) = scene.reading.object(&id) else {
            untold = Some(format!("the operator's {id} could not be read"));
            continue;
        };
        let Some(lease) = read else {
            continue;
        };
        match holds(case, &id, lease) {
            Leads::Yes(why) => return Leads::Yes(why),
            Leads::No(why) => expired = Some(why),
            Leads::Untold(why) => untold = Some(why),
        }
    }
    match (untold, expired, pods) {
        (Some(why), ..) => Leads::Untold(why),
        (None, Some(why), _) => Leads::No(why),
        // Without leader election there is no Lease, and whoever runs, leads.
        (None, None, Some(ready)) => Leads::Yes(format!(
            "the operator runs without a Lease, in {}",
            match ready {
                1 => "one pod".to_owned(),
                some => format!("{some} pods"),
            }
        )),
        (None, None, None) => {
            Leads::Untold("the operator's Deployment could not be read".to_owned())
        }
    }
}

/// How many pods the operator's Deployment has; `None`: not told.
fn pods(scene: &Scene<'_>, case: &Case<'_>) -> Option<i64> {
    let id = gates::operator(case)?;
    let Some(deployment) = scene.reading.object(&id)? else {
        return Some(0);
    };
    let number = |path: &str| deployment.pointer(path).and_then(Value::as_i64);
    match number("/status/replicas") {
        Some(pods) => Some(pods),
        // Absent is none, once what is wanted has been taken up.
        None if number("/spec/replicas") == Some(0) => Some(0),
        None => None,
    }
}

/// Whether the holder of a Lease leads.
fn holds(case: &Case<'_>, id: &ObjectId, lease: &Value) -> Leads {
    let field = |name: &str| lease.pointer(&format!("/spec/{name}"));
    let holder = field("holderIdentity")
        .and_then(Value::as_str)
        .unwrap_or("");
    let holder = text::one_line(holder.split_once('_').map_or(holder, |(pod, _)| pod));
    if holder.is_empty() {
        return Leads::No(format!("nobody holds the operator's {id}"));
    }
    let renewed = field("renewTime")
        .and_then(Value::as_str)
        .and_then(|at| at.parse::<Timestamp>().ok());
    let Some(renewed) = renewed else {
        return Leads::No(format!("{holder} never renewed the operator's {id}"));
    };
    let lasts = field("leaseDurationSeconds")
        .and_then(Value::as_i64)
        .filter(|seconds| *seconds > 0)
        .unwrap_or(DURATION);
    let known = case.context.leases.get(&id.namespace, &id.name);
    let before = known.and_then(|held| held.value.renewed);
    if before.is_some_and(|before| before < renewed) {
        return Leads::Yes(format!("{holder} leads: it renews its Lease"));
    }
    let ago = case.now.as_second() - case.context.by_our_clock(renewed).as_second();
    let told = format!(
        "{holder} renewed the operator's Lease {} ago",
        text::age_of(ago.max(0))
    );
    let watched = known.is_some_and(|held| {
        before == Some(renewed) && case.now.as_second() - held.changed.as_second() > lasts
    });
    match ago {
        ago if ago <= lasts && !watched => Leads::Yes(told),
        ago if watched || ago > lasts + CLOCKS_DIFFER => {
            Leads::No(format!("{told}, and it lasts {}", text::age_of(lasts)))
        }
        _ => Leads::Untold(format!(
            "{told}: that may be a clock which is behind; ask again in {}",
            text::age_of(CLOCKS_DIFFER)
        )),
    }
}

/// Somebody elects a master when one is lost.
pub(super) fn must(scene: &Scene<'_>, case: &Case<'_>) -> Gate {
    const ID: &str = "operator-leads";
    match leads(scene, case) {
        Leads::Yes(why) => Gate::pass(ID, why),
        Leads::No(why) => Gate::block(
            ID,
            format!(
                "{why}: nobody would elect another master; where this one is dead, darner emergency-promote makes one by hand, and where it answers, darner promote moves it"
            ),
        ),
        Leads::Untold(why) => Gate::ask(
            ID,
            format!("{why}: it may be that nobody elects another master"),
        ),
    }
}

/// Nobody elects a master: what is done by hand, nobody undoes.
pub(super) fn must_not(scene: &Scene<'_>, case: &Case<'_>) -> Gate {
    const ID: &str = "no-operator";
    match leads(scene, case) {
        Leads::No(why) => Gate::pass(ID, why),
        Leads::Yes(why) => Gate::block(
            ID,
            format!(
                "{why}: the operator elects a master itself, and would undo this. Where it does nothing, restart it or \
                 scale it to nothing first"
            ),
        ),
        Leads::Untold(why) => Gate::ask(
            ID,
            format!(
                "{why}: an operator that does lead would undo this, and empty the node that was chosen"
            ),
        ),
    }
}

/// Whom an operator of that version elects when the master is lost, as a clause (read in its source, v1.1 to v1.6).
pub(super) fn elects(version: Option<&str>) -> &'static str {
    match version.and_then(Version::parse) {
        Some(version) if version >= Version(1, 6, 0) => {
            "the ready replica with the highest offset, and of equal ones that of the lowest number"
        }
        Some(version) if version >= Version(1, 5, 0) => {
            "the ready pod of the lowest number, however far behind it is"
        }
        Some(_) => {
            "whichever ready pod it hears of first, which can be the old master, restarted with nothing or an old snapshot"
        }
        None => "one of the ready pods, which one depends on its version, and that is not known",
    }
}
