//! A picture that stands still while the world goes on.

use jiff::Timestamp;

use crate::checks::{Board, Standing};
use crate::domain::World;

/// The world as it was when the picture was frozen. Objects are shared with the living world, so a copy costs
/// pointers, not objects.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub world: World,
    pub board: Board,
    pub standing: Standing,
    pub at: Timestamp,
}
