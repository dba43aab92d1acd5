//! A detector as bytes, exactly, and back: for whoever keeps it over a restart.

use super::bar::Bar;
use super::dictionary::{Dictionary, Patterns};
use super::expert::Expert;
use super::season::Season;
use super::tail::Tail;
use super::{CHANGES, LARGEST, Novelty, Settings};
use crate::engine::packing::{put, put_float, take, take_float};

/// What the bytes are. A later form gets a number of its own.
const FORM: u64 = 1;

impl Novelty {
    /// What it has learned, as bytes; at most 8 kB with 128 entries. The settings are not among it.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, FORM);
        put(&mut bytes, self.bar.points);
        put_float(&mut bytes, self.bar.height);
        put_floats(&mut bytes, &self.recent);
        put_expert(&mut bytes, &self.value);
        put_expert(&mut bytes, &self.shape);
        put_expert(&mut bytes, &self.level);
        put(&mut bytes, u64::from(self.changes));
        put_season(&mut bytes, &self.season);
        bytes
    }

    /// The detector that [`Novelty::pack`] has written, with the same points a day and entries, which goes on as if it
    /// had never been packed. `None` where the bytes are not such a one.
    pub fn unpack(settings: &Settings, mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        if take(bytes)? != FORM {
            return None;
        }
        let points = take_count(bytes)?;
        let height = take_positive(bytes)?;
        let new = Self::new(settings);
        let read = Self {
            recent: take_floats(bytes)?,
            known: usize::try_from(points.min(3)).ok()?,
            bar: Bar {
                height,
                points,
                ..new.bar
            },
            value: take_expert(bytes, new.value, points)?,
            shape: take_expert(bytes, new.shape, points)?,
            level: take_expert(bytes, new.level, points)?,
            changes: u8::try_from(take(bytes)?).ok()?.min(CHANGES),
            season: take_season(bytes, new.season)?,
            ..new
        };
        bytes.is_empty().then_some(read)
    }
}

/// A number of points that can have been.
fn take_count(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).filter(|n| *n < 1 << 50)
}

fn put_floats(bytes: &mut Vec<u8>, values: &[f64]) {
    values.iter().for_each(|value| put_float(bytes, *value));
}

fn take_value(bytes: &mut &[u8]) -> Option<f64> {
    take_float(bytes).filter(|value| value.abs() <= LARGEST)
}

/// A finite value of at least 0, as distances and weights are.
fn take_positive(bytes: &mut &[u8]) -> Option<f64> {
    take_float(bytes).filter(|value| value.is_finite() && *value >= 0.0)
}

fn take_floats<const N: usize>(bytes: &mut &[u8]) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    for value in &mut values {
        *value = take_value(bytes)?;
    }
    Some(values)
}

fn put_expert<P: Patterns>(bytes: &mut Vec<u8>, expert: &Expert<P>) {
    let Dictionary {
        patterns, radius, ..
    } = &expert.dictionary;
    put_floats(bytes, &expert.means);
    put_floats(bytes, &[expert.step, expert.size, *radius]);
    put(bytes, patterns.len() as u64);
    for pattern in patterns.by_age() {
        put_floats(bytes, pattern.as_ref());
    }
    put_tail(bytes, &expert.tail);
}

fn take_expert<P: Patterns>(bytes: &mut &[u8], new: Expert<P>, points: u64) -> Option<Expert<P>> {
    let means = take_floats(bytes)?;
    let [step, size, radius] = take_all(bytes)?;
    let mut dictionary = Dictionary {
        radius,
        ..new.dictionary
    };
    let patterns = usize::try_from(take(bytes)?).ok()?;
    if patterns > dictionary.capacity {
        return None;
    }
    for _ in 0..patterns {
        let mut pattern = P::Pattern::default();
        for value in pattern.as_mut() {
            *value = take_value(bytes)?;
        }
        dictionary.patterns.push(pattern);
    }
    Some(Expert {
        means,
        dictionary,
        tail: take_tail(bytes)?,
        step,
        size,
        points,
        ..new
    })
}

fn take_all<const N: usize>(bytes: &mut &[u8]) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    for value in &mut values {
        *value = take_positive(bytes)?;
    }
    Some(values)
}

fn put_tail<const BINS: usize>(bytes: &mut Vec<u8>, tail: &Tail<BINS>) {
    put_floats(bytes, &[tail.weight, tail.top]);
    let used = tail.counts.iter().rposition(|count| *count > 0.0);
    let used = used.map_or(0, |last| last + 1);
    put(bytes, used as u64);
    put_short(bytes, tail.counts.iter().take(used));
}

fn take_tail<const BINS: usize>(bytes: &mut &[u8]) -> Option<Tail<BINS>> {
    let [weight, top] = take_all(bytes)?;
    let used = usize::try_from(take(bytes)?).ok()?;
    let mut counts = [0.0; BINS];
    for count in counts.get_mut(..used)? {
        *count = take_short(bytes).filter(|count| count.is_finite() && *count >= 0.0)?;
    }
    Some(Tail {
        counts,
        weight,
        top,
    })
}

fn put_season(bytes: &mut Vec<u8>, season: &Season) {
    put(bytes, season.rows);
    put(bytes, season.values);
    put(bytes, season.compared);
    put_floats(bytes, &[season.sum, season.level]);
    put_floats(bytes, &[season.step, season.size, season.spread]);
    put(bytes, season.means.len() as u64);
    put_short(bytes, season.means.iter());
    put_tail(bytes, &season.tail);
}

fn take_season(bytes: &mut &[u8], new: Season) -> Option<Season> {
    let [rows, values, compared] = [take_count(bytes)?, take_count(bytes)?, take_count(bytes)?];
    let [sum, level] = take_floats(bytes)?;
    let [step, size, spread] = take_all(bytes)?;
    let mut means = new.means;
    if take(bytes)? != means.len() as u64 {
        return None;
    }
    for mean in &mut means {
        *mean = take_short(bytes)?;
    }
    Some(Season {
        rows,
        sum,
        values,
        means,
        compared,
        step,
        size,
        level,
        spread,
        tail: take_tail(bytes)?,
        ..new
    })
}

fn put_short<'a>(bytes: &mut Vec<u8>, values: impl Iterator<Item = &'a f32>) {
    values.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
}

fn take_short(bytes: &mut &[u8]) -> Option<f32> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(f32::from_le_bytes(*first))
}
