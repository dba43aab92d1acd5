//! `opwatch notify test`: sends a test to a receiver and shows each step of the conversation.

use std::io::stdout;
use std::path::PathBuf;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::{FOUND, UNUSABLE, complain, configuration, say};
use crate::clock::Clock;
use crate::notify::trial::Trial;

const EXAMPLES: &str = "\
Examples:
  opwatch notify test team
  opwatch notify test pager --resolved

It uses the configuration as opwatch does, but needs none that runs: what is sent is not queued, not repeated and not \
kept. Passwords, tokens and the paths of URLs are not shown.

Exit codes: 0 everything was taken; 1 something was not; 2 wrong use, unusable configuration, or no such receiver.";

/// What to do with receivers.
#[derive(Debug, clap::Args)]
pub(super) struct Notify {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Send a test to a receiver, by each of its means, and show each step of the conversation.
    Test(Test),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Test {
    /// The name of the receiver.
    #[arg(value_name = "RECEIVER")]
    receiver: String,
    /// Tell that the test has ended as well.
    #[arg(long)]
    resolved: bool,
}

impl Notify {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let What::Test(test) = self.what;
        match test.run(config) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(FOUND),
            Err(code) => code,
        }
    }
}

impl Test {
    /// Whether everything was taken.
    fn run(&self, config: Option<PathBuf>) -> Result<bool, ExitCode> {
        let file = configuration::file(config);
        let (config, _) =
            configuration::load(file.as_deref()).map_err(|faults| complain(UNUSABLE, &faults))?;
        let clock = Clock::start();
        let trial = Trial::of(
            &config.notify,
            &self.receiver,
            &config.external_labels,
            clock,
        );
        let trial = trial.map_err(|error| complain(UNUSABLE, &error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| complain(UNUSABLE, &error.to_string()))?;
        show_conversations();
        let ends: &[bool] = if self.resolved {
            &[false, true]
        } else {
            &[false]
        };
        let mut is_good = true;
        for (number, notifier) in trial.notifiers().iter().enumerate() {
            for ended in ends {
                let what = if *ended { "an end" } else { "a test" };
                say(&format!(
                    "{}, {number}: {what} by {}",
                    self.receiver,
                    notifier.destination()
                ));
                match runtime.block_on(trial.attempt(notifier, *ended)) {
                    Ok(took) => say(&format!("taken after {:.3} s\n", took.as_secs_f64())),
                    Err(error) => {
                        is_good = false;
                        let again = match error.is_transient() {
                            true => "opwatch would try it again",
                            false => "opwatch would not try it again",
                        };
                        complain(FOUND, &format!("not taken: {error} ({again})\n"));
                    }
                }
            }
        }
        Ok(is_good)
    }
}

/// Has the steps shown that are only for those who look for a fault.
fn show_conversations() {
    let shown = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("opwatch::notify=debug"))
        .with_writer(stdout)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false);
    // There is no other in this process.
    let _ = shown.try_init();
}
