//! The settings file, typed: what may be in it, what each key means, and what holds where it says nothing.
//!
//! [`KEYS`] and [`MEMBER_KEYS`] are the only lists of keys: reading, suggestions and `docs/reference/settings.md` are
//! all made from them.

mod keys;
mod read;

use std::time::Duration;

use super::problem::Problem;
use super::source::Source;

pub use keys::{
    CONSUMER_KEYS, INSTANCE_KEYS, KEYS, KeyDoc, MEMBER_KEYS, PASSWORD_KEYS, STORE_KEYS,
};

/// What the settings file says, and the defaults for what it does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Contexts to open when none is named on the command line; empty means the current context.
    pub fleet: Vec<Member>,
    /// Name of the theme.
    pub theme: String,
    /// Name of the keymap.
    pub keymap: String,
    /// Plain ASCII signs only.
    pub ascii: bool,
    /// Wheel and click. Selecting text in the terminal works only without.
    pub mouse: bool,
    /// Bounds that turn a figure into a finding.
    pub limits: Bounds,
    /// How engines are asked.
    pub probe: Probing,
    /// How API servers are asked.
    pub api: Asking,
    /// The certificate authority by which data ports that speak TLS are verified; empty for none.
    pub ca_file: String,
    /// Commands that print the password of an instance.
    pub passwords: Vec<PasswordCommand>,
    /// What instances are to be.
    pub instances: Vec<InstanceWish>,
    /// Who consumes instances, and who must not.
    pub consumers: Vec<ConsumerWish>,
    /// Where metrics are kept.
    pub stores: Vec<StoreWish>,
}

/// What an instance is to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceWish {
    /// `NAMESPACE/NAME`, or `CONTEXT/NAMESPACE/NAME`.
    pub instance: String,
    /// Pods that it is to have; 0 leaves it to the Dragonfly object.
    pub replicas: u64,
    /// Whose it is.
    pub tenant: String,
    /// It is shared by several tenants on purpose.
    pub shared: bool,
}

/// A workload that uses an instance, or one that must not reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerWish {
    /// What to call it.
    pub name: String,
    /// The context that it runs in.
    pub context: String,
    /// Its namespace.
    pub namespace: String,
    /// `NAMESPACE/NAME`, or `CONTEXT/NAMESPACE/NAME`.
    pub instance: String,
    /// The host name by which it connects.
    pub host: String,
    /// The port that it connects to.
    pub port: u64,
    /// Labels of its pods, each as `KEY=VALUE`.
    pub labels: Vec<String>,
    /// `Deployment/NAME`, `StatefulSet/NAME` or `HelmRelease/NAME`.
    pub workload: String,
    /// Whose workload it is.
    pub tenant: String,
    /// `allowed` or `denied`.
    pub expect: String,
    /// The line of the settings that it stands on, from 1; 0 where it stands in none.
    pub line: usize,
}

impl Default for ConsumerWish {
    fn default() -> Self {
        Self {
            name: String::new(),
            context: String::new(),
            namespace: String::new(),
            instance: String::new(),
            host: String::new(),
            port: 6379,
            labels: Vec::new(),
            workload: String::new(),
            tenant: String::new(),
            expect: "allowed".to_owned(),
            line: 0,
        }
    }
}

/// Where the metrics of a context are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreWish {
    /// The context whose metrics they are.
    pub context: String,
    /// The context that the store runs in; empty for the same.
    pub at: String,
    /// `NAMESPACE/SERVICE`, or `NAMESPACE/SERVICE:PORT`.
    pub service: String,
    /// What comes before `/api/v1/query`.
    pub path: String,
}

/// A command that prints the password of an instance on its first line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PasswordCommand {
    /// `NAMESPACE/NAME`, or `CONTEXT/NAMESPACE/NAME`.
    pub instance: String,
    /// The program and its arguments. No shell is in between.
    pub command: Vec<String>,
}

/// One context of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its name in the kubeconfig.
    pub context: String,
    /// The only namespaces to look into, for an account whose rights end there; empty means all.
    pub namespaces: Vec<String>,
    /// What the cluster is for, in a word beside its name: `infra`, `apps`. Empty for none.
    pub role: String,
    /// Nothing may ever be changed there from here.
    pub read_only: bool,
}

/// Bounds that turn a figure into a finding; the words are those of the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// An engine that last answered longer ago than this counts as silent.
    pub silent_after: Duration,
    /// A replica further behind than this in stable sync is degraded, journal records.
    pub lag: u64,
    /// A pod or instance younger than this is being made rather than broken.
    pub grace: Duration,
    /// A replica in state `preparation` for longer than this has stopped replicating.
    pub preparation: Duration,
    /// An operator Lease renewed longer ago than this has no leader.
    pub lease: Duration,
}

/// How engines are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
    /// Time between two probes of a node of the instance in view.
    pub in_view: Duration,
    /// Time between two probes of any other node.
    pub others: Duration,
    /// A question that has not been answered after this has failed.
    pub deadline: Duration,
    /// Nodes of instances not in view that are asked at once, per context.
    pub at_once: u64,
    /// Try data ports.
    pub data_port: bool,
    /// Run `redis-cli` in the pod where no port-forward is permitted.
    pub exec: bool,
    /// Time between two such commands in a pod of an instance that is not in view.
    pub exec_others: Duration,
}

/// How API servers are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// A request that has not been answered after this has failed.
    pub deadline: Duration,
    /// A connection that is not open after this, TLS included, has failed.
    pub connect: Duration,
    /// A credential plugin that has not answered after this is stopped.
    pub plugin: Duration,
    /// A watch ends and begins again after this; it bounds how long a dead one goes unnoticed.
    pub watch: Duration,
    /// Time between two heartbeats, which measure the round trip and notice a silent server.
    pub heartbeat: Duration,
    /// The longest wait before the next try to reach a context that cannot be reached.
    pub retry: Duration,
}

impl Settings {
    /// What the settings say of a context.
    pub fn member(&self, context: &str) -> Option<&Member> {
        self.fleet.iter().find(|member| member.context == context)
    }

    /// Reads the settings file. What is wrong in it is named, and everything else still applies.
    pub fn read(source: &Source) -> (Self, Vec<Problem>) {
        read::read(source)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fleet: Vec::new(),
            theme: super::theme::DEFAULT.to_owned(),
            keymap: super::keymap::DEFAULT.to_owned(),
            ascii: false,
            mouse: false,
            limits: Bounds::default(),
            probe: Probing::default(),
            api: Asking::default(),
            ca_file: String::new(),
            passwords: Vec::new(),
            instances: Vec::new(),
            consumers: Vec::new(),
            stores: Vec::new(),
        }
    }
}

impl Default for Bounds {
    /// The same as `checks::Limits`: 440 to 1,450 records of lag were measured under ordinary load.
    fn default() -> Self {
        Self {
            silent_after: Duration::from_secs(30),
            lag: 10_000,
            grace: Duration::from_secs(60),
            preparation: Duration::from_secs(10),
            lease: Duration::from_secs(30),
        }
    }
}

impl Default for Probing {
    fn default() -> Self {
        Self {
            in_view: Duration::from_secs(2),
            others: Duration::from_secs(10),
            deadline: Duration::from_secs(2),
            at_once: 16,
            data_port: true,
            exec: false,
            exec_others: Duration::from_secs(25),
        }
    }
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            plugin: Duration::from_secs(15),
            watch: Duration::from_secs(60),
            heartbeat: Duration::from_secs(5),
            retry: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests;
