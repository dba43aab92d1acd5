//! Maintenance as others see it: as the API tells of it and takes it, and as what was started lies beside the database.

mod form;
mod kept;

pub use form::{One, Told, Wanted};
pub use kept::{from_text, to_text};
