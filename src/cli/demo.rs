//! `opwatch demo`: everything at work, with a synthetic service that degrades and recovers on cue.

mod service;
mod sink;

use std::path::PathBuf;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::{UNUSABLE, complain, configuration, say};
use crate::app::{App, StartError};
use crate::http::address::ListenAddress;
use crate::logging;

/// Where the demo listens and how long it runs.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Where Prometheus and people look.
    #[arg(long, default_value = "127.0.0.1:9776", value_name = "ADDRESS")]
    public: String,
    /// Where measurements come in.
    #[arg(long, default_value = "127.0.0.1:9777", value_name = "ADDRESS")]
    ingest: String,
    /// End after so many rounds of healthy, degraded and recovered; without it, run until interrupted.
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
}

const RULES: &str = include_str!("../../examples/demo/rules.yaml");

/// The files that the demo runs on, in a folder that goes with it.
struct Files(PathBuf);

impl Files {
    fn write(demo: &Demo, sink: &ListenAddress) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("opwatch-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let config = format!(
            "listen: {{public: '{}', ingest: '{}'}}
data_dir: none
rule_files: [rules.yaml]
guide_rules: on
log: {{level: warn}}
route: {{receiver: terminal, group_by: [alertname], group_wait: 0s, group_interval: 2s}}
receivers:
  - {{name: terminal, webhook_configs: [{{url: 'http://{sink}/', send_resolved: true}}]}}
",
            demo.public, demo.ingest
        );
        std::fs::write(folder.join("opwatch.yaml"), config)?;
        std::fs::write(folder.join("rules.yaml"), RULES)?;
        Ok(Self(folder))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nothing depends on it; the system clears its temporary folder in time.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Demo {
    pub(super) fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return complain(UNUSABLE, &format!("start the runtime: {error}")),
        };
        match runtime.block_on(self.play()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => complain(UNUSABLE, &fault),
        }
    }

    async fn play(self) -> Result<(), String> {
        let stop = CancellationToken::new();
        let sink = sink::start(stop.clone()).map_err(|error| error.to_string())?;
        let files = Files::write(&self, &sink)
            .map_err(|error| format!("write the files of the demo: {error}"))?;
        let file = files.0.join("opwatch.yaml");
        let (config, _) = configuration::load(Some(&file))?;
        logging::start(&config.log);
        let reload = move || configuration::load(Some(&file)).map(|(config, _)| config);
        let app = App::build(config, reload).map_err(|error| self.explain(&error))?;
        let (public, ingest) = app.addresses();
        introduce(&public, &ingest);
        let quit = app.quit_token();
        let service = tokio::spawn(service::run(ingest, self.rounds, quit.clone()));
        let outcome = app.run().await.map_err(|error| error.to_string());
        quit.cancel();
        stop.cancel();
        let _ = service.await;
        outcome
    }

    fn explain(&self, error: &StartError) -> String {
        match error {
            StartError::Listen(error) => format!(
                "{error}\nthe demo listens on {} and {}; choose others with --public and --ingest",
                self.public, self.ingest
            ),
            other => other.to_string(),
        }
    }
}

fn introduce(public: &ListenAddress, ingest: &ListenAddress) {
    say(&format!(
        "opwatch demo: a synthetic service detects anomalies; it degrades and recovers on cue.

Look at
  http://{public}/metrics                     what Prometheus scrapes
  http://{public}/api/v1/alerts               pending and firing alerts
  http://{public}/api/v1/rules                the rules and their state
  http://{public}/api/v1/operations/detect    statistics of one operation
Send a measurement of your own
  curl -H 'Content-Type: application/json' http://{ingest}/v1/operations \\
       -d '{{\"operation\": \"mine\", \"duration_seconds\": 1.5}}'
Notifications appear below, as a webhook receives them. Ctrl-C ends the demo.
"
    ));
}
