//! The JSON in which people and programs set things and read what has become of them: the API writes it and the command
//! line reads it, or the other way round, and some of it lies beside the database.

pub(crate) mod actions;
pub mod baselines;
pub mod incidents;
pub mod kept;
pub mod maintenance;
pub mod silences;
pub mod tally;
