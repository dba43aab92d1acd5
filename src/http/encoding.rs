//! Which compression a client accepts.

use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

/// How a response body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, RFC 1952.
    Gzip,
}

/// The encoding for a response to a request with these headers (RFC 9110, 12.5.3).
///
/// gzip when it is accepted with at least the weight that the client gives to no compression.
/// An element with a malformed weight counts for nothing.
pub fn negotiate(request: &HeaderMap) -> Encoding {
    let mut gzip = None;
    let mut identity = None;
    let mut others = None;
    let values = request.get_all(ACCEPT_ENCODING).iter();
    for element in values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let mut parts = element.split(';');
        let coding = parts.next().unwrap_or_default().trim();
        let Some(weight) = weight(parts) else {
            continue;
        };
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            gzip = gzip.max(Some(weight));
        } else if coding.eq_ignore_ascii_case("identity") {
            identity = Some(weight);
        } else if coding == "*" {
            others = Some(weight);
        }
    }
    let gzip = gzip.or(others).unwrap_or(0);
    if gzip > 0 && gzip >= identity.unwrap_or(0) {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// The `q` parameter in thousandths; 1000 without one, `None` when malformed.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let mut weight = 1000;
    for parameter in parameters {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("q") {
            weight = thousandths(value.trim())?;
        }
    }
    Some(weight)
}

/// `0`, `0.5`, `1.000`: at most three decimals, at most one.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{decimals:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn check(values: &[&str], expected: Encoding) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(negotiate(&headers), expected, "{values:?}");
    }

    #[test]
    fn gzip_is_chosen_only_when_the_client_takes_it() {
        for values in [
            &["gzip"][..],
            &["GZIP"],
            &["x-gzip"],
            &["deflate, gzip;q=0.5, br"],
            &["gzip;q=1.000"],
            &["gzip ; q=0.001"],
            &["*"],
            &["*;q=0.1"],
            &["identity;q=0, *"],
            &["gzip;q=0.5, identity;q=0.5"],
            &["deflate", "gzip"],
        ] {
            check(values, Encoding::Gzip);
        }
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["gzip;q=0"],
            &["gzip;q=0.000"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["identity, gzip;q=0.5"],
            &["deflate, br"],
            &["gzipped"],
            &["gzip;q=nonsense"],
            &["gzip;q=1.5"],
            &["gzip;q=0.1234"],
            &["gzip;q="],
            &["gzip;q=-1"],
        ] {
            check(values, Encoding::Identity);
        }
    }
}
