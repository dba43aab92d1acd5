//! The series of one body: checked and allocated once, shared by all its records.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::plain::begins_with;
use crate::engine::measurement::Draft;
use crate::engine::series::SeriesKey;

/// Most series of one body that are remembered; of further ones each record makes its own.
const MAX_KEYS: usize = 4_096;

/// Separates parts and labels. No control character can be in a draft that is looked up here.
const UNIT: char = '\u{1f}';
const EQUALS: char = '\u{1e}';

/// Keys by the text of what they were made of.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// By the hash of that text: of two that have the same, one is known.
    known: HashMap<u64, Known, RandomState>,
}

/// Where the key of a draft belongs.
#[derive(Debug)]
pub(super) struct Place {
    hash: u64,
    text: Box<str>,
}

#[derive(Debug)]
struct Known {
    text: Box<str>,
    key: SeriesKey,
}

impl Keys {
    /// The key of a draft's series, if one of the same text has been checked before. The draft may not have control
    /// characters, as [`super::plain`] sees to: they would make different series look the same.
    pub(super) fn find(&self, draft: &Draft<'_>) -> Option<SeriesKey> {
        let known = self.known.get(&self.hash(draft))?;
        let mut rest = known.text.as_bytes();
        // Compared where it stands: putting the text of every record together takes longer than all the rest.
        let mut is_next = |part: &str, end: char| {
            let begins = begins_with(rest, part.as_bytes());
            match rest.get(part.len()..).and_then(|rest| rest.split_first()) {
                Some((byte, after)) if begins && char::from(*byte) == end => rest = after,
                _ => return false,
            }
            true
        };
        let parts = [draft.operation, draft.algorithm, draft.version];
        let is_it = parts.into_iter().all(|part| is_next(part, UNIT))
            && (draft.labels.iter())
                .all(|(name, value)| is_next(name, EQUALS) && is_next(value, UNIT));
        (is_it && rest.is_empty()).then(|| known.key.clone())
    }

    /// Where to remember the key of a draft, that is of its text as it is now: checking it sorts the labels.
    pub(super) fn place(&self, draft: &Draft<'_>) -> Place {
        let mut text = String::new();
        for part in [draft.operation, draft.algorithm, draft.version] {
            text.push_str(part);
            text.push(UNIT);
        }
        for (name, value) in &draft.labels {
            text.push_str(name);
            text.push(EQUALS);
            text.push_str(value);
            text.push(UNIT);
        }
        Place {
            hash: self.hash(draft),
            text: text.into(),
        }
    }

    /// Remembers a checked key.
    pub(super) fn remember(&mut self, place: Place, key: SeriesKey) {
        if self.known.len() < MAX_KEYS {
            let Place { hash, text } = place;
            self.known.insert(hash, Known { text, key });
        }
    }

    fn hash(&self, draft: &Draft<'_>) -> u64 {
        let mut hasher = self.known.hasher().build_hasher();
        for part in [draft.operation, draft.algorithm, draft.version] {
            hasher.write(part.as_bytes());
        }
        for (name, value) in &draft.labels {
            hasher.write(name.as_bytes());
            hasher.write(value.as_bytes());
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_remembered_is_found_whatever_the_parts_are() {
        let draft = |operation, algorithm, labels: &[(&'static str, &'static str)]| Draft {
            operation,
            algorithm,
            labels: labels.to_vec(),
            ..Draft::default()
        };
        let drafts = [
            draft("ab", "", &[]),
            draft("a", "b", &[]),
            draft("a", "b", &[("zone", "x")]),
            draft("a", "b", &[("zone", "x"), ("host", "y")]),
            draft("a", "b", &[("host", "y"), ("zone", "x")]),
            draft("a", "b", &[("zonex", "")]),
            draft("a", "bzonex", &[]),
        ];
        let mut keys = Keys::default();
        for (number, one) in drafts.iter().enumerate() {
            assert_eq!(keys.find(one), None);
            let place = keys.place(one);
            let key = one.clone().key().unwrap();
            keys.remember(place, key.clone());
            assert_eq!(keys.find(one), Some(key), "{number}");
        }
    }
}
