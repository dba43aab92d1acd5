//! What is asked for when a baseline is to be set: a number, what was measured, or a whole baseline from elsewhere.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Form;
use crate::engine::baselines::{Wanted, WantedContent};
use crate::engine::selector::Selector;
use crate::engine::series::{FieldFault, is_label_name};
use crate::engine::time::Timestamp;
use crate::engine::window::Reach;
use crate::export::moment;
use crate::ingest::json::explain_with;
use crate::rulefile::read_window;

/// Baselines that may be asked for at once.
const MAX_AT_ONCE: usize = 10_000;
/// Labels that may make an instance.
const MAX_BY: usize = 16;

/// What has to be known to read what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The time.
    pub now: Timestamp,
    /// How long data are kept.
    pub retention: Duration,
    /// How many runs are kept of each series.
    pub max_history: usize,
}

/// What is wrong with what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", .index.map(|index| format!("baseline {index}: ")).unwrap_or_default(), said(.fault))]
pub struct Fault {
    /// Which of several it is, from 0.
    pub index: Option<usize>,
    /// The field and what is wrong with it.
    pub fault: FieldFault,
}

fn said(fault: &FieldFault) -> String {
    match fault.field.as_str() {
        "" => fault.reason.clone(),
        field => format!("field `{field}`: {}", fault.reason),
    }
}

/// What may stand around several baselines: the answer that lists them, or the file that keeps them. What it says beside
/// them does not matter here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    baselines: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "status")]
    _status: Option<&'a RawValue>,
    #[serde(borrow, rename = "format")]
    _format: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Reads one wish, or several in `baselines`, as they are listed.
///
/// # Errors
/// What is wrong with the first that is wrong.
pub fn read(text: &str, around: Surroundings) -> Result<Vec<Wanted>, Fault> {
    let outer = Envelope::of(text);
    let text = (outer.as_ref().and_then(|outer| outer.data)).map_or(text, RawValue::get);
    let inner = Envelope::of(text).and_then(|inner| inner.baselines);
    let Some(baselines) = inner else {
        let wanted = one(text, around).map_err(|fault| Fault { index: None, fault })?;
        return Ok(vec![wanted]);
    };
    if !(1..=MAX_AT_ONCE).contains(&baselines.len()) {
        let n = baselines.len();
        let why = format!("{n} of them, allowed: 1 to {MAX_AT_ONCE}");
        let fault = FieldFault::new("baselines", why);
        return Err(Fault { index: None, fault });
    }
    let read = |(index, text): (usize, &&RawValue)| {
        one(text.get(), around).map_err(|fault| Fault {
            index: Some(index),
            fault,
        })
    };
    baselines.iter().enumerate().map(read).collect()
}

fn one(text: &str, around: Surroundings) -> Result<Wanted, FieldFault> {
    let form: Form = serde_json::from_str(text).map_err(|_| {
        explain_with(text, |json| {
            serde_path_to_error::deserialize::<_, Form>(json).map(drop)
        })
    })?;
    wanted(&form, around)
}

/// What a form asks for.
///
/// # Errors
/// The first field that is wrong.
pub fn wanted(form: &Form, around: Surroundings) -> Result<Wanted, FieldFault> {
    let (name, metric) = form.subject()?;
    let content = if form.value.is_some() || form.values.is_some() {
        form.asks_for_nothing()?;
        let labels = form.owner()?;
        match form.value {
            Some(value) => {
                form.lacks(
                    &[("values", form.values.is_some())],
                    "given beside `value`, allowed: one of the two",
                )?;
                let content = form.number(value, &metric)?;
                WantedContent::Given { labels, content }
            }
            None => WantedContent::Given {
                labels,
                content: form.carried(&metric, Some(around.now))?,
            },
        }
    } else {
        form.lacks(
            &[
                ("n", form.n.is_some()),
                ("mean", form.mean.is_some()),
                ("counts", form.counts.is_some()),
                ("blocks", form.blocks.is_some()),
            ],
            "given without `values`: a baseline that was measured elsewhere travels whole, allowed: what GET /api/v1/baselines?full=true gives",
        )?;
        form.lacks(
            &[
                ("labels", !form.labels.is_empty()),
                ("sd", form.sd.is_some()),
            ],
            "goes with a number, allowed: with `value`; what is measured is chosen by `select` and `by`",
        )?;
        form.to_measure(around)?
    };
    Ok(Wanted {
        name,
        metric,
        content,
    })
}

impl Form {
    fn to_measure(&self, around: Surroundings) -> Result<WantedContent, FieldFault> {
        let fault = |field: &str, why: String| FieldFault::new(field, why);
        let select = match self.select.as_deref() {
            None | Some("") => Selector::default(),
            Some(text) => {
                let allowed = "allowed: a selector such as {operation=\"train\"}";
                Selector::parse(text)
                    .map_err(|error| fault("select", format!("{error}, {allowed}")))?
            }
        };
        let by = match &self.by {
            None => vec!["operation".to_owned(), "algorithm".to_owned()],
            Some(by) => by.clone(),
        };
        let is_good = |name: &&String| is_label_name(name);
        if let Some(bad) = by.iter().find(|name| !is_good(name)) {
            let shown: String = bad.chars().take(60).collect();
            return Err(fault(
                "by",
                format!("{shown:?} is no label name, allowed: letters, digits and `_`"),
            ));
        }
        if by.len() > MAX_BY {
            let n = by.len();
            return Err(fault(
                "by",
                format!("{n} labels, allowed: at most {MAX_BY}"),
            ));
        }
        let reach = match self.window.as_deref() {
            None => Reach::Runs(u32::try_from(around.max_history).unwrap_or(u32::MAX)),
            Some(text) => {
                read_window(text, around.retention).map_err(|why| fault("window", why))?
            }
        };
        let until = self.until.as_deref().map(|text| {
            let until =
                moment(text, around.now).map_err(|error| fault("until", error.to_string()))?;
            if until > around.now {
                let why = format!("{until} lies in the future, allowed: at most now");
                return Err(fault("until", why));
            }
            Ok(until)
        });
        Ok(WantedContent::Measured {
            select,
            by,
            reach,
            until: until.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metric::Metric;

    const NOW: i64 = 1_800_000_000_000;

    fn around() -> Surroundings {
        Surroundings {
            now: Timestamp::from_millis(NOW),
            retention: Duration::from_secs(30 * 24 * 3_600),
            max_history: 1_000,
        }
    }

    #[test]
    fn what_is_asked_for_is_read_with_its_defaults() {
        let text = r#"{"name":"nightly","metric":"duration"}"#;
        let wanted = read(text, around()).unwrap();
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[0].metric, Metric::Duration);
        match &wanted[0].content {
            WantedContent::Measured {
                by, reach, until, ..
            } => {
                assert_eq!(by, &["operation", "algorithm"]);
                assert_eq!(*reach, Reach::Runs(1_000));
                assert_eq!(*until, None);
            }
            WantedContent::Given { .. } => panic!("{wanted:?}"),
        }
    }

    #[test]
    fn a_fault_names_its_field_the_value_and_what_is_allowed() {
        for (text, expected) in [
            (
                r#"{"metric":"duration"}"#,
                "field `name`: is missing, allowed: 1 to 200 characters without control characters",
            ),
            (
                r#"{"name":"a"}"#,
                "field `metric`: is missing, allowed: a metric such as duration or memory_peak, or a quality score",
            ),
            (
                r#"{"name":"a","metric":"duration","value":-1}"#,
                "field `value`: -1 is no `duration`, allowed: 0 or more",
            ),
            (
                r#"{"name":"a","metric":"error_ratio","value":2}"#,
                "field `value`: 2 is no `error_ratio`, allowed: 0 to 1",
            ),
            (
                r#"{"name":"a","metric":"duration","value":1,"sd":-2}"#,
                "field `sd`: -2, allowed: 0 or more",
            ),
            (
                r#"{"name":"a","metric":"duration","value":1,"window":"1h"}"#,
                "field `window`: says what to measure, but a value is given, allowed: one of the two",
            ),
            (
                r#"{"name":"a","metric":"rate","value":1}"#,
                "field `metric`: `rate` has no values that could be compared one by one, allowed: error_ratio, or a metric that each operation has",
            ),
            (
                r#"{"name":"a","metric":"duration","labels":{"operation":"x"}}"#,
                "field `labels`: goes with a number, allowed: with `value`; what is measured is chosen by `select` and `by`",
            ),
            (
                r#"{"name":"a","metric":"duration","widnow":"1h"}"#,
                "field `widnow`: is not a known field; did you mean `window`?",
            ),
            (
                r#"{"baselines":[]}"#,
                "field `baselines`: 0 of them, allowed: 1 to 10000",
            ),
            (
                r#"{"baselines":[{"name":"a","metric":"duration","value":1},{}]}"#,
                "baseline 1: field `name`: is missing, allowed: 1 to 200 characters without control characters",
            ),
        ] {
            let fault = read(text, around()).unwrap_err();
            assert_eq!(fault.to_string(), expected, "{text}");
        }
        for (text, expected) in [
            (
                r#"{"name":"a","metric":"duration","window":"1 parsec"}"#,
                "field `window`: invalid window \"1 parsec\", allowed: a time",
            ),
            (
                r#"{"name":"a","metric":"duration","window":"90d"}"#,
                "field `window`: window 90d is out of range, allowed: above 0 and at most 4w2d",
            ),
            (
                r#"{"name":"a","metric":"duration","select":"{operation"}"#,
                "field `select`: cannot read selector",
            ),
            (
                r#"{"name":"a","metric":"duration","by":["a-b"]}"#,
                "field `by`: \"a-b\" is no label name",
            ),
            (
                r#"{"name":"a","metric":"duration","until":"2090-01-01T00:00:00Z"}"#,
                "field `until`: 2090",
            ),
            (
                r#"{"name":"a","metric":"duration","value":NaN}"#,
                "field `value`: ",
            ),
            (r#"{"name":"a","metric":"duration","value":1e999}"#, ""),
            (
                r#"{"name":"a","name":"b","metric":"duration"}"#,
                "duplicate field `name`",
            ),
            (
                r#"{"name":"a","metric":"duration","n":10,"mean":1}"#,
                "field `n`: given without `values`",
            ),
            ("[1]", ""),
            ("", ""),
        ] {
            let fault = read(text, around()).unwrap_err().to_string();
            assert!(fault.starts_with(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn a_whole_baseline_from_elsewhere_is_checked() {
        let good = r#"{"name":"a","metric":"duration","labels":{"operation":"x"},"version":3,"set_at":"2026-01-01T00:00:00Z",
            "from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","n":3,"mean":2,"sd":1,"min":1,"max":3,"median":2,"p95":3,"p99":3,
            "values":[1,2,3],"counts":[1,1,1],"scale":{"is_log":true,"center":0.69,"spread":0.5},"blocks":[{"mean":-1,"n":1},{"mean":0,"n":2}]}"#;
        assert!(matches!(
            read(good, around()).unwrap()[0].content,
            WantedContent::Given { .. }
        ));
        for (from, to, expected) in [
            (r#""n":3"#, r#""n":0"#, "field `n`: 0"),
            (
                r#""mean":2,"#,
                r#""mean":9,"#,
                "field `mean`: 9 with min 1 and max 3",
            ),
            ("[1,2,3]", "[-1,2,3]", "field `values`: -1 is no `duration`"),
            ("[1,1,1]", "[1,1]", "field `counts`: 2 of them for 3 values"),
            (
                r#""spread":0.5"#,
                r#""spread":0"#,
                "field `scale`: or blocks",
            ),
            ("2026-01-02", "2126-01-02", "field `to`: 2126"),
            (r#""sd":1"#, r#""sd":-1"#, "field `sd`: -1"),
            (
                r#""blocks""#,
                r#""select":"{}","blocks""#,
                "field `select`: says what",
            ),
        ] {
            let fault = read(&good.replace(from, to), around()).unwrap_err();
            assert!(fault.to_string().starts_with(expected), "{fault}");
        }
    }
}
