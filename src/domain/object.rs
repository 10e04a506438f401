//! Kubernetes objects as the house sees them: only what is judged or shown, every field optional that may be absent.
//!
//! Text in here has been through [`super::text::plain`]: whatever `wire` decodes is safe to draw.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::engine::Role;
use super::id::Kind;
use super::selector::Selector;

/// What every object has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Namespace, empty for cluster-wide kinds.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Uid; an object deleted and made again has another.
    pub uid: Arc<str>,
    /// `resourceVersion`, opaque.
    pub revision: Arc<str>,
    /// `metadata.generation`, 0 where the kind has none.
    pub generation: i64,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its deletion was asked for (`deletionTimestamp` less the grace period that it includes); set while it is
    /// Terminating.
    pub deleting: Option<Timestamp>,
    /// How long it was given to end when its deletion was asked for (`deletionGracePeriodSeconds`), 0 without.
    pub grace: i64,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// All annotations but `kubectl.kubernetes.io/last-applied-configuration`.
    pub annotations: BTreeMap<String, String>,
    /// The controlling owner.
    pub owner: Option<Owner>,
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Kind, such as `StatefulSet`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// One entry of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// `type`.
    pub name: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Machine reason.
    pub reason: String,
    /// Sentence.
    pub message: String,
    /// `lastTransitionTime`.
    pub since: Option<Timestamp>,
}

/// The CRD `dragonflies.dragonflydb.io`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crd {
    /// Metadata.
    pub meta: Meta,
    /// Condition `Established` is True.
    pub established: bool,
    /// Versions with `served: true`.
    pub served: Vec<String>,
    /// Fields of `spec` in the stored schema, sorted, and after them those of `spec.snapshot` as `snapshot.NAME`: what
    /// tells an operator version's CRD from another's.
    pub spec_fields: Vec<String>,
}

/// A `Dragonfly` object (fields of operator v1.1 to v1.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dragonfly {
    /// Metadata.
    pub meta: Meta,
    /// `spec.replicas`: **total** pods, the master included. Absent means the operator's default.
    pub replicas: Option<i64>,
    /// `spec.image`; absent means the operator's built-in image.
    pub image: Option<String>,
    /// `spec.args`.
    pub args: Vec<String>,
    /// `status.phase` as written. Never a health statement: it stays `Ready` with zero pods.
    pub phase: Option<String>,
    /// Name of the master Service: `spec.serviceSpec.name`, else the instance's own name.
    pub service: String,
    /// `spec.snapshot`.
    pub snapshot: Option<Snapshot>,
    /// `spec.authentication.passwordFromSecret`: Secret name and key. The value is never read.
    pub password_secret: Option<(String, String)>,
    /// `spec.tlsSecretRef` is set, so the data port speaks TLS.
    pub tls: bool,
    /// Every Secret that its pods read, by the fields that name one. Their values are never read.
    pub secrets: Vec<SecretUse>,
    /// `spec.resources.limits.memory`, bytes.
    pub memory_limit: Option<u64>,
    /// Size wanted of each tiering claim, `spec.tiering.persistentVolumeClaimSpec` (operator v1.2.0 and later), bytes.
    pub tiering_size: Option<u64>,
    /// `spec.networkPolicyEnabled`; absent means the operator's default (true from v1.5.0).
    pub network_policy: Option<bool>,
    /// `spec.enableReplicationReadinessGate` (operator v1.5.0 and later).
    pub readiness_gate: bool,
    /// Labels of `spec` that the operator manages itself, each as `PLACE KEY`: from v1.6.0 an object with one of them is not
    /// reconciled at all, and the log alone says so.
    pub managed_labels: Vec<String>,
    /// Top-level `spec` fields that none of operator v1.1 to v1.6 has.
    pub unknown_fields: Vec<String>,
    /// Places of `spec` in which a `${NAME}` stands as it was written, so that nobody has put its value there.
    pub unfilled: Vec<Unfilled>,
}

/// A Secret that the pods of an instance read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse {
    /// What for.
    pub purpose: SecretPurpose,
    /// The Secret's name, in the instance's own namespace.
    pub name: String,
    /// The keys that must be in it.
    pub keys: Vec<String>,
}

/// What a Secret is read for, and with that how: all of it only while a pod starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPurpose {
    /// `spec.authentication.passwordFromSecret`: becomes the environment variable `DFLY_requirepass`.
    Password,
    /// `spec.tlsSecretRef`: mounted; the server does not read it again (op#151, df#4171).
    Certificate,
    /// `spec.authentication.clientCaCertSecret`: mounted likewise.
    ClientAuthority,
    /// `spec.aclFromSecret`: mounted; the server reads it again on `ACL LOAD` only.
    Acl,
    /// `spec.env`: that environment variable.
    Variable(String),
}

impl SecretPurpose {
    /// What it is to a reader: `the password`.
    pub fn words(&self) -> String {
        match self {
            SecretPurpose::Password => "the password".to_owned(),
            SecretPurpose::Certificate => "the TLS certificate".to_owned(),
            SecretPurpose::ClientAuthority => "the authority of client certificates".to_owned(),
            SecretPurpose::Acl => "the ACL".to_owned(),
            SecretPurpose::Variable(name) => format!("the variable {name}"),
        }
    }
}

/// A `${NAME}` that stands in an object as it was written: what was to put a value there (such as `postBuild` of a Flux
/// Kustomization) did not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unfilled {
    /// Where, such as `spec.snapshot.cron`.
    pub place: String,
    /// The words that were to be replaced, such as `${DB_CRON}`; never the text around them, which may be secret.
    pub words: String,
}

impl Unfilled {
    /// What is left unfilled in a text; `None` when there is nothing.
    pub fn of(place: impl Into<String>, text: &str) -> Option<Self> {
        let words = unfilled_words(text);
        (!words.is_empty()).then(|| Self {
            place: place.into(),
            words: words.join(" "),
        })
    }
}

/// Every `${NAME}` of a text, also with a default (`${NAME:=x}`): the name and the brackets, without the default.
/// `$${NAME}` is how one is kept on purpose, and `$(NAME)` is Kubernetes' own.
fn unfilled_words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let end = after
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(after.len());
        let (name, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        // What follows a name is the end or an operator of a substitution, as `:-`, `/` or `^`.
        let is_whole = tail.contains('}');
        let word = format!("${{{name}}}");
        if is_name && is_whole && !before.ends_with('$') && !found.contains(&word) {
            found.push(word);
        }
        rest = tail;
    }
    found
}

/// `spec.snapshot` of a Dragonfly object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// `dir`, absent means `/dragonfly/snapshots`.
    pub dir: Option<String>,
    /// `cron`, the schedule.
    pub cron: Option<String>,
    /// Size wanted of each claim, bytes.
    pub claim_size: Option<u64>,
    /// `enableOnMasterOnly` (operator v1.3.0 and later).
    pub master_only: bool,
    /// `existingPersistentVolumeClaimName` (operator v1.4.0 and later).
    pub existing_claim: Option<String>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pod {
    /// Metadata.
    pub meta: Meta,
    /// `status.phase`.
    pub phase: String,
    /// `status.reason`, such as `Evicted` or `NodeLost`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
    /// `status.podIP`.
    pub ip: Option<String>,
    /// `spec.nodeName`: the machine, which is not a *node* in this house's words.
    pub machine: Option<String>,
    /// `status.startTime`.
    pub started: Option<Timestamp>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Containers in the order of the spec, with their statuses.
    pub containers: Vec<Container>,
    /// Names of the claims that the pod mounts.
    pub claims: Vec<String>,
    /// `spec.securityContext.fsGroup`: the group that volumes are made writable for.
    pub fs_group: Option<i64>,
    /// When the `role` label was last written, from managed fields.
    pub role_since: Option<Timestamp>,
}

impl Pod {
    /// What the `role` label says; `None` while the operator has not configured the pod.
    pub fn label_role(&self) -> Option<Role> {
        match self.meta.labels.get("role").map(String::as_str) {
            Some("master") => Some(Role::Master),
            Some("replica") => Some(Role::Replica),
            _ => None,
        }
    }

    /// The condition of that type.
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.name == name)
    }

    /// Condition `Ready` is True. Kubernetes' word only: it is true while loading and in full sync.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == "True")
    }

    /// The container of that name, else the first.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers
            .iter()
            .find(|c| c.name == name)
            .or_else(|| self.containers.first())
    }

    /// Restarts of all containers.
    pub fn restarts(&self) -> u64 {
        self.containers.iter().map(|c| c.restarts).sum()
    }
}

/// One container with its status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image as the spec names it.
    pub image: String,
    /// Ready, by its status.
    pub ready: bool,
    /// Restarts, by its status.
    pub restarts: u64,
    /// What it is doing.
    pub state: ContainerState,
    /// How its run before this one ended.
    pub last_end: Option<ContainerEnd>,
    /// Its arguments, as the spec names them.
    pub args: Vec<String>,
    /// `resources.limits.memory`, bytes.
    pub memory_limit: Option<u64>,
    /// `resources.requests.memory`, bytes. The API server puts the limit there where a limit alone is given.
    pub memory_request: Option<u64>,
    /// `resources.limits.cpu`, thousandths of a core.
    pub cpu_limit: Option<u64>,
    /// Which probes it has.
    pub probes: Probes,
    /// What it may do, by its own `securityContext` and its pod's.
    pub security: Security,
}

/// Which probes a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Probes {
    /// `livenessProbe`.
    pub liveness: bool,
    /// `readinessProbe`.
    pub readiness: bool,
    /// `startupProbe`; the operator's own pods have none before custom probes (v1.6.0 and later).
    pub startup: bool,
}

/// What a container may do: its own `securityContext`, and the pod's where that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// `runAsNonRoot`.
    pub non_root: Option<bool>,
    /// `runAsUser`.
    pub user: Option<i64>,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: Option<bool>,
    /// `allowPrivilegeEscalation`; absent means that it may.
    pub escalation: Option<bool>,
    /// `privileged`.
    pub privileged: Option<bool>,
    /// `capabilities.drop`.
    pub dropped: Vec<String>,
    /// `capabilities.add`.
    pub added: Vec<String>,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ContainerState {
    /// No status yet.
    #[default]
    Unreported,
    /// Not running, and why.
    Waiting {
        /// Such as `CrashLoopBackOff`.
        reason: String,
        /// Sentence.
        message: String,
    },
    /// Running.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Ended.
    Ended(ContainerEnd),
}

/// How a container's run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerEnd {
    /// Such as `OOMKilled`, `Error`, `Completed`.
    pub reason: String,
    /// Exit code.
    pub exit: i64,
    /// When.
    pub at: Option<Timestamp>,
}

/// A StatefulSet. The operator's use `OnDelete`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatefulSet {
    /// Metadata.
    pub meta: Meta,
    /// `spec.replicas`.
    pub replicas: i64,
    /// `status.readyReplicas`.
    pub ready: i64,
    /// `status.updatedReplicas`.
    pub updated: i64,
    /// `status.currentRevision`.
    pub current_revision: String,
    /// `status.updateRevision`; a pod's `controller-revision-hash` is compared with it.
    pub update_revision: String,
    /// Image of the container `dragonfly` in the template.
    pub image: String,
    /// Claim templates: name and size in bytes.
    pub claim_templates: Vec<(String, Option<u64>)>,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Metadata.
    pub meta: Meta,
    /// `spec.selector`. The operator's selects `role=master`.
    pub selector: BTreeMap<String, String>,
    /// `spec.type`.
    pub kind: String,
    /// `spec.clusterIP`.
    pub cluster_ip: Option<String>,
    /// Ports: name and number.
    pub ports: Vec<(String, u16)>,
}

impl Service {
    /// Cilium's annotation says that the Service is global over the mesh.
    pub fn is_global(&self) -> bool {
        self.meta
            .annotations
            .get("service.cilium.io/global")
            .is_some_and(|v| v == "true")
    }
}

/// An EndpointSlice: where a Service really sends traffic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointSlice {
    /// Metadata.
    pub meta: Meta,
    /// The Service it belongs to (label `kubernetes.io/service-name`).
    pub service: String,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// Addresses, usually one.
    pub addresses: Vec<String>,
    /// Condition `ready`; absent counts as true, as the API says.
    pub ready: bool,
    /// Condition `serving`.
    pub serving: bool,
    /// Condition `terminating`.
    pub terminating: bool,
    /// The pod behind it, by `targetRef`.
    pub pod: Option<String>,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pvc {
    /// Metadata.
    pub meta: Meta,
    /// `status.phase`.
    pub phase: String,
    /// `spec.resources.requests.storage`, bytes.
    pub requested: Option<u64>,
    /// `status.capacity.storage`, bytes.
    pub capacity: Option<u64>,
    /// `spec.storageClassName`.
    pub class: Option<String>,
    /// `spec.volumeName`.
    pub volume: Option<String>,
    /// Conditions, such as `FileSystemResizePending`.
    pub conditions: Vec<Condition>,
}

/// A PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pdb {
    /// Metadata.
    pub meta: Meta,
    /// `spec.selector`; without one it selects nothing (`policy/v1`).
    pub selector: Option<Selector>,
    /// `spec.minAvailable` as written.
    pub min_available: Option<String>,
    /// `spec.maxUnavailable` as written.
    pub max_unavailable: Option<String>,
    /// `status.disruptionsAllowed`.
    pub allowed: i64,
    /// `status.currentHealthy`.
    pub healthy: i64,
    /// `status.desiredHealthy`.
    pub desired: i64,
    /// `status.expectedPods`.
    pub expected: i64,
}

/// A NetworkPolicy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkPolicy {
    /// Metadata.
    pub meta: Meta,
    /// `spec.podSelector`; an empty one selects every pod of the namespace.
    pub selector: Selector,
    /// Number of ingress rules; `None` when the policy does not speak of ingress.
    pub ingress_rules: Option<usize>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Metadata.
    pub meta: Meta,
    /// Kind of the object it speaks of.
    pub about_kind: String,
    /// Name of the object it speaks of.
    pub about_name: String,
    /// Uid of the object it speaks of, may be empty.
    pub about_uid: String,
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// Machine reason.
    pub reason: String,
    /// Sentence.
    pub note: String,
    /// How often.
    pub count: u64,
    /// Last seen.
    pub at: Option<Timestamp>,
    /// First seen.
    pub first: Option<Timestamp>,
    /// Who reported it.
    pub source: String,
}

/// Who wrote a field last, by the managed fields of its object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writer {
    /// The manager: `kubectl`, `helm-controller`.
    pub manager: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    /// Metadata.
    pub meta: Meta,
    /// `spec.replicas`.
    pub replicas: i64,
    /// `status.readyReplicas`.
    pub ready: i64,
    /// `status.updatedReplicas`.
    pub updated: i64,
    /// Container names with their images.
    pub images: Vec<(String, String)>,
    /// Arguments of the container `manager`.
    pub args: Vec<String>,
    /// Who wrote `spec.replicas` last.
    pub scaled_by: Option<Writer>,
    /// `serviceAccountName` of its pods.
    pub service_account: Option<String>,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

impl Deployment {
    /// The operator's version, from the tag of its `manager` image.
    pub fn version(&self) -> Option<&str> {
        let (_, image) = self
            .images
            .iter()
            .find(|(name, _)| name == "manager")
            .or_else(|| self.images.first())?;
        image_tag(image)
    }
}

/// A Lease.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lease {
    /// Metadata.
    pub meta: Meta,
    /// `spec.holderIdentity`, `<pod>_<uuid>` for the operator.
    pub holder: Option<String>,
    /// `spec.renewTime`.
    pub renewed: Option<Timestamp>,
    /// `spec.acquireTime`.
    pub acquired: Option<Timestamp>,
    /// `spec.leaseDurationSeconds`.
    pub duration: Option<i64>,
    /// `spec.leaseTransitions`.
    pub transitions: Option<i64>,
}

/// An object of a watched kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Object {
    Crd(Arc<Crd>),
    Dragonfly(Arc<Dragonfly>),
    Pod(Arc<Pod>),
    StatefulSet(Arc<StatefulSet>),
    Service(Arc<Service>),
    EndpointSlice(Arc<EndpointSlice>),
    Pvc(Arc<Pvc>),
    ExistingPvc(Arc<Pvc>),
    Pdb(Arc<Pdb>),
    NetworkPolicy(Arc<NetworkPolicy>),
    Event(Arc<Event>),
    OperatorDeployment(Arc<Deployment>),
    OperatorPod(Arc<Pod>),
    OperatorLease(Arc<Lease>),
}

impl Object {
    /// Which standing question it answers.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Crd(_) => Kind::Crd,
            Object::Dragonfly(_) => Kind::Dragonfly,
            Object::Pod(_) => Kind::Pod,
            Object::StatefulSet(_) => Kind::StatefulSet,
            Object::Service(_) => Kind::Service,
            Object::EndpointSlice(_) => Kind::EndpointSlice,
            Object::Pvc(_) => Kind::Pvc,
            Object::ExistingPvc(_) => Kind::ExistingPvc,
            Object::Pdb(_) => Kind::Pdb,
            Object::NetworkPolicy(_) => Kind::NetworkPolicy,
            Object::Event(_) => Kind::Event,
            Object::OperatorDeployment(_) => Kind::OperatorDeployment,
            Object::OperatorPod(_) => Kind::OperatorPod,
            Object::OperatorLease(_) => Kind::OperatorLease,
        }
    }

    /// Its metadata.
    pub fn meta(&self) -> &Meta {
        match self {
            Object::Crd(o) => &o.meta,
            Object::Dragonfly(o) => &o.meta,
            Object::Pod(o) | Object::OperatorPod(o) => &o.meta,
            Object::StatefulSet(o) => &o.meta,
            Object::Service(o) => &o.meta,
            Object::EndpointSlice(o) => &o.meta,
            Object::Pvc(o) | Object::ExistingPvc(o) => &o.meta,
            Object::Pdb(o) => &o.meta,
            Object::NetworkPolicy(o) => &o.meta,
            Object::Event(o) => &o.meta,
            Object::OperatorDeployment(o) => &o.meta,
            Object::OperatorLease(o) => &o.meta,
        }
    }
}

/// The tag of an image reference; `None` when it has none or is pinned by digest alone.
pub fn image_tag(image: &str) -> Option<&str> {
    let named = image.split_once('@').map_or(image, |(named, _)| named);
    let last = named.rsplit_once('/').map_or(named, |(_, last)| last);
    last.split_once(':').map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_image_is_not_its_registrys_port() {
        for (image, tag) in [
            (
                "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0",
                Some("v1.39.0"),
            ),
            ("localhost:5000/dragonfly", None),
            ("localhost:5000/dragonfly:v1.2", Some("v1.2")),
            ("dragonfly:v1.2@sha256:abc", Some("v1.2")),
            ("dragonfly@sha256:abc", None),
            ("", None),
        ] {
            assert_eq!(image_tag(image), tag, "{image}");
        }
    }

    #[test]
    fn what_nobody_filled_in_is_found_and_nothing_else() {
        for (text, wanted) in [
            ("", ""),
            ("plain $HOME and $(POD_IP)", ""),
            ("${IMAGE}", "${IMAGE}"),
            ("repo/x:${TAG:=v1.39.0}", "${TAG}"),
            ("--requirepass=s3cret-${SUFFIX}", "${SUFFIX}"),
            ("${A} ${B} ${A}", "${A} ${B}"),
            ("$${KEPT}", ""),
            ("${}", ""),
            ("${1}", ""),
            ("${open", ""),
            ("${a${b}", "${a} ${b}"),
        ] {
            let found = Unfilled::of("spec", text).map(|one| one.words);
            assert_eq!(found.unwrap_or_default(), wanted, "{text}");
        }
    }
}
