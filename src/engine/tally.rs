//! What an alert has found since its condition was first breached: how often, when first and last, and the worst of it.

use super::time::Timestamp;

/// The sum of what offended. It stays after the alert has ended, until it begins anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Evaluations that found the condition breached, by data that was new.
    pub evaluations: u64,
    /// Values that had come by these evaluations, those of the first one's window at the beginning; 0 where a condition
    /// does not go by single values, as that of a trend or of a detector.
    pub values: u64,
    /// The first such evaluation.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Of the values judged by these evaluations the one furthest beyond its limit.
    pub worst: Option<f64>,
}

impl Tally {
    /// Takes one more breach into account: the value that was judged and its limit, and how many values have come since the
    /// evaluation before.
    pub fn add(tally: &mut Option<Self>, value: Option<f64>, limit: f64, came: u64, at: Timestamp) {
        let known = tally.get_or_insert(Self {
            evaluations: 0,
            values: 0,
            first: at,
            last: at,
            worst: None,
        });
        known.evaluations += 1;
        known.values = known.values.saturating_add(came);
        known.last = known.last.max(at);
        let Some(value) = value else { return };
        known.worst = Some(match known.worst {
            // Which way is worse is seen from where the value lies.
            Some(worst) if value < limit => worst.min(value),
            Some(worst) => worst.max(value),
            None => value,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_what_lies_furthest_beyond_the_limit() {
        let at = Timestamp::from_millis;
        for (values, limit, worst) in [
            ([12.0, 30.0, 11.0], 10.0, 30.0),
            ([0.8, 0.2, 0.5], 0.9, 0.2),
            ([-5.0, -9.0, -7.0], -4.0, -9.0),
        ] {
            let mut tally = None;
            for (number, value) in (0..).zip(values) {
                Tally::add(&mut tally, Some(value), limit, 10, at(1_000 * number));
            }
            Tally::add(&mut tally, None, limit, 0, at(9_000));
            let expected = Tally {
                evaluations: 4,
                values: 30,
                first: at(0),
                last: at(9_000),
                worst: Some(worst),
            };
            assert_eq!(tally, Some(expected));
        }
    }
}
