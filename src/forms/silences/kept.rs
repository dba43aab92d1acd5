//! The silences as they lie beside the database, so that they outlive it.

use super::Form;
use crate::engine::dispatch::{Silence, Silences};
use crate::engine::time::Timestamp;
use crate::forms::kept::{self, Kept};

const NAME: &str = "silences";

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
    kept::to_text(NAME, silences.iter().map(|silence| form(silence)))
}

/// The reverse: what can be read of it.
pub fn from_text(text: &str) -> Kept<Silence> {
    kept::from_text(NAME, text, |form: Form| {
        let silence = form.silence()?;
        // It would silence everything, or nobody could name it.
        match silence.matchers.is_empty() || silence.id.is_empty() {
            true => Err("it has no matchers or no id".to_owned()),
            false => Ok(silence),
        }
    })
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
        for silence in kept.items {
            assert!(back.take_back(silence));
        }
        assert!(back.iter().eq(silences.iter()));
        let kept = from_text(&text.replacen("\"host\"", "\"ho-st\"", 1));
        assert_eq!((kept.items.len(), kept.faults.len()), (1, 1));
        assert_eq!(from_text("{").faults.len(), 1);
    }
}
