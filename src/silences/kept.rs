//! The silences as they lie beside the database, so that they outlive it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Form;
use crate::engine::dispatch::{Silence, Silences};
use crate::engine::time::Timestamp;

/// The form of the file; a later one may not be understood by an earlier opwatch.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Written {
    format: u32,
    silences: Vec<Form>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<'a> {
    format: u32,
    #[serde(borrow)]
    silences: Vec<&'a RawValue>,
}

/// What was kept beside the database.
#[derive(Debug, Default)]
pub struct Kept {
    /// Those that could be read.
    pub silences: Vec<Silence>,
    /// Which could not, and why.
    pub faults: Vec<String>,
}

/// All silences as text.
///
/// # Errors
/// None that is known; the type is that of the writer.
pub fn to_text(silences: &Silences) -> serde_json::Result<Vec<u8>> {
    let form = |silence: &Silence| Form {
        // It changes with time.
        status: None,
        ..Form::of(silence, Timestamp::default())
    };
    let written = Written {
        format: FORMAT,
        silences: silences.iter().map(|silence| form(silence)).collect(),
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
        let format = read.format;
        kept.faults
            .push(format!("it is of format {format}, allowed: {FORMAT}"));
        return kept;
    }
    for (index, text) in read.silences.iter().enumerate() {
        let form = serde_json::from_str::<Form>(text.get()).map_err(|error| error.to_string());
        let silence = form.and_then(|form| form.silence()).and_then(|silence| {
            // It would silence everything, or nobody could name it.
            match silence.matchers.is_empty() || silence.id.is_empty() {
                true => Err("it has no matchers or no id".to_owned()),
                false => Ok(silence),
            }
        });
        match silence {
            Ok(silence) => kept.silences.push(silence),
            Err(why) => kept.faults.push(format!("silence {index}: {why}")),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::matching;
    use crate::engine::dispatch::silence::SilencesChanged;

    #[test]
    fn silences_read_back_and_one_that_is_damaged_takes_no_other_with_it() {
        let mut silences = Silences::default();
        let at = Timestamp::from_millis;
        for value in ["a", "b"] {
            let silence = Silence {
                id: String::new(),
                matchers: matching::parse(&format!("host={value}")).unwrap(),
                starts_at: at(5_000),
                ends_at: at(9_000),
                updated_at: at(0),
                created_by: "ann".into(),
                comment: "why".into(),
            };
            silences
                .set(silence, at(5_000), &mut SilencesChanged::default())
                .unwrap();
        }
        let text = String::from_utf8(to_text(&silences).unwrap()).unwrap();
        let kept = from_text(&text);
        assert!(kept.faults.is_empty(), "{:?}", kept.faults);
        let mut back = Silences::default();
        for silence in kept.silences {
            assert!(back.take_back(silence));
        }
        assert!(back.iter().eq(silences.iter()));
        let kept = from_text(&text.replacen("\"host\"", "\"ho-st\"", 1));
        assert_eq!((kept.silences.len(), kept.faults.len()), (1, 1));
        assert_eq!(from_text("{").faults.len(), 1);
    }
}
