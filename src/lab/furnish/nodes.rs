//! Machines as objects.

use serde_json::{Value, json};

/// `PREFIX-NUMBER`, in one of three zones.
pub(super) fn node(prefix: &str, number: usize) -> Value {
    let name = format!("{prefix}-{number}");
    let zone = format!(
        "zone-{}",
        ["a", "b", "c"].get((number + 2) % 3).unwrap_or(&"a")
    );
    let apps = prefix.starts_with("apps");
    let pods = format!("10.{}.{}.0/24", if apps { 52 } else { 42 }, number - 1);
    let amounts = json!({"cpu": "8", "ephemeral-storage": "101430960Ki", "memory": "32617608Ki", "pods": "110"});
    let condition = |(kind, status, reason, message): &(&str, &str, &str, &str)| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": null, "lastTransitionTime": null})
    };
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": "lab",
                "topology.kubernetes.io/zone": zone,
            },
        },
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
        "status": {
            "addresses": [
                {"address": address(&name), "type": "InternalIP"},
                {"address": name, "type": "Hostname"},
            ],
            "allocatable": amounts,
            "capacity": amounts,
            "conditions": HEALTH.iter().map(condition).collect::<Vec<_>>(),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.0.5",
                "kernelVersion": "6.12.0-lab", "kubeProxyVersion": "", "kubeletVersion": crate::lab::api::VERSION,
                "machineID": "", "operatingSystem": "linux", "osImage": "Lab Linux", "systemUUID": "",
            },
        },
    })
}

/// What a healthy kubelet says of its machine: condition, status, reason, message.
pub(in crate::lab) const HEALTH: &[(&str, &str, &str, &str)] = &[
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    (
        "DiskPressure",
        "False",
        "KubeletHasNoDiskPressure",
        "kubelet has no disk pressure",
    ),
    (
        "PIDPressure",
        "False",
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
    ),
    (
        "Ready",
        "True",
        "KubeletReady",
        "kubelet is posting ready status",
    ),
];

/// The address of a machine, from the number in its name.
pub(super) fn address(name: &str) -> String {
    let number: u32 = name
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(0);
    let third = if name.starts_with("apps") { 21 } else { 20 };
    format!("192.168.{third}.{}", 10 + number)
}
