//! The algorithms or versions of an operation compared: what is asked for, where it is answered from, and how it is shown.

mod asked;
mod body;
mod kept;
mod render;
mod select;

pub use asked::{Asked, By};
pub use body::ComparisonBody;
pub use kept::{KeptError, compare_kept};
pub use render::render;
pub use select::{Found, Missing, find};
