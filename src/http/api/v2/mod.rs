//! The paths of Alertmanager's API, version 2, as far as its tool and others that look at alerts and set silences ask.

pub mod alerts;
pub mod silences;
pub mod status;

use hyper::{Response, StatusCode};

use crate::engine::dispatch::matching;
use crate::engine::selector::Matcher;
use crate::http::respond::{self, Body};

/// A refusal in the form of this API: a text.
fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    respond::json(status, &why)
}

/// The matchers of `filter` parameters.
fn filter(texts: &[String]) -> Result<Vec<Matcher>, String> {
    let mut matchers = Vec::new();
    for text in texts {
        let read = matching::parse(text).map_err(|error| format!("filter: {error}"))?;
        matchers.extend(read);
    }
    Ok(matchers)
}
