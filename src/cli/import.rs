//! `opwatch import`: measurements from a file, into a data directory or a running opwatch.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use super::server::{code, refused};
use super::{FOUND, NO_DATA, UNUSABLE, complain, configuration, say};
use crate::app::import::{ImportError, Imported, Local, LocalError, Taker, Target, run};
use crate::config::Config;
use crate::export::{Form, ReadError};
use crate::storage::{AloneError, FolderError};

/// Refusals that are told one by one; those beyond are counted.
const TOLD: u64 = 20;

const EXAMPLES: &str = "\
Examples:
  opwatch import measurements.ndjson --url http://127.0.0.1:9777
  opwatch export --data-dir old --format csv | opwatch import - --data-dir new
  opwatch import guide.json --format guide --data-dir opwatch-data

Each record keeps its own end time; what is older than `store.retention` is refused. What ended more \
than an hour ago counts in totals and time windows, but is no recent run.

Exit codes: 0 all was imported; 1 something was refused, or the input is cut off; 2 wrong use, or a data \
directory that cannot be used; 3 no records; 4 the server cannot be reached.";

/// What to import, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// The file to read; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// auto (an export of opwatch, recognised), json, ndjson, csv, or guide (names, MB and percent of the original guide).
    #[arg(long, default_value = "auto")]
    format: Form,
    /// Leave out the first N records, to go on where an import was broken off.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    #[command(flatten)]
    to: Destination,
}

/// Where to; exactly one of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Destination {
    /// A data directory that no opwatch is using; it is made where there is none.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The ingest listener of a running opwatch.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Import {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let name = self.file.display().to_string();
        let input: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            match File::open(&self.file) {
                Ok(file) => Box::new(BufReader::with_capacity(64 << 10, file)),
                Err(error) => return complain(UNUSABLE, &format!("{name}: {error}")),
            }
        };
        let (target, taken) = match self.target(config) {
            Ok(found) => found,
            Err(code) => return code,
        };
        let mut told = 0;
        let (imported, outcome) = run(input, self.format, &taken, self.skip, target, |fault| {
            told += 1;
            if told <= TOLD {
                // Nobody who reads it is no reason to stop.
                let _ = writeln!(stderr(), "{name}: {fault}");
            }
        });
        if told > TOLD {
            let _ = writeln!(
                stderr(),
                "{name}: {} more refusals are not shown",
                told - TOLD
            );
        }
        say(&summary(&name, &imported));
        match outcome {
            Err(error) => {
                let (code, mut message) = self.explain(&error);
                if imported.decided > 0 && !matches!(error, ImportError::Read(_)) {
                    let done = imported.decided;
                    message +=
                        &format!("; the first {done} records are done, go on with --skip {done}");
                }
                complain(code, &format!("{name}: {message}"))
            }
            Ok(()) if imported.records == 0 => complain(NO_DATA, &format!("{name}: no records")),
            Ok(()) if imported.refused() > 0 => ExitCode::from(FOUND),
            Ok(()) => ExitCode::SUCCESS,
        }
    }

    /// Where to, with the label names that may not be used there as far as they are known here.
    fn target(&self, config: Option<PathBuf>) -> Result<(Target, Vec<String>), ExitCode> {
        if let Some(url) = &self.to.url {
            let taker = Taker::new(url).map_err(|error| refused(&error))?;
            return Ok((Target::Remote(Box::new(taker)), Vec::new()));
        }
        let file = configuration::file(config);
        let (config, _) =
            configuration::load(file.as_deref()).map_err(|faults| complain(UNUSABLE, &faults))?;
        let taken = (config.external_labels.iter()).map(|(name, _)| name.to_owned());
        let taken = taken.collect();
        let local = self.local(&config)?;
        Ok((Target::Local(Box::new(local)), taken))
    }

    fn local(&self, config: &Config) -> Result<Local, ExitCode> {
        let Some(path) = &self.to.data_dir else {
            return Err(complain(UNUSABLE, "one of --data-dir and --url is needed"));
        };
        Local::open(path, config).map_err(|error| {
            let hint = match &error {
                LocalError::Open(AloneError::Folder(FolderError::Locked(_))) => {
                    "; import into it with --url while it runs"
                }
                _ => "",
            };
            complain(UNUSABLE, &format!("{error}{hint}"))
        })
    }

    /// The exit code of a failure, and what to say of it.
    fn explain(&self, error: &ImportError) -> (u8, String) {
        let code = match error {
            ImportError::Read(ReadError::Unfinished { .. } | ReadError::AfterArray { .. }) => FOUND,
            ImportError::Remote(error) => code(error),
            ImportError::Read(_) | ImportError::Local(_) => UNUSABLE,
        };
        let hint = match error {
            ImportError::Read(ReadError::Unrecognised(_)) if self.format == Form::Auto => {
                "; an export of the original guide is read with --format guide"
            }
            _ => "",
        };
        (code, format!("{error}{hint}"))
    }
}

fn summary(name: &str, imported: &Imported) -> String {
    let refused = imported.refused();
    let mut text = format!(
        "{name}: {} records: {} imported, {} known already, {refused} refused",
        imported.records, imported.accepted, imported.duplicates
    );
    let mut line = |text_of: String| {
        let _ = write!(text, "\n  {text_of}");
    };
    if refused > 0 {
        let fields = imported.refused.iter().map(|(field, count)| {
            let field = if field.is_empty() {
                "not a record"
            } else {
                field
            };
            format!("{field} {count}")
        });
        line(format!(
            "refused: {}",
            fields.collect::<Vec<_>>().join(", ")
        ));
    }
    for (count, what) in [
        (imported.skipped, "were skipped, as asked for"),
        (
            imported.late,
            "ended more than an hour ago: in totals and time windows, but no recent runs",
        ),
        (
            imported.overflow,
            "share a series because store.max_series is reached",
        ),
        (
            imported.left_out,
            "values have no place in a measurement and were left out: metadata, or memory_usage below 0",
        ),
        (
            imported.dropped,
            "older groups of measurements went from the log to keep to store.max_disk",
        ),
    ] {
        if count > 0 {
            line(format!("{count} {what}"));
        }
    }
    text
}
