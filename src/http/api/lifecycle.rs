//! Health, reload, pause and the like.

use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{Services, unavailable};
use crate::http::request::Side;
use crate::http::respond::{self, Body};

/// What there is, for someone who opens the address in a browser.
pub fn index(side: Side) -> Response<Body> {
    const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>opwatch</title>\
<h1>opwatch</h1><ul>\
<li><a href=\"/metrics\">/metrics</a> for Prometheus\
<li><a href=\"/api/v1/alerts\">/api/v1/alerts</a> active alerts\
<li><a href=\"/api/v1/rules\">/api/v1/rules</a> rules and their state\
<li><a href=\"/api/v1/operations\">/api/v1/operations</a> what has been measured\
<li><a href=\"/api/v1/series?metric=duration&amp;stat=p95\">/api/v1/series</a> a statistic of a metric over time\
<li><a href=\"/api/v1/alerts/history\">/api/v1/alerts/history</a> past changes\
<li><a href=\"/api/v1/export?format=csv&amp;from=-1h\">/api/v1/export</a> measurements as json, ndjson or csv\
<li><a href=\"/api/v1/status/runtime\">/api/v1/status/runtime</a> about this process\
<li><a href=\"/-/healthy\">/-/healthy</a>, <a href=\"/-/ready\">/-/ready</a></ul>";
    const INGEST: &str =
        "<p>POST measurements to /v1/operations; POST /-/reload, /-/pause, /-/resume, /-/quit.";
    match side {
        Side::Public => respond::html(StatusCode::OK, PAGE),
        Side::Ingest => respond::html(StatusCode::OK, format!("{PAGE}{INGEST}")),
    }
}

/// Ready when the engine answers.
pub async fn ready(services: &Services) -> Response<Body> {
    match services.engine.read(|_, _| ()).await {
        Ok(()) => respond::text(StatusCode::OK, "opwatch is ready\n"),
        Err(refused) => unavailable(refused),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Runtime {
    version: &'static str,
    uptime_seconds: f64,
    judging: &'static str,
    series: usize,
    series_capacity: usize,
    store_bytes: usize,
    store_capacity_bytes: usize,
    in_flight_bytes: usize,
    in_flight_capacity_bytes: usize,
    rule_groups: usize,
    open_operations: usize,
}

/// About this process.
pub async fn runtime(services: &Services) -> Response<Body> {
    let open_operations = services
        .tracking
        .lock()
        .map_or(0, |tracking| tracking.open_count());
    let in_flight_bytes = services.budget.used();
    let in_flight_capacity_bytes = services.budget.capacity();
    let runtime = services
        .engine
        .read(move |engine, now| Runtime {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: now.steady.as_secs_f64(),
            judging: if engine.is_paused() {
                "paused"
            } else {
                "running"
            },
            series: engine.store().len(),
            series_capacity: engine.store().settings().max_series,
            store_bytes: engine.store().heap_bytes(),
            store_capacity_bytes: engine.store().settings().max_memory,
            in_flight_bytes,
            in_flight_capacity_bytes,
            rule_groups: engine.groups().len(),
            open_operations,
        })
        .await;
    match runtime {
        Ok(runtime) => respond::api_data(&runtime),
        Err(refused) => unavailable(refused),
    }
}

/// Reads the configuration again: all of it or, with a fault anywhere, nothing.
pub async fn reload(services: &Services) -> Response<Body> {
    let (reply, outcome) = oneshot::channel();
    if services.reload.send(reply).await.is_err() {
        return respond::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "opwatch is shutting down\n",
        );
    }
    match outcome.await {
        Ok(Ok(())) => respond::text(StatusCode::OK, "configuration reloaded\n"),
        Ok(Err(faults)) => {
            let message = format!("configuration not reloaded, the old one stays:\n{faults}\n");
            respond::text(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Err(_) => respond::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "opwatch is shutting down\n",
        ),
    }
}

/// Ends the process gracefully.
pub fn quit(services: &Services) -> Response<Body> {
    services.quit.cancel();
    respond::text(StatusCode::OK, "opwatch is shutting down\n")
}

/// Stops judging.
pub async fn pause(services: &Services) -> Response<Body> {
    match services.engine.pause().await {
        Ok(()) => respond::text(StatusCode::OK, "judging is paused\n"),
        Err(refused) => unavailable(refused),
    }
}

/// Goes on judging.
pub async fn resume(services: &Services) -> Response<Body> {
    match services.engine.resume().await {
        Ok(()) => respond::text(StatusCode::OK, "judging goes on\n"),
        Err(refused) => unavailable(refused),
    }
}
