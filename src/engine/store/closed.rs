//! A bucket that is no longer added to, in as few bytes as its exact moments and its distribution take: there are
//! hundreds of them for each column of each series, and each allocation costs more than most of them hold.

use super::summary::{Bins, Many};
use crate::engine::distribution::Distribution;
use crate::engine::packing::{put_float, put_signed, take_float, take_signed};
use crate::engine::sample::Sample;
use crate::engine::sketch::Sketch;
use crate::engine::stats::Moments;
use crate::engine::time::Timestamp;

/// The time of the latest value, then the rest: moments, the latest value itself, distribution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Closed(pub(super) Box<[u8]>);

/// What a packed bucket holds.
pub(super) enum Contents<'a> {
    One(Sample),
    Many {
        moments: Moments,
        last: Sample,
        bins: PackedBins<'a>,
    },
}

/// The distribution of a closed bucket.
#[derive(Clone, Copy)]
pub(super) enum PackedBins<'a> {
    /// Nobody asks for quantiles of its column.
    None,
    /// The values themselves.
    Exact(&'a [u8]),
    /// A packed sketch.
    Sketch(&'a [u8]),
}

/// How the bins are written.
const NONE: u8 = 0;
const EXACT: u8 = 1;
const SKETCH: u8 = 2;

impl<'a> Contents<'a> {
    /// What the rest of a closed bucket holds, whose latest value came `at`; `None` where it is none.
    pub(super) fn read(at: Timestamp, rest: &'a [u8]) -> Option<Self> {
        let (kind, mut rest) = rest.split_first()?;
        let (moments, value) = Moments::unpack(&mut rest)?;
        let last = Sample {
            at,
            value,
            weight: if moments.is_weighted() {
                take_float(&mut rest)?
            } else {
                1.0
            },
        };
        let bins = match *kind {
            EXACT => PackedBins::Exact(rest),
            SKETCH => PackedBins::Sketch(rest),
            _ => PackedBins::None,
        };
        Some(Self::Many {
            moments,
            last,
            bins,
        })
    }

    /// Adds it to what a window has gathered; its distribution only where it is `wanted`.
    pub(super) fn gather(
        &self,
        gathered: &mut Moments,
        latest: &mut Option<Sample>,
        wanted: Option<&mut Distribution>,
    ) {
        let last = match self {
            Self::One(sample) => {
                gathered.add(sample.value, sample.weight);
                if let Some(distribution) = wanted {
                    distribution.add(sample.value);
                }
                sample
            }
            Self::Many {
                moments,
                last,
                bins,
            } => {
                gathered.merge(moments);
                match (wanted, bins) {
                    (None, _) | (_, PackedBins::None) => {}
                    (Some(distribution), PackedBins::Exact(bytes)) => {
                        floats(bytes).for_each(|value| distribution.add(value));
                    }
                    (Some(distribution), PackedBins::Sketch(bytes)) => {
                        distribution.merge_packed(bytes);
                    }
                }
                last
            }
        };
        if latest.is_none_or(|latest| last.at >= latest.at) {
            *latest = Some(*last);
        }
    }
}

impl Closed {
    /// Packs a bucket.
    pub(super) fn of(many: &Many) -> Self {
        let mut bytes = Vec::with_capacity(128);
        put_signed(&mut bytes, many.last.at.millis());
        match &many.bins {
            Bins::None => bytes.push(NONE),
            Bins::Exact(_) => bytes.push(EXACT),
            Bins::Sketch(_) => bytes.push(SKETCH),
        }
        many.moments.pack(many.last.value, &mut bytes);
        if many.moments.is_weighted() {
            put_float(&mut bytes, many.last.weight);
        }
        match &many.bins {
            Bins::None => {}
            Bins::Exact(values) => values.iter().for_each(|v| put_float(&mut bytes, *v)),
            Bins::Sketch(sketch) => sketch.pack(&mut bytes),
        }
        // Copied, not shrunk: what shrinking cuts off would be a hole beside each bucket that fits nothing else.
        Self(bytes.as_slice().into())
    }

    /// The time of the latest value, and the rest.
    pub(super) fn split(&self) -> (Timestamp, &[u8]) {
        let mut rest = &*self.0;
        let at = take_signed(&mut rest).unwrap_or_default();
        (Timestamp::from_millis(at), rest)
    }

    /// The bucket of both.
    pub(super) fn join(at: Timestamp, rest: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(rest.len() + 10);
        put_signed(&mut bytes, at.millis());
        bytes.extend_from_slice(rest);
        Self(bytes.as_slice().into())
    }

    /// What it holds; `None` never, because what was saved is read once before it is taken.
    pub(super) fn read(&self) -> Option<Contents<'_>> {
        let (at, rest) = self.split();
        Contents::read(at, rest)
    }

    /// The bucket that was packed.
    pub(super) fn open(&self) -> Option<Many> {
        let Contents::Many {
            moments,
            last,
            bins,
        } = self.read()?
        else {
            return None;
        };
        Some(Many {
            moments,
            last,
            bins: match bins {
                PackedBins::None => Bins::None,
                PackedBins::Exact(bytes) => Bins::Exact(floats(bytes).collect()),
                PackedBins::Sketch(bytes) => {
                    let mut sketch = Sketch::default();
                    sketch.merge_packed(bytes);
                    Bins::Sketch(sketch)
                }
            },
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}

/// Floats one after the other.
fn floats(mut bytes: &[u8]) -> impl Iterator<Item = f64> {
    std::iter::from_fn(move || take_float(&mut bytes))
}

#[cfg(test)]
mod tests {
    use super::super::chunk::Chunk;
    use super::super::summary::Summary;
    use super::*;
    use crate::engine::metric::Column;
    use proptest::prelude::*;

    /// Everything that a window learns of a bucket.
    fn learnt(summary: &Summary) -> (Moments, Option<Sample>, Option<f64>, Option<f64>) {
        let (mut moments, mut last) = (Moments::default(), None);
        let mut distribution = Distribution::default();
        summary.gather(&mut moments, &mut last, Some(&mut distribution));
        let quantiles = [0.5, 0.95].map(|q| distribution.quantile(q));
        (moments, last, quantiles[0], quantiles[1])
    }

    proptest! {
        #[test]
        fn closing_a_bucket_loses_nothing_but_what_rounding_had_left(
            values in prop::collection::vec((0i64..10_000, -1e3..1e6f64, 0.1..10.0f64), 2..80),
            kind in 0..4usize,
        ) {
            let weighted = kind == 1 || kind == 2;
            let column = [Column::Duration, Column::Throughput, Column::Score(0), Column::Outcome][kind];
            let chunk = Chunk {
                times: values.iter().map(|(at, ..)| Timestamp::from_millis(*at)).collect(),
                values: values.iter().map(|(_, value, _)| *value).collect(),
                weights: values.iter().filter(|_| weighted).map(|(.., weight)| *weight).collect(),
                ..Chunk::default()
            };
            let open = Summary::of(column, &chunk.part(0..values.len())).unwrap();
            let mut closed = open.clone();
            closed.close();
            prop_assert!(closed.heap_bytes() < open.heap_bytes());
            let ((before, last, median, p95), after) = (learnt(&open), learnt(&closed));
            prop_assert_eq!((last, median, p95), (after.1, after.2, after.3));
            let same = |a: Option<f64>, b: Option<f64>| {
                a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1.0))
            };
            prop_assert_eq!((before.count(), before.min(), before.max()), (after.0.count(), after.0.min(), after.0.max()));
            prop_assert!(same(Some(before.sum()), Some(after.0.sum())));
            prop_assert!(same(before.mean(), after.0.mean()));
            let spread = before.std_dev().zip(after.0.std_dev());
            prop_assert!(spread.is_none_or(|(a, b)| (a - b).abs() <= 1e-7 * a));
            // Late values open it again.
            closed.add_chunk(column, &chunk.part(0..1));
            prop_assert_eq!(learnt(&closed).0.count(), before.count() + 1);
        }
    }
}
