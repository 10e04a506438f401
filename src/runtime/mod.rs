//! The machine room's heart: the loop, the supervisor of tasks, the terminal, the log.
//!
//! The loop owns all state. It takes messages in, hands them to `app::update`, carries the small effects out (title,
//! clipboard, suspend) and draws, but only when something that is shown has changed.
//!
//! Never: rules about Dragonfly or Kubernetes.
//!
//! Start with [`console::run`].

pub mod console;
mod keys;
pub mod log;
pub mod supervisor;
pub mod terminal;

pub use supervisor::Supervisor;
