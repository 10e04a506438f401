//! One test binary: stories of people who use darner, against real sockets, and the rules of the house.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod contract;
mod driver;
mod fuzz;
mod lab_kubectl;
mod lab_node;
mod screens;
mod stories;
mod tidy;
