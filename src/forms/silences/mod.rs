//! Silences as others see them: in the form of Alertmanager's API, which is also that of the file beside the database.

mod form;
mod kept;

pub use form::{Form, MatcherForm};
pub use kept::{from_text, to_text};
