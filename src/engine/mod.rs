//! The pure engine: it decides, and time is an argument.

pub mod measurement;
pub mod metric;
pub mod selector;
pub mod series;
pub mod sketch;
pub mod stats;
pub mod store;
pub mod time;
pub mod window;
