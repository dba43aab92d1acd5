//! What opwatch does as a whole, seen from its public border and beside its real peers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on says so by failing"
)]

mod abuse;
mod actions;
mod alert_generator;
mod bad_input;
mod baselines;
mod beside_prometheus;
mod check_regression;
mod comparison;
mod delivery;
mod detect;
mod detecting;
mod digest;
mod durable;
mod end_to_end;
mod exchange;
mod exposition;
mod faulty;
mod flapping;
mod grafana;
mod handling;
mod healthcheck;
mod hostile_names;
mod house;
mod incidents;
mod mail_corpus;
mod maintenance;
mod native_histograms;
mod notify;
mod operations;
mod oracle;
mod peers;
mod readme;
mod receivers;
mod reload;
mod replay;
mod resilience;
mod retraining;
mod routing;
mod rules;
mod series;
mod shipped;
mod sidecar;
mod silences;
mod soak;
mod statistics;
mod suggest;
mod target;
mod telling;
mod told_once;
mod trends;
mod victoria_metrics;
