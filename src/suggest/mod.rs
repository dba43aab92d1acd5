//! Rules from what was seen, with the alarms that they would have raised.
//!
//! [`suggest`] is pure: a [`Recording`] in, the text of a rule file out. Each rule is replayed over the same history by the
//! engine that serves, and loosened until it would have raised no more alarms than [`Asked::budget`] allows; one that cannot
//! be is left out, and the file says so.
//!
//! | Part | What is there |
//! |---|---|
//! | [`Asked`] | how far from what was seen a limit lies, and how many alarms it may raise |
//! | [`seen`] | the values by operation, metric and series |
//! | [`split`] | which series share a limit: those of about the same level |
//! | [`pace`] | windows and silences, from how often something runs |
//! | [`limit`] | limits with two digits and a unit |
//! | [`derive`](mod@derive) | the rules of one operation |
//! | [`draft`] | one rule, and how it is loosened |
//! | [`trial`] | the rules replayed, and loosened |
//! | [`write`](mod@write) | the file |

pub mod derive;
pub mod draft;
pub mod limit;
pub mod pace;
pub mod seen;
pub mod split;
pub mod trial;
pub mod write;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::engine::condition::Budget;
use crate::engine::measurement::count;
use crate::replay::{Recording, ReplayError, Setting};
use crate::rulefile::Surroundings;
use draft::Draft;

/// Fewer values than this say too little of what is usual.
const LEAST_VALUES: u32 = 50;
/// A history is that many windows long at least.
const WINDOWS: f64 = 2.5;
/// Most rules of one file.
const MOST_RULES: usize = 500;
/// Evaluations of groups that one replay may take; beyond it rules are judged less often. A few seconds of work.
const EVALUATIONS: u128 = 2_000_000;
/// Times between evaluations, in seconds; the one of the configuration comes first.
const INTERVALS: [u64; 9] = [15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];

/// How far limits lie from what was seen, and how often they may be passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asked {
    /// The quantile that is usual, 0.5 to 0.999: of what is worse the more, and the same from below of what is worse the less.
    pub quantile: f64,
    /// How many times that the limit is, above 1.
    pub times: f64,
    /// How many alarms one rule may raise; one is allowed in any case, because it may be what the rule is for.
    pub budget: Budget,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            quantile: 0.95,
            times: 1.5,
            budget: Budget {
                alarms: 1.0,
                per: Duration::from_secs(7 * 86_400),
            },
        }
    }
}

impl Asked {
    /// A window needs so many values for the quantile to be one of them and not an extreme.
    pub fn min_samples(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 10 and 1000"
        )]
        let needed = (1.0 / (1.0 - self.quantile)).clamp(10.0, 1_000.0).round() as u32;
        needed
    }

    /// So many values say what is usual.
    pub fn least_values(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 2500"
        )]
        let needed = (f64::from(self.min_samples()) * WINDOWS) as u32;
        needed.max(LEAST_VALUES) as usize
    }

    /// How many alarms a rule may raise in that time: those of the budget, and at least one.
    pub fn allowed(&self, span: Duration) -> u64 {
        let alarms = self.budget.alarms * span.as_secs_f64() / self.budget.per.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that is too large saturates"
        )]
        let alarms = alarms.floor() as u64;
        alarms.max(1)
    }
}

/// A rule file, and what it rests on.
#[derive(Clone, Debug)]
pub struct Suggested {
    /// The file.
    pub text: String,
    /// Its rules, in their order.
    pub rules: Vec<Draft>,
    /// What has no rule, and why.
    pub left_out: Vec<String>,
    /// How long the history is that the rules were replayed over.
    pub span: Duration,
}

/// Why there are no rules.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SuggestError {
    /// There is nothing, or it cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What there is says too little.
    #[error("{measurements} measurements say too little for any rule:\n  {}", left_out.join("\n  "))]
    Nothing {
        /// How many measurements there are.
        measurements: usize,
        /// What has no rule, and why.
        left_out: Vec<String>,
    },
    /// The rules cannot be read back.
    #[error("the rules for this history cannot be written: {0}")]
    Unwritable(String),
}

/// Writes rules for what was seen. `setting` says the bounds under which they are replayed; its rules play no part.
///
/// # Errors
/// When there is nothing to learn from, or it says too little for any rule.
pub fn suggest(
    recording: &Recording,
    setting: &Setting,
    around: Surroundings,
    asked: Asked,
) -> Result<Suggested, SuggestError> {
    let (first, last) = recording.span().ok_or(ReplayError::Empty)?;
    let span = last.since(first);
    let operations = seen::operations(recording);
    let interval = interval(around.evaluation_interval, span, operations.len());
    let frame = derive::Frame {
        asked,
        interval,
        span,
    };
    let mut derived = derive::Derived::default();
    for (name, operation) in &operations {
        derive::derive(name, operation, frame, &mut derived);
    }
    let (mut drafts, mut left_out) = (derived.drafts, derived.left_out);
    if drafts.len() > MOST_RULES {
        left_out.push(format!(
            "{} rules beyond the first {MOST_RULES}; --operation chooses one operation",
            drafts.len() - MOST_RULES
        ));
        drafts.truncate(MOST_RULES);
    }
    let trial = trial::Trial {
        recording,
        setting,
        around,
        interval,
        allowed: asked.allowed(span),
    };
    let rules = trial.run(drafts, &mut left_out)?;
    let measurements = recording.measurements().len();
    if rules.is_empty() {
        return Err(SuggestError::Nothing {
            measurements,
            left_out,
        });
    }
    let about = write::About {
        asked,
        measurements,
        from: first,
        until: last,
        interval,
        left_out: &left_out,
    };
    let text = write::file(&rules, Some(&about), interval);
    // What people take as it is has been read as it is.
    trial.read(text.clone())?;
    Ok(Suggested {
        text,
        rules,
        left_out,
        span,
    })
}

/// The time between evaluations: that of the configuration, or more where a long history would take too long.
fn interval(configured: Duration, span: Duration, groups: usize) -> Duration {
    let groups = u128::try_from(groups.max(1)).unwrap_or(u128::MAX);
    let longer = INTERVALS
        .into_iter()
        .map(Duration::from_secs)
        .filter(|one| *one > configured);
    let is_short = |one: &Duration| {
        let evaluations = span.as_millis() / one.as_millis().max(1);
        evaluations.saturating_mul(groups) <= EVALUATIONS
    };
    let longest = INTERVALS.last().copied().unwrap_or(3_600);
    std::iter::once(configured)
        .chain(longer)
        .find(is_short)
        .unwrap_or(Duration::from_secs(longest).max(configured))
}

/// A span in days, for people.
pub(super) fn days(span: Duration) -> String {
    format!("{:.1} days", span.as_secs_f64() / 86_400.0)
}

/// A number of things as a float.
pub(super) fn number(n: usize) -> f64 {
    count(u64::try_from(n).unwrap_or(u64::MAX))
}
