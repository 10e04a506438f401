//! Facts for a command that has no screen: the same tasks, the same world, the same judgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::checks::{Board, Limits};
use crate::domain::object::{ContainerState, Pod};
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
    /// before the deadline: [`Self::unanswered`] tells what is missing.
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

    /// What was expected and has neither answered nor failed, in words.
    pub fn unanswered(&self) -> Vec<String> {
        unanswered(&self.world, &self.confines)
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
    world.contexts().next().is_some() && awaited(world, confines).next().is_none()
}

/// What is still waited for, in words, the engines of a context in one: `Dragonfly pods of infra`, `engines of shop/a-0 and
/// shop/a-1 in infra`.
pub fn unanswered(world: &World, confines: &Confines) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut engines: BTreeMap<&ContextId, Vec<String>> = BTreeMap::new();
    for (context, awaited) in awaited(world, confines) {
        match awaited {
            Awaited::Context => words.push(format!("the API of {context}")),
            Awaited::Source(kind, None) => words.push(format!("{} of {context}", kind.words())),
            Awaited::Source(kind, Some(namespace)) => {
                words.push(format!("{} in {namespace} of {context}", kind.words()));
            }
            Awaited::Engine(pod) => {
                let name = format!("{}/{}", pod.meta.namespace, pod.meta.name);
                engines.entry(context).or_default().push(name);
            }
        }
    }
    words.extend(engines.into_iter().map(|(context, pods)| {
        let noun = if pods.len() == 1 { "engine" } else { "engines" };
        format!("the {noun} of {} in {context}", few(&pods, " and "))
    }));
    words
}

/// At most five of them, and how many more there are.
pub fn few(words: &[String], and: &str) -> String {
    const FEW: usize = 5;
    let told: Vec<&str> = words.iter().take(FEW).map(String::as_str).collect();
    match words.len().saturating_sub(FEW) {
        0 => match told.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{}{and}{last}", rest.join(", ")),
            _ => told.join(", "),
        },
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// Something that was expected and has neither answered nor failed.
enum Awaited<'a> {
    /// The first heartbeat.
    Context,
    /// A kind, in a namespace or in the whole cluster.
    Source(Kind, Option<Arc<str>>),
    /// The engine of a pod that runs.
    Engine(&'a Pod),
}

fn awaited<'a>(
    world: &'a World,
    confines: &'a Confines,
) -> impl Iterator<Item = (&'a ContextId, Awaited<'a>)> {
    world.contexts().flat_map(|context| {
        let confines = confines.get(&context.id).map_or(&[][..], Vec::as_slice);
        let connecting = matches!(context.link, Link::Connecting).then_some(Awaited::Context);
        let live = context.is_live().then(|| {
            let sources = sources(context, confines);
            let sources = sources.map(|(kind, namespace)| Awaited::Source(kind, namespace));
            sources.chain(engines(context).map(Awaited::Engine))
        });
        let all = connecting.into_iter().chain(live.into_iter().flatten());
        all.map(|awaited| (&context.id, awaited))
    })
}

/// The sources that have not answered.
fn sources<'a>(
    context: &'a ContextWorld,
    confines: &'a [Arc<str>],
) -> impl Iterator<Item = (Kind, Option<Arc<str>>)> + 'a {
    let access = |kind: Kind, scope: Scope| {
        context
            .sources
            .get(&(kind, scope))
            .and_then(|source| source.access.as_ref())
    };
    let missing = move |kind: Kind, namespace: &Arc<str>| {
        let is_missing = access(kind, Scope::Namespace(namespace.clone())).is_none();
        is_missing.then(|| (kind, Some(namespace.clone())))
    };
    Kind::ALL
        .iter()
        .copied()
        .filter_map(move |kind| match kind {
            Kind::Crd => access(kind, Scope::Cluster)
                .is_none()
                .then_some((kind, None)),
            Kind::Pdb | Kind::NetworkPolicy | Kind::Event => context
                .instances()
                .find_map(|instance| missing(kind, &instance.namespace)),
            Kind::ExistingPvc => context.dragonflies.iter().find_map(|held| {
                let snapshot = held.value.snapshot.as_ref();
                let names_one = snapshot.is_some_and(|snapshot| snapshot.existing_claim.is_some());
                names_one
                    .then(|| missing(kind, &held.value.meta.namespace))
                    .flatten()
            }),
            _ => match access(kind, Scope::Cluster) {
                // Refused for the whole cluster: then it is asked for namespace by namespace.
                Some(Access::Denied(_)) => confines.iter().find_map(|ns| missing(kind, ns)),
                Some(_) => None,
                None if confines.is_empty() => Some((kind, None)),
                None => confines.iter().find_map(|ns| missing(kind, ns)),
            },
        })
}

/// The pods that run and whose engines have neither answered nor failed to.
fn engines(context: &ContextWorld) -> impl Iterator<Item = &Pod> {
    let pods = context.pods.iter().map(|held| &*held.value);
    pods.filter(|pod| {
        // Others are not asked: one that waits to be started again leaves its pod's phase `Running`.
        let container = pod.container("dragonfly").map(|container| &container.state);
        let runs = pod.ip.is_some()
            && pod.meta.deleting.is_none()
            && matches!(container, Some(ContainerState::Running { .. }));
        let engine = context.engine(&pod.meta.namespace, &pod.meta.name);
        let has_spoken = engine.is_some_and(|engine| {
            !engine.silent.is_empty() || (engine.replication.is_some() && engine.keyspace.is_some())
        });
        runs && !has_spoken
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fault, FaultKind};

    /// `kind scope access` lines; all other standing kinds are live in the whole cluster.
    fn settled(confines: &[&str], sources: &[(Kind, Option<&str>, bool)]) -> String {
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
        let confines = Confines::from([(context, confines)]);
        let unanswered = unanswered(&world, &confines);
        assert_eq!(is_settled(&world, &confines), unanswered.is_empty());
        unanswered.join("; ")
    }

    #[test]
    fn what_is_expected_decides_not_what_has_come() {
        let pod = Kind::Pod;
        for (confines, sources, wanted) in [
            (vec![], vec![], ""),
            // Refused for the cluster, and nothing else can be asked: that is the answer.
            (vec![], vec![(pod, None, true)], ""),
            // Refused for the cluster: the namespace is asked next, and has not answered yet.
            (
                vec!["a"],
                vec![(pod, None, true)],
                "Dragonfly pods in a of c",
            ),
            (
                vec!["a"],
                vec![(pod, None, true), (pod, Some("a"), false)],
                "",
            ),
            (
                vec!["a", "b"],
                vec![(pod, Some("a"), false)],
                "Dragonfly pods in b of c",
            ),
            (
                vec!["a", "b"],
                vec![(pod, Some("a"), false), (pod, Some("b"), true)],
                "",
            ),
        ] {
            assert_eq!(
                settled(&confines, &sources),
                wanted,
                "{confines:?} {sources:?}"
            );
        }
    }

    #[test]
    fn what_has_not_answered_is_named() {
        let mut world = World::default();
        let now = Timestamp::UNIX_EPOCH;
        let context = ContextId::new("apps");
        world.apply(
            Fact::Opened {
                context,
                namespaces: Vec::new(),
            },
            now,
        );
        assert_eq!(unanswered(&world, &Confines::new()), ["the API of apps"]);
        let words = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>();
        for (count, wanted) in [
            (1, "1"),
            (2, "1 and 2"),
            (3, "1, 2 and 3"),
            (7, "1, 2, 3, 4, 5 and 2 more"),
        ] {
            assert_eq!(few(&words(count), " and "), wanted);
        }
    }

    #[test]
    fn an_engine_is_waited_for_only_where_one_is_asked() {
        use crate::domain::fixture::*;
        for (name, node, wanted) in [
            ("answered", master(), 0),
            ("not asked yet", master().unasked(), 1),
            (
                "silent",
                master().unreachable(FaultKind::Timeout, "no answer"),
                0,
            ),
            (
                "its container waits to be started again",
                master().waiting("CrashLoopBackOff"),
                0,
            ),
            ("no machine yet", pending(), 0),
        ] {
            let f = instance("orders").node(node).build();
            let context = f.world.context(&infra());
            assert_eq!(context.map(|c| engines(c).count()), Some(wanted), "{name}");
        }
    }
}
