//! Maintenance that was started as it lies beside the database, so that it outlives it. What recurs is in the configuration.

use serde::{Deserialize, Serialize};

use super::form::{read_matchers, texts, time};
use crate::engine::dispatch::Maintenance;
use crate::engine::dispatch::maintenance::Started;
use crate::forms::kept::{self, Kept};

const NAME: &str = "maintenance";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    id: String,
    name: String,
    matchers: Vec<String>,
    starts_at: String,
    ends_at: String,
    stop_learning: bool,
    created_by: String,
    comment: String,
}

impl Form {
    fn of(one: &Started) -> Self {
        Self {
            id: one.id.clone(),
            name: one.name.clone(),
            matchers: texts(&one.matchers),
            starts_at: one.starts_at.to_string(),
            ends_at: one.ends_at.to_string(),
            stop_learning: one.stops_learning,
            created_by: one.created_by.clone(),
            comment: one.comment.clone(),
        }
    }

    fn started(self) -> Result<Started, String> {
        let matchers = read_matchers(&self.matchers)?;
        // It would be of everything, or nobody could name it.
        if matchers.is_empty() || self.id.is_empty() {
            return Err("it has no matchers or no id".to_owned());
        }
        Ok(Started {
            id: self.id,
            name: self.name,
            matchers,
            starts_at: time("starts_at", &self.starts_at)?,
            ends_at: time("ends_at", &self.ends_at)?,
            stops_learning: self.stop_learning,
            created_by: self.created_by,
            comment: self.comment,
        })
    }
}

/// All that was started as text, also what has ended: of what was measured meanwhile nothing may be learned later either.
///
/// # Errors
/// None that is known; the type is that of the writer.
pub fn to_text(maintenance: &Maintenance) -> serde_json::Result<Vec<u8>> {
    kept::to_text(NAME, maintenance.started().map(|one| Form::of(one)))
}

/// The reverse: what can be read of it.
pub fn from_text(text: &str) -> Kept<Started> {
    kept::from_text(NAME, text, Form::started)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::matching;
    use crate::engine::time::Timestamp;

    #[test]
    fn maintenance_reads_back_and_one_that_is_damaged_takes_no_other_with_it() {
        let at = Timestamp::from_millis;
        let mut all = Maintenance::default();
        for value in ["a", r#"b "c""#] {
            let matchers = format!("host={value:?},operation=~\"x|y\",pod!=\"\"");
            let wanted = Started {
                id: String::new(),
                name: "new \u{e4} index".into(),
                matchers: matching::parse(&matchers).unwrap(),
                starts_at: at(0),
                ends_at: at(9_001),
                stops_learning: value == "a",
                created_by: "ann".into(),
                comment: "why".into(),
            };
            all.start(wanted, at(5_000)).unwrap();
        }
        let text = String::from_utf8(to_text(&all).unwrap()).unwrap();
        let kept = from_text(&text);
        assert!(kept.faults.is_empty(), "{:?}", kept.faults);
        let mut back = Maintenance::default();
        for one in kept.items {
            assert!(back.take_back(one));
        }
        assert!(back.started().eq(all.started()));
        for (damaged, says) in [
            (text.replacen("host=", "=", 1), "matchers[0]: "),
            (text.replacen("00:00:09", "09", 1), "ends_at: "),
        ] {
            let kept = from_text(&damaged);
            assert_eq!((kept.items.len(), kept.faults.len()), (1, 1), "{damaged}");
            assert!(kept.faults[0].contains(says), "{:?}", kept.faults);
        }
        assert_eq!(from_text("{").faults.len(), 1);
    }
}
