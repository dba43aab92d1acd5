//! Detectors that are fed a series point by point.

use super::found::{Alert, Detection, of_change, of_novelty};
use super::read::Series;
use crate::engine::detector::novelty::{self, Novelty};
use crate::engine::detector::shift::{self, SLOW_NOISE, Shift};

/// Scores of regressions are written from here on,
const LEAST_SHIFT: f64 = 0.5;
/// and no higher than this: a change that is that sure need not be told from another. With steps of a twentieth there are few
/// enough of them that who looks for the best threshold can try each.
const MOST_SHIFT: f64 = 4.5;
const STEPS: f64 = 20.0;
/// Scores of anomalies are written from here on.
const LEAST_NOVELTY: f64 = 0.2;

/// Looks for lasting changes.
pub(super) fn regression(series: &Series, settings: shift::Settings) -> Detection {
    let mut shift = Shift::new(settings);
    let mut detection = Detection::default();
    // The row of each point: missing rows are points as well, because the season goes on.
    let mut rows: Vec<usize> = Vec::with_capacity(series.points.len());
    let (mut was_open, mut told, mut slowest) = (false, None, 0f64);
    for (row, point) in series.points.iter().enumerate() {
        // What a longer gap teaches, one of a season and a point does too.
        for _ in 0..point.missing_before.min(settings.season() + 1) {
            rows.push(row);
            shift.push(None);
        }
        rows.push(row);
        let verdict = shift.push(point.value);
        detection.judged += usize::from(!verdict.is_warming_up());
        slowest = slowest.max(verdict.phi.unwrap_or(0.0));
        let score = (verdict.score.min(MOST_SHIFT) * STEPS + 1e-9).floor() / STEPS;
        if score >= LEAST_SHIFT {
            detection.scores.push((row, score));
        }
        let change = verdict.change.filter(|_| verdict.is_open);
        if let Some(change) = change {
            let row_of = |point: u64| {
                let point = usize::try_from(point).ok()?;
                rows.get(point).copied()
            };
            let since = row_of(change.since);
            let within = row_of(change.within.0).zip(row_of(change.within.1));
            if !was_open {
                detection.alerts.push(Alert {
                    row,
                    since,
                    within,
                    score: 0.0,
                    what: String::new(),
                });
            }
            // What is known of it last is known best.
            if let Some(alert) = detection.alerts.last_mut()
                && (!was_open || told != Some(change))
            {
                alert.score = alert.score.max(verdict.score);
                alert.since = since;
                alert.within = within;
                alert.what = of_change(&change);
            }
        }
        told = change;
        was_open = verdict.is_open;
    }
    if detection.judged == 0 {
        let note = format!(
            "not judged: the warm-up takes {} points",
            settings.warm_up()
        );
        detection.notes.push(note);
    }
    if slowest > SLOW_NOISE {
        detection.notes.push(format!(
            "noise too slow for this warm-up (autocorrelation {slowest:.2}): more false alarms than asked for, a longer warm-up helps"
        ));
    }
    detection
}

/// Looks for points unlike any before.
pub(super) fn anomaly(series: &Series, settings: &novelty::Settings) -> Detection {
    let mut novelty = Novelty::new(settings);
    let mut detection = Detection {
        judged: series.points.iter().filter(|p| p.value.is_some()).count(),
        ..Detection::default()
    };
    // A score of 1 is an alert under any budget.
    let beyond = settings.threshold() - 1.0;
    for (row, point) in series.points.iter().enumerate() {
        let verdict = novelty.push(point.value);
        let score = verdict.held - beyond;
        if score >= LEAST_NOVELTY {
            detection.scores.push((row, score));
        }
        if verdict.alert {
            detection.alerts.push(Alert {
                row,
                since: None,
                within: None,
                score,
                what: of_novelty(point.value, &verdict),
            });
        }
    }
    detection
}
