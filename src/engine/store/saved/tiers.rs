//! The buckets of a tier as bytes.

use std::collections::VecDeque;

use super::super::closed::Closed;
use super::super::packed::Block;
use super::super::summary::Summary;
use super::super::tier::{Loose, Tier};
use crate::engine::packing::{
    put, put_float, put_signed, take, take_float, take_part, take_signed,
};
use crate::engine::sample::Sample;
use crate::engine::stats::Sum;
use crate::engine::time::Timestamp;

/// How a bucket is written.
const ONE: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// The buckets of a tier, oldest first, with what the rounding of sums has left. An empty tier takes no bytes.
pub(super) fn pack_tier(tier: &Tier) -> Vec<u8> {
    let mut bytes = Vec::new();
    if tier.is_empty() {
        return bytes;
    }
    let (oldest, packed, newest) = tier.parts();
    pack_loose(&mut bytes, oldest);
    put(&mut bytes, packed.len() as u64);
    for block in packed {
        let (first, last, len, packed) = block.parts();
        put_signed(&mut bytes, first);
        put_signed(&mut bytes, last.saturating_sub(first));
        put(&mut bytes, u64::from(len));
        put_part(&mut bytes, packed);
    }
    pack_loose(&mut bytes, newest);
    bytes
}

fn pack_loose(bytes: &mut Vec<u8>, buckets: &Loose) {
    put(bytes, buckets.len() as u64);
    for (number, summary) in buckets {
        put_signed(bytes, *number);
        match summary {
            Summary::One(sample) => {
                bytes.push(ONE);
                put_signed(bytes, sample.at.millis());
                put_float(bytes, sample.value);
                put_float(bytes, sample.weight);
            }
            Summary::Open(many) => {
                bytes.push(OPEN);
                for sum in many.moments.sums() {
                    sum.parts().iter().for_each(|part| put_float(bytes, *part));
                }
                put_part(bytes, &Closed::of(many).0);
            }
            Summary::Closed(closed) => {
                bytes.push(CLOSED);
                put_part(bytes, &closed.0);
            }
        }
    }
}

fn put_part(bytes: &mut Vec<u8>, part: &[u8]) {
    put(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

/// The buckets that were packed; `None` where these bytes are of none.
pub(super) fn unpack_tier(mut bytes: &[u8], step: i64) -> Option<Tier> {
    let bytes = &mut bytes;
    if bytes.is_empty() {
        return Some(Tier::default());
    }
    let oldest = unpack_loose(bytes, step)?;
    let mut packed = VecDeque::new();
    for _ in 0..take(bytes)? {
        let first = take_signed(bytes)?;
        let last = first.checked_add(take_signed(bytes)?)?;
        let len = u16::try_from(take(bytes)?).ok()?;
        let length = take(bytes)?;
        let part = take_part(bytes, length)?;
        packed.push_back(Block::of_parts(first, last, len, part, step)?);
    }
    let newest = unpack_loose(bytes, step)?;
    bytes.is_empty().then_some(())?;
    Tier::of_parts(oldest, packed, newest)
}

fn unpack_loose(bytes: &mut &[u8], step: i64) -> Option<Loose> {
    let mut buckets = Loose::new();
    for _ in 0..take(bytes)? {
        let number = take_signed(bytes)?;
        // Its times can be told.
        number.checked_add(1)?.checked_mul(step)?;
        let (kind, rest) = bytes.split_first()?;
        *bytes = rest;
        let summary = match *kind {
            ONE => Summary::One(Sample {
                at: Timestamp::from_millis(take_signed(bytes)?),
                value: take_float(bytes)?,
                weight: take_float(bytes)?,
            }),
            OPEN => {
                let mut sums = [Sum::default(); 3];
                for sum in &mut sums {
                    *sum = Sum::from_parts([take_float(bytes)?, take_float(bytes)?]);
                }
                let length = take(bytes)?;
                let mut many = Closed(take_part(bytes, length)?.into()).open()?;
                many.moments.set_sums(sums);
                Summary::Open(Box::new(many))
            }
            CLOSED => {
                let length = take(bytes)?;
                let closed = Closed(take_part(bytes, length)?.into());
                closed.read()?;
                Summary::Closed(closed)
            }
            _ => return None,
        };
        buckets.push_back((number, summary));
    }
    Some(buckets)
}
