//! One alarm for each incident.

/// A score that keeps this share of the peak still stands for the same incident.
const KEEP: f64 = 0.7;
/// Points with a value for which a score is held after it last stood.
const HOLD: u64 = 96;
/// Points after which the peak is forgotten, so that a weaker incident counts again.
const FORGET: u64 = 288;

/// The score of the incident that is going on, if one is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Holding<T> {
    pub peak: f64,
    /// The point at which the score last stood.
    pub since: u64,
    /// What was found at the peak.
    pub found: Option<T>,
}

impl<T> Holding<T> {
    /// Takes the score of point `t` in; the score that is held is told.
    pub fn hold(&mut self, t: u64, score: f64, found: impl FnOnce() -> Option<T>) -> f64 {
        if score >= KEEP * self.peak {
            self.since = t;
        }
        if score >= self.peak || t.saturating_sub(self.since) > FORGET {
            self.peak = score;
            self.since = t;
            self.found = found();
        }
        if t.saturating_sub(self.since) <= HOLD {
            self.peak
        } else {
            0.0
        }
    }

    /// Takes in that point `t` has no value: of the incident that goes on it says nothing, so it is held for one point longer.
    pub fn wait(&mut self, t: u64) {
        if self.is_open(t) {
            self.since += 1;
        }
    }

    /// Whether an incident that was told of has been over for so long at point `t` that a weaker one counts again.
    pub fn is_over(&self, t: u64, score: f64) -> bool {
        self.peak >= 1.0 && score < KEEP * self.peak && t.saturating_sub(self.since) > FORGET
    }

    /// Whether an incident goes on at point `t`.
    pub fn is_open(&self, t: u64) -> bool {
        self.peak >= 1.0 && t.saturating_sub(self.since) <= HOLD
    }

    /// Whether nothing has been found that still counts.
    pub fn is_quiet(&self) -> bool {
        self.peak < 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weaker_echo_within_a_day_is_the_same_incident() {
        let mut holding = Holding::default();
        let mut held = |t, score| holding.hold(t, score, || Some(t));
        assert_eq!(held(0, 2.0), 2.0);
        assert_eq!(held(1, 1.4), 2.0, "holds at 0.7 of the peak");
        assert_eq!(held(97, 0.0), 2.0, "and 96 points more");
        assert_eq!(held(98, 0.0), 0.0);
        assert_eq!(held(200, 1.2), 0.0, "an echo");
        assert_eq!(held(289, 0.5), 0.0);
        assert_eq!(held(290, 1.2), 1.2, "a day after it last stood");
        assert_eq!(holding.found, Some(290));
    }

    #[test]
    fn points_without_a_value_do_not_count_for_the_end_of_an_incident() {
        let mut holding = Holding::default();
        holding.hold(0, 2.0, || Some(()));
        for t in 1..=150 {
            holding.wait(t);
            assert_eq!(holding.hold(t, 0.5, || None), 2.0, "{t}");
        }
        assert_eq!(holding.hold(246, 0.5, || None), 2.0);
        assert_eq!(holding.hold(247, 0.5, || None), 0.0);
        let over = holding.clone();
        holding.wait(248);
        assert_eq!(holding, over, "what has ended does not begin again");
    }
}
