//! Where the configuration comes from: the file given, `opwatch.yaml` where there is one, or defaults.

use std::path::{Path, PathBuf};

use super::coloured;
use crate::config::{Config, Lookup, Report, Warning, check};
use crate::document::render;

/// The file that is taken without being named.
const DEFAULT: &str = "opwatch.yaml";

/// Looks a name up in the environment of this process.
pub(super) const ENVIRONMENT: Lookup<'static> = &|name| std::env::var(name).ok();

/// The file to read; `None` when none was named and the default one does not exist.
pub(super) fn file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Path::new(DEFAULT).exists().then(|| PathBuf::from(DEFAULT)))
}

/// Reads the configuration with its rule files; every fault of every file, ready to be shown.
pub(super) fn load(file: Option<&Path>) -> Result<(Config, Vec<Warning>), String> {
    let loaded = match file {
        Some(file) => Config::load(file, ENVIRONMENT),
        None => Config::without_file(),
    };
    loaded.map_err(|faults| render(&faults, coloured()))
}

/// Checks the configuration with its rule files; `None` when there is no file to check.
pub(super) fn examine(file: Option<&Path>) -> Option<Report> {
    file.map(|file| check(file, ENVIRONMENT))
}
