//! The pod controller: finds the master, elects one, makes the others replicas, and checks them.

use std::time::Duration;

use serde_json::{Value, json};

use super::election::{self, Candidate, Labelled, Role};
use super::queue::Outcome;
use super::speak::Voices;
use super::work::Controller;
use super::{MANAGER, Operator, ordinal};
use crate::lab::controllers::{Key, key};
use crate::lab::engine::Version;
use crate::lab::json::{is_true, items, set, text};
use crate::lab::pods;
use crate::lab::redis::field;
use crate::lab::resources::{GroupResource, PODS, STATEFUL_SETS};
use crate::lab::store::{Change, Expect, Writer};

const CONTROLLER: &str = "DragonflyPodLifecycle";
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The address of its master, on every pod since v1.4.0.
pub(in crate::lab) const MASTER_ANNOTATION: &str = "operator.dragonflydb.io/masterIP";
const GATE: &str = "dragonflydb.io/replication-ready";

/// From this version on it looks again at a pod that loads, and clears the schedule of a replica before it makes it one.
const AGAIN: Version = Version(1, 6, 0);
/// The first that leaves saves to the master (`enableOnMasterOnly`).
const CLEARS: Version = Version(1, 3, 0);
/// From one command to the next.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// However fast the lab's time goes: the processor has to come to what follows from the first.
const LEAST: Duration = Duration::from_millis(5);

/// Why a pod does not count as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Ready,
    /// As Kubernetes sees it: an event will tell when that changes.
    NotYet,
    /// The engine loads: no event will tell when it is done.
    Loading,
}

/// The controller.
pub(super) struct Pods(pub(super) Operator);

impl Controller for Pods {
    const NAME: &'static str = CONTROLLER;
    const WATCHED: &'static [GroupResource<'static>] = &[PODS];

    fn operator(&self) -> &Operator {
        &self.0
    }

    fn first(&self, known: bool) -> Vec<Key> {
        if known {
            return Vec::new();
        }
        let pods = self
            .0
            .store
            .labelled(PODS, None, &[(NAME_LABEL, "dragonfly")]);
        pods.iter().map(|pod| key(pod)).collect()
    }

    fn concerned(&self, _: GroupResource<'static>, change: &Change) -> Option<Key> {
        let pod = &change.object;
        (pod.label(NAME_LABEL) == Some("dragonfly")).then(|| key(pod))
    }

    async fn look(&self, key: &Key) -> Result<Outcome, String> {
        self.0.look_at_pod(key).await
    }
}

impl Operator {
    /// One look at a pod and, through it, at its instance.
    async fn look_at_pod(&self, (namespace, name): &Key) -> Result<Outcome, String> {
        let Ok(pod) = self.store.get(PODS, namespace, name) else {
            return Ok(Outcome::Done);
        };
        let pod = pod.value();
        let Some(df) = self.instance(namespace, text(&pod, "/metadata/labels/app")) else {
            return Ok(Outcome::Done);
        };
        self.note(CONTROLLER, namespace, name, "received");
        let mut voices = Voices::new(self);
        let mut ready = self.readiness(&mut voices, &pod).await?;
        let candidates = self.candidates(&mut voices, &df).await?;
        let rolling = text(&df, "/status/phase") == "RollingUpdate";
        let by_label = election::labelled(&candidates, rolling);
        let master = match &by_label {
            Labelled::One(master) => {
                let master = self.pod(namespace, master)?;
                if !voices.is_master(&master).await? {
                    self.note(
                        CONTROLLER,
                        namespace,
                        name,
                        "Pod labeled as master is running as replica. Promoting it.",
                    );
                    voices.call(&master, &["SLAVEOF", "NO", "ONE"]).await?;
                    return Ok(Outcome::Again(Duration::from_secs(2)));
                }
                master
            }
            without => {
                let message = format!("failed to get master pod: {}", without.error());
                self.note(CONTROLLER, namespace, name, &message);
                if matches!(without, Labelled::NoneHealthy | Labelled::Several) {
                    self.unlabel_masters(&candidates, namespace)?;
                }
                let Some(elected) = election::elect(&candidates).map(|one| one.name.clone()) else {
                    self.note(
                        CONTROLLER,
                        namespace,
                        name,
                        "no healthy pod available to set up a master",
                    );
                    return Ok(Outcome::Again(Duration::from_secs(5)));
                };
                self.configure(&mut voices, &df, &elected).await?;
                ready = self
                    .readiness(&mut voices, &self.pod(namespace, name)?)
                    .await?;
                self.pod(namespace, &elected)?
            }
        };
        match ready {
            Readiness::Ready => self.fit(&mut voices, namespace, name, &master).await,
            not_yet => {
                let more = json!({"pod": name});
                self.note_of(
                    CONTROLLER,
                    namespace,
                    name,
                    "pod not ready yet, will retry",
                    &more,
                );
                Ok(match not_yet {
                    // Before, it waited for an event, and none comes when a load is done.
                    Readiness::Loading if self.version >= AGAIN => {
                        Outcome::Again(Duration::from_secs(5))
                    }
                    _ => Outcome::Done,
                })
            }
        }
    }

    /// Gives a ready pod its role, or checks the roles of all.
    async fn fit(
        &self,
        voices: &mut Voices<'_>,
        namespace: &str,
        name: &str,
        master: &Value,
    ) -> Result<Outcome, String> {
        let pod = self.pod(namespace, name)?;
        let Some(df) = self.instance(namespace, text(&pod, "/metadata/labels/app")) else {
            return Ok(Outcome::Done);
        };
        let master_ip = text(master, "/status/podIP");
        if Role::of(pod.pointer("/metadata/labels/role").and_then(Value::as_str)).is_none() {
            self.note(
                CONTROLLER,
                namespace,
                name,
                "pod does not have a role label",
            );
            self.make_replica(voices, &df, &pod, master_ip).await?;
            self.events
                .normal(&df, "Replication", "Configured a new replica");
        } else if ["Ready", "ready"].contains(&text(&df, "/status/phase")) {
            self.note(
                CONTROLLER,
                namespace,
                name,
                "non-deletion event for a pod with an existing role. checking if something is wrong",
            );
            self.check_replicas(voices, &df, master_ip).await?;
            self.events
                .normal(&df, "Replication", "Checked and configured replication");
        }
        self.open_gate(voices, &df, namespace, name).await
    }

    /// Makes one pod master and every other ready pod its replica.
    async fn configure(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        elected: &str,
    ) -> Result<(), String> {
        let (namespace, name) = (text(df, "/metadata/namespace"), text(df, "/metadata/name"));
        let first = text(df, "/status/phase") == "ResourcesCreated";
        let rolling = text(df, "/status/phase") == "RollingUpdate";
        self.note(CONTROLLER, namespace, name, "configuring replication");
        if !rolling {
            self.set_phase(df, "Configuring")?;
        }
        let master = self.pod(namespace, elected)?;
        self.promote(voices, df, &master).await?;
        if !rolling {
            self.set_phase(df, "Ready")?;
        }
        let sentence = if first {
            "Initial replication configured"
        } else {
            "Updated master instance"
        };
        self.events.normal(df, "Replication", sentence);
        let master_ip = text(&master, "/status/podIP");
        for pod in self.pods_of(df) {
            if text(&pod, "/metadata/name") != elected
                && self.readiness(voices, &pod).await? == Readiness::Ready
            {
                self.make_replica(voices, df, &pod, master_ip).await?;
            }
        }
        Ok(())
    }

    async fn promote(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        pod: &Value,
    ) -> Result<(), String> {
        let name = text(pod, "/metadata/name");
        self.note(
            CONTROLLER,
            text(df, "/metadata/namespace"),
            name,
            "running SLAVE OF NO ONE command",
        );
        voices.call(pod, &["SLAVEOF", "NO", "ONE"]).await?;
        self.crown(voices, df, pod).await
    }

    /// What makes a pod the master in Kubernetes' eyes, once its engine is one.
    pub(super) async fn crown(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        pod: &Value,
    ) -> Result<(), String> {
        if is_true(df, "/spec/snapshot/enableOnMasterOnly") {
            voices
                .call(
                    pod,
                    &[
                        "CONFIG",
                        "SET",
                        "snapshot_cron",
                        text(df, "/spec/snapshot/cron"),
                    ],
                )
                .await?;
        }
        self.label(pod, Some("master"), text(pod, "/status/podIP"))
    }

    /// Makes a pod replicate from a master, and labels it.
    pub(super) async fn make_replica(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        pod: &Value,
        master_ip: &str,
    ) -> Result<(), String> {
        let name = text(pod, "/metadata/name");
        self.note(
            CONTROLLER,
            text(df, "/metadata/namespace"),
            name,
            &format!("configuring pod as replica of {master_ip}"),
        );
        let was_master = voices.is_master(pod).await?;
        let clears = is_true(df, "/spec/snapshot/enableOnMasterOnly");
        let before = self.version >= AGAIN;
        if clears && before {
            voices
                .call(pod, &["CONFIG", "SET", "snapshot_cron", ""])
                .await?;
        }
        voices.follow(pod, master_ip).await?;
        if clears && !before && self.version >= CLEARS {
            // A round trip later its full sync has begun.
            tokio::time::sleep(self.shared.scaled(ROUND_TRIP).max(LEAST)).await;
            let cleared = voices.call(pod, &["CONFIG", "SET", "snapshot_cron", ""]);
            cleared.await.map_err(|error| {
                format!("failed to clear snapshot cron schedule on replica: {error}")
            })?;
        }
        self.label(pod, Some("replica"), master_ip)?;
        if was_master {
            voices.kill_clients(pod).await?;
        }
        Ok(())
    }

    /// A replica that calls itself a master is pointed back; one that follows somebody else only when neither its label
    /// nor its annotation names the master. Whether the link is up is not looked at.
    async fn check_replicas(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        master_ip: &str,
    ) -> Result<(), String> {
        for pod in self.pods_of(df) {
            let replica = text(&pod, "/metadata/labels/role") == "replica";
            if !replica || self.readiness(voices, &pod).await? != Readiness::Ready {
                continue;
            }
            let info = voices.info(&pod, "replication").await?;
            let strays = field(&info, "master_host").is_some_and(|host| host != master_ip)
                && text(&pod, "/metadata/labels/master-ip") != master_ip
                && text(
                    &pod,
                    "/metadata/annotations/operator.dragonflydb.io~1masterIP",
                ) != master_ip;
            if field(&info, "role") == Some("master") || strays {
                self.make_replica(voices, df, &pod, master_ip).await?;
            }
        }
        Ok(())
    }

    /// The readiness gate `dragonflydb.io/replication-ready`, where the instance wants it.
    async fn open_gate(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
        namespace: &str,
        name: &str,
    ) -> Result<Outcome, String> {
        let pod = self.pod(namespace, name)?;
        if items(&pod, "/spec/readinessGates").is_empty()
            || !is_true(df, "/spec/enableReplicationReadinessGate")
        {
            return Ok(Outcome::Done);
        }
        let stable = voices.is_stable(&pod).await?;
        let now = crate::lab::clock::seconds(self.store.now());
        let condition = json!({"type": GATE, "status": if stable { "True" } else { "False" },
            "reason": if stable { "ReplicationReady" } else { "ReplicationNotReady" }});
        let writer = Writer {
            manager: MANAGER,
            subresource: "status",
            applied: None,
            dry_run: false,
        };
        let written = self.store.update(PODS, namespace, name, writer, |pod| {
            let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
            pods::set_condition(&mut status, condition, &now);
            set(pod, &["status"], status);
        });
        written.map_err(|status| status.to_string())?;
        Ok(if stable {
            Outcome::Done
        } else {
            Outcome::Again(Duration::from_secs(5))
        })
    }

    fn unlabel_masters(&self, candidates: &[Candidate], namespace: &str) -> Result<(), String> {
        for one in candidates
            .iter()
            .filter(|one| one.role == Some(Role::Master))
        {
            let pod = self.pod(namespace, &one.name)?;
            self.label(&pod, None, "")?;
        }
        Ok(())
    }

    /// Writes role and master address; a pod that was replaced meanwhile is left alone.
    pub(super) fn label(
        &self,
        pod: &Value,
        role: Option<&str>,
        master_ip: &str,
    ) -> Result<(), String> {
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        let expect = Expect {
            uid: Some(text(pod, "/metadata/uid").to_owned()),
            revision: None,
        };
        let written = self
            .store
            .try_update(PODS, namespace, name, MANAGER, &expect, |pod| {
                let of = |value: Option<&str>| value.map_or(Value::Null, Value::from);
                set(pod, &["metadata", "labels", "role"], of(role));
                if role.is_some() {
                    set(
                        pod,
                        &["metadata", "labels", "master-ip"],
                        of((role == Some("replica")).then_some(master_ip)),
                    );
                    set(
                        pod,
                        &["metadata", "annotations", MASTER_ANNOTATION],
                        master_ip.into(),
                    );
                }
                Ok(())
            });
        match written {
            Ok(_) => Ok(()),
            Err(status) => Err(format!(
                "could not update the labels of pod {name}: {status}"
            )),
        }
    }

    fn pod(&self, namespace: &str, name: &str) -> Result<Value, String> {
        let found = self.store.get(PODS, namespace, name);
        found
            .map(|pod| pod.value())
            .map_err(|status| status.to_string())
    }

    /// The pods of an instance as an election sees them.
    pub(super) async fn candidates(
        &self,
        voices: &mut Voices<'_>,
        df: &Value,
    ) -> Result<Vec<Candidate>, String> {
        let (namespace, name) = (text(df, "/metadata/namespace"), text(df, "/metadata/name"));
        let set = self
            .store
            .get(STATEFUL_SETS, namespace, name)
            .map(|set| set.value())
            .unwrap_or_default();
        let update = text(&set, "/status/updateRevision").to_owned();
        let mut all = Vec::new();
        for pod in self.pods_of(df) {
            let ready = self.readiness(voices, &pod).await? == Readiness::Ready;
            let offset = match ready {
                true => field(
                    &voices.info(&pod, "replication").await?,
                    "slave_repl_offset",
                )
                .and_then(|n| n.parse().ok()),
                false => None,
            };
            all.push(Candidate {
                name: text(&pod, "/metadata/name").to_owned(),
                ordinal: ordinal(&pod),
                role: Role::of(pod.pointer("/metadata/labels/role").and_then(Value::as_str)),
                ready,
                updated: text(&pod, "/metadata/labels/controller-revision-hash") == update,
                offset,
            });
        }
        Ok(all)
    }

    /// An engine that does not answer is an error, not "not ready": it blocks the look at its instance.
    async fn readiness(&self, voices: &mut Voices<'_>, pod: &Value) -> Result<Readiness, String> {
        let container =
            pods::container_status(pod, "dragonfly").is_some_and(|one| is_true(one, "/ready"));
        let by_kubernetes = text(pod, "/status/phase") == "Running"
            && pods::condition(pod, "ContainersReady")
            && container
            && !text(pod, "/status/podIP").is_empty()
            && !pods::deleting(pod)
            && !pods::condition(pod, "DisruptionTarget");
        if !by_kubernetes {
            return Ok(Readiness::NotYet);
        }
        let info = voices.info(pod, "persistence").await;
        let info = info.map_err(|error| {
            format!(
                "failed to verify pod readiness: failed to determine dataset load status: {error}"
            )
        })?;
        Ok(match field(&info, "loading") {
            None | Some("0") => Readiness::Ready,
            Some(_) => Readiness::Loading,
        })
    }

    /// [`Operator::readiness`] as a yes or no.
    pub(super) async fn is_ready(
        &self,
        voices: &mut Voices<'_>,
        pod: &Value,
    ) -> Result<bool, String> {
        Ok(self.readiness(voices, pod).await? == Readiness::Ready)
    }
}
