//! Baselines beside the database, as JSON: somebody has said that all was well then, which cannot be measured again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::engine::baseline::{Baselines, Content};
use crate::engine::time::Timestamp;
use crate::pinned;

/// The file.
const NAME: &str = "baselines.json";
/// What it is called until it is whole.
const UNFINISHED: &str = "baselines.json.new";
/// Damaged ones are called that with their time, and so many are kept for a look at them.
const ASIDE: &str = "damaged-baselines-";
const KEPT_ASIDE: usize = 3;
/// What has fewer values and blocks is written in a moment.
const SHORT: usize = 200_000;
/// More than this is no file of ours.
const MOST_BYTES: u64 = 1 << 30;

/// Whether they are written in a moment.
pub(super) fn is_short(baselines: &Baselines) -> bool {
    let numbers = |content: &Content| match content {
        Content::Number { .. } => 1,
        Content::Measured { cohort, .. } => cohort.values.pairs().len() + cohort.blocks.len(),
    };
    let all = baselines
        .newest()
        .map(|baseline| numbers(&baseline.content));
    all.sum::<usize>() < SHORT
}

/// Writes them in place of those that are there: a reader finds the one or the other, also after a crash.
pub(super) fn write(folder: &Path, baselines: &Baselines) -> io::Result<()> {
    let path = folder.join(NAME);
    if baselines.newest().next().is_none() && !path.exists() {
        return Ok(());
    }
    let unfinished = folder.join(UNFINISHED);
    let text = pinned::to_text(baselines)?;
    let mut file = File::create(&unfinished)?;
    file.write_all(&text)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()
}

/// The file as text; `None` where there is none.
pub(super) fn read(folder: &Path) -> io::Result<Option<String>> {
    let path = folder.join(NAME);
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
pub(super) fn set_aside(folder: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let stamp = now.to_string().replace(':', "");
    let aside = folder.join(format!("{ASIDE}{stamp}.json"));
    fs::rename(folder.join(NAME), &aside)?;
    let mut all: Vec<PathBuf> = (fs::read_dir(folder)?.flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(ASIDE))
        })
        .collect();
    all.sort();
    let excess = all.len().saturating_sub(KEPT_ASIDE);
    for old in all.into_iter().take(excess) {
        fs::remove_file(old)?;
    }
    Ok(aside)
}
