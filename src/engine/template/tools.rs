//! What functions may use beside their arguments, and the account of the work done.

use std::sync::Arc;

use super::Scope;
use super::error::Fault;
use super::pattern::Patterns;

/// How much work one rendering may take, in nodes, calls and quarter kilobytes read.
const WORK_LIMIT: usize = 200_000;

/// What functions may use beside their arguments.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    /// What the template sees.
    pub(super) scope: &'a Scope<'a>,
    patterns: Patterns,
    work: usize,
}

impl<'a> Tools<'a> {
    /// Tools that have done no work yet.
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self {
            scope,
            patterns: Patterns::default(),
            work: 0,
        }
    }

    /// Counts work done.
    pub(super) fn charge(&mut self, units: usize) -> Result<(), Fault> {
        self.work = self.work.saturating_add(units);
        if self.work > WORK_LIMIT {
            return Err(Fault::Limit {
                limit: "steps of work",
                allowed: WORK_LIMIT,
            });
        }
        Ok(())
    }

    /// The compiled form of a regular expression that is about to read `text`.
    pub(super) fn pattern(
        &mut self,
        pattern: &str,
        text: &str,
    ) -> Result<Arc<regex::Regex>, Fault> {
        let compiles = !self.patterns.has(pattern);
        // Compiling costs as much as many plain steps, and matching more than reading.
        self.charge(text.len() / 4 + if compiles { 1000 } else { 0 })?;
        self.patterns.get(pattern)
    }
}
