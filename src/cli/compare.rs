//! `opwatch compare`: which algorithm or version of an operation is the fastest, smallest, most reliable, best.

use std::path::PathBuf;
use std::process::ExitCode;

use super::server::{Server, refused};
use super::{FOUND, NO_DATA, UNUSABLE, complain, data, say};
use crate::app::remote::{Purpose, with_query};
use crate::clock::Clock;
use crate::comparison::{Asked, ComparisonBody, KeptError, compare_kept, render};
use crate::shown::output::Output;

/// Where a running opwatch compares.
const PATH: &str = "/api/v1/comparison";

const EXAMPLES: &str = "\
Examples:
  opwatch compare detect
  opwatch compare detect --by version --select '{algorithm=\"iforest\"}' --window '200 runs'
  opwatch compare detect --data-dir opwatch-data --window 7d -o csv

Exit codes: 0 good; 1 good, but something in the data directory could not be read; 2 wrong use; 3 nobody has \
enough operations to be compared; 4 server not reachable.";

/// What to compare.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Compare {
    /// The operation.
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// What of it is compared: algorithm or version.
    #[arg(long, default_value = "algorithm")]
    by: String,
    /// How far back: a time such as 1h, or runs of each such as '50 runs'; without this option all runs that are kept.
    #[arg(long)]
    window: Option<String>,
    /// Who has fewer operations is left out.
    #[arg(long, value_name = "N", default_value = "3")]
    min_operations: String,
    /// Only series with these labels, as in rules.
    #[arg(long, value_name = "SELECTOR")]
    select: Option<String>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    data: data::Kept,
    /// table, json or csv.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

impl Compare {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let pairs = self.pairs();
        let asked = match Asked::parse(pairs.clone()) {
            Ok(asked) => asked,
            Err(error) => return complain(UNUSABLE, &error),
        };
        let (body, unreadable) = match self.data.open() {
            None => match self.asked(config, pairs) {
                Ok(body) => (body, 0),
                Err(code) => return code,
            },
            Some(Err(code)) => return code,
            Some(Ok(database)) => {
                match compare_kept(&database, &asked, Clock::start().now().wall) {
                    Ok(found) => found,
                    Err(error @ KeptError::Missing(_)) => {
                        return complain(NO_DATA, &error.to_string());
                    }
                    Err(error) => return complain(UNUSABLE, &error.to_string()),
                }
            }
        };
        self.show(&body, unreadable)
    }

    fn asked(
        &self,
        config: Option<PathBuf>,
        pairs: Vec<(String, String)>,
    ) -> Result<ComparisonBody, ExitCode> {
        let remote = self.server.remote(config, Purpose::Read)?;
        let answer = remote.get(&with_query(PATH, pairs));
        answer.map_err(|error| refused(&error))
    }

    fn show(&self, body: &ComparisonBody, unreadable: u64) -> ExitCode {
        match render(body, self.output) {
            Ok(text) => say(&text),
            Err(error) => return complain(UNUSABLE, &error),
        }
        if unreadable > 0 {
            let message = format!(
                "left out {unreadable} groups of measurements that cannot be read; `opwatch store check` says more"
            );
            return complain(FOUND, &message);
        }
        if body.compared.is_empty() {
            let message = format!(
                "nobody has {} operations to be compared",
                body.min_operations
            );
            return complain(NO_DATA, &message);
        }
        ExitCode::SUCCESS
    }

    /// What is asked for, as in a query.
    fn pairs(&self) -> Vec<(String, String)> {
        let given = [
            ("operation", Some(&self.operation)),
            ("by", Some(&self.by)),
            ("window", self.window.as_ref()),
            ("min_operations", Some(&self.min_operations)),
            ("select", self.select.as_ref()),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())))
            .collect()
    }
}
