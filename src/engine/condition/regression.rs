//! A statistic of a window compared with a baseline: whether it has become worse, by how much, and how sure that is.
//!
//! An alert needs a size, `worse_by`, *and* evidence that it is no chance. A look every 15 s at windows that overlap is
//! very many looks, and each is a chance for a false alarm. The budget of false alarms is therefore spent in two ways:
//!
//! - **Block by block** (four fifths of it): the evidence counts as it was when a block closed, once for each new half of
//!   a window and no more often than the budget allows decisions of which each is wrong in one of a thousand cases. In
//!   between, the last decision stands.
//! - **At every look** (one fifth): evidence so strong that even so many looks do not make it by chance. A large change is
//!   told at once.

use std::time::Duration;

use super::{Evidence, Level, Standing, Verdict};
use crate::engine::contrast::{Contrast, Feature};
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::window::Reach;

/// Of the budget, what decisions at closed blocks may spend; the rest is for looks in between.
const FOR_BLOCKS: f64 = 0.8;
/// A decision at a closed block is wrong in at most so many cases.
const BLOCK_P: f64 = 1e-3;
/// Blocks are not kept open longer than this for the sake of the budget: their decisions are then stricter.
const LONGEST_BLOCK: Duration = Duration::from_secs(3_600);
/// Overlapping windows are so alike that looks in between a hundredth of a window apart make no more false alarms: for
/// normal noise a window crosses a limit z about 0.8 (z² ÷ 2) e^(−z² ÷ 2) times while it passes once over itself, which is
/// some eighty times the probability of one look where that is 10⁻⁵.
const LOOKS_PER_WINDOW: f64 = 80.0;
/// Between blocks at least this many independent values are judged: further out in the tail a *t* statistic of few values
/// depends on their distribution.
const LEAST_BETWEEN: f64 = 20.0;

/// What a window is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// A baseline that was set, by its name.
    Pinned(String),
    /// What the last stretch of so long before the window was like.
    Rolling(Duration),
    /// The window that ended so long ago.
    Offset(Duration),
    /// The windows that ended one, two, … such periods ago.
    Seasonal(Duration),
    /// The version before the newest.
    PreviousVersion,
}

/// What `worse_by` is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A share of the baseline.
    Relative,
    /// Standard deviations of the baseline.
    StandardDeviations,
}

/// How many false alarms are accepted of one instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// So many,
    pub alarms: f64,
    /// in so long.
    pub per: Duration,
}

impl Default for Budget {
    /// One in thirty days.
    fn default() -> Self {
        Self {
            alarms: 1.0,
            per: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

impl Budget {
    /// How often one event comes within a stretch of time.
    pub(super) fn in_a(&self, span: Duration) -> f64 {
        self.alarms * span.as_secs_f64() / self.per.as_secs_f64()
    }

    /// Decisions at closed blocks are at least this far apart, and each is made at this probability of being wrong.
    pub fn block(&self) -> (Duration, f64) {
        let seconds = BLOCK_P * self.per.as_secs_f64() / (FOR_BLOCKS * self.alarms);
        let apart = Duration::try_from_secs_f64(seconds)
            .unwrap_or(LONGEST_BLOCK)
            .min(LONGEST_BLOCK);
        (apart, (FOR_BLOCKS * self.in_a(apart)).min(BLOCK_P))
    }

    /// The probability at which a look in between is made, of a window that covers so much, where looks are that far apart.
    fn look(&self, covered: Duration, interval: Duration) -> f64 {
        let apart = interval.max(covered.div_f64(LOOKS_PER_WINDOW));
        ((1.0 - FOR_BLOCKS) * self.in_a(apart)).min(BLOCK_P)
    }
}

/// A rule on a regression.
#[derive(Clone, Debug)]
pub struct Regression {
    /// What is measured.
    pub metric: Metric,
    /// Which statistic of it.
    pub stat: Stat,
    /// The same as it is compared.
    pub feature: Feature,
    /// Over which window.
    pub reach: Reach,
    /// Against what.
    pub against: Against,
    /// Which way is worse.
    pub worse: Worse,
    /// How much worse, mildest first; recovered once it is less than the level's other amount.
    pub levels: Vec<Level>,
    /// What that is measured in.
    pub amount: Amount,
    /// How many false alarms are accepted.
    pub budget: Budget,
    /// Fewer values than this are too few to judge; where evidence is weighed, independent ones.
    pub min_samples: u64,
    /// Whether evidence is weighed; without, as in the rule of the original guide, a larger mean alone is a regression.
    pub weighs_evidence: bool,
}

/// The last decision at a closed block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// How many values had come by then.
    pub arrivals: u64,
    /// When, on the clock of judging.
    pub at: Duration,
    /// How likely what was seen was where nothing had become worse.
    pub p: f64,
}

/// What a window is found to be like beside its reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found {
    /// The comparison; `None` where there is nothing to compare.
    pub contrast: Option<Contrast>,
    /// Values in the window.
    pub n: u64,
    /// Values that the reference rests on; 0 for a number.
    pub baseline_n: u64,
    /// How much time the window covers.
    pub covered: Duration,
    /// How many values its series have ever taken.
    pub arrivals: u64,
    /// When the reference was learned or set: decisions against another one do not stand.
    pub is_number: bool,
    /// Whether the window is as full as it can become.
    pub is_full: bool,
    /// Why there is nothing to compare, or nothing to be said of it.
    pub lacks: Option<Lack>,
}

/// What is missing for a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No value has come.
    Data,
    /// There is no baseline of that name for this instance.
    Baseline,
    /// Too little has been measured for a baseline.
    BaselineData,
    /// The window holds too few values.
    Values,
    /// Neighbouring values are so alike that together they tell too little.
    Independence,
    /// A break in time leaves open what the values are of.
    Time,
    /// This version has been superseded.
    Superseded,
}

impl Lack {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "no data in the window",
            Self::Baseline => "no baseline of that name for this instance",
            Self::BaselineData => "too little has been measured for a baseline",
            Self::Values => "too few values in the window",
            Self::Independence => {
                "the noise is too slow for this window: neighbouring values are so alike that together they tell too little"
            }
            Self::Time => "the clock was set, so that it is open what is in the window",
            Self::Superseded => "a newer version has taken its place",
        }
    }
}

impl Regression {
    /// How much worse it is; negative where it is better. Any difference from a baseline of nothing, or from one that
    /// never differed, is more than any share and any number of standard deviations.
    pub fn amount_of(&self, contrast: &Contrast) -> Option<f64> {
        let amount = match self.amount {
            Amount::Relative => contrast.change,
            Amount::StandardDeviations => contrast.sds,
        };
        let difference = contrast.value - contrast.baseline;
        let has_unit = self.amount == Amount::Relative || contrast.baseline_sd.is_some();
        let amount = amount.or_else(|| match difference {
            _ if !has_unit => None,
            0.0 => Some(0.0),
            difference => Some(f64::INFINITY.copysign(difference)),
        });
        amount.map(|amount| self.worse.sign() * amount)
    }

    /// The value at which a level begins.
    fn limit(&self, level: f64, contrast: &Contrast) -> f64 {
        let unit = match self.amount {
            Amount::Relative => contrast.baseline.abs(),
            Amount::StandardDeviations => contrast.baseline_sd.unwrap_or_default(),
        };
        contrast.baseline + self.worse.sign() * level * unit
    }

    /// The probability of being so much worse by chance.
    fn p_worse(&self, contrast: &Contrast) -> f64 {
        match self.worse {
            Worse::Up => contrast.p_rise,
            Worse::Down => contrast.p_fall,
        }
    }

    /// The probability of being so much better by chance.
    fn p_better(&self, contrast: &Contrast) -> f64 {
        match self.worse {
            Worse::Up => contrast.p_fall,
            Worse::Down => contrast.p_rise,
        }
    }

    /// What is missing for a judgement of what was found, if anything is.
    pub fn lacking(&self, found: &Found) -> Option<Lack> {
        if found.lacks.is_some() {
            return found.lacks;
        }
        let Some(contrast) = &found.contrast else {
            return Some(Lack::Data);
        };
        let least = crate::engine::measurement::count(self.min_samples);
        if found.n < self.min_samples {
            Some(Lack::Values)
        } else if self.amount_of(contrast).is_none() {
            // A number without a standard deviation, or a single value: there is nothing to count in.
            Some(Lack::BaselineData)
        } else if !self.weighs(found) {
            None
        } else if contrast.effective < least {
            Some(Lack::Independence)
        } else if contrast.baseline_effective < least {
            Some(Lack::BaselineData)
        } else {
            None
        }
    }

    fn weighs(&self, found: &Found) -> bool {
        self.weighs_evidence && !found.is_number
    }

    /// The decision that stands after what was found now: a new one where a block has closed.
    pub fn decide(&self, last: Option<Decision>, found: &Found, at: Duration) -> Option<Decision> {
        let contrast = found.contrast.as_ref()?;
        if !self.weighs(found) || self.lacking(found).is_some() {
            return last;
        }
        let closes = match last {
            // The first block is a whole window.
            None => found.is_full,
            Some(last) => {
                let (apart, _) = self.budget.block();
                let passed = at.saturating_sub(last.at);
                let half = match self.reach {
                    Reach::Time(span) => passed >= span / 2,
                    Reach::Runs(runs) | Reach::AtLeast(_, runs) => {
                        found.arrivals.saturating_sub(last.arrivals) >= u64::from(runs / 2).max(1)
                    }
                };
                half && passed >= apart
            }
        };
        if !closes {
            return last;
        }
        Some(Decision {
            arrivals: found.arrivals,
            at,
            p: self.p_worse(contrast),
        })
    }

    /// Whether there is evidence of a regression, at a look or by the decision that stands.
    fn is_evident(
        &self,
        found: &Found,
        contrast: &Contrast,
        decision: Option<Decision>,
        interval: Duration,
    ) -> bool {
        let (_, block_p) = self.budget.block();
        let by_look = contrast.effective >= LEAST_BETWEEN
            && self.p_worse(contrast) <= self.budget.look(found.covered, interval);
        by_look || decision.is_some_and(|decision| decision.p <= block_p)
    }

    /// Judges what was found against one level; `is_firing` says whether that level's alert fires now. Looks are
    /// `interval` apart.
    pub fn judge(
        &self,
        level: &Level,
        found: &Found,
        decision: Option<Decision>,
        is_firing: bool,
        gained: bool,
        interval: Duration,
    ) -> Verdict {
        let contrast = found.contrast.as_ref();
        let standing = match (self.lacking(found), contrast) {
            (Some(Lack::Data | Lack::Time), _) | (None, None) => Standing::NoData,
            (Some(_), _) => Standing::Insufficient,
            (None, Some(contrast)) => {
                let is_worse = |by: f64| {
                    // By the values themselves where the baseline is a number: then a limit of 1.2 × 2 s is exactly that.
                    if self.weighs(found) || self.amount == Amount::StandardDeviations {
                        self.amount_of(contrast).is_some_and(|amount| amount > by)
                    } else {
                        self.worse.sign() * (contrast.value - self.limit(by, contrast)) > 0.0
                    }
                };
                let evident =
                    || !self.weighs(found) || self.is_evident(found, contrast, decision, interval);
                let stays = is_firing && is_worse(level.recover.unwrap_or(level.limit));
                if stays || (is_worse(level.limit) && evident()) {
                    Standing::Breached
                } else {
                    Standing::Holds
                }
            }
        };
        Verdict {
            standing,
            value: contrast.map(|contrast| contrast.value),
            limit: contrast.map_or(f64::NAN, |contrast| self.limit(level.limit, contrast)),
            n: found.n,
            gained,
            evidence: contrast.map(|contrast| self.evidence(found, contrast)),
        }
    }

    fn evidence(&self, found: &Found, contrast: &Contrast) -> Evidence {
        let weighs = self.weighs(found);
        Evidence {
            baseline: Some(contrast.baseline),
            baseline_n: found.baseline_n,
            change: contrast.change,
            interval: contrast.interval.filter(|_| weighs),
            p_value: weighs.then(|| self.p_worse(contrast)),
            statistic: weighs.then_some(contrast.statistic),
            effective_n: weighs.then_some(contrast.effective),
            ..Evidence::default()
        }
    }

    /// Whether it is sure that it has become worse by less than the mildest level asks for, if at all.
    pub fn is_not_worse(&self, found: &Found) -> bool {
        let mildest = self.levels.first().map_or(0.0, |level| level.limit);
        let interval = found
            .contrast
            .as_ref()
            .and_then(|contrast| contrast.interval);
        let worst = interval.map(|(low, high)| match self.worse {
            Worse::Up => high,
            Worse::Down => -low,
        });
        // Of standard deviations there is no interval.
        self.amount == Amount::Relative
            && self.weighs(found)
            && self.lacking(found).is_none()
            && worst.is_some_and(|worst| worst < mildest)
    }

    /// Whether it has become better, by however little, which is no accident.
    pub fn is_better(&self, found: &Found) -> bool {
        let p = found
            .contrast
            .as_ref()
            .map(|contrast| self.p_better(contrast));
        self.weighs(found) && self.lacking(found).is_none() && p.is_some_and(|p| p <= BLOCK_P)
    }

    /// Whether it has become better by as much as the mildest level asks for, which is no accident.
    pub fn is_improved(&self, found: &Found) -> bool {
        let Some(contrast) = &found.contrast else {
            return false;
        };
        let mildest = self.levels.first().map_or(0.0, |level| level.limit);
        self.lacking(found).is_none()
            && self
                .amount_of(contrast)
                .is_some_and(|amount| -amount > mildest)
            && (!self.weighs(found) || self.p_better(contrast) <= BLOCK_P)
    }
}
