//! Simulated clusters on real sockets.
//!
//! The lab is a stranger to the house: it imports nothing from other rooms and is reached only through the kubeconfig
//! that it writes. Start reading at [`store`] (what a cluster holds), then [`api`] (how it is served over HTTP) and
//! [`kubelet_api`] (what stands behind a pod).
pub mod clock;
mod controllers;
mod defaults;
mod events;
mod json;
mod kubelet;
pub mod kubelet_api;
mod operator;
mod pods;
mod redis;
pub mod resources;
mod schema;
mod seed;
pub mod status;
pub mod store;

pub mod engine;
