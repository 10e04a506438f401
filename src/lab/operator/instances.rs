//! The controller of `Dragonfly` resources: their objects, and rolling updates.

use std::time::Duration;

use serde_json::Value;

use super::election::Role;
use super::owned::{Wanted, owned};
use super::queue::Outcome;
use super::rollout::{self, Rolling, Step};
use super::speak::Voices;
use super::work::Controller;
use super::{MANAGER, Operator};
use crate::lab::controllers::{Key, key};
use crate::lab::json::{extend, items, number, set, text};
use crate::lab::pods;
use crate::lab::resources::{
    CONFIG_MAPS, DRAGONFLIES, GroupResource, NETWORK_POLICIES, PODS, SERVICES, STATEFUL_SETS,
};
use crate::lab::store::{Change, Delete, Happened, Object};

const CONTROLLER: &str = "Dragonfly";
/// Between two looks during a rollout.
const REQUEUE: Duration = Duration::from_secs(5);

/// The controller.
pub(super) struct Instances(pub(super) Operator);

impl Controller for Instances {
    const NAME: &'static str = CONTROLLER;
    const WATCHED: &'static [GroupResource<'static>] = &[
        DRAGONFLIES,
        STATEFUL_SETS,
        SERVICES,
        CONFIG_MAPS,
        NETWORK_POLICIES,
    ];

    fn operator(&self) -> &Operator {
        &self.0
    }

    fn first(&self, known: bool) -> Vec<Key> {
        // A rollout that was under way goes on.
        let rolling = |df: &Object| text(&df.value(), "/status/phase") == "RollingUpdate";
        let listed = self.0.store.list(DRAGONFLIES, None);
        let listed = listed.map(|listed| listed.items).unwrap_or_default();
        listed
            .iter()
            .filter(|df| !known || rolling(df))
            .map(|df| key(df))
            .collect()
    }

    /// Of resources only changes of their spec, of owned objects all.
    fn concerned(&self, what: GroupResource<'static>, change: &Change) -> Option<Key> {
        let object = &change.object;
        if what == DRAGONFLIES {
            let generation = |object: &Object| number(&object.value(), "/metadata/generation");
            let same = change
                .before
                .as_ref()
                .is_some_and(|before| generation(before) == generation(object));
            return (change.happened != Happened::Deleted && !same).then(|| key(object));
        }
        if object.owners.is_empty() {
            return None;
        }
        let listed = self
            .0
            .store
            .list(DRAGONFLIES, Some(&object.namespace))
            .ok()?;
        let owner = listed
            .items
            .iter()
            .find(|df| object.owners.contains(&df.uid))?;
        Some(key(owner))
    }

    async fn look(&self, key: &Key) -> Result<Outcome, String> {
        self.0.reconcile(key).await
    }
}

impl Operator {
    async fn reconcile(&self, (namespace, name): &Key) -> Result<Outcome, String> {
        let Some(df) = self.instance(namespace, name) else {
            return Ok(Outcome::Done);
        };
        self.note(
            CONTROLLER,
            namespace,
            name,
            "reconciling dragonfly instance",
        );
        let wanted = owned(&df, &self.home)
            .map_err(|error| format!("failed to generate dragonfly resources: {error}"))?;
        for one in wanted {
            self.bring(&df, one)?;
        }
        let phase = text(&df, "/status/phase");
        if phase.is_empty() {
            self.set_phase(&df, "ResourcesCreated")?;
            self.events.normal(&df, "Resources", "Created resources");
            return Ok(Outcome::Done);
        }
        let set = self
            .store
            .get(STATEFUL_SETS, namespace, name)
            .map_err(|status| status.to_string())?
            .value();
        if number(&set, "/status/observedGeneration") != number(&set, "/metadata/generation") {
            // Its controller has not looked yet; its status will bring us back.
            return Ok(Outcome::Done);
        }
        match phase {
            "RollingUpdate" => self.roll(&df, &set).await,
            "Ready" | "ready" if self.outdated(&df, &set) => {
                self.note(
                    CONTROLLER,
                    namespace,
                    name,
                    "pod spec has changed, performing a rollout",
                );
                self.events.normal(&df, "Rollout", "Starting a rollout");
                self.set_phase(&df, "RollingUpdate")?;
                self.events.normal(&df, "Resources", "Performing a rollout");
                Ok(Outcome::Again(Duration::from_millis(100)))
            }
            _ => Ok(Outcome::Done),
        }
    }

    fn outdated(&self, df: &Value, set: &Value) -> bool {
        let replicas = number(set, "/status/replicas").unwrap_or(0);
        let updated = number(set, "/status/updatedReplicas").unwrap_or(0);
        let update = text(set, "/status/updateRevision");
        let old = |pod: &Value| text(pod, "/metadata/labels/controller-revision-hash") != update;
        replicas != updated && self.pods_of(df).iter().any(old)
    }

    /// Creates an object, updates what differs, or deletes one that must not exist.
    fn bring(&self, df: &Value, wanted: Wanted) -> Result<(), String> {
        let namespace = text(df, "/metadata/namespace");
        let Wanted { what, name, value } = wanted;
        let have = self.store.get(what, namespace, &name);
        let trouble = |verb: &str, status: &dyn std::fmt::Display| {
            format!("failed to {verb} {what} {namespace}/{name}: {status}")
        };
        match (value.is_null(), have) {
            (true, Ok(object)) => {
                let ours = object
                    .owners
                    .iter()
                    .any(|owner| owner == text(df, "/metadata/uid"));
                if ours {
                    let deleted = self
                        .store
                        .delete(what, namespace, &name, &Delete::default());
                    deleted.map_err(|status| trouble("delete", &status))?;
                }
                Ok(())
            }
            (true, Err(_)) => Ok(()),
            (false, Err(_)) => {
                let mut value = value;
                if what == SERVICES && !self.shared.is_attached() {
                    // The address comes with the creation.
                    crate::lab::controllers::give_address(&mut value, self.shared.seed());
                }
                self.store
                    .create(what, namespace, value, MANAGER)
                    .map(|_| ())
                    .map_err(|status| trouble("create", &status))
            }
            (false, Ok(object)) => {
                if what == STATEFUL_SETS && claims_differ(&object.value(), &value) {
                    self.events.warning(
                        df,
                        "ImmutableField",
                        "VolumeClaimTemplates change ignored: the field is immutable on a StatefulSet",
                    );
                }
                let updated = self
                    .store
                    .update(what, namespace, &name, MANAGER, |have| amend(have, &value));
                updated
                    .map(|_| ())
                    .map_err(|status| trouble("update", &status))
            }
        }
    }

    /// One step of a rollout.
    async fn roll(&self, df: &Value, set: &Value) -> Result<Outcome, String> {
        let (namespace, name) = (text(df, "/metadata/namespace"), text(df, "/metadata/name"));
        self.note(CONTROLLER, namespace, name, "rolling out new version");
        let mut voices = Voices::new(self);
        let candidates = self.candidates(&mut voices, df).await?;
        let update = text(set, "/status/updateRevision");
        let mut pods = Vec::new();
        for (pod, value) in candidates.into_iter().zip(self.pods_of(df)) {
            let judged = pod.ready && pod.updated && pod.role == Some(Role::Replica);
            let stable = !judged || voices.is_stable(&value).await?;
            let updated = text(&value, "/metadata/labels/controller-revision-hash") == update;
            let deleting = pods::deleting(&value);
            pods.push(Rolling {
                pod: super::election::Candidate { updated, ..pod },
                deleting,
                stable,
            });
        }
        let replicas = number(df, "/spec/replicas").unwrap_or(0);
        let step = rollout::next(&pods, usize::try_from(replicas).unwrap_or(0), self.version);
        let say = |message: &str, more: &Value| {
            self.note_of(CONTROLLER, namespace, name, message, more);
        };
        let about = |pod: &str| serde_json::json!({"pod": pod});
        for one in pods
            .iter()
            .filter(|one| one.pod.ready && one.pod.updated && one.pod.role == Some(Role::Replica))
        {
            let sentence = "new replica found. checking if replica had a full sync";
            say(sentence, &about(&one.pod.name));
        }
        match step {
            Step::Wait(gate) => {
                let (sentence, more) = gate.words();
                say(sentence, &more);
            }
            Step::DeleteStuck(pod) => {
                say("deleting failed to start pod", &about(&pod));
                self.delete(namespace, &pod)?;
            }
            Step::DeleteReplicas(pods) => {
                for pod in pods {
                    say("deleting replica", &about(&pod));
                    self.events.normal(df, "Rollout", "Deleting replica");
                    self.delete(namespace, &pod)?;
                }
            }
            Step::DeleteMaster(pod) => {
                let sentence = "no replicas found to run REPLTAKEOVER on. deleting master";
                say(sentence, &about(&pod));
                self.delete(namespace, &pod)?;
            }
            Step::TakeOver { replica, master } => {
                self.hand_over(&mut voices, df, &replica, &master).await?
            }
            Step::Finish(old) => {
                for pod in old {
                    self.delete(namespace, &pod)?;
                }
                self.set_phase(df, "Ready")?;
                self.events.normal(df, "Rollout", "Completed");
                return Ok(Outcome::Done);
            }
        }
        Ok(Outcome::Again(REQUEUE))
    }

    /// `REPLTAKEOVER 10000`: the unit is seconds, which the real operator takes for milliseconds.
    async fn hand_over(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        replica: &str,
        master: &str,
    ) -> Result<(), String> {
        let namespace = text(df, "/metadata/namespace");
        let find = |name: &str| {
            self.store
                .get(PODS, namespace, name)
                .map(|pod| pod.value())
                .map_err(|s| s.to_string())
        };
        let (heir, old) = (find(replica)?, find(master)?);
        let name = text(df, "/metadata/name");
        let say = |message: &str, pod: &str| {
            let more = serde_json::json!({"pod": pod});
            self.note_of(CONTROLLER, namespace, name, message, &more);
        };
        say("running REPLTAKEOVER on replica", replica);
        let taken = voices.call(&heir, &["REPLTAKEOVER", "10000"]).await;
        taken.map_err(|error| format!("error running REPLTAKEOVER command: {error}"))?;
        self.crown(voices, df, &heir).await?;
        say("deleting master", master);
        self.delete(namespace, text(&old, "/metadata/name"))?;
        let heir_ip = text(&heir, "/status/podIP");
        for pod in self.pods_of(df) {
            let name = text(&pod, "/metadata/name");
            if name != replica && name != master && self.is_ready(voices, &pod).await? {
                self.make_replica(voices, df, &pod, heir_ip).await?;
            }
        }
        Ok(())
    }

    fn delete(&self, namespace: &str, pod: &str) -> Result<(), String> {
        let deleted = self.store.delete(PODS, namespace, pod, &Delete::default());
        deleted
            .map(|_| ())
            .map_err(|status| format!("could not delete pod {pod}: {status}"))
    }
}

fn claims_differ(have: &Value, wanted: &Value) -> bool {
    let claims = |set: &Value| -> Vec<(String, Value)> {
        items(set, "/spec/volumeClaimTemplates")
            .iter()
            .map(|claim| {
                (
                    text(claim, "/metadata/name").to_owned(),
                    claim.get("spec").cloned().unwrap_or_default(),
                )
            })
            .collect()
    };
    claims(have) != claims(wanted)
}

/// Writes what the operator wants over what is there; fields that it does not set, or may not change, stay.
fn amend(have: &mut Value, wanted: &Value) {
    for kind in ["labels", "annotations"] {
        if let Some(more) = wanted.pointer(&format!("/metadata/{kind}")) {
            extend(have, &["metadata", kind], more);
        }
    }
    let kept = ["volumeClaimTemplates"];
    for (field, value) in wanted
        .get("spec")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !kept.contains(&field.as_str()) {
            set(have, &["spec", field], value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_have_set_stays_and_claims_are_never_touched() {
        let mut have = json!({
            "metadata": {"labels": {"mine": "1"}},
            "spec": {"clusterIP": "10.96.0.1", "replicas": 2, "volumeClaimTemplates": [1]},
        });
        let wanted = json!({
            "metadata": {"labels": {"app": "x"}}, "spec": {"replicas": 3, "volumeClaimTemplates": [2]},
        });
        amend(&mut have, &wanted);
        assert_eq!(
            have,
            json!({
                "metadata": {"labels": {"mine": "1", "app": "x"}},
                "spec": {"clusterIP": "10.96.0.1", "replicas": 3, "volumeClaimTemplates": [1]},
            })
        );
    }
}
