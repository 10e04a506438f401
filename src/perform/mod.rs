//! Machine room: carries plans out. The one gate through which every change to a cluster goes.
//!
//! [`carry_out`] takes one order from its first reading to its last line in the ledger, by the ten steps of the protocol:
//! plan, gate, preflight, lock, dry run, confirm, re-check, execute, verify, record. It decides nothing: what is available,
//! what blocks, what the steps are and what proves them is asked of `actions`, with what was read just then.
//!
//! Never: deciding whether; drawing; a change without a pass of the context's latch, or before it is in the ledger.
//!
//! Start with [`carry_out`] in `run.rs`.

mod hand;
mod ledger;
mod lines;
mod lock;
mod look;
mod review;
mod run;
mod tell;

pub use hand::Ground;
pub use ledger::{Entry, Ledger, Page, Unfinished};
pub use review::Who;
pub use run::carry_out;
