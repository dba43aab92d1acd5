//! opwatch
pub mod clock;
pub mod document;
pub mod engine;
pub mod notify;
pub mod secret;
