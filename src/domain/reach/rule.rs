//! Rules of policies, compiled: whom they speak of, and which ports.

use std::fmt;
use std::sync::Arc;

use super::block::Block;
use super::fit::Fit;
use super::picker::{Key, Picker};
use super::{End, Network, Spans, What};

/// A kind of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Kind {
    NetworkPolicy,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
}

impl Kind {
    /// As Kubernetes writes it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::NetworkPolicy => "NetworkPolicy",
            Kind::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Kind::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
        }
    }
}

/// Names a policy within its cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyName {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, empty for one of the whole cluster.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{} {}", self.kind.word(), self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind.word(), self.name),
        }
    }
}

/// Names a rule: `ingress rule 2 of NetworkPolicy shop/allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its policy.
    pub policy: PolicyName,
    /// The list that it stands in, as `ingress` or `egressDeny`.
    pub list: &'static str,
    /// Its place in there, from one.
    pub number: usize,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {} of {}", self.list, self.number, self.policy)
    }
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the protocol of its name")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As Kubernetes writes it.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        }
    }
}

/// A policy's word on one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Direction {
    /// Pods that it selects are closed but for what some rule admits.
    pub isolates: bool,
    pub allow: Vec<Compiled>,
    pub deny: Vec<Compiled>,
}

/// A compiled policy, or one of the several that an object of Cilium's may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub name: PolicyName,
    /// Whom it is about.
    pub subjects: Picker,
    pub ingress: Direction,
    pub egress: Direction,
    /// What of it is not understood, so that it may do anything.
    pub unclear: Option<String>,
}

/// A compiled rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compiled {
    pub list: &'static str,
    pub number: usize,
    pub peers: Peers,
    pub ports: Vec<Ports>,
    /// It also looks into what is said, so that not all that it admits here passes.
    pub looks_inside: bool,
    /// What of it is not understood.
    pub unclear: Option<String>,
}

/// Whom a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Peers {
    /// Anyone.
    Everyone,
    /// Any of these; none where there are none.
    Some(Vec<Peer>),
}

/// One whom a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Peer {
    Endpoints(Picker),
    Block {
        block: Block,
        except: Vec<Block>,
    },
    /// One of Cilium's entities.
    Entity(String),
    /// It cannot be told whom, and why; of pods, or only of what is outside of the clusters.
    Unclear {
        why: String,
        is_pods: bool,
    },
}

/// Ports that a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ports {
    /// `None` for any.
    pub protocol: Option<String>,
    pub which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Range(u16, u16),
    Named(String),
    Unclear(String),
}

impl Compiled {
    /// Whether it speaks of a connection with that peer to that port; `to` is the end that has the port.
    pub(super) fn fit(
        &self,
        peer: &End,
        is_local: bool,
        network: &Network,
        (to, port, protocol): (&End, u16, Protocol),
    ) -> Fit {
        let peers = self.peers.fit(peer, is_local, network);
        if peers == Fit::No {
            return Fit::No;
        }
        let ports = match self.ports.is_empty() {
            true => Fit::Yes,
            false => self.ports.iter().fold(Fit::No, |found, ports| {
                found.or(ports.fit(to, port, protocol))
            }),
        };
        let fit = match (peers, ports) {
            (Fit::Yes, Fit::No) => Fit::Near(format!("it speaks of {} only", self.ports_words())),
            (peers, ports) => peers.and(ports),
        };
        match &self.unclear {
            Some(why) => fit.and(Fit::Unsure(why.clone())),
            None => fit,
        }
    }

    fn ports_words(&self) -> String {
        let all: Vec<String> = self.ports.iter().map(Ports::words).collect();
        match all.as_slice() {
            [one] => format!("port {one}"),
            _ => format!("ports {}", all.join(", ")),
        }
    }
}

impl Peers {
    fn fit(&self, end: &End, is_local: bool, network: &Network) -> Fit {
        match self {
            Peers::Everyone => Fit::Yes,
            Peers::Some(peers) => peers.iter().fold(Fit::No, |found, peer| {
                found.or(peer.fit(end, is_local, network))
            }),
        }
    }
}

impl Peer {
    fn fit(&self, end: &End, is_local: bool, network: &Network) -> Fit {
        match self {
            Peer::Endpoints(picker) => {
                let fit = picker.fit(end);
                let names_cluster = picker.names(|key| *key == Key::Cluster);
                if fit == Fit::No || is_local || names_cluster || end.what != What::Pod {
                    return fit;
                }
                match network.spans() {
                    Spans::All(_) => fit,
                    Spans::Own(why) => Fit::Near(why),
                    Spans::Unknown(why) => fit.and(Fit::Unsure(why)),
                }
            }
            Peer::Block { block, except } => block_fit(*block, except, end, is_local, network),
            Peer::Entity(name) => entity_fit(name, end, is_local),
            Peer::Unclear { why, is_pods } => match end.what {
                What::Pod if !is_pods => Fit::No,
                _ => Fit::Unsure(why.clone()),
            },
        }
    }
}

fn block_fit(block: Block, except: &[Block], end: &End, is_local: bool, network: &Network) -> Fit {
    let is_everything = block.is_all() && except.is_empty();
    let by_address = match end.address {
        Some(address) => {
            Fit::of(block.holds(address) && !except.iter().any(|one| one.holds(address)))
        }
        None if is_everything => Fit::Yes,
        None => {
            Fit::Unsure("it speaks of addresses, and which one this has is not known".to_owned())
        }
    };
    if end.what != What::Pod || by_address == Fit::No {
        return by_address;
    }
    match (network.is_cilium(), is_local) {
        (Some(false), _) => by_address,
        (Some(true), true) => Fit::Near(
            "it speaks of addresses, which Cilium does not apply to pods".to_owned(),
        ),
        (Some(true), false) => by_address.and(Fit::Unsure(
            "it speaks of addresses, which Cilium applies to pods of another cluster only where they are not of its mesh"
                .to_owned(),
        )),
        (None, _) => by_address.and(Fit::Unsure(
            "it speaks of addresses, which not every network applies to pods".to_owned(),
        )),
    }
}

/// Cilium's entities. `cluster` is the policy's own cluster, whatever is in the mesh.
fn entity_fit(name: &str, end: &End, is_local: bool) -> Fit {
    match (name, end.what) {
        ("all", _) => Fit::Yes,
        ("cluster", What::Pod) if is_local => Fit::Yes,
        ("cluster", What::Pod) => {
            Fit::Near("the entity cluster is the policy's own cluster alone".to_owned())
        }
        ("cluster", What::Host) if is_local => Fit::Yes,
        ("world" | "world-ipv4" | "world-ipv6", What::Outside) => match name {
            "world" => Fit::Yes,
            _ => Fit::Unsure(format!("the entity {name} is of one family of addresses")),
        },
        ("none", _) => Fit::No,
        ("host" | "remote-node" | "kube-apiserver", What::Host) => Fit::Unsure(format!(
            "whether its machine is of the entity {name} is not known"
        )),
        (
            "world" | "world-ipv4" | "world-ipv6" | "cluster" | "host" | "remote-node"
            | "kube-apiserver" | "health" | "init" | "ingress" | "unmanaged",
            _,
        ) => Fit::No,
        (other, _) => Fit::Unsure(format!("the entity {other} is not known")),
    }
}

impl Ports {
    fn fit(&self, to: &End, port: u16, protocol: Protocol) -> Fit {
        let carried = match self.protocol.as_deref() {
            None | Some("ANY") => true,
            Some(name) => name == protocol.word(),
        };
        if !carried {
            return Fit::No;
        }
        match &self.which {
            Which::All => Fit::Yes,
            Which::Range(from, until) => Fit::of((*from..=*until).contains(&port)),
            Which::Named(name) => match &to.ports {
                Some(ports) => Fit::of(
                    ports
                        .iter()
                        .any(|(one, number)| one == name && *number == port),
                ),
                None => Fit::Unsure(format!(
                    "it speaks of the port called {name}, and what the ports of the pod are called is not known"
                )),
            },
            Which::Unclear(why) => Fit::Unsure(why.clone()),
        }
    }

    fn words(&self) -> String {
        let number = match &self.which {
            Which::All => "any".to_owned(),
            Which::Range(from, until) if from == until => from.to_string(),
            Which::Range(from, until) => format!("{from}-{until}"),
            Which::Named(name) => name.clone(),
            Which::Unclear(_) => "?".to_owned(),
        };
        match self.protocol.as_deref() {
            None | Some("TCP" | "ANY") => number,
            Some(other) => format!("{number}/{other}"),
        }
    }
}
