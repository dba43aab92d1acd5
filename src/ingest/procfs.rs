//! What the kernel tells of every process without any privilege: `/proc/PID/stat`, and nothing of command lines.

use std::fs;
use std::io::{self, ErrorKind};

/// Bytes of a process' name that the kernel keeps.
const NAME_BYTES: usize = 15;

/// Why a process cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There is none, or it is hidden as if there were none.
    NotFound,
    /// There is one, but we may not look at it.
    Unreadable,
}

impl Unread {
    /// As the exposition and the log name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::Unreadable,
            // One that ends while it is read gives "no such process".
            _ => Self::NotFound,
        }
    }
}

/// A process as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its name, cut off by the kernel after 15 bytes.
    pub name: String,
    /// When it started, in ticks since the machine did: with the pid this tells it from every other process.
    pub started: u64,
    /// Its threads.
    pub threads: u64,
    /// CPU time in user and kernel mode, in ticks of the clock.
    pub cpu_ticks: u64,
    /// Resident memory in pages.
    pub pages: u64,
    /// Whether it has ended, and only its parent has not noticed.
    pub is_zombie: bool,
    /// Whether it is a thread of the kernel.
    pub is_kernel: bool,
}

impl Stat {
    /// Reads a process.
    ///
    /// # Errors
    /// When there is no such process, or it may not be looked at.
    pub fn read(pid: u32) -> Result<Self, Unread> {
        let bytes = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&bytes).ok_or(Unread::NotFound)
    }

    /// The name stands between the first parenthesis and the last one, and may have both in it; numbers follow.
    fn parse(bytes: &[u8]) -> Option<Self> {
        const KERNEL_THREAD: u64 = 0x0020_0000;
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(bytes.get(open + 1..close)?);
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        // The first of them is the third field in proc_pid_stat(5).
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            name: name.into_owned(),
            started: number(22)?,
            threads: number(20)?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            pages: number(24)?,
            is_zombie: matches!(fields.first(), Some(&("Z" | "X"))),
            is_kernel: number(9)? & KERNEL_THREAD != 0,
        })
    }

    /// Its name for people: titles such as `gunicorn: worker` up to their colon.
    pub fn title(&self) -> &str {
        match self.name.split_once(':') {
            Some((title, _)) if !title.is_empty() => title,
            _ => &self.name,
        }
    }

    /// Whether someone who says `name` means it: by its name as far as the kernel keeps it, or by what stands before
    /// the colon of a title (gunicorn, with setproctitle, names its processes `gunicorn: master` and `gunicorn: worker`).
    pub fn is_named(&self, name: &str) -> bool {
        let kept = name.as_bytes().get(..NAME_BYTES);
        let kept = String::from_utf8_lossy(kept.unwrap_or(name.as_bytes()));
        self.name == kept || self.title() == name
    }
}

/// All processes that may be looked at.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// By pid.
    pub processes: Vec<(u32, Stat)>,
    /// Whether there are some that may not be.
    pub some_hidden: bool,
}

impl Listing {
    /// Reads one small file a process: a few milliseconds for hundreds of them.
    pub fn read() -> Self {
        let mut listing = Self::default();
        let Ok(entries) = fs::read_dir("/proc") else {
            return listing;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        for pid in names.filter_map(|name| name.parse().ok()) {
            match Stat::read(pid) {
                Ok(stat) => listing.processes.push((pid, stat)),
                Err(Unread::Unreadable) => listing.some_hidden = true,
                Err(Unread::NotFound) => {}
            }
        }
        listing.processes.sort_unstable_by_key(|(pid, _)| *pid);
        listing
    }

    /// When the newest of them started.
    pub fn newest(&self) -> u64 {
        let starts = self.processes.iter().map(|(_, stat)| stat.started);
        starts.max().unwrap_or_default()
    }

    /// Those that run in user space and have not ended.
    pub fn alive(&self) -> impl Iterator<Item = (u32, &Stat)> {
        let all = self.processes.iter().map(|(pid, stat)| (*pid, stat));
        all.filter(|(_, stat)| !stat.is_zombie && !stat.is_kernel)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A process that was made up.
    pub fn invented(name: &str, started: u64, pages: u64) -> Stat {
        Stat {
            name: name.to_owned(),
            started,
            threads: 1,
            cpu_ticks: 0,
            pages,
            is_zombie: false,
            is_kernel: false,
        }
    }

    #[test]
    fn a_name_may_have_parentheses_and_spaces_in_it() {
        let line = b"42 (a) (b c) S 1 42 42 0 -1 4194304 144 0 0 0 150 25 0 0 20 0 17 0 987654 1000000 2048 18446744073709551615 1 1\n";
        let expected = Stat {
            threads: 17,
            cpu_ticks: 175,
            ..invented("a) (b c", 987_654, 2_048)
        };
        assert_eq!(Stat::parse(line), Some(expected));
        for broken in [&b""[..], b"42", b"42 (a", b"42 )a(", b"42 (a) S 1 2"] {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn zombies_and_threads_of_the_kernel_are_not_alive() {
        let line = |state, flags| {
            let line = format!("2 (x) {state} 1 2 2 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0");
            (2, Stat::parse(line.as_bytes()).unwrap())
        };
        let listing = Listing {
            processes: vec![line("S", 4_194_304), line("Z", 0), line("I", 2_097_152)],
            some_hidden: false,
        };
        assert_eq!(listing.alive().count(), 1);
    }

    #[test]
    fn names_are_compared_as_far_as_the_kernel_keeps_them() {
        for (process, name, expected) in [
            ("gunicorn", "gunicorn", true),
            ("gunicorn", "gunicorn3", false),
            ("gunicorn3", "gunicorn", false),
            ("gunicorn: worke", "gunicorn", true),
            ("gunicorn: worke", "gunicorn: worker", true),
            ("model-inference", "model-inference-server", true),
            ("model-inference", "model-inference", true),
            ("model-inferenc", "model-inference", false),
            // Cut off within a letter of two bytes.
            ("größenschätze\u{fffd}", "größenschätzeö", false),
            ("aaaaaaaaaaaaaa\u{fffd}", "aaaaaaaaaaaaaaö", true),
            (":x", ":x", true),
        ] {
            assert_eq!(
                invented(process, 1, 1).is_named(name),
                expected,
                "{process} {name}"
            );
        }
    }

    #[test]
    fn this_process_is_listed_with_its_threads() {
        let pid = std::process::id();
        let listing = Listing::read();
        let (_, stat) = listing.alive().find(|(p, _)| *p == pid).unwrap();
        assert!(stat.threads >= 1 && stat.pages > 0 && stat.started > 0);
        assert!(listing.newest() >= stat.started);
        assert_eq!(Stat::read(u32::MAX - 1), Err(Unread::NotFound));
    }
}
