//! Conditions: what a rule asks of its data, and the verdict it gets.

mod absence;
mod detection;
mod doubt;
mod regression;
mod threshold;
mod trend;

use super::metric::{Metric, Stat};
use super::time::Timestamp;
use super::window::Reach;
pub use absence::Absence;
pub use detection::{Change, Detected, Detection, Feature, Finds};
pub use regression::{Against, Amount, Budget, Decision, Found, Lack, Regression};
pub use threshold::{Comparison, Level, Relative, Threshold, Unit};
pub use trend::{Charted, Pace, Reaches, Trend};

/// What a rule asks of its data.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A statistic compared with fixed limits. Over a window of runs its verdict changes only when data comes; over a window
    /// of time also as data leaves the window.
    Threshold(Threshold),
    /// A statistic of a window compared with a baseline. Its verdict changes as that of a threshold, and when a block closes.
    Regression(Regression),
    /// A statistic that gets worse from bucket to bucket. Its verdict changes when a bucket closes, and when a late value
    /// changes a closed one.
    Trend(Trend),
    /// What a detector finds in closed blocks. Its verdict changes when a block closes.
    Detection(Detection),
    /// Nothing has been heard for too long. Its verdict changes with the passing of time alone.
    Absence(Absence),
}

/// The data that a condition needs of each instance.
#[derive(Clone, Debug)]
pub struct Need {
    /// Of which metric.
    pub metric: Metric,
    /// How far back.
    pub reach: Reach,
    /// Which statistic; a quantile needs more to be gathered.
    pub stat: Stat,
}

/// How the data stands to the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no data, or a break in time leaves open what it says.
    NoData,
    /// There is too little data to judge.
    Insufficient,
    /// All is well.
    Holds,
    /// The condition is breached.
    Breached,
}

/// The judgement of one level of one instance, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How the data stands to the condition.
    pub standing: Standing,
    /// The statistic, where it is defined.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: f64,
    /// On how many values it rests.
    pub n: u64,
    /// Whether the window gained data since the last evaluation.
    pub gained: bool,
    /// What a statistical judgement rests on.
    pub evidence: Option<Evidence>,
}

/// What a statistical judgement rests on. What does not apply is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The same statistic of the baseline.
    pub baseline: Option<f64>,
    /// On how many values that rests.
    pub baseline_n: u64,
    /// The relative change, 0.2 for 20 % more.
    pub change: Option<f64>,
    /// The interval in which the change lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
    /// The probability of what was seen where nothing had become worse.
    pub p_value: Option<f64>,
    /// The test statistic that follows from.
    pub statistic: Option<f64>,
    /// As many independent values tell as much as those of the window.
    pub effective_n: Option<f64>,
    /// What a detector found to be different.
    pub feature: Option<Feature>,
    /// When that began: the best estimate.
    pub began: Option<Timestamp>,
    /// The interval in which it began with 95 % confidence, where it is dated.
    pub within: Option<(Timestamp, Timestamp)>,
    /// What a drift adds each day, as a share, and the interval in which that lies with 95 % confidence. The change is then
    /// what it has come to by now.
    pub per_day: Option<(f64, (f64, f64))>,
}

impl Evidence {
    /// With what a detector had found before in the place of what it finds now, if it had found anything. What it is compared
    /// with and how rare that is are those of now.
    pub fn with_found(self, before: Option<Self>) -> Self {
        let before = before.filter(|before| before.feature.is_some());
        before.map_or(self, |before| Self {
            baseline: self.baseline,
            baseline_n: self.baseline_n,
            statistic: self.statistic,
            ..before
        })
    }

    /// What a drift adds each day, in words, `+3.1 % a day (95 %: +2.6 % to +3.5 %)`; nothing where there is none.
    pub fn per_day_text(&self) -> String {
        let Some((best, (low, high))) = self.per_day else {
            return String::new();
        };
        let (best, low, high) = (percent(best), percent(low), percent(high));
        format!("{best} a day (95 %: {low} to {high})")
    }

    /// The interval of the change in words, `+12 % to +31 %`; nothing where there is none.
    pub fn interval_text(&self) -> String {
        let Some((low, high)) = self.interval else {
            return String::new();
        };
        format!("{} to {}", percent(low), percent(high))
    }

    /// Between which two moments it began, in words; nothing where it is not dated.
    pub fn within_text(&self) -> String {
        self.within
            .map_or_else(String::new, |(from, to)| format!("{from} to {to}"))
    }
}

/// A relative change in words: 0.2 is `+20 %`.
pub fn percent(change: f64) -> String {
    let percent = change * 100.0;
    if percent.abs() >= 10.0 {
        format!("{percent:+.0} %")
    } else {
        format!("{percent:+.1} %")
    }
}

impl Condition {
    /// The data it needs; `None` where all it asks is when an instance was last seen.
    pub fn need(&self) -> Option<Need> {
        match self {
            Self::Threshold(threshold) => Some(Need {
                metric: threshold.metric.clone(),
                reach: threshold.reach,
                stat: threshold.stat,
            }),
            Self::Regression(regression) => Some(Need {
                metric: regression.metric.clone(),
                reach: regression.reach,
                stat: regression.stat,
            }),
            Self::Trend(trend) => Some(Need {
                metric: trend.metric.clone(),
                reach: Reach::Time(trend.frame.window()),
                stat: trend.stat,
            }),
            // Its detector takes block by block.
            Self::Detection(_) | Self::Absence(_) => None,
        }
    }

    /// The names of the metric and the statistic that its value is, for people; a statistic may have none.
    pub fn measured(&self) -> (String, String) {
        match self {
            Self::Threshold(threshold) => {
                (threshold.metric.to_string(), threshold.stat.to_string())
            }
            Self::Regression(regression) => {
                (regression.metric.to_string(), regression.stat.to_string())
            }
            Self::Trend(trend) => (trend.metric.to_string(), trend.stat.to_string()),
            Self::Detection(detection) => {
                (detection.metric.to_string(), detection.stat.to_string())
            }
            Self::Absence(_) => ("absence".to_owned(), String::new()),
        }
    }

    /// What its value is a share or an amount of a day, where it is a slope.
    pub fn pace(&self) -> Option<Pace> {
        match self {
            Self::Trend(trend) => Some(trend.pace),
            Self::Threshold(_) | Self::Regression(_) | Self::Detection(_) | Self::Absence(_) => {
                None
            }
        }
    }

    /// The baseline that it is judged against, if any.
    pub fn against(&self) -> Option<&Against> {
        match self {
            Self::Threshold(threshold) => threshold.relative.as_ref().map(|one| &one.against),
            Self::Regression(regression) => Some(&regression.against),
            Self::Trend(_) | Self::Detection(_) | Self::Absence(_) => None,
        }
    }

    /// Its levels, mildest first.
    pub fn levels(&self) -> &[Level] {
        match self {
            Self::Threshold(threshold) => &threshold.levels,
            Self::Regression(regression) => &regression.levels,
            Self::Trend(trend) => &trend.levels,
            Self::Detection(detection) => &detection.levels,
            Self::Absence(absence) => &absence.levels,
        }
    }

    /// The value at which a level begins, as far as it is known before there is a verdict: that of a multiple of a baseline,
    /// of a regression or of a trend depends on what is measured.
    pub fn limit_before(&self, level: &Level) -> Option<f64> {
        match self {
            Self::Threshold(threshold) => threshold.relative.is_none().then_some(level.limit),
            Self::Absence(_) => Some(level.limit),
            Self::Regression(_) | Self::Trend(_) | Self::Detection(_) => None,
        }
    }

    /// The kind of alert it raises, as design and webhooks name it.
    pub fn alert_type(&self) -> &'static str {
        match self {
            Self::Threshold(_) => "threshold_exceeded",
            Self::Regression(_) | Self::Trend(_) => "degradation",
            Self::Detection(detection) => match detection.finds {
                Finds::Anomalies(_) => "anomaly_detected",
                Finds::Changes(_) => "degradation",
            },
            Self::Absence(_) => "absence",
        }
    }
}
