//! How rarely a series has been that far from what it knew.

/// Steps of the histogram for each factor of e.
const PER_UNIT: f64 = 5.0;
/// The distance, in typical steps, up to which the histogram's scale is nearly linear.
const LINEAR: f64 = 0.5;
/// Beyond the farthest distance so far: the share of a point that is expected there falls by e for each of this much on
/// the scale of the histogram.
const BEYOND: f64 = 0.5;
/// The weight of the tail that is assumed beforehand, in points, and as a share of the history. The share is what makes
/// an alert need an effect: whatever the ranks say, such a point must be a few typical steps away from all that is known.
const PRIOR: f64 = 50.0;
const SHARE: f64 = 0.1;
/// With what weight a distance is counted that alone would alert, so that a repeated anomaly stays visible for a while.
const ODD: f32 = 0.5;
/// Points after which all weights are halved: what was far is forgotten over weeks.
const HALF: f64 = 8_000.0;

/// The distances so far, as a histogram of so many steps on a logarithmic scale, of which 100 reach any distance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tail<const BINS: usize = 100> {
    pub(super) counts: [f32; BINS],
    pub(super) weight: f64,
    /// The farthest distance so far, on the logarithmic scale.
    pub(super) top: f64,
}

impl<const BINS: usize> Tail<BINS> {
    pub(super) fn new() -> Self {
        Self {
            counts: [0.0; BINS],
            weight: 0.0,
            top: 0.0,
        }
    }

    /// The surprise of a distance in typical steps: -log10 of the probability to be that far away. Then the distance is
    /// counted, with less weight where its surprise is `odd` or more.
    ///
    /// With N the weight so far, the probability is the share of the history beyond, an exponential tail beyond the record,
    /// and a prior 1 / (1 + z⁴) of the weight w = 50 + N / 10, over N + w + 1.
    pub(super) fn rank(&mut self, distance: f64, odd: f64) -> f64 {
        if distance <= 0.0 {
            self.count(0, 1.0);
            return 0.0;
        }
        let y = (1.0 + distance / LINEAR).ln();
        let bin = Self::bin(y);
        let prior = PRIOR + SHARE * self.weight;
        let expected =
            self.beyond(y, bin) + prior / (1.0 + distance * distance * (distance * distance));
        let surprise = (-(expected / (self.weight + prior + 1.0)).log10()).max(0.0);
        self.count(bin, if surprise < odd { 1.0 } else { ODD });
        self.top = self.top.max(y);
        surprise
    }

    /// Points of the history that are farther away, half of those as far, and what is expected beyond the record.
    fn beyond(&self, y: f64, bin: usize) -> f64 {
        // Past the record all is empty.
        let past = self.counts.iter().take(Self::bin(self.top) + 1).skip(bin);
        let mut past = past.map(|count| f64::from(*count));
        let same = past.next().unwrap_or(0.0);
        let record = if y > self.top {
            (-(y - self.top) / BEYOND).exp()
        } else {
            1.0
        };
        past.sum::<f64>() + 0.5 * same + 0.5 * record
    }

    fn count(&mut self, bin: usize, weight: f32) {
        if let Some(count) = self.counts.get_mut(bin) {
            *count += weight;
        }
        self.weight += 1.0;
        if self.weight > HALF {
            self.counts.iter_mut().for_each(|count| *count *= 0.5);
            self.weight *= 0.5;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a logarithm of at least 1 is not negative, and more bins than there are are the last"
    )]
    fn bin(y: f64) -> usize {
        ((y * PER_UNIT) as usize).min(BINS - 1)
    }
}
