//! `opwatch trends`: what gets better or worse, as a running opwatch sees it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use super::server::{Server, refused};
use super::{NO_DATA, complain, say};
use crate::app::remote::{Purpose, with_query};
use crate::shown::columns;
use crate::shown::output::Output;

/// Where a running opwatch tells of trends.
const PATH: &str = "/api/v1/trends";

const EXAMPLES: &str = "\
Examples:
  opwatch trends
  opwatch trends --operation detect --metric accuracy --stat mean --window 30d --bucket 1d
  opwatch trends --reaches 10s --output json

Slopes are per day. `stable` says that there is no evidence of a trend.

Exit codes: 0 there are trends to tell of; 2 wrong use; 3 no data; 4 the server cannot be reached.";

/// Which trends.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Trends {
    #[command(flatten)]
    server: Server,
    /// Only of this operation.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only of this algorithm.
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// What was measured, or the name of a quality score.
    #[arg(long, value_name = "NAME", default_value = "duration")]
    metric: String,
    /// Which statistic of each bucket; by default the median, where the metric is none itself.
    #[arg(long, value_name = "NAME")]
    stat: Option<String>,
    /// How far back.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    window: String,
    /// How long each bucket is.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    bucket: String,
    /// So many independent buckets it takes to tell.
    #[arg(long, value_name = "N")]
    min_samples: Option<u64>,
    /// Also when this value is reached.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    reaches: Option<String>,
    /// table, json or csv.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trend {
    operation: String,
    algorithm: String,
    metric: String,
    stat: String,
    direction: String,
    buckets: u64,
    samples: u64,
    slope_per_day: Option<f64>,
    slope_interval: Option<[Option<f64>; 2]>,
    relative_per_day: Option<f64>,
    change: Option<f64>,
    change_ratio: Option<f64>,
    p_value: Option<f64>,
    effective_buckets: Option<f64>,
    forecast: Option<Forecast>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Forecast {
    after_seconds: f64,
}

impl Trends {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.try_run(config) {
            Ok(code) | Err(code) => code,
        }
    }

    fn try_run(&self, config: Option<PathBuf>) -> Result<ExitCode, ExitCode> {
        let remote = self.server.remote(config, Purpose::Read)?;
        let data: Vec<Value> =
            (remote.get(&with_query(PATH, self.query()))).map_err(|error| refused(&error))?;
        if data.is_empty() {
            return Err(complain(
                NO_DATA,
                "nothing has been measured that was asked for",
            ));
        }
        if self.output == Output::Json {
            // A reader that has gone away has what it wanted.
            say(&serde_json::to_string_pretty(&data).unwrap_or_default());
            return Ok(ExitCode::SUCCESS);
        }
        let trends = data.into_iter().map(serde_json::from_value);
        let trends: Vec<Trend> = trends
            .collect::<Result<_, _>>()
            .map_err(|error| refused(&remote.foreign(error)))?;
        match self.output {
            Output::Csv => say(&csv(&trends)),
            _ => say(&table(&trends)),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        let least = self.min_samples.map(|least| least.to_string());
        let pairs = [
            ("operation", self.operation.clone()),
            ("algorithm", self.algorithm.clone()),
            ("metric", Some(self.metric.clone())),
            ("stat", self.stat.clone()),
            ("window", Some(self.window.clone())),
            ("bucket", Some(self.bucket.clone())),
            ("min_samples", least),
            ("reaches", self.reaches.clone()),
        ];
        let pairs = pairs.into_iter();
        pairs.filter_map(|(name, value)| Some((name, value?)))
    }
}

fn table(trends: &[Trend]) -> String {
    let none = || "-".to_owned();
    let number = |value: Option<f64>| value.map_or_else(none, |v| format!("{v:.4}"));
    let percent = |value: Option<f64>| value.map_or_else(none, |v| format!("{:+.2} %", v * 100.0));
    let rows = trends.iter().map(|trend| {
        let forecast = trend.forecast.as_ref();
        [
            trend.operation.clone(),
            trend.algorithm.clone(),
            trend.direction.clone(),
            number(trend.slope_per_day),
            percent(trend.relative_per_day),
            number(trend.change),
            percent(trend.change_ratio),
            trend.buckets.to_string(),
            trend.p_value.map_or_else(none, |p| format!("{p:.2e}")),
            forecast.map_or_else(none, |f| format!("{:.1} d", f.after_seconds / 86_400.0)),
        ]
    });
    let names = [
        "OPERATION",
        "ALGORITHM",
        "TREND",
        "PER DAY",
        "",
        "CHANGE",
        "",
        "BUCKETS",
        "P",
        "REACHED IN",
    ];
    columns::table(names, rows.collect())
}

fn csv(trends: &[Trend]) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let rows = trends.iter().map(|trend| {
        let [low, high] = trend.slope_interval.unwrap_or_default();
        let forecast = trend.forecast.as_ref();
        [
            trend.operation.clone(),
            trend.algorithm.clone(),
            trend.metric.clone(),
            trend.stat.clone(),
            trend.direction.clone(),
            trend.buckets.to_string(),
            trend.samples.to_string(),
            number(trend.slope_per_day),
            number(low),
            number(high),
            number(trend.relative_per_day),
            number(trend.change),
            number(trend.change_ratio),
            number(trend.p_value),
            number(trend.effective_buckets),
            number(forecast.map(|forecast| forecast.after_seconds)),
        ]
    });
    let names = [
        "operation",
        "algorithm",
        "metric",
        "stat",
        "direction",
        "buckets",
        "samples",
        "slope_per_day",
        "slope_low",
        "slope_high",
        "relative_per_day",
        "change",
        "change_ratio",
        "p_value",
        "effective_buckets",
        "reached_in_seconds",
    ];
    columns::csv(names, rows.collect())
}
