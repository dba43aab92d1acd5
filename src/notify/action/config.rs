//! What is configured of an action, with the keys of a webhook where it has them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    TRANSFER_ENCODING, USER_AGENT,
};
use serde::Deserialize;

use crate::document::Place;
use crate::document::units::{Period, Quantity};
use crate::notify::endpoint::Endpoint;
use crate::notify::payload::Tree;
use crate::notify::webhook::{HttpConfig, IDEMPOTENCY_KEY};
use crate::secret::Secret;

/// Headers that follow from something else.
const OWN_HEADERS: [HeaderName; 8] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    IDEMPOTENCY_KEY,
    TRANSFER_ENCODING,
    USER_AGENT,
];

/// Something that others are asked to do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionConfig {
    /// By what rules name it: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Where to ask: `http://` or `https://`, user-info is sent as basic authentication. Redirects are not followed.
    pub url: Option<Endpoint>,
    /// File that holds the URL, read at each attempt; in place of `url`.
    pub url_file: Option<PathBuf>,
    /// `POST`, the default, or `PUT`.
    pub method: HttpMethod,
    /// Further headers.
    pub headers: BTreeMap<String, Secret>,
    /// Authentication and trust.
    pub http_config: HttpConfig,
    /// What to send: a tree whose strings are templates. By default the key, what is acted on, and the alert.
    pub body: Option<Tree>,
    /// Time for one attempt. Default 10s.
    pub request_timeout: Period,
    /// For which alerts: of labels, `alert_type`, `metric`, `stat` and `rule`.
    pub matchers: Vec<String>,
    /// By how much what was measured has to be worse at least, such as 25%.
    pub min_degradation: Option<Quantity>,
    /// How long the alert has to fire first. Default 0s.
    #[serde(rename = "for")]
    pub delay: Period,
    /// From one request to the next for the same identity. Default 6h.
    pub cooldown: Period,
    /// Without an end after so long it has failed. Default 2h.
    pub timeout: Period,
    /// How it is known what came of it. Default `callback`, with `poll` that.
    pub result: Option<ResultBy>,
    /// Where whoever is asked reaches the ingest listener. Default where that listens.
    pub callback_url: Option<Endpoint>,
    /// Where to ask what has become of it.
    pub poll: Option<PollConfig>,
    /// What follows a success.
    pub on_success: OnSuccess,
    /// What follows a failure. Default `alert`.
    pub on_failure: OnFailure,
}

impl Default for ActionConfig {
    fn default() -> Self {
        let hours = |hours: u64| Period(Duration::from_secs(hours * 3_600));
        Self {
            name: String::new(),
            url: None,
            url_file: None,
            method: HttpMethod::Post,
            headers: BTreeMap::new(),
            http_config: HttpConfig::default(),
            body: None,
            request_timeout: Period(Duration::from_secs(10)),
            matchers: Vec::new(),
            min_degradation: None,
            delay: Period(Duration::ZERO),
            cooldown: hours(6),
            timeout: hours(2),
            result: None,
            callback_url: None,
            poll: None,
            on_success: OnSuccess::default(),
            on_failure: OnFailure::Alert,
        }
    }
}

/// By which method it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// How it is known what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultBy {
    /// It is reported.
    Callback,
    /// It is asked for.
    Poll,
    /// A good answer says that it is done.
    Answer,
}

/// Where to ask what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollConfig {
    /// The address, behind whose path the job stands, or in its query.
    pub url: Endpoint,
    /// The name of the parameter that has the job; without one it is the last segment of the path.
    pub query: Option<String>,
    /// From one question to the next. Default 30s.
    pub interval: Option<Period>,
}

/// What follows a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnSuccess {
    /// Whether what is measured then becomes the new reference. Default `none`.
    pub baseline: Baseline,
    /// What has to be measured first: a time such as `1h`, or `20 runs`. Default 1h.
    pub probation: Option<String>,
}

/// What becomes of the baseline of the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// It stays as it is.
    #[default]
    None,
    /// What is measured then becomes the new reference, once it has proved itself.
    Update,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// An alert.
    Alert,
    /// A log line and a count.
    None,
}

impl ActionConfig {
    /// From one question to the next.
    pub(super) fn poll_interval(&self) -> Duration {
        let interval = self.poll.as_ref().and_then(|poll| poll.interval);
        interval.map_or(Duration::from_secs(30), |interval| interval.0)
    }

    /// Its headers, those that can be sent.
    pub(super) fn headers(
        &self,
        place: &Place,
        fault: &mut dyn FnMut(Place, &str),
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let place = place.key(name);
            let Ok(header) = HeaderName::try_from(name.as_str()) else {
                fault(
                    place,
                    "no name of a header, allowed: letters, digits and - such as X-Team",
                );
                continue;
            };
            if OWN_HEADERS.contains(&header) {
                fault(
                    place,
                    "is set by opwatch itself, allowed: other headers; credentials belong into http_config",
                );
                continue;
            }
            match HeaderValue::try_from(value.expose()) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    headers.push((header, value));
                }
                Err(_) => fault(
                    place,
                    "holds characters that cannot be sent, allowed: visible characters of ASCII",
                ),
            }
        }
        headers
    }
}
