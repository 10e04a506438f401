//! Asks the engines: for every Dragonfly pod that runs, over a port-forward to its admin port, how it is.
//!
//! The admin port answers in every state and asks for no password. One connection per pod is kept open. All questions
//! of a round go out at once, replies come in order, and each has a budget of its own: a question that hangs (as
//! `INFO replication` does on the target of a takeover) costs the connection, is told as silent, and is asked last from
//! then on, so that it hides no other answer.

mod denials;
mod pauses;
mod round;
mod told;
pub(super) mod turns;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use self::denials::Denials;
use self::turns::Asked;
use self::ways::Detour;
use super::backoff::{Backoff, Jitter};
use super::roster::Target;
use super::watch::Desk;
use super::{Focus, Pace};
use crate::connect::forward;
use crate::connect::resp::Engine;
use crate::domain::engine::{Question, Role, Way};
use crate::domain::{Fault, FaultKind, NodeId};

/// The admin port that the operator gives every Dragonfly, v1.1 to v1.6.
const ADMIN_PORT: u16 = 9999;
/// Connections to engines that the process keeps open between rounds, over all contexts. Each is a file descriptor and
/// some 100 KiB; past them an engine that is not in view is connected to anew for each round. Common limits allow 1,024
/// descriptors, and watches need theirs.
static KEPT: Semaphore = Semaphore::const_new(256);

/// Engines whose links move that are asked at the pace of one in view, over all contexts, and for how long each: what happens
/// in a failover is over before one in the background is asked again.
static HURRIED: Semaphore = Semaphore::const_new(32);
type Key = (Arc<str>, Arc<str>);

/// Asks every engine of the context for as long as it is polled.
pub(super) async fn ask_all(desk: Desk, shared: Shared) {
    let mut roster = desk.roster.subscribe();
    let mut asked: BTreeMap<Key, (Target, AbortHandle)> = BTreeMap::new();
    let mut running: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        let wanted = roster.borrow_and_update().targets().clone();
        asked.retain(|key, (target, handle)| {
            let stays = wanted.get(key) == Some(target);
            if !stays {
                // The pod is gone, or its engine stopped, or another pod took its name.
                handle.abort();
            }
            stays
        });
        for (key, target) in wanted {
            if asked.contains_key(&key) {
                continue;
            }
            let (handle, registration) = AbortHandle::new_pair();
            let node = Node::new(desk.clone(), shared.clone(), &key, target.clone());
            running.push(Abortable::new(node.ask(), registration).map(|_| ()).boxed());
            asked.insert(key, (target, handle));
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

/// What all engines of a context share, whichever of their ports is asked.
#[derive(Clone)]
pub(super) struct Shared {
    /// Rounds of engines not in view that run at once, tries at their data ports among them.
    pub(super) background: Arc<Semaphore>,
    /// Ways that are not permitted in a namespace.
    pub(super) denials: Denials,
}

impl Shared {
    pub(super) fn new(pace: &Pace) -> Self {
        Self {
            background: Arc::new(Semaphore::new(pace.probes_in_flight)),
            denials: Denials::default(),
        }
    }
}

/// One engine that is being asked.
struct Node {
    desk: Desk,
    shared: Shared,
    id: NodeId,
    target: Target,
    focus: watch::Receiver<Focus>,
    engine: Option<Engine>,
    /// When the last connection was opened.
    opened: Option<Instant>,
    /// The right to keep the connection open between rounds.
    kept: Option<SemaphorePermit<'static>>,
    /// The role that it said last.
    role: Option<Role>,
    /// Questions that hung: asked last, and ever more seldom.
    suspects: BTreeMap<Question, Suspect>,
    /// When the questions for an instance in view were last asked.
    asked_in_view: Option<Instant>,
    /// When CLIENT LIST was last asked.
    asked_list: Option<Instant>,
    /// When what hardly ever changes was last asked.
    asked_seldom: Option<Instant>,
    /// Rounds so far.
    rounds: u32,
    /// It answers, but later than one waits: it is asked little, with more patience.
    slow: bool,
    /// Rounds in a row in which it was mute.
    mute: u32,
    /// In this round it took connections and let them time out.
    timed_out: bool,
    /// A standing question went without its answer in this round.
    troubled: bool,
    /// It follows a master, and says that it has no link to it.
    is_cut: bool,
    /// Since when its links are in motion: made, lost, or in a full sync.
    moves: Option<Instant>,
    /// When a role was last given or taken in its instance.
    stirred: Option<Instant>,
    /// Something was put in that has not been announced.
    told: bool,
    /// What was last told of each way: `None` when it led there.
    ways: BTreeMap<Way, Option<FaultKind>>,
    /// The other ways, where port-forwards are not permitted.
    detour: Detour,
    /// The API server could not be reached for a port-forward, and the heartbeat has been asked to look.
    away: bool,
    backoff: Backoff,
    jitter: Jitter,
    /// It counts for as long as it is asked.
    _asked: Asked,
}

/// A question that hung, or drew nonsense.
struct Suspect {
    /// How often in a row.
    times: u32,
    /// When it is asked again. Each try that hangs leaves a connection behind at the server until whatever holds it there
    /// ends, which may take hours.
    next: Instant,
}

/// How a round went.
enum Round {
    /// Something was answered.
    Heard,
    /// Something was, by another way than a port-forward.
    Page,
    /// Nothing was.
    Silent,
    /// It may not be asked; how long to rest.
    Forbidden(Duration),
    /// The API server could not be reached, which is not the engine's fault.
    Away,
}

/// Why there is no port-forward.
enum NoWay {
    /// It is not permitted; how long to rest.
    Forbidden(Fault, Duration),
    /// The engine is silent, which has been told.
    Silent,
    /// The API server could not be reached.
    Away,
}

impl Node {
    fn new(desk: Desk, shared: Shared, (namespace, pod): &Key, target: Target) -> Self {
        let jitter = Jitter::of(&format!("{}/{namespace}/{pod}", desk.context));
        Self {
            id: NodeId {
                context: desk.context.clone(),
                namespace: namespace.clone(),
                pod: pod.clone(),
            },
            focus: desk.focus.clone(),
            backoff: Backoff::new(desk.pace.retry_least, desk.pace.retry_most, jitter.clone()),
            engine: None,
            opened: None,
            kept: None,
            role: None,
            suspects: BTreeMap::new(),
            asked_in_view: None,
            asked_list: None,
            asked_seldom: None,
            rounds: 0,
            slow: false,
            mute: 0,
            timed_out: false,
            troubled: false,
            is_cut: false,
            moves: None,
            stirred: None,
            told: false,
            ways: BTreeMap::new(),
            detour: Detour::default(),
            away: false,
            desk,
            shared,
            target,
            jitter,
            _asked: Asked::count(),
        }
    }

    /// Round after round.
    async fn ask(mut self) {
        self.take_turn().await;
        loop {
            let Some(client) = self.client().await else {
                return;
            };
            let permit = self.permit().await;
            self.renew();
            let began = Instant::now();
            self.troubled = false;
            let round = self.round(&client).await;
            drop(permit);
            self.keep();
            self.tell_trouble();
            if matches!(round, Round::Heard) && !self.slow && self.wants_list() {
                continue;
            }
            let hurried = self
                .is_hurried()
                .then(|| HURRIED.try_acquire().ok())
                .flatten();
            let pace = &self.desk.pace;
            let (focused, background) = match round {
                Round::Heard => {
                    self.backoff.reset();
                    match hurried {
                        Some(_) => (pace.probe_focused, pace.probe_focused),
                        None => (pace.probe_focused, pace.probe_background),
                    }
                }
                Round::Page => {
                    self.backoff.reset();
                    // A page is ten times as long as all the answers.
                    (pace.probe_focused * 5 / 2, pace.probe_background)
                }
                // One in view is asked again soon whatever happens; others are given ever more time.
                Round::Silent => {
                    let pause = self.backoff.pause();
                    (pace.probe_focused, pause.max(pace.probe_background))
                }
                Round::Forbidden(rest) => (rest, rest),
                Round::Away => (pace.retry_least, pace.retry_least),
            };
            let spread = self.jitter.about(Duration::from_secs(1)).as_secs_f64();
            self.wait(began, focused.mul_f64(spread), background.mul_f64(spread))
                .await;
        }
    }

    /// The client, once the way is open; `None` when the context is given up.
    async fn client(&mut self) -> Option<kube::Client> {
        let mut line = self.desk.line.clone();
        let line = line.wait_for(|line| line.client.is_some()).await.ok()?;
        line.client.clone()
    }

    /// Opens a connection, or tells why there is none.
    async fn open(&mut self, client: &kube::Client) -> Result<Engine, NoWay> {
        let (namespace, pod) = (&self.id.namespace, &self.id.pod);
        if let Some((fault, rest)) = self.denied(Way::PortForward) {
            self.tell_way(Way::PortForward, Some(&fault));
            return Err(NoWay::Forbidden(fault, rest));
        }
        let deadline = self.desk.pace.connect_deadline;
        let opened = match forward::forward(client, namespace, pod, ADMIN_PORT, deadline).await {
            Ok(way) => {
                self.away = false;
                self.shared.denials.lift(namespace, Way::PortForward);
                self.tell_way(Way::PortForward, None);
                self.opened = Some(Instant::now());
                Engine::over(way.stream, Some(way.tether), deadline).await
            }
            Err(refusal) => {
                // Either the way is lost, which the heartbeat will tell, or it is not: then this is the engine's silence.
                let away = refusal.code.is_none() && refusal.fault.kind == FaultKind::Unreachable;
                if away && !std::mem::replace(&mut self.away, true) {
                    self.desk.alarm.notify_one();
                    return Err(NoWay::Away);
                }
                Err(refusal.fault)
            }
        };
        opened.map_err(|fault| {
            self.tell_way(Way::PortForward, Some(&fault));
            if fault.kind == FaultKind::Forbidden {
                let (denials, pace) = (&self.shared.denials, &self.desk.pace);
                let (namespace, nudges) = (&self.id.namespace, self.nudges());
                let rest = denials.note(namespace, Way::PortForward, &fault, pace, nudges);
                return NoWay::Forbidden(fault, rest);
            }
            self.tell_silent(None, fault);
            NoWay::Silent
        })
    }

    /// That way is not permitted in its namespace, as is believed at present; how long to rest.
    fn denied(&self, way: Way) -> Option<(Fault, Duration)> {
        let denials = &self.shared.denials;
        denials.standing(&self.id.namespace, way, self.nudges())
    }

    /// How often somebody asked to try again.
    fn nudges(&self) -> u64 {
        self.focus.borrow().nudges
    }
}

fn is_in_view(focus: &Focus, id: &NodeId, target: &Target) -> bool {
    focus.instance.as_ref().is_some_and(|instance| {
        instance.context == id.context
            && instance.namespace == id.namespace
            && instance.name == target.instance
    })
}

/// Somebody wants to know who its clients are.
fn is_listed(focus: &Focus, id: &NodeId, target: &Target) -> bool {
    focus.needs.clients.iter().any(|instance| {
        instance.context == id.context
            && instance.namespace == id.namespace
            && instance.name == target.instance
    })
}
