//! A comparison as it is answered, and read back on the command line.

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use crate::engine::comparison::{Aspect, Comparison, Difference, LEVEL, Place, Ranking, Seen};
use crate::engine::metric::Worse;
use crate::engine::stats::Interval;
use crate::engine::window::Reach;
use crate::rulefile::window_text;

/// A comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonBody {
    /// Of which operation.
    pub operation: String,
    /// `algorithm` or `version`.
    pub by: String,
    /// How far back: `1h`, or `50 runs` of each.
    pub window: String,
    /// Who has fewer operations is left out.
    pub min_operations: u64,
    /// The confidence of the intervals.
    pub level: f64,
    /// Who is compared.
    pub compared: Vec<SeenBody>,
    /// Who is left out.
    pub left_out: Vec<SeenBody>,
    /// One for each aspect.
    pub rankings: Vec<RankingBody>,
}

/// How often somebody was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBody {
    /// The name.
    pub name: String,
    /// Operations.
    pub operations: u64,
    /// Those that failed.
    pub failures: u64,
}

/// One aspect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingBody {
    /// `speed`, `memory`, `throughput`, `reliability` or `quality`.
    pub aspect: String,
    /// The metric that shows it; `success_ratio` of reliability.
    pub metric: String,
    /// What is shown of the metric.
    pub stat: String,
    /// Its unit; `null` of plain numbers.
    pub unit: Option<String>,
    /// `lower` or `higher`; `null` where nobody knows.
    pub better: Option<String>,
    /// Best first.
    pub places: Vec<PlaceBody>,
}

/// Somebody in a ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceBody {
    /// From 1; `null` where nobody is better than another.
    pub rank: Option<usize>,
    /// The name.
    pub name: String,
    /// The number of values.
    pub n: u64,
    /// The statistic.
    pub value: f64,
    /// The ends of its interval; of a share only.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How it differs from the best.
    pub to_best: Option<DifferenceBody>,
}

/// How two differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceBody {
    /// `ratio` or `difference`.
    pub kind: String,
    /// The estimate.
    pub value: f64,
    /// The lower end of its interval; `null` where the values are too few for one.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// Whether the interval leaves no difference out.
    pub significant: bool,
}

impl ComparisonBody {
    /// The comparison that was asked for.
    pub fn new(asked: &Asked, reach: Reach, comparison: &Comparison) -> Self {
        Self {
            operation: asked.operation.clone(),
            by: asked.by.label().to_owned(),
            window: window_text(reach),
            min_operations: asked.min_operations,
            level: LEVEL,
            compared: comparison.compared.iter().map(SeenBody::of).collect(),
            left_out: comparison.left_out.iter().map(SeenBody::of).collect(),
            rankings: comparison.rankings.iter().map(RankingBody::of).collect(),
        }
    }
}

impl SeenBody {
    fn of(seen: &Seen) -> Self {
        Self {
            name: seen.name.clone(),
            operations: seen.operations,
            failures: seen.failures,
        }
    }
}

impl RankingBody {
    fn of(ranking: &Ranking) -> Self {
        let better = ranking.worse.map(|worse| match worse {
            Worse::Up => "lower",
            Worse::Down => "higher",
        });
        let place = |(rank, place)| PlaceBody::of(better.map(|_| rank), place);
        Self {
            aspect: ranking.aspect.as_str().to_owned(),
            metric: match ranking.aspect {
                Aspect::Reliability => "success_ratio".to_owned(),
                _ => ranking.metric.to_string(),
            },
            stat: match ranking.stat.to_string().as_str() {
                "p50" => "median".to_owned(),
                stat => stat.to_owned(),
            },
            unit: ranking.metric.unit().name().map(str::to_owned),
            better: better.map(str::to_owned),
            places: (1..).zip(&ranking.places).map(place).collect(),
        }
    }
}

impl PlaceBody {
    fn of(rank: Option<usize>, place: &Place) -> Self {
        let (low, high) = place.interval.map_or((None, None), ends);
        Self {
            rank,
            name: place.name.clone(),
            n: place.n,
            value: place.value,
            low,
            high,
            to_best: place.to_best.as_ref().map(DifferenceBody::of),
        }
    }
}

impl DifferenceBody {
    fn of(difference: &Difference) -> Self {
        let (low, high) = match ends(difference.estimate.interval) {
            // Of a ratio the lower end of no interval is 0.
            (_, None) => (None, None),
            ends => ends,
        };
        Self {
            kind: difference.kind.as_str().to_owned(),
            value: difference.estimate.value,
            low,
            high,
            significant: difference.is_significant,
        }
    }
}

/// What JSON has no number for is `null`.
fn ends(interval: Interval) -> (Option<f64>, Option<f64>) {
    let finite = |end: f64| Some(end).filter(|end| end.is_finite());
    (finite(interval.low), finite(interval.high))
}
