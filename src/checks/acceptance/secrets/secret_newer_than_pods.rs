//! A Secret was changed after pods that read it have started. All of them are read at start only: the password becomes an
//! environment variable, and neither certificate nor ACL is read again by itself (op#151, df#4171). The StatefulSet's OnDelete
//! strategy defeats tools that restart what a changed Secret concerns: they change its template, and no pod follows.

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::acceptance::secrets::secret_missing;
use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation};
use crate::domain::Foreign;
use crate::domain::object::{ContainerState, SecretPurpose};
use crate::domain::want::ForeignObject;

/// The check.
pub const CHECK: Check = Check {
    id: "secret-newer-than-pods",
    area: Area::Secrets,
    title: "Pods that know an older Secret",
    why: "A pod reads its Secrets once, when it starts. After a change only those that start anew know it, so that nodes of one \
          instance come to differ, and clients fail at the next failover.",
    reads: "when the Secrets that the Dragonfly object names were last written, by managed fields; when the containers of the pods \
            were started",
    next: "Start the pods anew one by one, replicas first: neither the operator nor a tool that watches Secrets does (its \
           StatefulSets are OnDelete).\n\
           $ {kubectl} delete pod {pod}",
    situations: &[&OLDER, &MIXED, &CERTIFICATE],
    needs: secret_missing::needs,
    run,
};

const OLDER: Situation = Situation {
    id: "secret-newer-than-pods",
    word: "old secret read",
    rule: "a Secret of an instance was written after every pod was started",
    meaning: "The new value is not in force; whoever reads the Secret anew is refused.",
    ..ACCEPTED
};

const MIXED: Situation = Situation {
    id: "secrets-mixed",
    word: "mixed secrets",
    rule: "a Secret of an instance was written after some pods were started and before others",
    meaning: "Nodes know different values: clients that are let in now are refused after a failover, or the other way round.",
    ..ACCEPTED
};

const CERTIFICATE: Situation = Situation {
    id: "certificate-not-reloaded",
    word: "old certificate",
    rule: "the Secret of the TLS certificate, or of the authority of client certificates, was written after pods were started",
    meaning: "Those pods still show the former certificate, until it ends and nobody connects any more.",
    ..ACCEPTED
};

/// When a Secret was last written.
fn changed(secret: &ForeignObject) -> Option<Timestamp> {
    secret
        .body
        .get("changed")
        .and_then(Value::as_str)?
        .parse()
        .ok()
}

/// When a node's engine was started, by its kubelet's clock.
fn started(node: &Node<'_>) -> Option<Timestamp> {
    match node.container().map(|container| &container.state) {
        Some(ContainerState::Running { since: Some(since) }) => Some(*since),
        _ => None,
    }
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let uses = &instance.view.dragonfly.value.secrets;
    let pods: Vec<(&Node<'_>, Timestamp)> = instance
        .nodes
        .iter()
        .filter(|node| !node.is_going())
        .filter_map(|node| Some((node, started(node)?)))
        .collect();
    if uses.is_empty() || pods.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let namespace = &*instance.view.id.namespace;
    let secrets = match case.listed(&CHECK, Foreign::Secret, namespace) {
        Ok(secrets) => secrets,
        Err(answer) => return *answer,
    };
    let mut found: Option<crate::checks::Finding> = None;
    for one in uses {
        let secret = secrets.objects.iter().find(|o| *o.meta.name == *one.name);
        let Some(at) = secret.and_then(|secret| changed(secret)) else {
            continue;
        };
        let older: Vec<_> = pods.iter().filter(|(_, started)| *started < at).collect();
        if older.is_empty() {
            continue;
        }
        let names: Vec<&str> = older.iter().map(|(node, _)| node.name()).collect();
        let is_certificate = matches!(
            one.purpose,
            SecretPurpose::Certificate | SecretPurpose::ClientAuthority
        );
        let situation = match (is_certificate, older.len() < pods.len()) {
            (true, _) => &CERTIFICATE,
            (false, true) => &MIXED,
            (false, false) => &OLDER,
        };
        let mut finding = found.take().unwrap_or_else(|| {
            case.finding(
                &CHECK,
                situation,
                Severity::Warning,
                format!(
                    "{} in Secret {namespace}/{} is newer than {}: it is read at start only",
                    one.purpose.words(),
                    one.name,
                    list(&names),
                ),
            )
            .about(names.clone())
            .since(Since::Exactly(at))
        });
        if one.purpose == SecretPurpose::Acl {
            finding = finding.next(
                "Let every node read its ACL again.\n\
                 $ {redis-cli} ACL LOAD",
            );
        }
        finding = finding.resting_on(
            format!("it was last written at {at}"),
            format!("managed fields of Secret {}", one.name),
            secrets.at,
        );
        for (node, started) in &older {
            finding = finding.resting_on(
                format!("it was started at {started}"),
                format!("pod {}", node.name()),
                node.view.pod.changed,
            );
        }
        found = Some(finding);
    }
    found.map_or(Answer::PASS, Answer::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Scope;
    use crate::domain::fixture::{Fixture, ago, infra};
    use crate::domain::object::SecretUse;

    #[test]
    fn pods_are_wanted_younger_than_what_they_read() {
        /// A Secret for that, written so long ago, with pods that were started so long ago each.
        fn with(
            purpose: SecretPurpose,
            written: i64,
            pods_started: [i64; 3],
        ) -> impl Fn(&mut Fixture) {
            move |f| {
                dragonfly(f, |d| {
                    d.secrets = vec![SecretUse {
                        purpose: purpose.clone(),
                        name: "auth".to_owned(),
                        keys: Vec::new(),
                    }];
                });
                pods(f, |ordinal, pod| {
                    for container in &mut pod.containers {
                        let since = Some(ago(pods_started[ordinal]));
                        container.state = ContainerState::Running { since };
                    }
                });
                let secret = json!({"metadata": {"name": "auth", "namespace": "shop",
                    "creationTimestamp": ago(written).to_string()}});
                let scope = Scope::Namespace(Arc::from("shop"));
                read_in(f, &infra(), Foreign::Secret, scope, Ok(vec![secret]));
            }
        }
        use SecretPurpose::{Certificate, Password};
        table(
            &CHECK,
            &[
                ("older", &with(Password, 900, [800, 700, 600]), "pass"),
                (
                    "newer than all",
                    &with(Password, 500, [800, 700, 600]),
                    "warning healthy: the password in Secret shop/auth is newer than orders-0, orders-1 and orders-2: it is read at start \
                     only",
                ),
                (
                    "newer than one",
                    &with(Password, 750, [800, 700, 600]),
                    "warning healthy: the password in Secret shop/auth is newer than orders-0: it is read at start only",
                ),
                (
                    "a certificate",
                    &with(Certificate, 750, [800, 700, 600]),
                    "warning healthy: the TLS certificate in Secret shop/auth is newer than orders-0: it is read at start only",
                ),
                ("none is read", &|_| {}, "n/a"),
            ],
        );
    }
}
