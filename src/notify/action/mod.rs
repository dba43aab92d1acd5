//! Calls to others that alerts bring about: what is configured of them, and a request or a question at a time.
//!
//! Addresses come from the configuration alone, never from what somebody has answered; redirects are not followed.

mod body;
mod config;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::client::{Client, ClientError, Reply};
use super::endpoint::Endpoint;
use super::webhook::{self, IDEMPOTENCY_KEY};
use super::{NotifyError, SettingFault, credential};
use crate::clock::Clock;
use crate::document::Place;
use crate::engine::action::{EndsBy, Order, Report};
use crate::forms::actions::ReportForm;
pub use config::{ActionConfig, Baseline, HttpMethod, OnFailure, OnSuccess, PollConfig, ResultBy};

/// Characters of the name by which others may know a job.
const MOST_JOB: usize = 200;

/// An action ready to be called.
#[derive(Debug)]
pub struct Caller {
    config: ActionConfig,
    client: Client,
    headers: Vec<(HeaderName, HeaderValue)>,
    external_url: String,
    callback_url: String,
    clock: Clock,
}

impl Caller {
    /// Checks the settings at `place` and prepares the client. `callback_url` is where the ingest listener is reached where
    /// the action does not say.
    ///
    /// # Errors
    /// Every fault of the settings, unreadable files included.
    pub fn new(
        config: &ActionConfig,
        (external_url, callback_url): (&str, &str),
        clock: Clock,
        place: &Place,
    ) -> Result<Self, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut fault =
            |place: Place, message: &str| faults.push(SettingFault::new(place, message));
        let destination = (&config.url, &config.url_file);
        let http = &config.http_config;
        webhook::check_destination(destination, false, http, place, &mut fault);
        if let Some(tree) = &config.body {
            tree.check(&place.key("body"), &mut fault);
        }
        let headers = config.headers(&place.key("headers"), &mut fault);
        webhook::check_http(&config.http_config, &place.key("http_config"), &mut fault);
        let client = config.http_config.client();
        if let Err(error) = &client {
            fault(
                place.key("http_config").key("tls_config"),
                &error.to_string(),
            );
        }
        match client {
            Ok(client) if faults.is_empty() => Ok(Self {
                callback_url: match &config.callback_url {
                    Some(url) => url.uri().to_string().trim_end_matches('/').to_owned(),
                    None => callback_url.to_owned(),
                },
                config: config.clone(),
                client,
                headers,
                external_url: external_url.to_owned(),
                clock,
            }),
            _ => Err(faults),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// From one question to the next.
    pub fn poll_interval(&self) -> std::time::Duration {
        self.config.poll_interval()
    }

    /// Makes one attempt to request it; gives by what whoever was asked knows it, if they say.
    ///
    /// # Errors
    /// Transient for no answer, 5xx, 408, 425 and 429; everything else but 2xx is permanent, redirects too.
    pub async fn request(&self, order: &Order) -> Result<Option<String>, NotifyError> {
        let endpoint = self.endpoint().await?;
        let callback = format!("{}/api/v1/actions/{}", self.callback_url, order.key);
        let body = body::of(
            self.config.body.as_ref(),
            order,
            &self.external_url,
            &callback,
        )
        .map_err(NotifyError::permanent)?;
        let body =
            serde_json::to_vec(&body).map_err(|error| NotifyError::permanent(error.to_string()))?;
        let key = HeaderValue::try_from(order.key.as_str())
            .map_err(|error| NotifyError::permanent(error.to_string()))?;
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (IDEMPOTENCY_KEY, key),
        ];
        headers.extend(self.headers.iter().cloned());
        let method = match self.config.method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
        };
        let reply = self
            .send(method, &endpoint, &headers, Bytes::from(body))
            .await?;
        webhook::judge(&reply, self.clock)?;
        Ok(job_of(&reply.body))
    }

    /// Asks once what has become of a job.
    ///
    /// # Errors
    /// Where there is no answer, or none that says it: all of that may pass.
    pub async fn poll(&self, job: &str) -> Result<Report, NotifyError> {
        let poll = (self.config.poll.as_ref())
            .ok_or_else(|| NotifyError::permanent("the action has no `poll` any more"))?;
        let endpoint = poll.url.asking(poll.query.as_deref(), job);
        let endpoint = endpoint.map_err(|error| NotifyError::permanent(error.to_string()))?;
        let reply = self
            .send(Method::GET, &endpoint, &self.headers, Bytes::new())
            .await?;
        webhook::judge(&reply, self.clock)?;
        let form: Result<ReportForm, _> = serde_json::from_slice(&reply.body);
        let report = form.map_err(|error| error.to_string());
        report
            .and_then(ReportForm::report)
            .map_err(|why| NotifyError::transient(format!("answered what is no report: {why}")))
    }

    async fn send(
        &self,
        method: Method,
        endpoint: &Endpoint,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Reply, NotifyError> {
        let authorization = webhook::authorization(&self.config.http_config).await?;
        let timeout = self.config.request_timeout.0;
        let reply = self
            .client
            .send(method, endpoint, authorization, headers, body, timeout);
        reply.await.map_err(|error| match error {
            ClientError::Request(_) | ClientError::Credentials | ClientError::Refused(_) => {
                NotifyError::permanent(error.to_string())
            }
            error => NotifyError::transient(error.to_string()),
        })
    }

    async fn endpoint(&self) -> Result<Endpoint, NotifyError> {
        match (&self.config.url, &self.config.url_file) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => {
                let text = credential::read(path).await;
                text.and_then(|text| webhook::url_of(&text, path))
                    .map_err(NotifyError::transient)
            }
            (None, None) => Err(NotifyError::permanent("there is no destination")),
        }
    }
}

impl ActionConfig {
    /// How it is known what came of it.
    pub fn ends_by(&self) -> EndsBy {
        match (self.result, &self.poll) {
            (Some(ResultBy::Answer), _) => EndsBy::Answer,
            (Some(ResultBy::Poll), _) | (None, Some(_)) => EndsBy::Poll,
            (Some(ResultBy::Callback) | None, _) => EndsBy::Callback,
        }
    }
}

/// By what whoever was asked knows the job: `job`, `job_id` or `id` of a JSON answer. It only ever becomes one segment of a
/// path or one value of a query, and one that cannot be that is none.
fn job_of(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let job = ["job", "job_id", "id"]
        .iter()
        .find_map(|name| answer.get(name))?;
    let job = match job {
        serde_json::Value::String(job) => job.clone(),
        serde_json::Value::Number(job) => job.to_string(),
        _ => return None,
    };
    let is_good = !job.is_empty()
        && job.chars().count() <= MOST_JOB
        && !job.chars().any(char::is_control)
        && !job.chars().all(|c| c == '.');
    is_good.then_some(job)
}

#[cfg(test)]
mod tests;
