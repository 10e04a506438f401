//! A day of facts, replayed as fast as possible: does memory stay as it was after the first hour? `cargo bench --bench day`;
//! `-- --hours 3` takes a shorter day.
//!
//! The pure rooms and the inbox before them, without a terminal, a network or a lab: 66 instances with 198 pods in two
//! contexts, asked as the console asks (each every ten seconds, the one in view every two), with everything that comes and
//! goes in a day: Leases are renewed, events appear under names of their own and (in one context) never go, engines fall
//! silent for reasons that never repeat, roles change, a context is lost and found, each hour all pods are replaced by pods
//! with other uids and a quarter of the instances by instances with other names, and somebody walks through the screens.
//!
//! Live bytes are what the allocator has given out and not got back; resident is what the system counts, with what the
//! allocator keeps for itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// An allocator that counts cannot be written without it; what it does, it lets the system's allocator do.
#![allow(unsafe_code)]

#[path = "../tests/it/screens/world.rs"]
#[allow(dead_code)]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use darner::domain::data_port::{DataPort, Found, Stage};
use darner::domain::engine::*;
use darner::domain::log::LogLine;
use darner::domain::object::Lease;
use darner::domain::want::VolumeUse;
use darner::domain::*;
use darner::msg::{Effect, Msg};
use darner::observe::{Inbox, Outlet, inbox};
use darner::wire::{self, Reply};
use world::*;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONTEXTS: [&str; 2] = ["infra", "apps"];
const INSTANCES: usize = 33;
/// Seconds between two rounds of an instance in view; others are asked every fifth time.
const STEP: i64 = 2;
const BACKGROUND: u64 = 5;
const HOUR: u64 = 3_600 / STEP as u64;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let hours = args
        .iter()
        .position(|arg| arg == "--hours")
        .and_then(|at| args.get(at + 1)?.parse().ok())
        .unwrap_or(24);
    let mut day = Day::new();
    let (mut first, mut last) = (0, 0);
    println!("hour   live MiB  blocks  resident MiB  facts so far  findings  seconds");
    for hour in 1..=hours {
        let begun = Instant::now();
        for _ in 0..HOUR {
            day.step();
        }
        last = LIVE.load(Ordering::Relaxed);
        first = if hour == 1 { last } else { first };
        println!(
            "{hour:4} {:10.2} {:7} {:13.1} {:13} {:9} {:8.1}",
            mib(last),
            BLOCKS.load(Ordering::Relaxed),
            resident(),
            day.told,
            day.story
                .state
                .board()
                .attention(day.story.state.world())
                .len(),
            begun.elapsed().as_secs_f64()
        );
    }
    println!(
        "live after hour 1: {:.2} MiB, after hour {hours}: {:.2} MiB ({:+.1} %)",
        mib(first),
        mib(last),
        (last as f64 / first as f64 - 1.0) * 100.0
    );
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(f64::NAN);
    kib / 1_024.0
}

/// An instance, and how often its pods were replaced.
struct Instance {
    db: Db,
    context: &'static str,
    generation: u64,
}

struct Day {
    story: Story,
    outlet: Outlet,
    inbox: Inbox,
    instances: Vec<Instance>,
    /// Events that go after an hour.
    events: VecDeque<Fact>,
    wanted: BTreeSet<Want>,
    watched: Option<InstanceId>,
    /// What an engine in view is asked besides, as recorded.
    in_view: Vec<Probe>,
    steps: u64,
    made: u64,
    told: u64,
}

impl Day {
    fn new() -> Self {
        let (outlet, inbox) = inbox();
        let mut day = Self {
            story: Story::new(160, 50),
            outlet,
            inbox,
            instances: Vec::new(),
            events: VecDeque::new(),
            wanted: BTreeSet::new(),
            watched: None,
            in_view: recorded(),
            steps: 0,
            made: 0,
            told: 0,
        };
        for context in CONTEXTS {
            day.tell([opened(context), live(context, 12)]);
            for _ in 0..INSTANCES {
                let instance = day.born(context);
                day.instances.push(instance);
            }
        }
        day.list();
        day
    }

    /// An instance of a name that was never there before.
    fn born(&mut self, context: &'static str) -> Instance {
        self.made += 1;
        let name = format!("cache-{}", self.made);
        Instance {
            db: db(context, &format!("team-{}", self.made % 7), &name)
                .node(master())
                .node(replica())
                .node(replica().lagging(40))
                .with_storage(),
            context,
            generation: 0,
        }
    }

    fn tell(&mut self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            self.outlet.send(fact);
            self.told += 1;
        }
    }

    /// Every list anew, as after a watch has expired.
    fn list(&mut self) {
        for context in CONTEXTS {
            let of = |i: &&Instance| i.context == context;
            let dbs: Vec<Db> = self
                .instances
                .iter()
                .filter(of)
                .map(|i| i.db.clone())
                .collect();
            let generations: Vec<(InstanceId, u64)> = self
                .instances
                .iter()
                .filter(of)
                .map(|i| (i.db.id(), i.generation))
                .collect();
            let facts = lists(context, &dbs).into_iter().map(|fact| match fact {
                Fact::Listed {
                    context,
                    kind: Kind::Pod,
                    scope,
                    objects,
                } => {
                    let born = |object: Object| {
                        let meta = object.meta();
                        let app = meta.labels.get("app").unwrap();
                        let of = |(id, _): &&(InstanceId, u64)| {
                            id.namespace == meta.namespace && *id.name == **app
                        };
                        let generation = generations.iter().find(of).unwrap().1;
                        reborn(object, generation)
                    };
                    Fact::Listed {
                        context,
                        kind: Kind::Pod,
                        scope,
                        objects: objects.into_iter().map(born).collect(),
                    }
                }
                other => other,
            });
            let facts: Vec<Fact> = facts.collect();
            self.tell(facts);
        }
    }

    /// Two seconds pass.
    fn step(&mut self) {
        self.steps += 1;
        let n = self.steps;
        self.story.now += jiff::SignedDuration::from_secs(STEP);
        self.ask(n);
        for context in CONTEXTS {
            self.tell([live(context, 10 + n % 9)]);
            if n.is_multiple_of(5) {
                let renewed = operator(context, 2, self.story.now)
                    .into_iter()
                    .flat_map(leases);
                let renewed: Vec<Fact> = renewed.collect();
                self.tell(renewed);
                self.happen(context, n);
            }
        }
        if n.is_multiple_of(300) {
            self.trouble(n);
        }
        if n.is_multiple_of(HOUR) {
            self.replace();
        }
        self.read_on_demand(n);
        self.take_in();
        self.walk(n % 450, n / 450);
        self.story.send(Msg::Tick);
        self.story.draw();
        self.heed();
    }

    /// Engines answer: the one in view every time, with everything that is asked only then.
    fn ask(&mut self, n: u64) {
        let mut facts = Vec::new();
        for (at, instance) in self.instances.iter().enumerate() {
            let in_view = self.watched.as_ref() == Some(&instance.db.id());
            if !in_view && at as u64 % BACKGROUND != n % BACKGROUND {
                continue;
            }
            let told = instance.db.clone().busy(9_000 + n * 7 % 1_000).answers();
            for fact in told {
                let Fact::Probed { node, uid, probe } = fact else {
                    continue;
                };
                let uid = of_generation(&uid, instance.generation);
                if in_view && matches!(probe, Probe::Ping { .. }) {
                    facts.extend(self.in_view.iter().map(|probe| Fact::Probed {
                        node: node.clone(),
                        uid: uid.clone(),
                        probe: probe.clone(),
                    }));
                    facts.push(Fact::Knocked {
                        node: node.clone(),
                        uid: uid.clone(),
                        tried: Box::new(knocked()),
                    });
                }
                facts.push(Fact::Probed { node, uid, probe });
            }
        }
        self.tell(facts);
    }

    /// An event every ten seconds in every context, each of its own name. Those of infra go after an hour, those of
    /// apps never.
    fn happen(&mut self, context: &'static str, n: u64) {
        let of: Vec<&Instance> = self
            .instances
            .iter()
            .filter(|i| i.context == context)
            .collect();
        let about = of[n as usize % of.len()];
        let seconds_ago = -(n as i64 * STEP);
        let told = event(
            &about.db,
            ("Pod", &about.db.pod(n as usize % 3)),
            "Unhealthy",
            &format!("Readiness probe failed after {n} tries"),
            seconds_ago,
        );
        self.tell([told.clone()]);
        if context == CONTEXTS[0] {
            self.events.push_back(gone(&told));
            if self.events.len() > 360 {
                let oldest = self.events.pop_front();
                self.tell(oldest);
            }
        }
    }

    /// Ten minutes: what goes wrong and comes right again, each time with words of its own.
    fn trouble(&mut self, n: u64) {
        let at = n as usize / 300 % self.instances.len();
        let instance = &self.instances[at];
        let (id, generation) = (instance.db.id(), instance.generation);
        let node = NodeId::new(id.context.clone(), &*id.namespace, instance.db.pod(1));
        let uid = Arc::from(format!("uid-{}-{}", id.namespace, instance.db.pod(1)));
        let uid = of_generation(&uid, generation);
        let fault = |what: &str| Fault::new(FaultKind::Timeout, format!("{what} within {n} ms"));
        let question = [
            None,
            Some(Question::Replication),
            Some(Question::ClientList),
        ];
        let mut facts = vec![
            Fact::Silent {
                node: node.clone(),
                uid: uid.clone(),
                unanswered: Unanswered {
                    question: question[n as usize / 300 % 3],
                    fault: fault("no answer"),
                },
            },
            Fact::Tried {
                node: node.clone(),
                uid: uid.clone(),
                way: Way::PortForward,
                fault: Some(fault("no stream")),
            },
            Fact::Tried {
                node,
                uid,
                way: Way::PodProxy,
                fault: None,
            },
            Fact::Compared {
                instance: id.clone(),
                outcome: Err(fault("not compared")),
            },
            Fact::Garbled {
                context: id.context.clone(),
                kind: Kind::Event,
                namespace: id.namespace.clone(),
                name: Arc::from(format!("garbled.{n}")),
                problem: format!("metadata.uid is missing in round {n}"),
            },
            Fact::Gone {
                context: id.context.clone(),
                kind: Kind::Event,
                namespace: id.namespace.clone(),
                name: Arc::from(format!("garbled.{}", n - 300)),
            },
        ];
        // The label moves on to another pod and back: each is a turn in the history of the instance.
        for role in [Role::Replica, Role::Master] {
            let changed = db(instance.context, &id.namespace, &id.name)
                .node(master().labelled(Some(role)))
                .node(replica())
                .node(replica());
            facts.extend(changed.objects().into_iter().filter_map(|object| {
                let pod = matches!(object, Object::Pod(_)).then_some(object)?;
                Some(Fact::Seen {
                    context: id.context.clone(),
                    object: reborn(pod, generation),
                })
            }));
        }
        facts.push(unreachable(
            CONTEXTS[n as usize / 300 % 2],
            &format!("no route to host, try {n}"),
            self.story.now,
        ));
        // One after the other: the inbox would keep only the last of each.
        for fact in facts {
            self.tell([fact]);
            self.take_in();
        }
        self.story
            .send(Msg::Problem(format!("settings.toml:{n}: no such key")));
    }

    /// Pods are replaced by pods with other uids; a quarter of the instances by instances with other names.
    fn replace(&mut self) {
        for at in 0..self.instances.len() {
            if at as u64 % 4 == self.steps / HOUR % 4 {
                let context = self.instances[at].context;
                let next = self.born(context);
                let old = std::mem::replace(&mut self.instances[at], next);
                let seen: Vec<Fact> = old
                    .db
                    .objects()
                    .into_iter()
                    .map(|o| seen(context, o))
                    .collect();
                self.tell(seen.iter().map(gone));
                let objects = self.instances[at].db.objects();
                self.tell(objects.into_iter().map(|object| seen_of(context, object)));
                continue;
            }
            let instance = &mut self.instances[at];
            instance.generation += 1;
            let (context, generation) = (instance.context, instance.generation);
            let is_pod = |object: &Object| matches!(object, Object::Pod(_));
            let pods: Vec<Object> = instance.db.objects().into_iter().filter(is_pod).collect();
            for pod in pods {
                let next = seen(context, reborn(pod, generation));
                // Every other one is seen to go before the next comes.
                if at.is_multiple_of(2) {
                    self.tell([gone(&next)]);
                    self.take_in();
                }
                self.tell([next]);
            }
        }
        self.take_in();
        self.list();
    }

    /// What screens want is read: at once, then each minute; logs each time.
    fn read_on_demand(&mut self, n: u64) {
        let mut facts = Vec::new();
        for want in &self.wanted {
            let answer = match want {
                Want::Log(log) => {
                    let line = |i: u64| LogLine {
                        at: Some(self.story.now),
                        message: format!("Reconciling Dragonfly in round {n}, line {i}"),
                        ..LogLine::default()
                    };
                    facts.push(Fact::Logged {
                        log: log.clone(),
                        lines: (0..20).map(line).collect(),
                    });
                    continue;
                }
                _ if !n.is_multiple_of(30) => continue,
                Want::Objects { .. } => Err(Fault::new(
                    FaultKind::Forbidden,
                    format!("may not list in round {n}"),
                )),
                // No screen of this one wants it.
                Want::Metrics(_) => continue,
                Want::Volumes { .. } => Ok(Fetched::Volumes(
                    self.instances
                        .iter()
                        .map(|i| VolumeUse {
                            namespace: i.db.id().namespace,
                            claim: Arc::from(format!("df-{}", i.db.pod(0))),
                            used: Some(n << 20),
                            capacity: Some(10 << 30),
                            measured: Some(self.story.now),
                        })
                        .collect(),
                )),
            };
            facts.push(Fact::Fetched {
                want: want.clone(),
                answer,
            });
        }
        self.tell(facts);
    }

    /// What the loop does with what waits.
    fn take_in(&mut self) {
        let mut facts = Vec::new();
        while self.inbox.take_waiting(&mut facts, 512) > 0 {
            self.story.send(Msg::Facts(std::mem::take(&mut facts)));
        }
        self.heed();
    }

    fn heed(&mut self) {
        for effect in self.story.take_effects() {
            match effect {
                Effect::Watch(instance) => self.watched = instance,
                Effect::Want(Needs { wants, .. }) => {
                    let left: Vec<Want> = self.wanted.difference(&wants).cloned().collect();
                    self.wanted = wants;
                    self.tell(left.into_iter().map(|want| Fact::Dropped { want }));
                }
                _ => {}
            }
        }
    }

    /// Every quarter of an hour somebody looks around for five minutes, and ends where they began.
    fn walk(&mut self, step: u64, round: u64) {
        let story = &mut self.story;
        match step {
            5 => drop(story.press("1 g g enter")),
            20 => drop(story.press("x")),
            25 => drop(story.press("esc tab j j ? esc i c")),
            40 => drop(story.press("4")),
            60 => drop(story.press("j j j 5")),
            90 => drop(story.press("1 z")),
            110 => drop(story.press("z g n")),
            115 => drop(story.press("esc /")),
            116 => {
                story.type_text(&format!("cache-{round}"));
            }
            120 => drop(story.press("enter")),
            130 => drop(story.press("/ esc : ")),
            131 => {
                story.type_text("operator");
            }
            135 => drop(story.press("esc esc esc r ! ! 1 g g")),
            _ => {}
        }
    }
}

fn seen(context: &'static str, object: Object) -> Fact {
    Fact::Seen {
        context: ctx(context),
        object,
    }
}

fn seen_of(context: &'static str, object: Object) -> Fact {
    seen(context, reborn(object, 0))
}

/// That what was seen is gone.
fn gone(seen: &Fact) -> Fact {
    let Fact::Seen { context, object } = seen else {
        panic!("{seen:?}");
    };
    Fact::Gone {
        context: context.clone(),
        kind: object.kind(),
        namespace: object.meta().namespace.clone(),
        name: object.meta().name.clone(),
    }
}

fn of_generation(uid: &Arc<str>, generation: u64) -> Arc<str> {
    Arc::from(format!("{uid}-{generation}"))
}

/// The pod of that generation.
fn reborn(object: Object, generation: u64) -> Object {
    let Object::Pod(pod) = object else {
        return object;
    };
    let mut pod = (*pod).clone();
    pod.meta.uid = of_generation(&pod.meta.uid, generation);
    Object::Pod(Arc::new(pod))
}

/// The renewal among what an operator's lists tell.
fn leases(fact: Fact) -> Vec<Fact> {
    let Fact::Listed {
        context,
        kind: Kind::OperatorLease,
        objects,
        ..
    } = fact
    else {
        return Vec::new();
    };
    let as_seen = |object: Object| {
        let Object::OperatorLease(lease) = &object else {
            return None;
        };
        let lease: Arc<Lease> = lease.clone();
        Some(Fact::Seen {
            context: context.clone(),
            object: Object::OperatorLease(lease),
        })
    };
    objects.into_iter().filter_map(as_seen).collect()
}

fn knocked() -> DataPort {
    DataPort {
        found: Found::Usable,
        stage: Stage::Command,
        took: Duration::from_millis(3),
        certificate: None,
        logged_in: false,
    }
}

/// What a recorded master tells besides the standing questions.
fn recorded() -> Vec<Probe> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine/healthy/a");
    let text = String::from_utf8(std::fs::read(folder.join("info-all.txt")).unwrap()).unwrap();
    let mut probes: Vec<Probe> = wire::sections(&text).unwrap().probes();
    probes.retain(|probe| !probe.question().is_standing());
    let list = std::fs::read(folder.join("client-list.resp")).unwrap();
    let list = Reply::Text(
        list.splitn(2, |byte| *byte == b'\n')
            .nth(1)
            .unwrap()
            .to_vec(),
    );
    let answer = wire::answer(Question::ClientList, &list, Duration::ZERO).unwrap();
    probes.push(answer);
    probes
}
