//! What checks have found in a file.

use std::collections::BTreeSet;

use crate::document::{Document, Fault, Place, sort};

/// Something that is allowed but probably not meant, at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub Fault);

impl Warning {
    /// The one-line form for logs: `file:line:column: message`.
    pub fn brief(&self) -> String {
        self.0.brief()
    }
}

/// Faults and warnings of one or several files.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What is wrong; with any fault nothing of the file may be used.
    pub faults: Vec<Fault>,
    /// What is probably not meant.
    pub warnings: Vec<Warning>,
}

impl Findings {
    /// Sorts both by file and position, and drops repetitions.
    pub fn sort(&mut self) {
        sort(&mut self.faults);
        let mut warnings: Vec<Fault> = self.warnings.drain(..).map(|warning| warning.0).collect();
        sort(&mut warnings);
        self.warnings = warnings.into_iter().map(Warning).collect();
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.warnings.extend(other.warnings);
    }
}

/// A decoded document with what is found in it.
pub(crate) struct Checker<'a> {
    pub(crate) document: &'a Document,
    pub(crate) findings: Findings,
    /// Faults of decoding, of which others may only be a consequence.
    decoding: Vec<(usize, usize)>,
}

impl<'a> Checker<'a> {
    /// Goes on after decoding, with the faults found there.
    pub(crate) fn new(document: &'a Document, faults: Vec<Fault>) -> Self {
        Self {
            document,
            decoding: faults.iter().map(position).collect(),
            findings: Findings {
                faults,
                warnings: Vec::new(),
            },
        }
    }

    pub(crate) fn fault(&mut self, place: &Place, message: impl Into<String>) {
        let fault = self.document.fault(place, message);
        self.findings.faults.push(fault);
    }

    pub(crate) fn fault_at_key(&mut self, place: &Place, message: impl Into<String>) {
        let fault = self.document.fault_at_key(place, message);
        self.findings.faults.push(fault);
    }

    /// A fault inside the text at `place`, at a line and column of the text.
    pub(crate) fn fault_inside(
        &mut self,
        place: &Place,
        at: (usize, usize),
        message: impl Into<String>,
    ) {
        let fault = self.document.fault_inside(place, at, message);
        self.findings.faults.push(fault);
    }

    /// Says at its key that something of the design is not there yet, where it is written at all.
    pub(crate) fn refuse<T>(&mut self, written: Option<&T>, place: &Place, name: &str) {
        if written.is_some() {
            self.fault_at_key(&place.key(name), format!("`{name}` is not available yet"));
        }
    }

    pub(crate) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        let warning = Warning(self.document.fault(place, message));
        self.findings.warnings.push(warning);
    }

    /// The line that a place stands in.
    pub(crate) fn line(&self, place: &Place) -> usize {
        self.document.fault(place, "").line
    }

    /// Whether all of the document could be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.decoding.is_empty()
    }

    /// Which of `parts` lost something that could not be read, each part reaching from its place to the next one's:
    /// that something is missing in it is then no fault of its own.
    pub(crate) fn damaged(&self, parts: &[Place]) -> Damaged {
        let start = |place: &Place| position(&self.document.fault_at_key(place, ""));
        let starts: BTreeSet<_> = parts.iter().map(start).collect();
        let owner = |at: &(usize, usize)| starts.range(..=*at).next_back().copied();
        Damaged(self.decoding.iter().filter_map(owner).collect())
    }

    /// Whether the part that begins at `place` is one of `damaged`.
    pub(crate) fn is_damaged(&self, damaged: &Damaged, place: &Place) -> bool {
        damaged
            .0
            .contains(&position(&self.document.fault_at_key(place, "")))
    }
}

/// Where the parts of a document begin that lost something.
pub(crate) struct Damaged(BTreeSet<(usize, usize)>);

fn position(fault: &Fault) -> (usize, usize) {
    (fault.line, fault.column)
}

/// A fault that concerns a file as a whole.
pub(crate) fn fault_of_file(file: &str, message: String) -> Fault {
    Fault {
        file: file.into(),
        line: 1,
        column: 1,
        length: 1,
        message,
        source_line: String::new(),
        source_column: 1,
    }
}

/// The candidate that `name` is probably a misspelling of, as ` did you mean …?` for a message; empty without one.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let slips = 1 + name.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= slips && *distance < candidate.len())
        .min()
        .map_or_else(String::new, |(_, candidate)| {
            format!(" did you mean `{candidate}`?")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised_and_another_is_not() {
        let candidates = ["duration", "memory", "team"];
        assert_eq!(
            did_you_mean("durration", candidates),
            " did you mean `duration`?"
        );
        assert_eq!(did_you_mean("auc", candidates), "");
    }

    #[test]
    fn only_the_part_that_lost_something_is_damaged() {
        let text = "a: {x: 1}\nb:\n  y: 2\n  z: 3\nc: 4\n";
        let document = Document::parse("f", text.to_owned()).unwrap();
        let lost = document.fault(&Place::root().key("b").key("z"), "lost");
        let checker = Checker::new(&document, vec![lost]);
        let parts: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|key| Place::root().key(key))
            .collect();
        let damaged = checker.damaged(&parts);
        let found: Vec<_> = parts
            .iter()
            .map(|part| checker.is_damaged(&damaged, part))
            .collect();
        assert_eq!(found, [false, true, false]);
    }
}
