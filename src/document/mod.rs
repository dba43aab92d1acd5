//! Strict YAML documents: every file that opwatch reads, with all faults of a file in one pass, each at its place.
//!
//! A [`Document`] is parsed in two steps. The event pass reads the text with `saphyr-parser`, checks the limits (size, depth,
//! number of values with aliases written out, length of a text) before it builds anything, refuses what YAML lets pass and people do
//! not mean (a key given twice, merge keys, tags, keys that are numbers, a second document), and keeps where every key and value
//! stands. [`Document::decode`] then reads a type that derives `Deserialize` from it.
//!
//! Such a type should be strict and simple:
//!
//! ```
//! use opwatch::document::{Document, units::Period};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Group {
//!     name: String,
//!     interval: Option<Period>,
//! }
//!
//! let mut document = Document::parse("rules.yaml", "nmae: fraud\ninterval: 15 s\n".to_owned()).unwrap();
//! let (group, faults) = document.decode::<Group>();
//! assert!(group.is_none());
//! let briefs: Vec<_> = faults.iter().map(|fault| fault.brief()).collect();
//! assert_eq!(briefs, [
//!     "rules.yaml:1:1: unknown field `nmae`, did you mean `name`? allowed: name, interval",
//!     "rules.yaml:2:11: invalid duration \"15 s\", allowed: such as 1h30m or 250ms (y w d h m s ms, in this order), or 0",
//! ]);
//! ```
//!
//! `#[serde(flatten)]`, `#[serde(untagged)]` and `#[serde(tag = …)]` are not for these types: with them serde first copies a
//! whole mapping and reads the copy, so that a fault inside has no place any more, several faults become one, and unknown
//! fields pass. Alternatives are written as enums (`{pinned: name}`, a mapping with one key) or as optional fields that the
//! caller checks, who reports with [`Document::fault`].

mod decode;
mod deserializer;
mod expand;
mod fault;
mod index;
mod inside;
mod node;
mod place;
mod source;
pub mod switched;
pub(crate) mod text;
pub mod units;

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;

pub use self::fault::{Fault, render, sort};
use self::index::Stop;
use self::node::{Node, Span};
pub use self::place::Place;
use self::source::Source;

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    source: Source,
    root: Node,
    /// Found while parsing; told by `decode` together with its own.
    faults: Vec<(Span, String)>,
}

impl Document {
    /// Parses the text of a file; `file` is its name in faults.
    ///
    /// An empty file is an empty mapping. Faults that leave a readable document (a key given twice) are kept and told by
    /// [`Document::decode`].
    ///
    /// # Errors
    ///
    /// One fault if the text is not YAML or is beyond a limit.
    pub fn parse(file: &str, text: String) -> Result<Self, Vec<Fault>> {
        let source = Source::new(file, text);
        match index::index(source.text()) {
            Ok((root, faults)) => Ok(Self {
                source,
                root,
                faults,
            }),
            Err(Stop(span, message)) => Err(vec![Fault::new(&source, span, message)]),
        }
    }

    /// Parses like [`Document::parse`], then expands `${NAME}` in values by `lookup`.
    ///
    /// Only values change, never keys or structure; `$${` stands for `${` itself. An unquoted value may become a number or a
    /// boolean by it. A variable that `lookup` does not know is a fault, told by [`Document::decode`].
    ///
    /// # Errors
    ///
    /// As [`Document::parse`].
    pub fn parse_expanding(
        file: &str,
        text: String,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Fault>> {
        let mut document = Self::parse(file, text).map_err(hint_at_quotes)?;
        let Self {
            source,
            root,
            faults,
        } = &mut document;
        expand::expand(root, source, lookup, faults);
        Ok(document)
    }

    /// Reads `T`, with every fault of the document in order of position.
    ///
    /// There may be a value *and* faults: then the value is what remained readable, for further checks, and must not be used for
    /// more than that. What was not readable is also gone from the document, so that the indices of lists agree between the
    /// value and [`Document::fault`].
    pub fn decode<T: DeserializeOwned>(&mut self) -> (Option<T>, Vec<Fault>) {
        let mut found = std::mem::take(&mut self.faults);
        let value = decode::decode(&mut self.root, &mut found);
        found.sort();
        let too_many = found.len() >= decode::MAX_FAULTS;
        found.truncate(decode::MAX_FAULTS);
        if let Some((span, _)) = found.last().filter(|_| too_many) {
            let message = format!(
                "more than {} faults, further ones are not shown",
                found.len() - 1
            );
            found.push((*span, message));
        }
        let place = |(span, message)| Fault::new(&self.source, span, message);
        let mut faults = found.into_iter().map(place).collect();
        sort(&mut faults);
        (value, faults)
    }

    /// A fault of the value at `place`, or of the nearest thing around it that is written in the file.
    #[must_use]
    pub fn fault(&self, place: &Place, message: impl Into<String>) -> Fault {
        let span = self.root.locate(place.steps());
        Fault::new(&self.source, span, message.into())
    }

    /// A fault of the key that `place` ends with, such as a label name that is not allowed.
    #[must_use]
    pub fn fault_at_key(&self, place: &Place, message: impl Into<String>) -> Fault {
        let span = self.root.locate_key(place.steps());
        Fault::new(&self.source, span, message.into())
    }
}

/// Says what the parser cannot know: `{a: ${NAME}}` is not YAML, since the second brace begins a mapping.
fn hint_at_quotes(mut faults: Vec<Fault>) -> Vec<Fault> {
    for fault in &mut faults {
        if fault.source_line.contains("${") {
            let hint = " (inside of [ ] or { }, a value with ${NAME} must stand in quotes)";
            fault.message.push_str(hint);
        }
    }
    faults
}
