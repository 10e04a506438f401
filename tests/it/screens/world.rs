//! Worlds for screens, told as the facts that a cluster would send, through `update`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use darner::app::{State, update, view, vocabulary};
use darner::domain::engine::*;
use darner::domain::object::*;
use darner::domain::selector::Selector;
use darner::domain::want::ForeignObject;
use darner::domain::*;
use darner::msg::{Effect, Msg};
use darner::settings::{GlyphSet, KeyPress, Keymap, Settings, Theme};
use darner::widgets::dump;
use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// When every story begins.
pub fn start() -> Timestamp {
    "2026-01-02T12:00:00Z".parse().unwrap()
}

/// A console being driven.
pub struct Story {
    pub state: State,
    pub now: Timestamp,
    pub effects: Vec<Effect>,
    heard: Vec<(Vec<Fact>, Timestamp)>,
    size: (u16, u16),
    glyphs: GlyphSet,
}

impl Story {
    /// A console of that size that has just started.
    pub fn new(columns: u16, rows: u16) -> Self {
        Self::with(columns, rows, GlyphSet::Unicode, Vec::new(), None)
    }

    /// The same with everything that can be said at the start.
    pub fn with(
        columns: u16,
        rows: u16,
        glyphs: GlyphSet,
        problems: Vec<String>,
        hint: Option<String>,
    ) -> Self {
        let mut story = Self {
            state: console(Theme::lettered(), glyphs, problems, hint),
            now: start(),
            effects: Vec::new(),
            heard: Vec::new(),
            size: (columns, rows),
            glyphs,
        };
        story.send(Msg::Resize(columns, rows));
        story
    }

    /// Starts anew in that theme, and is told everything again.
    pub fn wear(&mut self, theme: Theme) {
        self.state = console(theme, self.glyphs, Vec::new(), None);
        for (facts, at) in std::mem::take(&mut self.heard) {
            self.now = at;
            self.told(facts);
        }
    }

    /// Starts anew with those settings.
    pub fn set(&mut self, settings: Settings) {
        let (keymap, _) = Keymap::load("default", &[], None, &vocabulary());
        let (theme, glyphs) = (Theme::lettered(), self.glyphs);
        self.state = State::new(settings, theme, keymap, glyphs, Vec::new(), None, start());
        let (columns, rows) = self.size;
        self.send(Msg::Resize(columns, rows));
    }

    /// No cell has a colour.
    pub fn is_colourless(&self) -> bool {
        let plain = |colour| colour == ratatui::style::Color::Reset;
        let buf = self.buffer();
        buf.content()
            .iter()
            .all(|cell| plain(cell.fg) && plain(cell.bg))
    }

    /// Sends a message now.
    pub fn send(&mut self, msg: Msg) -> &mut Self {
        let effects = update(&mut self.state, msg, self.now);
        self.effects.extend(effects);
        self
    }

    /// Facts arrive, and the next frame shows them. (Alone, facts that only move figures wait for the next second.)
    pub fn told(&mut self, facts: Vec<Fact>) -> &mut Self {
        self.heard.push((facts.clone(), self.now));
        let (columns, rows) = self.size;
        self.send(Msg::Facts(facts))
            .send(Msg::Resize(columns, rows))
    }

    /// Keys are pressed, as keymap files write them.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            self.send(Msg::Key(KeyPress::parse(key).unwrap()));
        }
        self
    }

    /// A text is typed, letter by letter.
    pub fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.send(Msg::Key(KeyPress::char(c)));
        }
        self
    }

    /// Time passes, and the screen is woken.
    pub fn after(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self.send(Msg::Tick)
    }

    /// The terminal has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.size = (columns, rows);
        self.send(Msg::Resize(columns, rows))
    }

    /// Draws, and looks at nothing.
    pub fn draw(&self) {
        let (width, height) = self.size;
        let area = Rect::new(0, 0, width, height);
        view(&self.state, self.now, area, &mut Buffer::empty(area));
    }

    fn buffer(&self) -> Buffer {
        let (width, height) = self.size;
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        view(&self.state, self.now, area, &mut buf);
        if self.glyphs == GlyphSet::Ascii {
            let text = dump::text(&buf);
            assert!(text.is_ascii(), "not ASCII: {text}");
        }
        buf
    }

    /// What is on the screen: the text, and the tones beneath it.
    pub fn screen(&self) -> String {
        dump::dump(&self.buffer())
    }

    /// What is on the screen, without tones.
    pub fn text(&self) -> String {
        dump::text(&self.buffer())
    }

    /// The screen says this somewhere.
    #[track_caller]
    pub fn says(&mut self, what: &str) -> &mut Self {
        let text = self.text();
        assert!(
            text.contains(what),
            "the screen does not say {what:?}:\n{text}"
        );
        self
    }

    /// The screen says this nowhere.
    #[track_caller]
    pub fn says_not(&mut self, what: &str) -> &mut Self {
        let text = self.text();
        assert!(!text.contains(what), "the screen says {what:?}:\n{text}");
        self
    }

    /// The first line that has this.
    #[track_caller]
    pub fn line_with(&self, what: &str) -> String {
        let text = self.text();
        let line = text.lines().find(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("no line has {what:?}:\n{text}"))
            .to_owned()
    }

    /// The Fleet table alone.
    pub fn table(&self) -> String {
        let text = self.text();
        let end = text.find("─ Attention").unwrap_or(text.len());
        text[..end].to_owned()
    }

    /// The line that carries the marker of the selection.
    #[track_caller]
    pub fn selected_line(&self) -> String {
        let text = self.text();
        let line = text.lines().rfind(|line| line.starts_with('▸'));
        line.unwrap_or_else(|| panic!("nothing is selected:\n{text}"))
            .to_owned()
    }

    /// What was asked of the machine room since this was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

fn console(theme: Theme, glyphs: GlyphSet, problems: Vec<String>, hint: Option<String>) -> State {
    let (keymap, wrong) = Keymap::load("default", &[], None, &vocabulary());
    assert_eq!(wrong, []);
    let settings = Settings::default();
    State::new(settings, theme, keymap, glyphs, problems, hint, start())
}

/// The context of that name.
pub fn ctx(name: &str) -> ContextId {
    ContextId::new(name)
}

/// A context is opened.
pub fn opened(context: &str) -> Fact {
    Fact::Opened {
        context: ctx(context),
        namespaces: Vec::new(),
    }
}

/// Its API server answers.
pub fn live(context: &str, ms: u64) -> Fact {
    linked(
        context,
        Link::Live {
            rtt: Duration::from_millis(ms),
        },
    )
}

/// How its API server is reached.
pub fn linked(context: &str, link: Link) -> Fact {
    Fact::Linked {
        context: ctx(context),
        link,
    }
}

/// Its API server is not reached; the next try is due at that time.
pub fn unreachable(context: &str, message: &str, retry_at: Timestamp) -> Fact {
    let fault = Fault::new(FaultKind::Unreachable, message)
        .with_detail("error trying to connect: tcp connect error: deadline has elapsed")
        .with_hint("check the network way to the API server, such as a VPN");
    linked(context, Link::Unreachable { fault, retry_at })
}

/// A complete list.
pub fn listed(context: &str, kind: Kind, objects: Vec<Object>) -> Fact {
    Fact::Listed {
        context: ctx(context),
        kind,
        scope: Scope::Cluster,
        objects,
    }
}

/// A kind may not be read.
pub fn denied(context: &str, kind: Kind) -> Fact {
    let group = match kind.group() {
        "" => String::new(),
        group => format!(".{group}"),
    };
    let fault = Fault::new(
        FaultKind::Forbidden,
        format!("may not list {}{group}", kind.resource()),
    )
    .with_hint(format!(
        "a Role with list and watch on {} grants it",
        kind.resource()
    ));
    Fact::Watched {
        context: ctx(context),
        kind,
        scope: Scope::Cluster,
        access: Access::Denied(fault),
    }
}

/// What one engine does.
#[derive(Debug, Clone)]
pub struct Node {
    label: Option<Role>,
    engine: Option<Role>,
    silent: Option<(&'static str, i64)>,
    endpoint: bool,
    lag: u64,
    link: LinkState,
    link_up: bool,
    ready: bool,
    used: u64,
    ops: u64,
    restarts: u64,
    follows: usize,
}

/// A node that label, engine and Service agree is the master.
pub fn master() -> Node {
    Node {
        label: Some(Role::Master),
        engine: Some(Role::Master),
        silent: None,
        endpoint: true,
        lag: 0,
        link: LinkState::Online,
        link_up: true,
        ready: true,
        used: 1_932_735_283,
        ops: 9_800,
        restarts: 0,
        follows: 0,
    }
}

/// A node in stable sync with node 0.
pub fn replica() -> Node {
    Node {
        label: Some(Role::Replica),
        engine: Some(Role::Replica),
        endpoint: false,
        ops: 0,
        ..master()
    }
}

impl Node {
    pub fn lagging(mut self, records: u64) -> Self {
        self.lag = records;
        self
    }

    pub fn full_sync(mut self) -> Self {
        self.link = LinkState::FullSync;
        self
    }

    pub fn link_down(mut self) -> Self {
        self.link_up = false;
        self
    }

    pub fn silent(mut self, why: &'static str, seconds: i64) -> Self {
        self.silent = Some((why, seconds));
        self
    }

    pub fn labelled(mut self, role: Option<Role>) -> Self {
        self.label = role;
        self
    }

    pub fn endpoint(mut self, is: bool) -> Self {
        self.endpoint = is;
        self
    }

    pub fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    pub fn ops(mut self, ops: u64) -> Self {
        self.ops = ops;
        self
    }

    pub fn restarted(mut self, times: u64) -> Self {
        self.restarts = times;
        self
    }
}

/// An instance with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Db {
    context: &'static str,
    namespace: String,
    name: String,
    nodes: Vec<Node>,
    wanted: Option<i64>,
    storage: bool,
    age: i64,
}

/// The instance `namespace/name`.
pub fn db(context: &'static str, namespace: &str, name: &str) -> Db {
    Db {
        context,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        nodes: Vec::new(),
        wanted: None,
        storage: false,
        age: 345_600,
    }
}

impl Db {
    pub fn node(mut self, node: Node) -> Self {
        self.nodes.push(node);
        self
    }

    /// Its masters do that much.
    pub fn busy(mut self, ops: u64) -> Self {
        for node in &mut self.nodes {
            if node.engine == Some(Role::Master) {
                node.ops = ops;
            }
        }
        self
    }

    pub fn wanting(mut self, pods: i64) -> Self {
        self.wanted = Some(pods);
        self
    }

    pub fn with_storage(mut self) -> Self {
        self.storage = true;
        self
    }

    pub fn id(&self) -> InstanceId {
        InstanceId::new(ctx(self.context), &self.namespace, &self.name)
    }

    pub fn pod(&self, at: usize) -> String {
        format!("{}-{at}", self.name)
    }

    fn meta(&self, name: &str) -> Meta {
        Meta {
            namespace: Arc::from(self.namespace.as_str()),
            name: Arc::from(name),
            uid: Arc::from(format!("uid-{}-{name}", self.namespace).as_str()),
            created: Some(start() - SignedDuration::from_secs(self.age)),
            labels: BTreeMap::from([("app".to_owned(), self.name.clone())]),
            ..Meta::default()
        }
    }

    fn ip(&self, at: usize) -> String {
        format!("10.0.0.{}", at + 1)
    }

    fn pod_object(&self, at: usize, node: &Node) -> Object {
        let mut meta = self.meta(&self.pod(at));
        if let Some(role) = node.label {
            meta.labels
                .insert("role".to_owned(), role.word().to_owned());
        }
        let status = if node.ready { "True" } else { "False" };
        Object::Pod(Arc::new(Pod {
            meta,
            phase: "Running".to_owned(),
            ip: Some(self.ip(at)),
            machine: Some(format!("worker-{}", at + 1)),
            conditions: vec![Condition {
                name: "Ready".to_owned(),
                status: status.to_owned(),
                since: Some(start() - SignedDuration::from_secs(40)),
                ..Condition::default()
            }],
            containers: vec![Container {
                name: "dragonfly".to_owned(),
                image: "dragonfly:v1.39.0".to_owned(),
                ready: node.ready,
                restarts: node.restarts,
                state: ContainerState::Running {
                    since: Some(start() - SignedDuration::from_secs(3_600)),
                },
                last_end: (node.restarts > 0).then(|| ContainerEnd {
                    reason: "OOMKilled".to_owned(),
                    exit: 137,
                    at: Some(start() - SignedDuration::from_secs(3_600)),
                }),
                ..Container::default()
            }],
            ..Pod::default()
        }))
    }

    /// Its objects, by kind.
    pub fn objects(&self) -> Vec<Object> {
        let wanted = self.wanted.unwrap_or(self.nodes.len() as i64);
        let mut objects = vec![
            Object::Dragonfly(Arc::new(Dragonfly {
                meta: self.meta(&self.name),
                replicas: Some(wanted),
                image: Some("docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0".to_owned()),
                service: self.name.clone(),
                phase: Some("Ready".to_owned()),
                snapshot: self.storage.then(|| Snapshot {
                    cron: Some("*/30 * * * *".to_owned()),
                    claim_size: Some(10 << 30),
                    ..Snapshot::default()
                }),
                memory_limit: Some(3 << 30),
                ..Dragonfly::default()
            })),
            Object::Service(Arc::new(Service {
                meta: self.meta(&self.name),
                selector: BTreeMap::from([
                    ("app".to_owned(), self.name.clone()),
                    ("role".to_owned(), "master".to_owned()),
                ]),
                kind: "ClusterIP".to_owned(),
                ..Service::default()
            })),
            Object::EndpointSlice(Arc::new(EndpointSlice {
                meta: self.meta(&format!("{}-x7k2p", self.name)),
                service: self.name.clone(),
                endpoints: self
                    .nodes
                    .iter()
                    .enumerate()
                    .filter(|(_, node)| node.endpoint)
                    .map(|(at, _)| Endpoint {
                        addresses: vec![self.ip(at)],
                        ready: true,
                        serving: true,
                        terminating: false,
                        pod: Some(self.pod(at)),
                    })
                    .collect(),
            })),
        ];
        for (at, node) in self.nodes.iter().enumerate() {
            objects.push(self.pod_object(at, node));
            if self.storage {
                objects.push(Object::Pvc(Arc::new(Pvc {
                    meta: self.meta(&format!("df-{}", self.pod(at))),
                    phase: "Bound".to_owned(),
                    requested: Some(10 << 30),
                    capacity: Some(10 << 30),
                    class: Some("fast-ssd".to_owned()),
                    ..Pvc::default()
                })));
            }
        }
        if self.storage {
            objects.push(Object::Pdb(Arc::new(Pdb {
                meta: self.meta(&self.name),
                selector: Some(Selector {
                    labels: BTreeMap::from([("app".to_owned(), self.name.clone())]),
                    expressions: Vec::new(),
                }),
                min_available: Some("2".to_owned()),
                allowed: 1,
                healthy: 3,
                desired: 2,
                expected: 3,
                ..Pdb::default()
            })));
        }
        objects
    }

    /// The engine of that ordinal answers that, too.
    pub fn also(&self, at: usize, probe: Probe) -> Fact {
        Fact::Probed {
            node: NodeId::new(ctx(self.context), &self.namespace, self.pod(at)),
            uid: Arc::from(format!("uid-{}-{}", self.namespace, self.pod(at)).as_str()),
            probe,
        }
    }

    /// Its data port was tried, and that came of it.
    pub fn knocked(&self, at: usize, found: data_port::Found) -> Fact {
        Fact::Knocked {
            node: NodeId::new(ctx(self.context), &self.namespace, self.pod(at)),
            uid: Arc::from(format!("uid-{}-{}", self.namespace, self.pod(at)).as_str()),
            tried: Box::new(DataPort {
                found,
                stage: data_port::Stage::Command,
                took: Duration::from_millis(2),
                certificate: None,
                logged_in: false,
            }),
        }
    }

    /// What its engines answer.
    pub fn answers(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            facts.extend(self.answers_of(at, node));
        }
        facts
    }

    fn answers_of(&self, at: usize, node: &Node) -> Vec<Fact> {
        let id = NodeId::new(ctx(self.context), &self.namespace, self.pod(at));
        let uid: Arc<str> = Arc::from(format!("uid-{}-{}", self.namespace, self.pod(at)).as_str());
        if let Some((why, _)) = node.silent {
            return vec![Fact::Silent {
                node: id,
                uid,
                unanswered: Unanswered {
                    question: None,
                    fault: Fault::new(FaultKind::Timeout, why),
                },
            }];
        }
        let Some(role) = node.engine else {
            return Vec::new();
        };
        let side = match role {
            Role::Master => {
                let replicas: Vec<ReplicaLine> = self
                    .nodes
                    .iter()
                    .enumerate()
                    .filter(|(_, n)| {
                        n.engine == Some(Role::Replica) && n.follows == at && n.link_up
                    })
                    .map(|(other, n)| ReplicaLine {
                        ip: self.ip(other),
                        port: 6379,
                        state: n.link.clone(),
                        lag: Some(n.lag),
                    })
                    .collect();
                Side::Master {
                    connected: replicas.len() as u64,
                    replicas,
                }
            }
            Role::Replica => Side::Replica(Follower {
                host: self.ip(node.follows),
                port: 9_999,
                link_up: node.link_up,
                last_io: Some(0),
                syncing: node.link == LinkState::FullSync,
                offset: (node.link == LinkState::Online).then_some(870_900_412),
                ..Follower::default()
            }),
        };
        [
            Probe::Ping {
                took: Duration::from_millis(2),
                loading: false,
            },
            Probe::Replication(Replication {
                // A process has its own, a replica its master's.
                replid: Some(
                    match if role == Role::Master {
                        at
                    } else {
                        node.follows
                    } {
                        0 => "c1d276f4".to_owned(),
                        other => format!("c1d276f4{other:04}"),
                    },
                ),
                side,
            }),
            Probe::Persistence(Persistence::default()),
            Probe::Keyspace(Keyspace {
                keys: 1_204_113,
                ..Keyspace::default()
            }),
            Probe::Memory(Memory {
                used: Some(node.used),
                max: Some(3 << 30),
                ..Memory::default()
            }),
            Probe::Stats(Stats {
                ops: Some(node.ops),
                ..Stats::default()
            }),
            Probe::Clients(Clients {
                connected: Some(7),
                ..Clients::default()
            }),
            Probe::Server(Server {
                version: Some("v1.39.0".to_owned()),
                ..Server::default()
            }),
        ]
        .into_iter()
        .map(|probe| Fact::Probed {
            node: id.clone(),
            uid: uid.clone(),
            probe,
        })
        .collect()
    }
}

/// Everything that a context's lists say about these instances.
pub fn lists(context: &str, dbs: &[Db]) -> Vec<Fact> {
    let objects: Vec<Object> = dbs.iter().flat_map(Db::objects).collect();
    let crd = Object::Crd(Arc::new(Crd {
        meta: Meta {
            name: Arc::from("dragonflies.dragonflydb.io"),
            uid: Arc::from("uid-crd"),
            ..Meta::default()
        },
        established: true,
        served: vec!["v1alpha1".to_owned()],
        spec_fields: Vec::new(),
    }));
    let mut facts = vec![listed(context, Kind::Crd, vec![crd])];
    for kind in [
        Kind::Dragonfly,
        Kind::Pod,
        Kind::StatefulSet,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Pvc,
        Kind::Pdb,
        Kind::NetworkPolicy,
        Kind::Event,
    ] {
        let of_kind = objects.iter().filter(|o| o.kind() == kind).cloned();
        facts.push(listed(context, kind, of_kind.collect()));
    }
    facts.extend(operator(context, 2, start()));
    facts
}

/// The operator with so many of its two pods ready, and its Lease renewed then.
pub fn operator(context: &str, ready: i64, renewed: Timestamp) -> Vec<Fact> {
    let meta = |name: &str| Meta {
        namespace: Arc::from("dragonfly-operator-system"),
        name: Arc::from(name),
        uid: Arc::from(format!("uid-{name}").as_str()),
        created: Some(start() - SignedDuration::from_secs(864_000)),
        ..Meta::default()
    };
    let pods = ["b8d9-7f9c", "b8d9-x2x4"].map(|tail| {
        Object::OperatorPod(Arc::new(Pod {
            meta: meta(&format!("dragonfly-operator-{tail}")),
            phase: "Running".to_owned(),
            conditions: vec![Condition {
                name: "Ready".to_owned(),
                status: "True".to_owned(),
                ..Condition::default()
            }],
            ..Pod::default()
        }))
    });
    vec![
        listed(
            context,
            Kind::OperatorDeployment,
            vec![Object::OperatorDeployment(Arc::new(Deployment {
                meta: meta("dragonfly-operator"),
                replicas: 2,
                ready,
                updated: 2,
                images: vec![(
                    "manager".to_owned(),
                    "ghcr.io/dragonflydb/operator:v1.6.1".to_owned(),
                )],
                ..Deployment::default()
            }))],
        ),
        listed(context, Kind::OperatorPod, pods.into()),
        listed(
            context,
            Kind::OperatorLease,
            vec![Object::OperatorLease(Arc::new(Lease {
                meta: meta("31079dea.dragonflydb.io"),
                holder: Some("dragonfly-operator-b8d9-7f9c_8a1f".to_owned()),
                renewed: Some(renewed),
                acquired: Some(start() - SignedDuration::from_secs(864_000)),
                duration: Some(15),
                transitions: Some(3),
            }))],
        ),
    ]
}

/// An event about an object.
pub fn event(db: &Db, about: (&str, &str), reason: &str, note: &str, seconds_ago: i64) -> Fact {
    let at = start() - SignedDuration::from_secs(seconds_ago);
    Fact::Seen {
        context: ctx(db.context),
        object: Object::Event(Arc::new(Event {
            meta: Meta {
                namespace: Arc::from(db.namespace.as_str()),
                name: Arc::from(format!("{}.{seconds_ago}", about.1).as_str()),
                uid: Arc::from(format!("uid-event-{seconds_ago}").as_str()),
                ..Meta::default()
            },
            about_kind: about.0.to_owned(),
            about_name: about.1.to_owned(),
            warning: reason == "Unhealthy",
            reason: reason.to_owned(),
            note: note.to_owned(),
            count: 1,
            at: Some(at),
            first: Some(at),
            source: "kubelet".to_owned(),
            ..Event::default()
        })),
    }
}

/// What an instance in view is asked besides: who is connected, what was slow, where bytes wait, offsets.
pub fn in_view(db: &Db) -> Vec<Fact> {
    let group = |ip: &str, name: &str, count, port| ClientGroup {
        ip: ip.to_owned(),
        name: (!name.is_empty()).then(|| name.to_owned()),
        library: Some("redis-py 6.4.0".to_owned()),
        port: Some(port),
        phase: Phase::Reading,
        count,
        idle: Some(4),
        oldest: Some(86_400),
        youngest: Some(30),
        ..ClientGroup::default()
    };
    let master = ClientList {
        total: 12,
        groups: vec![
            group("10.4.0.1", "orders-api", 4, 6_379),
            group("10.4.0.2", "orders-api", 2, 6_379),
            ClientGroup {
                blocked: 2,
                queued_bytes: 3 << 20,
                ..group("10.4.0.3", "worker", 3, 6_379)
            },
            ClientGroup {
                subscribed: 1,
                ..group("10.77.0.9", "", 1, 6_379)
            },
            group("127.0.0.1", "", 2, 9_999),
        ],
        slow: vec![SlowClient {
            id: Some(412),
            addr: "10.4.0.3:40112".to_owned(),
            name: Some("worker".to_owned()),
            phase: Phase::Sending,
            send_wait: Some(42),
            queued: Some(480),
            queued_bytes: Some(3 << 20),
            idle: Some(42),
        }],
        ..ClientList::default()
    };
    let replica = ClientList {
        total: 1,
        groups: vec![group("10.4.0.2", "orders-api", 1, 6_379)],
        upstream: Some(Upstream {
            addr: "10.0.0.1:9999".to_owned(),
            phase: LinkPhase::StableSync,
            age: Some(7_200),
            idle: Some(0),
        }),
        ..ClientList::default()
    };
    let slow = SlowLog {
        slowest: vec![
            SlowEntry {
                id: Some(7),
                at: Some((start() - SignedDuration::from_secs(300)).as_second()),
                micros: 842_000,
                command: "HGETALL".to_owned(),
                key: Some("orders:by-customer".to_owned()),
                arguments: 1,
                client: Some("10.4.0.1:40001".to_owned()),
                name: Some("orders-api".to_owned()),
            },
            SlowEntry {
                id: Some(3),
                at: Some((start() - SignedDuration::from_secs(9_000)).as_second()),
                micros: 12_400,
                command: "ACL".to_owned(),
                key: None,
                arguments: 3,
                client: None,
                name: None,
            },
        ],
        told: 2,
        newest: None,
    };
    vec![
        db.also(0, Probe::ClientList(master)),
        db.also(1, Probe::ClientList(replica)),
        db.also(0, Probe::SlowLog(slow)),
        db.also(
            0,
            Probe::MemoryStats(MemoryStats {
                connections: Some(3_400_000),
                replication: Some(12_000),
                ..MemoryStats::default()
            }),
        ),
        db.also(
            0,
            Probe::Offsets(Offsets {
                shards: vec![290_300_137, 290_300_138, 290_300_137],
            }),
        ),
        db.knocked(0, data_port::Found::Usable),
        db.knocked(1, data_port::Found::PasswordWanted),
    ]
}

/// The pods of the other cluster, by whose addresses clients are told.
pub fn consumers() -> Vec<Fact> {
    let pod = |namespace: &str, name: &str, owner: (&str, &str), ip: &str| ForeignObject {
        meta: Meta {
            namespace: Arc::from(namespace),
            name: Arc::from(name),
            owner: Some(Owner {
                kind: owner.0.to_owned(),
                name: owner.1.to_owned(),
                uid: String::new(),
            }),
            ..Meta::default()
        },
        body: serde_json::json!({"status": {"podIP": ip}}),
    };
    let set = ("ReplicaSet", "orders-api-6f7d8c9b4c");
    let apps = vec![
        pod("shop", "orders-api-6f7d8c9b4c-x2x4z", set, "10.4.0.1"),
        pod("shop", "orders-api-6f7d8c9b4c-q8q8q", set, "10.4.0.2"),
        pod("billing", "worker-0", ("StatefulSet", "worker"), "10.4.0.3"),
    ];
    let fetched = |context: &str, objects: Vec<ForeignObject>| Fact::Fetched {
        want: Want::Objects {
            context: ctx(context),
            what: Foreign::Pod,
            scope: Scope::Cluster,
        },
        answer: Ok(Fetched::Objects {
            objects: objects.into(),
            more: false,
        }),
    };
    vec![fetched("infra", Vec::new()), fetched("apps", apps)]
}

/// A healthy shared database.
pub fn dragonfly() -> Db {
    db("infra", "dragonfly-system", "dragonfly")
        .node(master())
        .node(replica().lagging(12))
        .node(replica().lagging(440))
        .with_storage()
}

/// Two nodes act as master; the Service sends to the first.
pub fn gitlab() -> Db {
    db("infra", "dragonfly-system", "gitlab")
        .node(master())
        .node(replica())
        .node(master().endpoint(false).restarted(1))
        .with_storage()
}

/// A healthy cache of two.
pub fn cache() -> Db {
    db("apps", "harbor", "cache")
        .node(master().ops(310))
        .node(replica())
}

/// Two contexts, three instances, everything well but one.
pub fn fleet(story: &mut Story, infra: &[Db], apps: &[Db]) {
    story.told(vec![opened("infra"), opened("apps")]);
    story.told(vec![live("infra", 12), live("apps", 31)]);
    story.told(lists("infra", infra));
    story.told(lists("apps", apps));
    for db in infra.iter().chain(apps) {
        story.told(db.answers());
    }
}
