//! `/ack`: the page behind the link in a message. Looking at it changes nothing, because programs that look for bad links
//! in mails follow all of them; its button does.

use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
};
use hyper::{Request, Response, StatusCode};

use super::{Services, body_of};
use crate::document::units::Period;
use crate::engine::dispatch::acknowledgement::Wish;
use crate::engine::dispatch::{Acknowledgement, Announced, HandlingError};
use crate::engine::judge::Effects;
use crate::http::request::pairs;
use crate::http::respond::{self, Body};
use crate::links::{Claim, LinkError};

/// Nothing but the form, and that only to where the page comes from.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// For how long people can look after an alert, by how it is called; what is sent is the length of time.
const TIMES: [(&str, &str); 5] = [
    ("", "until it ends"),
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("1d", "1 day"),
    ("3d", "3 days"),
];

/// A page with a title and what is in it, which is HTML already.
fn page(status: StatusCode, title: &str, content: &str) -> Response<Body> {
    let title = escape(title);
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title></head>\n<body><h1>{title}</h1>\n{content}</body></html>\n"
    );
    let mut response = respond::html(status, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    // The address is as good as the button.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    );
    response
}

fn failed(status: StatusCode, why: &str) -> Response<Body> {
    page(
        status,
        "Not acknowledged",
        &format!("<p>{}</p>\n", escape(why)),
    )
}

/// Text as it may stand in HTML, also in an attribute.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// What the link of a request says, where there are links and it is good.
async fn claim(services: &Services, request: &Request<Incoming>) -> Result<Claim, Response<Body>> {
    let links = services.links.borrow().clone();
    let Some(links) = links else {
        return Err(failed(
            StatusCode::NOT_FOUND,
            "there are no links to acknowledge by here (acknowledgement.links is off)",
        ));
    };
    let query = pairs(request.uri().query().unwrap_or_default());
    links
        .read(query, services.clock.now().wall)
        .map_err(|error| {
            let status = match error {
                LinkError::NotWhole => StatusCode::BAD_REQUEST,
                LinkError::Foreign => StatusCode::FORBIDDEN,
                LinkError::Expired(_) => StatusCode::GONE,
            };
            failed(status, &error.to_string())
        })
}

fn refuse(error: &HandlingError) -> Response<Body> {
    let status = match error {
        HandlingError::NotFound(_)
        | HandlingError::Ended(..)
        | HandlingError::Another(..)
        | HandlingError::NotTold(_)
        | HandlingError::Pending(_) => StatusCode::GONE,
        HandlingError::NotAcknowledged(_) | HandlingError::TooMany => StatusCode::CONFLICT,
        HandlingError::Nobody | HandlingError::TooLong(_) | HandlingError::Time(_) => {
            StatusCode::BAD_REQUEST
        }
    };
    failed(status, &error.to_string())
}

fn stopping() -> Response<Body> {
    failed(
        StatusCode::SERVICE_UNAVAILABLE,
        "opwatch is shutting down, try again later",
    )
}

/// What the alert says, as a table.
fn about(alert: &Announced, by: Option<&Acknowledgement>) -> String {
    let mut text = String::from("<table>\n");
    let mut row = |name: &str, value: &str| {
        text += &format!(
            "<tr><th align=\"left\" scope=\"row\">{}</th><td>{}</td></tr>\n",
            escape(name),
            escape(value)
        );
    };
    row("fires since", &alert.starts_at.to_string());
    for (name, value) in alert.labels.iter().chain(alert.annotations.iter()) {
        row(name, value);
    }
    if let Some(one) = by {
        row("acknowledged", &crate::notify::acknowledged(one));
    }
    text + "</table>\n"
}

/// The page with its form.
pub async fn show(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let claim = match claim(services, request).await {
        Ok(claim) => claim,
        Err(response) => return response,
    };
    let found = services.engine.read(move |engine, now| {
        let of = claim.fingerprint;
        let alert = engine.dispatcher().firing(of).cloned();
        let alert = alert.ok_or(HandlingError::NotFound(of))?;
        if alert.starts_at != claim.starts_at {
            return Err(HandlingError::Another(of, alert.starts_at));
        }
        let acknowledgements = engine.dispatcher().acknowledgements();
        let by = acknowledgements.of(&alert, now.wall).cloned();
        Ok((alert, by))
    });
    let (alert, by) = match found.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return refuse(&error),
        Err(_) => return stopping(),
    };
    let times: String = (TIMES.iter())
        .map(|(value, name)| format!("<option value=\"{value}\">{name}</option>"))
        .collect();
    // Without an address the form goes to that of the page, with its signature.
    let form = format!(
        "<form method=\"post\">\n\
         <p><label>Who looks after it: <input name=\"by\" required maxlength=\"200\"></label></p>\n\
         <p><label>Comment: <input name=\"comment\" maxlength=\"1000\"></label></p>\n\
         <p><label>For how long: <select name=\"for\">{times}</select></label></p>\n\
         <p><button>Acknowledge</button></p>\n</form>\n\
         <p>It is then neither repeated nor escalated, until it ends, its severity rises, or the time is over.</p>\n"
    );
    let title = format!("Acknowledge {}", alert.rule);
    page(
        StatusCode::OK,
        &title,
        &(about(&alert, by.as_deref()) + &form),
    )
}

/// Acknowledges.
pub async fn acknowledge(services: &Services, request: Request<Incoming>) -> Response<Body> {
    let claim = match claim(services, &request).await {
        Ok(claim) => claim,
        Err(response) => return response,
    };
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return failed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "allowed: what the form of this page sends (application/x-www-form-urlencoded)",
        );
    }
    let (body, _share) = match body_of(services, request, failed).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let wish = match std::str::from_utf8(&body).map(wish) {
        Ok(Ok(wish)) => wish,
        Ok(Err(why)) => return failed(StatusCode::BAD_REQUEST, &why),
        Err(_) => return failed(StatusCode::BAD_REQUEST, "the form is not UTF-8"),
    };
    let Claim {
        fingerprint,
        starts_at,
        ..
    } = claim;
    let done = services.engine.act(move |engine, now| {
        match engine.acknowledge(fingerprint, Some(starts_at), wish, now) {
            Ok((one, effects)) => (Ok(one), effects),
            Err(error) => (Err(error), Effects::default()),
        }
    });
    match done.await {
        Ok((Ok(one), durable)) => {
            let said = escape(&crate::notify::acknowledged(&one));
            let warning = match durable {
                true => "",
                false => "<p>It is in memory only, until the disk works again.</p>\n",
            };
            page(
                StatusCode::OK,
                "Acknowledged",
                &format!("<p>Acknowledged {said}.</p>\n{warning}"),
            )
        }
        Ok((Err(error), _)) => refuse(&error),
        Err(_) => stopping(),
    }
}

/// What the form says.
fn wish(form: &str) -> Result<Wish, String> {
    let mut wish = Wish {
        by: String::new(),
        comment: String::new(),
        expires_after: None,
    };
    for (name, value) in pairs(form) {
        match name.as_str() {
            "by" => wish.by = value,
            "comment" => wish.comment = value,
            "for" if value.is_empty() => {}
            "for" => {
                let Period(time) = value.parse().map_err(|error| format!("for: {error}"))?;
                wish.expires_after = Some(time);
            }
            _ => return Err("the form has other fields than by, comment and for".to_owned()),
        }
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_read_strictly() {
        let read = wish("by=ann+b&comment=%3Cx%3E&for=4h").unwrap();
        assert_eq!((&*read.by, &*read.comment), ("ann b", "<x>"));
        assert_eq!(read.expires_after.map(|time| time.as_secs()), Some(14_400));
        assert_eq!(wish("by=a&for=").unwrap().expires_after, None);
        assert!(wish("by=a&for=soon").is_err() && wish("by=a&x=y").is_err());
        assert_eq!(
            escape("<a href=\"x\" 'y'>&\n"),
            "&lt;a href=&quot;x&quot; &#39;y&#39;&gt;&amp; "
        );
    }
}
