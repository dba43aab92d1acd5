//! Single looks: how often a window is taken for worse although nothing has changed, and how often a change is seen.

use opwatch::engine::cohort::{Cohort, Course};
use opwatch::engine::contrast::{Contrast, Feature, compare};

use crate::noise::Runs;

/// The probability at which a closed block is decided.
const P: f64 = 1e-3;
/// The change that a rule asks for.
const WORSE_BY: f64 = 0.1;
/// Independent values on either side.
const LEAST: f64 = 10.0;

/// Prints a table over noise and sizes.
pub fn print(trials: u64) {
    for feature in [Feature::Median, Feature::Mean, Feature::Quantile(0.95)] {
        println!("### {feature:?}\n");
        println!(
            "| noise | window / baseline | false alarms | too few | +20 % seen | 95 % interval holds the truth |\n|---|---|---|---|---|---|"
        );
        for (name, sd, rho, slow) in [
            ("sd 0.3", 0.3, 0.0, 0.0),
            ("sd 0.5", 0.5, 0.0, 0.0),
            ("sd 1.0", 1.0, 0.0, 0.0),
            ("sd 0.3, autocorrelated 0.5", 0.3, 0.5, 0.0),
            ("sd 0.3, autocorrelated 0.8", 0.3, 0.8, 0.0),
            ("sd 1.0, autocorrelated 0.8", 1.0, 0.8, 0.0),
            ("sd 0.3, autocorrelated 0.95", 0.3, 0.95, 0.0),
            ("sd 0.3, 1 % of runs 20 × slower", 0.3, 0.0, 0.01),
        ] {
            for (n, m) in [
                (10, 200),
                (30, 200),
                (100, 200),
                (100, 1_000),
                (1_000, 1_000),
            ] {
                let trials = if n == 1_000 { trials / 5 } else { trials };
                print_row(feature, name, (n, m), trials, |seed| {
                    Runs::new(seed, sd, rho, slow)
                });
            }
        }
        println!();
    }
}

fn print_row(
    feature: Feature,
    name: &str,
    (n, m): (usize, usize),
    trials: u64,
    noise: impl Fn(u64) -> Runs,
) {
    let (mut alarms, mut few, mut seen, mut covered) = (0_u64, 0_u64, 0_u64, 0_u64);
    for seed in 0..trials {
        let mut runs = noise(seed * 977 + n as u64);
        let before: Vec<f64> = (0..m).map(|_| runs.next()).collect();
        let now: Vec<f64> = (0..n).map(|_| runs.next()).collect();
        let reference = Cohort::of(&Course::of(before), None, true, None).expect("values");
        let judge = |factor: f64| {
            let course = Course::of(now.iter().map(|value| value * factor));
            let window = Cohort::of(&course, None, true, Some(reference.scale)).expect("values");
            compare(feature, &window, &reference).expect("a contrast")
        };
        let enough = |c: &Contrast| c.effective.min(c.baseline_effective) >= LEAST;
        let alarm = |c: &Contrast| {
            enough(c) && c.p_rise <= P && c.change.is_some_and(|change| change > WORSE_BY)
        };
        let same = judge(1.0);
        few += u64::from(!enough(&same));
        alarms += u64::from(alarm(&same));
        covered += u64::from(
            same.interval
                .is_some_and(|(low, high)| low <= 0.0 && 0.0 <= high),
        );
        seen += u64::from(alarm(&judge(1.2)));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of trials")]
    let percent = |count: u64| 100.0 * count as f64 / trials as f64;
    println!(
        "| {name} | {n} / {m} | {:.2} % | {:.1} % | {:.1} % | {:.1} % |",
        percent(alarms),
        percent(few),
        percent(seen),
        percent(covered)
    );
}
