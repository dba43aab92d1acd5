//! opwatch
pub mod document;
pub mod engine;
pub mod http;
pub mod secret;
