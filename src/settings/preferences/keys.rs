//! Every key of the settings file: its place, its kind, its bounds, its meaning.

use std::time::Duration;

use super::{ConsumerWish, InstanceWish, Member, PasswordCommand, Settings, StoreWish};

/// One key.
pub struct KeyDoc<T> {
    /// Where it stands: `theme`, `limits.lag`.
    pub path: &'static str,
    /// What it is for, in a sentence or two.
    pub doc: &'static str,
    /// Its kind, and the place that it fills.
    pub slot: Slot<T>,
}

/// The kinds of key.
pub enum Slot<T> {
    /// Text.
    Text(fn(&mut T) -> &mut String),
    /// A list of texts.
    Texts(fn(&mut T) -> &mut Vec<String>),
    /// True or false.
    Yes(fn(&mut T) -> &mut bool),
    /// A whole number between two, both included.
    Count(fn(&mut T) -> &mut u64, u64, u64),
    /// A length of time between two, both included.
    Span(fn(&mut T) -> &mut Duration, Duration, Duration),
    /// Commands that print passwords.
    Passwords(fn(&mut T) -> &mut Vec<PasswordCommand>),
    /// What instances are to be.
    Instances(fn(&mut T) -> &mut Vec<InstanceWish>),
    /// Who consumes instances.
    Consumers(fn(&mut T) -> &mut Vec<ConsumerWish>),
    /// Where metrics are kept.
    Stores(fn(&mut T) -> &mut Vec<StoreWish>),
    /// The contexts of the fleet.
    Fleet(fn(&mut T) -> &mut Vec<Member>),
}

impl<T> Slot<T> {
    /// The kind, for documents and messages.
    pub fn kind(&self) -> String {
        match self {
            Slot::Text(_) => "text".to_owned(),
            Slot::Texts(_) => "a list of texts".to_owned(),
            Slot::Yes(_) => "true or false".to_owned(),
            Slot::Count(_, least, most) => format!("a whole number from {least} to {most}"),
            Slot::Span(_, least, most) => format!(
                "a length of time from {} to {}",
                span_words(*least),
                span_words(*most)
            ),
            Slot::Fleet(_) => "a list of contexts: names, or tables as below".to_owned(),
            Slot::Passwords(_) | Slot::Instances(_) | Slot::Consumers(_) | Slot::Stores(_) => {
                "a list of tables as below".to_owned()
            }
        }
    }

    /// What the key holds, as the file would write it.
    pub fn written(&self, whole: &mut T) -> String {
        match self {
            Slot::Text(at) => format!("{:?}", at(whole)),
            Slot::Texts(at) => format!("{:?}", at(whole)),
            Slot::Yes(at) => at(whole).to_string(),
            Slot::Count(at, ..) => at(whole).to_string(),
            Slot::Span(at, ..) => format!("{:?}", span_words(*at(whole))),
            Slot::Passwords(at) => {
                let names: Vec<&str> = at(whole).iter().map(|p| p.instance.as_str()).collect();
                format!("{names:?}")
            }
            Slot::Instances(at) => {
                let names: Vec<&str> = at(whole).iter().map(|i| i.instance.as_str()).collect();
                format!("{names:?}")
            }
            Slot::Consumers(at) => {
                let names: Vec<&str> = at(whole).iter().map(|c| c.name.as_str()).collect();
                format!("{names:?}")
            }
            Slot::Stores(at) => {
                let names: Vec<&str> = at(whole).iter().map(|s| s.context.as_str()).collect();
                format!("{names:?}")
            }
            Slot::Fleet(at) => {
                let names: Vec<&str> = at(whole).iter().map(|m| m.context.as_str()).collect();
                format!("{names:?}")
            }
        }
    }
}

/// A length of time as the file writes it: `500ms`, `30s`, `2m`, `1h`.
pub(super) fn span_words(span: Duration) -> String {
    match span.as_millis() {
        ms if ms % 1_000 != 0 => format!("{ms}ms"),
        ms if ms >= 3_600_000 && ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms >= 60_000 && ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms => format!("{}s", ms / 1_000),
    }
}

const fn key<T>(path: &'static str, slot: Slot<T>, doc: &'static str) -> KeyDoc<T> {
    KeyDoc { path, doc, slot }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// The keys of the file, in the order in which they are documented.
pub const KEYS: &[KeyDoc<Settings>] = &[
    key(
        "fleet",
        Slot::Fleet(|s| &mut s.fleet),
        "Contexts to open when the command line names none. Empty means the current context of the kubeconfig.",
    ),
    key(
        "theme",
        Slot::Text(|s| &mut s.theme),
        "Name of the theme: a shipped one, or a file of that name in the `themes` folder beside this file. With \
         `NO_COLOR` set, `mono` is used whatever stands here.",
    ),
    key(
        "keymap",
        Slot::Text(|s| &mut s.keymap),
        "Name of the keymap: a shipped one, or a file of that name in the `keymaps` folder beside this file. \
         `keymap.toml` beside this file is laid over it.",
    ),
    key(
        "ascii",
        Slot::Yes(|s| &mut s.ascii),
        "Draw with plain ASCII signs only.",
    ),
    key(
        "mouse",
        Slot::Yes(|s| &mut s.mouse),
        "Let the wheel scroll and clicks select. While it is on, most terminals select text only with shift held.",
    ),
    key(
        "limits.silent-after",
        Slot::Span(|s| &mut s.limits.silent_after, s(5), s(3_600)),
        "An engine that last answered longer ago than this counts as silent, and what it said as unknown.",
    ),
    key(
        "limits.lag",
        Slot::Count(|s| &mut s.limits.lag, 1, 1_000_000_000),
        "A replica in stable sync that is further behind its master than this many journal records is degraded. Some \
         hundreds are ordinary under load.",
    ),
    key(
        "limits.grace",
        Slot::Span(|s| &mut s.limits.grace, s(0), s(3_600)),
        "A pod or an instance younger than this is being made rather than broken.",
    ),
    key(
        "limits.preparation",
        Slot::Span(|s| &mut s.limits.preparation, s(1), s(3_600)),
        "A replica that the master lists in state `preparation` for longer than this has stopped replicating.",
    ),
    key(
        "limits.lease",
        Slot::Span(|s| &mut s.limits.lease, s(5), s(3_600)),
        "An operator whose Lease was renewed longer ago than this has no leader.",
    ),
    key(
        "probe.in-view",
        Slot::Span(|s| &mut s.probe.in_view, ms(500), s(600)),
        "Time between two probes of each node of the instance in view.",
    ),
    key(
        "probe.others",
        Slot::Span(|s| &mut s.probe.others, s(1), s(3_600)),
        "Time between two probes of every other node.",
    ),
    key(
        "probe.deadline",
        Slot::Span(|s| &mut s.probe.deadline, ms(100), s(60)),
        "A question to an engine that has not been answered after this has failed.",
    ),
    key(
        "probe.at-once",
        Slot::Count(|s| &mut s.probe.at_once, 1, 256),
        "Nodes of instances not in view that are probed at the same time, per context.",
    ),
    key(
        "probe.data-port",
        Slot::Yes(|s| &mut s.probe.data_port),
        "Try the data port (6379) of each node as a client would: connect, TLS where the Dragonfly object says so, the password \
         if there is one, one EXISTS. Of the instance in view, and where one was found bad, every ten seconds; of all others \
         about once a minute, and then no password command is run.",
    ),
    key(
        "probe.exec",
        Slot::Yes(|s| &mut s.probe.exec),
        "Where no port-forward is permitted, run `redis-cli -p 9999 INFO ALL` in the pod (right `pods/exec`). Each run is a \
         process in the container and a line in the audit log of the cluster.",
    ),
    key(
        "probe.exec-others",
        Slot::Span(|s| &mut s.probe.exec_others, s(5), s(3_600)),
        "Time between two such commands in a pod of an instance that is not in view; in view it is 10s. Past \
         `limits.silent-after` what was said is not believed any more.",
    ),
    key(
        "api.deadline",
        Slot::Span(|s| &mut s.api.deadline, s(1), s(300)),
        "A request to an API server that has not been answered after this has failed.",
    ),
    key(
        "api.connect",
        Slot::Span(|s| &mut s.api.connect, ms(500), s(300)),
        "A connection to an API server that is not open after this, TLS included, has failed.",
    ),
    key(
        "api.plugin",
        Slot::Span(|s| &mut s.api.plugin, s(1), s(600)),
        "A credential plugin that has not answered after this is stopped.",
    ),
    key(
        "api.watch",
        Slot::Span(|s| &mut s.api.watch, s(10), s(600)),
        "A watch ends and begins again after this. It bounds how long a watch that died without a word goes unnoticed.",
    ),
    key(
        "api.heartbeat",
        Slot::Span(|s| &mut s.api.heartbeat, s(1), s(300)),
        "Time between two heartbeats, which measure the round trip and notice an API server that went silent.",
    ),
    key(
        "api.retry",
        Slot::Span(|s| &mut s.api.retry, s(1), s(3_600)),
        "The longest wait before the next try to reach a context. The first waits are shorter.",
    ),
    key(
        "ca-file",
        Slot::Text(|s| &mut s.ca_file),
        "PEM file with the certificate authority by which data ports that speak TLS are verified. Empty means that a \
         certificate is accepted and shown as not verified: the authority itself is in a Secret, which is never read.",
    ),
    key(
        "password",
        Slot::Passwords(|s| &mut s.passwords),
        "Commands that print the password of an instance's data port, for the try at it. An entry at the key `password` of \
         the console comes before them. What they print is kept in memory only.",
    ),
    key(
        "instance",
        Slot::Instances(|s| &mut s.instances),
        "What an instance is to be, for the acceptance checks.",
    ),
    key(
        "consumer",
        Slot::Consumers(|s| &mut s.consumers),
        "Workloads that use an instance, and workloads that must not reach one: what is expected of policies, Services and \
         connections is told by these.",
    ),
    key(
        "metrics",
        Slot::Stores(|s| &mut s.stores),
        "Where the metrics of a context are kept, for the checks of rules and series. Without an entry the store is looked \
         for: a Service of VictoriaMetrics or Prometheus.",
    ),
];

/// The keys of one `[[instance]]`.
pub const INSTANCE_KEYS: &[KeyDoc<InstanceWish>] = &[
    key(
        "name",
        Slot::Text(|i| &mut i.instance),
        "The instance, as `NAMESPACE/NAME` or `CONTEXT/NAMESPACE/NAME`. Required.",
    ),
    key(
        "replicas",
        Slot::Count(|i| &mut i.replicas, 0, 1_000),
        "Pods that it is to have, the master included. 0 leaves it to the Dragonfly object.",
    ),
    key(
        "tenant",
        Slot::Text(|i| &mut i.tenant),
        "Whose it is, where it serves one tenant alone.",
    ),
    key(
        "shared",
        Slot::Yes(|i| &mut i.shared),
        "It is shared by several tenants on purpose: that it is, is no finding then.",
    ),
];

/// The keys of one `[[consumer]]`.
pub const CONSUMER_KEYS: &[KeyDoc<ConsumerWish>] = &[
    key(
        "name",
        Slot::Text(|c| &mut c.name),
        "What to call it. Required.",
    ),
    key(
        "context",
        Slot::Text(|c| &mut c.context),
        "The context that it runs in. Required.",
    ),
    key(
        "namespace",
        Slot::Text(|c| &mut c.namespace),
        "Its namespace. Required.",
    ),
    key(
        "instance",
        Slot::Text(|c| &mut c.instance),
        "The instance that it uses, as `NAMESPACE/NAME` or `CONTEXT/NAMESPACE/NAME`. Required.",
    ),
    key(
        "host",
        Slot::Text(|c| &mut c.host),
        "The host name by which it connects, such as `dragonfly.dragonfly-system.svc.cluster.local`.",
    ),
    key(
        "port",
        Slot::Count(|c| &mut c.port, 1, 65_535),
        "The port that it connects to.",
    ),
    key(
        "labels",
        Slot::Texts(|c| &mut c.labels),
        "Labels of its pods, each as `KEY=VALUE`, for policies that select pods by them.",
    ),
    key(
        "workload",
        Slot::Text(|c| &mut c.workload),
        "`Deployment/NAME`, `StatefulSet/NAME` or `HelmRelease/NAME` of its namespace, in which the host name is looked for.",
    ),
    key(
        "tenant",
        Slot::Text(|c| &mut c.tenant),
        "Whose workload it is.",
    ),
    key(
        "expect",
        Slot::Text(|c| &mut c.expect),
        "`allowed`, or `denied` for one that must not reach the instance.",
    ),
];

/// The keys of one `[[metrics]]`.
pub const STORE_KEYS: &[KeyDoc<StoreWish>] = &[
    key(
        "context",
        Slot::Text(|s| &mut s.context),
        "The context whose metrics they are. Required.",
    ),
    key(
        "at",
        Slot::Text(|s| &mut s.at),
        "The context that the store runs in. Empty means the same.",
    ),
    key(
        "service",
        Slot::Text(|s| &mut s.service),
        "The Service that answers queries, as `NAMESPACE/NAME` or `NAMESPACE/NAME:PORT`. Required.",
    ),
    key(
        "path",
        Slot::Text(|s| &mut s.path),
        "What comes before `/api/v1/query`, such as `/select/0/prometheus` of a VictoriaMetrics cluster.",
    ),
];

/// The keys of one `[[password]]`.
pub const PASSWORD_KEYS: &[KeyDoc<PasswordCommand>] = &[
    key(
        "instance",
        Slot::Text(|p| &mut p.instance),
        "The instance, as `NAMESPACE/NAME` or `CONTEXT/NAMESPACE/NAME`. Required.",
    ),
    key(
        "command",
        Slot::Texts(|p| &mut p.command),
        "The program and its arguments, run without a shell and without a terminal, with the deadline of `api.plugin`. The \
         first line that it prints is the password. Required.",
    ),
];

/// The keys of one context of the fleet.
pub const MEMBER_KEYS: &[KeyDoc<Member>] = &[
    key(
        "context",
        Slot::Text(|m| &mut m.context),
        "Its name in the kubeconfig. Required.",
    ),
    key(
        "namespaces",
        Slot::Texts(|m| &mut m.namespaces),
        "The only namespaces to look into, for an account whose rights end there. Empty means all.",
    ),
    key(
        "role",
        Slot::Text(|m| &mut m.role),
        "What the cluster is for, in a word beside its name. `infra` is to have an operator, and is told when it has none; `apps` only uses instances elsewhere and needs none; any other word is only shown.",
    ),
    key(
        "read-only",
        Slot::Yes(|m| &mut m.read_only),
        "Nothing may ever be changed there from this console: a lock beside its name, for ever. This version changes nothing anywhere.",
    ),
];
