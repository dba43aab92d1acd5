//! The counters of a sketch: one a key, kept so that counting a value is one step where keys are close together.
//!
//! Values of one kind nearly always lie within a few binary orders, so that most keys between the lowest and the highest
//! have some. Then there is a counter for each of them, empty ones too. Far apart, each counter has its key beside it.

/// Counters are made so many at a time.
const STEP: i64 = 16;
/// Counters side by side may be as many as this, and so many for each that is not empty, or as many as there is room for
/// already; above it they take more memory than with their keys beside them.
const SPARE: usize = 128;
const PER_KEY: usize = 4;

/// How many values each key has, by key.
#[derive(Clone, Debug)]
pub(super) enum Bins {
    /// The counters of all keys from `first` on; `used` are not empty.
    Near {
        first: i32,
        used: usize,
        counts: Vec<u32>,
    },
    /// Counters that are not empty with their keys, ascending. Also those that have become too large for the other form.
    Far(Vec<(i32, u64)>),
}

impl Default for Bins {
    fn default() -> Self {
        Self::Near {
            first: 0,
            used: 0,
            counts: Vec::new(),
        }
    }
}

impl PartialEq for Bins {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Bins {
    /// Counts `n` values of a key.
    #[inline]
    pub(super) fn add(&mut self, key: i32, n: u64) {
        if !self.add_near(key, n) {
            self.add_anywhere(key, n);
        }
    }

    /// The same where there is a counter already, with room for so many.
    #[inline]
    fn add_near(&mut self, key: i32, n: u64) -> bool {
        // Below the first it wraps to a number that no counter has.
        if let Self::Near {
            first,
            used,
            counts,
        } = self
            && let Some(count) = counts.get_mut(key.wrapping_sub(*first).cast_unsigned() as usize)
            && let Some(sum) = u64::from(*count).checked_add(n)
            && let Ok(sum) = u32::try_from(sum)
        {
            *used += usize::from(*count == 0 && sum > 0);
            *count = sum;
            return true;
        }
        false
    }

    fn add_anywhere(&mut self, key: i32, n: u64) {
        if n == 0 || self.reach(key, key) && self.add_near(key, n) {
            return;
        }
        let far = self.spread();
        let place = far.partition_point(|(k, _)| *k < key);
        self.add_far(place, key, n);
    }

    /// Adds to the counter in that place, or makes it there.
    fn add_far(&mut self, place: usize, key: i32, n: u64) {
        let Self::Far(far) = self else { return };
        match far.get_mut(place) {
            Some((k, count)) if *k == key => *count = count.saturating_add(n),
            _ => {
                far.insert(place, (key, n));
                self.draw_together();
            }
        }
    }

    /// Adds counts that come in ascending order of keys, about `expected` of them.
    pub(super) fn add_ascending(
        &mut self,
        bins: impl Iterator<Item = (i32, u64)>,
        expected: usize,
    ) {
        // Few among many are looked up, else both are walked.
        let is_sparse = expected * 8 < self.len();
        let mut place = 0;
        for (key, n) in bins {
            if self.add_near(key, n) {
                continue;
            }
            match self {
                Self::Far(far) if n > 0 => {
                    let rest = far.get(place..).unwrap_or_default();
                    place += if is_sparse {
                        rest.partition_point(|(k, _)| *k < key)
                    } else {
                        rest.iter().take_while(|(k, _)| *k < key).count()
                    };
                    self.add_far(place, key, n);
                }
                _ => self.add_anywhere(key, n),
            }
        }
    }

    /// Makes counters for all keys from `low` to `high`, if that is worth it; whether they are there.
    pub(super) fn reach(&mut self, low: i32, high: i32) -> bool {
        let Self::Near {
            first,
            used,
            counts,
        } = self
        else {
            return false;
        };
        let (mut begin, mut end) = (i64::from(low), i64::from(high) + 1);
        let before = i64::from(*first);
        let there = counts.len();
        if there > 0 {
            begin = begin.min(before);
            end = end.max(before + there as i64);
        }
        begin = begin.div_euclid(STEP) * STEP;
        end = (end + STEP - 1).div_euclid(STEP) * STEP;
        let (Ok(begins), Ok(slots)) = (i32::try_from(begin), usize::try_from(end - begin)) else {
            return false;
        };
        if slots == there {
            return true;
        }
        if slots > (SPARE + PER_KEY * (*used + 1)).max(counts.capacity()) {
            return false;
        }
        counts.reserve_exact(slots - there);
        counts.resize(slots, 0);
        if there > 0 && begin < before {
            let shift = usize::try_from(before - begin).unwrap_or_default();
            counts.copy_within(..there, shift);
            counts.iter_mut().take(shift).for_each(|count| *count = 0);
        }
        *first = begins;
        true
    }

    /// Itself with the keys beside the counters.
    fn spread(&mut self) -> &mut Vec<(i32, u64)> {
        if let Self::Near { .. } = self {
            *self = Self::Far(self.iter().collect());
        }
        match self {
            Self::Far(far) => far,
            #[expect(clippy::unreachable, reason = "made so just above")]
            Self::Near { .. } => unreachable!(),
        }
    }

    /// Takes the keys away again where they have become so close that it stays worth it.
    fn draw_together(&mut self) {
        let Self::Far(far) = self else { return };
        let (Some((low, _)), Some((high, _))) = (far.first(), far.last()) else {
            return;
        };
        let slots = usize::try_from(i64::from(*high) - i64::from(*low)).unwrap_or(usize::MAX);
        let is_close = slots <= (SPARE + PER_KEY * far.len()) / 4 * 3;
        if !is_close || far.iter().any(|(_, n)| u32::try_from(*n).is_err()) {
            return;
        }
        let mut near = Self::default();
        // By how many there will be, so that there is no way back half-way.
        if let Self::Near { used, .. } = &mut near {
            *used = far.len();
        }
        let fits = near.reach(*low, *high);
        if let Self::Near { used, .. } = &mut near {
            *used = 0;
        }
        if fits && far.iter().all(|(key, n)| near.add_near(*key, *n)) {
            *self = near;
        }
    }

    /// The keys that have any with their counts, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, u64)> {
        let (first, near, far) = match self {
            Self::Near { first, counts, .. } => (*first, counts.as_slice(), [].as_slice()),
            Self::Far(far) => (0, [].as_slice(), far.as_slice()),
        };
        let near = (0..).zip(near).filter(|(_, n)| **n > 0);
        let near = near.map(move |(slot, n)| (first.wrapping_add(slot), u64::from(*n)));
        near.chain(far.iter().copied())
    }

    /// How many values there are.
    pub(super) fn total(&self) -> u64 {
        match self {
            Self::Near { counts, .. } => counts.iter().map(|n| u64::from(*n)).sum(),
            Self::Far(far) => far.iter().map(|(_, n)| n).sum(),
        }
    }

    /// The key of the value before which there are `rank` others.
    pub(super) fn at_rank(&self, rank: u64) -> Option<i32> {
        let mut seen = 0;
        let mut passes = |n: u64| {
            seen += n;
            seen > rank
        };
        match self {
            Self::Near { first, counts, .. } => {
                let place = counts.iter().position(|n| passes(u64::from(*n)))?;
                i32::try_from(place).ok()?.checked_add(*first)
            }
            Self::Far(far) => far.iter().find_map(|(key, n)| passes(*n).then_some(*key)),
        }
    }

    /// How many keys have any.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Near { used, .. } => *used,
            Self::Far(far) => far.len(),
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many a key has.
    pub(super) fn get(&self, key: i32) -> u64 {
        match self {
            Self::Near { first, counts, .. } => {
                let count = counts.get(key.wrapping_sub(*first).cast_unsigned() as usize);
                count.map_or(0, |n| u64::from(*n))
            }
            Self::Far(far) => {
                let place = far.binary_search_by_key(&key, |(key, _)| *key);
                let bin = place.ok().and_then(|place| far.get(place));
                bin.map_or(0, |(_, n)| *n)
            }
        }
    }

    /// Makes room for so many keys, where there is none yet.
    pub(super) fn make_room(&mut self, keys: usize) {
        if let Self::Near { counts, .. } = self
            && counts.capacity() == 0
        {
            counts.reserve_exact(keys * PER_KEY);
        }
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Near { counts, .. } => counts.capacity() * size_of::<u32>(),
            Self::Far(far) => far.capacity() * size_of::<(i32, u64)>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn is_near(bins: &Bins) -> bool {
        matches!(bins, Bins::Near { .. })
    }

    #[test]
    fn the_form_follows_how_close_the_keys_are() {
        let mut bins = Bins::default();
        bins.add(40_000, 1);
        bins.add(40_060, 1);
        assert!(is_near(&bins));
        bins.add(0, 3);
        assert!(!is_near(&bins));
        assert_eq!(
            bins.iter().collect::<Vec<_>>(),
            [(0, 3), (40_000, 1), (40_060, 1)]
        );
        assert_eq!((bins.len(), bins.get(0), bins.get(1)), (3, 3, 0));
        let mut far = Bins::default();
        (0..40).for_each(|n| far.add(n * 30, 1));
        assert!(!is_near(&far));
        (0..1_171).for_each(|key| far.add(key, 1));
        assert!(is_near(&far));
        assert_eq!(
            (far.len(), far.get(29), far.get(30), far.get(-1)),
            (1_171, 1, 2, 0)
        );
        assert!(far.heap_bytes() <= 4 * 1_200);
    }

    #[test]
    fn a_counter_goes_on_beyond_what_the_small_form_holds() {
        let mut bins = Bins::default();
        bins.add(7, u64::from(u32::MAX));
        assert!(is_near(&bins));
        bins.add(8, 1);
        bins.add(7, 1);
        assert_eq!(bins.iter().collect::<Vec<_>>(), [(7, 1 << 32), (8, 1)]);
        bins.add(9, 1);
        assert!(!is_near(&bins));
        bins.add(7, u64::MAX);
        assert_eq!((bins.get(7), bins.len()), (u64::MAX, 3));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_counted_by_its_key(
            adds in prop::collection::vec(
                (prop_oneof![39_900..40_100i32, -80_000..80_000i32, Just(0), Just(i32::MAX), Just(i32::MIN)], 0u64..5, any::<bool>()),
                0..300,
            ),
            room in 0..100usize,
        ) {
            let (mut bins, mut expected) = (Bins::default(), BTreeMap::new());
            bins.make_room(room);
            for (key, n, reaches) in adds {
                if reaches {
                    bins.reach(key.saturating_sub(40), key);
                }
                bins.add(key, n);
                if n > 0 {
                    *expected.entry(key).or_insert(0) += n;
                }
                prop_assert_eq!(bins.len(), expected.len());
                prop_assert_eq!(bins.get(key), expected.get(&key).copied().unwrap_or_default());
            }
            prop_assert_eq!(bins.is_empty(), expected.is_empty());
            prop_assert_eq!(bins.total(), expected.values().sum::<u64>());
            let values: Vec<i32> = expected.iter().flat_map(|(key, n)| (0..*n).map(|_| *key)).collect();
            for (rank, key) in (0..).zip(&values) {
                prop_assert_eq!(bins.at_rank(rank), Some(*key));
            }
            prop_assert_eq!(bins.at_rank(values.len() as u64), None);
            prop_assert!(bins.iter().eq(expected));
        }

        #[test]
        fn counts_in_order_are_added_as_one_by_one(
            groups in prop::collection::vec(
                prop::collection::btree_map(prop_oneof![39_900..40_100i32, -80_000..80_000i32], 0u64..5, 0..60),
                0..6,
            ),
            expected in 0..60usize,
        ) {
            let (mut bins, mut single) = (Bins::default(), Bins::default());
            for group in groups {
                group.iter().for_each(|(key, n)| single.add(*key, *n));
                bins.add_ascending(group.into_iter(), expected);
            }
            prop_assert_eq!(bins, single);
        }
    }
}
