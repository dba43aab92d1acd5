//! Recorded measurements, as commands that judge them again choose them.

use std::path::PathBuf;
use std::process::ExitCode;

use super::input::{note_down, read_file};
use super::{UNUSABLE, complain, data};
use crate::app::replay::{Gathering, Orders, Reading, orders};
use crate::engine::time::Timestamp;
use crate::export::{Filter, Form, Measured, moment};
use crate::replay::Recording;

/// Which measurements are meant.
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// Files with measurements, before the options; `-` is standard input. Without any, those that are kept in the data
    /// directory, also while opwatch runs.
    #[arg(value_name = "FILE", conflicts_with = "data_dir")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    data: data::Directory,
    /// auto (an export of opwatch, recognised), json, ndjson, csv, or guide (names, MB and percent of the original guide).
    #[arg(long, default_value = "auto")]
    format: Form,
    /// Only measurements that ended after this: RFC 3339, Unix seconds, or a time before now such as -7d.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Only measurements that ended at this time or before.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only measurements of this operation; with --metric, the operation whose values they are.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// The files are plain tables `timestamp,value` of this metric, or of the quality score of this name.
    #[arg(long, value_name = "NAME", requires_all = ["files", "operation"], conflicts_with = "format")]
    metric: Option<Measured>,
}

impl History {
    /// Which of the measurements count; complains of times that are none.
    pub(super) fn filter(&self, now: Timestamp) -> Result<Filter, ExitCode> {
        let read = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| moment(text, now)).transpose();
            read.map_err(|error| complain(UNUSABLE, &format!("--{name}: {error}")))
        };
        Ok(Filter {
            from: read("from", &self.from)?,
            to: read("to", &self.to)?,
            operation: self.operation.clone(),
        })
    }

    /// The measurements with what people have set that is kept beside them; complains where they cannot be read.
    pub(super) fn gather(
        self,
        mut gathering: Gathering,
        config: Option<PathBuf>,
    ) -> Result<(Recording, Orders), ExitCode> {
        if self.files.is_empty() {
            let database = self.data.open(config)?;
            let unreadable = gathering.add_kept(&database);
            if unreadable > 0 {
                note_down(&format!(
                    "left out {unreadable} groups of measurements that cannot be read; `opwatch store check` says more"
                ));
            }
            return Ok((gathering.recording(), orders(&database)));
        }
        let reading = match (self.metric, self.operation) {
            (Some(metric), Some(operation)) => Reading::Plain(operation, metric),
            _ => Reading::Export(self.format),
        };
        for path in &self.files {
            read_file(path, |input, tell| {
                gathering.add_file(input, &reading, tell)
            })?;
        }
        Ok((gathering.recording(), Orders::default()))
    }
}
