//! What a rule with a detector sees: the blocks that have closed since it last looked, and what the detector says of them.

use std::borrow::Cow;
use std::time::Duration;

use super::data::Basis;
use super::{Scope, Tracked};
use crate::engine::baseline::Source;
use crate::engine::condition::{Change, Detected, Detection, Feature, Finds};
use crate::engine::detector::novelty::{self, Aspect, Novelty, Pattern};
use crate::engine::detector::shift::{self, Channel, Shift};
use crate::engine::metric::Metric;
use crate::engine::rule::Hold;
use crate::engine::store::{self, SeriesId, Store};
use crate::engine::time::{Timestamp, millis};
use crate::engine::trend::{self, Frame};

/// A block is taken so long after its end, so that what is on its way then is still in it.
pub const GRACE: Duration = Duration::from_secs(15);
/// Blocks without values after which it does not matter how many more there are: longer than any season.
const LONG_GAP: i64 = shift::MAX_SEASON as i64 + 1;
/// An anomaly in a block that has closed longer ago than so many blocks is history.
const RECENT: i64 = 3;

/// What one instance of a rule with a detector remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Detecting {
    pub(in crate::engine) detector: Detector,
    /// When the last block that was taken ended.
    pub(in crate::engine) taken: Option<Timestamp>,
    /// Blocks that were taken, also those without values.
    pub(in crate::engine) points: u64,
    /// When the first of them began.
    pub since: Option<Timestamp>,
    /// What the log had to teach.
    pub back_fill: BackFill,
    /// What was found by then.
    pub detected: Detected,
    /// Whether it is saved as it is.
    pub(in crate::engine) is_saved: bool,
}

/// What of the log a detector has learned from: a rule may be newer than what is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackFill {
    /// It has not been looked yet.
    #[default]
    Open,
    /// It had nothing that the detector did not know already.
    Nothing,
    /// The blocks up to then, so many of them with a value.
    Until(Timestamp, u64),
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) enum Detector {
    Novelty(Box<Novelty>),
    Shift(Box<Shift>),
}

/// The blocks that have closed since an instance was last looked at.
#[derive(Debug)]
pub struct Closed {
    /// Their values, oldest first.
    values: Vec<Option<f64>>,
    /// When the last of them ended.
    until: Timestamp,
    pub(super) basis: Option<Basis>,
}

impl Detecting {
    /// Whether the log has yet to be looked at for what it has to teach.
    pub fn is_open(&self) -> bool {
        self.back_fill == BackFill::Open
    }

    /// Goes on as one that has learned from the log, where that knows more.
    pub(super) fn adopt(&mut self, learned: Option<Self>) -> bool {
        self.is_saved = false;
        match learned.filter(|learned| learned.points > self.points) {
            Some(learned) => {
                let until = learned.taken.unwrap_or_default();
                let blocks = learned.detected.blocks;
                *self = learned;
                self.back_fill = BackFill::Until(until, blocks);
                true
            }
            None => {
                self.back_fill = BackFill::Nothing;
                false
            }
        }
    }

    /// How long an alert that fires is held without data.
    ///
    /// What says that a change goes on is what the detector has learned, not the last block: it ends when other values come.
    /// Were it called off in a gap, it would be told once more as soon as values come again, though nothing has happened. Only
    /// a detector that learns anew, after a gap longer than a season, has nothing to say any more.
    pub(super) fn hold<'a>(&self, hold: &'a Hold) -> Cow<'a, Hold> {
        match &self.detector {
            Detector::Shift(shift) if shift.warm_up_left() == 0 => Cow::Owned(Hold {
                stale_after: Duration::MAX,
                ..hold.clone()
            }),
            // What is odd is so for some blocks, and nothing keeps it beyond them.
            Detector::Shift(_) | Detector::Novelty(_) => Cow::Borrowed(hold),
        }
    }

    /// With a detector that has seen nothing.
    pub fn new(rule: &Detection) -> Self {
        let detector = match &rule.finds {
            Finds::Anomalies(settings) => Detector::Novelty(Box::new(Novelty::new(settings))),
            Finds::Changes(settings) => Detector::Shift(Box::new(Shift::new(*settings))),
        };
        Self {
            detector,
            taken: None,
            points: 0,
            since: None,
            back_fill: BackFill::Open,
            detected: Detected {
                left: rule.warm_up,
                ..Detected::default()
            },
            is_saved: false,
        }
    }

    /// With a detector that has seen nothing, and takes nothing from before then.
    pub(super) fn from(rule: &Detection, since: Timestamp) -> Self {
        let block = millis(rule.block).max(1);
        let floor = since.millis().div_euclid(block) * block;
        Self {
            taken: Some(Timestamp::from_millis(floor)),
            // What the log has of before is what no longer counts.
            back_fill: BackFill::Nothing,
            ..Self::new(rule)
        }
    }

    /// The blocks that are to be taken now; `None` where there are none.
    pub(super) fn look(
        &self,
        rule: &Detection,
        series: &[SeriesId],
        alerts: &[Tracked],
        store: &Store,
        scope: &Scope,
    ) -> Option<Closed> {
        let now = scope.now.wall;
        let block = millis(rule.block).max(1);
        let floor = |at: Timestamp| Timestamp::from_millis(at.millis().div_euclid(block) * block);
        let until = floor(now.before(GRACE));
        if self.taken.is_some_and(|taken| taken >= until) {
            return None;
        }
        let divisor = match rule.metric {
            Metric::CpuRatio => Some(scope.cpu_limit?),
            _ => None,
        };
        let source = Source {
            store,
            series,
            metric: &rule.metric,
            divisor,
            until: None,
        };
        // Older values are only in buckets that are longer than a block.
        let kept = store::kept_in(rule.block)?.min(store.settings().retention);
        let oldest = floor(now.before(kept)).after(rule.block);
        let from = self.taken.map_or(oldest, |taken| taken.max(oldest));
        let frame = Frame::between(from, until, rule.block);
        let points = trend::gather(source, rule.stat, frame, &scope.watched, until);
        let from = match self.taken {
            Some(taken) => taken,
            // Nothing is learned from the time before the first value.
            None => points.first()?.begin,
        };
        let number = |at: Timestamp| (at.millis() - from.millis()).div_euclid(block);
        // So long a gap is as good as any longer one: all is learned anew.
        let gap = (number(oldest) - LONG_GAP).max(0);
        let blocks = usize::try_from(number(until) - gap).unwrap_or_default();
        let mut values = vec![None; blocks];
        // A block that maintenance has a part in is as one without values: its values say nothing of what is usual.
        let left_out = scope.not_learned(alerts, from, until);
        let is_learned = |begin: Timestamp| {
            let end = begin.after(rule.block);
            !(left_out.iter()).any(|(first, last)| *first < end && begin < *last)
        };
        let learned = points.iter().filter(|point| !point.is_partial);
        for point in learned.filter(|point| is_learned(point.begin)) {
            let place = usize::try_from(number(point.begin) - gap).ok();
            if let Some(value) = place.and_then(|place| values.get_mut(place)) {
                *value = Some(point.value);
            }
        }
        let closes = until.after(rule.block).after(GRACE);
        Some(Closed {
            values,
            until,
            basis: Some(Basis::of(series, store, scope, Some(closes))),
        })
    }

    /// Takes the blocks that have closed; whether one of them has a value.
    pub(super) fn take(&mut self, rule: &Detection, closed: &Closed) -> bool {
        let count = i64::try_from(closed.values.len()).unwrap_or(i64::MAX);
        for (place, value) in (0_i64..).zip(&closed.values) {
            let later = count - 1 - place;
            let end = (closed.until.millis()).saturating_sub(later * millis(rule.block));
            self.push(rule, *value, Timestamp::from_millis(end), later < RECENT);
        }
        self.taken = Some(closed.until);
        let blocks = u32::try_from(count).unwrap_or(u32::MAX);
        let first = closed.until.before(rule.block.saturating_mul(blocks));
        self.since.get_or_insert(first);
        self.is_saved = false;
        closed.values.iter().any(Option::is_some)
    }

    /// Takes the block that ended then.
    fn push(&mut self, rule: &Detection, value: Option<f64>, end: Timestamp, is_recent: bool) {
        self.points += 1;
        let blocks = self.detected.blocks + u64::from(value.is_some());
        let was_on = self.detected.is_on;
        let found = self.detected.found;
        self.detected = match &mut self.detector {
            Detector::Novelty(novelty) => {
                let threshold = novelty.threshold();
                let verdict = novelty.push(value);
                let left = rule.warm_up.saturating_sub(self.points);
                let begins = verdict.alert && left == 0 && is_recent;
                // A point without a value says nothing of what goes on.
                let goes_on = was_on && (value.is_none() || verdict.score >= threshold);
                let slot = novelty.slot_points();
                let new = || anomaly(rule, &verdict, end, slot);
                Detected {
                    is_on: begins || goes_on,
                    found: if was_on { found } else { new() },
                    usual: usual(&verdict),
                    score: verdict.score / threshold,
                    left,
                    value,
                    blocks,
                    is_too_slow: false,
                }
            }
            Detector::Shift(shift) => {
                let verdict = shift.push(value);
                let points = self.points;
                let change = verdict.change.filter(|_| verdict.is_open);
                Detected {
                    is_on: verdict.is_open,
                    found: change.map(|change| changed(rule, &change, verdict.usual, points, end)),
                    usual: verdict.usual,
                    score: verdict.score,
                    left: shift.warm_up_left() as u64,
                    value,
                    blocks,
                    is_too_slow: verdict.is_too_slow(),
                }
            }
        };
    }
}

/// What is usual in the place of an anomaly.
fn usual(verdict: &novelty::Verdict) -> Option<f64> {
    match verdict.nearest? {
        Pattern::One(value) | Pattern::Three([value, ..]) => Some(value),
    }
}

fn anomaly(
    rule: &Detection,
    verdict: &novelty::Verdict,
    end: Timestamp,
    slot: f64,
) -> Option<Change> {
    // That a peak has not come is known by the mean of its time of the day, not by the block that was the last of it.
    let (value, usual) = (verdict.seen?, usual(verdict)?);
    let blocks = match verdict.aspect {
        Aspect::Value => 1.0,
        Aspect::Shape | Aspect::Level => 3.0,
        Aspect::Season => slot,
    };
    let size = (value - usual) / usual.abs();
    Some(Change {
        feature: match verdict.aspect {
            Aspect::Value => Feature::Value,
            Aspect::Shape => Feature::Shape,
            Aspect::Season => Feature::Season,
            Aspect::Level => Feature::Level,
        },
        began: end.before(rule.block.mul_f64(blocks)),
        within: None,
        size: size.is_finite().then_some(size),
        interval: None,
        per_day: None,
        is_rise: value >= usual,
    })
}

/// What has changed, of which the block that ended then is the last of so many.
fn changed(
    rule: &Detection,
    change: &shift::Change,
    usual: Option<f64>,
    points: u64,
    end: Timestamp,
) -> Change {
    let begin = |point: u64| {
        let back = u32::try_from(points.saturating_sub(point)).unwrap_or(u32::MAX);
        end.before(rule.block.saturating_mul(back))
    };
    Change {
        feature: match change.channel {
            Channel::Level => Feature::Level,
            Channel::Drift => Feature::Drift,
            Channel::Spread => Feature::Spread,
            Channel::Tail => Feature::Tail,
        },
        began: begin(change.since),
        within: Some((begin(change.within.0), begin(change.within.1))),
        size: change.size.relative(usual),
        interval: change
            .interval
            .0
            .relative(usual)
            .zip(change.interval.1.relative(usual)),
        per_day: change.per_day.and_then(|(best, (low, high))| {
            let of = |size: shift::Size| size.relative(usual);
            Some((of(best)?, (of(low)?, of(high)?)))
        }),
        is_rise: change.is_rise(),
    }
}
