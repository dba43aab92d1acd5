//! What the exposition shows of a series: counters, histograms and gauges since the series began.

use std::time::Duration;

use super::chunk::Chunk;
use super::histogram::{Exemplar, Grids, Histogram};
use crate::engine::measurement::{Measurement, Outcome};
use crate::engine::metric::Column;
use crate::engine::stats::Sum;
use crate::engine::time::Timestamp;

/// Error classes kept apart per series; further ones count as `other`.
const MAX_ERROR_CLASSES: usize = 32;
/// What lies further ahead of the clock than this, was measured before the clock was set back.
pub(super) const AHEAD: Duration = Duration::from_secs(60);
/// Where further error classes are counted.
const OTHER_CLASS: &str = "other";

/// The latest value of a quality score.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Its name.
    pub name: Box<str>,
    /// Its value.
    pub value: f64,
    /// On how many samples it rests, where that was said.
    pub samples: Option<u64>,
    /// When it was measured.
    pub at: Timestamp,
}

/// Everything of one series that `/metrics` shows.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// When the series began.
    pub created: Timestamp,
    /// When its last measurement ended.
    pub last_at: Timestamp,
    /// Successful operations.
    pub successes: u64,
    /// Failed operations.
    pub failures: u64,
    /// Durations of successful and of failed operations.
    pub durations: [Option<Histogram>; 2],
    /// Seconds of setup phases.
    pub setup: Option<Histogram>,
    /// Seconds of cleanup phases.
    pub cleanup: Option<Histogram>,
    /// Peak resident bytes.
    pub memory_peak: Option<Histogram>,
    /// Mean cores.
    pub cpu_cores: Option<Histogram>,
    /// Samples per second.
    pub throughput: Option<Histogram>,
    /// Latest resident bytes.
    pub memory_bytes: Option<f64>,
    /// Latest duration of a successful operation in seconds.
    pub last_duration: Option<f64>,
    /// Samples processed.
    pub samples: Option<u64>,
    /// CPU seconds used.
    pub cpu_seconds: Option<Sum>,
    /// Failures by class, in the order they first came.
    pub errors: Vec<(Box<str>, u64)>,
    /// Latest scores, sorted by name.
    pub scores: Vec<Score>,
    /// The latest measurement, whole.
    pub last: Option<Box<Measurement>>,
}

impl Totals {
    /// Durations of operations that ended with `outcome`.
    pub fn durations(&self, outcome: Outcome) -> Option<&Histogram> {
        match outcome {
            Outcome::Success => self.durations[0].as_ref(),
            Outcome::Failure => self.durations[1].as_ref(),
        }
    }

    /// Counts the values of a column in its histogram, if it has one.
    pub(super) fn observe(
        &mut self,
        column: Column,
        chunk: &Chunk,
        operation: &str,
        grids: &Grids,
    ) {
        let [successful, _] = &mut self.durations;
        let (histogram, grid) = match column {
            Column::Duration => (successful, grids.durations_of(operation)),
            Column::Setup => (&mut self.setup, &grids.duration),
            Column::Cleanup => (&mut self.cleanup, &grids.duration),
            Column::MemoryPeak => (&mut self.memory_peak, &grids.memory),
            Column::Cpu => (&mut self.cpu_cores, &grids.cores),
            Column::Throughput => (&mut self.throughput, &grids.throughput),
            Column::Outcome
            | Column::Memory
            | Column::Samples
            | Column::Score(_)
            | Column::ScoreSamples => return,
        };
        histogram
            .get_or_insert_with(|| Histogram::new(grid.clone()))
            .observe(chunk);
    }

    /// Counts everything of a measurement that is in no column. It ended `at` and is taken in `now`; whether it is the
    /// latest so far.
    pub(super) fn record(
        &mut self,
        m: &Measurement,
        at: Timestamp,
        now: Timestamp,
        grids: &Grids,
    ) -> bool {
        let failed = m.outcome == Outcome::Failure;
        if m.is_operation {
            if failed {
                self.failures += 1;
                self.count_error(m.error_class.as_deref().unwrap_or_default());
            } else {
                self.successes += 1;
            }
        }
        // A gauge shows the latest state, so a late record must not set it back.
        let latest = replaces(at, self.last_at, now);
        if latest {
            self.last_at = at;
            if let Some(bytes) = m.memory_bytes {
                self.memory_bytes = Some(bytes);
            }
        }
        if let Some(seconds) = m.duration_seconds {
            let [successful, unsuccessful] = &mut self.durations;
            if failed {
                unsuccessful
                    .get_or_insert_with(|| {
                        Histogram::new(grids.durations_of(m.key.operation()).clone())
                    })
                    .observe_one(seconds);
            } else if latest {
                self.last_duration = Some(seconds);
            }
            let durations = if failed { unsuccessful } else { successful };
            if let (Some(durations), Some(trace_id)) = (durations, &m.trace_id) {
                durations.exemplify(Exemplar {
                    trace_id: trace_id.clone(),
                    value: seconds,
                    at,
                });
            }
        }
        if let Some(samples) = m.samples {
            let total = self.samples.get_or_insert_default();
            *total = total.saturating_add(samples);
        }
        if let Some(seconds) = m.cpu_seconds() {
            self.cpu_seconds.get_or_insert_default().add(seconds);
        }
        if !failed {
            self.record_scores(m, at, now);
        }
        latest
    }

    fn count_error(&mut self, class: &str) {
        let full = self.errors.len() >= MAX_ERROR_CLASSES;
        let place = self.errors.iter().position(|(c, _)| **c == *class);
        let (class, place) = match place {
            None if full => (
                OTHER_CLASS,
                self.errors.iter().position(|(c, _)| **c == *OTHER_CLASS),
            ),
            place => (class, place),
        };
        match place.and_then(|place| self.errors.get_mut(place)) {
            Some((_, count)) => *count += 1,
            None => self.errors.push((class.into(), 1)),
        }
    }

    fn record_scores(&mut self, m: &Measurement, at: Timestamp, now: Timestamp) {
        for (name, value) in &m.quality {
            let score = Score {
                name: name.clone(),
                value: *value,
                samples: m.quality_samples,
                at,
            };
            match self.scores.binary_search_by(|s| s.name.cmp(name)) {
                Ok(found) => {
                    if let Some(existing) = self.scores.get_mut(found)
                        && replaces(at, existing.at, now)
                    {
                        *existing = score;
                    }
                }
                Err(place) => self.scores.insert(place, score),
            }
        }
    }

    /// Heap bytes held, roughly.
    pub fn heap_bytes(&self) -> usize {
        let histograms = self.durations.iter().chain([
            &self.setup,
            &self.cleanup,
            &self.memory_peak,
            &self.cpu_cores,
            &self.throughput,
        ]);
        size_of::<Self>()
            + histograms
                .flatten()
                .map(Histogram::heap_bytes)
                .sum::<usize>()
            + self.errors.len() * 40
            + self.scores.capacity() * size_of::<Score>()
            + self
                .last
                .as_ref()
                .map_or(0, |_| size_of::<Measurement>() + 64)
    }
}

/// Whether a reading of `at` takes the place of an earlier one in a gauge.
fn replaces(at: Timestamp, earlier: Timestamp, now: Timestamp) -> bool {
    at >= earlier || earlier > now.after(AHEAD)
}

#[cfg(test)]
mod tests {
    use super::super::admitted::Taken;
    use super::super::chunk::Rows;
    use super::*;
    use crate::engine::measurement::Draft;

    fn record(totals: &mut Totals, at: i64, draft: Draft<'_>) {
        let measurement = Measurement::new(Draft {
            operation: "op",
            ..draft
        })
        .unwrap();
        let at = Timestamp::from_millis(at);
        let taken = Taken {
            measurement: &measurement,
            at,
        };
        let (mut rows, mut chunk) = (Rows::default(), Chunk::default());
        rows.fill([taken].into_iter(), |_| None);
        for (column, values) in rows.columns() {
            chunk.fill(column, values, &rows);
            totals.observe(column, &chunk, "op", &Grids::default());
        }
        totals.record(&measurement, at, at, &Grids::default());
    }

    #[test]
    fn failures_do_not_mix_into_latency_throughput_or_quality() {
        let mut totals = Totals::default();
        let failed = Draft {
            duration_seconds: Some(9.0),
            samples: Some(10),
            outcome: Some(Outcome::Failure),
            error_class: "Timeout",
            quality: vec![("f1", 0.1)],
            ..Draft::default()
        };
        record(&mut totals, 1, failed);
        assert_eq!((totals.successes, totals.failures), (0, 1));
        assert_eq!(totals.durations(Outcome::Failure).unwrap().count(), 1);
        assert!(totals.durations(Outcome::Success).is_none());
        assert!(totals.throughput.is_none() && totals.scores.is_empty());
        assert_eq!(totals.errors, [("Timeout".into(), 1)]);
    }

    #[test]
    fn a_late_record_counts_but_does_not_set_gauges_back() {
        let mut totals = Totals::default();
        let lasting = |seconds| Draft {
            duration_seconds: Some(seconds),
            memory_bytes: Some(seconds * 100.0),
            quality: vec![("f1", seconds / 10.0)],
            ..Draft::default()
        };
        record(&mut totals, 2_000, lasting(2.0));
        record(&mut totals, 1_000, lasting(1.0));
        assert_eq!(totals.successes, 2);
        assert_eq!(totals.last_duration, Some(2.0));
        assert_eq!(totals.memory_bytes, Some(200.0));
        assert_eq!(totals.scores[0].value, 0.2);
        assert_eq!(totals.last_at, Timestamp::from_millis(2_000));
    }

    #[test]
    fn gauges_go_on_after_the_clock_was_set_back() {
        let mut totals = Totals::default();
        for (at, seconds) in [(9_000_000, 1.0), (1_000, 2.0)] {
            let draft = Draft {
                duration_seconds: Some(seconds),
                quality: vec![("f1", seconds)],
                ..Draft::default()
            };
            record(&mut totals, at, draft);
        }
        assert_eq!(totals.last_duration, Some(2.0));
        assert_eq!(totals.scores[0].value, 2.0);
        assert_eq!(totals.last_at, Timestamp::from_millis(1_000));
    }

    #[test]
    fn error_classes_beyond_the_cap_are_counted_together() {
        let mut totals = Totals::default();
        for n in 0..40 {
            let class = format!("E{n}");
            let outcome = Some(Outcome::Failure);
            record(
                &mut totals,
                n,
                Draft {
                    outcome,
                    error_class: &class,
                    ..Draft::default()
                },
            );
        }
        assert_eq!(totals.errors.len(), MAX_ERROR_CLASSES + 1);
        assert_eq!(totals.errors.last().unwrap(), &("other".into(), 8));
    }
}
