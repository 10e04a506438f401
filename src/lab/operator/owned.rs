//! The objects that operator v1.6.1 makes for a `Dragonfly`, in the shape an API server stores them.

use serde_json::{Map, Value, json};

use crate::lab::defaults;
use crate::lab::json::{extend, is_true, items, list_at, number, pairs, set, text};
use crate::lab::resources::{BUDGETS, GroupResource, NETWORK_POLICIES, SERVICES, STATEFUL_SETS};

/// The server version this operator was built with: its label, and the image of an instance that names none.
pub(in crate::lab) const SERVER_VERSION: &str = "v1.39.0";
/// Where server images come from.
pub(in crate::lab) const SERVER_IMAGE: &str = "docker.dragonflydb.io/dragonflydb/dragonfly";
/// The data port.
pub(in crate::lab) const DATA_PORT: u16 = 6379;
/// The admin port: RESP and HTTP without password.
pub(in crate::lab) const ADMIN_PORT: u16 = 9999;
/// Where snapshots are written.
const SNAPSHOTS: &str = "/dragonfly/snapshots";

/// Labels that the operator manages and (from v1.6.0) refuses to take from the resource.
const MANAGED_LABELS: &[&str] = &[
    "app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
];

/// One object to create or to keep as it is.
pub(in crate::lab) struct Wanted {
    /// Its kind.
    pub(in crate::lab) what: GroupResource<'static>,
    /// Its name; the namespace is that of the instance.
    pub(in crate::lab) name: String,
    /// The object, without what an API server fills in at creation; null when it must not exist.
    pub(in crate::lab) value: Value,
}

/// Everything the operator wants to exist for `df`. `operator_namespace` goes into the network policy: empty where the operator
/// is not told its own (`POD_NAMESPACE`), which then looks for itself in the instance's.
///
/// # Errors
/// The operator's own words for a resource that contradicts itself; it then touches nothing.
pub(in crate::lab) fn owned(df: &Value, operator_namespace: &str) -> Result<Vec<Wanted>, String> {
    refuse_managed_labels(df)?;
    let name = text(df, "/metadata/name");
    let service = match text(df, "/spec/serviceSpec/name") {
        "" => name,
        own => own,
    };
    let replicas = number(df, "/spec/replicas").unwrap_or(0);
    let budget = if replicas > 1 {
        budget(df)
    } else {
        Value::Null
    };
    let policy = match df.pointer("/spec/networkPolicyEnabled") {
        Some(Value::Bool(false)) => Value::Null,
        _ => network_policy(df, operator_namespace),
    };
    let wanted = |what, name: &str, value| Wanted {
        what,
        name: name.to_owned(),
        value,
    };
    Ok(vec![
        wanted(STATEFUL_SETS, name, stateful_set(df)?),
        wanted(SERVICES, service, self::service(df, service)),
        wanted(BUDGETS, name, budget),
        wanted(NETWORK_POLICIES, name, policy),
    ])
}

fn refuse_managed_labels(df: &Value) -> Result<(), String> {
    for place in [
        "/spec/labels",
        "/spec/podMetadata/labels",
        "/spec/ownedObjectsMetadata/labels",
        "/spec/serviceSpec/labels",
    ] {
        if let Some((key, _)) = pairs(df, place).find(|(key, _)| MANAGED_LABELS.contains(key)) {
            let place = place.trim_start_matches('/').replace('/', ".");
            return Err(format!(
                "{place} contains label {key} which is managed by the operator"
            ));
        }
    }
    Ok(())
}

/// The labels by which pods of an instance are found.
pub(in crate::lab) fn selector(name: &str) -> Value {
    json!({
        "app": name,
        "app.kubernetes.io/name": "dragonfly",
        "app.kubernetes.io/part-of": "dragonfly",
    })
}

fn metadata(df: &Value, name: &str) -> Value {
    let own = text(df, "/metadata/name");
    let mut meta = json!({
        "name": name,
        "namespace": text(df, "/metadata/namespace"),
        "labels": {
            "app": own,
            "app.kubernetes.io/component": "dragonfly",
            "app.kubernetes.io/instance": own,
            "app.kubernetes.io/managed-by": "dragonfly-operator",
            "app.kubernetes.io/name": "dragonfly",
            "app.kubernetes.io/part-of": "dragonfly",
            "app.kubernetes.io/version": SERVER_VERSION,
        },
        "ownerReferences": [{
            "apiVersion": "dragonflydb.io/v1alpha1",
            "kind": "Dragonfly",
            "name": own,
            "uid": text(df, "/metadata/uid"),
        }],
    });
    let extra = |kind: &str| df.pointer(&format!("/spec/ownedObjectsMetadata/{kind}"));
    for kind in ["labels", "annotations"] {
        if let Some(more) = extra(kind) {
            extend(&mut meta, &[kind], more);
        }
    }
    meta
}

/// The image an instance runs.
pub(in crate::lab) fn image(df: &Value) -> String {
    match text(df, "/spec/image") {
        "" => format!("{SERVER_IMAGE}:{SERVER_VERSION}"),
        own => own.to_owned(),
    }
}

fn stateful_set(df: &Value) -> Result<Value, String> {
    let name = text(df, "/metadata/name");
    let spec = df.get("spec").unwrap_or(&Value::Null);
    let (claims, snapshot_mounts, snapshot_args) = snapshot(df)?;
    let probe = json!({
        "exec": {"command": ["/bin/sh", "/usr/local/bin/healthcheck.sh"]},
        "failureThreshold": 3, "initialDelaySeconds": 10, "periodSeconds": 10, "successThreshold": 1,
        "timeoutSeconds": 5,
    });
    let mut args: Vec<Value> = [
        "--alsologtostderr",
        "--break_replication_on_master_restart=true",
        "--primary_port_http_enabled=false",
        "--admin_port=9999",
        "--admin_nopass",
    ]
    .map(Value::from)
    .to_vec();
    args.extend(items(spec, "/args").iter().cloned());
    let mut env = items(spec, "/env").to_vec();
    env.push(json!({"name": "HEALTHCHECK_PORT", "value": "9999"}));
    let mut ports = vec![
        json!({"containerPort": DATA_PORT, "name": "redis"}),
        json!({"containerPort": ADMIN_PORT, "name": "admin"}),
    ];
    if let Some(port) = number(spec, "/memcachedPort").filter(|port| *port > 0) {
        args.push(format!("--memcached_port={port}").into());
        ports.push(json!({"containerPort": port, "name": "memcached"}));
    }
    args.extend(snapshot_args);
    let mut mounts = snapshot_mounts;
    let mut volumes = Vec::new();
    if let Some(claim) = spec
        .pointer("/snapshot/existingPersistentVolumeClaimName")
        .and_then(Value::as_str)
    {
        volumes.push(json!({"name": "df", "persistentVolumeClaim": {"claimName": claim}}));
    }
    secrets(spec, &mut args, &mut env, &mut mounts, &mut volumes);
    let mut container = json!({
        "name": "dragonfly",
        "image": image(df),
        "args": args,
        "env": env,
        "ports": ports,
        "readinessProbe": probe,
        "livenessProbe": probe,
        "imagePullPolicy": match text(spec, "/imagePullPolicy") { "" => "Always", own => own },
        "resources": spec.get("resources").cloned().unwrap_or_else(|| json!({})),
    });
    if !mounts.is_empty() {
        set(&mut container, &["volumeMounts"], mounts.into());
    }
    if let Some(context) = spec.get("containerSecurityContext") {
        set(&mut container, &["securityContext"], context.clone());
    }
    let mut pod = json!({"containers": [container]});
    if let Some(context) = spec.get("podSecurityContext") {
        set(&mut pod, &["securityContext"], context.clone());
    } else if !is_true(spec, "/skipFSGroup") {
        set(&mut pod, &["securityContext"], json!({"fsGroup": 999}));
    }
    if is_true(spec, "/enableReplicationReadinessGate") {
        let gate = json!([{"conditionType": "dragonflydb.io/replication-ready"}]);
        set(&mut pod, &["readinessGates"], gate);
    }
    for field in [
        "affinity",
        "initContainers",
        "imagePullSecrets",
        "nodeSelector",
        "priorityClassName",
        "serviceAccountName",
        "tolerations",
        "topologySpreadConstraints",
    ] {
        if let Some(value) = spec.get(field) {
            set(&mut pod, &[field], value.clone());
        }
    }
    merge_named(
        list_at(&mut pod, &["containers"]),
        items(spec, "/additionalContainers"),
    );
    merge_named(&mut volumes, items(spec, "/additionalVolumes"));
    if !volumes.is_empty() {
        set(&mut pod, &["volumes"], volumes.into());
    }
    defaults::pod_spec(&mut pod);
    let mut meta = json!({"creationTimestamp": null, "labels": selector(name)});
    pod_metadata(spec, &mut meta);
    let mut set_spec = json!({
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "podManagementPolicy": "OrderedReady",
        "replicas": number(spec, "/replicas").unwrap_or(0),
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": selector(name)},
        "serviceName": name,
        "template": {"metadata": meta, "spec": pod},
        "updateStrategy": {"type": "OnDelete"},
    });
    if !claims.is_empty() {
        set(&mut set_spec, &["volumeClaimTemplates"], claims.into());
    }
    Ok(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(df, name), "spec": set_spec,
    }))
}

type Snapshot = (Vec<Value>, Vec<Value>, Vec<Value>);

/// Claim templates, mounts and arguments of the snapshot and tiering volumes.
fn snapshot(df: &Value) -> Result<Snapshot, String> {
    let spec = df.get("spec").unwrap_or(&Value::Null);
    let claim = |name: &str, labels: Value, wanted: &Value| {
        let mut wanted = wanted.clone();
        set(&mut wanted, &["volumeMode"], "Filesystem".into());
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "labels": labels}, "spec": wanted, "status": {"phase": "Pending"}})
    };
    let (mut claims, mut mounts, mut args) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(wanted) = spec.pointer("/tiering/persistentVolumeClaimSpec") {
        let meta = metadata(df, "tiering");
        claims.push(claim(
            "tiering",
            meta.get("labels").cloned().unwrap_or_default(),
            wanted,
        ));
        mounts.push(json!({"mountPath": "/dragonfly/tiering", "name": "tiering"}));
    }
    if spec.get("tiering").is_some() {
        args.push("--tiered_prefix=/dragonfly/tiering/vol".into());
    }
    let Some(snapshot) = spec.get("snapshot").filter(|s| s.is_object()) else {
        return Ok((claims, mounts, args));
    };
    let own = snapshot.get("persistentVolumeClaimSpec");
    let existing = text(snapshot, "/existingPersistentVolumeClaimName");
    let cron = text(snapshot, "/cron");
    let dir = text(snapshot, "/dir");
    if own.is_some() && !existing.is_empty() {
        return Err(
            "persistentVolumeClaimSpec and existingPersistentVolumeClaimName are mutually exclusive"
                .into(),
        );
    }
    if !cron.is_empty() && own.is_none() && existing.is_empty() && dir.is_empty() {
        return Err("cron specified without a persistent volume claim".into());
    }
    let dir = if dir.is_empty() { SNAPSHOTS } else { dir };
    if let Some(own) = own {
        claims.push(claim("df", selector(text(df, "/metadata/name")), own));
    }
    if own.is_some() || !existing.is_empty() {
        mounts.push(json!({"mountPath": dir, "name": "df"}));
    }
    args.push(format!("--dir={dir}").into());
    if !cron.is_empty() {
        args.push(format!("--snapshot_cron={cron}").into());
    }
    Ok((claims, mounts, args))
}

/// Password, certificates and ACL file.
fn secrets(
    spec: &Value,
    args: &mut Vec<Value>,
    env: &mut Vec<Value>,
    mounts: &mut Vec<Value>,
    volumes: &mut Vec<Value>,
) {
    let secret = |place: &str| text(spec, &format!("{place}/name"));
    let key = |place: &str| text(spec, &format!("{place}/key"));
    let mut mount = |name: &str, path: &str, source: Value, read_only: bool| {
        volumes.push(json!({"name": name, "secret": source}));
        let mut mount = json!({"mountPath": path, "name": name});
        if read_only {
            set(&mut mount, &["readOnly"], true.into());
        }
        mounts.push(mount);
    };
    if spec.get("aclFromSecret").is_some() {
        let item = json!([{"key": key("/aclFromSecret"), "path": "dragonfly.acl"}]);
        let source =
            json!({"defaultMode": 420, "secretName": secret("/aclFromSecret"), "items": item});
        mount("dragonfly-acl", "/var/lib/dragonfly", source, false);
        args.push("--aclfile=/var/lib/dragonfly/dragonfly.acl".into());
    }
    if spec.get("tlsSecretRef").is_some() {
        let source = json!({"defaultMode": 420, "secretName": secret("/tlsSecretRef")});
        mount("dragonfly-tls", "/etc/dragonfly-tls", source, true);
        args.extend(
            [
                "--no_tls_on_admin_port",
                "--tls",
                "--tls_cert_file=/etc/dragonfly-tls/tls.crt",
                "--tls_key_file=/etc/dragonfly-tls/tls.key",
            ]
            .map(Value::from),
        );
    }
    let authority = "/authentication/clientCaCertSecret";
    if spec.pointer(authority).is_some() {
        let item = json!([{"key": key(authority), "path": "ca.crt"}]);
        let source = json!({"defaultMode": 420, "secretName": secret(authority), "items": item});
        mount("client-ca-cert", "/etc/dragonfly/tls", source, false);
        args.push("--tls_ca_cert_file=/etc/dragonfly/tls/ca.crt".into());
    }
    if let Some(password) = spec.pointer("/authentication/passwordFromSecret") {
        env.push(json!({"name": "DFLY_requirepass", "valueFrom": {"secretKeyRef": password}}));
    }
}

/// Labels and annotations of pods; `podMetadata` wins over the two older fields, managed labels over all.
fn pod_metadata(spec: &Value, meta: &mut Value) {
    for (kind, places) in [
        ("annotations", ["/annotations", "/podMetadata/annotations"]),
        ("labels", ["/labels", "/podMetadata/labels"]),
    ] {
        let mut all = Map::new();
        for more in places.iter().filter_map(|place| spec.pointer(place)) {
            all.extend(
                more.as_object()
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), v.clone())),
            );
        }
        if let Some(own) = meta.get(kind).and_then(Value::as_object) {
            all.extend(own.clone());
        }
        if !all.is_empty() {
            set(meta, &[kind], all.into());
        }
    }
}

/// An item of the same name replaces the operator's.
fn merge_named(list: &mut Vec<Value>, more: &[Value]) {
    for item in more {
        match list
            .iter_mut()
            .find(|have| have.get("name") == item.get("name"))
        {
            Some(have) => *have = item.clone(),
            None => list.push(item.clone()),
        }
    }
}

fn service(df: &Value, name: &str) -> Value {
    let own = text(df, "/metadata/name");
    let mut port = json!({"name": "redis", "port": DATA_PORT});
    if let Some(node) = number(df, "/spec/serviceSpec/nodePort").filter(|port| *port > 0) {
        set(&mut port, &["nodePort"], node.into());
    }
    let mut ports = vec![port];
    if let Some(port) = number(df, "/spec/memcachedPort").filter(|port| *port > 0) {
        ports.push(json!({"name": "memcached", "port": port}));
    }
    let mut spec = json!({
        "ports": ports,
        "selector": {"app": own, "app.kubernetes.io/name": "dragonfly", "role": "master"},
    });
    if !text(df, "/spec/serviceSpec/type").is_empty() {
        set(
            &mut spec,
            &["type"],
            text(df, "/spec/serviceSpec/type").into(),
        );
    }
    defaults::service_spec(&mut spec);
    let mut meta = metadata(df, name);
    for kind in ["labels", "annotations"] {
        if let Some(more) = df.pointer(&format!("/spec/serviceSpec/{kind}")) {
            extend(&mut meta, &[kind], more);
        }
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": {"loadBalancer": {}}})
}

fn budget(df: &Value) -> Value {
    let name = text(df, "/metadata/name");
    let mut spec = json!({"selector": {"matchLabels": selector(name)}});
    match (
        df.pointer("/spec/pdb/minAvailable"),
        df.pointer("/spec/pdb/maxUnavailable"),
    ) {
        (Some(least), _) => set(&mut spec, &["minAvailable"], least.clone()),
        (None, Some(most)) => set(&mut spec, &["maxUnavailable"], most.clone()),
        (None, None) => set(&mut spec, &["maxUnavailable"], 1.into()),
    }
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(df, name), "spec": spec})
}

/// v1.6.0 and later: the data port for pods of the same namespace, the admin port for operator and peers.
fn network_policy(df: &Value, operator_namespace: &str) -> Value {
    let name = text(df, "/metadata/name");
    let mut clients = vec![json!({"port": DATA_PORT, "protocol": "TCP"})];
    if let Some(port) = number(df, "/spec/memcachedPort").filter(|port| *port > 0) {
        clients.push(json!({"port": port, "protocol": "TCP"}));
    }
    let mut operator =
        json!({"podSelector": {"matchLabels": {"control-plane": "controller-manager"}}});
    if !operator_namespace.is_empty() {
        let home = json!({"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}});
        set(&mut operator, &["namespaceSelector"], home);
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(df, name),
        "spec": {
            "podSelector": {"matchLabels": selector(name)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": clients, "from": [{"podSelector": {}}]},
                {"ports": [{"port": ADMIN_PORT, "protocol": "TCP"}], "from": [
                    operator,
                    {"podSelector": {"matchLabels": selector(name)}},
                ]},
            ],
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn instance(spec: Value) -> Value {
        json!({"metadata": {"name": "orders", "namespace": "shop", "uid": "u"}, "spec": spec})
    }

    fn made(spec: Value) -> Vec<Wanted> {
        owned(&instance(spec), "dragonfly-operator-system").unwrap()
    }

    fn args(set: &Value) -> Vec<&str> {
        items(set, "/spec/template/spec/containers/0/args")
            .iter()
            .filter_map(Value::as_str)
            .collect()
    }

    #[test]
    fn an_instance_of_three_has_the_four_objects() {
        let made = made(json!({"replicas": 3}));
        let [set, service, budget, policy] = made.as_slice() else {
            unreachable!()
        };
        assert_eq!(set.value["spec"]["serviceName"], "orders");
        assert_eq!(set.value["spec"]["updateStrategy"]["type"], "OnDelete");
        let container = &set.value["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            container["image"],
            "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0"
        );
        assert_eq!(container["imagePullPolicy"], "Always");
        assert_eq!(container["ports"][1]["containerPort"], 9999);
        assert_eq!(
            set.value["spec"]["template"]["spec"]["securityContext"]["fsGroup"],
            999
        );
        assert_eq!(service.value["spec"]["selector"]["role"], "master");
        assert_eq!(service.value["spec"]["type"], "ClusterIP");
        assert_eq!(budget.value["spec"]["maxUnavailable"], 1);
        assert_eq!(
            policy.value["spec"]["ingress"][0]["from"],
            json!([{"podSelector": {}}])
        );
        for one in &made {
            assert_eq!(one.value["metadata"]["ownerReferences"][0]["uid"], "u");
            assert_eq!(
                one.value["metadata"]["labels"]["app.kubernetes.io/version"],
                "v1.39.0"
            );
        }
    }

    #[test]
    fn a_single_pod_has_no_budget_and_a_disabled_policy_none() {
        let made = made(json!({"replicas": 1, "networkPolicyEnabled": false}));
        assert_eq!(made[2].value, Value::Null);
        assert_eq!(made[3].value, Value::Null);
    }

    #[test]
    fn snapshots_password_and_tls_become_arguments_mounts_and_environment() {
        let made = made(json!({
            "replicas": 2, "args": ["--maxmemory=1gb"],
            "snapshot": {"cron": "*/5 * * * *", "persistentVolumeClaimSpec": {"accessModes": ["ReadWriteOnce"]}},
            "authentication": {"passwordFromSecret": {"name": "auth", "key": "password"}},
            "tlsSecretRef": {"name": "tls"},
        }));
        let set = &made[0].value;
        let args = args(set);
        for wanted in [
            "--admin_nopass",
            "--maxmemory=1gb",
            "--dir=/dragonfly/snapshots",
            "--snapshot_cron=*/5 * * * *",
            "--no_tls_on_admin_port",
        ] {
            assert!(args.contains(&wanted), "{wanted} in {args:?}");
        }
        assert_eq!(
            set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"],
            "df"
        );
        let env = items(set, "/spec/template/spec/containers/0/env");
        assert!(env.iter().any(|one| one["name"] == "DFLY_requirepass"
            && one["valueFrom"]["secretKeyRef"]["name"] == "auth"));
    }

    #[test]
    fn contradictions_are_refused_in_the_operators_words() {
        let table = [
            (
                json!({"replicas": 1, "snapshot": {"cron": "* * * * *"}}),
                "cron specified without a persistent volume claim",
            ),
            (
                json!({"replicas": 1, "podMetadata": {"labels": {"app": "x"}}}),
                "managed by the operator",
            ),
        ];
        for (spec, words) in table {
            let error = owned(&instance(spec), "o").err().unwrap();
            assert!(error.contains(words), "{error}");
        }
    }
}
