//! opwatch
pub mod clock;
pub mod document;
pub mod engine;
pub mod exposition;
pub mod http;
pub mod ingest;
pub mod notify;
pub mod secret;
pub mod storage;
