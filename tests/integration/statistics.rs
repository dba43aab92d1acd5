//! The statistics of the engine beside those of SciPy: random samples of many kinds, the same in every run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use opwatch::engine::stats::dependence::{autocorrelation, dependence};
use opwatch::engine::stats::means::{Mean, ratio, welch};
use opwatch::engine::stats::proportion::{Proportion, newcombe, wilson};
use opwatch::engine::stats::rank::{hodges_lehmann, mann_whitney};
use opwatch::engine::stats::robust::{huber, median_and_deviation, quantile_interval};
use opwatch::engine::stats::trend::{
    Correction, MannKendall, line, mann_kendall, mann_kendall_dependent, theil_sen,
};
use opwatch::engine::stats::{Counted, Estimate, Moments, normal, student};
use serde_json::Value;

use crate::peers::missing;

/// What two right answers may differ by, as a share of the larger one.
const RELATIVE: f64 = 1e-9;

/// The cases of `tests/peers/statistics_oracle.py`; `None` where SciPy is not installed.
fn ask_scipy() -> Option<Vec<Value>> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = Command::new(&python).args(["-c", "import scipy"]).output();
    if !import.is_ok_and(|output| output.status.success()) {
        return missing("scipy of Python", "tests/run installs it");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/statistics_oracle.py");
    let output = Command::new(python).arg(script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Numbers out of a case, by their names.
struct Case<'a>(&'a Value);

impl Case<'_> {
    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap()
    }

    fn whole(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap()
    }

    fn list(&self, name: &str) -> Vec<f64> {
        let values = self.0[name].as_array().unwrap();
        values.iter().map(|v| v.as_f64().unwrap()).collect()
    }

    fn counted(&self, name: &str) -> Counted {
        Counted::of(&self.list(name)).unwrap()
    }

    fn bins(&self, values: &str, counts: &str) -> Counted {
        let counts = self.0[counts].as_array().unwrap();
        let counts = counts.iter().map(|n| n.as_u64().unwrap());
        Counted::from_pairs(self.list(values).into_iter().zip(counts)).unwrap()
    }

    fn mean(&self, name: &str) -> Option<Mean> {
        Mean::of(&Moments::of(&self.list(name), &[]))
    }
}

type Answer = Option<Vec<Option<f64>>>;

fn some<const N: usize>(numbers: [f64; N]) -> Vec<Option<f64>> {
    numbers.map(Some).to_vec()
}

fn estimate(found: Estimate) -> Vec<Option<f64>> {
    some([found.value, found.interval.low, found.interval.high])
}

fn kendall(found: MannKendall) -> Vec<Option<f64>> {
    let mut answer = some([found.s, found.variance, found.inflation, found.z, found.p]);
    answer.push(found.tau);
    answer
}

fn answer(case: &Case<'_>) -> Answer {
    let level = || case.number("level");
    Some(match case.0["of"].as_str().unwrap() {
        "normal" => {
            let z = case.number("z");
            vec![normal::cdf(z), normal::survival(z)]
        }
        "normal_quantile" => vec![normal::quantile(case.number("p"))],
        "student" => vec![student::survival(case.number("t"), case.number("freedom"))],
        "student_quantile" => vec![student::quantile(case.number("p"), case.number("freedom"))],
        "mann_whitney" => {
            let found = mann_whitney(&case.counted("a"), &case.counted("b"))?;
            some([found.u, found.p])
        }
        "hodges_lehmann" => estimate(hodges_lehmann(
            &case.counted("a"),
            &case.counted("b"),
            level(),
        )?),
        "counted" => {
            let (a, b) = (case.bins("a", "of_a"), case.bins("b", "of_b"));
            let test = mann_whitney(&a, &b)?;
            let mut answer = some([test.u, test.p]);
            answer.extend(estimate(hodges_lehmann(&a, &b, 0.95)?));
            answer.extend([a.quantile(0.9), a.mean()]);
            answer
        }
        "mann_kendall" => kendall(mann_kendall(&case.list("y"))?),
        "mann_kendall_dependent" => {
            let lags = case.0["lags"].as_u64();
            let correction = lags.map_or(Correction::FirstOrder, |lags| {
                Correction::Significant(usize::try_from(lags).unwrap())
            });
            let (x, y) = (case.list("x"), case.list("y"));
            kendall(mann_kendall_dependent(&x, &y, correction)?)
        }
        "theil_sen" => {
            let found = theil_sen(&case.list("x"), &case.list("y"), level(), 1.0)?;
            let interval = found.slope.interval;
            some([
                found.slope.value,
                found.intercept,
                interval.low,
                interval.high,
            ])
        }
        "line" => {
            let found = line(&case.list("x"), &case.list("y"))?;
            let mut answer = some([found.slope, found.intercept]);
            answer.extend([found.r_squared, found.slope_error]);
            answer
        }
        "deviation" => {
            let (median, deviation) = median_and_deviation(&case.list("values"))?;
            some([median, deviation])
        }
        "huber" => {
            let found = huber(&case.list("values"), case.number("k"))?;
            vec![Some(found.value), found.standard_error]
        }
        "quantile_interval" => estimate(quantile_interval(
            &case.counted("values"),
            case.number("q"),
            level(),
        )?),
        "dependence" => {
            let found = dependence(&case.list("values"))?;
            some([
                found.persistence,
                found.inflation,
                found.effective,
                found.variance_factor,
            ])
        }
        "autocorrelation" => {
            let lag = usize::try_from(case.whole("lag")).unwrap();
            vec![Some(autocorrelation(&case.list("values"), lag)?)]
        }
        "welch" => {
            let found = welch(&case.mean("a")?, &case.mean("b")?, level())?;
            let mut answer = estimate(found.difference);
            answer.extend(some([found.t, found.freedom, found.p]));
            answer
        }
        "ratio" => estimate(ratio(&case.mean("a")?, &case.mean("b")?, level())?),
        "wilson" => estimate(wilson(proportion(case, "hits", "n"), level())?),
        "newcombe" => estimate(newcombe(
            proportion(case, "hits", "n"),
            proportion(case, "others", "m"),
            level(),
        )?),
        other => panic!("{other}"),
    })
}

fn proportion(case: &Case<'_>, successes: &str, n: &str) -> Proportion {
    Proportion {
        successes: case.whole(successes),
        n: case.whole(n),
    }
}

fn expected(case: &Value) -> Answer {
    let numbers = case["expected"].as_array()?.iter();
    let number = |value: &Value| match value {
        Value::String(infinite) => infinite.parse().ok(),
        other => other.as_f64(),
    };
    Some(numbers.map(number).collect())
}

/// What rounding of sums may leave in a result that should be 0, given its inputs.
fn floor(case: &Value) -> f64 {
    let of = |name: &str| {
        let values = case[name].as_array().into_iter().flatten();
        values.filter_map(Value::as_f64).map(f64::abs)
    };
    let largest = ["a", "b", "y", "values"].into_iter().flat_map(of);
    1e-15 * largest.fold(1.0, f64::max)
}

fn close(found: f64, wanted: f64, floor: f64) -> bool {
    found == wanted || (found - wanted).abs() <= RELATIVE * found.abs().max(wanted.abs()) + floor
}

#[test]
fn statistics_are_those_of_scipy() {
    let Some(cases) = ask_scipy() else {
        return;
    };
    let mut faults = Vec::new();
    let mut seen = BTreeMap::<&str, usize>::new();
    for case in &cases {
        let (found, wanted, floor) = (answer(&Case(case)), expected(case), floor(case));
        let same = match (&found, &wanted) {
            (Some(found), Some(wanted)) => {
                found.len() == wanted.len()
                    && found.iter().zip(wanted).all(|pair| match pair {
                        (Some(found), Some(wanted)) => close(*found, *wanted, floor),
                        (found, wanted) => found == wanted,
                    })
            }
            (found, wanted) => found == wanted,
        };
        if !same {
            let text = case.to_string();
            let input = text.get(..400).unwrap_or(&text);
            faults.push(format!("{found:?}\nnot {wanted:?}\nof {input}"));
        }
        *seen.entry(case["of"].as_str().unwrap()).or_default() += 1;
    }
    println!("{seen:?}");
    let first: Vec<&str> = faults.iter().take(12).map(String::as_str).collect();
    assert!(
        faults.is_empty(),
        "{} of {} cases:\n{}",
        faults.len(),
        cases.len(),
        first.join("\n\n")
    );
}
