//! Values that are compared as a whole: how they are distributed, and how they follow on each other in time.
//!
//! What a comparison needs of a million values fits into some kilobytes: the values in ascending order with how often
//! each came (the exact ones while they are few, else those of a sketch), and the means of consecutive blocks, from
//! which it is seen how far neighbours depend on each other.

use super::measurement::count;
use super::stats::Counted;

/// Blocks kept; where there are more, neighbours are taken together.
const MAX_BLOCKS: usize = 1_024;
/// Values further out than so many spreads count as that far: a run twenty times slower than the others then weighs no
/// more than one a few spreads off. For normal noise this costs 1 % of the information (P. J. Huber, *Robust
/// Statistics*, 1981, table 4.1).
const CLIP: f64 = 2.5;
/// The median absolute deviation of normal noise times this is its standard deviation.
const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// Values in the order of time, cut into blocks: single values, or those of a bucket of time each.
#[derive(Clone, Debug, Default)]
pub struct Course {
    values: Vec<(f64, u64)>,
    /// Where each block ends among the values.
    ends: Vec<usize>,
    /// Where each stretch ends among the blocks, where they are known to be of several that lie apart.
    stretches: Vec<usize>,
}

impl Course {
    /// Appends a block of values with how often each came. Without values there is none.
    pub fn push(&mut self, values: impl IntoIterator<Item = (f64, u64)>) {
        let before = self.values.len();
        let finite = values
            .into_iter()
            .filter(|(value, n)| value.is_finite() && *n > 0);
        self.values.extend(finite);
        if self.values.len() > before {
            self.ends.push(self.values.len());
        }
    }

    /// Appends what came later.
    pub fn append(&mut self, later: Self) {
        let (before, blocks) = (self.values.len(), self.ends.len());
        self.values.extend(later.values);
        self.ends.extend(later.ends.iter().map(|end| before + end));
        let stretches = later.stretches.iter().map(|end| blocks + end);
        self.stretches.extend(stretches);
    }

    /// The same values as one stretch, of several that lie apart.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.stretches = (!self.ends.is_empty())
            .then_some(self.ends.len())
            .into_iter()
            .collect();
        self
    }

    /// How many stretches that lie apart hold values.
    pub fn stretches(&self) -> usize {
        self.stretches.len()
    }

    /// Single values in the order of time.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut course = Self::default();
        for value in values {
            course.push([(value, 1)]);
        }
        course
    }

    fn blocks(&self) -> impl Iterator<Item = &[(f64, u64)]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends);
        ranges.map(|(start, end)| self.values.get(start..*end).unwrap_or_default())
    }
}

/// On which scale values are compared: the logarithm for what is always positive and differs by factors, else the values
/// themselves. Centred on their median, in units of their spread, and clipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Logarithms are compared.
    pub is_log: bool,
    /// The median.
    pub center: f64,
    /// The standard deviation of normal noise that is spread as much; never 0.
    pub spread: f64,
}

impl Scale {
    /// The scale of these ascending values.
    fn of(values: &Counted, is_log: bool) -> Option<Self> {
        let is_log = is_log && values.at(0).is_some_and(|least| least > 0.0);
        let bare = Self {
            is_log,
            center: 0.0,
            spread: 1.0,
        };
        let center = bare.level(values.quantile(0.5)?);
        let distances = values
            .pairs()
            .iter()
            .map(|(value, n)| ((bare.level(*value) - center).abs(), *n));
        let distances = Counted::from_pairs(distances)?;
        let robust = distances.quantile(0.5)? * MAD_TO_SD;
        // Where more than half of the values are equal the deviation of the others has to do; where all are, any
        // difference is one: as large as the smallest that a float can hold there, with some room.
        let n = distances.count();
        let squares: f64 = (distances.pairs().iter())
            .map(|(d, n)| d * d * count(*n))
            .sum();
        let spread = if robust > 0.0 {
            robust
        } else {
            (squares / count(n)).sqrt()
        };
        let least = center
            .abs()
            .max(if is_log { 1.0 } else { f64::MIN_POSITIVE })
            * 1e-12;
        Some(Self {
            is_log,
            center,
            spread: spread.max(least),
        })
    }

    /// A value on the scale, before it is centred.
    pub fn level(&self, value: f64) -> f64 {
        if self.is_log {
            value.max(f64::MIN_POSITIVE).ln()
        } else {
            value
        }
    }

    /// The variance of values on the scale.
    pub(super) fn variance(&self, values: &Counted) -> f64 {
        let placed: Vec<(f64, f64)> = (values.pairs().iter())
            .map(|(value, n)| (self.place(*value), count(*n)))
            .collect();
        let n = count(values.count());
        let mean = placed.iter().map(|(u, n)| u * n).sum::<f64>() / n;
        let squares: f64 = placed.iter().map(|(u, n)| (u - mean).powi(2) * n).sum();
        squares / (n - 1.0).max(1.0)
    }

    /// A value in spreads from the centre, clipped.
    fn place(&self, value: f64) -> f64 {
        ((self.level(value) - self.center) / self.spread).clamp(-CLIP, CLIP)
    }
}

/// The mean of a block on a [`Scale`], and on how many values it rests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// In spreads from the centre.
    pub mean: f64,
    /// Values.
    pub n: f64,
}

impl Block {
    /// Neighbouring blocks taken together, so that each holds about `n` values.
    pub fn together(blocks: &[Self], n: f64) -> Vec<Self> {
        let held: f64 = blocks.iter().map(|block| block.n).sum();
        let each = (n * count(blocks.len() as u64) / held).round();
        let mut merged: Vec<Self> = Vec::new();
        let mut taken = 0.0;
        for block in blocks {
            match merged.last_mut() {
                Some(last) if taken < each => {
                    let n = last.n + block.n;
                    last.mean += (block.mean - last.mean) * block.n / n;
                    last.n = n;
                    taken += 1.0;
                }
                _ => {
                    merged.push(*block);
                    taken = 1.0;
                }
            }
        }
        merged
    }
}

/// What is known of a whole beside the values: exact also where the values are those of a sketch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Values.
    pub n: u64,
    /// Their mean, weighted where the metric has weights.
    pub mean: f64,
    /// Their sample standard deviation; `None` under two.
    pub sd: Option<f64>,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// The summary of both together. Means are weighted by the number of values.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let (n, m) = (count(self.n), count(other.n));
        let squares = |one: &Self| one.sd.map_or(0.0, |sd| sd * sd * (count(one.n) - 1.0));
        // T. F. Chan, G. H. Golub, R. J. LeVeque, *Updating formulae and a pairwise algorithm for computing sample
        // variances*, 1979.
        let difference = other.mean - self.mean;
        let total = squares(self) + squares(other) + difference * difference * n * m / (n + m);
        Self {
            n: self.n + other.n,
            mean: self.mean + difference * m / (n + m),
            sd: (n + m > 1.0).then(|| (total / (n + m - 1.0)).sqrt()),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Values that are compared as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// What is known of the whole.
    pub summary: Summary,
    /// The values in ascending order with how often each came.
    pub values: Counted,
    /// The scale that `blocks` are on.
    pub scale: Scale,
    /// The variance of a single value on that scale.
    pub variance: f64,
    /// The means of consecutive blocks, oldest first.
    pub blocks: Vec<Block>,
    /// The means of stretches that lie apart, such as the same hour of several days; empty where it is a single one.
    pub apart: Vec<Block>,
}

impl Cohort {
    /// The cohort of values; `None` without any. On the scale of the cohort that it is compared with, where one is given,
    /// else on its own, which is logarithmic where `is_log` says so and all values are positive.
    pub fn of(
        course: &Course,
        summary: Option<Summary>,
        is_log: bool,
        scale: Option<Scale>,
    ) -> Option<Self> {
        let values = Counted::from_pairs(course.values.iter().copied())?;
        let scale = scale.or_else(|| Scale::of(&values, is_log))?;
        let summary = summary.or_else(|| summary_of(&values))?;
        let together = course.ends.len().div_ceil(MAX_BLOCKS).max(1);
        let blocks: Vec<&[(f64, u64)]> = course.blocks().collect();
        let mean = |blocks: &[&[(f64, u64)]]| {
            let values = || blocks.iter().copied().flatten();
            let n: f64 = values().map(|(_, n)| count(*n)).sum();
            let sum: f64 = values().map(|(v, n)| scale.place(*v) * count(*n)).sum();
            (n > 0.0).then(|| Block { mean: sum / n, n })
        };
        let starts = std::iter::once(0).chain(course.stretches.iter().copied());
        let apart = starts.zip(&course.stretches);
        let apart = apart.filter_map(|(start, end)| mean(blocks.get(start..*end)?));
        Some(Self {
            blocks: blocks.chunks(together).filter_map(mean).collect(),
            apart: apart.collect(),
            variance: scale.variance(&values),
            summary,
            values,
            scale,
        })
    }

    /// A cohort of its parts, if it is one that could have been measured: they may come from outside.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_parts(
        summary: Summary,
        values: Counted,
        scale: Scale,
        (blocks, apart): (Vec<Block>, Vec<Block>),
    ) -> Result<Self, &'static str> {
        let Summary { mean, min, max, .. } = summary;
        let mut numbers = [mean, min, max, scale.center, scale.spread]
            .into_iter()
            .chain(summary.sd)
            .chain(blocks.iter().chain(&apart).map(|block| block.mean));
        if !numbers.all(f64::is_finite) || scale.spread <= 0.0 {
            return Err("a number of it is none");
        }
        if !(blocks.iter().chain(&apart)).all(|b| b.n.is_finite() && b.n > 0.0) {
            return Err("a block of it is empty");
        }
        if values.count() == 0 {
            return Err("it has no values");
        }
        Ok(Self {
            variance: scale.variance(&values),
            summary,
            values,
            scale,
            blocks,
            apart,
        })
    }

    /// The `q`-quantile, 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.values.quantile(q)
    }

    /// How many values are larger than that one.
    pub fn above(&self, value: f64) -> u64 {
        let values = self.values.pairs();
        let first = values.partition_point(|(one, _)| *one <= value);
        let rest = values.get(first..).unwrap_or_default();
        rest.iter().map(|(_, n)| n).sum()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(self.values.pairs())
            + (self.blocks.capacity() + self.apart.capacity()) * size_of::<Block>()
    }
}

fn summary_of(values: &Counted) -> Option<Summary> {
    let n = values.count();
    let values = values.pairs();
    let (min, max) = (values.first()?.0, values.last()?.0);
    // Around the middle, so that large values of little spread keep their digits.
    let middle = f64::midpoint(min, max);
    let mean = values
        .iter()
        .map(|(v, n)| (v - middle) * count(*n))
        .sum::<f64>()
        / count(n)
        + middle;
    let squares: f64 = (values.iter())
        .map(|(v, n)| (v - mean).powi(2) * count(*n))
        .sum();
    Some(Summary {
        n,
        // Rounding must not move the mean of equal values off them.
        mean: mean.clamp(min, max),
        sd: (n > 1).then(|| (squares / count(n - 1)).sqrt()),
        min,
        max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Case 20.
    #[test]
    fn an_outlier_does_not_move_the_centre_of_a_baseline() {
        let values = [0.85, 0.87, 0.84, 0.86, 0.88, 0.50, 0.89, 0.84, 0.95, 0.86];
        let cohort = Cohort::of(&Course::of(values), None, false, None).unwrap();
        assert!((0.83..0.90).contains(&cohort.scale.center));
        assert!((0.83..0.90).contains(&cohort.summary.mean));
        // The outlier is as far out as the clip and no further.
        let least = cohort
            .blocks
            .iter()
            .map(|b| b.mean)
            .fold(f64::MAX, f64::min);
        assert!((least + CLIP).abs() < 1e-12);
    }

    #[test]
    fn constants_zeros_and_negative_values_have_a_scale() {
        for values in [
            &[5.0; 20][..],
            &[0.0; 3],
            &[-3.0, -3.0],
            &[0.0, 1.0],
            &[1e300, 1e300],
        ] {
            let cohort = Cohort::of(&Course::of(values.iter().copied()), None, true, None).unwrap();
            assert!(
                cohort.scale.spread > 0.0 && cohort.scale.spread.is_finite(),
                "{values:?}"
            );
            assert!(cohort.blocks.iter().all(|block| block.mean.is_finite()));
        }
        assert!(Cohort::of(&Course::default(), None, true, None).is_none());
        assert!(Cohort::of(&Course::of([f64::NAN]), None, true, None).is_none());
    }

    #[test]
    fn many_blocks_are_taken_together() {
        let cohort = Cohort::of(&Course::of((0..3_000).map(f64::from)), None, false, None).unwrap();
        assert!(cohort.blocks.len() <= MAX_BLOCKS);
        assert_eq!(cohort.blocks.iter().map(|b| b.n).sum::<f64>(), 3_000.0);
        assert_eq!(cohort.summary.n, 3_000);
    }
}
