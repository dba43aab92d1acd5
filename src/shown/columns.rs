//! Tables: in plain text for people, as Markdown, and as CSV.

use std::fmt::Write as _;

/// Rows below a row of names, as plain text in columns as wide as their widest cell.
pub(crate) fn table<const N: usize>(names: [&str; N], rows: Vec<[String; N]>) -> String {
    let names = names.map(str::to_owned);
    let all: Vec<[String; N]> = std::iter::once(names).chain(rows).collect();
    let mut text = String::new();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in &all {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Which side of its column the cells of a Markdown table stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// The same as Markdown. Names and cells stand as they are: what is foreign in them has been escaped.
pub(crate) fn markdown<const N: usize>(names: [(&str, Side); N], rows: Vec<[String; N]>) -> String {
    let mut text = String::from("|");
    for (name, _) in names {
        let space = if name.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{space}{name} |");
    }
    text += "\n|";
    for (_, side) in names {
        text += match side {
            Side::Left => "---|",
            Side::Right => "--:|",
        };
    }
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// The same as CSV (RFC 4180).
pub(crate) fn csv<const N: usize>(names: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(names);
    for row in rows {
        let _ = writer.write_record(row);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_is_shown_in_three_ways() {
        let rows = || {
            vec![
                ["a".to_owned(), "1".to_owned()],
                ["long, name".to_owned(), String::new()],
            ]
        };
        assert_eq!(
            table(["NAME", "N"], rows()),
            "NAME        N\na           1\nlong, name\n"
        );
        assert_eq!(csv(["name", "n"], rows()), "name,n\na,1\n\"long, name\",\n");
        assert_eq!(
            markdown([("", Side::Left), ("N", Side::Right)], rows()),
            "| | N |\n|---|--:|\n| a | 1 |\n| long, name |  |\n"
        );
    }
}
