//! Patterns of a single value, in their order on the line.

use super::dictionary::Patterns;

/// Of a pattern that is to go.
const GONE: u8 = u8::MAX;

/// Values in ascending order, each with its place by age, from 0, the oldest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scalars {
    pub(super) values: Vec<f64>,
    pub(super) ages: Vec<u8>,
}

impl Scalars {
    /// Those next to a place: below it in descending order, and from it on in ascending order.
    fn around(
        &self,
        place: usize,
    ) -> (
        impl Iterator<Item = (f64, u8)>,
        impl Iterator<Item = (f64, u8)>,
    ) {
        let (values_below, values_above) = self.values.split_at(place.min(self.values.len()));
        let (ages_below, ages_above) = self.ages.split_at(place.min(self.ages.len()));
        let below = values_below.iter().copied().zip(ages_below.iter().copied());
        let above = values_above.iter().copied().zip(ages_above.iter().copied());
        (below.rev(), above)
    }

    fn place(&self, value: f64) -> usize {
        self.values.partition_point(|known| *known < value)
    }
}

impl Patterns for Scalars {
    type Pattern = [f64; 1];

    fn with_capacity(capacity: usize) -> Self {
        Self {
            values: Vec::with_capacity(capacity),
            ages: Vec::with_capacity(capacity),
        }
    }

    fn pattern(means: &[f64]) -> Option<[f64; 1]> {
        means.first_chunk().copied()
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn by_age(&self) -> impl Iterator<Item = [f64; 1]> {
        let ages = (0..GONE).take(self.ages.len());
        let places = ages.filter_map(|age| self.ages.iter().position(|other| *other == age));
        places.filter_map(|place| Some([*self.values.get(place)?]))
    }

    fn distance(&self, [from]: &[f64; 1]) -> f64 {
        let place = self.place(*from);
        let above = self.values.get(place).map(|above| above - from);
        let below = place
            .checked_sub(1)
            .and_then(|below| self.values.get(below));
        let below = below.map_or(f64::INFINITY, |below| from - below);
        above.map_or(below, |above| above.min(below))
    }

    fn nearest(&self, [to]: &[f64; 1]) -> Option<[f64; 1]> {
        let (mut below, mut above) = self.around(self.place(*to));
        match (below.next(), above.next()) {
            (Some(below), Some(above)) => {
                let order = (to - below.0).total_cmp(&(above.0 - to));
                let first = order.then(below.1.cmp(&above.1)).is_lt();
                Some([if first { below.0 } else { above.0 }])
            }
            (one, other) => one.or(other).map(|(value, _)| [value]),
        }
    }

    fn closest(&self) -> f64 {
        let pairs = self.values.iter().zip(self.values.iter().skip(1));
        pairs.map(|(a, b)| b - a).fold(f64::INFINITY, f64::min)
    }

    fn push(&mut self, [pattern]: [f64; 1]) {
        let place = self.place(pattern);
        let age = u8::try_from(self.values.len()).unwrap_or(GONE);
        self.values.insert(place, pattern);
        self.ages.insert(place, age);
    }

    fn thin(&mut self, radius: f64) {
        let mut kept = 0;
        for age in 0..u8::try_from(self.ages.len()).unwrap_or(GONE) {
            // Those that were kept have their new age, which is below this one; those to come have theirs from this one on.
            let Some(place) = self.ages.iter().position(|other| *other == age) else {
                continue;
            };
            let (below, mut above) = self.around(place);
            let Some((value, _)) = above.next() else {
                continue;
            };
            let mut near = below
                .take_while(|(other, _)| value - other <= radius)
                .chain(above.take_while(|(other, _)| other - value <= radius));
            let is_near = near.any(|(_, other)| other < age);
            drop(near);
            if let Some(own) = self.ages.get_mut(place) {
                *own = if is_near { GONE } else { kept };
            }
            kept += u8::from(!is_near);
        }
        let mut ages = self.ages.iter();
        self.values.retain(|_| ages.next() != Some(&GONE));
        self.ages.retain(|age| *age != GONE);
    }
}
