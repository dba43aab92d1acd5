//! Where in a document something stands: `groups[0].rules[1].threshold.above`.

use std::fmt;

/// One step downwards in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into the value of a mapping's key.
    Key(String),
    /// Into an element of a list, counted from 0.
    Index(usize),
}

/// A path from the root of a document to one of its values.
///
/// ```
/// use opwatch::document::Place;
///
/// let rules = Place::root().key("groups").index(0).key("rules");
/// assert_eq!(rules.index(1).key("for").to_string(), "groups[0].rules[1].for");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    steps: Vec<Step>,
}

impl Place {
    /// The document itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of `name` in the mapping at this place.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    /// The element at `index`, counted from 0, of the list at this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps }
    }

    pub(super) fn from_steps(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The last key with the indices after it, which is what a person calls the thing (`buckets[1]`).
    pub(super) fn name(&self) -> Option<Self> {
        let is_key = |step: &Step| matches!(step, Step::Key(_));
        let start = self.steps.iter().rposition(is_key).unwrap_or(0);
        let steps = self.steps.get(start..)?.to_vec();
        (!steps.is_empty()).then_some(Self { steps })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(key) if is_word(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    write!(formatter, "{dot}{key}")?;
                }
                Step::Key(key) => write!(formatter, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a key can stand in a path without quotes.
fn is_word(key: &str) -> bool {
    let allowed = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    !key.is_empty() && key.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_print_as_paths() {
        let root = Place::root();
        let cases = [
            (root.clone(), ""),
            (root.key("groups").index(0).key("rules"), "groups[0].rules"),
            (root.index(3).key("a"), "[3].a"),
            (root.key("labels").key("odd key.x"), "labels[\"odd key.x\"]"),
        ];
        for (place, expected) in cases {
            assert_eq!(place.to_string(), expected);
        }
    }

    #[test]
    fn the_name_of_a_place_is_its_last_key_with_what_follows() {
        let place = Place::root().key("a").key("buckets").index(1);
        assert_eq!(place.name().unwrap().to_string(), "buckets[1]");
        assert_eq!(Place::root().name(), None);
    }
}
