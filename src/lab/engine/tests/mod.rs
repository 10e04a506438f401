//! Engines driven over real sockets, and compared with the recordings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod commands;
mod lifecycle;
mod recorded;
mod recordings;
mod replays;
mod replication;
mod stage;
mod takeover;
