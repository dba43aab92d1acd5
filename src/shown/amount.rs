//! Numbers in their unit, written as Prometheus' template functions write them, so that messages agree with annotations.

use std::sync::LazyLock;
use std::time::Duration;

use crate::engine::metric::{Metric, Unit};
use crate::engine::template::{Scope, Template, Value};

/// A template over `$value` alone, or `None` if it were malformed, which the tests rule out.
type Format = LazyLock<Option<Template>>;

static DURATION: Format = LazyLock::new(|| format_of("{{ humanizeDuration $value }}"));
static BYTES: Format = LazyLock::new(|| format_of("{{ humanize1024 $value }}B"));
static PERCENTAGE: Format = LazyLock::new(|| format_of("{{ humanizePercentage $value }}"));
static LARGE: Format = LazyLock::new(|| format_of("{{ humanize $value }}"));
static SMALL: Format = LazyLock::new(|| format_of("{{ printf \"%.4g\" $value }}"));

fn format_of(source: &str) -> Option<Template> {
    Template::parse(source, &["value"]).ok()
}

fn render(format: &Format, number: f64) -> String {
    let scope = Scope::new(Value::Nil).bind("value", number);
    let rendered = format
        .as_ref()
        .and_then(|template| template.render(&scope).ok());
    rendered.unwrap_or_else(|| number.to_string())
}

/// A value of a statistic of a metric.
pub(crate) fn of(metric: &Metric, stat: &str, number: f64) -> String {
    let plain = |number: f64| {
        let format = if number.abs() >= 1000.0 {
            &LARGE
        } else {
            &SMALL
        };
        render(format, number)
    };
    // A number of values has no unit, whatever they are.
    if stat == "count" {
        return plain(number);
    }
    match metric.unit() {
        Unit::Seconds => render(&DURATION, number),
        Unit::Bytes => render(&BYTES, number),
        Unit::Ratio => render(&PERCENTAGE, number),
        Unit::Cores if number == 1.0 => "1 core".to_owned(),
        Unit::Cores => format!("{} cores", plain(number)),
        Unit::None if *metric == Metric::Rate => format!("{}/s", plain(number)),
        Unit::None if *metric == Metric::Throughput => format!("{}/s", plain(number)),
        Unit::None => plain(number),
    }
}

/// A number with so many significant digits at most, whole ones always; very small and very large ones as `1.5e20`.
pub(crate) fn digits(value: f64, significant: u8) -> String {
    let magnitude = value.abs();
    let fraction = usize::from(significant.saturating_sub(1));
    if magnitude != 0.0 && !(1e-4..1e15).contains(&magnitude) {
        let text = format!("{value:.fraction$e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", without_zeros(digits)),
            None => text,
        };
    }
    // Each power of ten that it reaches takes a decimal, and each that it falls short of gives one.
    let (mut decimals, mut bound, mut scaled) = (fraction, 10.0, magnitude);
    while decimals > 0 && magnitude >= bound {
        decimals -= 1;
        bound *= 10.0;
    }
    while scaled > 0.0 && scaled < 1.0 {
        decimals += 1;
        scaled *= 10.0;
    }
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// A decimal number without the zeros that end its fraction.
pub(crate) fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// A length of time, to the second.
pub(crate) fn span(span: Duration) -> String {
    render(&DURATION, Duration::from_secs(span.as_secs()).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_so_many_significant_digits_at_most() {
        for (value, significant, expected) in [
            (0.0, 6, "0"),
            (12.0, 6, "12"),
            (5.123_456_789, 6, "5.12346"),
            (0.001_234_567_89, 6, "0.00123457"),
            (123_456.789, 6, "123457"),
            (123_456.789, 4, "123457"),
            (99_999.96, 6, "100000"),
            (1_073_741_824.0, 6, "1073741824"),
            (-20.5, 6, "-20.5"),
            (12.344_6, 4, "12.34"),
            (1e20, 6, "1e20"),
            (1.5e-7, 6, "1.5e-7"),
        ] {
            assert_eq!(digits(value, significant), expected, "{value}");
        }
    }

    #[test]
    fn amounts_are_in_the_unit_of_their_metric() {
        for (metric, stat, number, expected) in [
            ("duration", "p95", 12.345, "12.35s"),
            ("duration", "mean", 0.012, "12ms"),
            ("duration", "max", 3_725.0, "1h 2m 5s"),
            ("duration", "count", 2.0, "2"),
            ("memory_peak", "max", 536_870_912.0, "512MiB"),
            ("error_ratio", "mean", 0.0512, "5.12%"),
            ("cpu", "mean", 1.0, "1 core"),
            ("cpu_ratio", "p95", 0.853, "85.3%"),
            ("cpu", "mean", 0.25, "0.25 cores"),
            ("rate", "rate", 12.0, "12/s"),
            ("throughput", "mean", 12_345.0, "12.35k/s"),
            ("accuracy", "last", 0.87, "0.87"),
            ("samples", "sum", 1_048_576.0, "1.049M"),
            ("errors", "sum", 3.0, "3"),
        ] {
            assert_eq!(
                of(&Metric::named(metric), stat, number),
                expected,
                "{metric} {stat}"
            );
        }
        assert_eq!(span(Duration::from_millis(600_900)), "10m 0s");
        assert_eq!(span(Duration::from_millis(900)), "0s");
    }
}
