//! Algorithms, or versions, of an operation compared: which is fastest, smallest, most reliable, best, and whether the
//! difference is more than chance.

use std::cmp::Ordering;
use std::sync::Arc;

use super::metric::{Metric, Stat, Worse};
use super::stats::interval::{Estimate, Interval};
use super::stats::proportion::{Proportion, newcombe, wilson};
use super::stats::{Counted, rank};
use super::store::{SeriesId, Store};
use super::window::Window;

/// The confidence of all intervals.
pub const LEVEL: f64 = 0.95;
/// Operations that it takes to be compared, unless something else is asked for.
pub const MIN_OPERATIONS: u64 = 3;

/// What is compared with others: an algorithm or a version with what was measured of it.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The values of each metric that [`metrics`] names, as far as there are any, with their distribution.
    pub windows: Vec<(Metric, Window)>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Who is compared, in the order of names.
    pub compared: Vec<Seen>,
    /// Who is not, because there are too few operations.
    pub left_out: Vec<Seen>,
    /// One for each aspect of which anything is known.
    pub rankings: Vec<Ranking>,
}

/// How often somebody was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name.
    pub name: String,
    /// Operations, whatever came of them.
    pub operations: u64,
    /// Those that failed.
    pub failures: u64,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// How long an operation takes.
    Speed,
    /// How much memory it takes: at the peak where that is known of all, else at the end.
    Memory,
    /// Samples by seconds.
    Throughput,
    /// The share of operations that succeed.
    Reliability,
    /// A quality score.
    Quality,
}

/// One aspect of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// What is looked at.
    pub aspect: Aspect,
    /// The metric that shows it; of reliability the error ratio, which is its complement.
    pub metric: Metric,
    /// What is shown of the metric.
    pub stat: Stat,
    /// Which way is worse; `None` of a score of which nobody knows, then nobody is the best.
    pub worse: Option<Worse>,
    /// Best first; where nobody is, in the order of names.
    pub places: Vec<Place>,
}

/// Somebody in a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The name.
    pub name: String,
    /// The number of values.
    pub n: u64,
    /// The statistic of them.
    pub value: f64,
    /// Where the true value lies, for a share.
    pub interval: Option<Interval>,
    /// How it differs from the best; `None` of the best itself, and where that cannot be said.
    pub to_best: Option<Difference>,
}

/// How a value differs from the best one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// What the estimate is.
    pub kind: Kind,
    /// The estimate with its interval.
    pub estimate: Estimate,
    /// Whether the interval leaves no difference out of the question.
    pub is_significant: bool,
}

/// How two are set against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one divided by the best: 1 is no difference.
    Ratio,
    /// The one less the best: 0 is no difference.
    Difference,
}

impl Aspect {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Memory => "memory",
            Self::Throughput => "throughput",
            Self::Reliability => "reliability",
            Self::Quality => "quality",
        }
    }
}

impl Kind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Difference => "difference",
        }
    }

    fn none(self) -> f64 {
        match self {
            Self::Ratio => 1.0,
            Self::Difference => 0.0,
        }
    }
}

/// The metrics that a comparison of these series looks at.
pub fn metrics(store: &Store, ids: &[SeriesId]) -> Vec<Metric> {
    let is_there = |metric: &Metric| {
        store.column(metric).is_some_and(|column| {
            let mut series = ids.iter().filter_map(|id| store.get(*id));
            series.any(|series| series.columns().any(|c| c == column))
        })
    };
    let scores = store.score_names().iter().cloned().map(Metric::Score);
    let fixed = [
        Metric::ErrorRatio,
        Metric::Duration,
        Metric::MemoryPeak,
        Metric::Memory,
        Metric::Throughput,
    ];
    fixed.into_iter().chain(scores).filter(is_there).collect()
}

/// Compares candidates that have at least `min_operations`.
pub fn compare(mut candidates: Vec<Candidate>, min_operations: u64) -> Comparison {
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    let (compared, left_out): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|candidate| candidate.seen().operations >= min_operations);
    let has = |metric: &Metric| {
        compared
            .iter()
            .filter(|c| c.window(metric).is_some())
            .count()
    };
    let memory = if has(&Metric::MemoryPeak) >= has(&Metric::Memory) {
        Metric::MemoryPeak
    } else {
        Metric::Memory
    };
    let median = Stat::Quantile(0.5);
    let mut aspects = vec![
        (Aspect::Speed, Metric::Duration, median),
        (Aspect::Memory, memory, median),
        (Aspect::Throughput, Metric::Throughput, Stat::Mean),
        (Aspect::Reliability, Metric::ErrorRatio, Stat::Mean),
    ];
    let mut scores: Vec<&Arc<str>> = (compared.iter().flat_map(|candidate| &candidate.windows))
        .filter_map(|(metric, _)| match metric {
            Metric::Score(name) => Some(name),
            _ => None,
        })
        .collect();
    scores.sort();
    scores.dedup();
    aspects.extend(
        scores
            .into_iter()
            .map(|name| (Aspect::Quality, Metric::Score(name.clone()), Stat::Mean)),
    );
    Comparison {
        rankings: (aspects.into_iter())
            .filter_map(|(aspect, metric, stat)| ranking(&compared, aspect, metric, stat))
            .collect(),
        compared: compared.iter().map(Candidate::seen).collect(),
        left_out: left_out.iter().map(Candidate::seen).collect(),
    }
}

impl Candidate {
    /// The values of a metric, if there are any.
    fn window(&self, metric: &Metric) -> Option<&Window> {
        let found = self.windows.iter().find(|(known, _)| known == metric);
        found
            .map(|(_, window)| window)
            .filter(|window| window.count() > 0)
    }

    fn seen(&self) -> Seen {
        let of = self.successes();
        Seen {
            name: self.name.clone(),
            operations: of.n,
            failures: of.n - of.successes,
        }
    }

    fn successes(&self) -> Proportion {
        let outcomes = self.window(&Metric::ErrorRatio);
        let n = outcomes.map_or(0, Window::count);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of zeros and ones"
        )]
        let failures = outcomes.map_or(0, |outcomes| outcomes.moments.sum() as u64);
        Proportion {
            successes: n.saturating_sub(failures),
            n,
        }
    }
}

fn ranking(compared: &[Candidate], aspect: Aspect, metric: Metric, stat: Stat) -> Option<Ranking> {
    let worse = match aspect {
        // What is shown is the share of successes.
        Aspect::Reliability => Some(Worse::Down),
        _ => metric.worse(),
    };
    let mut places: Vec<(&Candidate, Place)> = (compared.iter())
        .filter_map(|candidate| {
            let window = candidate.window(&metric)?;
            let share = (aspect == Aspect::Reliability)
                .then(|| wilson(candidate.successes(), LEVEL))
                .flatten();
            let place = Place {
                name: candidate.name.clone(),
                n: window.count(),
                value: share.map_or_else(|| window.stat(stat), |share| Some(share.value))?,
                interval: share.map(|share| share.interval),
                to_best: None,
            };
            Some((candidate, place))
        })
        .collect();
    let order = |a: f64, b: f64| match worse {
        Some(Worse::Up) => a.total_cmp(&b),
        Some(Worse::Down) => b.total_cmp(&a),
        None => Ordering::Equal,
    };
    // Equal ones stay in the order of names.
    places.sort_by(|(_, a), (_, b)| order(a.value, b.value));
    if let (Some(((best, _), others)), Some(_)) = (places.split_first_mut(), worse) {
        for (candidate, place) in others {
            place.to_best = match aspect {
                Aspect::Reliability => shares(candidate, best),
                Aspect::Quality => values(candidate, best, &metric, Kind::Difference),
                Aspect::Speed | Aspect::Memory | Aspect::Throughput => {
                    values(candidate, best, &metric, Kind::Ratio)
                }
            };
        }
    }
    (!places.is_empty()).then(|| Ranking {
        aspect,
        metric,
        stat,
        worse,
        places: places.into_iter().map(|(_, place)| place).collect(),
    })
}

/// By how much the one has the higher share of successes.
fn shares(one: &Candidate, best: &Candidate) -> Option<Difference> {
    let estimate = newcombe(one.successes(), best.successes(), LEVEL)?;
    Some(Difference::new(Kind::Difference, estimate))
}

/// By how much, or how many times, the values of the one are larger, after Hodges and Lehmann: the median over all pairs.
/// A ratio is that of logarithms, so that all values must be above 0.
fn values(one: &Candidate, best: &Candidate, metric: &Metric, kind: Kind) -> Option<Difference> {
    let counted = |candidate: &Candidate| -> Option<Counted> {
        let counted = candidate.window(metric)?.distribution.counted()?;
        match kind {
            Kind::Difference => Some(counted),
            Kind::Ratio => Counted::from_pairs(counted.pairs().iter().map(|(v, n)| (v.ln(), *n))),
        }
    };
    let Estimate { value, interval } =
        rank::hodges_lehmann(&counted(one)?, &counted(best)?, LEVEL)?;
    let read = |value: f64| match kind {
        Kind::Difference => value,
        Kind::Ratio => value.exp(),
    };
    let estimate = Estimate {
        value: read(value),
        interval: Interval {
            low: read(interval.low),
            high: read(interval.high),
        },
    };
    estimate
        .value
        .is_finite()
        .then(|| Difference::new(kind, estimate))
}

impl Difference {
    fn new(kind: Kind, estimate: Estimate) -> Self {
        Self {
            kind,
            estimate,
            is_significant: !estimate.interval.contains(kind.none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(values: &[f64]) -> Window {
        let mut window = Window::default();
        for value in values {
            window.moments.add(*value, 1.0);
            window.distribution.add(*value);
        }
        window
    }

    /// One with as many operations as durations, of which so many failed.
    fn candidate(name: &str, failures: usize, of: &[(Metric, &[f64])]) -> Candidate {
        let n = of.first().map_or(0, |(_, values)| values.len());
        let outcomes: Vec<f64> = (0..n)
            .map(|i| if i < failures { 1.0 } else { 0.0 })
            .collect();
        let metrics = of
            .iter()
            .map(|(metric, values)| (metric.clone(), window(values)));
        Candidate {
            name: name.to_owned(),
            windows: metrics
                .chain([(Metric::ErrorRatio, window(&outcomes))])
                .collect(),
        }
    }

    fn names(comparison: &Comparison, aspect: Aspect) -> Vec<&str> {
        let ranking = comparison.rankings.iter().find(|r| r.aspect == aspect);
        let places = ranking.into_iter().flat_map(|ranking| &ranking.places);
        places.map(|place| place.name.as_str()).collect()
    }

    #[test]
    fn case_42_three_algorithms_by_three_operations_are_ranked_and_too_few_left_out() {
        let made = |name, seconds: f64, bytes: f64, failures| {
            let throughput = 100.0 / seconds;
            candidate(
                name,
                failures,
                &[
                    (Metric::Duration, &[seconds, seconds * 1.1, seconds * 0.9]),
                    (Metric::MemoryPeak, &[bytes; 3]),
                    (Metric::Throughput, &[throughput; 3]),
                    (Metric::Score("f1".into()), &[0.9 / seconds; 3]),
                ],
            )
        };
        let few = candidate("few", 0, &[(Metric::Duration, &[0.1, 0.1])]);
        let comparison = compare(
            vec![
                made("slow", 3.0, 1e6, 0),
                made("fast", 1.0, 3e6, 1),
                few,
                made("mid", 2.0, 2e6, 3),
            ],
            MIN_OPERATIONS,
        );
        assert_eq!(names(&comparison, Aspect::Speed), ["fast", "mid", "slow"]);
        assert_eq!(names(&comparison, Aspect::Memory), ["slow", "mid", "fast"]);
        assert_eq!(
            names(&comparison, Aspect::Throughput),
            ["fast", "mid", "slow"]
        );
        assert_eq!(
            names(&comparison, Aspect::Reliability),
            ["slow", "fast", "mid"]
        );
        assert_eq!(names(&comparison, Aspect::Quality), ["fast", "mid", "slow"]);
        let seen = |name: &str, operations, failures| Seen {
            name: name.into(),
            operations,
            failures,
        };
        assert_eq!(comparison.left_out, [seen("few", 2, 0)]);
        assert_eq!(
            comparison.compared,
            [seen("fast", 3, 1), seen("mid", 3, 3), seen("slow", 3, 0)]
        );
        let reliability = &comparison.rankings[3].places;
        for (place, expected) in reliability.iter().zip([1.0, 2.0 / 3.0, 0.0]) {
            let interval = place.interval.unwrap();
            assert_eq!(place.value, expected);
            assert!(0.0 <= interval.low && interval.contains(expected) && interval.high <= 1.0);
        }
        // Three by three are too few to say anything of the size of a difference.
        let to_best = comparison.rankings[0].places[2].to_best.unwrap();
        assert!((to_best.estimate.value - 3.0).abs() < 0.5, "{to_best:?}");
        assert!(!to_best.is_significant);
    }

    #[test]
    fn a_difference_is_called_one_only_where_it_is_more_than_chance() {
        let spread = |centre: f64| -> Vec<f64> {
            (0..30)
                .map(|i| centre * (1.0 + f64::from(i % 10) / 10.0))
                .collect()
        };
        let (a, b, c) = (spread(1.0), spread(1.01), spread(2.0));
        let made = |name, values: &[f64]| candidate(name, 0, &[(Metric::Duration, values)]);
        let comparison = compare(vec![made("a", &a), made("b", &b), made("c", &c)], 3);
        let places = &comparison.rankings[0].places;
        assert_eq!(places[0].to_best, None);
        let [same, twice] = [1, 2].map(|place: usize| places[place].to_best.unwrap());
        assert!(
            !same.is_significant && same.estimate.interval.contains(1.0),
            "{same:?}"
        );
        assert!(
            twice.is_significant && (twice.estimate.value - 2.0).abs() < 0.1,
            "{twice:?}"
        );
        assert_eq!((twice.kind, places[2].n), (Kind::Ratio, 30));
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        let score = |values| {
            [
                (Metric::Duration, &[0.0; 3][..]),
                (Metric::Score("loss".into()), values),
            ]
        };
        let made = |name, values| candidate(name, 0, &score(values));
        let comparison = compare(vec![made("b", &[3.0; 3]), made("a", &[5.0; 3])], 3);
        // A score of which nobody knows which way is worse has no best.
        let quality = comparison
            .rankings
            .iter()
            .find(|r| r.aspect == Aspect::Quality)
            .unwrap();
        assert_eq!(quality.worse, None);
        assert!(quality.places.iter().all(|place| place.to_best.is_none()));
        assert_eq!(names(&comparison, Aspect::Quality), ["a", "b"]);
        // There is no ratio to nothing.
        assert_eq!(comparison.rankings[0].places[1].to_best, None);
        assert!(names(&comparison, Aspect::Memory).is_empty());
        let nobody = compare(Vec::new(), 3);
        assert!(nobody.compared.is_empty() && nobody.rankings.is_empty());
    }

    proptest! {
        #[test]
        fn no_order_of_values_and_no_value_makes_a_number_that_is_none(
            a in prop::collection::vec(prop::sample::select(&[0.0, 1e-300, 1.0, 1e300, f64::MAX][..]), 3..8),
            b in prop::collection::vec(0.0..1e9f64, 3..8),
        ) {
            let made = |name, values: &[f64]| candidate(name, 1, &[
                (Metric::Duration, values), (Metric::Score("f1".into()), values),
            ]);
            let comparison = compare(vec![made("a", &a), made("b", &b)], 3);
            let text = format!("{comparison:?}");
            prop_assert!(!text.contains("NaN"), "{}", text);
            for ranking in &comparison.rankings {
                let best_first = ranking.places.is_sorted_by(|x, y| match ranking.worse {
                    Some(Worse::Down) => x.value >= y.value,
                    _ => x.value <= y.value,
                });
                prop_assert!(best_first);
            }
        }
    }
}
