//! The baselines as they lie beside the database, so that they outlive it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Form;
use crate::engine::baseline::{Baseline, Baselines};

/// The form of the file; a later one may not be understood by an earlier opwatch.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Written {
    format: u32,
    baselines: Vec<Form>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<'a> {
    format: u32,
    #[serde(borrow)]
    baselines: Vec<&'a RawValue>,
}

/// What was kept beside the database.
#[derive(Debug, Default)]
pub struct Kept {
    /// Those that could be read.
    pub baselines: Vec<Baseline>,
    /// Which could not, and why.
    pub faults: Vec<String>,
}

/// The newest version of each baseline as text.
pub fn to_text(baselines: &Baselines) -> serde_json::Result<Vec<u8>> {
    let written = Written {
        format: FORMAT,
        baselines: (baselines.newest())
            .map(|baseline| Form::of(baseline, true))
            .collect(),
    };
    let mut text = serde_json::to_vec(&written)?;
    text.push(b'\n');
    Ok(text)
}

/// The reverse: what can be read of it.
pub fn from_text(text: &str) -> Kept {
    let mut kept = Kept::default();
    let read: Read<'_> = match serde_json::from_str(text) {
        Ok(read) => read,
        Err(error) => {
            kept.faults.push(error.to_string());
            return kept;
        }
    };
    if read.format != FORMAT {
        kept.faults.push(format!(
            "it is of format {}, allowed: {FORMAT}",
            read.format
        ));
        return kept;
    }
    for (index, text) in read.baselines.iter().enumerate() {
        let form = serde_json::from_str::<Form>(text.get()).map_err(|error| error.to_string());
        let baseline = form.and_then(|form| {
            let fault = |fault: crate::engine::series::FieldFault| {
                format!("field `{}`: {}", fault.field, fault.reason)
            };
            form.baseline().map_err(fault)
        });
        match baseline {
            Ok(baseline) => kept.baselines.push(baseline),
            Err(why) => kept.faults.push(format!("baseline {index}: {why}")),
        }
    }
    kept
}
