//! `actions:`: what alerts bring about, checked against the rules that name them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::listen::Listen;
use crate::document::Place;
use crate::document::units::{Period, Unit};
use crate::engine::action::{Action, EndsBy, Probation};
use crate::engine::dispatch::matching;
use crate::engine::selector::{Matcher, Selector};
use crate::http::address::ListenAddress;
use crate::notify::action::{ActionConfig, Baseline, OnFailure, ResultBy};
use crate::rulefile::{Checker, Loaded};

/// What has to be measured first where that is not said.
const PROBATION: Duration = Duration::from_secs(3_600);
/// Most characters of a name.
const MOST_NAME: usize = 64;

/// Where the ingest listener is reached from this machine; empty where it is a socket, which no URL can name.
pub(super) fn callback_url(listen: &Listen) -> String {
    match listen.ingest.parse::<ListenAddress>() {
        Ok(ListenAddress::Tcp(address)) if address.ip().is_unspecified() => {
            format!("http://127.0.0.1:{}", address.port())
        }
        Ok(ListenAddress::Tcp(address)) => format!("http://{address}"),
        _ => String::new(),
    }
}

/// Reads them, and checks that the rules name only those that there are.
pub(super) fn read(
    written: &[ActionConfig],
    (loaded, callback_url): (&Loaded, &str),
    max_history: usize,
    checker: &mut Checker<'_>,
) -> Vec<Action> {
    let place = Place::root().key("actions");
    let names: BTreeSet<&str> = written.iter().map(|one| one.name.as_str()).collect();
    if checker.is_readable() {
        for fault in loaded.unknown_actions(&names) {
            checker.findings.faults.push(fault);
        }
    }
    let named = loaded.named_actions();
    let mut actions = Vec::new();
    for (index, config) in written.iter().enumerate() {
        let place = place.index(index);
        let is_first = !written
            .iter()
            .take(index)
            .any(|one| one.name == config.name);
        if !is_name(&config.name) {
            checker.fault(
                &if config.name.is_empty() { place.clone() } else { place.key("name") },
                format!(
                    "invalid name of an action {:?}, allowed: 1 to {MOST_NAME} letters, digits, _, - and ., beginning with a letter or digit",
                    config.name
                ),
            );
        } else if !is_first {
            checker.fault(
                &place.key("name"),
                format!(
                    "action {:?} is given twice, allowed: one of each name",
                    config.name
                ),
            );
        }
        if config.matchers.is_empty() && !named.contains(config.name.as_str()) {
            checker.warn(
                &place,
                format!(
                    "action {:?} is never taken: it has no matchers, and no rule names it in its `actions`",
                    config.name
                ),
            );
        }
        check_result(config, &place, checker);
        if config.ends_by() == EndsBy::Callback
            && config.callback_url.is_none()
            && callback_url.is_empty()
        {
            checker.fault(
                &place,
                "without `callback_url` nobody knows where to report, because `listen.ingest` is a socket, allowed: callback_url: http://… of a proxy to it, or another `result`",
            );
        }
        actions.push(Action {
            name: config.name.clone(),
            matchers: matchers(&config.matchers, &place.key("matchers"), checker),
            min_degradation: min_degradation(config, &place, checker),
            delay: config.delay.0,
            cooldown: config.cooldown.0,
            timeout: above_zero(config.timeout, &place.key("timeout"), checker),
            ends_by: config.ends_by(),
            probation: probation(config, max_history, &place.key("on_success"), checker),
            alerts: config.on_failure == OnFailure::Alert,
        });
        above_zero(
            config.request_timeout,
            &place.key("request_timeout"),
            checker,
        );
    }
    actions
}

/// Names stand in keys, and these in addresses.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    name.len() <= MOST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
}

fn above_zero(period: Period, place: &Place, checker: &mut Checker<'_>) -> Duration {
    if period.0.is_zero() {
        checker.fault(place, "a time of 0 is not possible here, allowed: above 0");
    }
    period.0
}

fn check_result(config: &ActionConfig, place: &Place, checker: &mut Checker<'_>) {
    match (config.result, &config.poll) {
        (Some(ResultBy::Poll), None) => checker.fault(
            &place.key("result"),
            "`result: poll` without `poll`, allowed: with poll: {url: …}, where to ask",
        ),
        (Some(ResultBy::Callback | ResultBy::Answer), Some(_)) => checker.fault_at_key(
            &place.key("poll"),
            "`poll` beside another `result`, allowed: with `result: poll`, or without `result`",
        ),
        _ => {}
    }
    if let Some(interval) = config.poll.as_ref().and_then(|poll| poll.interval) {
        above_zero(interval, &place.key("poll").key("interval"), checker);
    }
    if config.result == Some(ResultBy::Answer) && config.callback_url.is_some() {
        checker.fault_at_key(
            &place.key("callback_url"),
            "`callback_url` beside `result: answer`, where nothing is reported, allowed: leave one of them out",
        );
    }
}

fn matchers(written: &[String], place: &Place, checker: &mut Checker<'_>) -> Selector {
    let mut read: Vec<Matcher> = Vec::new();
    for (index, text) in written.iter().enumerate() {
        match matching::parse(text) {
            Ok(matchers) => read.extend(matchers),
            Err(error) => checker.fault(&place.index(index), error.to_string()),
        }
    }
    Selector::of(read)
}

fn min_degradation(config: &ActionConfig, place: &Place, checker: &mut Checker<'_>) -> Option<f64> {
    let least = config.min_degradation?;
    let is_share = matches!(least.unit, Unit::None | Unit::Ratio);
    if !is_share || least.value <= 0.0 {
        checker.fault(
            &place.key("min_degradation"),
            format!(
                "`min_degradation` of {} in {}, allowed: a share above 0 such as 25%",
                least.value, least.unit
            ),
        );
    }
    Some(least.value)
}

fn probation(
    config: &ActionConfig,
    max_history: usize,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Probation> {
    let written = config.on_success.probation.as_deref();
    if config.on_success.baseline == Baseline::None {
        if written.is_some() {
            checker.fault_at_key(
                &place.key("probation"),
                "`probation` without a baseline that moves, allowed: with `baseline: update`",
            );
        }
        return None;
    }
    let Some(text) = written else {
        return Some(Probation::Time(PROBATION));
    };
    let runs = text.strip_suffix("runs").or(text.strip_suffix("run"));
    let read = match runs {
        Some(runs) => {
            let runs = runs.trim().parse::<u32>().ok();
            let is_kept = |runs: &u32| usize::try_from(*runs).is_ok_and(|n| n <= max_history);
            runs.filter(|runs| *runs > 0 && is_kept(runs))
                .map(Probation::Runs)
        }
        None => text
            .parse::<Period>()
            .ok()
            .filter(|period| !period.0.is_zero())
            .map(|period| Probation::Time(period.0)),
    };
    if read.is_none() {
        checker.fault(
            &place.key("probation"),
            format!("invalid probation {text:?}, allowed: a time above 0 such as 1h, or 1 to {max_history} runs (`max_history`) such as 20 runs"),
        );
    }
    read
}
