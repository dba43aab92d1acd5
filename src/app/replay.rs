//! What a replay is made of: measurements from a store or from files, rules and bounds from the configuration.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::config::Config;
use crate::engine::baseline::Baselines;
use crate::engine::dispatch::{GroupBy, Integration, Maintenance, Receiver, Route, Timing};
use crate::engine::measurement::Measurement;
use crate::engine::metric::Metric;
use crate::engine::rule::RuleGroup;
use crate::engine::series::{FieldFault, OWN_OPERATION};
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Engine, Settings};
use crate::export::{Fault, Filter, Form, Measured, Place, ReadError, read, read_kept, read_plain};
use crate::replay::{Recording, Setting};
use crate::rulefile::BuiltIn;
use crate::storage::{Database, Kind};

/// How a file is read.
#[derive(Clone, Debug)]
pub enum Reading {
    /// As an export.
    Export(Form),
    /// As a plain table of times and values of that operation.
    Plain(String, Measured),
}

/// Gathers the measurements of a replay.
#[derive(Debug, Default)]
pub struct Gathering {
    /// Which are meant.
    pub filter: Filter,
    /// Label names that measurements may not have, because all alerts get them.
    pub taken: Vec<String>,
    timed: Vec<(Timestamp, Measurement)>,
}

impl Gathering {
    /// A gathering of the measurements that `filter` takes.
    pub fn new(config: &Config, filter: Filter) -> Self {
        let taken = (config.external_labels.iter()).map(|(name, _)| name.to_owned());
        Self {
            filter,
            taken: taken.collect(),
            timed: Vec::new(),
        }
    }

    /// Adds those that a database keeps; returns how many groups of them could not be read.
    pub fn add_kept(&mut self, database: &Database) -> u64 {
        let Self { filter, timed, .. } = self;
        read_kept(database, filter, |at, measurement| {
            timed.push((at, measurement));
            ControlFlow::Continue(())
        })
    }

    /// Adds those of a file. What is wrong with a record is told to `tell`, and the others go on.
    ///
    /// # Errors
    /// What makes the rest unreadable.
    pub fn add_file(
        &mut self,
        input: impl BufRead,
        reading: &Reading,
        mut tell: impl FnMut(&Fault),
    ) -> Result<(), ReadError> {
        let Self {
            filter,
            taken,
            timed,
        } = self;
        let take = |place: Place, record: Result<Measurement, FieldFault>| {
            match record.and_then(with_time) {
                Ok((at, measurement)) if filter.takes(at, &measurement) => {
                    timed.push((at, measurement));
                }
                Ok(_) => {}
                Err(fault) => tell(&Fault { place, fault }),
            }
            ControlFlow::Continue(())
        };
        match reading {
            Reading::Export(form) => read(input, *form, taken, take)?,
            Reading::Plain(operation, measured) => read_plain(input, operation, measured, take)?,
        };
        Ok(())
    }

    /// All of them, in the order of their time.
    pub fn recording(self) -> Recording {
        Recording::new(self.timed)
    }
}

fn with_time(measurement: Measurement) -> Result<(Timestamp, Measurement), FieldFault> {
    let reason = "is missing; the end of each operation is needed: RFC 3339 or Unix seconds";
    let at = measurement.at;
    let at = at.ok_or_else(|| FieldFault::new("timestamp", reason))?;
    Ok((at, measurement))
}

/// What people have set and started that judgements rest on.
#[derive(Debug, Default)]
pub struct Orders {
    /// The baselines that were set.
    pub baselines: Arc<Baselines>,
    /// The maintenance that was started.
    pub maintenance: Arc<Maintenance>,
}

/// What of that is kept in a database; what cannot be read is left out.
pub fn orders(database: &Database) -> Orders {
    let mut engine = Engine::new(Settings::default(), Now::default());
    let _ = database.state(|row| {
        let _ = match (row.kind, &row.body) {
            (Kind::Baseline, Ok(Some(body))) => engine.restore_baseline(body),
            (Kind::Maintenance, Ok(Some(body))) => engine.restore_maintenance(body),
            _ => Ok(()),
        };
    });
    Orders {
        baselines: engine.baselines().clone(),
        maintenance: engine.maintenance().clone(),
    }
}

/// How a recording is replayed under a configuration, or under other rules than its own; with what is to be known of it.
pub fn setting(
    config: &Config,
    rules: Option<Vec<RuleGroup>>,
    cpu_limit: Option<f64>,
) -> (Setting, Vec<String>) {
    let mut notes = Vec::new();
    let mut engine = config.engine_settings();
    if let Some(rules) = rules {
        engine.groups = rules;
    }
    engine
        .groups
        .retain(|group| group.file != BuiltIn::Own.name());
    let mut left_out = Vec::new();
    for group in &mut engine.groups {
        group.rules.retain(|rule| {
            let is_own = rule.select.names_operation(OWN_OPERATION);
            if is_own {
                left_out.push(rule.name.clone());
            }
            !is_own
        });
    }
    engine.groups.retain(|group| !group.rules.is_empty());
    if !left_out.is_empty() {
        notes.push(format!(
            "left out {}: what opwatch measured of itself is not kept",
            left_out.join(", ")
        ));
    }
    if engine.route.is_none() {
        engine.route = Some(anyone());
        engine.receivers = vec![Receiver {
            name: anyone().receiver,
            integrations: vec![Integration {
                send_resolved: true,
            }],
        }];
    }
    let cpu_limit = cpu_limit.or(config.target.cpu_limit);
    let rules = || engine.groups.iter().flat_map(|group| &group.rules);
    let mut needs = rules().filter_map(|rule| rule.condition.need());
    if cpu_limit.is_none() && needs.any(|need| need.metric == Metric::CpuRatio) {
        notes.push(
            "rules on cpu_ratio have no data: --cpu-limit says of how many cores it is a share"
                .to_owned(),
        );
    }
    let setting = Setting {
        engine,
        cpu_limit,
        ..Setting::default()
    };
    (setting, notes)
}

/// Where nobody is configured to be told, notifications are counted as if one receiver were told by rule.
fn anyone() -> Route {
    Route::root(
        "anyone",
        GroupBy::Labels(vec!["alertname".to_owned()]),
        Timing::default(),
    )
}
