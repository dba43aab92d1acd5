//! `opwatch explain`: what the verdicts of a rule rest on.

use std::path::PathBuf;
use std::process::ExitCode;

use super::server::Server;
use super::shown::Form;
use crate::app::remote::{Purpose, with_query};
use crate::explanation::text;

const EXAMPLES: &str = "\
Examples:
  opwatch explain TrainingSlower
  opwatch explain TrainingSlower --labels '{operation=\"train\"}' -o json

Exit codes: 0 good; 2 wrong use; 3 there is no such rule; 4 opwatch cannot be reached.";

/// Which rule.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// Its name.
    #[arg(value_name = "RULE")]
    rule: String,
    /// Its group, where several have a rule of that name.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Only instances with these labels, such as '{operation="train"}'.
    #[arg(long, value_name = "SELECTOR")]
    labels: Option<String>,
    /// How it is shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: Server,
}

impl Explain {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let mut query = vec![("rule", self.rule.as_str())];
        query.extend(self.group.as_deref().map(|group| ("group", group)));
        query.extend(self.labels.as_deref().map(|labels| ("labels", labels)));
        let path = with_query("/api/v1/explain", query);
        self.output.show(&remote, &path, text)
    }
}
