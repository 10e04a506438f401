//! How the outside spells it: Kubernetes objects and engine replies, turned into what the ground floor knows.
//!
//! Decoding is lenient by principle: a field that is missing, or that is of a type nobody expected, is absent and
//! nothing more. An object fails only when it does not even say what it is called, because then it cannot be told
//! from others. Every text goes through [`crate::domain::text`], so what leaves here is safe to draw.
//!
//! Never: sockets, judging, or a value that the outside did not send.
//!
//! Start with [`decode`] for objects and [`answer`] for engines.

mod claim;
mod clients;
mod dragonfly;
mod event;
mod figure;
pub mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod foreign;
mod hosts;
mod info;
mod lease;
mod lists;
mod log;
mod manifest;
mod meta;
mod monitoring;
mod pages;
mod pod;
mod policy;
pub mod quantity;
mod read;
mod reply;
mod traffic;
mod volumes;
mod workload;

use std::sync::Arc;

use serde_json::Value;

use crate::domain::{Kind, Object};

pub use clients::{client_list, connections};
pub use files::{ListedFile, listed_files};
pub use foreign::foreign;
pub use info::{
    Sections, clients, commands, cpu, errors, keyspace, memory, persistence, replication, sections,
    server, stats, tiering,
};
pub use lists::{arena, config, memory_stats, offsets, slow_log};
pub use log::log_line;
pub use manifest::{Broken, Document, documents};
pub use monitoring::{store_answer, store_refusal};
pub use pages::{healthz, metrics};
pub use quantity::bytes as quantity_bytes;
pub use reply::{Reply, answer, role};
pub use volumes::volumes;

/// Something that came in and could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// An object of a watched kind.
    #[error("an object among the {} {place} cannot be understood: {problem}", kind.words())]
    Object {
        /// Which question it answered.
        kind: Kind,
        /// Its namespace, empty where unknown.
        namespace: Arc<str>,
        /// Its name, empty where unknown.
        name: Arc<str>,
        /// Where it was met, in words.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An engine's reply.
    #[error("the reply to {command} cannot be understood: {problem}")]
    Reply {
        /// What was asked.
        command: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An engine's error reply, where a value was asked for.
    #[error("{command} was refused: {text}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// The engine's words.
        text: String,
    },
}

/// Decodes one object of a watched kind, as the API server sends it.
///
/// # Errors
///
/// Only when the value is no object or has no `metadata.name`; the error carries what is known of it.
pub fn decode(kind: Kind, value: &Value) -> Result<Object, Undecodable> {
    let meta = meta::decode(kind, value)?;
    Ok(match kind {
        Kind::Crd => Object::Crd(Arc::new(dragonfly::crd(meta, value))),
        Kind::Dragonfly => Object::Dragonfly(Arc::new(dragonfly::dragonfly(meta, value))),
        Kind::Pod => Object::Pod(Arc::new(pod::pod(meta, value))),
        Kind::OperatorPod => Object::OperatorPod(Arc::new(pod::pod(meta, value))),
        Kind::StatefulSet => Object::StatefulSet(Arc::new(workload::stateful_set(meta, value))),
        Kind::OperatorDeployment => {
            Object::OperatorDeployment(Arc::new(workload::deployment(meta, value)))
        }
        Kind::Service => Object::Service(Arc::new(traffic::service(meta, value))),
        Kind::EndpointSlice => Object::EndpointSlice(Arc::new(traffic::slice(meta, value))),
        Kind::Pvc => Object::Pvc(Arc::new(claim::pvc(meta, value))),
        Kind::ExistingPvc => Object::ExistingPvc(Arc::new(claim::pvc(meta, value))),
        Kind::Pdb => Object::Pdb(Arc::new(policy::pdb(meta, value))),
        Kind::NetworkPolicy => Object::NetworkPolicy(Arc::new(policy::network_policy(meta, value))),
        Kind::Event => Object::Event(Arc::new(event::event(meta, value))),
        Kind::OperatorLease => Object::OperatorLease(Arc::new(lease::lease(meta, value))),
    })
}

#[cfg(test)]
mod tests;
