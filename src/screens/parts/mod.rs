//! What screens are built of: the glass they look through, the filter, and words for states.

mod filter;
mod see;

pub use filter::{Field, Filter, Measure, Sieved};
pub use see::{Clock, See};
