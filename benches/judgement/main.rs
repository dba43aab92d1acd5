//! What judgement costs in false alarms and finds in changes, by simulation: `checks` for single looks, `alarms` for rules
//! over simulated days, `drift` for a slow drift, `trends` for trends.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "tables for people, of figures that are made here"
)]

mod alarms;
mod checks;
mod drift;
mod fleet;
mod noise;
mod trends;

use alarms::{RULES, Scenario, simulate};

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let number = |place: usize, default: u64| {
        args.get(place)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    match args.first().map(String::as_str) {
        Some("checks") => checks::print(number(1, 10_000)),
        Some("alarms") => {
            let only = args.get(3).map_or("", String::as_str);
            print_alarms(number(1, 20), number(2, 30), only);
        }
        Some("drift") => drift::print(number(1, 16)),
        Some("trends") => trends::print(number(1, 2_000)),
        _ => {
            checks::print(200);
            print_alarms(2, 5, "");
            drift::print(1);
        }
    }
}

/// Of the rules whose name has these words.
fn print_alarms(instances: u64, days: u64, only: &str) {
    let rules: Vec<(&str, &str)> = (RULES.iter().copied())
        .filter(|(name, _)| name.contains(only))
        .collect();
    let plain = Scenario {
        name: "lognormal, sd 0.3",
        sd: 0.3,
        rho: 0.0,
        slow: 0.0,
        season: 0.0,
    };
    for scenario in [
        plain,
        Scenario {
            name: "lognormal, sd 0.5",
            sd: 0.5,
            ..plain
        },
        Scenario {
            name: "lognormal, sd 1.0",
            sd: 1.0,
            ..plain
        },
        Scenario {
            name: "autocorrelated 0.8, sd 0.3",
            rho: 0.8,
            ..plain
        },
        Scenario {
            name: "autocorrelated 0.95, sd 0.3",
            rho: 0.95,
            ..plain
        },
        Scenario {
            name: "daily season of 20 %, sd 0.3",
            season: 0.2,
            ..plain
        },
        Scenario {
            name: "1 % of runs 20 × slower, sd 0.3",
            slow: 0.01,
            ..plain
        },
    ] {
        println!("### {}\n", scenario.name);
        println!(
            "| rule | false alarms per instance and day | +20 % found | after |\n|---|---|---|---|"
        );
        let outcomes = simulate(scenario, &rules, instances, days, 0.2);
        for (outcome, (rule, _)) in outcomes.iter().zip(&rules) {
            let delay = match outcome.delay.is_nan() {
                true => "–".to_owned(),
                false => format!("{:.1} h", outcome.delay),
            };
            println!(
                "| {rule} | {:.4} | {:.0} % | {delay} |",
                outcome.false_alarms,
                outcome.found * 100.0,
            );
        }
        println!();
    }
}
