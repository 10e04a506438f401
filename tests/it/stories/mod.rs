//! Stories of people who use darner: the real binary in a pseudo-terminal, or headless, against real sockets.

mod acceptance;
mod acting;
mod bad_input;
mod board;
mod check;
mod fleet;
mod gitops;
mod lab;
mod lab_changes;
mod metrics;
mod modes;
mod operator;
mod operator_behaviour;
mod picture;
mod policy;
mod real_api;
mod real_planes;
mod real_redis;
mod replication;
mod rights;
mod scenarios;
mod states;
mod status;
mod terminal;
mod twice;
mod ways;
