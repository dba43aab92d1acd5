//! What is kept of all values that fell into one bucket of time.

use super::chunk::Chunk;
use super::closed::Closed;
use crate::engine::distribution::Distribution;
use crate::engine::metric::Column;
use crate::engine::sample::Sample;
use crate::engine::sketch::Sketch;
use crate::engine::stats::Moments;

/// Scores are few and often equal, so their quantiles stay exact up to this many in a bucket.
const EXACT_SCORES: usize = 32;

/// A bucket's content. Most buckets of a quiet series hold a single value, which costs no allocation.
#[derive(Clone, Debug)]
pub enum Summary {
    /// One value.
    One(Sample),
    /// Several, to which more may come.
    Open(Box<Many>),
    /// Several.
    Closed(Closed),
}

/// Several values: exact moments, the latest value, and their distribution.
#[derive(Clone, Debug)]
pub(super) struct Many {
    pub(super) moments: Moments,
    pub(super) last: Sample,
    pub(super) bins: Bins,
}

#[derive(Clone, Debug)]
pub(super) enum Bins {
    /// Of a column whose quantiles nobody asks for.
    None,
    Exact(Vec<f64>),
    Sketch(Sketch),
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
        Some(Self::Open(Box::new(many)))
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
            Self::Open(other) => self.many(column).merge(other),
            Self::Closed(other) => {
                if let Some(other) = other.open() {
                    self.many(column).merge(&other);
                }
            }
        }
    }

    /// Itself as what can be added to.
    fn many(&mut self, column: Column) -> &mut Many {
        let many = match self {
            Self::One(first) => {
                let mut many = Many {
                    moments: Moments::default(),
                    last: *first,
                    bins: Bins::of(column),
                };
                many.moments.add(first.value, first.weight);
                many.bins.add(first.value);
                Some(many)
            }
            Self::Closed(closed) => closed.open(),
            Self::Open(_) => None,
        };
        if let Some(many) = many {
            *self = Self::Open(Box::new(many));
        }
        match self {
            Self::Open(many) => many,
            #[expect(
                clippy::unreachable,
                reason = "made open just above; what was packed can be opened"
            )]
            Self::One(_) | Self::Closed(_) => unreachable!(),
        }
    }

    /// Lowers the resolution of the distribution to `scale`.
    pub fn coarsen(&mut self, column: Column, scale: i8) {
        if matches!(self, Self::Open(_) | Self::Closed(_))
            && let Bins::Sketch(sketch) = &mut self.many(column).bins
        {
            sketch.coarsen(scale);
        }
    }

    /// Packs a bucket that is no longer added to.
    pub fn close(&mut self) {
        if let Self::Open(many) = self {
            *self = Self::Closed(Closed::of(many));
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
            Self::Open(many) => {
                moments.merge(&many.moments);
                if let Some(distribution) = wanted {
                    match &many.bins {
                        Bins::None => {}
                        Bins::Exact(values) => values.iter().for_each(|v| distribution.add(*v)),
                        Bins::Sketch(sketch) => distribution.merge(sketch),
                    }
                }
                many.last
            }
            Self::Closed(closed) => {
                if let Some(contents) = closed.read() {
                    contents.gather(moments, last, wanted);
                }
                return;
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
            Self::Closed(closed) => closed.heap_bytes(),
            Self::Open(many) => {
                size_of::<Many>()
                    + match &many.bins {
                        Bins::None => 0,
                        Bins::Exact(values) => values.capacity() * size_of::<f64>(),
                        Bins::Sketch(sketch) => sketch.heap_bytes(),
                    }
            }
        }
    }
}

impl Many {
    fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        if other.last.at >= self.last.at {
            self.last = other.last;
        }
        self.bins.merge(&other.bins);
    }

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
            Bins::Exact(_) | Bins::Sketch(_) => {
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
            _ => Self::Sketch(Sketch::default()),
        }
    }

    fn add(&mut self, value: f64) {
        match self {
            Self::None => {}
            Self::Exact(values) if values.len() < EXACT_SCORES => values.push(value),
            Self::Exact(_) | Self::Sketch(_) => self.open().add(value),
        }
    }

    fn merge(&mut self, other: &Self) {
        match other {
            Self::None => {}
            Self::Exact(values) => values.iter().for_each(|v| self.add(*v)),
            Self::Sketch(sketch) => self.open().merge(sketch),
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
            Self::Sketch(_) => None,
        };
        if let Some(sketch) = sketch {
            *self = Self::Sketch(sketch);
        }
        match self {
            Self::Sketch(sketch) => sketch,
            #[expect(clippy::unreachable, reason = "made a sketch just above")]
            _ => unreachable!(),
        }
    }
}
