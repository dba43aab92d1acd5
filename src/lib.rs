//! opwatch
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod document;
pub mod driver;
pub mod engine;
pub mod exposition;
pub mod http;
pub mod ingest;
pub mod internals;
mod logging;
pub mod notify;
pub mod rulefile;
pub mod secret;
pub mod storage;
