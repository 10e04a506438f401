//! Screens, driven through `update` with facts and keys, and held to snapshots: the text, and beneath it the tone of
//! every cell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod anything;
mod fleet;
mod flows;
mod instance;
mod network;
mod operator;
mod replication;
mod storage;
mod world;
