//! Buckets of one resolution, oldest first. All but the newest are packed together: there are hundreds for each column of
//! each series, they are hardly ever read, and by itself the place of each would take as much as what is in it.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::closed::Contents;
use super::packed::Block;
use super::summary::Summary;
use crate::engine::window::Window;

/// One resolution: buckets of `step` milliseconds, kept for `reach`, then merged into the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolution {
    pub(super) step: i64,
    pub(super) reach: i64,
    /// Scale of the sketches.
    pub(super) scale: i8,
    /// How many of the newest are not packed.
    pub(super) loose: usize,
}

/// Buckets by themselves, each with its number.
pub(super) type Loose = VecDeque<(i64, Summary)>;

/// Buckets that are packed together, a few at a time.
const TOGETHER: usize = 32;
const AT_A_TIME: usize = 4;
/// Buckets for which room is made at once.
const GROWTH: usize = 48;

/// The buckets of one resolution, each with its number: `number * step` is where it begins.
#[derive(Clone, Debug, Default)]
pub struct Tier {
    /// Unpacked again, because they are about to leave.
    oldest: Loose,
    packed: VecDeque<Block>,
    newest: Loose,
}

impl Tier {
    /// How many there are.
    pub fn len(&self) -> usize {
        let packed: usize = self.packed.iter().map(Block::len).sum();
        self.oldest.len() + packed + self.newest.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.oldest.is_empty() && self.packed.is_empty() && self.newest.is_empty()
    }

    /// Changes the bucket of that number, or begins it with what `change` makes of none; by how many bytes the heap grew.
    pub(super) fn put(
        &mut self,
        number: i64,
        resolution: Resolution,
        change: impl FnOnce(Option<&mut Summary>) -> Option<Summary>,
    ) -> isize {
        if self.packed.back().is_none_or(|block| block.last < number) {
            let grown = put_loose(&mut self.newest, number, change);
            return grown + self.pack(resolution);
        }
        if self
            .packed
            .front()
            .is_some_and(|block| number < block.first)
        {
            return put_loose(&mut self.oldest, number, change);
        }
        // Late, and rare.
        let place = self.packed.partition_point(|block| block.last < number);
        let Some(block) = self.packed.get_mut(place) else {
            return 0;
        };
        let before = block.heap_bytes().cast_signed();
        let mut buckets = block.unpack(resolution.step).into();
        put_loose(&mut buckets, number, change);
        *block = Block::of(buckets, resolution.step);
        block.heap_bytes().cast_signed() - before
    }

    /// Packs what is no longer new; by how many bytes the heap grew, or shrank.
    fn pack(&mut self, resolution: Resolution) -> isize {
        if self.newest.len() < resolution.loose.saturating_add(AT_A_TIME) {
            return 0;
        }
        let buckets: Loose = self.newest.drain(..AT_A_TIME).collect();
        let before: usize = buckets
            .iter()
            .map(|(_, summary)| summary.heap_bytes())
            .sum();
        let last = self.packed.back_mut();
        let grown = match last.filter(|last| last.len() + AT_A_TIME <= TOGETHER) {
            Some(last) => {
                let packed = last.heap_bytes().cast_signed();
                last.append(buckets, resolution.step);
                last.heap_bytes().cast_signed() - packed
            }
            None => {
                if self.packed.len() == self.packed.capacity() {
                    self.packed.reserve_exact(4);
                }
                let block = Block::of(buckets, resolution.step);
                let packed = block.heap_bytes().cast_signed();
                self.packed.push_back(block);
                packed
            }
        };
        grown - before.cast_signed()
    }

    /// Takes the oldest bucket if its number is below `end`.
    pub(super) fn pop_before(&mut self, end: i64, step: i64) -> Option<Popped> {
        let mut grown = 0;
        if self.oldest.is_empty()
            && self.packed.front().is_some_and(|block| block.first < end)
            && let Some(block) = self.packed.pop_front()
        {
            self.oldest = block.unpack(step).into();
            let loose = self.oldest.iter().map(|(_, summary)| summary.heap_bytes());
            grown = loose.sum::<usize>().cast_signed() - block.heap_bytes().cast_signed();
        }
        let from = if self.oldest.is_empty() && self.packed.is_empty() {
            &mut self.newest
        } else {
            &mut self.oldest
        };
        if from.front().is_none_or(|(number, _)| *number >= end) {
            return None;
        }
        let (number, summary) = from.pop_front()?;
        if from.is_empty() {
            from.shrink_to_fit();
        }
        grown -= summary.heap_bytes().cast_signed();
        Some(Popped {
            number,
            summary,
            grown,
        })
    }

    /// Goes through the buckets from that number on, oldest first, until `each` has enough.
    pub(super) fn each_from(
        &self,
        number: i64,
        step: i64,
        mut each: impl FnMut(i64, Held<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        each_loose(&self.oldest, number, &mut each)?;
        let first = self.packed.partition_point(|block| block.last < number);
        for block in self.packed.range(first..) {
            for (at, contents) in block.buckets(step) {
                if at >= number {
                    each(at, Held::Packed(contents))?;
                }
            }
        }
        each_loose(&self.newest, number, &mut each)
    }

    /// Heap bytes of the places; what is in the buckets is counted as it changes.
    pub(super) fn place_bytes(&self) -> usize {
        let loose = self.oldest.capacity() + self.newest.capacity();
        loose * size_of::<(i64, Summary)>() + self.packed.capacity() * size_of::<Block>()
    }

    /// Heap bytes of what is in the buckets.
    pub(super) fn content_bytes(&self) -> usize {
        let loose = self.oldest.iter().chain(&self.newest);
        let loose: usize = loose.map(|(_, summary)| summary.heap_bytes()).sum();
        loose + self.packed.iter().map(Block::heap_bytes).sum::<usize>()
    }

    /// Its three parts: oldest ones, packed ones, newest ones.
    pub(super) fn parts(&self) -> (&Loose, &VecDeque<Block>, &Loose) {
        (&self.oldest, &self.packed, &self.newest)
    }

    /// The tier of such parts; `None` where they are out of order.
    pub(super) fn of_parts(oldest: Loose, packed: VecDeque<Block>, newest: Loose) -> Option<Self> {
        let number = |(number, _): &(i64, Summary)| (*number, *number);
        let ranges = oldest
            .iter()
            .map(number)
            .chain(packed.iter().map(|b| (b.first, b.last)));
        let ranges: Vec<(i64, i64)> = ranges.chain(newest.iter().map(number)).collect();
        let in_order = ranges.is_sorted_by(|(_, last), (first, _)| last < first);
        in_order.then_some(Self {
            oldest,
            packed,
            newest,
        })
    }
}

/// A bucket that has been taken out.
pub(super) struct Popped {
    pub(super) number: i64,
    pub(super) summary: Summary,
    /// By how many bytes what stays on the heap grew.
    pub(super) grown: isize,
}

/// A bucket as it is held.
pub(super) enum Held<'a> {
    Loose(&'a Summary),
    Packed(Contents<'a>),
}

impl Held<'_> {
    /// Adds it to what a window has gathered, its distribution only with `quantiles`.
    pub(super) fn gather(&self, window: &mut Window, quantiles: bool) {
        let wanted = quantiles.then_some(&mut window.distribution);
        match self {
            Self::Loose(summary) => summary.gather(&mut window.moments, &mut window.last, wanted),
            Self::Packed(contents) => {
                contents.gather(&mut window.moments, &mut window.last, wanted);
            }
        }
    }
}

fn each_loose(
    buckets: &Loose,
    number: i64,
    each: &mut impl FnMut(i64, Held<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let first = buckets.partition_point(|(at, _)| *at < number);
    for (at, summary) in buckets.range(first..) {
        each(*at, Held::Loose(summary))?;
    }
    ControlFlow::Continue(())
}

/// Changes or begins a bucket among loose ones; by how many bytes the heap grew.
fn put_loose(
    buckets: &mut Loose,
    number: i64,
    change: impl FnOnce(Option<&mut Summary>) -> Option<Summary>,
) -> isize {
    match find(buckets, number) {
        Ok(place) => grown(buckets, place, |summary| {
            change(Some(summary));
        }),
        Err(place) => change(None).map_or(0, |new| begin(buckets, place, number, new)),
    }
}

/// Where the bucket of that number is or belongs.
fn find(buckets: &Loose, number: i64) -> Result<usize, usize> {
    // Nearly always the newest bucket or a new one after it.
    match buckets.back() {
        Some((last, _)) if *last < number => Err(buckets.len()),
        Some((last, _)) if *last == number => Ok(buckets.len() - 1),
        _ => buckets.binary_search_by_key(&number, |(number, _)| *number),
    }
}

fn begin(buckets: &mut Loose, place: usize, number: i64, summary: Summary) -> isize {
    let closed = match place.checked_sub(1) {
        Some(before) if place == buckets.len() => grown(buckets, before, Summary::close),
        _ => 0,
    };
    let bytes = summary.heap_bytes().cast_signed();
    // Grows by doubling only while there are few: later that would leave as much room as is used, and holes of half its
    // size among all that is kept.
    if buckets.len() == buckets.capacity() && buckets.len() >= GROWTH {
        buckets.reserve_exact(GROWTH);
    }
    buckets.insert(place, (number, summary));
    closed + bytes
}

fn grown(buckets: &mut Loose, place: usize, change: impl FnOnce(&mut Summary)) -> isize {
    let Some((_, summary)) = buckets.get_mut(place) else {
        return 0;
    };
    let before = summary.heap_bytes().cast_signed();
    change(summary);
    summary.heap_bytes().cast_signed() - before
}
