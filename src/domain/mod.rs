//! Ground floor: what exists, and what was observed of it.
//!
//! Ids, facts, objects as the rest of the house sees them, and the [`World`] that holds them all. Everything here is
//! plain data and arithmetic over it.
//!
//! Never: IO, a clock (time is handed in), logging, drawing, or an opinion about health (that is `checks`).
//!
//! Start with [`fact::Fact`], then [`world::World::apply`].

pub mod address;
pub mod comparison;
pub mod consumers;
pub mod cron;
pub mod data_port;
pub mod engine;
pub mod expected;
pub mod fact;
pub mod fault;
pub mod figures;
#[cfg(test)]
pub(crate) mod fixture;
pub mod id;
pub mod log;
pub mod monitoring;
pub mod object;
pub mod reach;
pub mod selector;
pub mod text;
pub mod timeline;
pub mod version;
pub mod view;
pub mod want;
pub mod world;

pub use comparison::{Compared, Comparison};
pub use data_port::DataPort;
pub use engine::{Probe, Replication, Role};
pub use expected::{Consumer, ConsumerId, Expected};
pub use fact::{Access, Fact, Link, Scope};
pub use fault::{Fault, FaultKind};
pub use figures::{Figures, Master, figures, figures_under};
pub use id::{ContextId, InstanceId, Kind, NodeId, ObjectId};
pub use object::Object;
pub use version::Version;
pub use view::{InstanceView, NodeView};
pub use want::{Fetched, Foreign, LogId, Needs, Want};
pub use world::{Touched, World};
