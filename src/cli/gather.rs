//! Facts for a command that has no screen: the same tasks, the same world, the same judgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch::Sender;
use tokio::time::{Instant, timeout_at};

use super::fleet::Fleet;
use crate::checks::{self, Board, Limits};
use crate::domain::engine::{Question, Way};
use crate::domain::object::{ContainerState, Pod};
use crate::domain::world::{ContextWorld, EngineRecord, Touched};
use crate::domain::{
    Access, ContextId, Fact, FaultKind, InstanceId, Kind, Link, Needs, Role, Scope, Want, World,
    address,
};
use crate::observe::{Focus, Inbox};

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
    expected: Expected,
    inbox: Inbox,
    batch: Vec<Fact>,
    /// Something was told that may need more to be read.
    may_need_more: bool,
}

/// What is to be answered before a judgement is everybody's.
#[derive(Debug, Clone, Default)]
struct Expected {
    confines: Confines,
    /// The first try at each data port.
    data_ports: bool,
    /// What the background learns in its later rounds: the settings of engines.
    settings: bool,
    /// All that is asked of the instance in view.
    in_view: Option<InstanceId>,
    /// What is read on demand, and was asked for.
    needs: Needs,
}

impl Gathering {
    /// Of the facts that come out of that inbox.
    pub fn new(inbox: Inbox, limits: Limits, confines: Confines) -> Self {
        Self {
            world: World::default(),
            board: Board::default(),
            limits,
            expected: Expected {
                confines,
                ..Expected::default()
            },
            inbox,
            batch: Vec::new(),
            may_need_more: true,
        }
    }

    /// Of a fleet that is looked at once: data ports, where they are tried, and settings of engines are waited for too, so
    /// that the one look is judged by what the console would know.
    pub fn looking_once(mut self, fleet: &Fleet) -> Self {
        let mut plans = fleet.plans.iter();
        self.expected.data_ports = plans.any(|plan| plan.pace.data_port.is_some());
        self.expected.settings = fleet.plans.iter().all(|plan| plan.pace.settings_first);
        self
    }

    /// Takes facts in until every source of every context has answered or failed. Returns whether it came to that
    /// before the deadline: [`Self::unanswered`] tells what is missing.
    pub async fn settle(&mut self, patience: Duration) -> bool {
        self.settle_on(patience, None).await
    }

    /// The same with an instance in view, as soon as one and no more is known under that address: what is asked only of
    /// such a one is waited for too.
    pub async fn settle_on(
        &mut self,
        patience: Duration,
        looking: Option<(&Sender<Focus>, &str)>,
    ) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if let Some((focus, address)) = looking {
                let found = address::find(&self.world, address).unwrap_or_default();
                let only = match found.as_slice() {
                    [one] => Some(one.instance.clone()),
                    _ => None,
                };
                self.look_at(focus, only);
            }
            if self.is_settled() || timeout_at(deadline, self.take()).await.is_err() {
                break;
            }
        }
        self.judge(&Touched::default());
        self.is_settled()
    }

    /// The same, and then until everything that checks need beside it has been read or could not be.
    pub async fn settle_with_needs(&mut self, patience: Duration, focus: &Sender<Focus>) -> bool {
        let deadline = Instant::now() + patience;
        self.may_need_more = true;
        loop {
            // What is needed depends on what is there, so it is asked for as soon as that is known.
            if self.may_need_more
                && awaited(&self.world, &self.expected).all(|(_, it)| !it.is_of_the_cluster())
            {
                self.may_need_more = false;
                let needs = checks::needs(&self.world, &self.limits, Timestamp::now());
                if self.expected.needs != needs {
                    focus.send_modify(|focus| focus.needs = Arc::new(needs.clone()));
                    self.expected.needs = needs;
                }
            }
            if self.is_settled() || timeout_at(deadline, self.take()).await.is_err() {
                break;
            }
        }
        self.judge(&Touched::default());
        self.is_settled()
    }

    /// Has these read too, and takes facts in until they are, or could not be.
    pub async fn settle_wanting(
        &mut self,
        patience: Duration,
        focus: &Sender<Focus>,
        wants: std::collections::BTreeSet<Want>,
    ) -> bool {
        // What was wanted before is still read: a reader beside may need it.
        let mut needs = self.expected.needs.clone();
        needs.wants.extend(wants);
        if self.expected.needs != needs {
            focus.send_modify(|focus| focus.needs = Arc::new(needs.clone()));
            self.expected.needs = needs;
        }
        self.settle_on(patience, None).await
    }

    /// Puts an instance in view, or none.
    pub fn look_at(&mut self, focus: &Sender<Focus>, instance: Option<InstanceId>) {
        if self.expected.in_view != instance {
            focus.send_modify(|focus| focus.instance.clone_from(&instance));
            self.expected.in_view = instance;
        }
    }

    /// Everything that was expected has answered or failed.
    pub fn is_settled(&self) -> bool {
        is_settled(&self.world, &self.expected)
    }

    /// What was expected and has neither answered nor failed, in words.
    pub fn unanswered(&self) -> Vec<String> {
        unanswered(&self.world, &self.expected, |_| true)
    }

    /// The same, of one instance: of its context's sources, and of its own pods.
    pub fn unanswered_of(&self, id: &InstanceId) -> Vec<String> {
        let is_its_own = |pod: &Pod| {
            let app = pod.meta.labels.get("app").map(String::as_str);
            pod.meta.namespace == id.namespace && app == Some(&*id.name)
        };
        unanswered(&self.world, &self.expected, |(context, awaited)| {
            **context == id.context
                && match awaited {
                    Awaited::Context | Awaited::Source(..) | Awaited::Want(_) => true,
                    Awaited::Engine(pod) | Awaited::Port(pod) => is_its_own(pod),
                }
        })
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
            self.may_need_more |= may_need_more(&fact);
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

/// Whether a fact can change what must be read on demand: objects, who may be read, and what was read do; what engines say and
/// what a clock says, which is most of all facts, never does.
fn may_need_more(fact: &Fact) -> bool {
    match fact {
        Fact::Opened { .. }
        | Fact::Linked { .. }
        | Fact::Identified { .. }
        | Fact::Listed { .. }
        | Fact::Seen { .. }
        | Fact::Gone { .. }
        | Fact::Garbled { .. }
        | Fact::Watched { .. }
        | Fact::Unwatched { .. }
        | Fact::Fetched { .. }
        | Fact::Dropped { .. } => true,
        Fact::Dated { .. }
        | Fact::Probed { .. }
        | Fact::Silent { .. }
        | Fact::Logged { .. }
        | Fact::Tried { .. }
        | Fact::Knocked { .. }
        | Fact::Compared { .. } => false,
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

/// Every source that is expected has answered or failed, every engine has said something or is known to be silent, and
/// every data port that is to be tried was.
fn is_settled(world: &World, expected: &Expected) -> bool {
    world.contexts().next().is_some() && awaited(world, expected).next().is_none()
}

/// What is still waited for, in words, the engines of a context in one, as its data ports: `Dragonfly pods of infra`,
/// `engines of shop/a-0 and shop/a-1 in infra`.
fn unanswered(
    world: &World,
    expected: &Expected,
    counts: impl Fn(&(&ContextId, Awaited<'_>)) -> bool,
) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut pods: BTreeMap<(&ContextId, &str), Vec<String>> = BTreeMap::new();
    for (context, awaited) in awaited(world, expected).filter(|one| counts(one)) {
        let (what, pod) = match awaited {
            Awaited::Context => {
                words.push(format!("the API of {context}"));
                continue;
            }
            Awaited::Source(kind, None) => {
                words.push(format!("{} of {context}", kind.words()));
                continue;
            }
            Awaited::Source(kind, Some(namespace)) => {
                words.push(format!("{} in {namespace} of {context}", kind.words()));
                continue;
            }
            Awaited::Want(want) => {
                words.push(want.words());
                continue;
            }
            Awaited::Engine(pod) => ("engine", pod),
            Awaited::Port(pod) => ("data port", pod),
        };
        let name = format!("{}/{}", pod.meta.namespace, pod.meta.name);
        pods.entry((context, what)).or_default().push(name);
    }
    words.extend(pods.into_iter().map(|((context, what), pods)| {
        let plural = if pods.len() == 1 { "" } else { "s" };
        format!("the {what}{plural} of {} in {context}", few(&pods, " and "))
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
    /// Its data port.
    Port(&'a Pod),
    /// What is read on demand.
    Want(&'a Want),
}

impl Awaited<'_> {
    /// It is a part of what tells which objects there are.
    fn is_of_the_cluster(&self) -> bool {
        matches!(self, Awaited::Context | Awaited::Source(..))
    }
}

fn awaited<'a>(
    world: &'a World,
    expected: &'a Expected,
) -> impl Iterator<Item = (&'a ContextId, Awaited<'a>)> {
    world.contexts().flat_map(|context| {
        let confines = &expected.confines;
        let confines = confines.get(&context.id).map_or(&[][..], Vec::as_slice);
        let connecting = matches!(context.link, Link::Connecting).then_some(Awaited::Context);
        let live = context.is_live().then(|| {
            let sources = sources(context, confines);
            let sources = sources.map(|(kind, namespace)| Awaited::Source(kind, namespace));
            let engines = engines(context, expected).map(Awaited::Engine);
            let ports = ports(context, expected).map(Awaited::Port);
            let wants = expected.needs.wants.iter().filter(|want| {
                *want.context() == context.id && context.on_demand.get(want).is_none()
            });
            sources
                .chain(engines)
                .chain(ports)
                .chain(wants.map(Awaited::Want))
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
        let source = context.sources.get(&(kind, scope))?;
        // What is listed may yet be refused to be watched.
        source.access.as_ref().filter(|_| source.settled)
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

/// The pods whose engines are asked. Others are not: one that waits to be started again leaves its pod's phase `Running`.
fn running(context: &ContextWorld) -> impl Iterator<Item = &Pod> {
    let pods = context.pods.iter().map(|held| &*held.value);
    pods.filter(|pod| {
        let container = pod.container("dragonfly").map(|container| &container.state);
        pod.ip.is_some()
            && pod.meta.deleting.is_none()
            && matches!(container, Some(ContainerState::Running { .. }))
    })
}

/// The pods that run and whose engines have neither answered nor failed to.
fn engines<'a>(
    context: &'a ContextWorld,
    expected: &'a Expected,
) -> impl Iterator<Item = &'a Pod> + 'a {
    running(context).filter(move |pod| {
        let engine = context.engine(&pod.meta.namespace, &pod.meta.name);
        !engine.is_some_and(|engine| has_spoken(engine, pod, context, expected))
    })
}

/// The pods that run and whose data ports are to be tried, and were not yet.
fn ports<'a>(
    context: &'a ContextWorld,
    expected: &'a Expected,
) -> impl Iterator<Item = &'a Pod> + 'a {
    let pods = expected.data_ports.then(|| running(context));
    pods.into_iter().flatten().filter(|pod| {
        let engine = context.engine(&pod.meta.namespace, &pod.meta.name);
        engine.is_none_or(|engine| engine.data_port.is_none())
    })
}

/// It is silent, or a first round of questions came to its end. One question that hangs is not the end: what comes after
/// it tells a takeover that is held up from an engine that is not heard.
fn has_spoken(
    engine: &EngineRecord,
    pod: &Pod,
    context: &ContextWorld,
    expected: &Expected,
) -> bool {
    let dealt = |question: Question| {
        engine.way_of(question).is_some() || engine.silent.contains_key(&Some(question))
    };
    if engine.silent.contains_key(&None) {
        return true;
    }
    if engine.way() != Some(Way::PortForward) {
        // Pages and commands answer what they answer, all at once.
        let told = engine.replication.is_some() && engine.keyspace.is_some();
        return told || !engine.silent.is_empty();
    }
    let is_cut = engine.follower().is_some_and(|link| !link.link_up);
    let is_of = |id: &InstanceId| {
        let app = pod.meta.labels.get("app").map(String::as_str);
        id.context == context.id && id.namespace == pod.meta.namespace && app == Some(&*id.name)
    };
    let in_view = expected.in_view.as_ref().is_some_and(is_of);
    let is_listed = expected.needs.clients.iter().any(is_of);
    let list = is_listed || is_cut || is_master(engine) && is_troubled(pod, context);
    dealt(Question::Replication)
        // The last one of a round.
        && dealt(Question::Keyspace)
        && (!expected.settings || dealt(Question::Config))
        && (!list || dealt(Question::ClientList))
        && (!in_view || Question::IN_VIEW.last().is_none_or(|last| dealt(*last)))
}

fn is_master(engine: &EngineRecord) -> bool {
    engine
        .engine_role()
        .is_some_and(|known| known.value == Role::Master)
}

/// A node of the same instance left a question open: then its master is asked for its clients (see `observe::probe`).
fn is_troubled(pod: &Pod, context: &ContextWorld) -> bool {
    running(context)
        .filter(|other| {
            other.meta.namespace == pod.meta.namespace
                && other.meta.labels.get("app") == pod.meta.labels.get("app")
        })
        .filter_map(|other| context.engine(&other.meta.namespace, &other.meta.name))
        .any(|engine| {
            let silence = engine.first_silence();
            silence.is_some_and(|(_, fault, _)| fault.kind != FaultKind::Forbidden)
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_engines_say_changes_nothing_of_what_must_be_read() {
        use crate::domain::engine::Probe;
        use crate::domain::fixture::*;

        let mut f = healthy().build();
        let of = |f: &Fixture| crate::checks::needs(&f.world, &Limits::default(), now());
        let before = of(&f);
        assert!(before.wants.len() > 5, "{before:?}");
        let fact = Fact::Probed {
            node: crate::domain::NodeId::new(infra(), "shop", "orders-0"),
            uid: Arc::from("uid-orders-0"),
            probe: Probe::Tiering(Default::default()),
        };
        assert!(!may_need_more(&fact));
        f.tell(fact, ago(1));
        f.answers(
            "orders-0",
            Probe::Config(crate::domain::engine::Config::default()),
            ago(1),
        );
        let fault = crate::domain::Fault::new(FaultKind::Timeout, "no answer");
        f.silent("orders-1", None, fault, ago(1));
        assert_eq!(of(&f), before);
    }

    use super::*;
    use crate::domain::Fault;

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
        let expected = Expected {
            confines: Confines::from([(context, confines)]),
            ..Expected::default()
        };
        let unanswered = unanswered(&world, &expected, |_| true);
        assert_eq!(is_settled(&world, &expected), unanswered.is_empty());
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
    fn a_list_alone_does_not_show_that_it_may_be_watched() {
        let context = ContextId::new("c");
        let now = Timestamp::UNIX_EPOCH;
        let mut world = World::default();
        let opened = Fact::Opened {
            context: context.clone(),
            namespaces: Vec::new(),
        };
        let live = Fact::Linked {
            context: context.clone(),
            link: Link::Live {
                rtt: Duration::ZERO,
            },
        };
        world.apply(opened, now);
        world.apply(live, now);
        let expected = Expected::default();
        let waits_for_pods = |world: &World| {
            let all = unanswered(world, &expected, |_| true);
            all.iter().any(|what| what == "Dragonfly pods of c")
        };
        assert!(waits_for_pods(&world));
        let listed = Fact::Listed {
            context: context.clone(),
            kind: Kind::Pod,
            scope: Scope::Cluster,
            objects: Vec::new(),
        };
        world.apply(listed, now);
        assert!(waits_for_pods(&world), "it is not watched yet");
        let watched = Fact::Watched {
            context,
            kind: Kind::Pod,
            scope: Scope::Cluster,
            access: Access::Live,
        };
        world.apply(watched, now);
        assert!(!waits_for_pods(&world));
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
        let expected = Expected::default();
        assert_eq!(unanswered(&world, &expected, |_| true), ["the API of apps"]);
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
            let expected = Expected::default();
            let count = context.map(|c| engines(c, &expected).count());
            assert_eq!(count, Some(wanted), "{name}");
        }
    }

    #[test]
    fn one_look_waits_for_what_the_console_would_know() {
        use crate::domain::NodeId;
        use crate::domain::data_port::{DataPort, Found, Stage};
        use crate::domain::engine::{Config, Probe};
        use crate::domain::fixture::*;

        let uid = |pod: &str| Arc::from(format!("uid-{pod}").as_str());
        let node = |pod: &str| NodeId::new(infra(), "shop", pod);
        let reached = |f: &mut Fixture| {
            for pod in ["orders-0", "orders-1"] {
                let fact = Fact::Tried {
                    node: node(pod),
                    uid: uid(pod),
                    way: Way::PortForward,
                    fault: None,
                };
                f.tell(fact, ago(1));
            }
        };
        let knocked = |f: &mut Fixture, pod: &str| {
            let tried = Box::new(DataPort {
                found: Found::PasswordWanted,
                stage: Stage::Command,
                took: Duration::ZERO,
                certificate: None,
                logged_in: false,
            });
            let fact = Fact::Knocked {
                node: node(pod),
                uid: uid(pod),
                tried,
            };
            f.tell(fact, ago(1));
        };
        let hangs = |f: &mut Fixture| {
            let fault = Fault::new(FaultKind::Timeout, "no answer");
            f.silent("orders-1", Some(Question::Replication), fault, ago(1));
        };
        let healthy = || {
            let mut f = instance("orders").node(master()).node(replica()).build();
            reached(&mut f);
            f
        };
        let mut cut = instance("orders")
            .node(master())
            .node(replica().cut_off(30))
            .build();
        reached(&mut cut);
        let mut hung = healthy();
        hangs(&mut hung);
        let mut forbidden = healthy();
        let fault = Fault::new(FaultKind::Forbidden, "may not");
        forbidden.silent("orders-1", None, fault, ago(1));
        let mut half = instance("orders")
            .node(master())
            .node(replica().unasked())
            .build();
        reached(&mut half);
        hangs(&mut half);
        let mut tried = healthy();
        knocked(&mut tried, "orders-0");
        let mut told = healthy();
        let config = Probe::Config(Config::default());
        told.answers("orders-0", config, ago(1));
        let mut in_view = healthy();
        in_view.answers("orders-0", Probe::Tiering(Default::default()), ago(1));
        let expected = Expected::default();
        let ports = Expected {
            data_ports: true,
            ..Expected::default()
        };
        let settings = Expected {
            settings: true,
            ..Expected::default()
        };
        let looking = |f: &Fixture| Expected {
            in_view: Some(f.id.clone()),
            ..Expected::default()
        };
        let of = |pods: &str| vec![format!("the {pods} in infra")];
        for (name, f, expected, wanted) in [
            ("all well", &healthy(), &expected, vec![]),
            (
                "why a replica is cut off",
                &cut,
                &expected,
                of("engine of shop/orders-1"),
            ),
            (
                "what holds a takeover up",
                &hung,
                &expected,
                of("engine of shop/orders-0"),
            ),
            (
                "what comes after a question that hangs",
                &half,
                &expected,
                of("engines of shop/orders-0 and shop/orders-1"),
            ),
            (
                "a missing right is no trouble",
                &forbidden,
                &expected,
                vec![],
            ),
            (
                "data ports",
                &tried,
                &ports,
                of("data port of shop/orders-1"),
            ),
            ("settings", &told, &settings, of("engine of shop/orders-1")),
            (
                "in view",
                &in_view,
                &looking(&in_view),
                of("engine of shop/orders-1"),
            ),
        ] {
            let told = unanswered(&f.world, expected, |(_, one)| {
                !matches!(one, Awaited::Context | Awaited::Source(..))
            });
            assert_eq!(told, wanted, "{name}");
        }
    }
}
