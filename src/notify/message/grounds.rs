//! What an alert rests on, in words: how often it was found, what it is compared with, and what has changed.

use super::{amount, moment};
use crate::engine::alert::EndReason;
use crate::engine::condition::{Evidence, Feature, percent};
use crate::engine::dispatch::Announced;
use crate::engine::metric::Metric;
use crate::engine::tally::Tally;

/// How often it was found, when last, and the worst of it.
pub(super) fn tallied(alert: &Announced, tally: Tally) -> String {
    let mut text = match tally.evaluations {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    if tally.values > 0 {
        let plural = if tally.values == 1 { "" } else { "s" };
        text += &format!(" in {} value{plural}", tally.values);
    }
    if tally.evaluations > 1 {
        text += &format!(", last {}", moment(tally.last));
    }
    if let Some(worst) = tally.worst {
        text += &format!(", worst {}", amount(alert, worst));
    }
    text
}

/// The baseline, by how much it has changed, and how sure that is.
pub(super) fn compared(alert: &Announced, evidence: Evidence) -> Option<String> {
    let metric = Metric::named(&alert.metric);
    let mut text = format!(
        "baseline {}",
        amount::of(&metric, &alert.stat, evidence.baseline?)
    );
    if evidence.baseline_n > 0 {
        text += &format!(" of {} values", evidence.baseline_n);
    }
    if let Some(change) = evidence.change {
        text += &format!(": {}", percent(change));
    }
    if evidence.interval.is_some() {
        text += &format!(" (95 %: {})", evidence.interval_text());
    }
    if let Some(p) = evidence.p_value {
        text += &match p {
            p if p < 1e-6 => ", p < 0.000001".to_owned(),
            p if p < 1e-3 => format!(", p = {p:.6}"),
            p => format!(", p = {p:.3}"),
        };
    }
    Some(text)
}

/// What a detector has found to be different, since when, and by how much; and until when, where it has gone again.
pub(super) fn found(alert: &Announced, evidence: Evidence) -> Option<String> {
    let feature = evidence.feature?;
    let mut text = match feature {
        Feature::Value => "the value".to_owned(),
        Feature::Shape => "how values follow on each other".to_owned(),
        Feature::Season => "what is usual at this time of the day".to_owned(),
        Feature::Level => "the level".to_owned(),
        Feature::Drift => "a drift of the level".to_owned(),
        Feature::Spread => "how far values lie apart".to_owned(),
        Feature::Tail => "how far the upper tenth reaches".to_owned(),
    };
    if evidence.per_day.is_some() {
        text += &format!(", {}", evidence.per_day_text());
    }
    if let Some(change) = evidence.change {
        text += &format!(", {}", percent(change));
    }
    if feature == Feature::Drift {
        text += if alert.is_firing() {
            " by now"
        } else {
            " by then"
        };
    }
    if evidence.interval.is_some() {
        text += &format!(" (95 %: {})", evidence.interval_text());
    }
    // What has ended for another reason may go on all the same.
    let until = (alert.ended).filter(|(_, reason)| *reason == EndReason::Recovered);
    if let Some(began) = evidence.began {
        let from = if until.is_some() { "from" } else { "since" };
        text += &format!(", {from} {}", moment(began));
    }
    if let Some((earliest, latest)) = evidence.within.filter(|(from, to)| from < to) {
        let (from, to) = (moment(earliest), moment(latest));
        text += &format!(" (95 %: between {from} and {to})");
    }
    if let Some((until, _)) = until {
        text += &format!(" until {}", moment(until));
    }
    Some(text)
}
