//! The command line: definitions here, one file per command, no logic of their own.

mod accept;
mod actions;
mod alertmanager;
mod alerts;
mod baselines;
mod check;
mod check_regression;
mod compare;
mod completions;
mod configuration;
mod data;
mod demo;
mod detect;
mod explain;
mod export;
mod healthcheck;
mod history;
mod import;
mod incidents;
mod input;
mod maintenance;
mod man;
mod notify;
mod replay;
mod serve;
mod server;
mod set_baseline;
mod shown;
mod silence;
mod store;
mod suggest;
mod test;
mod trends;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Something was found: faults in the files given, a failed test, an alert that would have fired.
const FOUND: u8 = 1;
/// Wrong use or an unusable configuration.
const UNUSABLE: u8 = 2;
/// There are no data to answer from.
const NO_DATA: u8 = 3;
/// The server cannot be reached.
const UNREACHABLE: u8 = 4;
/// There is no baseline to compare with.
const NO_BASELINE: u8 = 5;

/// Watches operations: measurements in, Prometheus metrics and trustworthy alerts out.
///
/// Without a command it serves. Exit codes: 0 good; 1 found something (faults in the files given, a failed
/// test, an alert that would have fired); 2 wrong use or unusable configuration; 3 no data; 4 server not reachable;
/// 5 no baseline.
#[derive(Debug, Parser)]
#[command(name = "opwatch", version)]
struct Cli {
    /// The configuration; without this option `opwatch.yaml` where there is one, else the defaults.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve with a synthetic service that degrades and recovers on cue, and say what to look at.
    Demo(demo::Demo),
    /// Check the configuration and its rule files, or the rule files given; report every fault of every file.
    Check(check::Check),
    /// Run rule unit tests in virtual time.
    Test(test::Test),
    /// Judge recorded measurements by rules and say what would have fired; nobody is told.
    Replay(replay::Replay),
    /// Look for anomalies, regressions or changes in recorded series, and write their scores.
    Detect(detect::Detect),
    /// Write rules from recorded measurements, with the alarms that they would have raised.
    Suggest(suggest::Suggest),
    /// Compare the algorithms or versions of an operation: speed, memory, throughput, reliability, quality.
    Compare(compare::Compare),
    /// Compare measurements with a baseline and say what has become worse; made for continuous integration.
    CheckRegression(check_regression::CheckRegression),
    /// Write the measurements that are kept as JSON, NDJSON or CSV; also while opwatch runs.
    Export(export::Export),
    /// Read measurements from a file into a data directory, or into a running opwatch.
    Import(import::Import),
    /// Tell what gets better or worse, and how fast, as a running opwatch sees it.
    Trends(trends::Trends),
    /// Look at what is kept.
    Store(store::Store),
    /// Say what a metric is like when all is well: as it was measured, or as a number; rules are judged against it.
    SetBaseline(set_baseline::SetBaseline),
    /// List the baselines that were set, or delete some.
    Baselines(baselines::List),
    /// Say that what a rule has found is usual from now on; it learns anew from there.
    Accept(accept::Accept),
    /// Show what alerts have brought about, such as retrainings, or run an action by hand.
    Actions(actions::Actions),
    /// List the incidents: alerts that began together, the most explanatory first.
    Incidents(incidents::List),
    /// Try out receivers.
    Notify(notify::Notify),
    /// Say what the verdicts of a rule rest on: data, baseline, evidence and decision, for each instance.
    Explain(explain::Explain),
    /// Ask whether the opwatch of this machine is ready; made for probes.
    Healthcheck(healthcheck::Healthcheck),
    /// Write a script that completes commands and options in a shell.
    Completions(completions::Completions),
    /// Write the manual page, or all of them as files.
    Man(man::Man),
    /// Show the alerts that are pending or firing with what keeps them from being told, and past changes; look after alerts, or end them.
    Alerts(alerts::Alerts),
    /// Tell nobody of certain alerts for a while; show such silences and call them off.
    Silence(silence::Silence),
    /// Tell nobody of what is worked on: start and end that from a job, and show it.
    Maintenance(maintenance::Maintenance),
    /// Take routes and receivers to a real Alertmanager.
    Alertmanager(alertmanager::Alertmanager),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => serve::run(cli.config),
        Some(Command::Demo(demo)) => demo.run(),
        Some(Command::Check(check)) => check.run(cli.config),
        Some(Command::Test(test)) => test.run(),
        Some(Command::Replay(replay)) => replay.run(cli.config),
        Some(Command::Detect(detect)) => detect.run(),
        Some(Command::Suggest(suggest)) => suggest.run(cli.config),
        Some(Command::Compare(compare)) => compare.run(cli.config),
        Some(Command::CheckRegression(check)) => check.run(cli.config),
        Some(Command::Export(export)) => export.run(cli.config),
        Some(Command::Import(import)) => import.run(cli.config),
        Some(Command::Trends(trends)) => trends.run(cli.config),
        Some(Command::Store(store)) => store.run(cli.config),
        Some(Command::SetBaseline(set)) => set.run(cli.config),
        Some(Command::Baselines(list)) => list.run(cli.config),
        Some(Command::Accept(accept)) => accept.run(cli.config),
        Some(Command::Actions(actions)) => actions.run(cli.config),
        Some(Command::Incidents(list)) => list.run(cli.config),
        Some(Command::Notify(notify)) => notify.run(cli.config),
        Some(Command::Explain(explain)) => explain.run(cli.config),
        Some(Command::Healthcheck(check)) => check.run(cli.config),
        Some(Command::Completions(completions)) => completions.run(),
        Some(Command::Man(man)) => man.run(),
        Some(Command::Alerts(alerts)) => alerts.run(cli.config),
        Some(Command::Silence(silence)) => silence.run(cli.config),
        Some(Command::Maintenance(maintenance)) => maintenance.run(cli.config),
        Some(Command::Alertmanager(alertmanager)) => alertmanager.run(cli.config),
    }
}

/// Writes to standard output. A reader that has gone away is not an error of ours.
fn say(text: &str) {
    let _ = writeln!(stdout(), "{}", text.trim_end());
}

/// Writes to standard error and gives the exit code.
fn complain(code: u8, text: &str) -> ExitCode {
    let _ = writeln!(stderr(), "{}", text.trim_end());
    ExitCode::from(code)
}

/// Whether messages may be coloured: on a terminal, unless `NO_COLOR` is set (no-color.org).
fn coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
