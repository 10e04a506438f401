//! `darner lab node`: the lab's machines and engines under a real API server.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::refuse;
use crate::cli::USAGE;
use crate::cli::args::Reach;
use crate::lab::{LabNode, NodeOptions, Range, Serving};

/// `darner lab node`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --kubeconfig and --context of an administrator it registers nodes, runs the pods that are bound to them (a simulated Dragonfly server in each pod of its image), forwards \
cluster addresses, answers cluster DNS at the tenth address of the services, provides volumes, and serves the kubelets' API \
at port 10250 of each node. Every address of the three ranges must be a local one where it runs:
  ip route add local RANGE dev lo

Faults, while it runs with --control FILE: darner lab fault NAME --control FILE, where NAME is lost-node:NODE, dead-node:NODE, \
node-back:NODE, freeze:NAMESPACE:POD, thaw:NAMESPACE:POD, kill:NAMESPACE:POD, operator-stalled or heal.")]
pub struct NodeArgs {
    /// How many nodes to register.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub nodes: u32,
    /// How the names of the nodes begin.
    #[arg(long, value_name = "NAME", default_value = "node", value_parser = prefix)]
    pub prefix: String,
    /// The addresses of the nodes.
    #[arg(long, value_name = "CIDR")]
    pub node_range: Range,
    /// The addresses of the pods; each node has 256 of them.
    #[arg(long, value_name = "CIDR")]
    pub pod_range: Range,
    /// The addresses of the Services, as the API server gives them out.
    #[arg(long, value_name = "CIDR")]
    pub service_range: Range,
    /// Install and play the simulated operator, where the real one cannot be had.
    #[arg(long)]
    pub operator: bool,
    /// The kubelets' certificate, in PEM; without, one that nobody signed.
    #[arg(long, value_name = "FILE", requires = "kubelet_key")]
    pub kubelet_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "kubelet_cert")]
    pub kubelet_key: Option<PathBuf>,
    /// Who signs the certificates of the kubelets' clients; without, anybody may ask.
    #[arg(long, value_name = "FILE")]
    pub kubelet_client_ca: Option<PathBuf>,
    /// The same number gives engines the same load and ids.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Divide initial delays of probes and back-offs of crashed containers by this.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub haste: u32,
    /// Write to this file how faults reach it; goes with a socket beside it.
    #[arg(long, value_name = "FILE")]
    pub control: Option<PathBuf>,
}

fn prefix(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits);
    (good && text.len() <= 50)
        .then(|| text.to_owned())
        .ok_or_else(|| {
            "a name of lower case letters, digits and '-', which a number will follow".into()
        })
}

impl NodeArgs {
    /// What they ask for.
    ///
    /// # Errors
    /// A sentence, when they do not say which cluster is meant.
    fn options(&self, reach: &Reach) -> Result<NodeOptions, String> {
        let Some(kubeconfig) = reach.kubeconfig.clone() else {
            // What is registered in a cluster by mistake is not taken away easily.
            return Err("name the kubeconfig with --kubeconfig FILE: nodes are attached to no cluster by default".into());
        };
        let context = match reach.contexts.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            _ => return Err("nodes are attached to one context: name one with --context".into()),
        };
        let certificate = self.kubelet_cert.clone().zip(self.kubelet_key.clone());
        Ok(NodeOptions {
            kubeconfig,
            context,
            nodes: self.nodes,
            prefix: self.prefix.clone(),
            node_range: self.node_range,
            pod_range: self.pod_range,
            service_range: self.service_range,
            operator: self.operator,
            serving: Serving {
                certificate,
                client_ca: self.kubelet_client_ca.clone(),
            },
            seed: self.seed,
            haste: self.haste,
        })
    }
}

/// Attaches the nodes and keeps them until it is told to stop; the result is the exit code.
///
/// # Errors
/// When signals or standard output cannot be had.
pub(super) async fn run(args: &NodeArgs, reach: &Reach) -> color_eyre::Result<u8> {
    let options = match args.options(reach) {
        Ok(options) => options,
        Err(sentence) => {
            eprintln!("darner: {sentence}");
            return Ok(USAGE);
        }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let begun = tokio::select! {
        begun = LabNode::start(options) => begun,
        _ = interrupt.recv() => return Ok(1),
        _ = terminate.recv() => return Ok(1),
        _ = hangup.recv() => return Ok(1),
    };
    let node = match begun {
        Ok(node) => node,
        Err(error) => return refuse(&error),
    };
    let opened = args.control.as_deref().map(|file| node.serve_control(file));
    let _door = match opened.transpose() {
        Ok(door) => door,
        Err(error) => {
            node.shutdown();
            return refuse(&error);
        }
    };
    let mut out = io::stdout().lock();
    writeln!(out, "ready; nodes {}", node.names().join(", "))?;
    out.flush()?;
    drop(out);
    tokio::select! {
        () = node.ended() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    node.shutdown();
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_prefix_can_begin_the_name_of_a_node() {
        for (text, good) in [
            ("node", true),
            ("infra-a", true),
            ("", false),
            ("Node", false),
            ("1", false),
            ("a.b", false),
        ] {
            assert_eq!(prefix(text).is_ok(), good, "{text}");
        }
    }
}
