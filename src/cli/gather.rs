//! Facts for a command that has no screen: the same tasks, the same world, the same judgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::checks::{Board, Limits};
use crate::domain::world::{ContextWorld, Touched};
use crate::domain::{Access, ContextId, Fact, Kind, Link, Scope, World};
use crate::observe::Inbox;

/// Facts taken in one go.
const BATCH: usize = 4_096;

/// A world being gathered, with its judgements.
pub struct Gathering {
    /// All facts so far.
    pub world: World,
    /// All judgements of them.
    pub board: Board,
    /// Bounds that it is judged by.
    pub limits: Limits,
    confines: Confines,
    inbox: Inbox,
    batch: Vec<Fact>,
}

impl Gathering {
    /// Of the facts that come out of that inbox.
    pub fn new(inbox: Inbox, limits: Limits, confines: Confines) -> Self {
        Self {
            world: World::default(),
            board: Board::default(),
            limits,
            confines,
            inbox,
            batch: Vec::new(),
        }
    }

    /// Takes facts in until every source of every context has answered or failed. Returns whether it came to that
    /// before the deadline.
    pub async fn settle(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.is_settled() {
            if timeout_at(deadline, self.take()).await.is_err() {
                break;
            }
        }
        self.judge(&Touched::default());
        self.is_settled()
    }

    /// Everything that was expected has answered or failed.
    pub fn is_settled(&self) -> bool {
        is_settled(&self.world, &self.confines)
    }

    /// Takes facts in until something that was judged or shown has changed.
    pub async fn change(&mut self) {
        loop {
            let due = self.board.next_due();
            tokio::select! {
                touched = self.take() => if !touched.is_empty() { return },
                () = until(due) => if self.judge(&Touched::default()) { return },
            }
        }
    }

    async fn take(&mut self) -> Touched {
        let mut touched = Touched::default();
        if self.inbox.recv_many(&mut self.batch, BATCH).await == 0 {
            // Every context has ended: nothing will ever change.
            std::future::pending::<()>().await;
        }
        let now = Timestamp::now();
        for fact in self.batch.drain(..) {
            touched.merge(self.world.apply(fact, now));
        }
        self.judge(&touched);
        touched
    }

    fn judge(&mut self, touched: &Touched) -> bool {
        self.board
            .update(&self.world, touched, &self.limits, Timestamp::now())
    }
}

async fn until(due: Option<Timestamp>) {
    match due {
        Some(due) => {
            let wait = Duration::try_from(Timestamp::now().duration_until(due));
            // A judgement that stays the same when it is due must not make this a busy loop.
            tokio::time::sleep(wait.unwrap_or_default().max(Duration::from_millis(200))).await;
        }
        None => std::future::pending().await,
    }
}

/// Namespaces that stand in for the whole cluster where that may not be read, by context.
pub type Confines = BTreeMap<ContextId, Vec<Arc<str>>>;

/// Every source that is expected has answered or failed, and every engine has said something or is known to be silent.
pub fn is_settled(world: &World, confines: &Confines) -> bool {
    let mut any = false;
    world.contexts().all(|context| {
        any = true;
        match context.link {
            Link::Connecting => false,
            Link::Unreachable { .. } | Link::LoginNeeded { .. } | Link::Unusable { .. } => true,
            Link::Live { .. } => {
                let confines = confines
                    .get(&context.id)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                sources_answered(context, confines) && engines_answered(context)
            }
        }
    }) && any
}

fn sources_answered(context: &ContextWorld, confines: &[Arc<str>]) -> bool {
    let access = |kind: Kind, scope: Scope| {
        context
            .sources
            .get(&(kind, scope))
            .and_then(|source| source.access.as_ref())
    };
    let within = |kind: Kind, namespace: &Arc<str>| {
        access(kind, Scope::Namespace(namespace.clone())).is_some()
    };
    Kind::ALL.iter().copied().all(|kind| match kind {
        Kind::Crd => access(kind, Scope::Cluster).is_some(),
        Kind::Pdb | Kind::NetworkPolicy | Kind::Event => context
            .instances()
            .all(|instance| within(kind, &instance.namespace)),
        Kind::ExistingPvc => context.dragonflies.iter().all(|held| {
            let snapshot = held.value.snapshot.as_ref();
            let names_one = snapshot.is_some_and(|snapshot| snapshot.existing_claim.is_some());
            !names_one || within(kind, &held.value.meta.namespace)
        }),
        _ => match access(kind, Scope::Cluster) {
            // Refused for the whole cluster: then it is asked for namespace by namespace.
            Some(Access::Denied(_)) => confines.iter().all(|namespace| within(kind, namespace)),
            Some(_) => true,
            None => {
                !confines.is_empty() && confines.iter().all(|namespace| within(kind, namespace))
            }
        },
    })
}

fn engines_answered(context: &ContextWorld) -> bool {
    context.pods.iter().all(|held| {
        let pod = &held.value;
        let runs = pod.ip.is_some() && pod.phase == "Running" && pod.meta.deleting.is_none();
        !runs
            || context
                .engine(&pod.meta.namespace, &pod.meta.name)
                .is_some_and(|engine| {
                    !engine.silent.is_empty()
                        || (engine.replication.is_some() && engine.keyspace.is_some())
                })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fault, FaultKind};

    /// `kind scope access` lines; all other standing kinds are live in the whole cluster.
    fn settled(confines: &[&str], sources: &[(Kind, Option<&str>, bool)]) -> bool {
        let context = ContextId::new("c");
        let now = Timestamp::UNIX_EPOCH;
        let mut world = World::default();
        let mut tell = |fact| {
            world.apply(fact, now);
        };
        tell(Fact::Opened {
            context: context.clone(),
            namespaces: Vec::new(),
        });
        tell(Fact::Linked {
            context: context.clone(),
            link: Link::Live {
                rtt: Duration::ZERO,
            },
        });
        for kind in Kind::ALL
            .iter()
            .filter(|kind| !sources.iter().any(|(k, ..)| k == *kind))
        {
            let scope = Scope::Cluster;
            tell(Fact::Watched {
                context: context.clone(),
                kind: *kind,
                scope,
                access: Access::Live,
            });
        }
        for (kind, namespace, denied) in sources {
            let scope = namespace.map_or(Scope::Cluster, |ns| Scope::Namespace(Arc::from(ns)));
            let access = if *denied {
                Access::Denied(Fault::new(FaultKind::Forbidden, "no"))
            } else {
                Access::Live
            };
            tell(Fact::Watched {
                context: context.clone(),
                kind: *kind,
                scope,
                access,
            });
        }
        let confines = confines.iter().map(|ns| Arc::from(*ns)).collect();
        is_settled(&world, &Confines::from([(context, confines)]))
    }

    #[test]
    fn what_is_expected_decides_not_what_has_come() {
        let pod = Kind::Pod;
        for (confines, sources, wanted) in [
            (vec![], vec![], true),
            // Refused for the cluster, and nothing else can be asked: that is the answer.
            (vec![], vec![(pod, None, true)], true),
            // Refused for the cluster: the namespace is asked next, and has not answered yet.
            (vec!["a"], vec![(pod, None, true)], false),
            (
                vec!["a"],
                vec![(pod, None, true), (pod, Some("a"), false)],
                true,
            ),
            (vec!["a", "b"], vec![(pod, Some("a"), false)], false),
            (
                vec!["a", "b"],
                vec![(pod, Some("a"), false), (pod, Some("b"), true)],
                true,
            ),
        ] {
            assert_eq!(
                settled(&confines, &sources),
                wanted,
                "{confines:?} {sources:?}"
            );
        }
    }
}
