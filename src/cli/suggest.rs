//! `opwatch suggest`: rules from recorded measurements, with the alarms that they would have raised.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::history::History;
use super::input::note_down;
use super::{NO_DATA, UNUSABLE, complain, configuration, replay, say};
use crate::app::replay::{Gathering, setting};
use crate::clock::Clock;
use crate::engine::condition::Budget;
use crate::engine::metric::Stat;
use crate::rulefile::{Surroundings, read_budget};
use crate::suggest::{Asked, SuggestError, Suggested, suggest};

const EXAMPLES: &str = "\
Examples:
  opwatch suggest --data-dir /var/lib/opwatch --from -14d -o suggested.yaml
  opwatch suggest last-month.ndjson --quantile p99 --times 2 --alarms '1 per 30d'
  opwatch suggest latency.csv --operation checkout --metric duration

The file has rules on limits, on regressions and on absence, as far as the history tells enough for them, and says of \
each what it rests on and how many alarms it would have raised over the same history. Then `opwatch check` it, and \
`opwatch replay` it over other times.

Exit codes: 0 there are rules; 2 wrong use, or unreadable input; 3 no data, or too little for any rule.";

/// From what to suggest rules, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Suggest {
    #[command(flatten)]
    history: History,
    /// What is usual, p50 to p99.9 of what was seen.
    #[arg(long, value_name = "QUANTILE", default_value = "p95", value_parser = quantile)]
    quantile: f64,
    /// How many times that a limit is, above 1 and at most 100.
    #[arg(long, value_name = "NUMBER", default_value = "1.5", value_parser = times)]
    times: f64,
    /// How many alarms a rule may raise, such as `1 per 30d`; one that raises more is loosened.
    #[arg(long, value_name = "BUDGET", default_value = "1 per 7d", value_parser = budget)]
    alarms: Budget,
    /// Where to write; without this option to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file.
    #[arg(long, requires = "output")]
    force: bool,
}

fn quantile(text: &str) -> Result<f64, String> {
    match Stat::named(text) {
        Some(Stat::Quantile(quantile)) => Ok(quantile),
        _ => Err("allowed are p50 to p99.9, and median".to_owned()),
    }
}

fn times(text: &str) -> Result<f64, String> {
    let times = text.parse().ok();
    let times = times.filter(|times: &f64| *times > 1.0 && *times <= 100.0);
    times.ok_or_else(|| "allowed is a number above 1 and at most 100".to_owned())
}

fn budget(text: &str) -> Result<Budget, String> {
    read_budget(text).ok_or_else(|| {
        "allowed is a number per time such as `1 per 30d`, between 1 per 10y and 100 per 1d"
            .to_owned()
    })
}

impl Suggest {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.try_run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(code) => code,
        }
    }

    fn try_run(self, file: Option<PathBuf>) -> Result<(), ExitCode> {
        let filter = self.history.filter(Clock::start().now().wall)?;
        // Before the work, so that it is not in vain.
        if let Some(path) = self.output.as_ref().filter(|_| !self.force)
            && path.exists()
        {
            return Err(taken(path));
        }
        let found = configuration::file(file.clone());
        let (config, _) =
            configuration::load(found.as_deref()).map_err(|faults| complain(UNUSABLE, &faults))?;
        let (mut setting, _) = setting(&config, Some(Vec::new()), None);
        let gathering = Gathering::new(&config, filter);
        let (recording, orders) = self.history.gather(gathering, file)?;
        (setting.baselines, setting.maintenance) = (orders.baselines, orders.maintenance);
        let around = Surroundings {
            evaluation_interval: config.evaluation_interval,
            retention: config.store.retention,
        };
        let asked = Asked {
            quantile: self.quantile,
            times: self.times,
            budget: self.alarms,
        };
        let suggested =
            suggest(&recording, &setting, around, asked).map_err(|error| explain(&error))?;
        for line in &suggested.left_out {
            note_down(&format!("left out {line}"));
        }
        match &self.output {
            None => say(&suggested.text),
            Some(path) => {
                write(path, &suggested.text, self.force).map_err(|error| match error.kind() {
                    ErrorKind::AlreadyExists => taken(path),
                    _ => complain(UNUSABLE, &format!("{}: {error}", path.display())),
                })?;
                note_down(&summary(path, &suggested));
            }
        }
        Ok(())
    }
}

fn taken(path: &Path) -> ExitCode {
    let message = format!("{}: exists already; --force overwrites it", path.display());
    complain(UNUSABLE, &message)
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    options.open(path)?.write_all(text.as_bytes())
}

fn summary(path: &Path, suggested: &Suggested) -> String {
    let tried = suggested.rules.iter().filter_map(|rule| rule.tried);
    let alarms: u64 = tried.map(|tried| tried.alarms).sum();
    format!(
        "{}: {} rules, which would have raised {alarms} alarms in {:.1} days",
        path.display(),
        suggested.rules.len(),
        suggested.span.as_secs_f64() / 86_400.0
    )
}

fn explain(error: &SuggestError) -> ExitCode {
    match error {
        SuggestError::Replay(error) => replay::explain(error),
        SuggestError::Nothing { .. } => complain(NO_DATA, &error.to_string()),
        SuggestError::Unwritable(_) => complain(UNUSABLE, &error.to_string()),
    }
}
