//! Webhooks: Alertmanager's v4 JSON, posted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::client::{self, Client, ClientError, Reply};
use super::credential;
use super::endpoint::Endpoint;
use super::message::{self, common};
use super::payload::{Payload, Preset, Tree};
use super::tls::TlsConfig;
use super::{NotifyError, SettingFault};
use crate::clock::Clock;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::condition::{Evidence, Feature};
use crate::engine::dispatch::{Announced, Notification};
use crate::engine::incident::Tale;
use crate::engine::series::Labels;
use crate::incidents::id;
use crate::secret::Secret;

/// The id of a notification, the same at every attempt to deliver it.
const NOTIFICATION_ID: HeaderName = HeaderName::from_static("opwatch-notification-id");
/// The same under the name that others know (IETF draft `idempotency-key-header`).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

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
        match (&config.url, &config.url_file) {
            (Some(_), None) => {}
            (None, None) if is_known => {}
            (None, Some(path)) => {
                let url = credential::check(path).and_then(|text| url_of(&text, path));
                if let Err(reason) = url {
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
        check_payload(config, place, &mut fault);
        let http = place.key("http_config");
        if config.http_config.basic_auth.is_some() && config.http_config.authorization.is_some() {
            fault(
                http.key("authorization"),
                "given beside basic_auth, only one of them is allowed",
            );
        }
        if let Some(auth) = &config.http_config.basic_auth {
            let at = http.key("basic_auth").key("password_file");
            credential::check_either(
                auth.password.as_ref(),
                auth.password_file.as_deref(),
                &mut |m| fault(at.clone(), m),
            );
        }
        if let Some(auth) = &config.http_config.authorization {
            let at = http.key("authorization").key("credentials_file");
            credential::check_either(
                auth.credentials.as_ref(),
                auth.credentials_file.as_deref(),
                &mut |m| fault(at.clone(), m),
            );
        }
        let client = Client::new(&config.http_config.tls_config);
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
                self.authorization().await?,
                &headers,
                Bytes::from(body),
                self.config.timeout.0,
            )
            .await;
        match reply {
            Ok(reply) => judge(&reply, self.clock),
            Err(error @ (ClientError::Request(_) | ClientError::Credentials)) => {
                Err(NotifyError::permanent(error.to_string()))
            }
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
            (None, None) => serde_json::to_value(body(notification, url, most))
                .map_err(|error| NotifyError::permanent(error.to_string()))?,
        };
        Ok(Payload {
            path: String::new(),
            body,
        })
    }

    async fn authorization(&self) -> Result<Option<HeaderValue>, NotifyError> {
        let http = &self.config.http_config;
        let value = if let Some(auth) = &http.basic_auth {
            let password =
                credential::either(auth.password.as_ref(), auth.password_file.as_deref()).await?;
            client::basic(&auth.username, &password)
        } else if let Some(auth) = &http.authorization {
            let token =
                credential::either(auth.credentials.as_ref(), auth.credentials_file.as_deref())
                    .await?;
            client::authorization(&auth.kind, token.expose())
        } else {
            return Ok(None);
        };
        value
            .map(Some)
            .map_err(|error| NotifyError::permanent(error.to_string()))
    }
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

fn url_of(text: &str, path: &Path) -> Result<Endpoint, String> {
    let url = text.trim().parse();
    url.map_err(|error| format!("the URL in {} cannot be used: {error}", path.display()))
}

/// Alertmanager's webhook body, version 4 (`notify/webhook/webhook.go`), with its order of keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Alert<'a>>,
    group_labels: &'a BTreeMap<String, String>,
    common_labels: BTreeMap<&'a str, &'a str>,
    common_annotations: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    // Ours, where there are incidents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incidents: Vec<IncidentBody>,
}

/// What the alerts have in common that began together. Counts are over all its alerts, also those that are not told here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IncidentBody {
    id: String,
    starts_at: String,
    ends_at: Option<String>,
    alerts: usize,
    firing: usize,
    operations: usize,
}

impl IncidentBody {
    fn of(tale: &Tale) -> Self {
        Self {
            id: id(tale.id),
            starts_at: tale.since.to_string(),
            ends_at: tale.ended_at.map(|at| at.to_string()),
            alerts: tale.alerts,
            firing: tale.firing,
            operations: tale.operations,
        }
    }
}

#[derive(Serialize)]
struct Alert<'a> {
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
    // From here on ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<String>,
    #[serde(rename = "type")]
    alert_type: &'static str,
    severity: &'a str,
    metric: &'a str,
    stat: &'a str,
    value: Option<f64>,
    threshold: Option<f64>,
    n: u64,
    degradation_percent: Option<f64>,
    /// What a judgement by evidence rests on.
    #[serde(flatten)]
    evidence: Option<Proof>,
    /// Why it ended: `recovered`, `no_data`, `gone` or `forgotten`; null while it fires.
    reason: Option<&'static str>,
}

/// The baseline, the change against it, and how sure that is. What there is not is null.
#[derive(Serialize)]
struct Proof {
    baseline: Option<f64>,
    baseline_samples: u64,
    change: Option<f64>,
    change_interval: Option<(f64, f64)>,
    p_value: Option<f64>,
    /// What a detector has found to be different, and when that began: the best estimate and, where it is dated, the
    /// interval that holds it with 95 % confidence.
    feature: Option<&'static str>,
    began_at: Option<String>,
    began_within: Option<(String, String)>,
}

impl Proof {
    fn of(evidence: Evidence) -> Self {
        Self {
            baseline: evidence.baseline,
            baseline_samples: evidence.baseline_n,
            change: evidence.change,
            change_interval: evidence.interval,
            p_value: evidence.p_value,
            feature: evidence.feature.map(Feature::as_str),
            began_at: evidence.began.map(|at| at.to_string()),
            began_within: (evidence.within)
                .map(|(earliest, latest)| (earliest.to_string(), latest.to_string())),
        }
    }
}

/// Go's zero time, which stands for "not ended".
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";

fn body<'a>(notification: &'a Notification, external_url: &'a str, max_alerts: usize) -> Body<'a> {
    let all = notification.alerts.len();
    let shown = if max_alerts == 0 {
        all
    } else {
        all.min(max_alerts)
    };
    let labels = |alert: &'a Announced| -> &'a Labels { &alert.labels };
    let annotations = |alert: &'a Announced| -> &'a Labels { &alert.annotations };
    let alerts = || notification.alerts.iter().take(shown).map(AsRef::as_ref);
    Body {
        receiver: &notification.receiver,
        status: notification.status(),
        alerts: alerts()
            .map(|one| alert(one, &notification.incidents))
            .collect(),
        group_labels: notification.group_labels.as_map(),
        common_labels: common(alerts().map(labels)),
        common_annotations: common(alerts().map(annotations)),
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: all - shown,
        incidents: notification
            .incidents
            .iter()
            .map(IncidentBody::of)
            .collect(),
    }
}

fn alert<'a>(alert: &'a Announced, incidents: &[Tale]) -> Alert<'a> {
    let incident = incidents
        .iter()
        .find(|tale| tale.members.contains(&alert.fingerprint));
    let finite = |number: f64| Some(number).filter(|number| number.is_finite());
    Alert {
        status: if alert.is_firing() {
            "firing"
        } else {
            "resolved"
        },
        labels: alert.labels.as_map(),
        annotations: alert.annotations.as_map(),
        starts_at: alert.starts_at.to_string(),
        ends_at: alert
            .ended
            .map_or(NOT_ENDED.to_owned(), |(at, _)| at.to_string()),
        generator_url: &alert.generator_url,
        fingerprint: format!("{:016x}", alert.fingerprint),
        incident: incident.map(|tale| id(tale.id)),
        alert_type: alert.alert_type,
        severity: alert.labels.get("severity"),
        metric: &alert.metric,
        stat: &alert.stat,
        value: alert.value.and_then(finite),
        threshold: finite(alert.limit).filter(|_| message::has_limit(alert)),
        n: alert.n,
        degradation_percent: message::degradation_percent(alert),
        evidence: alert.evidence.map(Proof::of),
        reason: alert.ended.map(|(_, reason)| reason.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::fixture;

    #[test]
    fn the_body_is_that_of_alertmanager_with_our_fields_beside() {
        let notification =
            fixture::notification(&[fixture::firing("detect"), fixture::resolved("train")]);
        let body =
            serde_json::to_value(body(&notification, "http://opwatch.example.org", 1)).unwrap();
        let labels =
            json!({"alertname": "DetectionSlow", "operation": "detect", "severity": "high"});
        let annotations = json!({"summary": "p95 is <high>"});
        assert_eq!(
            body,
            json!({
                "receiver": "team",
                "status": "firing",
                "alerts": [{
                    "status": "firing",
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": "2026-01-31T12:00:00.250Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow",
                    "fingerprint": format!("{:016x}", notification.alerts[0].labels.fingerprint()),
                    "type": "threshold_exceeded",
                    "severity": "high",
                    "metric": "duration",
                    "stat": "p95",
                    "value": 12.5,
                    "threshold": 10.0,
                    "n": 42,
                    "degradation_percent": 25.0,
                    "reason": null,
                }],
                "groupLabels": {"alertname": "DetectionSlow"},
                "commonLabels": labels,
                "commonAnnotations": annotations,
                "externalURL": "http://opwatch.example.org",
                "version": "4",
                "groupKey": "{}:{alertname=\"DetectionSlow\"}",
                "truncatedAlerts": 1,
            })
        );
    }

    #[test]
    fn incidents_stand_beside_the_keys_of_alertmanager() {
        let (firing, resolved) = (fixture::firing("detect"), fixture::resolved("train"));
        let mut notification = fixture::notification(&[firing.clone(), resolved.clone()]);
        let tale = |id, members| Tale {
            id,
            since: fixture::start(),
            ended_at: None,
            alerts: 3,
            firing: 2,
            operations: 2,
            members,
        };
        notification.incidents = vec![
            tale(0xb2, vec![firing.fingerprint]),
            tale(0xb3, vec![resolved.fingerprint]),
        ];
        let body = serde_json::to_value(body(&notification, "", 0)).unwrap();
        let of = |id: &str| {
            json!({
                "id": id,
                "startsAt": "2026-01-31T12:00:00.250Z",
                "endsAt": null,
                "alerts": 3,
                "firing": 2,
                "operations": 2,
            })
        };
        let ids = ["00000000000000b2", "00000000000000b3"];
        assert_eq!(body["incidents"], json!(ids.map(of)));
        assert_eq!(body["alerts"][0]["incident"], ids[0]);
        assert_eq!(body["alerts"][1]["incident"], ids[1]);
    }

    #[test]
    fn a_resolved_alert_says_when_it_ended() {
        let notification = fixture::notification(&[fixture::resolved("train")]);
        let body = serde_json::to_value(body(&notification, "", 0)).unwrap();
        assert_eq!(body["status"], "resolved");
        assert_eq!(body["alerts"][0]["startsAt"], "2026-01-31T12:00:00.250Z");
        assert_eq!(body["alerts"][0]["endsAt"], "2026-01-31T12:10:00.250Z");
        assert_eq!(body["truncatedAlerts"], 0);
    }

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
