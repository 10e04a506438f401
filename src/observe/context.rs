//! One context, from its first connection to the end of the program.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt, join_all};
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::roster::Roster;
use super::watch::{Desk, Line, Watch};
use super::{
    ContextPlan, Focus, Outlet, compare, data_ports, heartbeat, on_demand, probe, standing,
};
use crate::domain::fact::Scope;
use crate::domain::{Fact, Kind};

/// Lists under way at once in one context.
const LISTS: usize = 12;
/// How often it is tried whether a question that is asked per namespace may be asked over the whole cluster after all.
const WIDEN: Duration = Duration::from_secs(300);

/// Follows one context for as long as it is polled: connects, keeps the heartbeat, lists and watches, asks the engines.
/// Everything of the context happens inside this one future; dropping it closes everything.
///
/// It does not open the context in the world: [`ContextPlan::opened`] does.
pub async fn follow(plan: ContextPlan, outlet: Outlet, focus: watch::Receiver<Focus>) {
    let (line_out, line) = watch::channel(Line::default());
    let desk = Desk {
        context: plan.id.clone(),
        pace: plan.pace,
        outlet,
        line,
        focus,
        roster: Arc::new(watch::Sender::new(Roster::default())),
        lists: Arc::new(Semaphore::new(LISTS)),
        alarm: Arc::default(),
        keyring: plan.keyring.clone(),
        authority: plan.authority.clone(),
    };
    let shared = probe::Shared::new(&plan.pace);
    let namespaces = fallback(&plan);
    let wide = standing::WIDE.iter().map(|kind| {
        let scopes = namespaces.clone();
        let confined = !plan.namespaces.is_empty();
        cover(desk.clone(), *kind, confined, scopes)
    });
    tokio::join!(
        heartbeat::keep(&plan.door, &desk, &line_out),
        heartbeat::identify(desk.clone()),
        join_all(wide),
        in_namespaces(desk.clone()),
        probe::ask_all(desk.clone(), shared.clone()),
        on_demand::serve(desk.clone()),
        data_ports::try_all(desk.clone(), shared.clone()),
        compare::serve(desk.clone()),
    );
}

/// Where to look when the whole cluster may not be read: the namespaces of the plan, else the kubeconfig's.
fn fallback(plan: &ContextPlan) -> Vec<Arc<str>> {
    if plan.namespaces.is_empty() {
        plan.door.entry().namespace.into_iter().collect()
    } else {
        plan.namespaces.clone()
    }
}

/// Answers for one kind: over the whole cluster, or namespace by namespace where the plan is confined to some or where
/// only that is permitted. That the whole may not be read is told and stays told.
async fn cover(desk: Desk, kind: Kind, confined: bool, namespaces: Vec<Arc<str>>) {
    let narrow = |desk: &Desk| {
        let watches = namespaces.iter().map(|namespace| {
            let mut watch = Watch::new(desk.clone(), kind, Scope::Namespace(namespace.clone()));
            async move { watch.run(false).await }
        });
        join_all(watches)
    };
    // The operator rarely lives in the namespaces that one is confined to: it is looked for everywhere first.
    if confined && standing::is_namespaced(kind) && !standing::is_operators(kind) {
        narrow(&desk).await;
        return;
    }
    let can_narrow = standing::is_namespaced(kind) && !namespaces.is_empty();
    loop {
        let mut wide = Watch::new(desk.clone(), kind, Scope::Cluster);
        wide.run(can_narrow).await;
        let widens = async {
            // The refusal is doubted first, and then for long believed.
            for refusals in 0.. {
                sleep(desk.pace.doubt(refusals).unwrap_or(WIDEN)).await;
                if wide.is_permitted().await {
                    return;
                }
            }
        };
        tokio::select! {
            _ = narrow(&desk) => {}
            () = widens => {}
        }
        for namespace in &namespaces {
            desk.tell(Fact::Unwatched {
                context: desk.context.clone(),
                kind,
                scope: Scope::Namespace(namespace.clone()),
            });
        }
    }
}

/// Answers for the kinds that are asked about only where an instance is, as instances come and go.
async fn in_namespaces(desk: Desk) {
    let mut roster = desk.roster.subscribe();
    let mut handles: BTreeMap<(Arc<str>, Kind), AbortHandle> = BTreeMap::new();
    let mut running: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        let wanted = roster.borrow_and_update().questions();
        handles.retain(|question, handle| {
            let stays = wanted.contains(question);
            if !stays {
                handle.abort();
                let (namespace, kind) = question;
                desk.tell(Fact::Unwatched {
                    context: desk.context.clone(),
                    kind: *kind,
                    scope: Scope::Namespace(namespace.clone()),
                });
            }
            stays
        });
        for question in wanted {
            handles.entry(question).or_insert_with_key(|question| {
                let (namespace, kind) = question.clone();
                let (handle, registration) = AbortHandle::new_pair();
                let mut watch = Watch::new(desk.clone(), kind, Scope::Namespace(namespace));
                let run = async move { watch.run(false).await };
                running.push(Abortable::new(run, registration).map(|_| ()).boxed());
                handle
            });
        }
        loop {
            tokio::select! {
                changed = roster.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(()) = running.next() => {}
            }
        }
    }
}
