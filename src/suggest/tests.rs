//! Suggestions as a whole.

use super::*;
use crate::app::replay::setting;
use crate::config::Config;
use crate::engine::measurement::{Draft as Raw, Measurement};
use crate::engine::time::Timestamp;

/// A day of one run a minute: how long each took, by its minute.
fn suggested(seconds: impl Fn(u32) -> f64, asked: Asked) -> Result<Suggested, SuggestError> {
    let (config, _) = Config::without_file().unwrap();
    let (setting, _) = setting(&config, Some(Vec::new()), None);
    let measurements = (0..1_440).map(|minute| {
        let raw = Raw {
            operation: "checkout",
            duration_seconds: Some(seconds(minute)),
            ..Raw::default()
        };
        let at = Timestamp::from_millis(1_700_000_100_000 + i64::from(minute) * 60_000);
        (at, Measurement::new(raw).unwrap())
    });
    let recording = Recording::new(measurements);
    suggest(&recording, &setting, Surroundings::default(), asked)
}

#[test]
fn a_rule_that_would_alarm_too_often_is_loosened_until_it_does_not() {
    // Twice in a day it takes twice as long for half an hour, which is less than a twentieth of the day.
    let found = suggested(
        |minute| if minute % 720 < 30 { 2.0 } else { 1.0 },
        Asked::default(),
    )
    .unwrap();
    let rule = found
        .rules
        .iter()
        .find(|rule| rule.alert == "CheckoutDurationHigh")
        .unwrap();
    assert_eq!(rule.loosened, Some(("× 1.5 (1.5s)".to_owned(), 2)));
    assert_eq!(rule.tried.unwrap().alarms, 0);
    assert!(
        found
            .text
            .contains("# Loosened: × 1.5 (1.5s) would have raised 2 alarms."),
        "{}",
        found.text
    );
    assert!(found.text.contains("above: 2s\n"), "{}", found.text);
}

#[test]
fn the_quantile_and_the_multiple_are_those_that_were_asked_for() {
    let asked = Asked {
        quantile: 0.5,
        times: 3.0,
        ..Asked::default()
    };
    let found = suggested(|minute| f64::from(minute % 10 + 1) / 10.0, asked).unwrap();
    assert!(found.text.contains("stat: median\n"), "{}", found.text);
    assert!(found.text.contains("above: 1.7s\n"), "{}", found.text);
}

#[test]
fn the_budget_allows_one_alarm_in_any_case() {
    let asked = Asked::default();
    assert_eq!(asked.allowed(Duration::from_secs(3_600)), 1);
    assert_eq!(asked.allowed(Duration::from_secs(30 * 86_400)), 4);
    assert_eq!((asked.min_samples(), asked.least_values()), (20, 50));
    let rare = Asked {
        quantile: 0.99,
        ..asked
    };
    assert_eq!((rare.min_samples(), rare.least_values()), (100, 250));
}

#[test]
fn a_long_history_is_judged_less_often() {
    let quarter = Duration::from_secs(15);
    assert_eq!(interval(quarter, Duration::from_secs(86_400), 10), quarter);
    let year = Duration::from_secs(365 * 86_400);
    assert_eq!(interval(quarter, year, 1), Duration::from_secs(30));
    assert_eq!(interval(quarter, year, 10), Duration::from_secs(300));
}
