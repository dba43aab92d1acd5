//! Tables in plain text for people.

use std::fmt::Write as _;

/// Rows below a row of names, in columns as wide as their widest cell.
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
