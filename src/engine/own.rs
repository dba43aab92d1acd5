//! What opwatch measures of itself: what it loses and refuses, as scores of an operation that ordinary rules can judge.
//!
//! A store of its own holds that one series: so it shows among no user's operations, takes none of their room, and goes
//! on working when theirs is full. A rule looks here, and only here, if its selector asks for `operation="__opwatch__"`.
//! Whoever loses something keeps a running total of it and tells it by its name ([`Own::total`]); from then on a rule can
//! name it as a metric, whose sum over a window is what was lost in it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::admission::IngestCounts;
use super::measurement::{Draft, Measurement, count};
use super::series::{FieldFault, OWN_OPERATION, SeriesKey};
use super::store::{Admitted, AdmittedBatch, Losses, Place, Store, StoreSettings};
use super::time::Now;

/// Measurements put into a series that they share because there are too many series.
pub const SERIES_OVERFLOW: &str = "series_overflow";
/// Runs and buckets given up because memory is short.
pub const MEMORY_GIVEN_UP: &str = "memory_given_up";
/// Requests refused because the queue or the memory is full.
pub const INGEST_REFUSED: &str = "ingest_refused";
/// The share of records that are rejected, weighted by how many came.
pub const RECORDS_REJECTED: &str = "records_rejected";
/// Quality scores not kept because there are too many names.
pub const SCORES_DROPPED: &str = "scores_dropped";
/// Instances that rules on absence no longer remember because there are too many.
pub const ABSENCE_FORGOTTEN: &str = "absence_forgotten";
/// Notifications given up.
pub const NOTIFICATIONS_DROPPED: &str = "notifications_dropped";

/// Measurements accepted while the disk failed, which are in memory alone.
pub const STORE_UNCOMMITTED: &str = "store_uncommitted";
/// Rows and databases that could not be read and were left out.
pub const STORE_SET_ASIDE: &str = "store_set_aside";
/// Looks at the disk, while it failed.
pub const STORE_DEGRADED: &str = "store_degraded";

/// Totals that are told from the start, so that a rule on them has data before anything was lost.
const TOTALS: [&str; 9] = [
    SERIES_OVERFLOW,
    MEMORY_GIVEN_UP,
    INGEST_REFUSED,
    SCORES_DROPPED,
    ABSENCE_FORGOTTEN,
    NOTIFICATIONS_DROPPED,
    STORE_UNCOMMITTED,
    STORE_SET_ASIDE,
    STORE_DEGRADED,
];

/// Without a loss to tell, a measurement is made this often.
const EVERY: Duration = Duration::from_secs(10);
/// What the store of the one series may take.
const MAX_MEMORY: usize = 1 << 20;
const MAX_HISTORY: usize = 100;

/// What opwatch measures of itself.
#[derive(Debug)]
pub struct Own {
    /// Holds the one series.
    pub store: Store,
    /// Whether there are rules on it.
    pub is_judged: bool,
    totals: BTreeMap<&'static str, Total>,
    /// Records received and rejected, as last measured.
    records: (u64, u64),
    measured_at: Option<Duration>,
}

/// A running total: as last measured, and as last told.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    measured: u64,
    told: u64,
}

impl Own {
    /// Nothing measured yet; data is kept as long as that of users.
    pub fn new(settings: &StoreSettings) -> Self {
        Self {
            store: Store::new(own_settings(settings)),
            is_judged: true,
            totals: TOTALS.map(|name| (name, Total::default())).into(),
            records: (0, 0),
            measured_at: None,
        }
    }

    /// Takes new bounds of the users' store.
    pub fn set_settings(&mut self, settings: &StoreSettings) {
        self.store.set_settings(own_settings(settings));
    }

    /// Tells a running total of something lost or refused.
    pub fn total(&mut self, name: &'static str, total: u64) {
        let known = self.totals.entry(name).or_default();
        if total < known.told {
            // Whoever counts has begun anew.
            known.measured = 0;
        }
        known.told = total;
    }

    /// Adds to a total that nobody else keeps.
    pub fn add(&mut self, name: &'static str, lost: u64) {
        self.totals.entry(name).or_default().told += lost;
    }

    /// Measures what has been lost since the last time, if anything was or enough time has passed. Where nobody judges it, it is
    /// no news to those who begin to.
    pub fn measure(&mut self, ingest: IngestCounts, losses: Losses, now: Now) {
        self.total(SERIES_OVERFLOW, ingest.overflow);
        self.total(MEMORY_GIVEN_UP, losses.history_rows + losses.buckets);
        self.total(SCORES_DROPPED, losses.scores);
        if !self.is_judged {
            self.skip(ingest);
            return;
        }
        self.store.sweep(now);
        let waited = |since| now.steady.saturating_sub(since) >= EVERY;
        let any = self
            .totals
            .values()
            .any(|total| total.told > total.measured);
        if !any && !self.measured_at.is_none_or(waited) {
            return;
        }
        self.measured_at = Some(now.steady);
        let lost: Vec<(&str, f64)> = (self.totals.iter_mut())
            .map(|(name, total)| {
                let lost = total.told.saturating_sub(total.measured);
                total.measured = total.told;
                (*name, count(lost))
            })
            .collect();
        self.record(lost, None, now);
        let rejected = ingest.invalid + ingest.too_old + ingest.future;
        let (received, bad) = (
            ingest.received.saturating_sub(self.records.0),
            rejected.saturating_sub(self.records.1),
        );
        self.records = (ingest.received, rejected);
        if received > 0 {
            let share = count(bad) / count(received);
            self.record(vec![(RECORDS_REJECTED, share)], Some(received), now);
        }
    }

    /// Counts everything so far as measured.
    fn skip(&mut self, ingest: IngestCounts) {
        for total in self.totals.values_mut() {
            total.measured = total.told;
        }
        let rejected = ingest.invalid + ingest.too_old + ingest.future;
        self.records = (ingest.received, rejected);
        self.measured_at = None;
    }

    fn record(&mut self, scores: Vec<(&str, f64)>, of: Option<u64>, now: Now) {
        let draft = Draft {
            quality: scores,
            quality_samples: of,
            ..Draft::default()
        };
        // It cannot be refused: names are constants, and numbers are counts and shares.
        if let Ok(measurement) = measurement(draft) {
            self.take(measurement, now);
        }
    }

    /// Takes a measurement of opwatch itself.
    pub fn take(&mut self, mut measurement: Measurement, now: Now) {
        let (series, _) = self.store.place(&measurement.key, now);
        self.store.keep_known_scores(&mut measurement);
        let place = Place {
            record: 0,
            series,
            at: measurement.at.unwrap_or(now.wall),
            late: false,
            overflow: None,
        };
        let admitted = Admitted::new(AdmittedBatch {
            records: vec![Ok(measurement)],
            places: vec![place],
            answered: None,
        });
        self.store.record(&admitted, now, &|_| now.steady, 0);
    }
}

fn own_settings(settings: &StoreSettings) -> StoreSettings {
    StoreSettings {
        max_memory: MAX_MEMORY,
        max_history: MAX_HISTORY,
        retention: settings.retention,
        ..StoreSettings::default()
    }
}

/// A measurement of opwatch itself, whatever operation the draft names.
///
/// # Errors
/// As of any measurement.
pub fn measurement(draft: Draft<'_>) -> Result<Measurement, FieldFault> {
    let named = Draft {
        operation: OWN_OPERATION.trim_matches('_'),
        ..draft
    };
    let mut measurement = Measurement::new(named)?;
    measurement.key = SeriesKey::own();
    Ok(measurement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metric::{Metric, Stat};
    use crate::engine::window::Reach;

    fn at(seconds: u64) -> Now {
        Now::invented(Duration::from_secs(1_000_000 + seconds))
    }

    fn stat(own: &Own, name: &str, stat: Stat) -> Option<f64> {
        let ids: Vec<_> = own.store.series().map(|(id, _)| id).collect();
        let column = own.store.column(&Metric::named(name))?;
        let minute = Reach::Time(Duration::from_secs(60));
        own.store
            .window(&ids, column, minute, false, at(9).wall)
            .stat(stat)
    }

    #[test]
    fn what_was_lost_since_the_last_time_is_measured_and_before_that_nothing() {
        let mut own = Own::new(&StoreSettings::default());
        let mut ingest = IngestCounts::default();
        own.measure(ingest, Losses::default(), at(0));
        assert_eq!(stat(&own, SERIES_OVERFLOW, Stat::Sum), Some(0.0));
        assert_eq!(stat(&own, RECORDS_REJECTED, Stat::Mean), None);
        ingest.overflow = 5;
        own.total("storage_degraded", 2);
        own.measure(ingest, Losses::default(), at(1));
        // Nothing new, and too early to say so.
        own.measure(ingest, Losses::default(), at(2));
        ingest.overflow = 7;
        // Begun anew by whoever counts.
        own.total("storage_degraded", 1);
        own.measure(ingest, Losses::default(), at(3));
        assert_eq!(stat(&own, SERIES_OVERFLOW, Stat::Sum), Some(7.0));
        assert_eq!(stat(&own, SERIES_OVERFLOW, Stat::Count), Some(3.0));
        assert_eq!(stat(&own, "storage_degraded", Stat::Sum), Some(3.0));
    }

    #[test]
    fn the_share_of_rejected_records_is_weighted_by_how_many_came() {
        let mut own = Own::new(&StoreSettings::default());
        let mut ingest = IngestCounts::default();
        for (seconds, received, invalid) in [(0, 10, 10), (10, 100, 10)] {
            ingest.received = received;
            ingest.invalid = invalid;
            own.measure(ingest, Losses::default(), at(seconds));
        }
        assert_eq!(own.store.len(), 1);
        let mean = stat(&own, RECORDS_REJECTED, Stat::Mean).unwrap();
        assert!((mean - 0.1).abs() < 1e-9, "{mean}");
    }
}
