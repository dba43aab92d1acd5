//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::cmp::Reverse;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{filter, refuse};
use crate::engine::dispatch::{Silence, SilenceError, SilenceState};
use crate::engine::selector::Matcher;
use crate::forms::silences::Form;
use crate::http::api::{Services, body_of, unavailable};
use crate::http::request::pairs;
use crate::http::respond::{self, Body};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    #[serde(rename = "silenceID")]
    silence_id: String,
    /// Whether it is on disk; else it is in memory, until the disk works again.
    durable: bool,
}

/// All silences that are asked for: those that are active first, and of these the one that ends first.
pub async fn list(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let texts = pairs(request.uri().query().unwrap_or_default());
    let texts: Vec<String> = texts
        .filter(|(name, _)| name == "filter")
        .map(|(_, value)| value)
        .collect();
    let wanted = match filter(&texts) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let all = services
        .engine
        .read(|engine, now| (engine.silences().clone(), now));
    let (all, now) = match all.await {
        Ok(found) => found,
        Err(refused) => return unavailable(refused),
    };
    let mut found: Vec<_> = all.iter().filter(|one| has(one, &wanted)).collect();
    found.sort_by_key(|one| {
        let state = one.state(now.wall);
        let (soonest, latest) = match state {
            SilenceState::Active => (Some(one.ends_at), None),
            SilenceState::Pending => (Some(one.starts_at), None),
            SilenceState::Expired => (None, Some(Reverse(one.ends_at))),
        };
        (state, soonest, latest, &one.id)
    });
    let forms = found.into_iter().map(|one| Form::of(one, now.wall));
    let forms: Vec<Form> = forms.collect();
    respond::compress(request.headers(), respond::json(StatusCode::OK, &forms)).await
}

/// Whether a silence has every matcher that is asked for, as Alertmanager reads a filter.
fn has(silence: &Silence, wanted: &[Matcher]) -> bool {
    wanted
        .iter()
        .all(|wanted| silence.matchers.contains(wanted))
}

/// One silence.
pub async fn one(services: &Services, id: &str) -> Response<Body> {
    let wanted = id.to_owned();
    let found = services
        .engine
        .read(move |engine, now| (engine.silences().get(&wanted).cloned(), now));
    match found.await {
        Ok((Some(silence), now)) => respond::json(StatusCode::OK, &Form::of(&silence, now.wall)),
        Ok((None, _)) => error(&SilenceError::NotFound(id.to_owned())),
        Err(refused) => unavailable(refused),
    }
}

/// Sets a silence, or gives one another form.
pub async fn set(services: &Services, request: Request<Incoming>) -> Response<Body> {
    let (text, _share) = match body_of(services, request, refuse).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let form = match serde_json::from_slice::<Form>(&text) {
        Ok(form) => form,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let silence = match form.silence() {
        Ok(silence) => silence,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let set = services
        .engine
        .change(move |engine, now| engine.set_silence(silence, now));
    match set.await {
        Ok((Ok(silence_id), durable)) => respond::json(
            StatusCode::OK,
            &Set {
                silence_id,
                durable,
            },
        ),
        Ok((Err(why), _)) => error(&why),
        Err(refused) => unavailable(refused),
    }
}

/// Ends a silence now.
pub async fn expire(services: &Services, id: &str) -> Response<Body> {
    let id = id.to_owned();
    let expired = services
        .engine
        .change(move |engine, now| engine.expire_silence(&id, now));
    match expired.await {
        Ok((Ok(()), _)) => respond::text(StatusCode::OK, ""),
        Ok((Err(why), _)) => error(&why),
        Err(refused) => unavailable(refused),
    }
}

fn error(error: &SilenceError) -> Response<Body> {
    let status = match error {
        SilenceError::NotFound(_) => StatusCode::NOT_FOUND,
        SilenceError::Expired(_) => StatusCode::CONFLICT,
        SilenceError::TooMany => StatusCode::UNPROCESSABLE_ENTITY,
        SilenceError::NoMatchers
        | SilenceError::MatchesEverything
        | SilenceError::TooManyMatchers(_)
        | SilenceError::TooLarge(_)
        | SilenceError::EndsBeforeStart
        | SilenceError::EndsInThePast => StatusCode::BAD_REQUEST,
    };
    refuse(status, &error.to_string())
}
