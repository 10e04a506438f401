//! Machine room: the ways out of the house.
//!
//! Kubeconfig to API clients, credential plugins, port-forwards to pods, and RESP over them. Everything opened here has
//! a deadline, and every refusal comes back as a [`Fault`](crate::domain::Fault) that says what to do next.
//!
//! Every client passes the guard: what could change a cluster is stopped before it is sent, unless it carries a pass of the
//! context's latch for just this change.
//!
//! Never: a decision, a fact about the cluster, a retry that nobody sees.
//!
//! Start with [`kubeconfig::load`], then [`client::Door`].

pub mod certificate;
pub mod client;
pub mod credential;
pub mod data_port;
pub mod detach;
pub mod exec;
pub mod fault;
pub mod forward;
mod frame;
mod guard;
pub mod keyring;
pub mod kubeconfig;
pub mod latch;
mod proxy;
pub mod request;
pub mod resp;
pub mod tls;
