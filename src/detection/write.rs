//! Scores as a table.

use std::io::{self, Write};

use crate::shown::amount::without_zeros;

/// Writes `index,score`, a row for each score: the index of a row of the series, from 0, ascending.
///
/// # Errors
/// Those of the output.
pub fn write(scores: &[(usize, f64)], output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "index,score")?;
    for (row, score) in scores {
        // Five digits: as many as anybody could tell apart.
        let rounded = format!("{score:.5}");
        writeln!(output, "{row},{}", without_zeros(&rounded))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_written_as_short_as_they_are() {
        let mut out = Vec::new();
        write(&[(3, 0.5), (10, 12.0), (11, 1.234_567)], &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "index,score\n3,0.5\n10,12\n11,1.23457\n"
        );
    }
}
