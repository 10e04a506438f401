//! Simulated clusters on real sockets.
//!
//! The lab is a stranger to the house: it imports nothing from other rooms and is reached only through the kubeconfig
//! that it writes. Start reading at [`store`] (what a cluster holds), then [`api`] (how it is served over HTTP),
//! [`kubelet_api`] (what stands behind a pod), [`engine`] (the simulated servers), `controllers`, `kubelet` and
//! `operator` (who moves things). `node` attaches machines and engines to a real API server instead.

pub mod api;
mod base64;
pub mod clock;
mod cluster;
mod control;
mod controllers;
mod defaults;
pub mod engine;
mod events;
pub mod fault;
mod furnish;
mod json;
pub mod kubeconfig;
mod kubelet;
pub mod kubelet_api;
mod node;
mod operator;
mod pods;
mod redis;
pub mod resources;
mod running;
pub mod scenario;
mod schema;
mod seed;
mod stage;
pub mod status;
pub mod store;
mod tasks;
mod traffic;

pub use control::{Control, Knock, dial, knock, read_state, send_fault, send_stop};
pub use node::{LabNode, NodeOptions, Range, Serving};
pub use running::{Lab, LabError, LabOptions};
pub use scenario::{Lasts, MOST_INSTANCES, SCENARIOS, Scenario, Unknown, Use};
