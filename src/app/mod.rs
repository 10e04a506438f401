//! The whole of what is on the screen, and the one function that changes it.
//!
//! [`State`] holds the world, the judgements, the screens and what the reader is doing; [`update`] is the only way to
//! change it, [`view`] draws it. Both are pure: time arrives as an argument, and what must happen outside leaves as
//! [`crate::msg::Effect`]s. The same messages at the same times always give the same picture.
//!
//! Never: IO, a clock, async, logging.
//!
//! Start with [`update()`], then [`State`].

mod act;
mod acting;
mod asking;
mod expected;
mod explain;
mod footer;
mod freeze;
mod help;
mod history;
mod keys;
mod notices;
mod over;
mod palette;
mod password;
mod perform;
mod picker;
mod reader;
mod state;
mod topbar;
mod update;
mod view;
mod vocabulary;

pub use state::{State, limits_of, rules_of};
pub use update::update;
pub use view::view;
pub use vocabulary::vocabulary;
