//! What people have set lies beside the database as well, as JSON: baselines, because it cannot be measured again that all
//! was well then, silences, and maintenance that was started.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::baseline::{Baselines, Content};
use crate::engine::dispatch::{Maintenance, Silences};
use crate::engine::time::Timestamp;
use crate::forms::{baselines, maintenance, silences};

/// Damaged ones are called that with their name and time, and so many are kept for a look at them.
const ASIDE: &str = "damaged-";
const KEPT_ASIDE: usize = 3;
/// What has fewer values and blocks is written in a moment.
const SHORT: usize = 200_000;
/// More than this is no file of ours.
const MOST_BYTES: u64 = 1 << 30;

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The baselines that were set.
    Baselines,
    /// The silences.
    Silences,
    /// Maintenance that was started.
    Maintenance,
}

impl Beside {
    /// What is in it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baselines => "baselines",
            Self::Silences => "silences",
            Self::Maintenance => "maintenance",
        }
    }

    fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", self.name()))
    }
}

/// What is to be written beside the database.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// The baselines that were set, where that file is to be written.
    pub baselines: Option<Arc<Baselines>>,
    /// The silences, where that file is to be written.
    pub silences: Option<Arc<Silences>>,
    /// Maintenance that was started, where that file is to be written.
    pub maintenance: Option<Arc<Maintenance>>,
}

impl Orders {
    /// Takes what is newer.
    pub(super) fn take(&mut self, newer: Self) {
        self.baselines = newer.baselines.or(self.baselines.take());
        self.silences = newer.silences.or(self.silences.take());
        self.maintenance = newer.maintenance.or(self.maintenance.take());
    }

    /// Forgets that for which there is something newer.
    pub(super) fn drop_for(&mut self, newer: &Self) {
        self.baselines.take_if(|_| newer.baselines.is_some());
        self.silences.take_if(|_| newer.silences.is_some());
        self.maintenance.take_if(|_| newer.maintenance.is_some());
    }

    /// Whether it is written in a moment.
    pub(super) fn is_short(&self) -> bool {
        let numbers = |content: &Content| match content {
            Content::Number { .. } => 1,
            Content::Measured { cohort, .. } => cohort.values.pairs().len() + cohort.blocks.len(),
        };
        let all = (self.baselines.iter())
            .flat_map(|baselines| baselines.newest())
            .map(|baseline| numbers(&baseline.content));
        all.sum::<usize>() < SHORT
    }

    /// Writes everything; what could not be, and why.
    pub(super) fn write(self, folder: &Path) -> (Self, Vec<(Beside, io::Error)>) {
        let mut errors = Vec::new();
        let unwritten = Self {
            baselines: self.baselines.filter(|all| {
                let is_empty = all.newest().next().is_none();
                let text = || baselines::to_text(all);
                !is_written(folder, Beside::Baselines, is_empty, text, &mut errors)
            }),
            silences: self.silences.filter(|all| {
                let is_empty = all.iter().next().is_none();
                let text = || silences::to_text(all);
                !is_written(folder, Beside::Silences, is_empty, text, &mut errors)
            }),
            maintenance: self.maintenance.filter(|all| {
                let is_empty = all.started().next().is_none();
                let text = || maintenance::to_text(all);
                !is_written(folder, Beside::Maintenance, is_empty, text, &mut errors)
            }),
        };
        (unwritten, errors)
    }
}

/// Writes a file, or notes why it could not be.
fn is_written(
    folder: &Path,
    file: Beside,
    is_empty: bool,
    text: impl FnOnce() -> serde_json::Result<Vec<u8>>,
    errors: &mut Vec<(Beside, io::Error)>,
) -> bool {
    let written = write(folder, file, is_empty, text);
    let is_written = written.is_ok();
    errors.extend(written.err().map(|error| (file, error)));
    is_written
}

/// Writes a file in place of the one that is there: a reader finds the one or the other, also after a crash.
fn write(
    folder: &Path,
    file: Beside,
    is_empty: bool,
    text: impl FnOnce() -> serde_json::Result<Vec<u8>>,
) -> io::Result<()> {
    let path = file.path(folder);
    if is_empty && !path.exists() {
        return Ok(());
    }
    // It is called that until it is whole.
    let unfinished = folder.join(format!("{}.json.new", file.name()));
    let text = text()?;
    let mut opened = File::create(&unfinished)?;
    opened.write_all(&text)?;
    opened.sync_all()?;
    drop(opened);
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()
}

/// The file as text; `None` where there is none.
pub(super) fn read(folder: &Path, file: Beside) -> io::Result<Option<String>> {
    let path = file.path(folder);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.len() > MOST_BYTES => {
            let why = format!("{} is larger than 1 GiB", path.display());
            return Err(io::Error::other(why));
        }
        Ok(_) => {}
    }
    let bytes = fs::read(&path)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Moves the file out of the way; where to.
pub(super) fn set_aside(folder: &Path, file: Beside, now: Timestamp) -> io::Result<PathBuf> {
    let stamp = now.to_string().replace(':', "");
    let begin = format!("{ASIDE}{}-", file.name());
    let aside = folder.join(format!("{begin}{stamp}.json"));
    fs::rename(file.path(folder), &aside)?;
    let mut all: Vec<PathBuf> = (fs::read_dir(folder)?.flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&begin))
        })
        .collect();
    all.sort();
    let excess = all.len().saturating_sub(KEPT_ASIDE);
    for old in all.into_iter().take(excess) {
        fs::remove_file(old)?;
    }
    Ok(aside)
}
