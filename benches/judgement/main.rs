//! scratch
mod noise;
mod trends;
use noise::Runs;
use opwatch::engine::cohort::{Cohort, Course};
use opwatch::engine::contrast::{Feature, compare};

fn main() {
    if std::env::args().any(|argument| argument == "trends") {
        return trends::run(2_000);
    }
    let trials = 10_000u64;
    for feature in [Feature::Median, Feature::Quantile(0.95)] {
        println!("{feature:?}");
        for (sd, rho, slow) in [
            (0.3, 0.0, 0.0),
            (0.5, 0.0, 0.0),
            (1.0, 0.0, 0.0),
            (0.3, 0.5, 0.0),
            (0.3, 0.8, 0.0),
            (1.0, 0.8, 0.0),
            (0.3, 0.95, 0.0),
            (0.3, 0.0, 0.01),
        ] {
            for (n, m) in [
                (10usize, 200usize),
                (10, 30),
                (30, 200),
                (100, 200),
                (100, 1000),
                (1000, 1000),
            ] {
                let (mut alarms, mut evidence, mut short, mut power, mut covered) =
                    (0u64, 0u64, 0u64, 0u64, 0u64);
                let trials = if n == 1000 { trials / 10 } else { trials };
                for seed in 0..trials {
                    let mut runs = Runs::new(seed * 977 + n as u64, sd, rho, slow);
                    let base: Vec<f64> = (0..m).map(|_| runs.next()).collect();
                    let now: Vec<f64> = (0..n).map(|_| runs.next()).collect();
                    let reference = Cohort::of(&Course::of(base), None, true, None).unwrap();
                    let judge = |factor: f64| {
                        let window = Cohort::of(
                            &Course::of(now.iter().map(|v| v * factor)),
                            None,
                            true,
                            Some(reference.scale),
                        )
                        .unwrap();
                        compare(feature, &window, &reference).unwrap()
                    };
                    let c = judge(1.0);
                    let enough = c.effective.min(c.baseline_effective) >= 10.0;
                    short += u64::from(!enough);
                    evidence += u64::from(enough && c.p_rise < 1e-3);
                    alarms += u64::from(enough && c.p_rise < 1e-3 && c.change.unwrap() > 0.1);
                    covered += u64::from(c.interval.is_some_and(|(l, h)| l <= 0.0 && 0.0 <= h));
                    let c = judge(1.2);
                    power += u64::from(
                        c.effective.min(c.baseline_effective) >= 10.0
                            && c.p_rise < 1e-3
                            && c.change.unwrap() > 0.1,
                    );
                }
                let pct = |x: u64| 100.0 * x as f64 / trials as f64;
                println!(
                    "sd {sd} rho {rho} slow {slow} n {n:4} m {m:4}: evidence {:6.3}% alarms {:6.3}% short {:5.1}% power {:5.1}% covered {:5.1}%",
                    pct(evidence),
                    pct(alarms),
                    pct(short),
                    pct(power),
                    pct(covered)
                );
            }
        }
    }
}
