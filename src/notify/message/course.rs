//! The course that an alert's value has taken: drawn in one line of text, or in cells, and said in words.

use super::{amount, moment};
use crate::engine::dispatch::{Announced, Course, Notification};
use crate::engine::metric::Metric;

/// An eighth of a line each, from low to high.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// In the place of a value that there is not.
const NOTHING: char = '·';
/// Rows of a drawing in cells.
const ROWS: usize = 10;
/// The colour of a value within the usual range, or where that is not known; of one beyond; and of the range itself.
const USUAL: &str = "#4f7cac";
const BEYOND: &str = "#c62828";
const BAND: &str = "#d5e3f0";

/// A course with what it is of.
pub(super) struct Drawn<'a> {
    course: &'a Course,
    alert: &'a Announced,
    low: f64,
    high: f64,
}

/// The course of an alert, where the notification has it.
pub(super) fn of<'a>(notification: &'a Notification, alert: &'a Announced) -> Option<Drawn<'a>> {
    let course = notification.course_of(alert)?;
    let values = || course.values.iter().copied().flatten();
    let low = values().reduce(f64::min)?;
    let high = values().reduce(f64::max)?;
    Some(Drawn {
        course,
        alert,
        low,
        high,
    })
}

impl Drawn<'_> {
    /// `▁▁▂▁▁▇█ 1s to 12.5s, usually 1s to 1.9s`.
    pub(super) fn line(&self) -> String {
        let blocks = self.course.values.iter().map(|value| match value {
            Some(value) => {
                let place = step(*value, (self.low, self.high), BLOCKS.len() - 1);
                BLOCKS.get(place).copied().unwrap_or(NOTHING)
            }
            None => NOTHING,
        });
        format!("{} {}", blocks.collect::<String>(), self.range())
    }

    /// `1s to 12.5s, usually 1s to 1.9s`.
    pub(super) fn range(&self) -> String {
        let metric = Metric::named(&self.alert.metric);
        let amount = |value| amount::of(&metric, &self.alert.stat, value);
        let mut text = format!("{} to {}", amount(self.low), amount(self.high));
        if let Some((low, high)) = self.course.usual {
            text += &format!(", usually {} to {}", amount(low), amount(high));
        }
        text
    }

    /// `the last 1h 0m in steps of 2m 30s, to 2026-01-31 12:15:00 UTC`.
    pub(super) fn caption(&self) -> String {
        let steps = u32::try_from(self.course.values.len()).unwrap_or(u32::MAX);
        format!(
            "the last {} in steps of {}, to {}",
            amount::span(self.course.step.saturating_mul(steps)),
            amount::span(self.course.step),
            moment(self.course.to)
        )
    }

    /// Rows of cells from the top, each with its colour: bars on the band of what is usual.
    pub(super) fn raster(&self) -> Vec<Vec<Option<&'static str>>> {
        let usual = self.course.usual;
        let low = usual.map_or(self.low, |(low, _)| low.min(self.low));
        let high = usual.map_or(self.high, |(_, high)| high.max(self.high));
        let step = |value| step(value, (low, high), ROWS - 1);
        let band = usual.map(|(low, high)| step(low)..=step(high));
        let is_usual = |value: f64| usual.is_none_or(|(low, high)| (low..=high).contains(&value));
        let cell = |row: usize, value: &Option<f64>| match value {
            Some(value) if row <= step(*value) => {
                Some(if is_usual(*value) { USUAL } else { BEYOND })
            }
            _ => band
                .as_ref()
                .filter(|band| band.contains(&row))
                .map(|_| BAND),
        };
        let rows = (0..ROWS).rev();
        rows.map(|row| {
            self.course
                .values
                .iter()
                .map(|value| cell(row, value))
                .collect()
        })
        .collect()
    }
}

/// How high a value lies between two others, in that many steps; in the middle where these are the same.
fn step(value: f64, (low, high): (f64, f64), steps: usize) -> usize {
    let share = match high > low {
        true => (value - low) / (high - low),
        false => 0.5,
    };
    let share = (share.clamp(0.0, 1.0) * steps as f64).round();
    (0..steps).take_while(|step| (*step as f64) < share).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::notify::fixture;

    fn drawn(values: &[Option<f64>], usual: Option<(f64, f64)>) -> Notification {
        let alert = fixture::firing("detect");
        let mut notification = fixture::notification(&[Arc::clone(&alert)]);
        notification.courses = vec![Course {
            fingerprint: alert.fingerprint,
            step: Duration::from_secs(150),
            to: notification.at,
            values: values.to_vec(),
            usual,
        }];
        notification
    }

    #[test]
    fn a_course_is_one_line_with_its_range_and_what_is_usual() {
        for (values, usual, expected) in [
            (
                vec![Some(1.0), Some(1.5), None, Some(8.0), Some(4.5)],
                Some((1.0, 1.9)),
                "▁▂·█▅ 1s to 8s, usually 1s to 1.9s",
            ),
            (vec![Some(2.0), Some(2.0)], None, "▅▅ 2s to 2s"),
        ] {
            let notification = drawn(&values, usual);
            let course = of(&notification, &notification.alerts[0]).unwrap();
            assert_eq!(course.line(), expected);
            let text = super::super::text(&notification, "");
            assert!(
                text.contains(&format!("\n  course:    {expected}\n")),
                "{text}"
            );
            let longest = text.lines().map(|line| line.chars().count()).take(8).max();
            assert!(longest <= Some(78), "{text}");
        }
    }

    #[test]
    fn the_cells_have_bars_before_the_band_and_the_colour_says_what_lies_beyond() {
        let notification = drawn(&[Some(1.0), None, Some(10.0)], Some((1.0, 3.0)));
        let raster = of(&notification, &notification.alerts[0]).unwrap().raster();
        assert_eq!(raster.len(), ROWS);
        assert_eq!(raster[0], [None, None, Some(BEYOND)]);
        assert_eq!(raster[7], [Some(BAND), Some(BAND), Some(BEYOND)]);
        assert_eq!(raster[9], [Some(USUAL), Some(BAND), Some(BEYOND)]);
        let html = super::super::html(&notification, "");
        assert!(
            html.contains("<td height=\"5\" bgcolor=\"#d5e3f0\">"),
            "{html}"
        );
    }

    #[test]
    fn a_notification_without_a_course_says_nothing_of_it() {
        let notification = fixture::notification(&[fixture::firing("detect")]);
        assert!(of(&notification, &notification.alerts[0]).is_none());
        assert!(!super::super::text(&notification, "").contains("course"));
    }
}
