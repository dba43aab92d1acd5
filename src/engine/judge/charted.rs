//! What a rule on a trend sees: the buckets of its window, looked at again only when one of them has changed.

use std::time::Duration;

use super::Scope;
use super::data::Basis;
use crate::engine::baseline::Source;
use crate::engine::condition::{Charted, Trend};
use crate::engine::metric::Metric;
use crate::engine::store::{SeriesId, Store};
use crate::engine::time::Timestamp;
use crate::engine::trend::{self, gather, settled};

/// What one instance of a rule on a trend remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What was found at the last evaluation.
    pub charted: Charted,
    /// What that rests on; `None` where it is to be found anew.
    rests_on: Option<RestsOn>,
}

/// While this is the same, so are the closed buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RestsOn {
    /// When the open bucket began.
    open: Timestamp,
    /// [`settled`] by then.
    settled: u64,
    cpu_limit: Option<f64>,
}

/// What an instance is to be judged by.
#[derive(Debug)]
pub struct Charting {
    pub(super) chart: Chart,
    pub(super) basis: Option<Basis>,
}

impl Chart {
    /// Forgets what was found, because it may be of other series.
    pub(super) fn reset(&mut self) {
        self.rests_on = None;
    }

    /// What it is to be judged by now; `None` where all buckets are as they were.
    pub(super) fn look(
        &self,
        rule: &Trend,
        series: &[SeriesId],
        store: &Store,
        scope: &Scope,
    ) -> Option<Charting> {
        let now = scope.now.wall;
        let frame = rule.frame;
        let open = frame.open(now);
        let reached = now.since(frame.start(now)) + Duration::from_millis(1);
        let divisor = match (&rule.metric, scope.cpu_limit) {
            (Metric::CpuRatio, None) => return Some(Charting::default()),
            (Metric::CpuRatio, limit) => limit,
            _ => None,
        };
        if scope.watched.coverage(reached, now).is_mixed {
            let mut charting = Charting::default();
            charting.chart.charted.is_mixed = true;
            return Some(charting);
        }
        let source = Source {
            store,
            series,
            metric: &rule.metric,
            divisor,
            until: None,
        };
        let rests_on = RestsOn {
            open,
            settled: settled(source, frame, open),
            cpu_limit: scope.cpu_limit,
        };
        if self.rests_on == Some(rests_on) {
            return None;
        }
        let points = gather(source, rule.stat, frame, &scope.watched, now);
        let closes = open.after(frame.bucket());
        Some(Charting {
            chart: Chart {
                charted: Charted {
                    trend: trend::of(&points, frame.bucket(), rule.min_samples),
                    n: points.iter().map(|point| point.n).sum(),
                    is_mixed: false,
                },
                rests_on: Some(rests_on),
            },
            basis: Some(Basis::of(series, store, scope, Some(closes))),
        })
    }
}

impl Default for Charting {
    /// No data.
    fn default() -> Self {
        Self {
            chart: Chart::default(),
            basis: None,
        }
    }
}
