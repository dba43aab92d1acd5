//! Alertmanagers: each is told the latest word on every alert, by a task of its own.

mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Uri;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::words::{Word, Words};
use super::client::Client;
use super::endpoint::Endpoint;
use super::outbox::Ending;
use super::reach::Reach;
use super::tls::TlsConfig;
use super::webhook::may_pass;
use super::{SettingFault, backoff};
use crate::clock::Clock;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::Announced;
use crate::engine::time::Timestamp;

/// Most alerts that wait for one Alertmanager.
const CAPACITY: usize = 10_000;
/// Most alerts in one POST, as Prometheus sends them.
const BATCH: usize = 256;

/// An Alertmanager that is told of every alert, over its API v2.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Its address with the path prefix, if it has one; user-info is sent as basic authentication. Redirects are not followed.
    pub url: Endpoint,
    /// Time for one request. Default 10s.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Labels to leave out, so that replicas which judge the same data send the same alert. Default none.
    #[serde(default)]
    pub drop_labels: Vec<String>,
    /// Whom to trust.
    #[serde(default)]
    pub tls_config: TlsConfig,
    /// Whether link-local addresses may be reached, and those at which clouds tell of their machines. Default no.
    #[serde(default)]
    pub allow_link_local: bool,
}

fn default_timeout() -> Period {
    Period(Duration::from_secs(10))
}

/// What became of the alerts for one Alertmanager.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertmanagerStats {
    /// Its address, without secrets.
    pub url: String,
    /// Alerts it has taken, resends included.
    pub sent: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Alerts that were dropped: refused with the whole request, outdated, or too many.
    pub dropped: u64,
    /// Alerts that wait to be sent.
    pub waiting: usize,
    /// Most alerts that can wait.
    pub capacity: usize,
    /// Seconds of all requests together.
    pub request_seconds: f64,
    /// Requests.
    pub requests: u64,
}

/// The task of one Alertmanager. It lives as long as the program, as an outbox does: an old word that another task still
/// tried to send could overtake a newer one.
#[derive(Debug)]
pub(super) struct Alertmanager {
    state: Mutex<State>,
    wake: Notify,
}

/// How an Alertmanager is told.
#[derive(Debug)]
pub(super) struct Way {
    /// Its address, as metrics and logs name it.
    url: String,
    endpoint: Endpoint,
    timeout: Duration,
    drop_labels: Vec<String>,
    /// How long an alert that has ended is worth telling.
    resolved_retention: Duration,
    client: Client,
}

#[derive(Debug)]
struct State {
    way: Arc<Way>,
    /// The configuration does not have it any more.
    closed: bool,
    words: Words,
    stats: AlertmanagerStats,
}

/// How a request ended.
enum Outcome {
    Taken,
    Refused(String),
    Failed(String),
}

impl Way {
    pub(super) fn new(
        config: &AlertmanagerConfig,
        resolved_retention: Duration,
        place: &Place,
    ) -> Result<Self, SettingFault> {
        let fault = |key, message: String| SettingFault::new(place.key(key), &message);
        let endpoint = config.url.join("/api/v2/alerts");
        let reach = Reach::of(config.allow_link_local);
        let checked = reach.check(config.url.uri());
        checked.map_err(|error| fault("url", error.to_string()))?;
        let client = Client::new(&config.tls_config, reach);
        Ok(Self {
            url: config.url.to_string(),
            endpoint: endpoint.map_err(|error| fault("url", error.to_string()))?,
            timeout: config.timeout.0,
            drop_labels: config.drop_labels.clone(),
            resolved_retention,
            client: client.map_err(|error| fault("tls_config", error.to_string()))?,
        })
    }
}

impl Alertmanager {
    pub(super) fn new(way: Way) -> Self {
        let stats = AlertmanagerStats {
            url: way.url.clone(),
            capacity: CAPACITY,
            ..AlertmanagerStats::default()
        };
        Self {
            state: Mutex::new(State {
                way: Arc::new(way),
                closed: false,
                words: Words::new(CAPACITY),
                stats,
            }),
            wake: Notify::new(),
        }
    }

    /// Whether this is a way to it.
    pub(super) fn is_reached_by(&self, way: &Way) -> bool {
        self.lock().stats.url == way.url
    }

    /// Goes on in this way; a request that is under way ends as it began.
    pub(super) fn go_on_with(&self, way: Way) {
        let mut state = self.lock();
        state.way = Arc::new(way);
        state.closed = false;
        state.stats.capacity = CAPACITY;
        drop(state);
        self.wake.notify_one();
    }

    /// Drops what waits, because it is not to be told any more. Alerts that it has as firing expire there.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.stats.capacity = 0;
        let lost = state.words.take(usize::MAX).len();
        state.stats.dropped += u64::try_from(lost).unwrap_or_default();
        if lost > 0 {
            warn!(
                url = state.stats.url,
                alerts = lost,
                "alerts dropped: the configuration does not have the Alertmanager any more"
            );
        }
    }

    /// What became of the alerts so far.
    pub(super) fn stats(&self) -> AlertmanagerStats {
        let state = self.lock();
        AlertmanagerStats {
            waiting: state.words.len(),
            ..state.stats.clone()
        }
    }

    /// Takes the latest word on alerts, with the end to send: of a firing one the time until which it is valid.
    pub(super) fn push(&self, alerts: &[(Arc<Announced>, Timestamp)]) {
        if alerts.is_empty() {
            return;
        }
        let mut state = self.lock();
        if state.closed {
            return;
        }
        for (alert, ends_at) in alerts {
            let word = Word {
                alert: alert.clone(),
                ends_at: *ends_at,
            };
            let lost = state.words.put(word);
            state.stats.dropped += u64::from(lost);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Sends until told to end.
    pub(super) async fn run(&self, clock: Clock, ending: Ending) {
        let work = self.send_all(clock, &ending.drain);
        ending.stop.run_until_cancelled(work).await;
    }

    async fn send_all(&self, clock: Clock, drain: &CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let last = drain.is_cancelled();
            let good = self.send_waiting(clock).await;
            if last {
                return;
            }
            failures = if good { 0 } else { failures.saturating_add(1) };
            // What waits is tried again after a while, and at once when there is something new.
            let wait = match failures {
                0 => Duration::MAX,
                _ => backoff::wait(failures, backoff::random()),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                () = drain.cancelled() => {}
            }
        }
    }

    /// Sends everything that waits; false if something has to be tried again.
    async fn send_waiting(&self, clock: Clock) -> bool {
        loop {
            let (way, batch) = {
                let mut state = self.lock();
                let State {
                    way, words, stats, ..
                } = &mut *state;
                stats.dropped += words.forget_outdated(clock.now().wall, way.resolved_retention);
                (state.way.clone(), state.words.take(BATCH))
            };
            if batch.is_empty() {
                return true;
            }
            let begin = clock.now().steady;
            let outcome = way.post(&batch).await;
            let took = clock.now().steady.saturating_sub(begin);
            let alerts = u64::try_from(batch.len()).unwrap_or_default();
            let mut state = self.lock();
            state.stats.requests += 1;
            state.stats.request_seconds += took.as_secs_f64();
            match outcome {
                Outcome::Taken => {
                    state.stats.sent += alerts;
                    debug!(
                        url = state.stats.url,
                        alerts, "Alertmanager has taken alerts"
                    );
                }
                Outcome::Refused(error) => {
                    state.stats.errors += 1;
                    state.stats.dropped += alerts;
                    warn!(
                        url = state.stats.url,
                        alerts, error, "Alertmanager refuses alerts"
                    );
                }
                Outcome::Failed(error) => {
                    state.stats.errors += 1;
                    let lost = if state.closed {
                        alerts
                    } else {
                        state.words.put_back(batch)
                    };
                    state.stats.dropped += lost;
                    warn!(
                        url = state.stats.url,
                        alerts, error, "cannot send alerts to Alertmanager yet"
                    );
                    return false;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, counts may be off.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    async fn post(&self, batch: &[Word]) -> Outcome {
        let alerts: Vec<Alert<'_>> = batch.iter().map(|word| self.alert(word)).collect();
        let body = match serde_json::to_vec(&alerts) {
            Ok(body) => Bytes::from(body),
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let reply = self
            .client
            .post(&self.endpoint, None, &headers, body, self.timeout)
            .await;
        let reply = match reply {
            Ok(reply) if reply.status.is_success() => return Outcome::Taken,
            Ok(reply) => reply,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let error = format!("answered {}: {}", reply.status.as_u16(), reply.excerpt());
        if may_pass(reply.status) {
            Outcome::Failed(error)
        } else {
            Outcome::Refused(error)
        }
    }

    fn alert<'a>(&self, word: &'a Word) -> Alert<'a> {
        let alert = &word.alert;
        let labels = alert.labels.iter();
        Alert {
            annotations: alert.annotations.as_map(),
            starts_at: alert.starts_at.to_string(),
            // An end before the start would be refused, as when the clock was set back.
            ends_at: word.ends_at.max(alert.starts_at).to_string(),
            generator_url: Some(alert.generator_url.as_str()).filter(|url| is_absolute(url)),
            labels: labels
                .filter(|(name, _)| !self.drop_labels.iter().any(|n| n == name))
                .collect(),
        }
    }
}

/// Whether Alertmanager takes it as a URL: one that it does not take makes it refuse the whole request (422).
fn is_absolute(url: &str) -> bool {
    url.parse::<Uri>()
        .is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some())
}

/// An alert of Alertmanager's API v2, with the keys that Prometheus sends.
#[derive(Serialize)]
struct Alert<'a> {
    annotations: &'a BTreeMap<String, String>,
    #[serde(rename = "endsAt")]
    ends_at: String,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::fixture;

    fn way(drop_labels: &str) -> Way {
        let yaml = format!("{{url: 'http://127.0.0.1:9093/am/', drop_labels: {drop_labels}}}");
        let config = serde_yaml::from_str(&yaml).unwrap();
        Way::new(&config, Duration::from_secs(900), &Place::root()).unwrap()
    }

    #[test]
    fn alerts_have_the_form_that_prometheus_sends() {
        let way = way("[severity]");
        assert_eq!(
            way.endpoint.to_string(),
            "http://127.0.0.1:9093/am/api/v2/alerts"
        );
        let word = Word {
            alert: fixture::firing("detect"),
            ends_at: Timestamp::parse("2026-01-31T12:04:00Z").unwrap(),
        };
        let sent = serde_json::to_value([way.alert(&word)]).unwrap();
        assert_eq!(
            sent,
            json!([{
                "annotations": {"summary": "p95 is <high>"},
                "startsAt": "2026-01-31T12:00:00.250Z",
                "endsAt": "2026-01-31T12:04:00.000Z",
                "generatorURL": "http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow",
                "labels": {"alertname": "DetectionSlow", "operation": "detect"},
            }])
        );
    }

    #[test]
    fn what_would_spoil_the_request_is_left_out() {
        let mut alert = Announced::clone(&fixture::firing("detect"));
        alert.generator_url = "no url".to_owned();
        let word = Word {
            ends_at: Timestamp::from_millis(alert.starts_at.millis() - 1),
            alert: Arc::new(alert),
        };
        let way = way("[]");
        let sent = serde_json::to_value(way.alert(&word)).unwrap();
        assert_eq!(sent.get("generatorURL"), None);
        assert_eq!(sent["endsAt"], sent["startsAt"]);
        for (url, good) in [
            ("http://a/b?c[]=d", true),
            ("https://a", true),
            ("", false),
            ("/api/v1/rules", false),
            ("http://a b/", false),
        ] {
            assert_eq!(is_absolute(url), good, "{url}");
        }
    }
}
