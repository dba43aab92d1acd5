//! The receiver of the demo: prints what a webhook is told.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::super::say;
use crate::engine::series::Labels;
use crate::http::address::{ListenAddress, ListenError};
use crate::http::body;
use crate::http::limits::Limits;
use crate::http::listener::Listener;
use crate::http::respond::{Body, text};
use crate::ingest::budget::Budget;

/// As much of a webhook's body as is shown.
#[derive(Deserialize)]
struct Message {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    status: String,
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

/// Listens on a free port of this host until `stop`.
pub(super) fn start(stop: CancellationToken) -> Result<ListenAddress, ListenError> {
    let any = ListenAddress::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener::bind(&any)?;
    let address = listener.local_address().clone();
    let grace = Duration::from_secs(1);
    tokio::spawn(listener.serve(receive, Limits::default(), stop, grace));
    Ok(address)
}

async fn receive(request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let limits = Limits::default();
    let share = Budget::new(limits.decompressed_bytes).share();
    let (bytes, _share) = match body::read(incoming, &parts.headers, &limits, share).await {
        Ok(bytes) => bytes,
        Err(error) => return text(error.status(), error.to_string()),
    };
    match serde_json::from_slice::<Message>(&bytes) {
        Ok(message) => {
            for alert in message.alerts {
                print(&alert);
            }
            text(StatusCode::OK, "")
        }
        Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

fn print(alert: &Alert) {
    let name = alert.labels.get("alertname").map_or("", String::as_str);
    let others: Labels = (alert.labels.iter())
        .filter(|(label, _)| *label != "alertname")
        .map(|(label, value)| (label.as_str(), value.as_str()))
        .collect();
    let summary = alert.annotations.get("summary").map_or("", String::as_str);
    say(&format!(
        "  webhook: {:<8} {name} {others}\n           {summary}",
        alert.status.to_uppercase()
    ));
}
