//! Which series of an operation share a limit: those with about the same level.
//!
//! A limit that fits a slow algorithm never finds what is wrong with a fast one, and the other way round it never rests. So
//! the series are parted by the first label on whose values their levels clearly differ: first by algorithm, then by the
//! labels of the client in the order of their names, by version last; and each part again by the labels that are left.

use std::collections::BTreeSet;

use super::seen::{Course, together, values_of};
use crate::engine::time::Timestamp;

/// Levels differ clearly from this ratio on: a shared limit of 1.5 times the higher one would be three times the lower.
const APART: f64 = 2.0;
/// A label with more values than this is no kind of work but an identity, and parts nothing.
const MOST_VALUES: usize = 50;

/// Which values of a label are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// These.
    In(Vec<String>),
    /// All but these, so that also those that are not known yet are.
    NotIn(Vec<String>),
}

/// Series that share a limit.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// By which labels they are chosen, beside the operation.
    pub labels: Vec<(String, Matched)>,
    /// The series.
    pub courses: Vec<&'a Course>,
}

/// The parts, and the values of labels that are in none because too little was seen of them, as `label=value`.
#[derive(Clone, Debug, Default)]
pub struct Parts<'a> {
    /// The parts.
    pub parts: Vec<Part<'a>>,
    /// What is in none, with the number of its values.
    pub left_out: Vec<(String, usize)>,
}

/// What is usual of values.
type Level<'a> = &'a dyn Fn(&[(Timestamp, f64)]) -> Option<f64>;

/// Parts series; `level` says of values of which there are `least` what is usual, as a positive number.
pub fn split<'a>(courses: Vec<&'a Course>, least: usize, level: Level<'_>) -> Parts<'a> {
    let client: BTreeSet<&str> = courses
        .iter()
        .flat_map(|course| course.key.labels().map(|(name, _)| name))
        .collect();
    let mut labels = vec!["algorithm"];
    labels.extend(client);
    labels.push("version");
    let mut parts = Parts::default();
    let whole = Part {
        labels: Vec::new(),
        courses,
    };
    part(whole, &labels, least, level, &mut parts);
    parts
}

fn part<'a>(
    whole: Part<'a>,
    labels: &[&str],
    least: usize,
    level: Level<'_>,
    parts: &mut Parts<'a>,
) {
    let Some((label, others)) = labels.split_first() else {
        parts.parts.push(whole);
        return;
    };
    let values = values_of(label, &whole.courses);
    let of_value = |value: &str| {
        let courses = whole.courses.iter().copied();
        let courses = courses.filter(|course| course.key.get(label) == value);
        courses.collect::<Vec<_>>()
    };
    let (mut levels, mut few) = (Vec::new(), Vec::new());
    for value in values.iter().filter(|_| values.len() <= MOST_VALUES) {
        let all = together(of_value(value));
        match level(&all).filter(|_| all.len() >= least) {
            Some(level) => levels.push((level, *value)),
            None => few.push((*value, all.len())),
        }
    }
    let classes = classes(levels);
    if classes.len() < 2 {
        part(whole, others, least, level, parts);
        return;
    }
    let named = |value: &str| format!("{label}={value:?}");
    parts
        .left_out
        .extend(few.into_iter().map(|(value, n)| (named(value), n)));
    let ends = |class: &Vec<&str>| {
        let courses = class.iter().flat_map(|value| of_value(value));
        courses
            .filter_map(|course| course.values.last().map(|(at, _)| *at))
            .max()
    };
    let latest = classes.iter().max_by_key(|class| ends(class)).cloned();
    for class in classes {
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
        let matched = if *label == "version" && Some(&class) == latest.as_ref() {
            // Versions come and go: the next one is expected to be like the latest.
            let others = values.iter().copied();
            Matched::NotIn(owned(
                others.filter(|value| !class.contains(value)).collect(),
            ))
        } else {
            Matched::In(owned(class.clone()))
        };
        let mut labels = whole.labels.clone();
        labels.push(((*label).to_owned(), matched));
        let courses = class.iter().flat_map(|value| of_value(value)).collect();
        part(Part { labels, courses }, others, least, level, parts);
    }
}

/// Values whose levels lie less than [`APART`] from the lowest of them.
fn classes(mut levels: Vec<(f64, &str)>) -> Vec<Vec<&str>> {
    levels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut classes: Vec<(f64, Vec<&str>)> = Vec::new();
    for (level, value) in levels {
        match classes.last_mut() {
            Some((lowest, class)) if level < *lowest * APART => class.push(value),
            _ => classes.push((level, vec![value])),
        }
    }
    classes.into_iter().map(|(_, class)| class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::series::SeriesKey;
    use crate::suggest::seen::quantile;

    fn course(algorithm: &str, version: &str, zone: &str, value: f64, n: i64) -> Course {
        let key = SeriesKey::new("detect", algorithm, version, &mut [("zone", zone)]).unwrap();
        let from: i64 = version.parse().unwrap_or(0) * 1_000;
        let values = (0..n).map(|step| (Timestamp::from_millis(from + step), value));
        Course {
            key,
            values: values.collect(),
        }
    }

    type Chosen = Vec<(String, Matched)>;

    fn parts(courses: &[Course]) -> (Vec<Chosen>, Vec<(String, usize)>) {
        let level =
            |values: &[(Timestamp, f64)]| quantile(values.iter().map(|(_, value)| *value), 0.95);
        let found = split(courses.iter().collect(), 50, &level);
        let labels = found.parts.into_iter().map(|part| part.labels).collect();
        (labels, found.left_out)
    }

    fn only(label: &str, values: &[&str]) -> (String, Matched) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        (label.to_owned(), Matched::In(values))
    }

    #[test]
    fn series_of_about_the_same_level_share_a_limit() {
        let alike = [
            course("a", "1", "x", 1.0, 50),
            course("b", "2", "y", 1.9, 50),
        ];
        assert_eq!(parts(&alike), (vec![vec![]], vec![]));
    }

    #[test]
    fn algorithms_of_other_levels_have_their_own_and_those_seldom_seen_have_none() {
        let found = parts(&[
            course("fast", "", "", 1.0, 60),
            course("quick", "", "", 1.5, 60),
            course("slow", "", "", 30.0, 60),
            course("new", "", "", 1.0, 49),
        ]);
        let labels = vec![
            vec![only("algorithm", &["fast", "quick"])],
            vec![only("algorithm", &["slow"])],
        ];
        assert_eq!(found, (labels, vec![("algorithm=\"new\"".to_owned(), 49)]));
    }

    #[test]
    fn the_latest_version_stands_for_those_to_come() {
        let found = parts(&[course("", "1", "", 1.0, 60), course("", "2", "", 4.0, 60)]);
        let next = Matched::NotIn(vec!["1".to_owned()]);
        let labels = vec![
            vec![only("version", &["1"])],
            vec![("version".to_owned(), next)],
        ];
        assert_eq!(found, (labels, vec![]));
    }

    #[test]
    fn a_label_with_very_many_values_parts_nothing() {
        let users: Vec<Course> = (0..60)
            .map(|user| {
                course(
                    "",
                    "",
                    &format!("user{user}"),
                    f64::from(1 << (user % 20)),
                    60,
                )
            })
            .collect();
        assert_eq!(parts(&users), (vec![vec![]], vec![]));
    }
}
