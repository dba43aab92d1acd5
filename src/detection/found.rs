//! What a detector says of a whole series.

use crate::engine::detector::novelty::{self, Aspect, Pattern};
use crate::engine::detector::segments::Segmentation;
use crate::engine::detector::shift::{Change, Channel, Size};

/// The scores of a series and what was found in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// Rows, from 0, and their scores, in ascending order; a row that is left out scores 0. From 1 on a row is in an alert;
    /// of segments each is a cut.
    pub scores: Vec<(usize, f64)>,
    /// What was found.
    pub alerts: Vec<Alert>,
    /// Rows that were judged.
    pub judged: usize,
    /// What makes the result less than it looks.
    pub notes: Vec<String>,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The row, from 0, at which it was: of segments the first row of a new piece.
    pub row: usize,
    /// The row at which the change began, where it lasts.
    pub since: Option<usize>,
    /// The rows within which it began with 95 % confidence, where it is dated.
    pub within: Option<(usize, usize)>,
    /// The highest score.
    pub score: f64,
    /// What it is, for people.
    pub what: String,
}

/// What a lasting change is.
pub(super) fn of_change(change: &Change) -> String {
    let by = if change.is_larger {
        "by at least"
    } else {
        "by"
    };
    let size = match change.size {
        Size::By(amount) => format!("{by} {amount:+.4}"),
        Size::Times(times) if times < 2.0 => format!("{by} {:+.1} %", (times - 1.0) * 100.0),
        Size::Times(times) if change.is_larger => format!("at least {times:.1} times"),
        Size::Times(times) => format!("{times:.1} times"),
    };
    let name = match change.channel {
        Channel::Level => "level",
        Channel::Drift => "drift",
        Channel::Spread => "spread",
        Channel::Tail => "upper tail",
    };
    let Some((best, (low, high))) = change.per_day else {
        return format!("{name} {size}, evidence {:.1}", change.evidence);
    };
    let [best, low, high, by_now] = [best, low, high, change.size].map(moved);
    format!(
        "{name} {best} a day [{low}, {high}], {by_now} by now, evidence {:.1}",
        change.evidence
    )
}

/// By how much a level has moved.
fn moved(size: Size) -> String {
    match size {
        Size::By(amount) => format!("{amount:+.4}"),
        Size::Times(times) => format!("{:+.1} %", (times - 1.0) * 100.0),
    }
}

/// What an unlikely point is.
pub(super) fn of_novelty(value: Option<f64>, verdict: &novelty::Verdict) -> String {
    let aspect = match verdict.aspect {
        Aspect::Value => "value",
        Aspect::Shape => "shape of three",
        Aspect::Level => "mean of three",
        Aspect::Season => "mean of this time of day",
    };
    let nearest = match verdict.nearest {
        None => String::new(),
        Some(Pattern::One(known)) => format!(" ({known:.6})"),
        Some(Pattern::Three([newest, before, first])) => {
            format!(" ({first:.6}, {before:.6}, {newest:.6})")
        }
    };
    let value = value.map_or_else(|| "no value".to_owned(), |value| value.to_string());
    format!(
        "{value}: {aspect} is {:.1} typical steps from the nearest known{nearest}; expected {:.2} times a day",
        verdict.distance,
        verdict.times_per_day()
    )
}

/// The cuts of a series.
pub(super) fn of_segments(segmentation: &Segmentation) -> Detection {
    let parts = segmentation.parts.iter();
    let neighbours = parts.clone().zip(parts.skip(1));
    let alerts = segmentation.cuts.iter().zip(neighbours);
    let alerts = alerts.map(|(cut, (before, after))| Alert {
        row: cut.index,
        since: None,
        within: None,
        score: cut.score,
        what: format!(
            "from {:.6} to {:.6}, then to {:.6} at row {}",
            before.end, after.start, after.end, after.last
        ),
    });
    let judged = segmentation.parts.last().map_or(0, |part| part.last + 1);
    let mut notes = Vec::new();
    if segmentation.parts.is_empty() {
        notes.push("too short or constant".to_owned());
    }
    Detection {
        scores: (segmentation.cuts.iter())
            .map(|cut| (cut.index, cut.score))
            .collect(),
        alerts: alerts.collect(),
        judged,
        notes,
    }
}
