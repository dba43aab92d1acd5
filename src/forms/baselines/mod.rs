//! Baselines that were set, as JSON: as they are asked for and shown, as they travel from one machine to another, and as
//! they lie beside the database.

mod asked;
mod checked;
mod form;
mod guide;
mod kept;

pub use asked::{Fault, Surroundings, read, wanted};
pub use form::Form;
pub use guide::{GUIDE, guide_numbers};
pub use kept::{from_text, to_text};
