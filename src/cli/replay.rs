//! `opwatch replay`: rules over recorded measurements.

use std::io::stdout;
use std::path::PathBuf;
use std::process::ExitCode;

use super::history::History;
use super::input::note_down;
use super::{FOUND, NO_DATA, UNUSABLE, coloured, complain, configuration};
use crate::app::replay::{Gathering, setting};
use crate::clock::Clock;
use crate::config::{Config, load_rules};
use crate::document::units::{Cores, Period};
use crate::engine::rule::RuleGroup;
use crate::engine::time::Timestamp;
use crate::export::moment;
use crate::replay::show::{write, write_budgets};
use crate::replay::{Recording, ReplayError, Setting, replay, replay_budgets};
use crate::rulefile::{Surroundings, read_budget};
use crate::shown::output::Output;

const EXAMPLES: &str = "\
Examples:
  opwatch replay --data-dir /var/lib/opwatch --rules new.yaml --from -7d
  opwatch replay measurements.ndjson --rules rules/*.yaml -o csv
  opwatch replay measurements.ndjson --rules worse.yaml --budgets '1 per 7d,1 per 30d,1 per 90d'
  opwatch replay latency.csv --operation checkout --metric duration --rules slow.yaml

Each measurement comes in at its own time, through the engine that serves; nobody is told anything. Rules are judged \
from the first measurement on, until every group has been judged once after the last one. What does not come any more \
is found only with --until.

Exit codes: 0 nothing fired; 1 something fired; 2 wrong use, unusable rules, or unreadable input; 3 no data.";

/// What to replay.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Replay {
    #[command(flatten)]
    history: History,
    /// Rule files, in place of those of the configuration.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Option<Vec<PathBuf>>,
    /// Until when rules are judged: a time, or how long after the last measurement, such as +26h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Of how many cores `cpu_ratio` is a share; without it as the configuration says.
    #[arg(long, value_name = "CORES")]
    cpu_limit: Option<Cores>,
    /// Budgets of false alarms, such as `1 per 7d,1 per 30d`: what the rules that have one would raise under each.
    #[arg(long, value_name = "BUDGETS", value_delimiter = ',')]
    budgets: Vec<String>,
    /// table, json or csv.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Replay {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.try_run(config) {
            Ok(code) | Err(code) => code,
        }
    }

    fn try_run(self, file: Option<PathBuf>) -> Result<ExitCode, ExitCode> {
        let now = Clock::start().now().wall;
        let filter = self.history.filter(now)?;
        let until = self.until(now)?;
        let found = configuration::file(file.clone());
        let (config, _) =
            configuration::load(found.as_deref()).map_err(|faults| complain(UNUSABLE, &faults))?;
        let rules = self.rules(&config)?;
        let (mut setting, notes) = setting(&config, rules, self.cpu_limit.map(|cores| cores.0));
        for note in notes {
            note_down(&note);
        }
        if setting.engine.groups.is_empty() {
            let message = "there are no rules; --rules names files with some, or `rule_files` of the configuration";
            return Err(complain(UNUSABLE, message));
        }
        let (output, budgets) = (self.output, self.budgets.clone());
        let (recording, orders) = self.history.gather(Gathering::new(&config, filter), file)?;
        (setting.baselines, setting.maintenance) = (orders.baselines, orders.maintenance);
        setting.until = match until {
            Some(Until::At(at)) => Some(at),
            Some(Until::After(tail)) => recording.span().map(|(_, last)| last.after(tail.0)),
            None => None,
        };
        if !budgets.is_empty() {
            return under_budgets(&recording, &setting, budgets, output);
        }
        let replayed = replay(&recording, &setting).map_err(|error| explain(&error))?;
        // A reader that has gone away has what it wanted.
        let _ = write(&replayed, output, &mut stdout().lock());
        Ok(match replayed.alerts.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(FOUND),
        })
    }

    fn until(&self, now: Timestamp) -> Result<Option<Until>, ExitCode> {
        let Some(text) = self.until.as_deref() else {
            return Ok(None);
        };
        let tail = text.strip_prefix('+').map(str::parse::<Period>);
        let until = match tail {
            Some(tail) => tail.map(Until::After).map_err(|error| error.to_string()),
            None => (moment(text, now).map(Until::At))
                .map_err(|error| format!("{error}, or how long after the last measurement (+26h)")),
        };
        until
            .map(Some)
            .map_err(|error| complain(UNUSABLE, &format!("--until: {error}")))
    }

    /// The rules of the files that were named, if any were.
    fn rules(&self, config: &Config) -> Result<Option<Vec<RuleGroup>>, ExitCode> {
        let Some(paths) = &self.rules else {
            return Ok(None);
        };
        let around = Surroundings {
            evaluation_interval: config.evaluation_interval,
            retention: config.store.retention,
        };
        let (groups, report) = load_rules(paths, around);
        if !report.is_good() {
            return Err(complain(UNUSABLE, &report.render(coloured())));
        }
        for warning in &report.findings.warnings {
            note_down(&format!("warning: {}", warning.brief()));
        }
        Ok(Some(groups))
    }
}

pub(super) fn explain(error: &ReplayError) -> ExitCode {
    match error {
        ReplayError::Empty => complain(NO_DATA, "there are no measurements that were asked for"),
        ReplayError::TooLong { .. } => complain(UNUSABLE, &error.to_string()),
    }
}

fn under_budgets(
    recording: &Recording,
    setting: &Setting,
    names: Vec<String>,
    output: Output,
) -> Result<ExitCode, ExitCode> {
    let read = |name: &String| {
        read_budget(name.trim()).ok_or_else(|| {
            let message = format!("--budgets: {name:?} is no budget; a number per time such as `1 per 30d`, between 1 per 10y and 100 per 1d, is allowed");
            complain(UNUSABLE, &message)
        })
    };
    let budgets = names.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let replayed = replay_budgets(recording, setting, &budgets).map_err(|error| explain(&error))?;
    if replayed.is_empty() {
        let message = "no rule has a budget of false alarms; rules on a regression have one, unless they say `compat: guide`";
        return Err(complain(UNUSABLE, message));
    }
    let names = names.into_iter().map(|name| name.trim().to_owned());
    let replayed: Vec<_> = names.zip(replayed).collect();
    // A reader that has gone away has what it wanted.
    let _ = write_budgets(&replayed, output, &mut stdout().lock());
    Ok(
        match replayed.iter().all(|(_, one)| one.alerts.is_empty()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(FOUND),
        },
    )
}

enum Until {
    At(Timestamp),
    After(Period),
}
