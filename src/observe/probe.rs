//! Asks the engines: for every Dragonfly pod that runs, over a port-forward to its admin port, how it is.
//!
//! The admin port answers in every state and asks for no password. One connection per pod is kept open. All questions
//! of a round go out at once, replies come in order, and each has a budget of its own: a question that hangs (as
//! `INFO replication` does on the target of a takeover) costs the connection, is told as silent, and is asked last from
//! then on, so that it hides no other answer.

mod denials;
pub(super) mod turns;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use redis::Value;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::sleep;

use self::denials::Denials;
use self::turns::{Asked, first_turn, together};
use self::ways::Detour;
use super::backoff::{Backoff, Jitter};
use super::roster::Target;
use super::watch::Desk;
use super::{Focus, Pace};
use crate::connect::forward;
use crate::connect::resp::{Ended, Engine, Heard, Reply};
use crate::domain::engine::{LinkState, Probe, Question, Role, Side, Unanswered, Way};
use crate::domain::{Fact, Fault, FaultKind, NodeId};
use crate::wire::{self, Undecodable};

/// The admin port that the operator gives every Dragonfly, v1.1 to v1.6.
const ADMIN_PORT: u16 = 9999;
/// Connections that one round may use up.
const CONNECTIONS: usize = 4;
/// Connections to engines that the process keeps open between rounds, over all contexts. Each is a file descriptor and
/// some 100 KiB; past them an engine that is not in view is connected to anew for each round. Common limits allow 1,024
/// descriptors, and watches need theirs.
static KEPT: Semaphore = Semaphore::const_new(256);

/// A connection is opened anew after this long, for an instance in view and for others: an address may be another pod's by
/// then, and what an old connection leads to may be gone for everybody else.
const RENEWED_IN_VIEW: Duration = Duration::from_secs(30);
const RENEWED: Duration = Duration::from_secs(120);
/// How much longer one waits for an engine that may only be slow.
const PATIENCE: u32 = 4;
/// In one of so many rounds in which an engine is mute, that patience is had with it.
const PATIENT_ROUNDS: u32 = 6;
/// A question that hangs is asked again after the pause between two rounds in view, then after twice as long, and so on up
/// to this.
const LONGEST_DOUBT: Duration = Duration::from_secs(30);
/// Engines whose links move that are asked at the pace of one in view, over all contexts, and for how long each: what happens
/// in a failover is over before one in the background is asked again.
static HURRIED: Semaphore = Semaphore::const_new(32);
const MOVES: Duration = Duration::from_secs(120);
/// The same after a role was given or taken in its instance, whatever its links say.
const SETTLES: Duration = Duration::from_secs(20);
/// Rounds in the background after which what hardly ever changes is asked again: five minutes.
const SELDOM: u32 = 30;
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

    /// Its links are moving, or may be: what it says now is soon not so.
    fn is_hurried(&self) -> bool {
        let within = |since: Option<Instant>, most| since.is_some_and(|at| at.elapsed() < most);
        within(self.moves, MOVES) || within(self.stirred, SETTLES)
    }

    /// Waits until the first round may begin; the instance in view waits for nobody.
    async fn take_turn(&mut self) {
        let wait = first_turn();
        if wait.is_zero() {
            return;
        }
        let (id, target) = (self.id.clone(), self.target.clone());
        tokio::select! {
            _ = self.focus.wait_for(|focus| is_in_view(focus, &id, &target)) => {}
            () = sleep(wait) => {}
        }
    }

    /// Gives up a connection that is old: what it leads to may long be what nobody else finds under the pod's name any
    /// more.
    fn renew(&mut self) {
        let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
        let most = match in_view {
            true => RENEWED_IN_VIEW,
            false => RENEWED,
        };
        let most = self.jitter.about(most);
        if self.opened.is_some_and(|opened| opened.elapsed() >= most) {
            (self.engine, self.kept) = (None, None);
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
        let is_curious = self.role == Some(Role::Master) && self.asked_list.is_none() && !self.slow;
        loop {
            let now = self.focus.borrow_and_update().clone();
            let in_view = is_in_view(&now, &self.id, &self.target);
            let due = if in_view { focused } else { background };
            let left = due.saturating_sub(began.elapsed());
            let rest = if in_view { left } else { together(left) };
            if self.engine.is_some()
                && self.asked_list.is_none()
                && is_listed(&now, &self.id, &self.target)
            {
                return;
            }
            if now.nudges != nudges {
                // Somebody wants to see it now, and all of it, as whoever comes anew would.
                (self.asked_in_view, self.asked_list) = (None, None);
                (self.engine, self.kept) = (None, None);
                self.doubt_no_more();
                return;
            }
            if left.is_zero() {
                return;
            }
            let restless = async {
                // The guard that a wait returns must be gone before anything else is awaited.
                let waited = roster
                    .wait_for(|roster| {
                        roster.stirred(&namespace, &instance) != stirred
                            || roster.is_troubled(&namespace, &instance) && is_curious
                    })
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
                () = sleep(rest) => return,
                changed = self.focus.changed() => if changed.is_err() {
                    sleep(rest).await;
                    return;
                },
                // A role label changed, or another node is in trouble: what the engines say now is what matters.
                () = restless => {
                    self.stirred = Some(Instant::now());
                    self.doubt_no_more();
                    return;
                }
                () = closed => (self.engine, self.kept) = (None, None),
            }
        }
    }

    /// What to ask in this round: the standing questions in each; those for an instance in view, and CLIENT LIST of a
    /// replica, no more often than an engine in the background is asked at all.
    fn questions(&mut self) -> Vec<Question> {
        let now = Instant::now();
        let every = self.desk.pace.probe_background.mul_f64(0.9);
        let is_due = |last: Option<Instant>| last.is_none_or(|last| now - last >= every);
        let mut questions = Question::STANDING.to_vec();
        let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
        if in_view && is_due(self.asked_in_view) {
            questions.extend(Question::IN_VIEW);
            (self.asked_in_view, self.asked_list) = (Some(now), Some(now));
            self.asked_seldom = Some(now);
        } else if !in_view && self.rounds == 0 {
            // A whole fleet that is opened is asked for its clocks, but not for its settings at once.
            match self.desk.pace.settings_first {
                true => {
                    questions.extend(Question::SELDOM);
                    self.asked_seldom = Some(now);
                }
                false => questions.push(Question::Time),
            }
        } else if !in_view
            && self
                .asked_seldom
                .is_none_or(|last| now - last >= every * SELDOM)
        {
            questions.extend(Question::SELDOM);
            self.asked_seldom = Some(now);
        }
        self.rounds = self.rounds.saturating_add(1);
        let is_listed = is_listed(&self.focus.borrow(), &self.id, &self.target);
        let wants_list = self.role == Some(Role::Replica) || is_listed || self.is_in_trouble();
        if !in_view && wants_list && is_due(self.asked_list) {
            questions.push(Question::ClientList);
            self.asked_list = Some(now);
        }
        questions
    }

    /// A node of its instance is in trouble: its own CLIENT LIST may tell why, as that of a master does whose takeover is
    /// held up.
    fn is_in_trouble(&self) -> bool {
        let (namespace, instance) = (&self.id.namespace, &self.target.instance);
        self.desk.roster.borrow().is_troubled(namespace, instance)
    }

    /// CLIENT LIST was never asked and is called for, by what this round told: it is not left to a later one.
    fn wants_list(&self) -> bool {
        self.asked_list.is_none()
            && match self.role {
                Some(Role::Replica) => self.is_cut,
                Some(Role::Master) => self.is_in_trouble(),
                _ => false,
            }
    }

    /// Tells the others of its instance whether it is in trouble, when that is news.
    fn tell_trouble(&self) {
        let (namespace, pod) = (&self.id.namespace, &self.id.pod);
        self.desk
            .roster
            .send_if_modified(|roster| roster.trouble(namespace, pod, self.troubled));
    }

    /// One round: all questions, or few with more patience where it is known to answer late.
    async fn round(&mut self, client: &kube::Client) -> Round {
        if std::mem::take(&mut self.slow) {
            return match self.patiently(client).await {
                true => Round::Heard,
                false => {
                    self.tell_silent(None, mute_engine(self.desk.pace.probe_deadline * PATIENCE));
                    Round::Silent
                }
            };
        }
        self.mute = self.mute.saturating_add(1);
        let round = self.whole_round(client).await;
        if !matches!(round, Round::Silent) || !std::mem::take(&mut self.timed_out) {
            self.mute = 0;
            return round;
        }
        // Frozen or slow? Only more patience tells, and that is not asked of every round.
        match self.mute % PATIENT_ROUNDS == 1 && self.patiently(client).await {
            true => Round::Heard,
            false => round,
        }
    }

    /// Asks whether it lives and what it is, with more patience than for a whole round. Tells whether it answered.
    async fn patiently(&mut self, client: &kube::Client) -> bool {
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => match self.open(client).await {
                Ok(engine) => engine,
                Err(_) => return false,
            },
        };
        let usual = self.desk.pace.probe_deadline;
        let mut late = None;
        // One after the other: replies to what is sent at once may come together, when the last of them is ready.
        for question in [Question::Ping, Question::Replication] {
            let ended = engine
                .ask(&[question.command()], usual * PATIENCE, |heard| {
                    if let Heard::Reply(_, reply, took) = heard {
                        late.get_or_insert(took >= usual);
                        self.suspects.remove(&question);
                        self.tell(question, &reply, took);
                    }
                })
                .await;
            self.announce();
            if !matches!(ended, Ended::Answered) {
                self.slow = late == Some(true);
                return late.is_some();
            }
        }
        self.engine = Some(engine);
        self.slow = late == Some(true);
        true
    }

    /// Every question of the round once, over as many connections as that takes, up to a bound.
    async fn whole_round(&mut self, client: &kube::Client) -> Round {
        let now = Instant::now();
        let (suspects, mut pending): (Vec<Question>, Vec<Question>) = self
            .questions()
            .into_iter()
            .partition(|q| self.suspects.contains_key(q));
        for question in suspects {
            match self.suspects.get(&question) {
                // Not asked now, and not answered either.
                Some(suspect) if suspect.next > now => self.troubled |= question.is_standing(),
                _ => pending.push(question),
            }
        }
        let mut heard = false;
        let mut mute = 0;
        for _ in 0..CONNECTIONS {
            let was_open = self.engine.is_some();
            let mut engine = match self.engine.take() {
                Some(engine) => engine,
                None => match self.open(client).await {
                    Ok(engine) => engine,
                    Err(NoWay::Forbidden(fault, rest)) => {
                        return self.detour(client, fault, rest).await;
                    }
                    Err(NoWay::Silent) => return Round::Silent,
                    Err(NoWay::Away) => return Round::Away,
                },
            };
            let commands: Vec<&str> = pending.iter().map(|q| q.command()).collect();
            let budget = self.desk.pace.probe_deadline;
            let mut answered = 0;
            let ended = engine
                .ask(&commands, budget, |heard| match heard {
                    Heard::Reply(place, reply, took) => {
                        answered += 1;
                        if let Some(question) = pending.get(place) {
                            self.suspects.remove(question);
                            self.tell(*question, &reply, took);
                        }
                    }
                    Heard::Pause => self.announce(),
                })
                .await;
            self.announce();
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
                self.suspect(question);
                self.tell_silent(Some(question), fault.clone());
            }
            heard |= answered > 0;
            if pending.is_empty() {
                break;
            }
            mute += usize::from(answered == 0 && !died_idle);
            if mute >= 2 && !heard {
                self.tell_silent(None, if late { mute_engine(budget) } else { fault });
                self.timed_out = late;
                break;
            }
        }
        if heard {
            return Round::Heard;
        }
        // A mute engine is given time as a whole.
        self.doubt_no_more();
        Round::Silent
    }

    /// Notes that a question hung, and when it is asked again.
    fn suspect(&mut self, question: Question) {
        let now = Instant::now();
        let first = self.desk.pace.probe_focused;
        let suspect = self.suspects.entry(question).or_insert(Suspect {
            times: 0,
            next: now,
        });
        // The first time it may have been bad luck: the next round asks it too.
        let times = 2_u32.saturating_pow(suspect.times).saturating_sub(1);
        let pause = first.saturating_mul(times);
        suspect.times = suspect.times.saturating_add(1);
        suspect.next = now + pause.min(LONGEST_DOUBT);
    }

    /// Something has changed: every question is asked in the next round.
    fn doubt_no_more(&mut self) {
        let now = Instant::now();
        for suspect in self.suspects.values_mut() {
            suspect.next = now;
        }
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

    /// What has come of a round is judged together.
    fn announce(&mut self) {
        if std::mem::take(&mut self.told) {
            self.desk.outlet.announce();
        }
    }

    /// Puts in what a reply says, for [`Self::announce`] to follow.
    fn tell(&mut self, question: Question, reply: &Reply, took: Duration) {
        match wire::answer(question, &plain(reply), took) {
            Ok(probe) => {
                self.note_role(&probe);
                self.told = true;
                self.desk.outlet.put(Fact::Probed {
                    node: self.id.clone(),
                    uid: self.target.uid.clone(),
                    probe,
                });
            }
            Err(problem) => {
                let kind = match problem {
                    Undecodable::Refused { .. } => FaultKind::Refused,
                    _ => FaultKind::Protocol,
                };
                self.tell_silent(Some(question), Fault::new(kind, problem.to_string()));
            }
        }
    }

    /// Tells how a way went, when that is news.
    fn tell_way(&mut self, way: Way, fault: Option<&Fault>) {
        let told = fault.map(|fault| fault.kind);
        if self.ways.insert(way, told) != Some(told) {
            self.desk.outlet.send(Fact::Tried {
                node: self.id.clone(),
                uid: self.target.uid.clone(),
                way,
                fault: fault.cloned(),
            });
        }
    }

    /// When it took another role, the others of its instance are asked at once: two that both act as master must not be
    /// told ten seconds late, nor the old one's last word be held against the new one for as long.
    fn note_role(&mut self, probe: &Probe) {
        if let Probe::Replication(replication) = probe {
            self.is_cut = match &replication.side {
                Side::Replica(follower) => !follower.link_up,
                Side::Master { .. } => false,
            };
            let moves = match &replication.side {
                Side::Replica(follower) => !follower.claims_sync(),
                Side::Master { replicas, .. } => {
                    replicas.iter().any(|line| line.state != LinkState::Online)
                }
            };
            self.moves = moves.then(|| self.moves.unwrap_or_else(Instant::now));
        }
        let Some(role) = (match probe {
            Probe::Replication(replication) => Some(replication.role()),
            Probe::Role(reply) => Some(reply.role()),
            _ => None,
        }) else {
            return;
        };
        if self.role.replace(role).is_some_and(|before| before != role) {
            let (namespace, instance) = (&self.id.namespace, &self.target.instance);
            self.desk
                .roster
                .send_modify(|roster| roster.stir(namespace, instance));
        }
    }

    fn tell_silent(&mut self, question: Option<Question>, fault: Fault) {
        // What one may not ask says nothing of the engine.
        self.troubled |=
            question.is_none_or(Question::is_standing) && fault.kind != FaultKind::Forbidden;
        self.desk.outlet.send(Fact::Silent {
            node: self.id.clone(),
            uid: self.target.uid.clone(),
            unanswered: Unanswered { question, fault },
        });
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

/// Whether its port takes connections is not known: a port-forward opens before the port is dialled, and tells of that only
/// when it fails.
fn mute_engine(budget: Duration) -> Fault {
    Fault::new(
        FaultKind::Timeout,
        format!(
            "a port-forward to it opens, and nothing is answered within {}",
            crate::connect::fault::seconds(budget)
        ),
    )
    .with_hint(
        "the process is frozen or its machine is overloaded: look at the pod and its machine",
    )
}

/// A reply without the client library's types.
pub(super) fn plain(reply: &Reply) -> wire::Reply {
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
