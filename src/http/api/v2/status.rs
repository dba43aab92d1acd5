//! `/api/v2/status` and `/api/v2/receivers`.

use hyper::{Response, StatusCode};
use serde::Serialize;

use super::alerts::Receiver;
use crate::http::api::{Services, unavailable};
use crate::http::respond::{self, Body};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    cluster: Cluster,
    config: Config,
    uptime: String,
    version_info: Version,
}

/// There is none.
#[derive(Serialize)]
struct Cluster {
    status: &'static str,
    peers: [(); 0],
}

#[derive(Serialize)]
struct Config {
    /// The routing as an alertmanager.yml.
    original: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    branch: &'static str,
    build_date: &'static str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'static str,
}

/// About this process, for tools that know Alertmanager.
pub async fn status(services: &Services) -> Response<Body> {
    match services.engine.read(|_, now| now).await {
        Ok(now) => {
            let started = now.wall.before(now.steady);
            let status = Status {
                cluster: Cluster {
                    status: "disabled",
                    peers: [],
                },
                config: Config {
                    original: services.alertmanager_config.borrow().to_string(),
                },
                uptime: started.to_string(),
                version_info: Version {
                    version: env!("CARGO_PKG_VERSION"),
                    branch: "",
                    build_date: "",
                    build_user: "opwatch",
                    go_version: "",
                    revision: "",
                },
            };
            respond::json(StatusCode::OK, &status)
        }
        Err(refused) => unavailable(refused),
    }
}

/// The names of those who can be told.
pub async fn receivers(services: &Services) -> Response<Body> {
    let receivers = services.engine.read(|engine, _| {
        let all = engine.dispatcher().routing().receivers.iter();
        all.map(|one| Receiver {
            name: one.name.clone(),
        })
        .collect::<Vec<_>>()
    });
    match receivers.await {
        Ok(receivers) => respond::json(StatusCode::OK, &receivers),
        Err(refused) => unavailable(refused),
    }
}
