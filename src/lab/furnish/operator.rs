//! The operator as the raw bundle v1.6.1 installs it, with two replicas.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Furnisher, days};
use crate::lab::clock;
use crate::lab::json::{set, text};
use crate::lab::kubelet::state::{Ended, Now, PodState};
use crate::lab::operator::{DEPLOYMENT, IMAGE, MANAGER, NAMESPACE, VERSION, crd, identity, lease};
use crate::lab::resources::{
    DEFINITIONS, DEPLOYMENTS, GroupResource, LEASES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS,
};

/// In which state the operator is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Found {
    /// Two pods, one of which leads.
    Working,
    /// Both managers crash after each start; nobody holds the Lease any more.
    Crashing,
}

/// What its log says while it crashes: the informer of a kind that it may not list never syncs.
pub(in crate::lab) fn crash_lines(now: jiff::Timestamp) -> Vec<String> {
    let stamp = clock::seconds(now);
    let klog = now.strftime("%m%d %H:%M:%S.%6f");
    vec![
        format!("{stamp}\tINFO\tsetup\tstarting manager"),
        format!(
            "E{klog}       1 reflector.go:166] \"Unhandled Error\" err=\"failed to watch *v1.ConfigMap: failed to list \
             *v1.ConfigMap: configmaps is forbidden: User \\\"system:serviceaccount:{NAMESPACE}:{DEPLOYMENT}\\\" cannot \
             list resource \\\"configmaps\\\" in API group \\\"\\\" at the cluster scope\""
        ),
        format!(
            "{stamp}\tERROR\tCould not wait for Cache to sync\t{{\"controller\": \"Dragonfly\", \"error\": \"failed to \
             wait for Dragonfly caches to sync: timed out waiting for cache to be synced for Kind *v1.ConfigMap\"}}"
        ),
        format!(
            "{stamp}\tERROR\tsetup\tproblem running manager\t{{\"error\": \"failed to wait for Dragonfly caches to sync: \
             timed out waiting for cache to be synced for Kind *v1.ConfigMap\"}}"
        ),
    ]
}

/// The container that crashes.
pub(in crate::lab) const CONTAINER: &str = "manager";

impl Furnisher<'_> {
    /// The definition, the operator and its Lease.
    pub(in crate::lab) fn operator(&mut self, found: Found) -> Vec<(Value, PodState)> {
        let born = self.ago(days(62));
        self.put(DEFINITIONS, crd::definition(), born, "kubectl");
        self.namespace(NAMESPACE, born);
        let labels = json!({"app.kubernetes.io/name": "dragonfly-operator", "control-plane": "controller-manager"});
        let account =
            json!({"metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE, "labels": labels}});
        self.put(SERVICE_ACCOUNTS, account, born, "kubectl");
        self.rights(born);
        let since = self.ago(days(9));
        let mut pods = self.deployment(deployment(), born, since);
        let service = json!({
            "metadata": {"name": format!("{DEPLOYMENT}-metrics-service"), "namespace": NAMESPACE, "labels": labels},
            "spec": {"ports": [{"name": "https", "port": 8443, "protocol": "TCP", "targetPort": 8443}],
                "selector": {"control-plane": "controller-manager"}},
        });
        let values: Vec<Value> = pods.iter().map(|(pod, _)| pod.clone()).collect();
        self.service(service, &values, born, "kubectl");
        let leader = values.first().cloned().unwrap_or_default();
        let (name, uid) = (
            text(&leader, "/metadata/name"),
            text(&leader, "/metadata/uid"),
        );
        let holder = identity(self.cluster.seed, name, uid, 0);
        let renewed = match found {
            Found::Working => self.now,
            Found::Crashing => self.ago(SignedDuration::from_mins(7)),
        };
        let mut lease = lease::new(NAMESPACE, &holder, renewed);
        set(
            &mut lease,
            &["spec", "acquireTime"],
            clock::micros(since).into(),
        );
        set(&mut lease, &["spec", "leaseTransitions"], 3.into());
        self.put(LEASES, lease, born, MANAGER);
        if found == Found::Crashing {
            self.crash(&mut pods);
        }
        pods
    }

    /// Turns running operator pods into ones that have crashed for minutes.
    fn crash(&self, pods: &mut [(Value, PodState)]) {
        let ended = Ended::new(
            1,
            self.ago(SignedDuration::from_secs(132)),
            self.ago(SignedDuration::from_secs(12)),
        );
        for (pod, state) in pods.iter_mut() {
            let uid = text(pod, "/metadata/uid").to_owned();
            let name = text(pod, "/metadata/name").to_owned();
            state.with(CONTAINER, |one| {
                let sentence =
                    format!("back-off 2m40s restarting failed container={CONTAINER} pod={name}_{NAMESPACE}({uid})");
                one.now = Now::Waiting("CrashLoopBackOff", sentence);
                one.last = Some(ended.clone());
                one.restarts = 5;
                one.ready = false;
            });
            let at = self.ago(SignedDuration::from_mins(7));
            let status = state.status(pod, at, self.cluster.seed);
            *pod = self.status(PODS, pod, status);
        }
        let find = |what: GroupResource<'_>, name: &str| {
            self.cluster
                .store
                .get(what, NAMESPACE, name)
                .map(|object| object.value())
                .unwrap_or_default()
        };
        let owner = pods
            .first()
            .map(|(pod, _)| text(pod, "/metadata/ownerReferences/0/name").to_owned());
        self.count(
            &find(DEPLOYMENTS, DEPLOYMENT),
            &find(REPLICA_SETS, &owner.unwrap_or_default()),
            pods,
            self.ago(SignedDuration::from_mins(7)),
        );
    }

    fn rights(&mut self, born: jiff::Timestamp) {
        let group = |plural: &'static str| GroupResource::new("rbac.authorization.k8s.io", plural);
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
        let all = [
            "create", "delete", "get", "list", "patch", "update", "watch",
        ];
        let role = json!({"metadata": {"name": "dragonfly-operator-manager-role"}, "rules": [
            rule(&[""], &["configmaps", "pods", "services"], &all),
            rule(&[""], &["events"], &["create", "patch"]),
            rule(&[""], &["pods/status"], &["get", "patch", "update"]),
            rule(&["apps"], &["statefulsets"], &all),
            rule(&["dragonflydb.io"], &["dragonflies"], &all),
            rule(&["dragonflydb.io"], &["dragonflies/finalizers"], &["update"]),
            rule(&["dragonflydb.io"], &["dragonflies/status"], &["get", "patch", "update"]),
            rule(&["networking.k8s.io"], &["networkpolicies"], &all),
            rule(&["policy"], &["poddisruptionbudgets"], &all),
        ]});
        self.put(group("clusterroles"), role, born, "kubectl");
        let subject =
            json!([{"kind": "ServiceAccount", "name": DEPLOYMENT, "namespace": NAMESPACE}]);
        let binding = json!({
            "metadata": {"name": "dragonfly-operator-manager-rolebinding"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "dragonfly-operator-manager-role"},
            "subjects": subject,
        });
        self.put(group("clusterrolebindings"), binding, born, "kubectl");
        let role = json!({"metadata": {"name": "dragonfly-operator-leader-election-role", "namespace": NAMESPACE},
        "rules": [
            rule(&[""], &["configmaps"], &all),
            rule(&["coordination.k8s.io"], &["leases"], &all),
            rule(&[""], &["events"], &["create", "patch"]),
        ]});
        self.put(group("roles"), role, born, "kubectl");
        let binding = json!({
            "metadata": {"name": "dragonfly-operator-leader-election-rolebinding", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                "name": "dragonfly-operator-leader-election-role"},
            "subjects": subject,
        });
        self.put(group("rolebindings"), binding, born, "kubectl");
    }
}

/// Its Deployment.
pub(in crate::lab) fn deployment() -> Value {
    let labels = json!({"app.kubernetes.io/component": "manager", "app.kubernetes.io/created-by": "dragonfly-operator",
        "app.kubernetes.io/instance": "controller-manager", "app.kubernetes.io/managed-by": "kustomize",
        "app.kubernetes.io/name": "deployment", "app.kubernetes.io/part-of": "dragonfly-operator",
        "control-plane": "controller-manager"});
    let http = |path: &str| json!({"httpGet": {"path": path, "port": 8081, "scheme": "HTTP"}});
    let probe = |path: &str, delay: u32, period: u32| {
        let mut probe = http(path);
        set(&mut probe, &["initialDelaySeconds"], delay.into());
        set(&mut probe, &["periodSeconds"], period.into());
        probe
    };
    let mut pod = json!({
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [
                {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]},
                {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
            ]}]}}},
        "containers": [
            {
                "name": "kube-rbac-proxy",
                "image": "quay.io/brancz/kube-rbac-proxy:v0.16.0",
                "args": ["--secure-listen-address=0.0.0.0:8443", "--upstream=http://127.0.0.1:8080/", "--logtostderr=true",
                    "--v=0"],
                "ports": [{"containerPort": 8443, "name": "https", "protocol": "TCP"}],
                "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "5m", "memory": "64Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            },
            {
                "name": CONTAINER,
                "image": format!("{IMAGE}:{VERSION}"),
                "command": ["/manager"],
                "args": ["--health-probe-bind-address=:8081", "--metrics-bind-address=127.0.0.1:8080", "--leader-elect"],
                "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1",
                    "fieldPath": "metadata.namespace"}}}],
                "livenessProbe": probe("/healthz", 15, 20),
                "readinessProbe": probe("/readyz", 5, 10),
                "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            },
        ],
        "securityContext": {"runAsNonRoot": true},
        "serviceAccountName": DEPLOYMENT,
        "terminationGracePeriodSeconds": 10,
    });
    crate::lab::defaults::pod_spec(&mut pod);
    json!({
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": 2,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"control-plane": "controller-manager"}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
            "template": {
                "metadata": {
                    "annotations": {"kubectl.kubernetes.io/default-container": CONTAINER},
                    "labels": {"control-plane": "controller-manager"},
                },
                "spec": pod,
            },
        },
    })
}
