//! Buckets that follow each other, packed into one piece of memory.

use super::closed::{Closed, Contents};
use super::summary::Summary;
use super::tier::Loose;
use crate::engine::packing::{
    put, put_float, put_signed, take, take_float, take_part, take_signed,
};
use crate::engine::sample::Sample;
use crate::engine::time::Timestamp;

/// Buckets with the numbers `first` to `last`, in order, not necessarily all of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) first: i64,
    pub(super) last: i64,
    len: u16,
    bytes: Box<[u8]>,
}

/// In the place of the length of a closed bucket: a single value, of weight 1 or of another, which follows.
const ONE: u64 = 0;
const ONE_WEIGHTED: u64 = 1;

impl Block {
    /// Packs buckets, of which there is at least one.
    pub(super) fn of(buckets: Loose, step: i64) -> Self {
        let first = buckets.front().map_or(0, |(number, _)| *number);
        let mut block = Self {
            first,
            last: first,
            len: 0,
            bytes: Box::default(),
        };
        block.append(buckets, step);
        block
    }

    /// Packs further buckets, that come after those that are there.
    pub(super) fn append(&mut self, buckets: Loose, step: i64) {
        let mut bytes = Vec::with_capacity(self.bytes.len() + buckets.len() * 64);
        bytes.extend_from_slice(&self.bytes);
        for (number, mut summary) in buckets {
            put_signed(&mut bytes, number - self.last);
            self.last = number;
            self.len += 1;
            let begin = number.saturating_mul(step);
            summary.close();
            match &summary {
                Summary::One(sample) => {
                    let weighted = sample.weight.to_bits() != 1f64.to_bits();
                    put(&mut bytes, if weighted { ONE_WEIGHTED } else { ONE });
                    put_signed(&mut bytes, sample.at.millis().saturating_sub(begin));
                    put_float(&mut bytes, sample.value);
                    if weighted {
                        put_float(&mut bytes, sample.weight);
                    }
                }
                Summary::Closed(closed) => {
                    let (at, rest) = closed.split();
                    put(&mut bytes, rest.len() as u64);
                    put_signed(&mut bytes, at.millis().saturating_sub(begin));
                    bytes.extend_from_slice(rest);
                }
                #[expect(clippy::unreachable, reason = "closed just above")]
                Summary::Open(_) => unreachable!(),
            }
        }
        // Copied, not shrunk: what shrinking cuts off would be a hole beside each that fits nothing else.
        self.bytes = bytes.as_slice().into();
    }

    /// How many buckets there are.
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The buckets with their numbers, oldest first.
    pub(super) fn buckets(&self, step: i64) -> impl Iterator<Item = (i64, Contents<'_>)> {
        self.pieces(step)
            .filter_map(|(number, piece)| Some((number, piece.contents()?)))
    }

    /// The buckets as they were before.
    pub(super) fn unpack(&self, step: i64) -> Vec<(i64, Summary)> {
        let pieces = self.pieces(step);
        let summaries = pieces.map(|(number, piece)| (number, piece.summary()));
        summaries.collect()
    }

    fn pieces(&self, step: i64) -> impl Iterator<Item = (i64, Piece<'_>)> {
        let (mut bytes, mut number) = (&*self.bytes, self.first);
        std::iter::from_fn(move || {
            if bytes.is_empty() {
                return None;
            }
            number = number.checked_add(take_signed(&mut bytes)?)?;
            Some((number, Piece::take(&mut bytes, number.checked_mul(step)?)?))
        })
    }

    /// What it is made of.
    pub(super) fn parts(&self) -> (i64, i64, u16, &[u8]) {
        (self.first, self.last, self.len, &self.bytes)
    }

    /// The block of such parts; `None` where they do not fit together.
    pub(super) fn of_parts(
        first: i64,
        last: i64,
        len: u16,
        bytes: &[u8],
        step: i64,
    ) -> Option<Self> {
        let block = Self {
            first,
            last,
            len,
            bytes: bytes.into(),
        };
        let readable = block.buckets(step).map(|(number, _)| number);
        let numbers: Vec<i64> = readable.collect();
        let is_whole = numbers.first() == Some(&first)
            && numbers.last() == Some(&last)
            && numbers.len() == block.len()
            && numbers.is_sorted_by(|a, b| a < b);
        is_whole.then_some(block)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// One of them.
enum Piece<'a> {
    One(Sample),
    Closed(Timestamp, &'a [u8]),
}

impl<'a> Piece<'a> {
    fn take(bytes: &mut &'a [u8], begin: i64) -> Option<Self> {
        let len = take(bytes)?;
        let at = Timestamp::from_millis(begin.checked_add(take_signed(bytes)?)?);
        if len > ONE_WEIGHTED {
            return Some(Self::Closed(at, take_part(bytes, len)?));
        }
        Some(Self::One(Sample {
            at,
            value: take_float(bytes)?,
            weight: if len == ONE_WEIGHTED {
                take_float(bytes)?
            } else {
                1.0
            },
        }))
    }

    fn contents(self) -> Option<Contents<'a>> {
        match self {
            Self::One(sample) => Some(Contents::One(sample)),
            Self::Closed(at, rest) => Contents::read(at, rest),
        }
    }

    fn summary(self) -> Summary {
        match self {
            Self::One(sample) => Summary::One(sample),
            Self::Closed(at, rest) => Summary::Closed(Closed::join(at, rest)),
        }
    }
}
