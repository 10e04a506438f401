//! What a check is asked about, gathered once per judgement: the subject's facts, and which of them are believed now.

use jiff::{SignedDuration, Timestamp};

use super::{Check, Finding, Limits, Severity, Since, Situation, Subject};
use crate::domain::engine::{Follower, Question, Replication, Role, Side};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::object::{Container, ContainerState};
use crate::domain::world::{ContextWorld, EngineRecord, Known, Source};
use crate::domain::{Access, InstanceView, Kind, Master, NodeView, World};

/// A subject with its facts, at a moment.
pub struct Case<'a> {
    /// All facts.
    pub world: &'a World,
    /// About what.
    pub subject: &'a Subject,
    /// Bounds.
    pub limits: &'a Limits,
    /// The moment of judgement.
    pub now: Timestamp,
    /// The subject's context.
    pub context: &'a ContextWorld,
    /// The subject, if it is an instance.
    pub instance: Option<Instance<'a>>,
}

/// An instance, with what is believed of it.
pub struct Instance<'a> {
    /// All that belongs to it.
    pub view: InstanceView<'a>,
    /// Its nodes, by ordinal.
    pub nodes: Vec<Node<'a>>,
    /// Its pods are being followed, so that an absent one is absent.
    pub pods_known: bool,
    /// Ready endpoints of the master Service; `None` while they are not being followed.
    pub endpoints: Option<Vec<String>>,
    /// While it is young enough to be in the making, and nothing of it was changed or lost since, until when.
    pub young_until: Option<Timestamp>,
}

/// A node, with what is believed of it.
pub struct Node<'a> {
    /// Its facts.
    pub view: NodeView<'a>,
    /// What its engine says of its role, if that is believed.
    pub word: Word<'a>,
    /// INFO replication, if that is believed.
    pub replication: Option<Known<&'a Replication>>,
    /// It is loading: its own snapshot, or its master's data during a full sync.
    pub loading: bool,
    /// While its container is young enough to be starting, until when.
    pub young_until: Option<Timestamp>,
    /// It is not ready, or became so a few seconds ago.
    pub newly_ready: bool,
    /// Another node took over from it: it still says role:master, was asked since, and is seen to be locked. It takes no
    /// writes, so it acts as master no more.
    pub taken_over: bool,
}

/// What an engine says of its own role.
#[derive(Debug, Clone, PartialEq)]
pub enum Word<'a> {
    /// It said so lately.
    Says {
        /// The role.
        role: Role,
        /// When it said so.
        at: Timestamp,
        /// From when on that is not believed any more, unless it is said again.
        until: Timestamp,
    },
    /// It has not said so lately, or never.
    Silent {
        /// What it said last.
        last: Option<Known<Role>>,
        /// The question that is not answered, and why; `None` when it was simply not heard.
        why: Option<(Option<Question>, &'a Fault)>,
        /// Since when; `None` when it was never asked.
        since: Option<Timestamp>,
    },
}

impl<'a> Case<'a> {
    /// Gathers a subject's facts; `None` when its context was never opened.
    pub fn of(
        world: &'a World,
        subject: &'a Subject,
        limits: &'a Limits,
        now: Timestamp,
    ) -> Option<Self> {
        let context = world.context(subject.context())?;
        let instance = match subject {
            Subject::Instance(id) => {
                InstanceView::of(context, id).map(|view| Instance::of(view, limits, now))
            }
            Subject::Context(_) | Subject::Operator(_) | Subject::Consumer(_) => None,
        };
        Some(Self {
            world,
            subject,
            limits,
            now,
            context,
            instance,
        })
    }

    /// The instance, if its pods are being followed: without that, nothing about it can be told.
    pub fn judgeable(&self) -> Option<&Instance<'a>> {
        self.instance.as_ref().filter(|i| i.pods_known)
    }

    /// A finding about the subject, seen now: the situation gives its state (a worse one where the finding is critical), its
    /// word and what it means, the check what to do next.
    pub fn finding(
        &self,
        check: &Check,
        situation: &'static Situation,
        severity: Severity,
        sentence: impl Into<String>,
    ) -> Finding {
        Finding {
            check: check.id,
            situation,
            short: situation.word.to_owned(),
            subject: self.subject.clone(),
            severity,
            state: severity.class(situation.class),
            sentence: sentence.into(),
            meaning: situation.meaning.to_owned(),
            next: check.next.to_owned(),
            evidence: Vec::new(),
            since: Since::Seen(self.now),
            about: Vec::new(),
            covers: Vec::new(),
            manifest: None,
        }
    }

    /// Exactly since that moment of *our* clock. What the cluster dates stands as it is written: where its clock is
    /// wrong, judging puts all of it right at once (see [`super::judge`]).
    pub fn exactly(&self, ours: Timestamp) -> Since {
        Since::Exactly(self.context.by_its_clock(ours))
    }

    /// Some seconds after a moment, if that is still to come.
    pub fn still(&self, from: Timestamp, seconds: i64) -> Option<Timestamp> {
        Some(later(from, seconds)).filter(|until| *until > self.now)
    }

    /// Until when a node that last called itself master is only believed to: another became master after it was last
    /// asked, and nobody has asked it since. It is asked at once then, so this is short; and one that called itself master
    /// after the other was labelled has been asked.
    pub fn superseded_until(&self, old: &Node<'_>, masters: &[&Node<'_>]) -> Option<Timestamp> {
        let Word::Says { at, until, .. } = old.word else {
            return None;
        };
        masters
            .iter()
            .filter(|new| new.name() != old.name())
            .filter_map(|new| {
                let turned = new.view.engine.and_then(|e| e.role_changed)?;
                let labelled = new
                    .view
                    .relabelled
                    .filter(|_| new.view.label_role() == Some(Role::Master));
                let was_asked = turned <= at || labelled.is_some_and(|labelled| labelled <= at);
                (!was_asked)
                    .then(|| self.still(turned, self.limits.settling))
                    .flatten()
            })
            .max()
            .map(|settled| settled.min(until))
    }

    /// Nodes that act as master now: believed masters, but for those that another has taken over from.
    pub fn acting(&self, instance: &Instance<'a>) -> Vec<String> {
        let masters = instance.masters();
        masters
            .iter()
            .filter(|old| self.superseded_until(old, &masters).is_none())
            .map(|node| node.name().to_owned())
            .collect()
    }

    /// Who acts as master, in one word with the state that the checks come to.
    pub fn master(&self) -> Master {
        let Some(instance) = &self.instance else {
            return Master::Unknown;
        };
        let acting = self.acting(instance);
        match acting.as_slice() {
            [one] => return Master::One(one.clone()),
            [_, _, ..] => return Master::Contested(acting),
            [] => {}
        }
        let labelled = |is: &dyn Fn(&Node<'_>) -> bool| {
            let mut named = instance
                .nodes
                .iter()
                .filter(|n| n.view.label_role() == Some(Role::Master) && n.runs() && is(n));
            match (named.next(), named.next()) {
                (Some(one), None) => Some(Master::Labelled(one.name().to_owned())),
                _ => None,
            }
        };
        if let Some(coming) = labelled(&|n| !n.is_going() && self.unsettled_until(n).is_some()) {
            return coming;
        }
        let nowhere = instance.endpoints.as_deref() == Some(&[]);
        let unheard = instance.nodes.iter().any(Node::might_be_master);
        if instance.pods_known && instance.young_until.is_none() && (nowhere || !unheard) {
            return Master::None;
        }
        labelled(&|n| matches!(n.word, Word::Silent { .. })).unwrap_or(Master::Unknown)
    }

    /// Until when a disagreement about a node's role may be nothing but a role change on its way: shortly after label
    /// or engine changed, and until the engine was asked again after the label changed.
    pub fn unsettled_until(&self, node: &Node<'_>) -> Option<Timestamp> {
        let turned = node.view.engine.and_then(|e| e.role_changed);
        let relabelled = node.view.relabelled;
        let settling = [turned, relabelled]
            .into_iter()
            .flatten()
            .max()
            .and_then(|at| self.still(at, self.limits.settling));
        let unasked = match (&node.word, relabelled) {
            (Word::Says { at, until, .. }, Some(relabelled)) if *at < relabelled => Some(*until),
            _ => None,
        };
        settling.max(unasked)
    }
}

impl<'a> Instance<'a> {
    fn of(view: InstanceView<'a>, limits: &Limits, now: Timestamp) -> Self {
        let namespace = &*view.id.namespace;
        let trusted = |kind| {
            let source = view.context.source(kind, namespace);
            source.is_some_and(|source| is_followed(source, limits, now))
        };
        let nodes: Vec<Node<'a>> = view
            .nodes
            .iter()
            .map(|node| Node::of(view.context, node.clone(), limits, now))
            .collect();
        let nodes = with_taken_over(nodes, now);
        let born = view
            .dragonfly
            .value
            .meta
            .created
            .map(|at| view.context.by_our_clock(at));
        Self {
            pods_known: trusted(Kind::Pod),
            endpoints: trusted(Kind::EndpointSlice).then(|| view.endpoints()),
            young_until: is_first_made(&view)
                .then(|| young_until(born.unwrap_or(view.dragonfly.first_seen), limits, now))
                .flatten(),
            nodes,
            view,
        }
    }

    /// Nodes whose engines run and are believed to be masters, but for those that are starting, and those that nobody
    /// has claimed yet while another is master. A pod that is being deleted counts for as long as its engine answers.
    pub fn masters(&self) -> Vec<&Node<'a>> {
        let (unclaimed, claimed): (Vec<_>, Vec<_>) = self
            .nodes
            .iter()
            .filter(|n| n.says(Role::Master) && n.runs() && !n.is_starting() && !n.taken_over)
            .partition(|n| n.is_unclaimed());
        match claimed.is_empty() {
            true => unclaimed,
            false => claimed,
        }
    }

    /// The one believed master, if there is exactly one.
    pub fn master(&self) -> Option<&Node<'a>> {
        match self.masters().as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The node of that pod name.
    pub fn node(&self, pod: &str) -> Option<&Node<'a>> {
        self.nodes.iter().find(|n| n.name() == pod)
    }

    /// The node of that address.
    pub fn node_at(&self, ip: &str) -> Option<&Node<'a>> {
        self.nodes.iter().find(|n| n.view.ip() == Some(ip))
    }

    /// Where the Service sends traffic, in words: `the Service sends to a`.
    pub fn endpoints_words(&self) -> String {
        match self.endpoints.as_deref() {
            None => "where the Service sends traffic cannot be told".to_owned(),
            Some([]) => "the Service sends nowhere".to_owned(),
            Some(some) => format!("the Service sends to {}", super::words::list(some)),
        }
    }

    /// When what the Service's endpoints say was last told anew.
    pub fn endpoints_at(&self) -> Option<Timestamp> {
        self.view.slices.iter().map(|slice| slice.changed).max()
    }

    /// Pods wanted; where nobody says, as many as there are.
    pub fn wanted(&self) -> usize {
        self.view
            .wanted()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(self.nodes.len())
    }
}

impl<'a> Node<'a> {
    fn of(context: &ContextWorld, view: NodeView<'a>, limits: &Limits, now: Timestamp) -> Self {
        let word = word(&view, limits, now);
        let replication = view.engine.and_then(|engine| {
            let known = engine.replication.as_ref()?;
            let silence = [None, Some(Question::Replication)]
                .iter()
                .find_map(|q| engine.silent.get(q));
            (believed_until(known.at, silence.map(|(fault, _)| fault), limits) > now).then_some(
                Known {
                    value: &known.value,
                    at: known.at,
                },
            )
        });
        let ready_since = view
            .pod
            .value
            .condition("Ready")
            .and_then(|ready| ready.since);
        let is_new =
            ready_since.is_some_and(|at| later(context.by_our_clock(at), limits.settling) > now);
        let mut node = Self {
            loading: is_loading(&view),
            newly_ready: is_new || !view.pod.value.is_ready(),
            view,
            word,
            replication,
            young_until: None,
            taken_over: false,
        };
        node.young_until = match node.container().map(|c| &c.state) {
            Some(ContainerState::Running { since: Some(since) }) => {
                young_until(context.by_our_clock(*since), limits, now)
            }
            _ => young_until(
                node.view
                    .pod
                    .value
                    .meta
                    .created
                    .map_or(node.view.pod.first_seen, |at| context.by_our_clock(at)),
                limits,
                now,
            ),
        };
        node
    }

    /// The pod's name.
    pub fn name(&self) -> &'a str {
        &self.view.pod.value.meta.name
    }

    /// The engine's container.
    pub fn container(&self) -> Option<&'a Container> {
        self.view.pod.value.container("dragonfly")
    }

    /// Its engine is believed to have that role.
    pub fn says(&self, role: Role) -> bool {
        matches!(&self.word, Word::Says { role: said, .. } if *said == role)
    }

    /// Its deletion was asked for.
    pub fn is_going(&self) -> bool {
        self.view.pod.value.meta.deleting.is_some()
    }

    /// Kubernetes calls it ready, and it is to stay.
    pub fn is_ready(&self) -> bool {
        self.view.pod.value.is_ready() && !self.is_going()
    }

    /// Its engine's process runs, as far as the kubelet says.
    pub fn runs(&self) -> bool {
        match self.container().map(|c| &c.state) {
            Some(ContainerState::Running { .. }) => true,
            Some(ContainerState::Unreported) | None => self.view.pod.value.phase == "Running",
            Some(ContainerState::Waiting { .. } | ContainerState::Ended(_)) => false,
        }
    }

    /// It could be acting as a master without our knowing: its process runs, but is not heard.
    pub fn might_be_master(&self) -> bool {
        matches!(self.word, Word::Silent { .. }) && self.runs() && !self.is_going()
    }

    /// An engine starts as a master of its own, empty, until the operator makes it a replica. While its container is
    /// young or still loads, nobody calls it master, nobody follows it and no traffic is sent to it, that is what it is.
    /// One that was a replica in this same run has been promoted, and one that lost its label had a role before: these
    /// are not starting, unless it lost its label because its process ended: it was not ready since, or only now, and has
    /// served nobody in this run.
    pub fn is_starting(&self) -> bool {
        let promoted = self.view.pod.value.restarts() == 0
            && self.view.engine.is_some_and(|e| e.role_changed.is_some());
        let unlabelled = match self.view.label_role() {
            Some(Role::Master) => return false,
            Some(Role::Replica) => false,
            None => self.view.relabelled.is_some() && !self.newly_ready,
        };
        (self.young_until.is_some() || self.loading)
            && self.says(Role::Master)
            && !self.view.is_endpoint
            && !promoted
            && !unlabelled
            && self.followers() == 0
    }

    /// A master that nobody has given a role, and that has nothing: a new pod whose operator does not come. It is empty,
    /// nobody sends to it or follows it, and its pod had no role label as long as we watch: it has taken no writes, so it
    /// is no second data set, however long it waits.
    fn is_unclaimed(&self) -> bool {
        let keys = self.view.engine.and_then(|e| e.keyspace.as_ref());
        self.view.label_role().is_none()
            && self.view.relabelled.is_none()
            && !self.view.is_endpoint
            && self.followers() == 0
            && keys.is_some_and(|known| known.value.keys == 0)
    }

    /// Number of replicas that it lists as a master.
    fn followers(&self) -> usize {
        match self.replication.as_ref().map(|k| &k.value.side) {
            Some(Side::Master { replicas, .. }) => replicas.len(),
            _ => 0,
        }
    }

    /// Its half of the replication link, if it is believed to be a replica.
    pub fn follower(&self) -> Option<&'a Follower> {
        match &self.replication.as_ref()?.value.side {
            Side::Replica(follower) if self.says(Role::Replica) => Some(follower),
            _ => None,
        }
    }

    /// What its engine told to that question, while that is believed: the question is not unanswered since, nor the
    /// answer too old.
    pub fn told<T>(
        &self,
        case: &Case<'_>,
        question: Question,
        of: impl Fn(&'a EngineRecord) -> Option<&'a Known<T>>,
    ) -> Option<&'a Known<T>> {
        let engine = self.view.engine_on(question)?;
        of(engine).filter(|known| later(known.at, case.limits.silent_after) > case.now)
    }

    /// Clients are sent to it, or would be: the Service's endpoint, or a believed master that is not just starting.
    pub fn serves(&self) -> bool {
        self.view.is_endpoint || (self.says(Role::Master) && self.runs() && !self.is_starting())
    }

    /// `master_replid`, if it is believed.
    pub fn replid(&self) -> Option<&'a str> {
        self.replication.as_ref()?.value.replid.as_deref()
    }
}

/// Marks masters that are locked while another one is not: what was taken over is known by the lock alone, since an old
/// master that lost its network lists its former replica for a while too, and goes on taking writes.
fn with_taken_over<'a>(mut nodes: Vec<Node<'a>>, now: Timestamp) -> Vec<Node<'a>> {
    let locked: Vec<bool> = nodes
        .iter()
        .map(|n| n.says(Role::Master) && super::takeover::lock(&n.view, now).is_some())
        .collect();
    let turned = nodes
        .iter()
        .zip(&locked)
        .filter(|(n, locked)| {
            n.says(Role::Master) && n.runs() && !n.is_going() && !n.is_starting() && !**locked
        })
        .map(|(n, _)| n.view.engine.and_then(|e| e.role_changed))
        .collect::<Vec<_>>();
    for (node, locked) in nodes.iter_mut().zip(locked) {
        let Word::Says { at, .. } = node.word else {
            continue;
        };
        node.taken_over = locked
            && turned
                .iter()
                .any(|turned| turned.is_none_or(|turned| turned <= at));
    }
    nodes
}

/// What a standing question told is still being followed. A short break is none: a watch is opened anew now and then.
pub fn is_followed(source: &Source, limits: &Limits, now: Timestamp) -> bool {
    source.listed.is_some()
        && match &source.access {
            Some(Access::Live) | None => true,
            Some(Access::Broken(_)) => later(source.since, limits.settling) > now,
            Some(Access::Denied(_) | Access::Absent) => false,
        }
}

/// The later of PING and INFO persistence tells; a node that does not answer is not known to load.
fn is_loading(node: &NodeView<'_>) -> bool {
    node.engine
        .is_some_and(|engine| engine.speaks() && engine.loads())
}

fn word<'a>(node: &NodeView<'a>, limits: &Limits, now: Timestamp) -> Word<'a> {
    let Some(engine) = node.engine else {
        return Word::Silent {
            last: None,
            why: None,
            since: None,
        };
    };
    let silence = engine.role_silence();
    let last = engine.engine_role();
    match last {
        Some(Known { value: role, at }) => {
            let until = believed_until(at, silence.map(|(_, fault, _)| fault), limits);
            if until > now {
                Word::Says { role, at, until }
            } else {
                Word::Silent {
                    last: Some(Known { value: role, at }),
                    why: silence.map(|(question, fault, _)| (question, fault)),
                    since: Some(silence.map_or(at, |(_, _, since)| since)),
                }
            }
        }
        None => Word::Silent {
            last: None,
            why: silence.map(|(question, fault, _)| (question, fault)),
            since: silence.map(|(_, _, since)| since),
        },
    }
}

/// Until when an answer is believed, given what came of the question after it.
fn believed_until(at: Timestamp, silence: Option<&Fault>, limits: &Limits) -> Timestamp {
    match silence.map(|fault| fault.kind) {
        None => later(at, limits.silent_after),
        Some(FaultKind::Forbidden) => at,
        Some(_) => later(at, limits.patience.min(limits.silent_after)),
    }
}

/// Until when something that began at that moment is young; a beginning in the future is a clock that differs, not age.
/// Whether its pods are made for the first time, as far as its objects tell: nobody has changed what is wanted, and no pod
/// goes, was started again, or was made anew after one of a higher number.
fn is_first_made(view: &InstanceView<'_>) -> bool {
    let pods = || view.nodes.iter().map(|node| &node.pod.value.meta);
    let restarted = |node: &NodeView<'_>| node.pod.value.restarts() > 0;
    view.dragonfly.value.meta.generation <= 1
        && !view.nodes.iter().any(restarted)
        && pods().all(|pod| pod.deleting.is_none())
        && pods().map(|pod| pod.created).is_sorted()
}

fn young_until(began: Timestamp, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
    Some(later(began, limits.grace))
        .filter(|until| *until > now && *until <= later(now, limits.grace + CLOCKS_DIFFER))
}

/// Clocks of machines differ by less than this, seconds; more is a mistake that must not hide illness.
const CLOCKS_DIFFER: i64 = 60;

/// Some seconds after a moment.
pub fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
