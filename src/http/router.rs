//! Which path does what, on which listener.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::api::{self, Services};
use super::request::{Side, decode};
use super::respond::{self, Body};

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Index,
    Healthy,
    Ready,
    Metrics,
    Rules,
    Alerts,
    AlertHistory,
    ClearAlerts,
    ResolveAlert,
    Acknowledge,
    Unacknowledge,
    AckPage,
    AcknowledgeByLink,
    Incidents,
    Explain,
    Operations,
    Operation,
    Series,
    Comparison,
    Export,
    Trends,
    Regressions,
    Baselines,
    SetBaselines,
    RemoveBaselines,
    Maintenance,
    StartMaintenance,
    EndMaintenance,
    Silences,
    SetSilence,
    Silence,
    ExpireSilence,
    FiringAlerts,
    AlertGroups,
    Receivers,
    Status,
    AcceptChange,
    Actions,
    ReportAction,
    RunAction,
    Runtime,
    Ingest,
    Start,
    End,
    Reload,
    Quit,
    Pause,
    Resume,
}

/// Path, method, endpoint, and whether it changes anything.
const ROUTES: &[(&str, Method, Endpoint, bool)] = &[
    ("/", Method::GET, Endpoint::Index, false),
    ("/-/healthy", Method::GET, Endpoint::Healthy, false),
    ("/-/ready", Method::GET, Endpoint::Ready, false),
    ("/metrics", Method::GET, Endpoint::Metrics, false),
    ("/api/v1/rules", Method::GET, Endpoint::Rules, false),
    ("/api/v1/alerts", Method::GET, Endpoint::Alerts, false),
    (
        "/api/v1/alerts/history",
        Method::GET,
        Endpoint::AlertHistory,
        false,
    ),
    (
        "/api/v1/alerts",
        Method::DELETE,
        Endpoint::ClearAlerts,
        true,
    ),
    (
        "/api/v1/alerts/{fingerprint}/resolve",
        Method::POST,
        Endpoint::ResolveAlert,
        true,
    ),
    (
        "/api/v1/alerts/{fingerprint}/ack",
        Method::POST,
        Endpoint::Acknowledge,
        true,
    ),
    (
        "/api/v1/alerts/{fingerprint}/ack",
        Method::DELETE,
        Endpoint::Unacknowledge,
        true,
    ),
    ("/ack", Method::GET, Endpoint::AckPage, false),
    // On both listeners: who has the link may, where there are links.
    ("/ack", Method::POST, Endpoint::AcknowledgeByLink, false),
    ("/api/v1/incidents", Method::GET, Endpoint::Incidents, false),
    ("/api/v1/explain", Method::GET, Endpoint::Explain, false),
    (
        "/api/v1/operations",
        Method::GET,
        Endpoint::Operations,
        false,
    ),
    (
        "/api/v1/operations/{operation}",
        Method::GET,
        Endpoint::Operation,
        false,
    ),
    ("/api/v1/series", Method::GET, Endpoint::Series, false),
    (
        "/api/v1/comparison",
        Method::GET,
        Endpoint::Comparison,
        false,
    ),
    ("/api/v1/export", Method::GET, Endpoint::Export, false),
    ("/api/v1/trends", Method::GET, Endpoint::Trends, false),
    (
        "/api/v1/regressions",
        Method::GET,
        Endpoint::Regressions,
        false,
    ),
    ("/api/v1/baselines", Method::GET, Endpoint::Baselines, false),
    (
        "/api/v1/baselines",
        Method::POST,
        Endpoint::SetBaselines,
        true,
    ),
    (
        "/api/v1/baselines",
        Method::DELETE,
        Endpoint::RemoveBaselines,
        true,
    ),
    (
        "/api/v1/maintenance",
        Method::GET,
        Endpoint::Maintenance,
        false,
    ),
    (
        "/api/v1/maintenance",
        Method::POST,
        Endpoint::StartMaintenance,
        true,
    ),
    (
        "/api/v1/maintenance/{id}",
        Method::DELETE,
        Endpoint::EndMaintenance,
        true,
    ),
    ("/api/v2/silences", Method::GET, Endpoint::Silences, false),
    ("/api/v2/silences", Method::POST, Endpoint::SetSilence, true),
    (
        "/api/v2/silence/{id}",
        Method::GET,
        Endpoint::Silence,
        false,
    ),
    (
        "/api/v2/silence/{id}",
        Method::DELETE,
        Endpoint::ExpireSilence,
        true,
    ),
    ("/api/v2/alerts", Method::GET, Endpoint::FiringAlerts, false),
    (
        "/api/v2/alerts/groups",
        Method::GET,
        Endpoint::AlertGroups,
        false,
    ),
    ("/api/v2/receivers", Method::GET, Endpoint::Receivers, false),
    ("/api/v2/status", Method::GET, Endpoint::Status, false),
    (
        "/api/v1/baselines/accept",
        Method::POST,
        Endpoint::AcceptChange,
        true,
    ),
    ("/api/v1/actions", Method::GET, Endpoint::Actions, false),
    (
        "/api/v1/actions/{key}",
        Method::POST,
        Endpoint::ReportAction,
        true,
    ),
    (
        "/api/v1/actions/{key}/run",
        Method::POST,
        Endpoint::RunAction,
        true,
    ),
    (
        "/api/v1/status/runtime",
        Method::GET,
        Endpoint::Runtime,
        false,
    ),
    ("/v1/operations", Method::POST, Endpoint::Ingest, true),
    ("/v1/operations/start", Method::POST, Endpoint::Start, true),
    ("/v1/operations/{id}/end", Method::POST, Endpoint::End, true),
    ("/-/reload", Method::POST, Endpoint::Reload, true),
    ("/-/quit", Method::POST, Endpoint::Quit, true),
    ("/-/pause", Method::POST, Endpoint::Pause, true),
    ("/-/resume", Method::POST, Endpoint::Resume, true),
];

/// What a path does by its methods.
type Methods = Vec<(Method, Endpoint, bool)>;

/// Answers the requests of one listener.
#[derive(Clone)]
pub struct Router {
    side: Side,
    routes: Arc<matchit::Router<Methods>>,
    services: Arc<Services>,
}

impl Router {
    /// A router for one listener.
    ///
    /// # Errors
    /// When two routes collide, which the table above rules out.
    pub fn new(side: Side, services: Arc<Services>) -> Result<Self, matchit::InsertError> {
        let mut routes = matchit::Router::new();
        let mut paths: BTreeMap<&str, Methods> = BTreeMap::new();
        for (path, method, endpoint, changes) in ROUTES {
            let methods = paths.entry(path).or_default();
            methods.push((method.clone(), *endpoint, *changes));
        }
        for (path, methods) in paths {
            routes.insert(path, methods)?;
        }
        Ok(Self {
            side,
            routes: Arc::new(routes),
            services,
        })
    }

    /// Answers one request.
    pub async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Ok(found) = self.routes.at(&path) else {
            let hint = format!("there is nothing at {path:?}; see / for what there is\n");
            return respond::text(StatusCode::NOT_FOUND, hint);
        };
        let takes = |(allowed, _, changes): &&(Method, Endpoint, bool)| {
            let method = request.method();
            let head = *allowed == Method::GET && method == Method::HEAD;
            // Prometheus takes PUT for its lifecycle paths as well.
            let put = path.starts_with("/-/") && method == Method::PUT && *changes;
            method == allowed || head || put
        };
        let Some((_, endpoint, changes)) = found.value.iter().find(takes) else {
            let allowed: Vec<&str> = found.value.iter().map(|(m, _, _)| m.as_str()).collect();
            let allowed = allowed.join(", ");
            let message = format!("{} takes {allowed} only, not {}\n", path, request.method());
            let mut response = respond::text(StatusCode::METHOD_NOT_ALLOWED, message);
            if let Ok(allow) = HeaderValue::from_str(&allowed) {
                response.headers_mut().insert(ALLOW, allow);
            }
            return response;
        };
        if *changes && self.side == Side::Public {
            let message = format!("{path} changes state, so it is on the ingest listener only\n");
            return respond::text(StatusCode::FORBIDDEN, message);
        }
        let argument = found.params.iter().next().map(|(_, value)| decode(value));
        let argument = argument.unwrap_or_default();
        self.dispatch(*endpoint, &argument, request).await
    }

    async fn dispatch(
        &self,
        endpoint: Endpoint,
        argument: &str,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let services = &self.services;
        match endpoint {
            Endpoint::Index => api::lifecycle::index(self.side),
            Endpoint::Healthy => respond::text(StatusCode::OK, "opwatch is healthy\n"),
            Endpoint::Ready => api::lifecycle::ready(services).await,
            Endpoint::Metrics => api::metrics::metrics(services, request.headers()).await,
            Endpoint::Rules => api::rules::rules(services, &request).await,
            Endpoint::Alerts => api::alerts::alerts(services, request.headers()).await,
            Endpoint::AlertHistory => api::alerts::history(services, request.headers()).await,
            Endpoint::ClearAlerts => api::handling::clear(services, &request).await,
            Endpoint::ResolveAlert => api::handling::resolve(services, argument).await,
            Endpoint::Acknowledge => api::handling::acknowledge(services, argument, request).await,
            Endpoint::Unacknowledge => api::handling::unacknowledge(services, argument).await,
            Endpoint::AckPage => api::ack_page::show(services, &request).await,
            Endpoint::AcknowledgeByLink => api::ack_page::acknowledge(services, request).await,
            Endpoint::Incidents => api::incidents::incidents(services, request.headers()).await,
            Endpoint::Explain => api::explain::explain(services, &request).await,
            Endpoint::Operations => api::operations::list(services, request.headers()).await,
            Endpoint::Operation => {
                api::operations::one(services, argument, request.headers()).await
            }
            Endpoint::Series => api::series::series(services, &request).await,
            Endpoint::Comparison => api::comparison::comparison(services, &request).await,
            Endpoint::Export => api::export::export(services, &request).await,
            Endpoint::Trends => api::trends::trends(services, &request).await,
            Endpoint::Regressions => api::regressions::regressions(services, &request).await,
            Endpoint::Baselines => api::baselines::list(services, &request).await,
            Endpoint::SetBaselines => api::baselines::set(services, request).await,
            Endpoint::RemoveBaselines => api::baselines::remove(services, &request).await,
            Endpoint::Maintenance => api::maintenance::list(services, request.headers()).await,
            Endpoint::StartMaintenance => api::maintenance::start(services, request).await,
            Endpoint::EndMaintenance => api::maintenance::end(services, argument).await,
            Endpoint::Silences => api::v2::silences::list(services, &request).await,
            Endpoint::SetSilence => api::v2::silences::set(services, request).await,
            Endpoint::Silence => api::v2::silences::one(services, argument).await,
            Endpoint::ExpireSilence => api::v2::silences::expire(services, argument).await,
            Endpoint::FiringAlerts => api::v2::alerts::list(services, &request).await,
            Endpoint::AlertGroups => api::v2::alerts::groups(services, &request).await,
            Endpoint::Receivers => api::v2::status::receivers(services).await,
            Endpoint::Status => api::v2::status::status(services).await,
            Endpoint::AcceptChange => api::acceptance::accept(services, &request).await,
            Endpoint::Actions => api::actions::list(services, request.headers()).await,
            Endpoint::ReportAction => api::actions::report(services, argument, request).await,
            Endpoint::RunAction => api::actions::run(services, argument, &request).await,
            Endpoint::Runtime => api::lifecycle::runtime(services).await,
            Endpoint::Ingest => api::ingest::operations(services, request).await,
            Endpoint::Start => api::ingest::start(services, request).await,
            Endpoint::End => api::ingest::end(services, argument, request).await,
            Endpoint::Reload => api::lifecycle::reload(services).await,
            Endpoint::Quit => api::lifecycle::quit(services),
            Endpoint::Pause => api::lifecycle::pause(services).await,
            Endpoint::Resume => api::lifecycle::resume(services).await,
        }
    }
}
