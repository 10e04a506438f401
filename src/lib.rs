//! darner: an operations console for Dragonfly on Kubernetes.
//!
//! > **Facts come in, the world is updated by one writer, screens are drawn from it; keys become commands, commands
//! > become plans, plans become effects, effects come back as facts.**

pub mod actions;
pub mod app;
pub mod checks;
pub mod cli;
pub mod connect;
pub mod domain;
pub mod lab;
pub mod msg;
pub mod observe;
pub mod perform;
pub mod runtime;
pub mod screens;
pub mod settings;
pub mod widgets;
pub mod wire;
