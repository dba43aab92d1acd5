//! What is kept of all values that fell into one bucket of time.

use super::chunk::Chunk;
use crate::engine::distribution::Distribution;
use crate::engine::metric::Column;
use crate::engine::sample::Sample;
use crate::engine::sketch::{Packed, Sketch};
use crate::engine::stats::Moments;

/// Scores are few and often equal, so their quantiles stay exact up to this many in a bucket.
const EXACT_SCORES: usize = 32;

/// A bucket's content. Most buckets of a quiet series hold a single value, which costs no allocation.
#[derive(Clone, Debug)]
pub enum Summary {
    /// One value.
    One(Sample),
    /// Several.
    Many(Box<Many>),
}

/// Several values: exact moments, the latest value, and their distribution.
#[derive(Clone, Debug)]
pub struct Many {
    moments: Moments,
    last: Sample,
    bins: Bins,
}

#[derive(Clone, Debug)]
enum Bins {
    /// Of a column whose quantiles nobody asks for.
    None,
    Exact(Vec<f64>),
    Open(Sketch),
    Packed(Packed),
}

impl Summary {
    /// What is kept of the values of a chunk; `None` of an empty one.
    pub fn of(column: Column, chunk: &Chunk) -> Option<Self> {
        let first = chunk.sample(0)?;
        if chunk.values.len() == 1 {
            return Some(Self::One(first));
        }
        let mut many = Many {
            moments: Moments::default(),
            last: first,
            bins: Bins::of(column),
        };
        many.add_chunk(chunk);
        Some(Self::Many(Box::new(many)))
    }

    /// Adds the values of a chunk of the same column.
    pub fn add_chunk(&mut self, column: Column, chunk: &Chunk) {
        self.many(column).add_chunk(chunk);
    }

    fn add(&mut self, column: Column, reading: Sample) {
        let many = self.many(column);
        many.moments.add(reading.value, reading.weight);
        if reading.at >= many.last.at {
            many.last = reading;
        }
        many.bins.add(reading.value);
    }

    /// Adds everything of another bucket of the same column.
    pub fn merge(&mut self, column: Column, other: &Self) {
        match other {
            Self::One(reading) => self.add(column, *reading),
            Self::Many(other) => {
                let many = self.many(column);
                many.moments.merge(&other.moments);
                if other.last.at >= many.last.at {
                    many.last = other.last;
                }
                many.bins.merge(&other.bins);
            }
        }
    }

    fn many(&mut self, column: Column) -> &mut Many {
        if let Self::One(first) = *self {
            let mut moments = Moments::default();
            moments.add(first.value, first.weight);
            let mut bins = Bins::of(column);
            bins.add(first.value);
            *self = Self::Many(Box::new(Many {
                moments,
                last: first,
                bins,
            }));
        }
        match self {
            Self::Many(many) => many,
            #[expect(clippy::unreachable, reason = "made Many just above")]
            Self::One(_) => unreachable!(),
        }
    }

    /// Lowers the resolution of the distribution to `scale`.
    pub fn coarsen(&mut self, scale: i8) {
        if let Self::Many(many) = self
            && let Bins::Open(_) | Bins::Packed(_) = many.bins
        {
            many.bins.open().coarsen(scale);
        }
    }

    /// Packs the distribution, for a bucket that is no longer added to.
    pub fn pack(&mut self) {
        if let Self::Many(many) = self {
            match &mut many.bins {
                Bins::Open(sketch) => many.bins = Bins::Packed(sketch.pack()),
                Bins::Exact(values) => values.shrink_to_fit(),
                Bins::None | Bins::Packed(_) => {}
            }
        }
    }

    /// Adds this bucket to what a window has gathered; its distribution only where it is `wanted`.
    pub fn gather(
        &self,
        moments: &mut Moments,
        last: &mut Option<Sample>,
        wanted: Option<&mut Distribution>,
    ) {
        let latest = match self {
            Self::One(reading) => {
                moments.add(reading.value, reading.weight);
                if let Some(distribution) = wanted {
                    distribution.add(reading.value);
                }
                *reading
            }
            Self::Many(many) => {
                moments.merge(&many.moments);
                if let Some(distribution) = wanted {
                    match &many.bins {
                        Bins::None => {}
                        Bins::Exact(values) => values.iter().for_each(|v| distribution.add(*v)),
                        Bins::Open(sketch) => distribution.merge(sketch),
                        Bins::Packed(packed) => distribution.merge_packed(packed),
                    }
                }
                many.last
            }
        };
        if last.is_none_or(|last| latest.at >= last.at) {
            *last = Some(latest);
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(many) => {
                size_of::<Many>()
                    + match &many.bins {
                        Bins::None => 0,
                        Bins::Exact(values) => values.capacity() * size_of::<f64>(),
                        Bins::Open(sketch) => sketch.heap_bytes(),
                        Bins::Packed(packed) => packed.heap_bytes(),
                    }
            }
        }
    }
}

impl Many {
    fn add_chunk(&mut self, chunk: &Chunk) {
        self.moments.merge(&chunk.moments);
        if let Some(latest) = chunk.latest()
            && latest.at >= self.last.at
        {
            self.last = latest;
        }
        match &mut self.bins {
            Bins::None => {}
            Bins::Exact(values) if values.len() + chunk.values.len() <= EXACT_SCORES => {
                values.extend_from_slice(&chunk.values);
            }
            Bins::Exact(_) | Bins::Open(_) | Bins::Packed(_) => {
                self.bins.open().add_keys(&chunk.keys);
            }
        }
    }
}

impl Bins {
    fn of(column: Column) -> Self {
        match column {
            Column::Outcome | Column::ScoreSamples => Self::None,
            Column::Score(_) => Self::Exact(Vec::new()),
            _ => Self::Open(Sketch::default()),
        }
    }

    fn add(&mut self, value: f64) {
        match self {
            Self::None => {}
            Self::Exact(values) if values.len() < EXACT_SCORES => values.push(value),
            Self::Exact(_) | Self::Open(_) | Self::Packed(_) => self.open().add(value),
        }
    }

    fn merge(&mut self, other: &Self) {
        match other {
            Self::None => {}
            Self::Exact(values) => values.iter().for_each(|v| self.add(*v)),
            Self::Open(sketch) => self.open().merge(sketch),
            Self::Packed(packed) => self.open().merge_packed(packed),
        }
    }

    /// Itself as a sketch that can be added to.
    fn open(&mut self) -> &mut Sketch {
        let sketch = match self {
            Self::None => Some(Sketch::default()),
            Self::Exact(values) => {
                let mut sketch = Sketch::default();
                values.iter().for_each(|v| sketch.add(*v));
                Some(sketch)
            }
            Self::Packed(packed) => Some(packed.unpack()),
            Self::Open(_) => None,
        };
        if let Some(sketch) = sketch {
            *self = Self::Open(sketch);
        }
        match self {
            Self::Open(sketch) => sketch,
            #[expect(clippy::unreachable, reason = "made Open just above")]
            _ => unreachable!(),
        }
    }
}
