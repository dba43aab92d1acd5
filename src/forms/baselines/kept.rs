//! The baselines as they lie beside the database, so that they outlive it.

use super::Form;
use crate::engine::baseline::{Baseline, Baselines};
use crate::forms::kept::{self, Kept};

const NAME: &str = "baselines";

/// The newest version of each baseline as text.
///
/// # Errors
/// None that is known; the type is that of the writer.
pub fn to_text(baselines: &Baselines) -> serde_json::Result<Vec<u8>> {
    let forms = baselines.newest().map(|baseline| Form::of(baseline, true));
    kept::to_text(NAME, forms)
}

/// The reverse: what can be read of it.
pub fn from_text(text: &str) -> Kept<Baseline> {
    kept::from_text(NAME, text, |form: Form| {
        let baseline = form.baseline();
        baseline.map_err(|fault| format!("field `{}`: {}", fault.field, fault.reason))
    })
}
