//! Answers as tables for people, and as CSV.

use std::fmt::Write;

use clap::ValueEnum;

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Table,
    /// As the API gives it.
    Json,
    /// One row a line, below a row of names.
    Csv,
}

/// Columns as wide as their widest cell; the names first.
pub(super) fn columns<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let names = names.map(str::to_owned);
    let all = || std::iter::once(&names).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The same as CSV (RFC 4180).
pub(super) fn csv<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let names = names.map(str::to_owned);
    for row in std::iter::once(&names).chain(rows) {
        // Writing to memory cannot fail.
        let _ = writer.write_record(row);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number with six significant digits at most; nothing for none.
pub(super) fn number(value: Option<f64>) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e9).contains(&magnitude) {
        let text = format!("{value:.5e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => {
                let digits = digits.trim_end_matches('0').trim_end_matches('.');
                format!("{digits}e{exponent}")
            }
            None => text,
        };
    }
    let decimals = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5]
        .iter()
        .filter(|limit| magnitude < **limit)
        .count();
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_in_columns() {
        let rows = [
            ["a".to_owned(), "1".to_owned()],
            ["long, name".to_owned(), String::new()],
        ];
        assert_eq!(
            columns(["NAME", "N"], &rows),
            "NAME        N\na           1\nlong, name\n"
        );
        assert_eq!(csv(["name", "n"], &rows), "name,n\na,1\n\"long, name\",\n");
        for (value, expected) in [
            (0.0, "0"),
            (2.5, "2.5"),
            (1_073_741_824.0, "1.07374e9"),
            (0.001_234_567, "0.001235"),
            (123.456_789, "123.457"),
        ] {
            assert_eq!(number(Some(value)), expected);
        }
    }
}
