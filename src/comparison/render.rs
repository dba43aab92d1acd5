//! A comparison as a table for people, as JSON or as CSV.

use super::body::{ComparisonBody, DifferenceBody, PlaceBody, RankingBody, SeenBody};
use crate::shown::amount;
use crate::shown::output::Output;

const COLUMNS: [&str; 15] = [
    "aspect",
    "metric",
    "stat",
    "unit",
    "rank",
    "name",
    "n",
    "value",
    "low",
    "high",
    "to_best_kind",
    "to_best",
    "to_best_low",
    "to_best_high",
    "significant",
];

/// The text of a comparison.
///
/// # Errors
/// When it has no such form, which does not happen.
pub fn render(body: &ComparisonBody, output: Output) -> Result<String, String> {
    match output {
        Output::Table => Ok(table(body)),
        Output::Json => serde_json::to_string_pretty(body).map_err(|error| error.to_string()),
        Output::Csv => csv(body),
    }
}

fn csv(body: &ComparisonBody) -> Result<String, String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut write = |row: &[String]| writer.write_record(row).map_err(|error| error.to_string());
    write(&COLUMNS.map(str::to_owned))?;
    for ranking in &body.rankings {
        for place in &ranking.places {
            let to_best = place.to_best.as_ref();
            write(&[
                ranking.aspect.clone(),
                ranking.metric.clone(),
                ranking.stat.clone(),
                ranking.unit.clone().unwrap_or_default(),
                place.rank.map(|rank| rank.to_string()).unwrap_or_default(),
                place.name.clone(),
                place.n.to_string(),
                place.value.to_string(),
                text(place.low),
                text(place.high),
                to_best.map(|d| d.kind.clone()).unwrap_or_default(),
                text(to_best.map(|d| d.value)),
                text(to_best.and_then(|d| d.low)),
                text(to_best.and_then(|d| d.high)),
                to_best
                    .map(|d| d.significant.to_string())
                    .unwrap_or_default(),
            ])?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn table(body: &ComparisonBody) -> String {
    let mut lines = vec![format!(
        "{} by {}, last {}{}; intervals of {} %",
        body.operation,
        body.by,
        body.window,
        if body.window.ends_with("run") || body.window.ends_with("runs") {
            " of each"
        } else {
            ""
        },
        number(body.level * 100.0)
    )];
    for ranking in &body.rankings {
        lines.push(String::new());
        lines.push(title(ranking));
        let rows = ranking.places.iter().map(|place| row(ranking, place));
        lines.extend(aligned(&rows.collect::<Vec<_>>()));
    }
    if !body.left_out.is_empty() {
        lines.push(String::new());
        let seen = |seen: &SeenBody| format!("{} ({})", shown(&seen.name), seen.operations);
        let names: Vec<String> = body.left_out.iter().map(seen).collect();
        lines.push(format!(
            "left out, fewer than {} operations: {}",
            body.min_operations,
            names.join(", ")
        ));
    }
    lines.join("\n")
}

fn title(ranking: &RankingBody) -> String {
    let better = match &ranking.better {
        Some(better) => format!("{better} is better"),
        None => "not ranked, because which way is better is not known".to_owned(),
    };
    format!(
        "{}: {} {}, {better}",
        ranking.aspect, ranking.stat, ranking.metric
    )
}

fn row(ranking: &RankingBody, place: &PlaceBody) -> [String; 5] {
    let unit = ranking.unit.as_deref();
    let mut value = quantity(place.value, unit);
    if let (Some(low), Some(high)) = (place.low, place.high) {
        value += &format!(" ({} to {})", quantity(low, unit), quantity(high, unit));
    }
    let best = match (&place.to_best, place.rank) {
        (Some(difference), _) => told(difference, unit),
        (None, Some(1)) => "best".to_owned(),
        (None, _) => String::new(),
    };
    [
        place
            .rank
            .map_or_else(|| "-".to_owned(), |rank| rank.to_string()),
        shown(&place.name).to_owned(),
        value,
        format!("n={}", place.n),
        best,
    ]
}

fn told(difference: &DifferenceBody, unit: Option<&str>) -> String {
    let is_ratio = difference.kind == "ratio";
    let text = |value: f64| {
        if is_ratio {
            format!("{}×", number(value))
        } else {
            let sign = if value > 0.0 { "+" } else { "" };
            match unit {
                Some("ratio") => format!("{sign}{} points", number(value * 100.0)),
                _ => format!("{sign}{}", quantity(value, unit)),
            }
        }
    };
    let interval = match (difference.low, difference.high) {
        (Some(low), Some(high)) => format!("{} to {}", text(low), text(high)),
        _ => "too few values for an interval".to_owned(),
    };
    let verdict = if difference.significant {
        ""
    } else {
        ": no significant difference"
    };
    let beside = if is_ratio {
        "of the best"
    } else {
        "from the best"
    };
    format!("{} {beside} ({interval}){verdict}", text(difference.value))
}

/// Columns side by side.
fn aligned(rows: &[[String; 5]]) -> Vec<String> {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("  {}", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Series without an algorithm or version have no name.
fn shown(name: &str) -> &str {
    if name.is_empty() { "(none)" } else { name }
}

/// A value with its unit, to four digits.
fn quantity(value: f64, unit: Option<&str>) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let fits = steps.iter().find(|(size, _)| value.abs() >= *size);
        let (size, name) = fits.or(steps.last()).copied().unwrap_or((1.0, ""));
        format!("{} {name}", number(value / size))
    };
    match unit {
        Some("seconds") => scaled(&[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]),
        Some("bytes") => scaled(&[
            (1_073_741_824.0, "GiB"),
            (1_048_576.0, "MiB"),
            (1_024.0, "KiB"),
            (1.0, "B"),
        ]),
        Some("ratio") => format!("{} %", number(value * 100.0)),
        _ => number(value),
    }
}

/// A number to four digits, without zeros at its end.
fn number(value: f64) -> String {
    amount::digits(value, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> ComparisonBody {
        let place = |rank, name: &str, value, to_best| PlaceBody {
            rank: Some(rank),
            name: name.to_owned(),
            n: 30,
            value,
            low: None,
            high: None,
            to_best,
        };
        let difference = |value, low, high, significant| {
            Some(DifferenceBody {
                kind: "ratio".to_owned(),
                value,
                low,
                high,
                significant,
            })
        };
        ComparisonBody {
            operation: "detect".to_owned(),
            by: "algorithm".to_owned(),
            window: "50 runs".to_owned(),
            min_operations: 3,
            level: 0.95,
            compared: Vec::new(),
            left_out: vec![SeenBody {
                name: "few".to_owned(),
                operations: 2,
                failures: 0,
            }],
            rankings: vec![RankingBody {
                aspect: "speed".to_owned(),
                metric: "duration".to_owned(),
                stat: "median".to_owned(),
                unit: Some("seconds".to_owned()),
                better: Some("lower".to_owned()),
                places: vec![
                    place(1, "iforest", 0.25, None),
                    place(2, "", 0.5, difference(2.0, Some(1.9), Some(2.125), true)),
                    place(3, "lof", 1.5, difference(6.0, None, None, false)),
                ],
            }],
        }
    }

    #[test]
    fn a_table_says_who_is_best_and_what_is_chance() {
        let expected = "\
detect by algorithm, last 50 runs of each; intervals of 95 %

speed: median duration, lower is better
  1  iforest  250 ms  n=30  best
  2  (none)   500 ms  n=30  2× of the best (1.9× to 2.125×)
  3  lof      1.5 s   n=30  6× of the best (too few values for an interval): no significant difference

left out, fewer than 3 operations: few (2)";
        assert_eq!(render(&body(), Output::Table).unwrap(), expected);
    }

    #[test]
    fn csv_has_a_row_for_each_and_json_reads_back() {
        let csv = render(&body(), Output::Csv).unwrap();
        let rows: Vec<&str> = csv.lines().skip(1).collect();
        let expected = [
            "speed,duration,median,seconds,1,iforest,30,0.25,,,,,,,",
            "speed,duration,median,seconds,2,,30,0.5,,,ratio,2,1.9,2.125,true",
            "speed,duration,median,seconds,3,lof,30,1.5,,,ratio,6,,,false",
        ];
        assert_eq!(rows, expected);
        let json = render(&body(), Output::Json).unwrap();
        assert_eq!(
            serde_json::from_str::<ComparisonBody>(&json).unwrap(),
            body()
        );
    }

    #[test]
    fn numbers_have_four_digits_and_their_unit() {
        for (value, unit, expected) in [
            (0.000_25, Some("seconds"), "250 µs"),
            (12.344_6, Some("seconds"), "12.34 s"),
            (1_572_864.0, Some("bytes"), "1.5 MiB"),
            (0.9, Some("ratio"), "90 %"),
            (0.0, None, "0"),
            (123_456.7, None, "123457"),
            (-0.05, None, "-0.05"),
            (1e-9, None, "1e-9"),
        ] {
            assert_eq!(quantity(value, unit), expected);
        }
    }
}
