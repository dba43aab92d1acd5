//! A disk whose power can be cut at any moment: what opwatch had it write, from the record of its system calls, and what
//! of that may be left.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::oracle::Chance;

/// The calls to be recorded: those that change files, and those by which answers leave.
pub const CALLS: &str = "?pwrite64,?ftruncate,?fsync,?fdatasync,?rename,?renameat,?renameat2,?unlink,?unlinkat,?mkdir,?mkdirat,?openat,?write,?writev,?sendto,?sendmsg";

/// A sector, which is written whole or not at all.
const SECTOR: usize = 512;

/// What happened, in order. A write counts from its beginning, a sync from its end.
#[derive(Debug)]
pub enum Event {
    Write {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        size: usize,
    },
    Sync {
        file: usize,
    },
    /// A file got this name, or the name went.
    Name {
        path: PathBuf,
        file: Option<usize>,
    },
    Folder {
        path: PathBuf,
    },
    /// What happened to names so far stays.
    SyncFolder,
    /// An answer of 200 left.
    Answer,
}

/// The record of a run of opwatch over a data directory.
pub struct Disk {
    data: PathBuf,
    /// What the files had in them at the beginning, by their number.
    before: Vec<Vec<u8>>,
    names_before: BTreeMap<PathBuf, usize>,
    pub events: Vec<Event>,
}

impl Disk {
    /// A data directory as it is; call it before opwatch starts.
    pub fn of(data: &Path) -> Self {
        let mut disk = Self {
            data: data.to_owned(),
            before: Vec::new(),
            names_before: BTreeMap::new(),
            events: Vec::new(),
        };
        for entry in fs::read_dir(data).into_iter().flatten().flatten() {
            let bytes = fs::read(entry.path()).unwrap();
            disk.names_before.insert(entry.path(), disk.before.len());
            disk.before.push(bytes);
        }
        disk
    }

    /// Reads what strace has written with all strings in hexadecimal and with the paths of files.
    pub fn read(&mut self, record: &str) {
        let mut names = self.names_before.clone();
        // Calls that had not ended when another thread's was written down.
        let mut begun: HashMap<&str, String> = HashMap::new();
        for line in record.lines() {
            let Some((thread, rest)) = line.split_once(' ') else {
                continue;
            };
            let rest = rest.trim_start();
            if let Some(beginning) = rest.strip_suffix(" <unfinished ...>") {
                self.note(beginning, None, &mut names);
                begun.insert(thread, beginning.to_owned());
            } else if rest.starts_with("<... ") {
                let (_, end) = rest.split_once(" resumed>").unwrap();
                let beginning = begun.remove(thread).unwrap();
                if let Some((_, result)) = end.rsplit_once(" = ") {
                    let is_over = !has_begun(&beginning);
                    self.note_if(is_over, &beginning, result, &mut names);
                }
            } else if let Some((call, result)) = rest.rsplit_once(" = ") {
                self.note_if(true, call, result, &mut names);
            }
        }
    }

    fn note_if(
        &mut self,
        wanted: bool,
        call: &str,
        result: &str,
        names: &mut BTreeMap<PathBuf, usize>,
    ) {
        if wanted && !result.starts_with('-') {
            self.note(call, Some(result), names);
        }
    }

    /// Notes a call that has begun, or that is over with that result.
    fn note(&mut self, call: &str, result: Option<&str>, names: &mut BTreeMap<PathBuf, usize>) {
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        if result.is_none() && !has_begun(call) {
            return;
        }
        let path = between(arguments, '<', '>').map(|path| PathBuf::from(text(path)));
        let known = path.as_ref().and_then(|path| names.get(path).copied());
        let numbers = || arguments.trim_end_matches(')').rsplit(", ");
        match name {
            "write" | "writev" | "sendto" | "sendmsg" => {
                let sent = strings(arguments).next().unwrap_or_default();
                if sent.starts_with(b"HTTP/1.") && sent.get(9..12) == Some(b"200") {
                    self.events.push(Event::Answer);
                }
            }
            "pwrite64" => {
                if let Some(file) = known {
                    let bytes = strings(arguments).next().unwrap();
                    let at = numbers().next().unwrap().parse().unwrap();
                    self.events.push(Event::Write { file, at, bytes });
                }
            }
            "ftruncate" => {
                if let Some(file) = known {
                    let size = numbers().next().unwrap().parse().unwrap();
                    self.events.push(Event::Truncate { file, size });
                }
            }
            "fsync" | "fdatasync" => match known {
                Some(file) => self.events.push(Event::Sync { file }),
                None if path.is_some_and(|path| path.starts_with(&self.data)) => {
                    self.events.push(Event::SyncFolder);
                }
                None => {}
            },
            "openat" if arguments.contains("O_CREAT") => {
                let opened = result.and_then(|result| between(result, '<', '>'));
                let path = PathBuf::from(text(opened.unwrap()));
                // Its memory map is made anew by whoever comes next.
                let is_map = path.to_string_lossy().ends_with("-shm");
                if path.starts_with(&self.data) && !is_map && !names.contains_key(&path) {
                    let file = self.before.len();
                    self.before.push(Vec::new());
                    names.insert(path.clone(), file);
                    self.events.push(Event::Name {
                        path,
                        file: Some(file),
                    });
                }
            }
            "openat" => {}
            _ => self.note_names(name, arguments, names),
        }
    }

    fn note_names(&mut self, name: &str, arguments: &str, names: &mut BTreeMap<PathBuf, usize>) {
        let around = self.data.parent().unwrap().to_owned();
        let paths = strings(arguments).map(|path| around.join(String::from_utf8(path).unwrap()));
        let paths: Vec<PathBuf> = paths.collect();
        if !paths.iter().all(|path| path.starts_with(&self.data)) {
            return;
        }
        match (name, paths.as_slice()) {
            ("mkdir" | "mkdirat", [path]) => self.events.push(Event::Folder { path: path.clone() }),
            ("unlink", [path]) => {
                if names.remove(path).is_some() {
                    self.events.push(Event::Name {
                        path: path.clone(),
                        file: None,
                    });
                }
            }
            ("rename" | "renameat" | "renameat2", [from, to]) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                    self.events.push(Event::Name {
                        path: to.clone(),
                        file: Some(file),
                    });
                    self.events.push(Event::Name {
                        path: from.clone(),
                        file: None,
                    });
                }
            }
            other => panic!("no power cut is known for {other:?}"),
        }
    }

    /// Makes the data directory in `folder` as it may be when the power goes before the event of that number: of each file
    /// what was synced, and of what was not any part; of names all up to the last sync, and any number of those after it.
    pub fn cut(&self, at: usize, chance: &mut Chance, folder: &Path) {
        let events = &self.events[..at];
        let mut files = self.before.clone();
        let mut synced = vec![0; files.len()];
        let mut names_synced = 0;
        for (number, event) in events.iter().enumerate() {
            match event {
                Event::Sync { file } => synced[*file] = number,
                Event::SyncFolder => names_synced = number,
                _ => {}
            }
        }
        let names_kept = names_synced + chance.below(events.len() - names_synced + 1);
        let mut names = self.names_before.clone();
        for (number, event) in events.iter().enumerate() {
            match event {
                Event::Write { file, at, bytes } => {
                    let kept = match (number < synced[*file], chance.below(3)) {
                        (true, _) | (false, 0) => 0..bytes.len(),
                        (false, 1) => 0..0,
                        (false, _) => torn(*at, bytes.len(), chance),
                    };
                    let (from, to) = (at + kept.start, at + kept.end);
                    if !kept.is_empty() {
                        let content = &mut files[*file];
                        content.resize(content.len().max(to), 0);
                        content[from..to].copy_from_slice(&bytes[kept]);
                    }
                }
                Event::Truncate { file, size }
                    if number < synced[*file] || chance.below(2) == 0 =>
                {
                    files[*file].resize(*size, 0);
                }
                Event::Name { path, file } if number < names_kept => {
                    match file {
                        Some(file) => names.insert(path.clone(), *file),
                        None => names.remove(path),
                    };
                }
                Event::Folder { path } if number < names_kept => {
                    let path = folder.join(path.strip_prefix(&self.data).unwrap());
                    fs::create_dir_all(path).unwrap();
                }
                _ => {}
            }
        }
        fs::create_dir_all(folder).unwrap();
        for (path, file) in names {
            let path = folder.join(path.strip_prefix(&self.data).unwrap());
            fs::write(path, &files[file]).unwrap();
        }
    }

    /// The number of the file that last got the name.
    pub fn file(&self, wanted: &str) -> usize {
        let named = self.events.iter().rev().find_map(|event| match event {
            Event::Name {
                path,
                file: Some(file),
            } => (path.file_name()? == wanted).then_some(*file),
            _ => None,
        });
        named.unwrap()
    }

    /// The moments in which a power cut means most: before and after each sync, and when an answer has just left.
    pub fn moments(&self) -> Vec<usize> {
        let mut moments = Vec::new();
        for (number, event) in self.events.iter().enumerate() {
            match event {
                Event::Sync { .. } | Event::SyncFolder => moments.extend([number, number + 1]),
                Event::Answer => moments.push(number + 1),
                _ => {}
            }
        }
        moments.dedup();
        moments
    }
}

/// Whether a call counts from its beginning.
fn has_begun(call: &str) -> bool {
    [
        "pwrite64(",
        "write(",
        "writev(",
        "sendto(",
        "sendmsg(",
        "ftruncate(",
    ]
    .iter()
    .any(|name| call.starts_with(name))
}

/// The sectors in front of some boundary, or those after it.
fn torn(at: usize, length: usize, chance: &mut Chance) -> std::ops::Range<usize> {
    let first = SECTOR - at % SECTOR;
    let boundaries = (first..length).step_by(SECTOR).count();
    if boundaries == 0 {
        return 0..0;
    }
    let boundary = first + SECTOR * chance.below(boundaries);
    if chance.below(2) == 0 {
        0..boundary
    } else {
        boundary..length
    }
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    text.split_once(open)?.1.split(close).next()
}

/// The strings of a call.
fn strings(arguments: &str) -> impl Iterator<Item = Vec<u8>> {
    arguments.split('"').skip(1).step_by(2).map(bytes)
}

fn text(hexadecimal: &str) -> String {
    String::from_utf8(bytes(hexadecimal)).unwrap()
}

/// What `\x41\x42` stands for.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.split("\\x").skip(1);
    digits
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}
