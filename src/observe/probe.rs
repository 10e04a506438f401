//! Asks the engines: for every Dragonfly pod that runs, over a port-forward to its admin port, how it is.
//!
//! The admin port answers in every state and asks for no password. One connection per pod is kept open. All questions
//! of a round go out at once, replies come in order, and each has a budget of its own: a question that hangs (as
//! `INFO replication` does on the target of a takeover) costs the connection, is told as silent, and is asked last from
//! then on, so that it hides no other answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use redis::Value;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::sleep;

use super::backoff::{Backoff, Jitter};
use super::roster::Target;
use super::watch::Desk;
use super::{Focus, Pace};
use crate::connect::forward;
use crate::connect::resp::{Ended, Engine, Reply};
use crate::domain::engine::{Question, Unanswered};
use crate::domain::{Fact, Fault, FaultKind, NodeId};
use crate::wire::{self, Undecodable};

/// The admin port that the operator gives every Dragonfly, v1.1 to v1.6.
const ADMIN_PORT: u16 = 9999;
/// How long a namespace rests in which port-forwards are not permitted.
const REST: Duration = Duration::from_secs(60);
/// Connections that one round may use up.
const CONNECTIONS: usize = 4;
/// Connections to engines that the process keeps open between rounds, over all contexts. Each is a file descriptor and
/// some 100 KiB; past them an engine that is not in view is connected to anew for each round. Common limits allow 1,024
/// descriptors, and watches need theirs.
static KEPT: Semaphore = Semaphore::const_new(256);

/// How far apart the first rounds of engines begin, over all contexts, once [`AT_ONCE`] have begun. A fleet of thousands
/// that is opened is asked within seconds, and what happens in it meanwhile is not queued behind the asking.
const APART: Duration = Duration::from_millis(2);
const AT_ONCE: u32 = 96;
/// When the first rounds that were let through would all have begun, had they been [`APART`].
static LET_THROUGH: Mutex<Option<Instant>> = Mutex::new(None);

type Key = (Arc<str>, Arc<str>);

/// Asks every engine of the context for as long as it is polled.
pub(super) async fn ask_all(desk: Desk) {
    let shared = Shared {
        background: Arc::new(Semaphore::new(desk.pace.probes_in_flight)),
        forbidden: Arc::default(),
    };
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

/// What all engines of a context share.
#[derive(Clone)]
struct Shared {
    /// Rounds of engines not in view that run at once.
    background: Arc<Semaphore>,
    /// Namespaces where port-forwards are not permitted, and until when that is believed.
    forbidden: Arc<Mutex<Forbidden>>,
}

type Forbidden = BTreeMap<Arc<str>, Denial>;

/// That port-forwards are not permitted in a namespace.
struct Denial {
    fault: Fault,
    /// How often it was said and doubted.
    doubted: u32,
    /// How long engines rest before one asks again.
    rest: Duration,
    /// Until when it is believed without being asked for again.
    until: Instant,
}

/// One engine that is being asked.
struct Node {
    desk: Desk,
    shared: Shared,
    id: NodeId,
    target: Target,
    focus: watch::Receiver<Focus>,
    engine: Option<Engine>,
    /// The right to keep the connection open between rounds.
    kept: Option<SemaphorePermit<'static>>,
    /// Questions that hung: asked last.
    suspects: BTreeSet<Question>,
    /// The API server could not be reached for a port-forward, and the heartbeat has been asked to look.
    away: bool,
    backoff: Backoff,
    jitter: Jitter,
}

/// How a round went.
enum Round {
    /// Something was answered.
    Heard,
    /// Nothing was.
    Silent,
    /// It may not be asked; how long to rest.
    Forbidden(Duration),
    /// The API server could not be reached, which is not the engine's fault.
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
            kept: None,
            suspects: BTreeSet::new(),
            away: false,
            desk,
            shared,
            target,
            jitter,
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
            let began = Instant::now();
            let round = self.round(&client).await;
            drop(permit);
            self.keep();
            let pace = &self.desk.pace;
            let (focused, background) = match round {
                Round::Heard => {
                    self.backoff.reset();
                    (pace.probe_focused, pace.probe_background)
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

    /// Waits until the first round may begin; the instance in view waits for nobody.
    async fn take_turn(&mut self) {
        let wait = {
            let mut through = LET_THROUGH.lock().unwrap_or_else(PoisonError::into_inner);
            turn(&mut through, Instant::now())
        };
        if wait.is_zero() {
            return;
        }
        let (id, target) = (self.id.clone(), self.target.clone());
        tokio::select! {
            _ = self.focus.wait_for(|focus| is_in_view(focus, &id, &target)) => {}
            () = sleep(wait) => {}
        }
    }

    /// Keeps the connection for the next round, or closes it when too many are kept already.
    fn keep(&mut self) {
        if self.engine.is_none() {
            self.kept = None;
        } else if self.kept.is_none() {
            self.kept = KEPT.try_acquire().ok();
            let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
            if self.kept.is_none() && !in_view {
                self.engine = None;
            }
        }
    }

    /// The client, once the way is open; `None` when the context is given up.
    async fn client(&mut self) -> Option<kube::Client> {
        let mut line = self.desk.line.clone();
        let line = line.wait_for(|line| line.client.is_some()).await.ok()?;
        line.client.clone()
    }

    /// Waits for a turn; the instance in view has its own at once.
    async fn permit(&mut self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let (background, mut focus) = (self.shared.background.clone(), self.focus.clone());
        let (id, target) = (self.id.clone(), self.target.clone());
        tokio::select! {
            biased;
            _ = focus.wait_for(|focus| is_in_view(focus, &id, &target)) => None,
            permit = background.acquire_owned() => permit.ok(),
        }
    }

    /// Waits for the next round's time, which depends on what is in view, and watches the connection meanwhile.
    async fn wait(&mut self, began: Instant, focused: Duration, background: Duration) {
        let nudges = self.focus.borrow().nudges;
        let mut roster = self.desk.roster.subscribe();
        let (namespace, instance) = (self.id.namespace.clone(), self.target.instance.clone());
        let stirred = roster.borrow().stirred(&namespace, &instance);
        loop {
            let now = self.focus.borrow_and_update().clone();
            let in_view = is_in_view(&now, &self.id, &self.target);
            let due = if in_view { focused } else { background };
            let left = due.saturating_sub(began.elapsed());
            if left.is_zero() || now.nudges != nudges {
                return;
            }
            let restless = async {
                // The guard that a wait returns must be gone before anything else is awaited.
                let waited = roster
                    .wait_for(|roster| roster.stirred(&namespace, &instance) != stirred)
                    .await
                    .is_ok();
                if !waited {
                    std::future::pending::<()>().await;
                }
            };
            let closed = async {
                match &mut self.engine {
                    Some(engine) => engine.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep(left) => return,
                changed = self.focus.changed() => if changed.is_err() {
                    sleep(left).await;
                    return;
                },
                // A role label changed: what the engines say now is what matters.
                () = restless => return,
                () = closed => (self.engine, self.kept) = (None, None),
            }
        }
    }

    /// Every question once, over as many connections as that takes, up to a bound.
    async fn round(&mut self, client: &kube::Client) -> Round {
        let (suspects, mut pending): (Vec<Question>, Vec<Question>) = Question::ALL
            .iter()
            .partition(|q| self.suspects.contains(q));
        pending.extend(suspects);
        let mut heard = false;
        let mut mute = 0;
        for _ in 0..CONNECTIONS {
            let was_open = self.engine.is_some();
            let mut engine = match self.engine.take() {
                Some(engine) => engine,
                None => match self.open(client).await {
                    Ok(engine) => engine,
                    Err(round) => return round,
                },
            };
            let commands: Vec<&str> = pending.iter().map(|q| q.command()).collect();
            let budget = self.desk.pace.probe_deadline;
            let mut answered = 0;
            let ended = engine
                .ask(&commands, budget, |place, reply, took| {
                    answered += 1;
                    if let Some(question) = pending.get(place) {
                        self.suspects.remove(question);
                        self.tell(*question, &reply, took);
                    }
                })
                .await;
            let (place, fault, late) = match ended {
                Ended::Answered => {
                    self.engine = Some(engine);
                    return Round::Heard;
                }
                Ended::Late(place, fault) => (place, fault, true),
                Ended::Broken(place, fault) => (place, fault, false),
            };
            drop(engine);
            // A connection that had been idle may have died of it: that says nothing of the engine, nor of the question.
            let died_idle = was_open && !late && answered == 0;
            // A question at fault: it hung, drew nonsense, or closed a fresh connection where others had answers.
            let at_fault =
                late || fault.kind == FaultKind::Protocol || (answered == 0 && heard && !died_idle);
            pending.drain(..place.min(pending.len()));
            if at_fault && !pending.is_empty() {
                let question = pending.remove(0);
                self.suspects.insert(question);
                self.tell_silent(Some(question), fault.clone());
            }
            heard |= answered > 0;
            if pending.is_empty() {
                break;
            }
            mute += usize::from(answered == 0 && !died_idle);
            if mute >= 2 && !heard {
                self.tell_silent(None, if late { mute_engine(budget) } else { fault });
                break;
            }
        }
        if heard { Round::Heard } else { Round::Silent }
    }

    /// Opens a connection, or tells why there is none.
    async fn open(&mut self, client: &kube::Client) -> Result<Engine, Round> {
        if let Some((fault, rest)) = self.shared.still_forbidden(&self.id.namespace) {
            self.tell_silent(None, fault);
            return Err(Round::Forbidden(rest));
        }
        let deadline = self.desk.pace.connect_deadline;
        let (namespace, pod) = (&self.id.namespace, &self.id.pod);
        let opened = match forward::forward(client, namespace, pod, ADMIN_PORT, deadline).await {
            Ok(way) => {
                self.away = false;
                self.shared.permit(&self.id.namespace);
                Engine::over(way.stream, Some(way.tether), deadline).await
            }
            Err(refusal) => {
                // Either the way is lost, which the heartbeat will tell, or it is not: then this is the engine's silence.
                let away = refusal.code.is_none() && refusal.fault.kind == FaultKind::Unreachable;
                if away && !std::mem::replace(&mut self.away, true) {
                    self.desk.alarm.notify_one();
                    return Err(Round::Away);
                }
                Err(refusal.fault)
            }
        };
        opened.map_err(|fault| {
            let forbidden = fault.kind == FaultKind::Forbidden;
            let rest = forbidden.then(|| {
                let pace = &self.desk.pace;
                self.shared.forbid(&self.id.namespace, &fault, pace)
            });
            self.tell_silent(None, fault);
            rest.map_or(Round::Silent, Round::Forbidden)
        })
    }

    fn tell(&self, question: Question, reply: &Reply, took: Duration) {
        match wire::answer(question, &plain(reply), took) {
            Ok(probe) => self.desk.outlet.send(Fact::Probed {
                node: self.id.clone(),
                uid: self.target.uid.clone(),
                probe,
            }),
            Err(problem) => {
                let kind = match problem {
                    Undecodable::Refused { .. } => FaultKind::Refused,
                    _ => FaultKind::Protocol,
                };
                self.tell_silent(Some(question), Fault::new(kind, problem.to_string()));
            }
        }
    }

    fn tell_silent(&self, question: Option<Question>, fault: Fault) {
        self.desk.outlet.send(Fact::Silent {
            node: self.id.clone(),
            uid: self.target.uid.clone(),
            unanswered: Unanswered { question, fault },
        });
    }
}

impl Shared {
    fn still_forbidden(&self, namespace: &Arc<str>) -> Option<(Fault, Duration)> {
        let forbidden = self.forbidden();
        let denial = forbidden.get(namespace)?;
        (Instant::now() < denial.until).then(|| (denial.fault.clone(), denial.rest))
    }

    /// Notes a refusal, and tells how long to rest. The first few are doubted, as those of standing questions are;
    /// engines that asked at the same time count as one.
    fn forbid(&self, namespace: &Arc<str>, fault: &Fault, pace: &Pace) -> Duration {
        let now = Instant::now();
        let mut forbidden = self.forbidden();
        let before = forbidden.get(namespace);
        if let Some(denial) = before.filter(|denial| now < denial.until) {
            return denial.rest;
        }
        let doubted = before.map_or(0, |denial| denial.doubted);
        let doubt = pace.doubt(doubted);
        let rest = doubt.unwrap_or(REST);
        let denial = Denial {
            fault: fault.clone(),
            doubted: doubted + u32::from(doubt.is_some()),
            rest,
            // A little less than the rest, so that the first to wake asks again.
            until: now + rest / 2,
        };
        forbidden.insert(namespace.clone(), denial);
        rest
    }

    fn permit(&self, namespace: &Arc<str>) {
        self.forbidden().remove(namespace);
    }

    fn forbidden(&self) -> MutexGuard<'_, Forbidden> {
        self.forbidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the next first round waits for its turn, given when those before it would all have begun.
fn turn(through: &mut Option<Instant>, now: Instant) -> Duration {
    let due = through.map_or(now, |through| through.max(now));
    *through = Some(due + APART);
    due.saturating_duration_since(now + APART * AT_ONCE)
}

fn is_in_view(focus: &Focus, id: &NodeId, target: &Target) -> bool {
    focus.instance.as_ref().is_some_and(|instance| {
        instance.context == id.context
            && instance.namespace == id.namespace
            && instance.name == target.instance
    })
}

fn mute_engine(budget: Duration) -> Fault {
    Fault::new(
        FaultKind::Timeout,
        format!(
            "takes connections and answers nothing within {}",
            crate::connect::fault::seconds(budget)
        ),
    )
    .with_hint(
        "the process is frozen or its machine is overloaded: look at the pod and its machine",
    )
}

/// A reply without the client library's types.
fn plain(reply: &Reply) -> wire::Reply {
    match reply {
        Reply::Error(text) => wire::Reply::Error(text.clone()),
        Reply::Value(value) => plain_value(value),
    }
}

fn plain_value(value: &Value) -> wire::Reply {
    match value {
        Value::Int(number) => wire::Reply::Number(*number),
        Value::BulkString(bytes) => wire::Reply::Text(bytes.clone()),
        Value::SimpleString(text) => wire::Reply::Text(text.clone().into_bytes()),
        Value::Okay => wire::Reply::Text(b"OK".to_vec()),
        Value::VerbatimString { text, .. } => wire::Reply::Text(text.clone().into_bytes()),
        Value::Array(values) | Value::Set(values) => {
            wire::Reply::List(values.iter().map(plain_value).collect())
        }
        Value::ServerError(error) => wire::Reply::Error(format!(
            "{} {}",
            error.code(),
            error.details().unwrap_or_default()
        )),
        _ => wire::Reply::Nil,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fleet_is_asked_at_once_and_a_large_one_bit_by_bit() {
        let (mut through, now) = (None, Instant::now());
        let waits: Vec<Duration> = (0..2_000).map(|_| turn(&mut through, now)).collect();
        let at_once = waits.iter().take_while(|wait| wait.is_zero()).count();
        assert_eq!(at_once, AT_ONCE as usize + 1);
        assert_eq!(waits.last(), Some(&(APART * (1_999 - AT_ONCE))));
        // When all of them have long begun, the next ones are let through at once again.
        let later = now + Duration::from_secs(60);
        assert!(turn(&mut through, later).is_zero());
    }
}
