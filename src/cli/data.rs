//! Which data directory a command reads.

use std::path::{Path, PathBuf};
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
        open(&self.path(config)?)
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

/// A data directory that is read instead of asking a server.
#[derive(Debug, clap::Args)]
pub(super) struct Kept {
    /// Read this data directory, also while opwatch runs, instead of asking a server.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
}

impl Kept {
    /// Opens its database for reading, where one is given; complains where that cannot be done.
    pub(super) fn open(&self) -> Option<Result<Database, ExitCode>> {
        self.data_dir.as_deref().map(open)
    }
}

fn open(folder: &Path) -> Result<Database, ExitCode> {
    let path = database_of(folder);
    if !path.exists() {
        let message = format!("{}: there is no such database", path.display());
        return Err(complain(NO_DATA, &message));
    }
    Database::open_to_read(&path)
        .map_err(|error| complain(UNUSABLE, &format!("{}: {error}", path.display())))
}
