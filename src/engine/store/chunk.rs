//! Measurements of one series on their way in, turned into columns: what is taken in together touches each column of
//! its series once, and shares what its parts have in common.

use super::admitted::Taken;
use crate::engine::measurement::{Measurement, Outcome, count};
use crate::engine::metric::Column;
use crate::engine::sample::Sample;
use crate::engine::sketch::Keys;
use crate::engine::stats::Moments;
use crate::engine::time::Timestamp;

/// The columns that every store has; scores come beside them.
const FIXED: [Column; 9] = [
    Column::Outcome,
    Column::Duration,
    Column::Setup,
    Column::Cleanup,
    Column::Cpu,
    Column::Memory,
    Column::MemoryPeak,
    Column::Samples,
    Column::Throughput,
];

/// Rows of one series; NaN, which no measurement can hold, where a row has no value in a column.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) times: Vec<Timestamp>,
    fixed: Vec<[f64; FIXED.len()]>,
    /// How many rows have a value in each fixed column.
    present: [usize; FIXED.len()],
    scores: Vec<(Column, Vec<f64>)>,
}

impl Rows {
    /// Turns measurements into rows; those that were here before are gone. `score_column` numbers the scores that are
    /// kept.
    pub(super) fn fill<'m>(
        &mut self,
        taken: impl Iterator<Item = Taken<'m>>,
        mut score_column: impl FnMut(&str) -> Option<Column>,
    ) {
        self.times.clear();
        self.fixed.clear();
        self.present = [0; FIXED.len()];
        self.scores.clear();
        for Taken { measurement, at } in taken {
            let row = fixed_values(measurement);
            for (present, value) in self.present.iter_mut().zip(row) {
                *present += usize::from(!value.is_nan());
            }
            self.fixed.push(row);
            self.times.push(at);
            if measurement.outcome == Outcome::Success && !measurement.quality.is_empty() {
                let samples = measurement.quality_samples.map(count);
                self.put_score(Column::ScoreSamples, samples);
                for (name, value) in &measurement.quality {
                    if let Some(column) = score_column(name) {
                        self.put_score(column, Some(*value));
                    }
                }
            }
        }
        let rows = self.times.len();
        for (_, values) in &mut self.scores {
            values.resize(rows, f64::NAN);
        }
    }

    /// Sets a value of the last row.
    fn put_score(&mut self, column: Column, value: Option<f64>) {
        let Some(value) = value else { return };
        let row = self.times.len() - 1;
        let place = self.scores.iter().position(|(c, _)| *c == column);
        let values = match place.and_then(|place| self.scores.get_mut(place)) {
            Some((_, values)) => values,
            None => {
                self.scores.push((column, Vec::new()));
                let Some((_, values)) = self.scores.last_mut() else {
                    return;
                };
                values
            }
        };
        values.resize(row, f64::NAN);
        values.push(value);
    }

    /// The columns that hold a value in any row.
    pub(super) fn columns(&self) -> impl Iterator<Item = (Column, Values<'_>)> {
        let rows = self.times.len();
        let fixed = (0..).zip(FIXED).zip(self.present);
        let fixed = fixed.filter(|(_, present)| *present > 0);
        let fixed = fixed.map(move |((place, column), present)| {
            let has_gaps = present < rows;
            (column, Values::Fixed(&self.fixed, place, has_gaps))
        });
        let scores = self.scores.iter();
        fixed.chain(scores.map(|(column, values)| (*column, Values::Score(values))))
    }

    fn column(&self, wanted: Column) -> Option<Values<'_>> {
        let mut columns = self.columns();
        columns.find_map(|(column, values)| (column == wanted).then_some(values))
    }
}

/// The values of a column, one a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values<'r> {
    /// In that place of the rows, and whether one of them has none.
    Fixed(&'r [[f64; FIXED.len()]], usize, bool),
    Score(&'r [f64]),
}

impl Values<'_> {
    /// Appends all of them to what takes them.
    pub(super) fn append_to(self, all: &mut impl Extend<f64>) {
        match self {
            Self::Fixed(rows, place, _) => {
                let value = |row: &[f64; FIXED.len()]| row.get(place).copied();
                all.extend(rows.iter().map(|row| value(row).unwrap_or(f64::NAN)));
            }
            Self::Score(values) => all.extend(values.iter().copied()),
        }
    }

    fn has_gaps(self) -> bool {
        match self {
            Self::Fixed(_, _, has_gaps) => has_gaps,
            Self::Score(values) => values.iter().any(|value| value.is_nan()),
        }
    }
}

fn fixed_values(m: &Measurement) -> [f64; FIXED.len()] {
    let failed = m.outcome == Outcome::Failure;
    let any = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let succeeded = |value: Option<f64>| if failed { f64::NAN } else { any(value) };
    [
        if m.is_operation {
            f64::from(u8::from(failed))
        } else {
            f64::NAN
        },
        succeeded(m.duration_seconds),
        succeeded(m.setup_seconds),
        succeeded(m.cleanup_seconds),
        any(m.cpu_cores),
        any(m.memory_bytes),
        any(m.memory_peak_bytes),
        any(m.samples.map(count)),
        succeeded(m.throughput()),
    ]
}

/// Both, kept from one taking in to the next for their capacity: most bring a single measurement.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) rows: Rows,
    pub(super) chunk: Chunk,
}

/// The values of one column of some rows, without gaps.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) times: Vec<Timestamp>,
    pub(super) values: Vec<f64>,
    /// The weight of each; empty where all are 1.
    pub(super) weights: Vec<f64>,
    /// For sketches.
    pub(super) keys: Keys,
    pub(super) moments: Moments,
}

impl Chunk {
    /// Takes the values of a column; what was here before is gone.
    pub(super) fn fill(&mut self, column: Column, values: Values<'_>, rows: &Rows) {
        self.times.clear();
        self.values.clear();
        self.weights.clear();
        self.times.extend_from_slice(&rows.times);
        values.append_to(&mut self.values);
        let weights = column.weights().and_then(|weights| rows.column(weights));
        if let Some(weights) = weights {
            weights.append_to(&mut self.weights);
            for weight in &mut self.weights {
                if weight.is_nan() {
                    *weight = 1.0;
                }
            }
        }
        if values.has_gaps() {
            let mut has_value = self.values.iter().map(|value| !value.is_nan());
            self.times.retain(|_| has_value.next().unwrap_or_default());
            let mut has_value = self.values.iter().map(|value| !value.is_nan());
            self.weights
                .retain(|_| has_value.next().unwrap_or_default());
            self.values.retain(|value| !value.is_nan());
        }
        self.find_shared();
    }

    /// Finds what several parts of a series need to know of the values.
    fn find_shared(&mut self) {
        self.keys.fill(&self.values);
        self.moments = Moments::of(&self.values, &self.weights);
    }

    /// A single value at a time that does not matter.
    pub(super) fn of_one(value: f64) -> Self {
        let mut chunk = Self {
            times: vec![Timestamp::default()],
            values: vec![value],
            ..Self::default()
        };
        chunk.find_shared();
        chunk
    }

    /// A part of it as a chunk of its own.
    pub(super) fn part(&self, range: std::ops::Range<usize>) -> Self {
        let mut part = Self {
            times: self.times.get(range.clone()).unwrap_or_default().to_vec(),
            values: self.values.get(range.clone()).unwrap_or_default().to_vec(),
            weights: self.weights.get(range).unwrap_or_default().to_vec(),
            ..Self::default()
        };
        part.find_shared();
        part
    }

    /// One of its values with its time and weight.
    pub(super) fn sample(&self, row: usize) -> Option<Sample> {
        Some(Sample {
            at: *self.times.get(row)?,
            value: *self.values.get(row)?,
            weight: self.weights.get(row).copied().unwrap_or(1.0),
        })
    }

    /// The latest of them; of equal times the one that came last.
    pub(super) fn latest(&self) -> Option<Sample> {
        let (row, _) = self.times.iter().enumerate().max_by_key(|(_, at)| **at)?;
        self.sample(row)
    }
}
