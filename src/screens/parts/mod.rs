//! What screens are built of: the glass they look through, the filter, and words for states.

pub mod answers;
pub mod changes;
mod filter;
mod list;
pub mod runs;
mod see;
mod sheet;
mod words;

pub use filter::{Field, Filter, Measure, Plain, Sieved};
pub use list::moved;
pub use see::{Clock, See};
pub use sheet::{Section, Sheet, row_in_full};
pub use words::{
    Counts, Standing, as_of, denied, finding_sign, finding_tone, memory_words, missing,
    operator_words, standing, state_sign, state_tone,
};
