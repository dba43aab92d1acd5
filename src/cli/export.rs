//! `opwatch export`: the measurements that are kept, also while opwatch runs.

use std::fs::File;
use std::io::{BufWriter, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{FOUND, NO_DATA, UNUSABLE, complain, data};
use crate::clock::Clock;
use crate::engine::time::Timestamp;
use crate::export::{Filter, Format, Written, moment, write_kept};

const EXAMPLES: &str = "\
Examples:
  opwatch export --from -1h --format csv > last-hour.csv
  opwatch export --operation checkout --output checkout.ndjson";

/// What to export.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    #[command(flatten)]
    data: data::Directory,
    /// json (one array), ndjson (one record a line) or csv.
    #[arg(long, default_value = "ndjson")]
    format: Format,
    /// Only measurements that ended after this: RFC 3339, or a time before now such as -1h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Only measurements that ended at this time or before.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only measurements of this operation.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Where to write; without this option to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let now = Clock::start().now().wall;
        let filter = match self.filter(now) {
            Ok(filter) => filter,
            Err(error) => return complain(UNUSABLE, &error),
        };
        let database = match self.data.open(config) {
            Ok(database) => database,
            Err(code) => return code,
        };
        let written = match &self.output {
            Some(path) => File::create(path)
                .and_then(|file| {
                    let file = BufWriter::new(file);
                    write_kept(&database, &filter, self.format, file).map(|(written, _)| written)
                })
                .map_err(|error| format!("{}: {error}", path.display())),
            None => write_kept(&database, &filter, self.format, stdout().lock())
                .map(|(written, _)| written)
                .map_err(|error| format!("cannot write the export: {error}")),
        };
        match written {
            // A reader that has gone away has what it wanted.
            Err(error) => complain(UNUSABLE, &error),
            Ok(Written { unreadable, .. }) if unreadable > 0 => complain(
                FOUND,
                &format!(
                    "left out {unreadable} groups of measurements that cannot be read; `opwatch store check` says more"
                ),
            ),
            Ok(Written {
                measurements: 0, ..
            }) => complain(NO_DATA, "no measurement is kept that was asked for"),
            Ok(_) => ExitCode::SUCCESS,
        }
    }

    fn filter(&self, now: Timestamp) -> Result<Filter, String> {
        let read = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| moment(text, now));
            read.transpose()
                .map_err(|error| format!("--{name}: {error}"))
        };
        Ok(Filter {
            from: read("from", &self.from)?,
            to: read("to", &self.to)?,
            operation: self.operation.clone(),
        })
    }
}
