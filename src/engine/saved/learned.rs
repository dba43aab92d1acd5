//! What an instance of a rule has learned, as bytes: the reference that it is compared with, or its detector.

use std::sync::Arc;

use prost::Message;

use super::baseline::CohortMessage;
use super::{Damaged, Pairs, decode, labels};
use crate::engine::condition::{Change, Condition, Detected, Detection, Feature, Finds};
use crate::engine::detector::novelty::Novelty;
use crate::engine::detector::shift::Shift;
use crate::engine::judge::{BackFill, By, Detecting, Detector, Instance, Learned};
use crate::engine::rule::Rule;
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;

const WHAT: &str = "what a rule has learned";

#[derive(Clone, PartialEq, prost::Message)]
struct LearnedMessage {
    #[prost(btree_map = "string, string", tag = "1")]
    labels: Pairs,
    #[prost(sint64, tag = "2")]
    at: i64,
    #[prost(message, optional, tag = "3")]
    cohort: Option<CohortMessage>,
    #[prost(message, optional, tag = "4")]
    detecting: Option<DetectingMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DetectingMessage {
    #[prost(bytes = "vec", tag = "1")]
    detector: Vec<u8>,
    #[prost(uint64, tag = "2")]
    points: u64,
    #[prost(uint64, tag = "3")]
    blocks: u64,
    #[prost(uint64, tag = "4")]
    left: u64,
    #[prost(double, optional, tag = "5")]
    value: Option<f64>,
    #[prost(double, optional, tag = "6")]
    usual: Option<f64>,
    #[prost(double, tag = "7")]
    score: f64,
    #[prost(bool, tag = "8")]
    is_on: bool,
    #[prost(message, optional, tag = "9")]
    found: Option<ChangeMessage>,
    #[prost(bool, tag = "10")]
    is_too_slow: bool,
    /// When the first block began.
    #[prost(sint64, optional, tag = "11")]
    since: Option<i64>,
    /// What the log had to teach; absent where it has not been looked yet.
    #[prost(message, optional, tag = "12")]
    back_fill: Option<BackFillMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BackFillMessage {
    /// The end of the last block from it; absent where it had nothing new.
    #[prost(sint64, optional, tag = "1")]
    until: Option<i64>,
    #[prost(uint64, tag = "2")]
    blocks: u64,
}

impl BackFillMessage {
    fn of(back_fill: BackFill) -> Option<Self> {
        match back_fill {
            BackFill::Open => None,
            BackFill::Nothing => Some(Self::default()),
            BackFill::Until(until, blocks) => Some(Self {
                until: Some(until.millis()),
                blocks,
            }),
        }
    }

    fn read(message: Option<Self>) -> BackFill {
        match message.map(|message| (message.until, message.blocks)) {
            None => BackFill::Open,
            Some((None, _)) => BackFill::Nothing,
            Some((Some(until), blocks)) => BackFill::Until(Timestamp::from_millis(until), blocks),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChangeMessage {
    #[prost(string, tag = "1")]
    feature: String,
    #[prost(sint64, tag = "2")]
    began: i64,
    #[prost(double, optional, tag = "3")]
    size: Option<f64>,
    #[prost(double, optional, tag = "4")]
    low: Option<f64>,
    #[prost(double, optional, tag = "5")]
    high: Option<f64>,
    #[prost(bool, tag = "6")]
    is_rise: bool,
    #[prost(sint64, optional, tag = "7")]
    earliest: Option<i64>,
    #[prost(sint64, optional, tag = "8")]
    latest: Option<i64>,
    /// What a drift adds each day, and its interval.
    #[prost(double, repeated, tag = "9")]
    per_day: Vec<f64>,
}

impl ChangeMessage {
    fn of(change: Change) -> Self {
        Self {
            feature: change.feature.as_str().to_owned(),
            began: change.began.millis(),
            size: change.size,
            low: change.interval.map(|(low, _)| low),
            high: change.interval.map(|(_, high)| high),
            is_rise: change.is_rise,
            earliest: change.within.map(|(earliest, _)| earliest.millis()),
            latest: change.within.map(|(_, latest)| latest.millis()),
            per_day: put_per_day(change.per_day),
        }
    }

    fn read(self) -> Option<Change> {
        Some(Change {
            feature: Feature::named(&self.feature)?,
            began: Timestamp::from_millis(self.began),
            within: (self.earliest.zip(self.latest)).map(|(earliest, latest)| {
                let at = Timestamp::from_millis;
                (at(earliest), at(latest))
            }),
            size: self.size,
            interval: self.low.zip(self.high),
            per_day: take_per_day(&self.per_day),
            is_rise: self.is_rise,
        })
    }
}

/// A number and its interval as three numbers; none where there is none.
pub(super) fn put_per_day(per_day: Option<(f64, (f64, f64))>) -> Vec<f64> {
    per_day.map_or_else(Vec::new, |(best, (low, high))| vec![best, low, high])
}

/// The reverse of [`put_per_day`].
pub(super) fn take_per_day(numbers: &[f64]) -> Option<(f64, (f64, f64))> {
    match numbers {
        [best, low, high] => Some((*best, (*low, *high))),
        _ => None,
    }
}

impl DetectingMessage {
    fn of(detecting: &Detecting) -> Self {
        let detected = detecting.detected;
        Self {
            detector: match &detecting.detector {
                Detector::Novelty(novelty) => novelty.pack(),
                Detector::Shift(shift) => shift.pack(),
            },
            points: detecting.points,
            blocks: detected.blocks,
            left: detected.left,
            value: detected.value,
            usual: detected.usual,
            score: detected.score,
            is_on: detected.is_on,
            found: detected.found.map(ChangeMessage::of),
            is_too_slow: detected.is_too_slow,
            since: detecting.since.map(Timestamp::millis),
            back_fill: BackFillMessage::of(detecting.back_fill),
        }
    }

    fn read(self, rule: &Detection, taken: Timestamp) -> Option<Detecting> {
        let detector = match &rule.finds {
            Finds::Anomalies(settings) => {
                Detector::Novelty(Box::new(Novelty::unpack(settings, &self.detector)?))
            }
            Finds::Changes(settings) => {
                Detector::Shift(Box::new(Shift::unpack(*settings, &self.detector)?))
            }
        };
        let found = match self.found {
            Some(found) => Some(found.read()?),
            None => None,
        };
        Some(Detecting {
            detector,
            taken: Some(taken),
            points: self.points,
            since: self.since.map(Timestamp::from_millis),
            back_fill: BackFillMessage::read(self.back_fill),
            detected: Detected {
                blocks: self.blocks,
                left: self.left,
                value: self.value,
                usual: self.usual,
                score: self.score,
                is_on: self.is_on,
                found,
                is_too_slow: self.is_too_slow,
            },
            is_saved: true,
        })
    }
}

/// What an instance has learned that is not saved yet, as bytes.
pub(super) fn unsaved(instance: &mut Instance) -> Option<Vec<u8>> {
    let mut message = LearnedMessage {
        labels: instance.labels.as_map().clone(),
        ..LearnedMessage::default()
    };
    if let By::Baseline(compared) = &mut instance.by
        && let (Some(learned), false) = (&compared.learned, compared.is_learned_saved)
    {
        message.at = learned.at.millis();
        message.cohort = Some(CohortMessage::of(&learned.cohort));
        compared.is_learned_saved = true;
    } else if let By::Detector(detecting) = &mut instance.by
        && let (Some(taken), false) = (detecting.taken, detecting.is_saved)
    {
        message.at = taken.millis();
        message.detecting = Some(DetectingMessage::of(detecting));
        detecting.is_saved = true;
    } else {
        return None;
    }
    instance.has_learned_saved = true;
    Some(message.encode_to_vec())
}

/// What was saved of an instance.
pub(super) struct Saved(LearnedMessage);

impl Saved {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        decode(WHAT, bytes).map(Self)
    }

    /// The labels of the instance.
    pub(super) fn labels(&self) -> Labels {
        labels(self.0.labels.clone())
    }

    /// Gives it back to the instance.
    pub(super) fn read_into(self, rule: &Rule, instance: &mut Instance) -> Result<(), Damaged> {
        let Self(message) = self;
        let at = Timestamp::from_millis(message.at);
        instance.has_learned_saved = true;
        if let (Some(compared), Some(cohort)) = (instance.by.compared_mut(), message.cohort) {
            compared.learned = Some(Learned {
                at,
                cohort: Arc::new(cohort.read()?),
            });
            compared.is_learned_saved = true;
        }
        if let (Condition::Detection(detection), Some(saved)) = (&rule.condition, message.detecting)
        {
            let read = saved.read(detection, at);
            let read = read.ok_or_else(|| Damaged::new(WHAT, "its detector cannot be read"))?;
            instance.by = By::Detector(Box::new(read));
        }
        Ok(())
    }
}
