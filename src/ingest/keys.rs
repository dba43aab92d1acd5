//! The series of one body: checked and allocated once, shared by all its records.

use std::collections::HashMap;

use foldhash::fast::RandomState;

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
    known: HashMap<Box<str>, SeriesKey, RandomState>,
    /// The text of the draft that was looked up last; kept for its capacity.
    text: String,
}

impl Keys {
    /// The key of a draft's series, if one of the same text has been checked before. The draft may not have control
    /// characters, as [`super::plain`] sees to: they would make different series look the same.
    pub(super) fn find(&mut self, draft: &Draft<'_>) -> Option<SeriesKey> {
        let text = &mut self.text;
        text.clear();
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
        self.known.get(text.as_str()).cloned()
    }

    /// Remembers the checked key of the draft that was looked up last.
    pub(super) fn remember(&mut self, key: SeriesKey) {
        if self.known.len() < MAX_KEYS {
            self.known.insert(self.text.as_str().into(), key);
        }
    }
}
