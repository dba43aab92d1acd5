//! The totals of a series as bytes: counters go on exactly where they were.

use prost::Message;

use super::super::histogram::{Exemplar, Grid, Grids, Histogram};
use super::super::{Score, Totals};
use crate::engine::stats::Sum;
use crate::engine::time::Timestamp;

#[derive(Clone, PartialEq, Message)]
pub(super) struct TotalsMessage {
    #[prost(sint64, tag = "1")]
    created: i64,
    #[prost(sint64, tag = "2")]
    last_at: i64,
    #[prost(uint64, tag = "3")]
    successes: u64,
    #[prost(uint64, tag = "4")]
    failures: u64,
    /// Each with its number in `histograms`.
    #[prost(message, repeated, tag = "5")]
    histograms: Vec<HistogramMessage>,
    #[prost(double, optional, tag = "6")]
    memory_bytes: Option<f64>,
    #[prost(double, optional, tag = "7")]
    last_duration: Option<f64>,
    #[prost(uint64, optional, tag = "8")]
    samples: Option<u64>,
    /// A sum and what its rounding has left.
    #[prost(double, repeated, tag = "9")]
    cpu_seconds: Vec<f64>,
    #[prost(message, repeated, tag = "10")]
    errors: Vec<ErrorMessage>,
    #[prost(message, repeated, tag = "11")]
    scores: Vec<ScoreMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct HistogramMessage {
    #[prost(uint32, tag = "1")]
    which: u32,
    #[prost(double, repeated, tag = "2")]
    grid: Vec<f64>,
    #[prost(uint64, repeated, tag = "3")]
    counts: Vec<u64>,
    #[prost(uint64, tag = "4")]
    count: u64,
    #[prost(double, repeated, tag = "5")]
    sum: Vec<f64>,
    #[prost(bytes = "vec", tag = "6")]
    native: Vec<u8>,
    #[prost(message, repeated, tag = "7")]
    exemplars: Vec<ExemplarMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ExemplarMessage {
    #[prost(string, tag = "1")]
    trace_id: String,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(sint64, tag = "3")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorMessage {
    #[prost(string, tag = "1")]
    class: String,
    #[prost(uint64, tag = "2")]
    count: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ScoreMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(uint64, optional, tag = "3")]
    samples: Option<u64>,
    #[prost(sint64, tag = "4")]
    at: i64,
}

/// The histograms of some totals, each with the number under which it is saved.
fn histograms(totals: &mut Totals) -> [&mut Option<Histogram>; 7] {
    let [successful, failed] = &mut totals.durations;
    [
        successful,
        failed,
        &mut totals.setup,
        &mut totals.cleanup,
        &mut totals.memory_peak,
        &mut totals.cpu_cores,
        &mut totals.throughput,
    ]
}

pub(super) fn totals_message(totals: &Totals) -> TotalsMessage {
    let mut totals = totals.clone();
    let saved = (0..).zip(histograms(&mut totals));
    let saved = saved.filter_map(|(which, histogram)| {
        histogram.as_ref().map(|one| histogram_message(which, one))
    });
    TotalsMessage {
        histograms: saved.collect(),
        created: totals.created.millis(),
        last_at: totals.last_at.millis(),
        successes: totals.successes,
        failures: totals.failures,
        memory_bytes: totals.memory_bytes,
        last_duration: totals.last_duration,
        samples: totals.samples,
        cpu_seconds: totals
            .cpu_seconds
            .map_or_else(Vec::new, |sum| sum.parts().to_vec()),
        errors: (totals.errors.iter())
            .map(|(class, count)| ErrorMessage {
                class: class.to_string(),
                count: *count,
            })
            .collect(),
        scores: (totals.scores.iter())
            .map(|score| ScoreMessage {
                name: score.name.to_string(),
                value: score.value,
                samples: score.samples,
                at: score.at.millis(),
            })
            .collect(),
    }
}

fn histogram_message(which: u32, histogram: &Histogram) -> HistogramMessage {
    let mut native = Vec::new();
    histogram.native.pack(&mut native);
    HistogramMessage {
        which,
        grid: histogram.grid.to_vec(),
        counts: histogram.counts.to_vec(),
        count: histogram.count,
        sum: histogram.sum.parts().to_vec(),
        native,
        exemplars: (histogram.exemplars.iter().flatten())
            .map(|exemplar| ExemplarMessage {
                trace_id: exemplar.trace_id.to_string(),
                value: exemplar.value,
                at: exemplar.at.millis(),
            })
            .collect(),
    }
}

fn sum_of(parts: &[f64]) -> Option<Sum> {
    match parts {
        [value, rest] => Some(Sum::from_parts([*value, *rest])),
        _ => None,
    }
}

pub(super) fn read_totals(message: TotalsMessage, operation: &str, grids: &Grids) -> Totals {
    let mut totals = Totals {
        created: Timestamp::from_millis(message.created),
        last_at: Timestamp::from_millis(message.last_at),
        successes: message.successes,
        failures: message.failures,
        memory_bytes: message.memory_bytes,
        last_duration: message.last_duration,
        samples: message.samples,
        cpu_seconds: sum_of(&message.cpu_seconds),
        errors: (message.errors.into_iter())
            .map(|error| (error.class.into(), error.count))
            .collect(),
        scores: (message.scores.into_iter())
            .map(|score| Score {
                name: score.name.into(),
                value: score.value,
                samples: score.samples,
                at: Timestamp::from_millis(score.at),
            })
            .collect(),
        ..Totals::default()
    };
    let configured = [
        grids.durations_of(operation),
        grids.durations_of(operation),
        &grids.duration,
        &grids.duration,
        &grids.memory,
        &grids.cores,
        &grids.throughput,
    ];
    let mut places = histograms(&mut totals);
    for saved in message.histograms {
        let which = usize::try_from(saved.which).unwrap_or(usize::MAX);
        if let (Some(place), Some(grid)) = (places.get_mut(which), configured.get(which)) {
            **place = Some(read_histogram(saved, grid));
        }
    }
    totals
}

/// A histogram goes on with the bounds that it has, shared with all others of the same; other bounds would be another one.
fn read_histogram(message: HistogramMessage, configured: &Grid) -> Histogram {
    let grid = if **configured == *message.grid {
        configured.clone()
    } else {
        message.grid.into()
    };
    let mut histogram = Histogram::new(grid);
    for (count, saved) in histogram.counts.iter_mut().zip(message.counts) {
        *count = saved;
    }
    histogram.count = message.count;
    histogram.sum = sum_of(&message.sum).unwrap_or_default();
    histogram.native.merge_packed(&message.native);
    for exemplar in message.exemplars {
        histogram.exemplify(Exemplar {
            trace_id: exemplar.trace_id.into(),
            value: exemplar.value,
            at: Timestamp::from_millis(exemplar.at),
        });
    }
    histogram
}
