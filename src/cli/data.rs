//! Which data directory a command reads.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{NO_DATA, UNUSABLE, complain, configuration};
use crate::storage::{Database, database_of};

/// A data directory.
#[derive(Debug, clap::Args)]
pub(super) struct Directory {
    /// The data directory; without this option the one of the configuration.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Directory {
    /// Opens its database for reading; complains where that cannot be done.
    pub(super) fn open(&self, config: Option<PathBuf>) -> Result<Database, ExitCode> {
        let path = database_of(&self.path(config)?);
        if !path.exists() {
            let message = format!("{}: there is no such database", path.display());
            return Err(complain(NO_DATA, &message));
        }
        Database::open_to_read(&path)
            .map_err(|error| complain(UNUSABLE, &format!("{}: {error}", path.display())))
    }

    fn path(&self, config: Option<PathBuf>) -> Result<PathBuf, ExitCode> {
        if let Some(path) = &self.data_dir {
            return Ok(path.clone());
        }
        let file = configuration::file(config);
        let (config, _) =
            configuration::load(file.as_deref()).map_err(|faults| complain(UNUSABLE, &faults))?;
        config.data_dir.ok_or_else(|| {
            complain(
                NO_DATA,
                "the configuration has `data_dir: none`: nothing is kept",
            )
        })
    }
}
