//! opwatch
pub mod engine;
