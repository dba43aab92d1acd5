//! `opwatch detect`: what a detector finds in recorded series.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::input::{TOLD, note_down};
use super::{FOUND, NO_DATA, UNUSABLE, complain, say};
use crate::detection::{
    At, Detection, Kind, Question, ReadError, Series, WarmUp, detect, read, write,
};
use crate::document::units::Period;
use crate::engine::condition::Budget;
use crate::rulefile::read_budget;

const EXAMPLES: &str = "\
Examples:
  opwatch detect --as regression -o scores latency.csv throughput.csv
  opwatch detect --as anomaly --explain -o scores requests.csv
  opwatch detect --as regression --false-alarms '1 per 100d' --step 1h --season 7d -o scores index.csv
  opwatch detect --as segments --explain -o scores nightly.csv

A file is a table `timestamp,value` or `index,value`; an empty value is missing. Its scores go to a file of the same name in \
the folder after -o, as a table `index,score` of the rows, from 0, that score. A score of 1 is an alert.

Exit codes: 0 nothing was found; 1 something was; 2 wrong use, or a file that cannot be read or judged (the others are); \
3 no data that could be judged.";

/// What to look for, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Detect {
    /// What is looked for.
    #[arg(long = "as", value_name = "KIND")]
    kind: Kind,
    /// How long a season is, after which a series looks alike; of regressions.
    #[arg(long, value_name = "TIME", default_value = "1d")]
    season: Period,
    /// How many false alarms a series may raise; by default `1 per 20d` of regressions and `1 per 1d` of anomalies.
    #[arg(long, value_name = "BUDGET", value_parser = budget)]
    false_alarms: Option<Budget>,
    /// How far points of an `index,value` table are apart.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    step: Period,
    /// How much is learnt from before a regression can be told: points, or a time; by default two seasons.
    #[arg(long, value_name = "POINTS|TIME")]
    warmup: Option<WarmUp>,
    /// Say of each alert what it is.
    #[arg(long)]
    explain: bool,
    /// The folder for the scores; it is made if there is none.
    #[arg(long, short, value_name = "OUTDIR")]
    output: PathBuf,
    /// The series.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn budget(text: &str) -> Result<Budget, String> {
    read_budget(text).ok_or_else(|| {
        "allowed is a number per time such as `1 per 30d`, between 1 per 10y and 100 per 1d"
            .to_owned()
    })
}

impl Detect {
    pub(super) fn run(&self) -> ExitCode {
        for (name, time) in [("season", self.season), ("step", self.step)] {
            if time.0.is_zero() {
                return complain(UNUSABLE, &format!("--{name}: a time above 0 is allowed"));
            }
        }
        if let Err(error) = fs::create_dir_all(&self.output) {
            let folder = self.output.display();
            return complain(UNUSABLE, &format!("-o {folder}: {error}"));
        }
        let question = Question {
            kind: self.kind,
            season: self.season.0,
            budget: self.false_alarms,
            warm_up: self.warmup,
            step: self.step.0,
        };
        let (mut names, mut faulty, mut judged, mut alerts) = (BTreeSet::new(), false, 0, 0);
        for file in &self.files {
            match self.judge(file, &question, &mut names) {
                Ok(detection) => {
                    judged += detection.judged;
                    alerts += detection.alerts.len();
                }
                Err(message) => {
                    note_down(&message);
                    faulty = true;
                }
            }
        }
        match (faulty, judged, alerts) {
            (true, ..) => ExitCode::from(UNUSABLE),
            (_, 0, _) => complain(NO_DATA, "no data: nothing could be judged"),
            (.., 0) => ExitCode::SUCCESS,
            _ => ExitCode::from(FOUND),
        }
    }

    fn judge(
        &self,
        file: &Path,
        question: &Question,
        names: &mut BTreeSet<PathBuf>,
    ) -> Result<Detection, String> {
        let place = |reason: &dyn std::fmt::Display| format!("{}: {reason}", file.display());
        let stem = file.file_stem().ok_or_else(|| place(&"it has no name"))?;
        let mut table = stem.to_owned();
        table.push(".csv");
        let output = self.output.join(table);
        let series = open(file)?;
        let is_input = fs::canonicalize(&output).ok() == fs::canonicalize(file).ok();
        if is_input {
            return Err(place(
                &"its scores would take its place; another folder after -o is allowed",
            ));
        }
        if !names.insert(output.clone()) {
            return Err(place(
                &"another file has given scores under its name; different names are allowed",
            ));
        }
        let detection = detect(&series, question).map_err(|error| place(&error))?;
        let written = File::create(&output).and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&detection.scores, &mut file)?;
            file.flush()
        });
        written.map_err(|error| format!("{}: {error}", output.display()))?;
        say(&self.told(&stem.to_string_lossy(), &series, &detection));
        Ok(detection)
    }

    /// One line for a series, and one for each of its alerts where they are to be explained.
    fn told(&self, name: &str, series: &Series, detection: &Detection) -> String {
        let (one, many) = match self.kind {
            Kind::Segments => ("cut", "cuts"),
            _ => ("alert", "alerts"),
        };
        let alerts = detection.alerts.len();
        let mut text = format!(
            "{name}: {} points, {alerts} {}",
            series.points.len(),
            if alerts == 1 { one } else { many }
        );
        let scores = detection.scores.iter().map(|(_, score)| *score);
        if let Some(highest) = scores.reduce(f64::max) {
            text += &format!(", highest score {highest:.2}");
        }
        for note in &detection.notes {
            text += &format!("; {note}");
        }
        if self.explain {
            let at = |row: usize| series.points.get(row).map(|point| point.at);
            let said = |row| at(row).as_ref().map_or_else(String::new, At::to_string);
            for alert in &detection.alerts {
                let within = alert.within.filter(|(from, to)| from < to);
                let within = within.map_or_else(String::new, |(from, to)| {
                    format!(" [{}, {}]", said(from), said(to))
                });
                let since = (alert.since).map(|row| format!(", since {}{within}", said(row)));
                text += &format!(
                    "\n  {}: {}{}, score {:.2}",
                    said(alert.row),
                    alert.what,
                    since.unwrap_or_default(),
                    alert.score
                );
            }
        }
        text
    }
}

fn open(path: &Path) -> Result<Series, String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
    read(BufReader::with_capacity(64 << 10, file)).map_err(|error| match error {
        ReadError::Faults(faults) => {
            let mut lines: Vec<String> = (faults.iter().take(TOLD))
                .map(|fault| format!("{name}: {fault}"))
                .collect();
            if faults.len() > TOLD {
                let more = faults.len() - TOLD;
                lines.push(format!("{name}: {more} more faults are not shown"));
            }
            lines.join("\n")
        }
        error => format!("{name}: {error}"),
    })
}
