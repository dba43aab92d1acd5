//! `opwatch check-regression`: what has become worse, for continuous integration.

use std::io::stdout;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::input::{note_down, read_file};
use super::server::{at, refused};
use super::{FOUND, NO_BASELINE, NO_DATA, UNUSABLE, complain, data};
use crate::app::regressions::{ask, compare_kept, measurements};
use crate::app::remote::RemoteError;
use crate::clock::Clock;
use crate::document::units::Period;
use crate::engine::measurement::Measurement;
use crate::export::Form;
use crate::regressions::show::{Output, write};
use crate::regressions::{Findings, Question, Runs, Set, compare, look_back};

const EXAMPLES: &str = "\
Examples:
  opwatch check-regression --baseline main.ndjson --current branch.ndjson -o markdown
  opwatch check-regression --baseline-name release --url http://127.0.0.1:9776 --window 30m
  opwatch check-regression --baseline old.json --current new.json --format guide --compat guide
  opwatch check-regression --history nightly.ndjson --metric duration

A regression is a change for the worse by more than the threshold that chance does not make in one comparison of a \
thousand. Of a history it is the newest piece that is compared with the one before, and the run that began it is told. \
What is on one side only is `new` or `missing`; what rests on too few independent values is `insufficient`.

Exit codes: 0 no regression; 1 a regression; 2 wrong use or unreadable input; 3 no recent data, or too few to compare \
anything; 4 the server cannot be reached; 5 no baseline.";

/// What to compare.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("before").args(["baseline", "baseline_name", "history"]).required(true)))]
pub(super) struct CheckRegression {
    /// The measurements to compare with: a file in a form of `opwatch export`; `-` is standard input.
    #[arg(long, value_name = "FILE", requires = "current")]
    baseline: Option<PathBuf>,
    /// The measurements that are judged.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data_dir", "url"])]
    current: Option<PathBuf>,
    /// The measurements of many runs, of one for each commit say: where has it changed? `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["current", "data_dir", "url", "compat"])]
    history: Option<PathBuf>,
    /// The label that says of which run of a history a measurement is; without it each is a run of its own.
    #[arg(
        long,
        value_name = "LABEL",
        default_value = "version",
        conflicts_with_all = ["baseline", "baseline_name"]
    )]
    run: String,
    /// Changes of a history up to this run are what is usual now.
    #[arg(long, value_name = "RUN", requires = "history")]
    accepted: Option<String>,
    /// auto (an export of opwatch, recognised), json, ndjson, csv, or guide (names, MB and percent of the original guide).
    #[arg(long, default_value = "auto", conflicts_with = "baseline_name")]
    format: Form,
    /// A baseline that was set, compared with what has been measured since; in a data directory, or at --url.
    #[arg(long, value_name = "NAME", conflicts_with = "current")]
    baseline_name: Option<String>,
    /// A running opwatch, its public or its ingest listener.
    #[arg(
        long,
        value_name = "URL",
        requires = "baseline_name",
        conflicts_with = "data_dir"
    )]
    url: Option<String>,
    #[command(flatten)]
    data: data::Directory,
    /// How far back what was measured is judged, with --baseline-name.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1h",
        conflicts_with_all = ["baseline", "history"]
    )]
    window: Period,
    /// Only this metric; may be repeated. Without it, all whose bad direction is known, but not `samples`.
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    /// Only this operation; may be repeated.
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
    /// Labels that make an instance; the rest is merged.
    #[arg(long, value_name = "LABELS", default_value = "operation,algorithm")]
    by: String,
    /// Which way a score gets worse, NAME=up or NAME=down; may be repeated.
    #[arg(long, value_name = "NAME=WAY")]
    worse: Vec<String>,
    /// mean, median, or p50 to p99.9; by default the median, and with --compat guide the mean.
    #[arg(long, value_name = "STAT")]
    stat: Option<String>,
    /// Worse by more than this is a regression.
    #[arg(long, value_name = "SHARE", default_value = "20%")]
    threshold: String,
    /// Worse by more than this is a critical one; by default 50%, or twice a threshold that is not below that.
    #[arg(long, value_name = "SHARE")]
    critical: Option<String>,
    /// Fewer independent values on either side are too few; by default 10, and with --compat guide 1.
    #[arg(long, value_name = "N")]
    min_samples: Option<u64>,
    /// guide: plain means are compared, and one value is enough, as in the original guide.
    #[arg(long, value_name = "RULE")]
    compat: Option<String>,
    /// table, json, markdown, junit or csv.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl CheckRegression {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.try_run(config) {
            Ok(code) | Err(code) => code,
        }
    }

    fn try_run(self, config: Option<PathBuf>) -> Result<ExitCode, ExitCode> {
        let parts = self.parts();
        let question = Question::read(parts.iter().map(|(name, text)| (*name, text.as_str())));
        let question = question.map_err(|error| complain(UNUSABLE, &format!("{error}")))?;
        let findings = match (&self.history, &self.baseline_name, &self.url) {
            (Some(history), ..) => self.of_history(history, &question)?,
            (None, Some(name), Some(url)) => self.asked(url, name, parts)?,
            (None, Some(name), None) => self.kept(name, &question, config)?,
            (None, None, _) => self.of_files(&question)?,
        };
        // A reader that has gone away has what it wanted.
        let _ = write(&findings, &question, self.output, &mut stdout().lock());
        if findings.has_regressed() {
            return Ok(ExitCode::from(FOUND));
        }
        if findings.has_compared() {
            return Ok(ExitCode::SUCCESS);
        }
        if findings.history.is_some() {
            return Err(complain(
                NO_DATA,
                "nothing could be judged: the history has too few runs",
            ));
        }
        let is_new = findings.count("new") > 0 && findings.count("missing") == 0;
        Err(match is_new && findings.count("insufficient") == 0 {
            true => complain(
                NO_BASELINE,
                "nothing could be compared: the baseline has none of what was measured",
            ),
            false => complain(
                NO_DATA,
                "nothing could be compared: there is too little on one side or on both",
            ),
        })
    }

    /// The parts of the question, as the API takes them too.
    fn parts(&self) -> Vec<(&'static str, String)> {
        let many = |name, texts: &[String]| {
            let texts = texts.iter().cloned();
            texts.map(|text| (name, text)).collect::<Vec<_>>()
        };
        let mut parts = many("metric", &self.metric);
        parts.extend(many("operation", &self.operation));
        parts.extend(many("worse", &self.worse));
        parts.extend([
            ("by", self.by.clone()),
            ("threshold", self.threshold.clone()),
        ]);
        let min_samples = self.min_samples.map(|n| n.to_string());
        let single = [
            ("stat", self.stat.clone()),
            ("critical", self.critical.clone()),
            ("min_samples", min_samples),
            ("compat", self.compat.clone()),
        ];
        let given = single.into_iter();
        parts.extend(given.filter_map(|(name, text)| Some((name, text?))));
        parts
    }

    fn of_files(&self, question: &Question) -> Result<Findings, ExitCode> {
        let (Some(baseline), Some(current)) = (&self.baseline, &self.current) else {
            return Err(complain(
                UNUSABLE,
                "--baseline and --current are both needed",
            ));
        };
        if baseline.as_os_str() != "-" && !baseline.exists() {
            let message = format!("no baseline: {}: there is no such file", baseline.display());
            return Err(complain(NO_BASELINE, &message));
        }
        let before = self.set(baseline, question)?;
        let now = self.set(current, question)?;
        if before.is_empty() {
            let message = format!(
                "no baseline: {} has no measurements that were asked for",
                baseline.display()
            );
            return Err(complain(NO_BASELINE, &message));
        }
        if now.is_empty() {
            let message = format!(
                "no recent data: {} has no measurements that were asked for",
                current.display()
            );
            return Err(complain(NO_DATA, &message));
        }
        Ok(compare(question, &before, &now))
    }

    fn of_history(&self, path: &Path, question: &Question) -> Result<Findings, ExitCode> {
        let runs = Runs::of(question, &self.run, &self.read(path)?);
        if runs.runs.is_empty() {
            let path = path.display();
            let message = format!("no data: {path} has no measurements that were asked for");
            return Err(complain(NO_DATA, &message));
        }
        look_back(question, &runs, self.accepted.as_deref())
            .map_err(|error| complain(UNUSABLE, &error.to_string()))
    }

    fn set(&self, path: &Path, question: &Question) -> Result<Set, ExitCode> {
        Ok(Set::of(question, &self.read(path)?))
    }

    fn read(&self, path: &Path) -> Result<Vec<Measurement>, ExitCode> {
        let mut all = Vec::new();
        read_file(path, |input, tell| {
            all = measurements(input, self.format, tell)?;
            Ok(())
        })?;
        Ok(all)
    }

    fn kept(
        &self,
        name: &str,
        question: &Question,
        config: Option<PathBuf>,
    ) -> Result<Findings, ExitCode> {
        let database = self.data.open(config)?;
        let now = Clock::start().now().wall;
        let kept = compare_kept(&database, question, name, self.window.0, now);
        if kept.unreadable > 0 {
            note_down(&format!(
                "left out {} parts that cannot be read; `opwatch store check` says more",
                kept.unreadable
            ));
        }
        let no_baseline = format!("no baseline {name:?} is set; `opwatch set-baseline` sets one");
        let findings = kept
            .findings
            .ok_or_else(|| complain(NO_BASELINE, &no_baseline))?;
        if !kept.has_recent {
            let message = format!(
                "no recent data: nothing was measured in the last {}",
                self.window
            );
            return Err(complain(NO_DATA, &message));
        }
        Ok(findings)
    }

    fn asked(
        &self,
        url: &str,
        name: &str,
        mut parts: Vec<(&'static str, String)>,
    ) -> Result<Findings, ExitCode> {
        parts.push(("baseline", name.to_owned()));
        parts.push(("window", self.window.to_string()));
        ask(&at(url)?, parts).map_err(|error| match error {
            RemoteError::NotFound(_) => complain(NO_BASELINE, &error.to_string()),
            _ => refused(&error),
        })
    }
}
