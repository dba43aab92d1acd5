//! Webhooks: a message posted as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;

use super::client::{self, Client, ClientError, Reply};
use super::credential;
use super::endpoint::Endpoint;
use super::payload::{Payload, Preset, Tree, v4};
use super::reach::Reach;
use super::tls::{TlsConfig, TlsError};
use super::{NotifyError, SettingFault};
use crate::clock::Clock;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::Notification;
use crate::secret::Secret;

/// The id of a notification, the same at every attempt to deliver it.
const NOTIFICATION_ID: HeaderName = HeaderName::from_static("opwatch-notification-id");
/// The same under the name that others know (IETF draft `idempotency-key-header`).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A webhook of a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Where to post to: `http://` or `https://`, user-info is sent as basic authentication. Redirects are not followed.
    pub url: Option<Endpoint>,
    /// File that holds the URL, read at each attempt; in place of `url`.
    pub url_file: Option<PathBuf>,
    /// Whether to tell of alerts that have ended. Default true.
    pub send_resolved: bool,
    /// The service that takes the messages, whose form they have then; without one they have Alertmanager's.
    pub preset: Option<Preset>,
    /// What to post instead: a tree whose strings are templates; not together with `preset`.
    pub body: Option<Tree>,
    /// The key of the integration, which PagerDuty wants in the message.
    pub routing_key: Option<Secret>,
    /// File that holds the key, read at each attempt; in place of `routing_key`.
    pub routing_key_file: Option<PathBuf>,
    /// Most alerts in one message, the others are only counted; 0, the default, is no limit.
    pub max_alerts: usize,
    /// Time for one attempt. Default 10s.
    pub timeout: Period,
    /// Authentication and trust.
    pub http_config: HttpConfig,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            send_resolved: true,
            preset: None,
            body: None,
            routing_key: None,
            routing_key_file: None,
            max_alerts: 0,
            timeout: Period(Duration::from_secs(10)),
            http_config: HttpConfig::default(),
        }
    }
}

/// Authentication and trust of HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// User name and password; not together with `authorization`.
    pub basic_auth: Option<BasicAuth>,
    /// A token; not together with `basic_auth`.
    pub authorization: Option<Authorization>,
    /// Whom to trust.
    pub tls_config: TlsConfig,
    /// Whether link-local addresses may be reached, and those at which clouds tell of their machines. Default no.
    pub allow_link_local: bool,
}

impl HttpConfig {
    /// A client for it.
    ///
    /// # Errors
    /// Where its `tls_config` is not good.
    pub(super) fn client(&self) -> Result<Client, TlsError> {
        Client::new(&self.tls_config, Reach::of(self.allow_link_local))
    }
}

/// User name and password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuth {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Option<Secret>,
    /// File that holds the password, read at each attempt; in place of `password`.
    pub password_file: Option<PathBuf>,
}

/// A token in the `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authorization {
    /// The scheme. Default `Bearer`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The token.
    pub credentials: Option<Secret>,
    /// File that holds the token, read at each attempt; in place of `credentials`.
    pub credentials_file: Option<PathBuf>,
}

impl Default for Authorization {
    fn default() -> Self {
        Self {
            kind: "Bearer".to_owned(),
            credentials: None,
            credentials_file: None,
        }
    }
}

/// A webhook ready to post.
#[derive(Debug)]
pub struct Webhook {
    config: WebhookConfig,
    client: Client,
    external_url: String,
    clock: Clock,
}

impl Webhook {
    /// Checks the settings at `place` and prepares the client.
    ///
    /// # Errors
    /// Every fault of the settings, unreadable files included.
    pub fn new(
        config: &WebhookConfig,
        external_url: &str,
        clock: Clock,
        place: &Place,
    ) -> Result<Self, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut fault =
            |place: Place, message: &str| faults.push(SettingFault::new(place, message));
        let is_known = config.preset.is_some_and(|preset| preset.url().is_some());
        let destination = (&config.url, &config.url_file);
        check_destination(
            destination,
            is_known,
            &config.http_config,
            place,
            &mut fault,
        );
        check_payload(config, place, &mut fault);
        let http = place.key("http_config");
        check_http(&config.http_config, &http, &mut fault);
        let client = config.http_config.client();
        if let Err(error) = &client {
            fault(http.key("tls_config"), &error.to_string());
        }
        match client {
            Ok(client) if faults.is_empty() => Ok(Self {
                config: config.clone(),
                client,
                external_url: external_url.to_owned(),
                clock,
            }),
            _ => Err(faults),
        }
    }

    /// To whom, and in which form.
    pub(super) fn destination(&self) -> String {
        let config = &self.config;
        let form = match (config.preset, &config.body) {
            (Some(preset), _) => preset.as_str(),
            (None, Some(_)) => "templates",
            (None, None) => "Alertmanager",
        };
        // With many webhooks the path is the secret.
        let to = match (&config.url, &config.url_file) {
            (Some(url), _) => url.origin(),
            (None, Some(path)) => format!("the URL in {}", path.display()),
            (None, None) => (config.preset.and_then(Preset::url))
                .unwrap_or_default()
                .to_owned(),
        };
        format!("webhook to {to} in the form of {form}")
    }

    /// Posts a notification once.
    ///
    /// # Errors
    /// Transient for no answer, 5xx, 408, 425 and 429; everything else but 2xx is permanent, redirects too.
    pub async fn deliver(&self, notification: &Notification) -> Result<(), NotifyError> {
        let endpoint = self.endpoint().await?;
        let Payload { path, body } = self.payload(notification).await?;
        let endpoint = match path.as_str() {
            "" => endpoint,
            path => {
                (endpoint.join(path)).map_err(|error| NotifyError::permanent(error.to_string()))?
            }
        };
        let body =
            serde_json::to_vec(&body).map_err(|error| NotifyError::permanent(error.to_string()))?;
        let id = HeaderValue::try_from(notification.id.as_str())
            .map_err(|error| NotifyError::permanent(error.to_string()))?;
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (NOTIFICATION_ID, id.clone()),
            (IDEMPOTENCY_KEY, id),
        ];
        let reply = self
            .client
            .post(
                &endpoint,
                authorization(&self.config.http_config).await?,
                &headers,
                Bytes::from(body),
                self.config.timeout.0,
            )
            .await;
        match reply {
            Ok(reply) => judge(&reply, self.clock),
            Err(
                error @ (ClientError::Request(_)
                | ClientError::Credentials
                | ClientError::Refused(_)),
            ) => Err(NotifyError::permanent(error.to_string())),
            Err(error) => Err(NotifyError::transient(error.to_string())),
        }
    }

    async fn endpoint(&self) -> Result<Endpoint, NotifyError> {
        match (&self.config.url, &self.config.url_file) {
            (None, Some(path)) => {
                let text = credential::read(path).await;
                text.and_then(|text| url_of(&text, path))
                    .map_err(NotifyError::transient)
            }
            (Some(url), _) => Ok(url.clone()),
            (None, None) => {
                let known = self.config.preset.and_then(Preset::url);
                known
                    .and_then(|url| url.parse().ok())
                    .ok_or_else(|| NotifyError::permanent("there is no destination"))
            }
        }
    }

    async fn payload(&self, notification: &Notification) -> Result<Payload, NotifyError> {
        let config = &self.config;
        let (url, most) = (self.external_url.as_str(), config.max_alerts);
        let body = match (config.preset, &config.body) {
            (Some(preset), _) => {
                let key = credential::either(
                    config.routing_key.as_ref(),
                    config.routing_key_file.as_deref(),
                );
                return Ok(preset.payload(notification, url, most, &key.await?));
            }
            (None, Some(tree)) => {
                let rendered = tree.render(notification, url, most);
                rendered.map_err(NotifyError::permanent)?
            }
            (None, None) => v4::body(notification, url, most)
                .map_err(|error| NotifyError::permanent(error.to_string()))?,
        };
        Ok(Payload {
            path: String::new(),
            body,
        })
    }
}

/// What is wrong with where something is to be sent: a URL, or a file that holds one; neither where it `is_known`.
pub(super) fn check_destination(
    (url, file): (&Option<Endpoint>, &Option<PathBuf>),
    is_known: bool,
    http: &HttpConfig,
    place: &Place,
    fault: &mut impl FnMut(Place, &str),
) {
    let reach = Reach::of(http.allow_link_local);
    let check = |url: Endpoint| reach.check(url.uri()).map_err(|error| error.to_string());
    match (url, file) {
        (Some(url), None) => {
            if let Err(reason) = check(url.clone()) {
                fault(place.key("url"), &reason);
            }
        }
        (None, None) if is_known => {}
        (None, Some(path)) => {
            let url = credential::check(path).and_then(|text| url_of(&text, path));
            if let Err(reason) = url.and_then(check) {
                fault(place.key("url_file"), &reason);
            }
        }
        (Some(_), Some(_)) => fault(
            place.key("url_file"),
            "given beside url, only one of them is allowed",
        ),
        (None, None) => fault(
            place.clone(),
            "without a destination, one of url and url_file is needed",
        ),
    }
}

/// Reports credentials that are given twice or cannot be read.
pub(super) fn check_http(http: &HttpConfig, place: &Place, fault: &mut dyn FnMut(Place, &str)) {
    if http.basic_auth.is_some() && http.authorization.is_some() {
        fault(
            place.key("authorization"),
            "given beside basic_auth, only one of them is allowed",
        );
    }
    if let Some(auth) = &http.basic_auth {
        let at = place.key("basic_auth").key("password_file");
        credential::check_either(
            auth.password.as_ref(),
            auth.password_file.as_deref(),
            &mut |m| fault(at.clone(), m),
        );
    }
    if let Some(auth) = &http.authorization {
        let at = place.key("authorization").key("credentials_file");
        credential::check_either(
            auth.credentials.as_ref(),
            auth.credentials_file.as_deref(),
            &mut |m| fault(at.clone(), m),
        );
    }
}

/// The header that says who asks, if any does.
pub(super) async fn authorization(http: &HttpConfig) -> Result<Option<HeaderValue>, NotifyError> {
    let value = if let Some(auth) = &http.basic_auth {
        let password =
            credential::either(auth.password.as_ref(), auth.password_file.as_deref()).await?;
        client::basic(&auth.username, &password)
    } else if let Some(auth) = &http.authorization {
        let token =
            credential::either(auth.credentials.as_ref(), auth.credentials_file.as_deref()).await?;
        client::authorization(&auth.kind, token.expose())
    } else {
        return Ok(None);
    };
    value
        .map(Some)
        .map_err(|error| NotifyError::permanent(error.to_string()))
}

/// Reports what cannot be posted.
fn check_payload(config: &WebhookConfig, place: &Place, fault: &mut dyn FnMut(Place, &str)) {
    if let Some(tree) = &config.body {
        if config.preset.is_some() {
            fault(
                place.key("body"),
                "given beside preset, only one of them is allowed",
            );
        }
        tree.check(&place.key("body"), fault);
    }
    let at = place.key("routing_key_file");
    credential::check_either(
        config.routing_key.as_ref(),
        config.routing_key_file.as_deref(),
        &mut |message| fault(at.clone(), message),
    );
    let has_key = config.routing_key.is_some() || config.routing_key_file.is_some();
    let needs_key = config.preset.is_some_and(Preset::needs_routing_key);
    if needs_key && !has_key {
        fault(
            place.clone(),
            "without a key, `preset: pagerduty` needs one of routing_key and routing_key_file",
        );
    }
    if has_key && !needs_key {
        let at = match config.routing_key {
            Some(_) => "routing_key",
            None => "routing_key_file",
        };
        fault(
            place.key(at),
            "is used by no other form of message, allowed: with `preset: pagerduty`",
        );
    }
}

/// What an answer means: 2xx is good; 5xx, 408, 425 and 429 may pass, as `Retry-After` says; everything else is final,
/// redirects too, since credentials must not follow them.
pub(super) fn judge(reply: &Reply, clock: Clock) -> Result<(), NotifyError> {
    if reply.status.is_success() {
        return Ok(());
    }
    let message = format!("answered {}: {}", reply.status.as_u16(), reply.excerpt());
    if may_pass(reply.status) {
        let retry_after = reply.wait(clock.now().wall);
        return Err(NotifyError::Transient {
            message,
            retry_after,
        });
    }
    Err(NotifyError::Permanent { message })
}

/// Whether the same request may be answered otherwise later.
pub(super) fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

pub(super) fn url_of(text: &str, path: &Path) -> Result<Endpoint, String> {
    let url = text.trim().parse();
    url.map_err(|error| format!("the URL in {} cannot be used: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_final_or_may_pass() {
        let clock = Clock::start();
        for (status, transient) in [
            (301, false),
            (302, false),
            (400, false),
            (401, false),
            (404, false),
            (408, true),
            (413, false),
            (425, true),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: Some("7".to_owned()),
                body: Bytes::from_static(b"no\n"),
            };
            let error = judge(&reply, clock).unwrap_err();
            assert_eq!(error.to_string(), format!("answered {status}: no"));
            let wait = transient.then(|| Duration::from_secs(7));
            assert_eq!(
                (error.is_transient(), error.retry_after()),
                (transient, wait),
                "{status}"
            );
        }
        for status in [200, 202, 204] {
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: None,
                body: Bytes::new(),
            };
            assert!(judge(&reply, clock).is_ok());
        }
    }

    #[test]
    fn settings_that_cannot_work_are_faults_with_their_place() {
        for (yaml, expected) in [
            (
                "{}",
                vec!["w: without a destination, one of url and url_file is needed"],
            ),
            (
                "{url: 'http://a/', url_file: /b}",
                vec!["w.url_file: given beside url, only one of them is allowed"],
            ),
            (
                "{url_file: /nonexistent/url, http_config: {basic_auth: {username: u, password_file: /nonexistent/p}, authorization: {credentials: x}}}",
                vec![
                    "w.url_file: cannot read /nonexistent/url: no such file",
                    "w.http_config.authorization: given beside basic_auth, only one of them is allowed",
                    "w.http_config.basic_auth.password_file: cannot read /nonexistent/p: no such file",
                ],
            ),
        ] {
            let config: WebhookConfig = serde_yaml::from_str(yaml).unwrap();
            let place = Place::root().key("w");
            let faults = Webhook::new(&config, "", Clock::start(), &place).unwrap_err();
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, expected, "{yaml}");
        }
    }
}
