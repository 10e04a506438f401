//! Drivers that speak the words of a person: open the console, press keys, expect to read something.
//!
//! Nothing here sleeps for a time and hopes: every wait is for a state, bounded by a deadline that only a defect
//! reaches, and what was on the screen then is part of the failure.

pub mod accounts;
pub mod console;
pub mod ground;
pub mod lab;
pub mod load;
pub mod picture;
pub mod promotion;
pub mod requirement;
pub mod rig;

pub use console::Console;
pub use lab::LabProcess;
pub use rig::{FullRig, Rig};

use std::time::Duration;

/// Longest wait for any state. Generous, because several stories share two cores; only a defect reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_darner")
}
