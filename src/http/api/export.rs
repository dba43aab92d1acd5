//! `/api/v1/export`: the measurements that are kept, as `opwatch export` writes them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::Services;
use crate::engine::time::Timestamp;
use crate::export::{Filter, Format, UnknownFormat, moment, write_kept};
use crate::http::encoding::{self, Encoding};
use crate::http::request::decode;
use crate::http::respond::{self, Body, ErrorType};
use crate::http::stream::ChunkWriter;
use crate::storage::{Database, Unusable, database_of};

/// Exports written at once. Each takes a thread until its reader has it, and reads the disk that commits need.
const MAX_EXPORTS: usize = 4;

/// Chunks of an export that may wait for a slow reader.
const CHUNKS: usize = 4;

/// Where measurements are kept, and room for the exports that may be written at once.
#[derive(Clone, Debug)]
pub struct Kept {
    database: PathBuf,
    room: Arc<Semaphore>,
}

impl Kept {
    /// What is kept in a data directory.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            database: database_of(folder),
            room: Arc::new(Semaphore::new(MAX_EXPORTS)),
        }
    }
}

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    format: Format,
    filter: Filter,
}

impl Asked {
    fn parse(query: &str, now: Timestamp) -> Result<Self, String> {
        let mut asked = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(&value.replace('+', " "));
            // An offset such as +01:00 whose plus sign has not been escaped is meant all the same.
            let time = || {
                let read = moment(&value.replace(' ', "+"), now);
                read.map_err(|error| format!("{name}: {error}"))
            };
            match decode(name).as_str() {
                "format" => asked.format = parse_format(&value)?,
                "from" => asked.filter.from = Some(time()?),
                "to" => asked.filter.to = Some(time()?),
                "operation" => asked.filter.operation = Some(value),
                // A filter that is misspelt must not export everything.
                other => {
                    let shown: String = other.chars().take(60).collect();
                    return Err(format!(
                        "{shown:?} is no parameter; allowed are format, from, to, operation"
                    ));
                }
            }
        }
        Ok(asked)
    }
}

/// The measurements that are kept, as a file. It is written on a thread of its own from a connection of its own, a chunk
/// at a time, so that neither the engine nor memory depends on how fast it is read.
pub async fn export(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let asked = match Asked::parse(query, services.clock.now().wall) {
        Ok(asked) => asked,
        Err(message) => {
            return respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message);
        }
    };
    let Some(kept) = &services.kept else {
        let message = "no measurements are kept: everything is in memory alone (data_dir: none, or a data directory that cannot be used); /api/v1/operations has what is known of each operation";
        return respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, message);
    };
    let Ok(room) = kept.room.clone().try_acquire_owned() else {
        return unavailable(&format!("{MAX_EXPORTS} exports are being read already"));
    };
    let path = kept.database.clone();
    let opened = tokio::task::spawn_blocking(move || Database::open_to_read(&path)).await;
    let database = match opened {
        Ok(Ok(database)) => database,
        // Another's would have been set aside: it has been begun at this moment.
        Ok(Err(Unusable::Foreign)) => return unavailable("the database is being made"),
        Ok(Err(error)) => return unavailable(&format!("the database cannot be read now: {error}")),
        Err(_) => return unavailable("opwatch is shutting down"),
    };
    let encoding = encoding::negotiate(request.headers());
    let (sender, body) = respond::channel(CHUNKS);
    let head_only = request.method() == Method::HEAD;
    let body = if head_only { Body::empty() } else { body };
    let mut response = respond::respond(StatusCode::OK, asked.format.content_type(), body);
    let name = format!("attachment; filename=\"measurements.{}\"", asked.format);
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    if encoding == Encoding::Gzip {
        respond::mark_gzip(response.headers_mut());
    }
    if !head_only {
        tokio::task::spawn_blocking(move || {
            let _room = room;
            write(&database, &asked, sender.into_writer(encoding));
        });
    }
    response
}

/// A reader that has gone away ends the writing; there is nobody left to tell.
fn write(database: &Database, asked: &Asked, out: ChunkWriter) {
    let written = write_kept(database, &asked.filter, asked.format, out);
    let finished = written.and_then(|(written, out)| {
        if written.unreadable > 0 {
            // Broken off, so that it is not taken for all there is.
            return Err(io::Error::other(format!(
                "{} groups of measurements cannot be read",
                written.unreadable
            )));
        }
        out.finish()
    });
    match finished {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => tracing::warn!(%error, "an export was broken off"),
        Ok(()) => {}
    }
}

fn parse_format(value: &str) -> Result<Format, String> {
    let unknown = |error: UnknownFormat| format!("format: {error}");
    value.parse().map_err(unknown)
}

fn unavailable(message: &str) -> Response<Body> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let response = respond::api_error(status, ErrorType::Unavailable, message);
    respond::retry_after(response, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_from_the_query() {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let at = |text: &str| Timestamp::parse(text);
        let asked = |query: &str| Asked::parse(query, now);
        assert_eq!(asked(""), Ok(Asked::default()));
        let all = "format=csv&from=-1h&to=2026-01-31T12:30:00%2B01:00&operation=a%20b+c";
        let expected = Asked {
            format: Format::Csv,
            filter: Filter {
                from: at("2026-01-31T11:00:00Z"),
                to: at("2026-01-31T11:30:00Z"),
                operation: Some("a b c".to_owned()),
            },
        };
        assert_eq!(asked(all), Ok(expected));
        let unescaped = asked("to=2026-01-31T12:30:00+01:00").unwrap();
        assert_eq!(unescaped.filter.to, at("2026-01-31T11:30:00Z"));
        for (query, expected) in [
            (
                "format=xml",
                "format: \"xml\" is no format of an export; allowed are json, ndjson, csv",
            ),
            ("from=yesterday", "from: \"yesterday\" is no time; "),
            ("to=", "to: \"\" is no time; "),
            (
                "operatoin=a",
                "\"operatoin\" is no parameter; allowed are format, from, to, operation",
            ),
        ] {
            let error = asked(query).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
