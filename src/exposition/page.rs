//! A snapshot made ready for writing.

use std::sync::Arc;

use super::labels::LabelText;
use super::snapshot::{SeriesRow, Snapshot};
use crate::engine::store::Totals;

/// A snapshot with the labels of its series rendered: every line of a series repeats them.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) snapshot: Arc<Snapshot>,
    /// Those of `snapshot.series`, in its order.
    labels: Vec<Box<str>>,
}

impl Page {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        let render = |row: &SeriesRow| LabelText::of(row.key.all()).into_boxed();
        Self {
            labels: snapshot.series.iter().map(render).collect(),
            snapshot,
        }
    }

    /// Labels and totals of every series, those that have left the page for being idle included.
    pub(super) fn all_series(&self) -> impl Iterator<Item = (&str, &Totals)> {
        let rows = self.labels.iter().zip(&self.snapshot.series);
        rows.map(|(labels, row)| (&**labels, &*row.totals))
    }

    /// Labels and totals of every series that is not idle.
    pub(super) fn series(&self) -> impl Iterator<Item = (&str, &Totals)> {
        let rows = self.labels.iter().zip(&self.snapshot.series);
        rows.filter(|(_, row)| !row.idle)
            .map(|(labels, row)| (&**labels, &*row.totals))
    }
}
