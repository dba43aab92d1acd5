//! Where to listen, and how a client finds out, whatever else is in a configuration.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::{Lookup, wire};
use crate::document::Document;
use crate::http::listener::ListenAddress;

/// Where to listen: `ADDRESS:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// For reading. Default `0.0.0.0:9776`.
    pub public: String,
    /// For everything that changes state. Default `127.0.0.1:9777`.
    pub ingest: String,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: "0.0.0.0:9776".to_owned(),
            ingest: "127.0.0.1:9777".to_owned(),
        }
    }
}

/// Of a configuration file only what it says of listeners. Other keys may be anything.
#[derive(Default, Deserialize)]
struct Part {
    #[serde(default)]
    listen: wire::Listen,
}

/// Where the configuration in that file has opwatch listen; the default where it does not say, or says it wrongly.
///
/// For those who ask an opwatch that runs: it may well run with an older content of a file that has faults now.
pub fn listen_of(path: Option<&Path>, lookup: Lookup<'_>) -> Listen {
    let text = path.and_then(|path| fs::read_to_string(path).ok());
    let document = Document::parse_expanding("opwatch.yaml", text.unwrap_or_default(), lookup);
    let part = document.map(|mut document| document.decode::<Part>().0);
    let written = part.ok().flatten().unwrap_or_default().listen;
    let good = |written: Option<String>, default: String| {
        let good = written.filter(|text| text.parse::<ListenAddress>().is_ok());
        good.unwrap_or(default)
    };
    let default = Listen::default();
    Listen {
        public: good(written.public, default.public),
        ingest: good(written.ingest, default.ingest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_elsewhere_do_not_hide_where_opwatch_listens() {
        let path = std::env::temp_dir().join(format!("opwatch-{}-listen", std::process::id()));
        let port = |name: &str| (name == "PORT").then(|| "1976".to_owned());
        for (text, public) in [
            ("listen: {public: '127.0.0.1:1'}", "127.0.0.1:1"),
            ("listen: {public: '127.0.0.1:${PORT}'}", "127.0.0.1:1976"),
            (
                "listen: {public: '127.0.0.1:1'}\nno_such_key: 1",
                "127.0.0.1:1",
            ),
            (
                "listen: {public: '127.0.0.1:1', no: 1}\nrule_files: 3",
                "127.0.0.1:1",
            ),
            ("listen: {public: 'nowhere'}", "0.0.0.0:9776"),
            ("listen: [", "0.0.0.0:9776"),
            ("", "0.0.0.0:9776"),
        ] {
            fs::write(&path, text).unwrap();
            let listen = listen_of(Some(&path), &port);
            assert_eq!(listen.public, public, "{text}");
            assert_eq!(listen.ingest, "127.0.0.1:9777");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(listen_of(Some(&path), &port), Listen::default());
    }
}
