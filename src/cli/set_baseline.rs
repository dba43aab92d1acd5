//! `opwatch set-baseline`: says what a metric is like when all is well.

use std::path::PathBuf;
use std::process::ExitCode;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::baselines::{PATH, not_durable, shown};
use super::server::{Server, refused};
use super::{UNUSABLE, complain, say};
use crate::app::remote::Purpose;
use crate::forms::baselines::{Form, GUIDE, guide_numbers};
use crate::shown::output::Output;

const EXAMPLES: &str = "\
Examples:
  opwatch set-baseline nightly --metric duration --operation train --window '200 runs'
  opwatch set-baseline sla --metric duration --operation detect --value 2.5 --sd 0.2
  opwatch set-baseline --operation detect --execution-time 2.5 --memory-usage 800
  opwatch set-baseline --file nightly.json

Without --value the baseline is what was measured: one for each operation and algorithm that is selected. A rule uses \
it with `baseline: {pinned: nightly}`.

Exit codes: 0 good; 2 wrong use; 3 nothing was measured that could be a baseline; 4 opwatch cannot be reached.";

/// What it says, and of whom.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SetBaseline {
    /// Its name, by which rules refer to it; in the style of the original guide `guide` without one.
    #[arg(value_name = "NAME", required_unless_present_any = ["guide", "file"])]
    name: Option<String>,
    /// Of which metric: duration, memory_peak, …, or a quality score.
    #[arg(long, value_name = "METRIC", required_unless_present_any = ["guide", "file"])]
    metric: Option<String>,
    /// Of this operation.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Of this algorithm.
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// Of the series that this selects, such as '{dataset="large"}'.
    #[arg(long, value_name = "SELECTOR", conflicts_with = "value")]
    select: Option<String>,
    /// Labels that make an instance; without this option operation and algorithm.
    #[arg(
        long,
        value_name = "LABELS",
        value_delimiter = ',',
        conflicts_with = "value"
    )]
    by: Option<Vec<String>>,
    /// How far back, such as '200 runs', 1h or '1h, at least 30 runs'; without this option all runs that are kept.
    #[arg(long, value_name = "WINDOW", conflicts_with = "value")]
    window: Option<String>,
    /// Up to when: RFC 3339, or a time before now such as -1h.
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with = "value"
    )]
    until: Option<String>,
    /// A number instead of what was measured, in the metric's base unit: seconds, bytes, cores, or a ratio.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    value: Option<f64>,
    /// The standard deviation that goes with it.
    #[arg(long, value_name = "NUMBER", requires = "value")]
    sd: Option<f64>,
    /// Baselines from a file, as `opwatch baselines --full -o json` writes them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "metric", "value", "guide", "operation", "algorithm", "select", "by", "window", "until"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    guide: Guide,
    /// How what was set is shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

/// Numbers in the style and the units of the original guide.
#[derive(Debug, clap::Args)]
#[group(id = "guide", multiple = true, conflicts_with_all = ["metric", "value", "sd", "select", "by", "window", "until"])]
struct Guide {
    /// Seconds.
    #[arg(long, value_name = "SECONDS")]
    execution_time: Option<f64>,
    /// MB of 1 048 576 bytes.
    #[arg(long, value_name = "MB", allow_hyphen_values = true)]
    memory_usage: Option<f64>,
    /// Percent of one core.
    #[arg(long, value_name = "PERCENT")]
    cpu_usage: Option<f64>,
    /// Samples per second.
    #[arg(long, value_name = "NUMBER")]
    throughput: Option<f64>,
}

#[derive(Deserialize)]
struct Answer {
    durable: bool,
    baselines: Vec<Form>,
    #[serde(default)]
    without_values: Vec<Map<String, Value>>,
}

impl SetBaseline {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let body = match self.body() {
            Ok(body) => body,
            Err(error) => return complain(UNUSABLE, &error),
        };
        let remote = match self.server.remote(config, Purpose::Change) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let answer = match remote.ask::<Value>(Method::POST, PATH, Some(body)) {
            Ok(answer) => answer,
            Err(error) => return refused(&error),
        };
        if self.output == Output::Json {
            say(&format!("{answer:#}"));
            return ExitCode::SUCCESS;
        }
        match Answer::deserialize(&answer) {
            Ok(answer) => {
                say(&shown(&answer.baselines, self.output));
                if self.output == Output::Table {
                    say(&said(&answer));
                }
                ExitCode::SUCCESS
            }
            Err(error) => refused(&remote.foreign(error)),
        }
    }

    /// What is asked for, as JSON.
    fn body(&self) -> Result<String, String> {
        if let Some(file) = &self.file {
            return std::fs::read_to_string(file)
                .map_err(|error| format!("{}: {error}", file.display()));
        }
        let own = [
            ("operation", &self.operation),
            ("algorithm", &self.algorithm),
        ];
        let own = own
            .into_iter()
            .filter_map(|(label, value)| Some((label, value.as_deref()?)));
        let numbers = [
            self.guide.execution_time,
            self.guide.memory_usage,
            self.guide.cpu_usage,
            self.guide.throughput,
        ];
        let labels: Map<String, Value> = own
            .clone()
            .map(|(label, value)| (label.to_owned(), value.into()))
            .collect();
        if numbers.iter().any(Option::is_some) {
            let name = self.name.as_deref().unwrap_or(GUIDE);
            let one = |(metric, value)| json!({"name": name, "metric": metric, "value": value, "labels": labels});
            let baselines: Vec<Value> = guide_numbers(numbers).map(one).collect();
            return Ok(json!({ "baselines": baselines }).to_string());
        }
        let mut body = json!({"name": self.name, "metric": self.metric});
        let mut put = |field: &str, value: Option<Value>| {
            if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
                body.insert(field.to_owned(), value);
            }
        };
        if let Some(value) = self.value {
            if !value.is_finite() {
                return Err(format!("--value {value}, allowed: a finite number"));
            }
            put("value", Some(value.into()));
            put("sd", self.sd.map(Value::from));
            put("labels", Some(Value::Object(labels)));
            return Ok(body.to_string());
        }
        let mut select: Vec<String> = own
            .map(|(label, value)| format!("{label}={}", quoted(value)))
            .collect();
        if let Some(more) = &self.select {
            let inner = more.trim();
            let inner = inner
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'));
            // One that is none is told so by opwatch, with what is allowed.
            select.push(inner.unwrap_or(more).to_owned());
        }
        select.retain(|matcher| !matcher.trim().is_empty());
        put("select", Some(format!("{{{}}}", select.join(",")).into()));
        put("by", self.by.clone().map(Value::from));
        put("window", self.window.clone().map(Value::from));
        put("until", self.until.clone().map(Value::from));
        Ok(body.to_string())
    }
}

/// A label value between the double quotes of a selector.
fn quoted(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

fn said(answer: &Answer) -> String {
    let n = answer.baselines.len();
    let mut text = format!(
        "{n} {} set{}",
        if n == 1 { "baseline" } else { "baselines" },
        not_durable(answer.durable)
    );
    let without = answer.without_values.len();
    if without > 0 {
        text += &format!("; {without} more were selected, but have no value in that window");
    }
    text
}
