//! How answers are shown, and numbers in them.

use clap::ValueEnum;

use crate::amount::without_zeros;

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
                format!("{}e{exponent}", without_zeros(digits))
            }
            None => text,
        };
    }
    let decimals = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5]
        .iter()
        .filter(|limit| magnitude < **limit)
        .count();
    let text = format!("{value:.decimals$}");
    without_zeros(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_significant_digits_at_most() {
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
