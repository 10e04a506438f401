//! Simulated clusters on real sockets.
