//! opwatch
pub mod document;
pub mod engine;
pub mod secret;
