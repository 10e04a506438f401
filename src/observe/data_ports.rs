//! Tries the data ports of the instance in view, as a client would. Only of that one, and no more often than every ten
//! seconds: it is a connection to the port that clients use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::sleep;

use super::watch::Desk;
use crate::connect::data_port::{self, Manner, PORT};
use crate::connect::forward;
use crate::connect::keyring::Given;
use crate::domain::data_port::{DataPort, Found, Stage};
use crate::domain::{Fact, FaultKind, InstanceId, NodeId};

/// After a refusal for want of a right.
const REST: Duration = Duration::from_secs(60);

/// Tries them for as long as it is polled.
pub(super) async fn try_all(mut desk: Desk) {
    let Some(every) = desk.pace.data_port else {
        return;
    };
    // When each instance is to be tried next: looking away and back makes no try more.
    let mut tried: BTreeMap<InstanceId, (Instant, u64)> = BTreeMap::new();
    let mut focus = desk.focus.clone();
    loop {
        let now = focus.borrow_and_update().clone();
        let here = now.instance.filter(|id| id.context == desk.context);
        let Some(instance) = here else {
            if focus.changed().await.is_err() {
                return;
            }
            continue;
        };
        let due = tried
            .get(&instance)
            .map_or(Duration::ZERO, |(next, nudges)| {
                let left = next.saturating_duration_since(Instant::now());
                // Or now, if somebody wants to see it now.
                if *nudges == now.nudges {
                    left
                } else {
                    Duration::ZERO
                }
            });
        tokio::select! {
            changed = focus.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
            () = sleep(due) => {}
        }
        let (client, _) = desk.client().await;
        let forbidden = one(&desk, &client, &instance).await;
        let pause = if forbidden { REST } else { every };
        tried.insert(instance, (Instant::now() + pause, now.nudges));
    }
}

/// Tries every node of an instance once; tells whether a right is missing.
async fn one(desk: &Desk, client: &kube::Client, instance: &InstanceId) -> bool {
    let (nodes, tls): (Vec<(NodeId, Arc<str>)>, bool) = {
        let roster = desk.roster.borrow();
        let of_it = roster
            .targets()
            .iter()
            .filter(|((ns, _), target)| {
                *ns == instance.namespace && target.instance == instance.name
            })
            .map(|((ns, pod), target)| {
                let id = NodeId {
                    context: desk.context.clone(),
                    namespace: ns.clone(),
                    pod: pod.clone(),
                };
                (id, target.uid.clone())
            });
        (
            of_it.collect(),
            roster.speaks_tls(&instance.namespace, &instance.name),
        )
    };
    if nodes.is_empty() {
        return false;
    }
    let given = desk
        .keyring
        .password(instance, desk.pace.plugin_deadline)
        .await;
    let name = format!("{}.{}.svc", instance.name, instance.namespace);
    let (password, refused, fault) = match given {
        Ok(Given::Password(password)) => (Some(password), false, None),
        Ok(Given::Refused) => (None, true, None),
        Ok(Given::Nothing) => (None, false, None),
        Err(fault) => (None, false, Some(fault)),
    };
    let manner = Manner {
        tls: tls.then_some(name.as_str()),
        authority: desk.authority.as_deref(),
        password: password.as_ref(),
        deadline: desk.pace.connect_deadline,
    };
    let tries = nodes.iter().map(|(id, _)| knock(desk, client, id, &manner));
    let mut forbidden = false;
    for ((node, uid), mut tried) in nodes.iter().zip(join_all(tries).await) {
        match &tried.found {
            Found::WrongPassword => desk.keyring.refused(instance),
            // The password that we have was refused before; it was not sent again.
            Found::PasswordWanted if refused => tried.found = Found::WrongPassword,
            Found::PasswordWanted => {
                if let Some(fault) = &fault {
                    tried.found = Found::Refused(fault.clone());
                    tried.stage = Stage::Login;
                }
            }
            Found::NoWay(fault) => forbidden |= fault.kind == FaultKind::Forbidden,
            _ => {}
        }
        desk.outlet.send(Fact::Knocked {
            node: node.clone(),
            uid: uid.clone(),
            tried: Box::new(tried),
        });
    }
    forbidden
}

async fn knock(desk: &Desk, client: &kube::Client, node: &NodeId, manner: &Manner<'_>) -> DataPort {
    let began = Instant::now();
    let deadline = desk.pace.connect_deadline;
    match forward::forward(client, &node.namespace, &node.pod, PORT, deadline).await {
        Ok(way) => data_port::try_it(way, manner).await,
        Err(refusal) => DataPort {
            found: Found::NoWay(refusal.fault),
            stage: Stage::Connection,
            took: began.elapsed(),
            certificate: None,
            logged_in: false,
        },
    }
}
