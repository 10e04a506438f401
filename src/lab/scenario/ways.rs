//! The ways to an engine: which are forbidden, which need a key, and servers that speak an older language.

use serde_json::{Value, json};

use super::{Scenario, Scene, Use};
use crate::lab::api::Right;
use crate::lab::base64;
use crate::lab::furnish::days;
use crate::lab::furnish::instance::Plan;

/// The password of `payments/secure`.
const PASSWORD: &str = "lab-password";
/// A certificate for `secure.payments.svc`, signed by itself, and its key: for the lab and nothing else.
const CERTIFICATE: &str = include_str!("secure.crt");
const KEY: &str = include_str!("secure.key");

pub(super) const NO_PORT_FORWARD: Scenario = Scenario {
    name: "no-port-forward",
    about: "in lab-infra the user may not port-forward to pods; pod proxy and exec are allowed",
    shows: "403 for `pods/portforward`; `pods/proxy` reaches `:9999/metrics` and `/healthz`",
    play: |scene| Box::pin(async move { deny(scene, &["pods/portforward"]) }),
    ..Scenario::BASE
};

pub(super) const ONLY_EXEC: Scenario = Scenario {
    name: "only-exec",
    about: "in lab-infra the user may neither port-forward nor proxy to pods; exec is allowed",
    shows: "403 for `pods/portforward` and `pods/proxy`; `redis-cli -p 9999` in the container works",
    play: |scene| Box::pin(async move { deny(scene, &["pods/portforward", "pods/proxy"]) }),
    ..Scenario::BASE
};

pub(super) const FORBIDDEN: Scenario = Scenario {
    name: "forbidden",
    about: "in lab-infra the user may not reach into pods: no port-forward, no proxy, no exec",
    shows: "403 for `pods/portforward`, `pods/proxy` and `pods/exec`",
    play: |scene| {
        Box::pin(async move { deny(scene, &["pods/portforward", "pods/proxy", "pods/exec"]) })
    },
    ..Scenario::BASE
};

fn deny(Scene { stage, .. }: Scene<'_>, what: &[&str]) -> Result<String, String> {
    for one in what {
        stage.infra_api.rights().deny(Right::on("", one, &[]));
    }
    stage.infra_api.faults().drop_streams();
    Ok(format!("{} are forbidden in lab-infra", what.join(", ")))
}

pub(super) const FORBIDDEN_LISTS: Scenario = Scenario {
    name: "forbidden-lists",
    about: "in lab-infra the user may list and watch only within namespaces, not across the cluster",
    shows: "403 for lists and watches at the cluster scope",
    play: |scene| Box::pin(async move { forbidden_lists(scene) }),
    ..Scenario::BASE
};

fn forbidden_lists(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let mut right = Right::in_namespace("");
    right.verbs = vec!["list".into(), "watch".into()];
    stage.infra_api.rights().deny(right);
    stage.infra_api.faults().drop_streams();
    Ok("lists across the cluster are forbidden in lab-infra".into())
}

pub(super) const TLS: Scenario = Scenario {
    name: "tls",
    about: "beside the others stands payments/secure, whose data port speaks TLS and wants a password",
    shows: "6379 of payments/secure: TLS with a certificate of its own, then NOAUTH (the password is `lab-password`); 9999 \
            plain and open",
    when: Use::Start,
    arrange: |all| all.plans.push(secure()),
    ..Scenario::BASE
};

fn secure() -> Plan {
    let secret = |name: &str, data: &[(&str, &str)]| {
        let data: serde_json::Map<String, Value> = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), base64::encode(value.as_bytes()).into()))
            .collect();
        json!({"metadata": {"name": name, "namespace": "payments"}, "type": "Opaque", "data": data})
    };
    Plan {
        namespace: "payments".into(),
        name: "secure".into(),
        spec: json!({
            "replicas": 2,
            "args": ["--maxmemory=600mb", "--proactor_threads=2"],
            "authentication": {"passwordFromSecret": {"name": "secure-auth", "key": "password"}},
            "tlsSecretRef": {"name": "secure-tls"},
            "resources": {"requests": {"cpu": "100m", "memory": "768Mi"}},
        }),
        keys: 12_000,
        bytes: 21_000_000,
        born: days(19),
        since: days(3),
        secrets: vec![
            secret("secure-auth", &[("password", PASSWORD)]),
            secret("secure-tls", &[("tls.crt", CERTIFICATE), ("tls.key", KEY)]),
        ],
    }
}

pub(super) const OLD_SERVER: Scenario = Scenario {
    name: "old-server",
    about: "beside the others stands archive/legacy on server v1.17.0, which no flag of its operator suits",
    shows: "`role:replica`, `state=stable_sync`, no offset, `last_save` in place of `last_success_save`, no `/healthz`, one \
            section of INFO per call",
    when: Use::Start,
    arrange: |all| all.plans.push(legacy()),
    ..Scenario::BASE
};

/// The operator of v1.6 passes a flag that v1.17 does not know; a container of the same name replaces its own.
pub(super) fn legacy() -> Plan {
    Plan {
        namespace: "archive".into(),
        name: "legacy".into(),
        spec: json!({
            "replicas": 2,
            "additionalContainers": [{
                "name": "dragonfly",
                "image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.17.0",
                "args": ["--alsologtostderr", "--primary_port_http_enabled=false", "--admin_port=9999",
                    "--admin_nopass", "--maxmemory=600mb", "--proactor_threads=2"],
                "ports": [{"containerPort": 6379, "name": "redis"}, {"containerPort": 9999, "name": "admin"}],
            }],
        }),
        keys: 9000,
        bytes: 14_000_000,
        born: days(400),
        since: days(90),
        secrets: vec![],
    }
}
