//! opwatch watches operations: measurements come **in**, a pure **engine** decides, results go **out**.
//!
//! # The map
//!
//! | Module | What is there |
//! |---|---|
//! | [`cli`] | the command line, one file per command |
//! | [`app`] | the one place that knows every part: build, run, reload, drain |
//! | [`driver`] | the task that owns the engine and feeds it, in order |
//! | [`config`], [`rulefile`], [`document`], [`secret`] | YAML in: every fault of every file, with its place |
//! | [`ingest`] | the ways in: JSON, start/end, the watched target |
//! | [`engine`] | pure: measurements, store, rules, alerts, templates, dispatch |
//! | [`storage`] | what must survive is committed here before it counts |
//! | [`export`] | measurements as files: written and read back as JSON, NDJSON and CSV; the original guide's read |
//! | [`regressions`] | pure: two sets of measurements compared, and what has become worse |
//! | [`replay`] | pure: recorded measurements through the engine, and what would have fired |
//! | [`detection`] | detectors over recorded series: read, judged point by point, written down |
//! | [`suggest`] | pure: rules from what was seen, with the alarms that they would have raised |
//! | [`comparison`] | algorithms or versions of an operation compared: asked for, answered, shown |
//! | [`exposition`] | `/metrics` in OpenMetrics, classic text and protobuf |
//! | [`notify`] | e-mail, webhook, Alertmanager; an outbox per receiver |
//! | [`http`] | listeners with their limits, routes, and a file per API resource |
//! | [`forms`] | the JSON that the API and the command line share: silences, baselines, incidents, maintenance, actions |
//! | [`explanation`], [`shown`] | a judgement in words; numbers and tables for people |
//! | [`links`] | signed links in messages, by which an alert is acknowledged |
//! | [`clock`], [`cgroup`], [`logging`] | the one reader of the system clock; the limits of control groups; the log |
//!
//! # The walk: from one measurement to one e-mail
//!
//! 1. [`http`] bounds the body of `POST /v1/operations`, [`ingest::json`] reads it and builds each
//!    [`engine::measurement::Measurement`] through its checking constructor. A bad record is answered with its
//!    index, field and reason; its neighbours go on.
//! 2. The batch goes onto one bounded queue ([`driver::EngineHandle::ingest`]); a full queue is `429`.
//! 3. The [`driver`] asks [`engine::Engine::admit`]: what is refused is decided and counted, series and ids are
//!    reserved. [`storage`] commits what was admitted; meanwhile the next group gathers.
//! 4. [`engine::Engine::apply`] of a committed group cannot fail; then the answer. Scrapes and the API read
//!    between two events, on a lane of their own.
//! 5. At each tick [`engine::Engine::due`] lists the rules that are due, [`engine::Engine::answer`] cuts their
//!    windows from the store, those that have changed, and [`engine::Engine::evaluate`] judges them. In between
//!    readers, measurements and commits have their turn.
//! 6. [`engine::alert::advance`] turns each verdict into the next state and perhaps a change.
//! 7. [`engine::dispatch`] groups alerts per receiver, leaves out what has been told, and says what to send and why.
//! 8. [`notify`] delivers, retries what is transient and counts what is given up.
//!
//! # Invariants
//!
//! - `engine` does no I/O, reads no clock, logs nothing and uses nothing else of the crate; a test reads its source.
//! - Time is an argument: [`engine::time::Now`] is read once per event, by [`clock`].
//! - Nothing is lost in silence: every refusal and loss has a counter.
//! - Everything is bounded: memory, series, queues, bodies, connections, templates.

pub mod app;
pub mod cgroup;
pub mod cli;
pub mod clock;
pub mod comparison;
pub mod config;
pub mod detection;
pub mod document;
pub mod driver;
pub mod engine;
pub mod explanation;
pub mod export;
pub mod exposition;
pub mod forms;
pub mod http;
pub mod ingest;
pub mod links;
pub mod logging;
pub mod notify;
pub mod regressions;
pub mod replay;
pub mod rulefile;
pub mod secret;
pub mod shown;
pub mod storage;
pub mod suggest;
