//! Which format a scraper gets.

use hyper::header::{ACCEPT, HeaderMap};

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' classic text format 0.0.4; every scraper reads it.
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
    /// Prometheus' protobuf, the only one with native histograms.
    Protobuf,
}

impl Format {
    /// The `Content-Type` of a page in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// The format for a request with these headers.
///
/// Protobuf and OpenMetrics are chosen only when they are named, the one with the greater weight, with at least that of
/// the classic text. Everything else gets the classic text, also a scraper that names nothing known: that is what
/// Prometheus falls back to. Elements with a malformed weight count for nothing.
pub fn negotiate(request: &HeaderMap) -> Format {
    let mut protobuf = 0.0_f64;
    let mut open_metrics = 0.0_f64;
    // By specificity: `text/plain`, `text/*`, `*/*`.
    let mut text: [Option<f64>; 3] = [None; 3];
    let values = request.get_all(ACCEPT).iter();
    let elements = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for element in elements.filter_map(Element::read) {
        let weight = element.weight;
        let place = match (element.media.as_str(), element.version) {
            ("application/vnd.google.protobuf", _) if element.is_delimited_families() => {
                protobuf = protobuf.max(weight);
                continue;
            }
            ("application/openmetrics-text", None | Some("1.0.0")) => {
                open_metrics = open_metrics.max(weight);
                continue;
            }
            ("text/plain", None | Some("0.0.4")) => &mut text[0],
            ("text/*", _) => &mut text[1],
            ("*/*", _) => &mut text[2],
            _ => continue,
        };
        *place = Some(place.map_or(weight, |before| before.max(weight)));
    }
    let text = text.into_iter().flatten().next().unwrap_or_default();
    let named = [
        (protobuf, Format::Protobuf),
        (open_metrics, Format::OpenMetrics),
    ];
    let wanted = named
        .into_iter()
        .filter(|(weight, _)| *weight > 0.0 && *weight >= text);
    wanted
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map_or(Format::Text, |(_, format)| format)
}

/// One element of an `Accept` header.
struct Element<'a> {
    /// In lower case.
    media: String,
    version: Option<&'a str>,
    proto: Option<&'a str>,
    encoding: Option<&'a str>,
    weight: f64,
}

impl<'a> Element<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut element = Self {
            media: parts.next()?.to_ascii_lowercase(),
            version: None,
            proto: None,
            encoding: None,
            weight: 1.0,
        };
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => element.version = Some(value),
                "proto" => element.proto = Some(value),
                "encoding" => element.encoding = Some(value),
                "q" => element.weight = value.parse().ok()?,
                // `charset` and `escaping` do not matter: our names are plain ASCII.
                _ => {}
            }
        }
        (0.0..=1.0).contains(&element.weight).then_some(element)
    }

    /// Whether it names the messages that we write; there are others under the same media type.
    fn is_delimited_families(&self) -> bool {
        self.proto == Some("io.prometheus.client.MetricFamily")
            && matches!(self.encoding, None | Some("delimited"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_only_for_those_who_prefer_it() {
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let with_native_histograms = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5";
        let families =
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding";
        for accept in [
            &[with_native_histograms][..],
            &[&format!("{families}=delimited")],
            &[&format!("{families}=\"delimited\";q=0.5"), "*/*;q=0.5"],
            &[
                "application/openmetrics-text;q=0.9",
                &format!("{families}=delimited;q=0.9"),
            ],
        ] {
            check(accept, Format::Protobuf);
        }
        for accept in [
            &[prometheus_2_42][..],
            &[prometheus_3],
            &[
                "application/openmetrics-text",
                &format!("{families}=delimited;q=0.9"),
            ],
            &["application/openmetrics-text"],
            &["application/openmetrics-text; version=1.0.0; charset=utf-8"],
            &["Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.3"],
            &["text/plain;q=0.5", "application/openmetrics-text;q=0.5"],
            &["text/plain;q=0, application/openmetrics-text;q=0.1"],
            &["application/openmetrics-text;q=0.2, text/plain;q=0.1, */*"],
        ] {
            check(accept, Format::OpenMetrics);
        }
        for accept in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/plain"],
            &["text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5"],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["application/json"],
            &["application/openmetrics-text;version=0.0.1"],
            &["application/openmetrics-text;version=2.0.0"],
            &["application/openmetrics-text;q=0"],
            &["application/openmetrics-text;q=0.5, */*"],
            &["application/openmetrics-text;q=1.5"],
            &["application/openmetrics-text;q=nan"],
            &["application/openmetrics-text;q"],
            &["text/plain;q=0"],
            &[&format!("{families}=text")],
            &[&format!("{families}=delimited;q=0.4"), "text/plain"],
            &["application/vnd.google.protobuf;proto=some.Other;encoding=delimited"],
        ] {
            check(accept, Format::Text);
        }
    }

    fn check(accept: &[&str], expected: Format) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        assert_eq!(negotiate(&headers), expected, "{accept:?}");
    }
}
