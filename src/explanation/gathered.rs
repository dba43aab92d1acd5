//! What the engine knows of a rule's verdicts.

use std::time::Duration;

use super::{
    Baseline, Budget, Condition, Decision, Evidence, Instance, Learned, Level, Rule, Window,
};
use crate::document::units::Period;
use crate::engine::Engine;
use crate::engine::alert::AlertState;
use crate::engine::baseline::{Content, stat_of};
use crate::engine::condition::{self, Against, Detected, Finds, Found, Regression, Standing};
use crate::engine::incident::Incidents;
use crate::engine::judge::{self, BackFill, Compared, GroupState, Health, RuleState, Tracked};
use crate::engine::metric::Worse;
use crate::engine::rule::Mode;
use crate::engine::selector::Selector;
use crate::engine::trend::Direction;
use crate::forms::incidents::id;
use crate::rulefile::{against_name, window_text};

/// Instances that are explained at once.
const MAX_INSTANCES: usize = 1_000;

/// What a rule and those of its instances that are selected rest on; `judged` is the clock of judging.
pub fn rule(
    engine: &Engine,
    group: &GroupState,
    state: &RuleState,
    select: &Selector,
    judged: Duration,
) -> Rule {
    let rule = &state.rule;
    let selected = || {
        let instances = state.instances.values();
        instances.filter(|instance| select.matches(|name| instance.labels.get(name)))
    };
    let shown = selected().take(MAX_INSTANCES);
    Rule {
        name: rule.name.clone(),
        group: group.name.clone(),
        file: group.file.clone(),
        mode: match rule.mode {
            Mode::Active => "active",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        }
        .to_owned(),
        evaluated_at: state.evaluated_at.map(|at| at.to_string()),
        error: match &state.health {
            Health::Failed(why) => Some(why.clone()),
            Health::Unknown | Health::Good => None,
        },
        condition: asked(&rule.condition, rule.select.to_string()),
        instances: shown
            .map(|one| instance(engine, state, one, judged))
            .collect(),
        omitted: selected().count().saturating_sub(MAX_INSTANCES),
    }
}

fn asked(condition: &condition::Condition, select: String) -> Condition {
    match condition {
        condition::Condition::Threshold(threshold) => Condition::Threshold {
            select,
            metric: threshold.metric.to_string(),
            stat: threshold.stat.to_string(),
            window: window_text(threshold.reach),
            comparison: threshold.comparison.operator().to_owned(),
            min_samples: threshold.min_samples,
        },
        condition::Condition::Regression(regression) => Condition::Regression {
            select,
            metric: regression.metric.to_string(),
            stat: regression.stat.to_string(),
            window: window_text(regression.reach),
            against: match &regression.against {
                Against::Pinned(name) => format!("pinned {name}"),
                learned => against_name(learned),
            },
            worse: direction(regression.worse),
            min_samples: regression.min_samples,
            weighs_evidence: regression.weighs_evidence,
            budget: budget(&regression.budget),
        },
        condition::Condition::Trend(trend) => Condition::Trend {
            select,
            metric: trend.metric.to_string(),
            stat: trend.stat.to_string(),
            window: Period(trend.frame.window()).to_string(),
            bucket: Period(trend.frame.bucket()).to_string(),
            towards: direction(trend.towards),
            min_samples: trend.min_samples,
        },
        condition::Condition::Detection(detection) => Condition::Detection {
            select,
            metric: detection.metric.to_string(),
            stat: detection.stat.to_string(),
            block: Period(detection.block).to_string(),
            finds: match detection.finds {
                Finds::Anomalies(_) => "anomalies",
                Finds::Changes(_) => "changes",
            }
            .to_owned(),
            towards: detection
                .towards
                .map_or_else(|| "both".to_owned(), direction),
            warm_up: detection.warm_up,
            alarms: detection.budget.alarms,
            per_seconds: detection.budget.per.as_secs_f64(),
        },
        condition::Condition::Absence(absence) => Condition::Absence {
            select,
            expect_every_seconds: absence.expect_every.as_secs_f64(),
            grace_seconds: absence.grace.as_secs_f64(),
        },
    }
}

fn direction(worse: Worse) -> String {
    match worse {
        Worse::Up => "up",
        Worse::Down => "down",
    }
    .to_owned()
}

fn budget(budget: &condition::Budget) -> Budget {
    let (apart, p) = budget.block();
    Budget {
        alarms: budget.alarms,
        per_seconds: budget.per.as_secs_f64(),
        block_seconds: apart.as_secs_f64(),
        block_p: p,
    }
}

fn instance(
    engine: &Engine,
    state: &RuleState,
    instance: &judge::Instance,
    judged: Duration,
) -> Instance {
    let latest = instance.levels.iter().find_map(|level| level.verdict);
    let mut explained = Instance {
        labels: instance.labels.as_map().clone(),
        series: instance.series.len(),
        window: Window {
            n: latest.map_or(0, |verdict| verdict.n),
            effective_n: None,
            covered_seconds: None,
            arrivals: instance.arrivals(),
        },
        baseline: None,
        evidence: latest
            .and_then(|verdict| verdict.evidence)
            .map(Evidence::from),
        decision: None,
        learned: None,
        lacks: None,
        improved: None,
        seen_seconds_ago: None,
        levels: (instance.levels.iter())
            .map(|one| level(one, engine.incidents()))
            .collect(),
    };
    match &state.rule.condition {
        condition::Condition::Threshold(threshold) => {
            explained.lacks = match latest.map(|verdict| (verdict.standing, verdict.n)) {
                Some((Standing::NoData, 0)) => Some("no data in the window".to_owned()),
                Some((Standing::NoData, _)) => {
                    Some("a break in time leaves open what is in the window".to_owned())
                }
                Some((Standing::Insufficient, n)) => Some(format!(
                    "too few values in the window: {n}, at least {} are needed",
                    threshold.min_samples
                )),
                _ => None,
            };
        }
        condition::Condition::Regression(regression) => {
            if let Some(compared) = instance.by.compared() {
                explained.compared(engine, regression, compared, instance, judged);
            }
        }
        condition::Condition::Trend(trend) => {
            if let Some(chart) = instance.by.chart() {
                explained.charted(trend, chart);
            }
        }
        condition::Condition::Detection(detection) => {
            if let Some(detecting) = instance.by.detecting() {
                let detected = &detecting.detected;
                let is_better = |found| !detection.concerns(&found);
                let is_change = matches!(detection.finds, Finds::Changes(_));
                let is_improved =
                    is_change && detected.is_on && detected.found.is_some_and(is_better);
                explained.improved = is_improved.then_some(true);
                explained.detected(detected);
                explained.learned = learned(detecting);
            }
        }
        condition::Condition::Absence(_) => {
            let ago = instance.seen.map(|seen| judged.saturating_sub(seen));
            explained.seen_seconds_ago = ago.map(|ago| ago.as_secs_f64());
            explained.lacks = match latest.map(|verdict| verdict.standing) {
                Some(Standing::NoData) => Some(
                    "it is neither known nor expected, or a break in time may have hidden it"
                        .to_owned(),
                ),
                _ => None,
            };
        }
    }
    explained
}

/// From what and since when a detector has learned.
fn learned(detecting: &judge::Detecting) -> Option<Learned> {
    let (log_until, log_blocks) = match detecting.back_fill {
        BackFill::Open | BackFill::Nothing => (None, 0),
        BackFill::Until(until, blocks) => (Some(until.to_string()), blocks),
    };
    Some(Learned {
        since: detecting.since?.to_string(),
        blocks: detecting.detected.blocks,
        log_until,
        log_blocks,
    })
}

impl Instance {
    fn detected(&mut self, detected: &Detected) {
        self.window.n = detected.blocks;
        self.lacks = if detected.left > 0 {
            Some(format!(
                "it is still learned what is usual: {} more blocks are needed",
                detected.left
            ))
        } else if detected.value.is_none() {
            Some("the last block that has closed is without a value".to_owned())
        } else if detected.is_too_slow {
            Some(
                "judged with a doubt: the noise is too slow, neighbouring blocks are so alike that there are more false alarms than are accepted"
                    .to_owned(),
            )
        } else {
            None
        };
    }

    fn charted(&mut self, trend: &condition::Trend, chart: &judge::Chart) {
        let charted = &chart.charted;
        self.window.n = charted.n;
        self.lacks = if charted.is_mixed {
            Some("the clock was set, so that it is open what is in the buckets".to_owned())
        } else if charted.trend.direction == Direction::Insufficient {
            Some(format!(
                "{} whole buckets with values, at least {} independent ones are needed",
                charted.trend.buckets, trend.min_samples
            ))
        } else {
            None
        };
    }

    fn compared(
        &mut self,
        engine: &Engine,
        regression: &Regression,
        compared: &Compared,
        instance: &judge::Instance,
        judged: Duration,
    ) {
        let found = &compared.found;
        self.window.n = found.n;
        self.window.covered_seconds = Some(found.covered.as_secs_f64());
        let weighs = regression.weighs_evidence && !found.is_number;
        self.window.effective_n = (found.contrast.as_ref())
            .filter(|_| weighs)
            .map(|contrast| contrast.effective);
        self.baseline = baseline(engine, regression, compared, instance);
        self.decision = (compared.decision).map(|last| decision(&regression.budget, last, judged));
        self.lacks = regression
            .lacking(found)
            .map(|lack| lacking(regression, found, lack));
        self.improved = Some(regression.is_improved(found));
    }
}

/// What is missing, with the numbers where there are some.
fn lacking(regression: &Regression, found: &Found, lack: condition::Lack) -> String {
    let least = regression.min_samples;
    let contrast = found.contrast.as_ref();
    match (lack, contrast) {
        (condition::Lack::Values, _) => {
            format!(
                "{}: {}, at least {least} are needed",
                lack.as_str(),
                found.n
            )
        }
        (condition::Lack::Independence, Some(contrast)) => format!(
            "{}: as much as {:.1} independent ones, at least {least} are needed",
            lack.as_str(),
            contrast.effective
        ),
        (condition::Lack::BaselineData, Some(contrast)) => format!(
            "{}: as much as {:.1} independent values, at least {least} are needed",
            lack.as_str(),
            contrast.baseline_effective
        ),
        _ => lack.as_str().to_owned(),
    }
}

fn baseline(
    engine: &Engine,
    regression: &Regression,
    compared: &Compared,
    instance: &judge::Instance,
) -> Option<Baseline> {
    let name = against_name(&regression.against);
    if let Against::Pinned(name) = &regression.against {
        let (metric, labels) = (&regression.metric, &instance.labels);
        let pinned = engine.baselines().find(name, metric, labels)?;
        let (from, to) = match &pinned.content {
            Content::Measured { from, to, .. } => (Some(from), Some(to)),
            Content::Number { .. } => (None, None),
        };
        return Some(Baseline {
            name: pinned.name.clone(),
            version: Some(pinned.version),
            at: pinned.set_at.to_string(),
            from: from.map(ToString::to_string),
            to: to.map(ToString::to_string),
            n: pinned.samples(),
            value: pinned.stat(regression.stat),
            is_number: from.is_none(),
        });
    }
    let learned = compared.learned()?;
    Some(Baseline {
        name,
        version: None,
        at: learned.at.to_string(),
        from: None,
        to: None,
        n: learned.cohort.summary.n,
        value: stat_of(&learned.cohort, regression.stat),
        is_number: false,
    })
}

fn decision(budget: &condition::Budget, last: condition::Decision, judged: Duration) -> Decision {
    let (apart, p) = budget.block();
    let passed = judged.saturating_sub(last.at);
    Decision {
        seconds_ago: passed.as_secs_f64(),
        p: last.p,
        is_evident: last.p <= p,
        next_seconds: apart.saturating_sub(passed).as_secs_f64(),
    }
}

fn level(alert: &Tracked, incidents: &Incidents) -> Level {
    let own = alert.level();
    Level {
        severity: own
            .and_then(|level| level.severity)
            .map(|severity| severity.as_str().to_owned()),
        standing: (alert.verdict).map(|verdict| {
            match verdict.standing {
                Standing::NoData => "no_data",
                Standing::Insufficient => "insufficient",
                Standing::Holds => "holds",
                Standing::Breached => "breached",
            }
            .to_owned()
        }),
        value: alert.verdict.and_then(|verdict| verdict.value),
        limit: alert.limit,
        recover: own.and_then(|level| level.recover),
        state: alert.state.as_str().to_owned(),
        since: alert.state.active_at().map(|at| at.to_string()),
        fired_at: match alert.state {
            AlertState::Firing { fired_at, .. } => Some(fired_at.to_string()),
            _ => None,
        },
        incident: incidents.of_firing(alert).map(|one| id(one.id)),
        cost_shift: alert.is_shift,
    }
}
