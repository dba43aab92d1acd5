//! The buckets of a tier as bytes.

use std::collections::VecDeque;

use super::super::closed::Closed;
use super::super::summary::Summary;
use crate::engine::packing::{put, put_float, put_signed, take, take_float, take_signed};
use crate::engine::sample::Sample;
use crate::engine::stats::Sum;
use crate::engine::time::Timestamp;

/// How a bucket is written.
const ONE: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// The buckets of a tier, oldest first, with what the rounding of sums has left.
pub(super) fn pack_tier(tier: &VecDeque<(i64, Summary)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut previous = 0;
    for (number, summary) in tier {
        put_signed(&mut bytes, number - previous);
        previous = *number;
        match summary {
            Summary::One(sample) => {
                bytes.push(ONE);
                put_signed(&mut bytes, sample.at.millis());
                put_float(&mut bytes, sample.value);
                put_float(&mut bytes, sample.weight);
            }
            Summary::Open(many) => {
                bytes.push(OPEN);
                for sum in many.moments.sums() {
                    sum.parts()
                        .iter()
                        .for_each(|part| put_float(&mut bytes, *part));
                }
                put_bytes(&mut bytes, &Closed::of(many).0);
            }
            Summary::Closed(closed) => {
                bytes.push(CLOSED);
                put_bytes(&mut bytes, &closed.0);
            }
        }
    }
    bytes
}

fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(bytes)?).ok()?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

/// The buckets that were packed; `None` where these bytes are of none.
pub(super) fn unpack_tier(mut bytes: &[u8]) -> Option<VecDeque<(i64, Summary)>> {
    let bytes = &mut bytes;
    let mut tier = VecDeque::new();
    let mut number = 0i64;
    while !bytes.is_empty() {
        let distance = take_signed(bytes)?;
        // Buckets are looked for by bisection, so that their order matters.
        if distance <= 0 && !tier.is_empty() {
            return None;
        }
        number = number.checked_add(distance)?;
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
                let mut many = Closed(take_bytes(bytes)?.into()).open()?;
                many.moments.set_sums(sums);
                Summary::Open(Box::new(many))
            }
            CLOSED => {
                let closed = Closed(take_bytes(bytes)?.into());
                closed.read()?;
                Summary::Closed(closed)
            }
            _ => return None,
        };
        tier.push_back((number, summary));
    }
    Some(tier)
}
