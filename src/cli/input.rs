//! Files with measurements, as commands read them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write, stderr};
use std::path::Path;
use std::process::ExitCode;

use super::{UNUSABLE, complain};
use crate::export::{Fault, ReadError};

/// Faults of a file that are told one by one; those beyond are counted.
pub(super) const TOLD: usize = 20;

/// Reads a file, or standard input for `-`; tells the faults that `read` finds, and complains where it cannot be read.
pub(super) fn read_file(
    path: &Path,
    read: impl FnOnce(Box<dyn BufRead>, &mut dyn FnMut(&Fault)) -> Result<(), ReadError>,
) -> Result<(), ExitCode> {
    let name = path.display();
    let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path);
        let file = file.map_err(|error| complain(UNUSABLE, &format!("{name}: {error}")))?;
        Box::new(BufReader::with_capacity(64 << 10, file))
    };
    let mut told = 0;
    let outcome = read(input, &mut |fault| {
        told += 1;
        if told <= TOLD {
            note_down(&format!("{name}: {fault}"));
        }
    });
    if told > TOLD {
        note_down(&format!(
            "{name}: {} more faults are not shown",
            told - TOLD
        ));
    }
    if told > 0 {
        note_down(&format!("{name}: left out {told} records"));
    }
    outcome.map_err(|error| complain(UNUSABLE, &format!("{name}: {error}")))
}

/// Writes to standard error. Nobody who reads it is no reason to stop.
pub(super) fn note_down(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
