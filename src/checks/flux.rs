//! Flux objects that deliver the operator and its instances: what owns what, by the labels that Flux writes on everything it
//! applies, and how each of them stands by its conditions. The acceptance checks of delivery and the screen read the same.
//!
//! Of Flux 2.0 to 2.7: `helm.toolkit.fluxcd.io`, `kustomize.toolkit.fluxcd.io`, `source.toolkit.fluxcd.io`.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use super::listed::{Untold, last_listed, want};
use super::{Case, Subject};
use crate::domain::object::{Condition, Meta, Writer};
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{Foreign, Want};

/// The kinds that deliver, the ones that own objects first.
pub const KINDS: &[Foreign] = &[
    Foreign::HelmRelease,
    Foreign::Kustomization,
    Foreign::OciRepository,
    Foreign::HelmRepository,
    Foreign::GitRepository,
];

/// A reconciliation that lasts longer than this is told, seconds: Helm's own patience with a release is five minutes.
pub const LONG: i64 = 600;
/// A change of `spec` is given this long to be taken up, seconds: a controller sees it within one.
const TAKEN_UP: i64 = 60;

/// A Flux object, by what it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// Which kind.
    pub what: Foreign,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Ref {
    /// `HelmRelease flux-system/dragonfly-operator`.
    pub fn words(&self) -> String {
        format!("{} {}/{}", kind(self.what), self.namespace, self.name)
    }

    /// How kubectl is told of it: `helmreleases.helm.toolkit.fluxcd.io/NAME -n NAMESPACE`.
    pub fn argument(&self) -> String {
        let doc = self.what.doc();
        format!(
            "{}.{}/{} -n {}",
            doc.resource, doc.group, self.name, self.namespace
        )
    }
}

/// The kind as its objects spell it.
pub fn kind(what: Foreign) -> &'static str {
    match what {
        Foreign::HelmRelease => "HelmRelease",
        Foreign::Kustomization => "Kustomization",
        Foreign::OciRepository => "OCIRepository",
        Foreign::HelmRepository => "HelmRepository",
        Foreign::GitRepository => "GitRepository",
        other => other.doc().resource,
    }
}

/// The Flux objects that say they own an object, by its labels.
pub fn owners(meta: &Meta) -> Vec<Ref> {
    let owner = |what: Foreign, group: &str| {
        let label = |key: &str| meta.labels.get(&format!("{group}/{key}")).cloned();
        Some(Ref {
            what,
            name: label("name")?,
            namespace: label("namespace")?,
        })
    };
    [
        owner(Foreign::HelmRelease, "helm.toolkit.fluxcd.io"),
        owner(Foreign::Kustomization, "kustomize.toolkit.fluxcd.io"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a Flux object takes what it applies from.
pub fn sources(of: &Ref, object: &ForeignObject) -> Vec<Ref> {
    let at = |path: &str| {
        let named = object.body.pointer(path)?;
        let text = |key: &str| named.get(key).and_then(Value::as_str);
        let what = match text("kind")? {
            "OCIRepository" => Foreign::OciRepository,
            "HelmRepository" => Foreign::HelmRepository,
            "GitRepository" => Foreign::GitRepository,
            _ => return None,
        };
        Some(Ref {
            what,
            name: text("name")?.to_owned(),
            namespace: text("namespace").unwrap_or(&of.namespace).to_owned(),
        })
    };
    let paths: &[&str] = match of.what {
        Foreign::HelmRelease => &["/spec/chartRef", "/spec/chart/spec/sourceRef"],
        Foreign::Kustomization => &["/spec/sourceRef"],
        _ => &[],
    };
    paths.iter().filter_map(|path| at(path)).collect()
}

/// A Flux object that has its part in a delivery.
#[derive(Debug, Clone)]
pub struct Link<'a> {
    /// What it is called.
    pub who: Ref,
    /// It.
    pub object: &'a ForeignObject,
    /// When it was read.
    pub at: Timestamp,
}

/// The Flux objects that deliver something, as far as they are known.
#[derive(Debug, Default)]
pub struct Chain<'a> {
    /// Owners and what they take it from, the nearest first.
    pub links: Vec<Link<'a>>,
    /// Those that are named, but not there: delivered from another cluster, or left over.
    pub absent: Vec<Ref>,
    /// Those that are named, and cannot be read.
    pub unread: Vec<(Ref, Untold<'a>)>,
}

impl<'a> Chain<'a> {
    /// What delivers objects with that metadata, each link once. A kind that the cluster does not serve is absent, not unread.
    pub fn of<'m>(context: &'a ContextWorld, metas: impl IntoIterator<Item = &'m Meta>) -> Self {
        /// More than any cluster's delivery of this has.
        const MOST: usize = 500;
        let mut chain = Self::default();
        let mut seen: BTreeSet<Ref> = BTreeSet::new();
        let mut open: VecDeque<Ref> = VecDeque::new();
        for owner in metas.into_iter().flat_map(owners) {
            if seen.insert(owner.clone()) {
                open.push_back(owner);
            }
        }
        while let Some(next) = open.pop_front() {
            let all = match last_listed(context, next.what, &next.namespace) {
                Ok(all) => all,
                Err(Untold::NotServed) => {
                    chain.absent.push(next);
                    continue;
                }
                Err(why) => {
                    chain.unread.push((next, why));
                    continue;
                }
            };
            let found = all.objects.iter().find(|o| *o.meta.name == *next.name);
            let Some(object) = found.copied() else {
                chain.absent.push(next);
                continue;
            };
            let further = sources(&next, object)
                .into_iter()
                .chain(owners(&object.meta));
            for one in further {
                if seen.len() < MOST && seen.insert(one.clone()) {
                    open.push_back(one);
                }
            }
            chain.links.push(Link {
                who: next,
                object,
                at: all.at,
            });
        }
        chain
    }
}

/// What must be read to tell what delivers objects with that metadata.
pub fn wants<'m>(context: &ContextWorld, metas: impl IntoIterator<Item = &'m Meta>) -> Vec<Want> {
    let owners: Vec<Ref> = metas.into_iter().flat_map(owners).collect();
    let all = |of: &Ref| {
        KINDS
            .iter()
            .map(|what| want(context, *what, &of.namespace))
            .collect::<Vec<_>>()
    };
    owners.iter().flat_map(all).collect()
}

/// The metadata of what a subject consists of, as somebody may deliver it: the operator's Deployments with the CRD, or the
/// Dragonfly object.
pub fn delivered<'a>(case: &Case<'a>) -> Vec<&'a Meta> {
    let context = case.context;
    match (case.subject, &case.instance) {
        (Subject::Operator(_), _) => {
            let operators = context.operators.iter().map(|held| &held.value.meta);
            operators
                .chain(context.crds.iter().map(|held| &held.value.meta))
                .collect()
        }
        (_, Some(instance)) => vec![&instance.view.dragonfly.value.meta],
        _ => Vec::new(),
    }
}

/// How a Flux object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// What it wants is so.
    Ready,
    /// It is told to do nothing.
    Suspended(Option<Writer>),
    /// It has given up until something changes.
    Stalled(Condition),
    /// It failed, and tries again.
    Failing(Condition),
    /// Its controller has not taken the last change of it up.
    NotTakenUp {
        /// `metadata.generation`.
        generation: i64,
        /// `status.observedGeneration`.
        observed: i64,
    },
    /// It is at it.
    Reconciling(Condition),
    /// It has said nothing yet.
    Silent,
}

impl Standing {
    /// The word shown.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Ready => "ready",
            Standing::Suspended(_) => "suspended",
            Standing::Stalled(_) => "stalled",
            Standing::Failing(_) => "failing",
            Standing::NotTakenUp { .. } => "not taken up",
            Standing::Reconciling(_) => "reconciling",
            Standing::Silent => "silent",
        }
    }
}

/// How it stands at that moment.
pub fn standing(what: Foreign, object: &ForeignObject, now: Timestamp) -> Standing {
    if flag(object, "/spec/suspend") == Some(true) {
        return Standing::Suspended(writer(object, "/suspendedBy"));
    }
    let is = |name: &str| condition(object, name).filter(|c| c.status == "True");
    if let Some(stalled) = is("Stalled") {
        return Standing::Stalled(stalled);
    }
    let ready = condition(object, "Ready");
    let reconciling = is("Reconciling");
    if let Some(failed) = ready.clone().filter(|c| c.status == "False") {
        return Standing::Failing(failed);
    }
    let observed = object
        .body
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    if let (Some(observed), None) = (observed, &reconciling)
        && observed < object.meta.generation
        && !is_young(object, now)
    {
        return Standing::NotTakenUp {
            generation: object.meta.generation,
            observed,
        };
    }
    match (reconciling, ready) {
        (Some(reconciling), _) => Standing::Reconciling(reconciling),
        (None, Some(ready)) if ready.status == "True" => Standing::Ready,
        (None, Some(unknown)) => Standing::Reconciling(unknown),
        // A HelmRepository of charts in an OCI registry has no status: nobody reconciles it.
        (None, None)
            if what == Foreign::HelmRepository
                && object.body.pointer("/spec/type").and_then(Value::as_str) == Some("oci") =>
        {
            Standing::Ready
        }
        (None, None) => Standing::Silent,
    }
}

/// Its `spec` was written only now, so that nothing can be expected of its controller yet.
fn is_young(object: &ForeignObject, now: Timestamp) -> bool {
    let written = writer(object, "/specBy").and_then(|writer| writer.at);
    let at = written.or(object.meta.created);
    at.is_some_and(|at| now.as_second() - at.as_second() < TAKEN_UP)
}

/// What it has applied, or holds: the revision that it stands for; `None` while there is none.
pub fn applied(what: Foreign, object: &ForeignObject) -> Option<String> {
    let text = |path: &str| {
        object
            .body
            .pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    match what {
        Foreign::HelmRelease => {
            let history = object
                .body
                .pointer("/status/history")
                .and_then(Value::as_array);
            let mut history = history.into_iter().flatten();
            let deployed = history
                .find(|one| one.get("status").and_then(Value::as_str) == Some("deployed"))?;
            deployed
                .get("chartVersion")
                .and_then(Value::as_str)
                .map(str::to_owned)
        }
        Foreign::Kustomization => text("/status/lastAppliedRevision"),
        _ => text("/status/artifact/revision"),
    }
}

/// What it tried to apply last, where that is another revision than what is applied.
pub fn attempted(what: Foreign, object: &ForeignObject) -> Option<String> {
    let tried = object
        .body
        .pointer("/status/lastAttemptedRevision")
        .and_then(Value::as_str)?;
    let applied = applied(what, object);
    (applied.as_deref() != Some(tried)).then(|| tried.to_owned())
}

/// Whether a HelmRelease puts back what others change of what it has made (`spec.driftDetection.mode`, off by default).
pub fn drift_mode(object: &ForeignObject) -> &str {
    object
        .body
        .pointer("/spec/driftDetection/mode")
        .and_then(Value::as_str)
        .unwrap_or("disabled")
}

/// The condition of that type.
pub fn condition(object: &ForeignObject, name: &str) -> Option<Condition> {
    let all = object
        .body
        .pointer("/status/conditions")
        .and_then(Value::as_array)?;
    let text = |of: &Value, key: &str| {
        of.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let found = all.iter().find(|one| text(one, "type") == name)?;
    Some(Condition {
        name: name.to_owned(),
        status: text(found, "status"),
        reason: text(found, "reason"),
        message: text(found, "message"),
        since: text(found, "lastTransitionTime").parse().ok(),
    })
}

/// Whether something is so, where it is said.
pub fn flag(object: &ForeignObject, path: &str) -> Option<bool> {
    object.body.pointer(path)?.as_bool()
}

/// Who wrote something last, as it was derived when the object was read.
pub fn writer(object: &ForeignObject, path: &str) -> Option<Writer> {
    let found = object.body.pointer(path)?;
    let text = |key: &str| found.get(key).and_then(Value::as_str);
    Some(Writer {
        manager: text("manager")?.to_owned(),
        at: text("at").and_then(|at| at.parse().ok()),
    })
}

/// Who suspended it, to a reader: `by kubectl-patch`, or by Git itself where a Kustomization wrote it.
pub fn by_whom(writer: Option<&Writer>) -> String {
    match writer.map(|writer| writer.manager.as_str()) {
        None | Some("") => "by somebody that its managed fields do not name".to_owned(),
        Some("kustomize-controller") => "by what stands in Git (kustomize-controller)".to_owned(),
        Some(manager) => format!("by {manager}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::domain::fixture::{ago, now};

    fn object(generation: i64, body: Value) -> ForeignObject {
        ForeignObject {
            meta: Meta {
                name: Arc::from("op"),
                namespace: Arc::from("flux-system"),
                generation,
                created: Some(ago(9_000)),
                ..Meta::default()
            },
            body,
        }
    }

    #[test]
    fn how_it_stands_is_told_by_its_conditions() {
        let conditions = |of: &[(&str, &str)]| -> Value {
            of.iter()
                .map(|(name, status)| json!({"type": name, "status": status, "reason": "R", "message": "M"}))
                .collect()
        };
        let with = |observed: i64, of: &[(&str, &str)]| json!({"status": {"observedGeneration": observed, "conditions": conditions(of)}});
        for (name, what, generation, body, wanted) in [
            (
                "ready",
                Foreign::HelmRelease,
                2,
                with(2, &[("Ready", "True")]),
                "ready",
            ),
            (
                "suspended, whatever its conditions are",
                Foreign::HelmRelease,
                3,
                json!({"spec": {"suspend": true}, "status": {"observedGeneration": 2}}),
                "suspended",
            ),
            (
                "failing",
                Foreign::Kustomization,
                2,
                with(2, &[("Ready", "False")]),
                "failing",
            ),
            (
                "stalled",
                Foreign::HelmRelease,
                2,
                with(2, &[("Ready", "False"), ("Stalled", "True")]),
                "stalled",
            ),
            (
                "not taken up",
                Foreign::HelmRelease,
                3,
                with(2, &[("Ready", "True")]),
                "not taken up",
            ),
            (
                "being taken up",
                Foreign::HelmRelease,
                3,
                with(2, &[("Ready", "Unknown"), ("Reconciling", "True")]),
                "reconciling",
            ),
            (
                "unknown",
                Foreign::HelmRelease,
                2,
                with(2, &[("Ready", "Unknown")]),
                "reconciling",
            ),
            ("silent", Foreign::GitRepository, 1, json!({}), "silent"),
            (
                "a repository that nobody reconciles",
                Foreign::HelmRepository,
                1,
                json!({"spec": {"type": "oci"}}),
                "ready",
            ),
        ] {
            let found = standing(what, &object(generation, body), now());
            assert_eq!(found.word(), wanted, "{name}");
        }
        let body = json!({"specBy": {"manager": "x", "at": ago(5).to_string()},
            "status": {"observedGeneration": 1, "conditions": conditions(&[("Ready", "True")])}});
        let found = standing(Foreign::HelmRelease, &object(2, body), now());
        assert_eq!(found, Standing::Ready, "changed five seconds ago");
    }

    #[test]
    fn owners_and_sources_are_told_by_labels_and_references() {
        let meta = Meta {
            labels: [
                ("helm.toolkit.fluxcd.io/name", "op"),
                ("helm.toolkit.fluxcd.io/namespace", "flux-system"),
                ("kustomize.toolkit.fluxcd.io/name", "apps"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            ..Meta::default()
        };
        let owners = owners(&meta);
        let words: Vec<String> = owners.iter().map(Ref::words).collect();
        assert_eq!(
            words,
            ["HelmRelease flux-system/op"],
            "half a label is none"
        );
        let release = object(
            1,
            json!({"spec": {"chartRef": {"kind": "OCIRepository", "name": "charts"},
                "chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "old", "namespace": "else"}}}}}),
        );
        let words: Vec<String> = sources(&owners[0], &release)
            .iter()
            .map(Ref::words)
            .collect();
        assert_eq!(
            words,
            [
                "OCIRepository flux-system/charts",
                "HelmRepository else/old"
            ]
        );
    }

    #[test]
    fn revisions_are_told_apart_where_they_differ() {
        let release = |status: &str| {
            object(
                1,
                json!({"status": {"lastAttemptedRevision": "1.6.1", "history": [
                    {"chartVersion": "1.6.1", "status": status}, {"chartVersion": "1.5.0", "status": "deployed"}]}}),
            )
        };
        for (status, wanted) in [
            ("deployed", (Some("1.6.1"), None)),
            ("failed", (Some("1.5.0"), Some("1.6.1"))),
        ] {
            let release = release(status);
            let what = Foreign::HelmRelease;
            let found = (applied(what, &release), attempted(what, &release));
            assert_eq!((found.0.as_deref(), found.1.as_deref()), wanted, "{status}");
        }
    }
}
