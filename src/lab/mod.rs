//! Simulated clusters on real sockets.

pub mod engine;
