//! Who may reach whom, by what is known of the world: the ends of the connections that matter, and the policies of their
//! clusters, read on demand. The simulation itself is [`crate::domain::reach`].

pub mod connected;
pub mod matrix;
pub mod scrapers;
pub mod services;

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::listed::{Untold, listed, want};
use crate::domain::object::image_tag;
use crate::domain::reach::{
    Cilium, CiliumSettings, End, Network, Policies, Protocol, Reach, What, reach,
};
use crate::domain::world::{ContextWorld, Looked};
use crate::domain::{Consumer, ContextId, Foreign, InstanceId, InstanceView, Version, Want, World};

/// Where Cilium and the cluster's DNS live.
pub const SYSTEM: &str = "kube-system";
/// The data port of an engine.
pub const DATA: u16 = 6379;
/// Its port for administration, metrics and replication.
pub const ADMIN: u16 = 9999;

/// What must be read to judge connections of pods in a namespace of a context.
pub fn needs(context: &ContextWorld, namespace: &str) -> Vec<Want> {
    vec![
        want(context, Foreign::NetworkPolicy, namespace),
        want(context, Foreign::CiliumNetworkPolicy, namespace),
        want(context, Foreign::CiliumClusterwideNetworkPolicy, ""),
        want(context, Foreign::CiliumConfig, ""),
        want(context, Foreign::Deployment, SYSTEM),
        want(context, Foreign::Namespace, ""),
    ]
}

/// The policies that may select pods of a namespace, compiled.
pub fn policies(context: &ContextWorld, namespace: &str) -> Policies {
    let mut policies = Policies::new(network(context));
    for (what, namespace) in [
        (Foreign::NetworkPolicy, namespace),
        (Foreign::CiliumNetworkPolicy, namespace),
        (Foreign::CiliumClusterwideNetworkPolicy, ""),
    ] {
        let looked = context.on_demand.get(&want(context, what, namespace));
        let compiled = looked
            .filter(|looked| looked.fault.is_none() && context.is_live())
            .and_then(|looked| looked.policies.as_ref());
        if let Some(compiled) = compiled {
            policies.share(compiled, namespace);
            if looked.is_some_and(Looked::is_cut) {
                let words = what.doc().words;
                let why = format!("{} has more {words} than are kept", context.id);
                policies.unread.push(why);
            }
            continue;
        }
        match listed(context, what, namespace) {
            Ok(_) | Err(Untold::NotServed) => {}
            Err(why) => policies.unread.push(untold(context, what, why)),
        }
    }
    policies
}

/// Why objects of a kind are not known, in a clause.
fn untold(context: &ContextWorld, what: Foreign, why: Untold<'_>) -> String {
    let words = what.doc().words;
    let id = &context.id;
    match why {
        Untold::NotServed => format!("{id} does not serve {words}"),
        Untold::Unread => format!("{words} of {id} have not been read yet"),
        Untold::NotReached => format!("{id} is not reached"),
        Untold::Failed(fault, _) => format!("{words} of {id} cannot be read: {}", fault.message),
    }
}

/// What is known of the network of a cluster.
pub fn network(context: &ContextWorld) -> Network {
    let cilium = match listed(context, Foreign::CiliumConfig, "") {
        Err(why) => Cilium::Unknown(untold(context, Foreign::CiliumConfig, why)),
        Ok(found) => match found.objects.first() {
            None => Cilium::Absent,
            Some(config) => {
                let text = |key: &str| {
                    let value = config.body.get("data")?.get(key)?.as_str()?.trim();
                    (!value.is_empty()).then(|| value.to_owned())
                };
                Cilium::Present(CiliumSettings {
                    cluster: text("cluster-name").map(|name| Arc::from(name.as_str())),
                    local_by_default: text("policy-default-local-cluster")
                        .and_then(|word| word.parse().ok()),
                    enforcement: text("enable-policy").unwrap_or_default(),
                    version: cilium_version(context),
                })
            }
        },
    };
    Network { cilium }
}

/// By the image of Cilium's operator.
fn cilium_version(context: &ContextWorld) -> Option<Version> {
    let found = listed(context, Foreign::Deployment, SYSTEM).ok()?;
    let operator = found
        .objects
        .iter()
        .find(|one| &*one.meta.name == "cilium-operator")?;
    let images = operator.body.get("images")?.as_array()?;
    let mut images = images.iter().filter_map(Value::as_str);
    images.find_map(|image| Version::parse(image_tag(image)?))
}

/// Labels of a namespace; `None` where they are not known.
fn namespace_labels(context: &ContextWorld, namespace: &str) -> Option<BTreeMap<String, String>> {
    let found = listed(context, Foreign::Namespace, "").ok()?;
    let of = found
        .objects
        .iter()
        .find(|one| &*one.meta.name == namespace)?;
    Some(of.meta.labels.clone())
}

/// Whether a namespace is there; `None` where that is not known.
pub fn has_namespace(context: &ContextWorld, namespace: &str) -> Option<bool> {
    let found = listed(context, Foreign::Namespace, "").ok()?;
    Some(found.objects.iter().any(|one| &*one.meta.name == namespace))
}

/// A pod of a namespace, with what is known of its cluster.
pub fn pod(
    context: &ContextWorld,
    namespace: &str,
    labels: impl IntoIterator<Item = (String, String)>,
) -> End {
    End {
        cluster: network(context).cluster(),
        namespace_labels: namespace_labels(context, namespace),
        ..End::pod(&context.id, namespace, labels)
    }
}

/// A pod of an instance: the master, where one is labelled so.
pub fn database(view: &InstanceView<'_>) -> End {
    let node = view.labelled_masters().next().or(view.nodes.first());
    let labels = match node {
        Some(node) => node.pod.value.meta.labels.clone(),
        None => own_labels(&view.id.name),
    };
    let address = node.and_then(|node| node.ip()?.parse::<IpAddr>().ok());
    End {
        address,
        ports: Some(vec![
            ("redis".to_owned(), DATA),
            ("admin".to_owned(), ADMIN),
        ]),
        ..pod(view.context, &view.id.namespace, labels)
    }
}

/// The labels by which the operator selects the pods of an instance (v1.1 to v1.6).
pub fn own_labels(name: &str) -> BTreeMap<String, String> {
    [
        ("app", name),
        ("app.kubernetes.io/name", "dragonfly"),
        ("app.kubernetes.io/part-of", "dragonfly"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The operator's pods, with their names: in the network of their machines they are none.
pub fn operators(context: &ContextWorld) -> Vec<(String, End)> {
    let pods = context.operator_pods.iter();
    pods.filter(|held| held.value.meta.deleting.is_none())
        .map(|held| {
            let meta = &held.value.meta;
            let ip = held.value.ip.as_deref();
            let end = End {
                address: ip.and_then(|ip| ip.parse().ok()),
                ..pod(context, &meta.namespace, meta.labels.clone())
            };
            (meta.name.to_string(), end)
        })
        .collect()
}

/// The cluster's DNS: its pods, the port that they listen on, and whether that is what its Service says.
pub fn dns(context: &ContextWorld) -> (End, u16, bool) {
    let services = listed(context, Foreign::Service, SYSTEM);
    let service = services.ok().and_then(|found| {
        let mut all = found.objects.into_iter();
        all.find(|one| {
            matches!(
                &*one.meta.name,
                "kube-dns" | "coredns" | "rke2-coredns-rke2-coredns"
            )
        })
    });
    let selector = service
        .and_then(|service| service.body.pointer("/spec/selector")?.as_object())
        .map(|selector| {
            let pairs = selector.iter();
            pairs
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect::<BTreeMap<_, _>>()
        })
        .filter(|selector| !selector.is_empty());
    let port = service.and_then(|service| {
        let ports = service.body.pointer("/spec/ports")?.as_array()?;
        let udp = |one: &&Value| {
            one.get("port").and_then(Value::as_u64) == Some(53)
                && one.get("protocol").and_then(Value::as_str) == Some("UDP")
        };
        let target = ports.iter().find(udp)?.get("targetPort")?.as_u64()?;
        u16::try_from(target).ok()
    });
    let is_known = selector.is_some();
    let labels = selector.unwrap_or_else(|| [("k8s-app".to_owned(), "kube-dns".to_owned())].into());
    let port = port.unwrap_or(53);
    let end = End {
        ports: Some(vec![("dns".to_owned(), port), ("dns-tcp".to_owned(), port)]),
        ..pod(context, SYSTEM, labels)
    };
    (end, port, is_known)
}

/// The instance that a consumer uses.
pub fn instance_of(world: &World, consumer: &Consumer) -> Option<InstanceId> {
    world.instances().find(|id| consumer.instance.is(id))
}

/// The context that a consumer runs in, as the one under which its cluster is shown.
pub fn home<'a>(world: &'a World, context: &ContextId) -> Option<&'a ContextWorld> {
    let id = world.twin(context).unwrap_or(context);
    world.context(id)
}

/// A pod of a consumer: with the labels that the settings give it, else those of its workload, else none.
pub fn consumer(context: &ContextWorld, consumer: &Consumer) -> End {
    let labels = match consumer.labels.is_empty() {
        true => workload_labels(context, consumer).unwrap_or_default(),
        false => consumer.labels.clone(),
    };
    pod(context, &consumer.id.namespace, labels)
}

/// The kind by which the workload of a consumer is read, and its name.
pub fn workload(consumer: &Consumer) -> Option<(Foreign, &str)> {
    let (kind, name) = consumer.workload.split_once('/')?;
    let what = match kind.to_lowercase().as_str() {
        "deployment" => Foreign::Deployment,
        "statefulset" => Foreign::StatefulSet,
        "helmrelease" => Foreign::HelmRelease,
        _ => return None,
    };
    Some((what, name))
}

fn workload_labels(
    context: &ContextWorld,
    consumer: &Consumer,
) -> Option<BTreeMap<String, String>> {
    let (what, name) = workload(consumer)?;
    let found = listed(context, what, &consumer.id.namespace).ok()?;
    let of = found.objects.iter().find(|one| &*one.meta.name == name)?;
    let labels = of
        .body
        .pointer("/spec/template/metadata/labels")?
        .as_object()?;
    let pairs = labels.iter();
    Some(
        pairs
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    )
}

/// A connection that matters: both ends, and the policies of the cluster of either.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Who opens it.
    pub from: End,
    /// The policies that may select it.
    pub leaving: Policies,
    /// Who it is opened to.
    pub to: End,
    /// The policies that may select that.
    pub arriving: Policies,
}

impl Passage {
    /// From a pod of one context to a pod of another, or of the same one.
    pub fn new(from: (&ContextWorld, End), to: (&ContextWorld, End)) -> Self {
        let arriving = policies_of(to.0, &to.1);
        let is_at_home =
            from.0.id == to.0.id && from.1.namespace == to.1.namespace && from.1.what == to.1.what;
        Self {
            leaving: match is_at_home {
                true => arriving.clone(),
                false => policies_of(from.0, &from.1),
            },
            arriving,
            from: from.1,
            to: to.1,
        }
    }

    /// From a pod to somewhere outside of the clusters.
    pub fn outwards(context: &ContextWorld, from: End) -> Self {
        Self {
            leaving: policies_of(context, &from),
            arriving: Policies::default(),
            from,
            to: End::outside(),
        }
    }

    /// Whether it may be opened.
    pub fn reach(&self, port: u16, protocol: Protocol) -> Reach {
        reach(
            (&self.from, &self.leaving),
            (&self.to, &self.arriving),
            port,
            protocol,
        )
    }
}

fn policies_of(context: &ContextWorld, end: &End) -> Policies {
    match end.what {
        What::Pod => policies(context, &end.namespace),
        What::Host | What::Outside => Policies::new(network(context)),
    }
}

/// From a consumer to its instance; `None` where either is not known.
pub fn of_consumer(world: &World, wish: &Consumer) -> Option<(Passage, InstanceId)> {
    let id = instance_of(world, wish)?;
    let view = world.instance(&id)?;
    let context = home(world, &wish.id.context)?;
    let from = consumer(context, wish);
    let passage = Passage::new((context, from), (view.context, database(&view)));
    Some((passage, id))
}

/// What must be read for that, but for the instance itself.
pub fn needs_of_consumer(world: &World, wish: &Consumer) -> Vec<Want> {
    let mut needs = Vec::new();
    if let Some(context) = home(world, &wish.id.context) {
        needs.extend(self::needs(context, &wish.id.namespace));
        if let (true, Some((what, _))) = (wish.labels.is_empty(), workload(wish)) {
            needs.push(want(context, what, &wish.id.namespace));
        }
    }
    if let Some(id) = instance_of(world, wish)
        && let Some(context) = world.context(&id.context)
    {
        needs.extend(self::needs(context, &id.namespace));
    }
    needs
}
