//! The last measurements of a series, whole and exact: a ring of rows, a column per kind of value.

use std::collections::VecDeque;

use super::chunk::Rows;
use crate::engine::metric::Column;
use crate::engine::sample::Sample;
use crate::engine::time::Timestamp;

/// Rows that are dropped one by one.
const FEW: usize = 32;

/// A ring of rows. A column exists once a value for it has come; where a row has none it holds NaN,
/// which no measurement can.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    pub(super) times: VecDeque<Timestamp>,
    pub(super) columns: Vec<(Column, VecDeque<f64>)>,
}

impl Recent {
    /// Appends rows and drops the oldest beyond `capacity` rows.
    pub fn extend(&mut self, rows: &Rows, capacity: usize) {
        for (column, values) in rows.columns() {
            values.append_to(self.column(column));
        }
        self.times.extend(&rows.times);
        let length = self.times.len();
        for (_, values) in &mut self.columns {
            if values.len() < length {
                values.resize(length, f64::NAN);
            }
        }
        self.shrink(capacity);
    }

    fn column(&mut self, column: Column) -> &mut VecDeque<f64> {
        let place = match self.columns.iter().position(|(c, _)| *c == column) {
            Some(place) => place,
            None => {
                let earlier = std::iter::repeat_n(f64::NAN, self.times.len()).collect();
                self.columns.push((column, earlier));
                self.columns.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.columns[place].1
    }

    /// Drops the oldest rows beyond `capacity`.
    pub fn shrink(&mut self, capacity: usize) {
        let excess = self.times.len().saturating_sub(capacity);
        drop_oldest(&mut self.times, excess);
        for (_, values) in &mut self.columns {
            drop_oldest(values, excess);
        }
    }

    /// Gives memory beyond the rows held back to the system.
    pub fn release(&mut self) {
        self.times.shrink_to_fit();
        for (_, values) in &mut self.columns {
            values.shrink_to_fit();
        }
    }

    /// The values of a column, latest row first.
    pub fn latest_first(&self, column: Column) -> impl Iterator<Item = Sample> {
        let find = |wanted| {
            self.columns
                .iter()
                .find_map(|(c, values)| (*c == wanted).then_some(values))
        };
        let weights = column.weights().and_then(find);
        let values = find(column);
        values.into_iter().flat_map(move |values| {
            (0..values.len()).rev().filter_map(move |row| {
                let value = *values.get(row)?;
                if value.is_nan() {
                    return None;
                }
                let weight = weights
                    .and_then(|weights| weights.get(row).copied())
                    .filter(|weight| !weight.is_nan())
                    .unwrap_or(1.0);
                Some(Sample {
                    at: *self.times.get(row)?,
                    value,
                    weight,
                })
            })
        })
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let values: usize = self.columns.iter().map(|(_, v)| v.capacity()).sum();
        (self.times.capacity() + values) * size_of::<f64>() + self.columns.capacity() * 48
    }
}

/// Drops as many from the front. Mostly these are few, as many as have come, and draining takes longer than they do.
fn drop_oldest<T>(values: &mut VecDeque<T>, excess: usize) {
    if excess > FEW {
        values.drain(..excess);
    } else {
        (0..excess).for_each(|_| drop(values.pop_front()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::admitted::Taken;
    use super::*;
    use crate::engine::measurement::{Draft, Measurement};

    fn values(recent: &Recent, column: Column) -> Vec<f64> {
        recent.latest_first(column).map(|r| r.value).collect()
    }

    /// Appends one row.
    fn push(recent: &mut Recent, at: i64, draft: Draft<'_>, capacity: usize) {
        let measurement = Measurement::new(Draft {
            operation: "op",
            ..draft
        });
        let taken = Taken {
            measurement: &measurement.unwrap(),
            at: Timestamp::from_millis(at),
        };
        let mut rows = Rows::default();
        rows.fill([taken].into_iter(), |_| Some(Column::Score(0)));
        recent.extend(&rows, capacity);
    }

    #[test]
    fn the_oldest_rows_go_and_gaps_stay_gaps() {
        let mut recent = Recent::default();
        let draft = |duration_seconds, memory_bytes| Draft {
            duration_seconds,
            memory_bytes,
            ..Draft::default()
        };
        push(&mut recent, 1, draft(Some(1.0), None), 3);
        push(&mut recent, 2, draft(None, Some(20.0)), 3);
        push(&mut recent, 3, draft(Some(3.0), Some(30.0)), 3);
        assert_eq!(values(&recent, Column::Duration), [3.0, 1.0]);
        push(&mut recent, 4, draft(Some(4.0), None), 3);
        assert_eq!(values(&recent, Column::Duration), [4.0, 3.0]);
        assert_eq!(values(&recent, Column::Memory), [30.0, 20.0]);
        assert!(values(&recent, Column::Cpu).is_empty());
        assert_eq!(recent.rows(), 3);
    }

    #[test]
    fn weights_come_from_the_same_row() {
        let mut recent = Recent::default();
        let draft = |value, quality_samples| Draft {
            quality: vec![("f1", value)],
            quality_samples,
            ..Draft::default()
        };
        push(&mut recent, 0, draft(0.9, Some(500)), 10);
        push(&mut recent, 0, draft(0.8, None), 10);
        let weights: Vec<f64> = recent
            .latest_first(Column::Score(0))
            .map(|r| r.weight)
            .collect();
        assert_eq!(weights, [1.0, 500.0]);
    }
}
