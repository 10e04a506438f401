//! Simulated clusters on real sockets.
//!
//! The lab is a stranger to the house: it imports nothing from other rooms and is reached only through the kubeconfig
//! that it writes. Start reading at [`store`] (what a cluster holds), then [`api`] (how it is served over HTTP) and
//! [`kubelet_api`] (what stands behind a pod).
mod base64;
pub mod api;
pub mod clock;
mod controllers;
mod defaults;
pub mod engine;
mod events;
mod json;
mod kubelet;
mod operator;
mod pods;
mod redis;
mod seed;
mod tasks;
pub mod kubelet_api;
pub mod resources;
mod schema;
pub mod status;
pub mod store;

pub mod engine;
