//! The sections of a configuration: their defaults and what they allow.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::read::show;
use super::{Limits, Listen, Log, wire};
use crate::document::Place;
use crate::document::units::{ByteSize, Period, Unit};
use crate::engine::store::{Grids, StoreSettings};
use crate::http::listener::ListenAddress;
use crate::rulefile::{Checker, Damaged};

/// The longest time that data are kept.
const MAX_RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Least memory with which the store is of any use.
const MIN_MEMORY: u64 = 1 << 20;
/// Least disk with which the store is of any use.
const MIN_DISK: u64 = 1 << 20;
/// Most runs kept per series, and most series.
const MAX_HISTORY: u32 = 10_000;
const MAX_SERIES: u32 = 100_000;
/// Most bucket bounds of a histogram.
const MAX_BOUNDS: usize = 100;
/// The folder for data, beside the configuration.
const DATA_DIR: &str = "opwatch-data";

/// A length of time above 0, or its default.
pub(super) fn period(
    written: Option<Period>,
    default: Duration,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Duration {
    match written {
        None => default,
        Some(Period(period)) if period.is_zero() => {
            checker.fault(place, "a time of 0 is not possible here, allowed: above 0");
            default
        }
        Some(Period(period)) => period,
    }
}

pub(super) fn listen(written: &wire::Listen, checker: &mut Checker<'_>) -> Listen {
    let place = Place::root().key("listen");
    let default = Listen::default();
    let mut read = |key: &str, written: &Option<String>, default: &str| {
        let text = written.as_deref().unwrap_or(default);
        if let Err(error) = text.parse::<ListenAddress>() {
            checker.fault(&place.key(key), error.to_string());
        }
        text.to_owned()
    };
    let listen = Listen {
        public: read("public", &written.public, &default.public),
        ingest: read("ingest", &written.ingest, &default.ingest),
    };
    let chosen_by_system = listen.public.ends_with(":0") && !listen.public.starts_with("unix:");
    if listen.public == listen.ingest && !chosen_by_system {
        let message = format!(
            "both listeners are to use {:?}, allowed: one address for each",
            listen.public
        );
        checker.fault(&place.key("ingest"), message);
    }
    listen
}

/// The address of this opwatch for others; made of the host name and the port of the public listener where none is given.
pub(super) fn external_url(
    written: Option<&str>,
    listen: &Listen,
    checker: &mut Checker<'_>,
) -> String {
    let Some(text) = written else {
        let address = listen.public.parse::<SocketAddr>();
        return match address {
            Ok(address) if address.ip().is_unspecified() => {
                let host = sysinfo::System::host_name();
                let host = host.unwrap_or_else(|_| "localhost".to_owned());
                format!("http://{host}:{}", address.port())
            }
            Ok(address) => format!("http://{address}"),
            Err(_) => "http://localhost".to_owned(),
        };
    };
    let uri = text.parse::<hyper::Uri>();
    let good = uri.is_ok_and(|uri| {
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().is_some_and(|host| !host.is_empty());
        let plain = uri.query().is_none() && !text.contains(['@', '#']);
        scheme && host && plain
    });
    if !good {
        checker.fault(
            &Place::root().key("external_url"),
            "invalid external_url, allowed: http:// or https:// with a host, without user and query, such as http://opwatch.example.org",
        );
    }
    text.trim_end_matches('/').to_owned()
}

/// The folder for data; `None` where nothing is to outlive the process.
pub(super) fn data_dir(written: Option<&str>, folder: &Path) -> Option<PathBuf> {
    match written {
        Some("none") => None,
        written => Some(folder.join(written.unwrap_or(DATA_DIR))),
    }
}

pub(super) fn log(written: &wire::Log, checker: &mut Checker<'_>) -> Log {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let level = written.level.as_deref().unwrap_or("info");
    let is_level = |text: &str| LEVELS.contains(&text.to_ascii_lowercase().as_str());
    let good = level
        .split(',')
        .map(str::trim)
        .all(|part| match part.split_once('=') {
            None => is_level(part),
            Some((module, level)) => !module.trim().is_empty() && is_level(level.trim()),
        });
    if !good {
        checker.fault(
            &Place::root().key("log").key("level"),
            format!("invalid log level {level:?}, allowed: {}, also by module such as info,opwatch::notify=debug", LEVELS.join(", ")),
        );
    }
    Log {
        level: level.to_owned(),
        format: written.format.unwrap_or_default(),
    }
}

pub(super) fn store(
    file: &wire::File,
    default_memory: u64,
    checker: &mut Checker<'_>,
) -> StoreSettings {
    let written = &file.store;
    let place = Place::root().key("store");
    let default = StoreSettings::default();
    let memory = written.max_memory.map_or(default_memory, |size| size.0);
    if written.max_memory.is_some() && memory < MIN_MEMORY {
        checker.fault(
            &place.key("max_memory"),
            format!("`max_memory` of {memory} bytes is too little, allowed: at least 1MiB"),
        );
    }
    let mut count = |key: &str, written: Option<u32>, default: usize, most: u32| match written {
        None => default,
        Some(n) => {
            if n == 0 || n > most {
                checker.fault(
                    &place.key(key),
                    format!("`{key}` of {n} is out of range, allowed: 1 to {most}"),
                );
            }
            usize::try_from(n).unwrap_or(default)
        }
    };
    let max_history = count(
        "max_history",
        written.max_history,
        default.max_history,
        MAX_HISTORY,
    );
    let max_series = count(
        "max_series",
        written.max_series,
        default.max_series,
        MAX_SERIES,
    );
    let retention = period(
        written.retention,
        default.retention,
        &place.key("retention"),
        checker,
    );
    if retention > MAX_RETENTION {
        let message = format!(
            "`retention` of {} is too long, allowed: at most {}",
            show(retention),
            show(MAX_RETENTION)
        );
        checker.fault(&place.key("retention"), message);
    }
    let series_ttl = period(
        written.series_ttl,
        default.series_ttl,
        &place.key("series_ttl"),
        checker,
    );
    StoreSettings {
        max_memory: usize::try_from(memory).unwrap_or(usize::MAX),
        max_history,
        max_series,
        series_ttl,
        retention,
        grids: grids(file, checker),
    }
}

/// The bucket bounds of single operations.
fn grids(file: &wire::File, checker: &mut Checker<'_>) -> Grids {
    let mut grids = Grids::default();
    for (operation, bounds) in &file.buckets {
        let place = Place::root().key("buckets").key(operation);
        if bounds.is_empty() || bounds.len() > MAX_BOUNDS {
            let n = bounds.len();
            checker.fault_at_key(
                &place,
                format!("{n} bucket bounds given, allowed: 1 to {MAX_BOUNDS}"),
            );
        }
        let mut before = 0.0;
        for (index, bound) in bounds.iter().enumerate() {
            let place = place.index(index);
            if !matches!(bound.unit, Unit::None | Unit::Seconds) {
                let unit = bound.unit;
                checker.fault(&place, format!("bucket bound of a duration cannot be given as {unit}, allowed: such as 50ms or 1s"));
            } else if bound.value <= before {
                let message = format!(
                    "bucket bound {}s is not above {before}s, allowed: ascending durations above 0",
                    bound.value
                );
                checker.fault(&place, message);
            }
            before = bound.value;
        }
        let grid: Arc<[f64]> = bounds.iter().map(|bound| bound.value).collect();
        grids.by_operation.insert(operation.clone(), grid);
    }
    grids
}

pub(super) fn max_disk(written: &wire::Store, checker: &mut Checker<'_>) -> u64 {
    let bytes = written.max_disk.map_or(256 << 20, |size| size.0);
    if bytes < MIN_DISK {
        checker.fault(
            &Place::root().key("store").key("max_disk"),
            format!("`max_disk` of {bytes} bytes is too little, allowed: at least 1MiB"),
        );
    }
    bytes
}

pub(super) fn limits(
    written: &wire::Limits,
    max_memory: usize,
    checker: &mut Checker<'_>,
) -> Limits {
    let place = Place::root().key("limits");
    let mut above_zero = |key: &str, written: Option<u64>, default: usize| {
        if written == Some(0) {
            checker.fault(
                &place.key(key),
                format!("`{key}` of 0 is not possible, allowed: above 0"),
            );
        }
        written.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let bytes = |size: Option<ByteSize>| size.map(|size| size.0);
    let mut limits = Limits {
        in_flight_bytes: above_zero("in_flight", bytes(written.in_flight), max_memory / 4),
        body_bytes: above_zero("body", bytes(written.body), 8 << 20),
        decompressed_bytes: above_zero("decompressed", bytes(written.decompressed), 64 << 20),
        connections: above_zero("connections", written.connections.map(u64::from), 512),
        queue: above_zero("queue", written.queue.map(u64::from), 64),
    };
    let most = max_memory / 2;
    if limits.in_flight_bytes > most {
        let message = format!(
            "`in_flight` of {} bytes leaves too little for the store, allowed: at most half of `max_memory`, here {most} bytes",
            limits.in_flight_bytes
        );
        checker.fault(&place.key("in_flight"), message);
        limits.in_flight_bytes = most;
    }
    limits
}

/// Which of the sections that concern who hears of what have lost something that could not be read: others may refer to it.
pub(super) fn damaged(checker: &Checker<'_>) -> Damaged {
    let sections = [
        "receivers",
        "route",
        "smtp",
        "alertmanagers",
        "buckets",
        "inhibit_rules",
        "maintenance",
        "time_intervals",
        "mute_time_intervals",
    ];
    checker.damaged(&sections.map(|key| Place::root().key(key)))
}
