//! A detector as bytes, exactly, and back: for whoever keeps it over a restart.

use super::channels::Channel;
use super::history::History;
use super::holding::Holding;
use super::noise::Noise;
use super::profile::{Profile, Scale};
use super::running::Running;
use super::shape::{Kind, Ranged, Shape};
use super::sums::Sums;
use super::weekdays::Weekdays;
use super::windows::Windows;
use super::{Change, Phase, Settings, Shift, Size};
use crate::engine::packing::{put, put_float, put_signed, take, take_float, take_signed};

/// What the bytes are. A later form gets a number of its own.
const FORM: u64 = 3;
/// The one before knew nothing of how a level has changed.
const WITHOUT_HISTORY: u64 = 2;

impl Shift {
    /// What it has learned, as bytes. The settings are not among it.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, FORM);
        put(&mut bytes, self.points);
        put(&mut bytes, self.missing);
        match &self.phase {
            Phase::WarmUp(seen) => {
                put(&mut bytes, 0);
                put(&mut bytes, seen.len() as u64);
                for value in seen {
                    put_float(&mut bytes, value.unwrap_or(f64::NAN));
                }
            }
            Phase::Running(origin, running) => {
                put(&mut bytes, 1);
                put(&mut bytes, *origin);
                put_running(&mut bytes, running);
            }
        }
        bytes
    }

    /// The detector that [`Shift::pack`] has written, with the same settings, which goes on as if it had never been packed.
    /// `None` where the bytes are not such a one.
    pub fn unpack(settings: Settings, mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let form = take(bytes)?;
        if form != FORM && form != WITHOUT_HISTORY {
            return None;
        }
        let (points, missing) = (take(bytes)?, take(bytes)?);
        let phase = match take(bytes)? {
            0 => {
                let seen = usize::try_from(take(bytes)?).ok()?;
                if seen >= settings.warm_up {
                    return None;
                }
                let values = (0..seen).map(|_| take_float(bytes));
                let values: Option<Vec<f64>> = values.collect();
                let present = |value: f64| value.is_finite().then_some(value);
                Phase::WarmUp(values?.into_iter().map(present).collect())
            }
            1 => Phase::Running(
                take(bytes)?,
                Box::new(take_running(bytes, &settings, form)?),
            ),
            _ => return None,
        };
        bytes.is_empty().then_some(Self {
            settings,
            points,
            missing,
            phase,
        })
    }
}

fn put_running(bytes: &mut Vec<u8>, running: &Running) {
    let mut running = running.clone();
    put(bytes, running.sums.n);
    put(bytes, running.holding.since);
    let flags = u64::from(running.profile.scale.is_log)
        | u64::from(running.was_hot) << 1
        | u64::from(running.profile.is_rare) << 2;
    put(bytes, flags);
    each(&mut running, &mut |value| put_float(bytes, *value));
    for offset in running.sums.offsets.iter().flatten() {
        put_signed(bytes, i64::from(*offset));
    }
    match running.holding.found {
        None => put(bytes, 0),
        Some(change) => {
            put(bytes, 1 + number(change.channel));
            put(bytes, change.since);
            put(bytes, change.within.0);
            put(bytes, change.within.1);
            put_float(bytes, change.evidence);
            put(bytes, u64::from(change.is_larger));
            for size in [change.size, change.interval.0, change.interval.1] {
                put_size(bytes, size);
            }
        }
    }
    put_history(bytes, &mut running.history);
    put_shape(bytes, running.shape);
    let per_day = running.holding.found.and_then(|found| found.per_day);
    put(bytes, u64::from(per_day.is_some()));
    if let Some((best, (low, high))) = per_day {
        for size in [best, low, high] {
            put_size(bytes, size);
        }
    }
}

fn put_size(bytes: &mut Vec<u8>, size: Size) {
    let (kind, value) = match size {
        Size::Times(value) => (0, value),
        Size::By(value) => (1, value),
    };
    put(bytes, kind);
    put_float(bytes, value);
}

fn put_history(bytes: &mut Vec<u8>, history: &mut History) {
    put(bytes, history.from);
    each_of_history(history, &mut |value| put_float(bytes, *value));
    for mean in history.means.iter().flat_map(|ring| ring.0) {
        put(bytes, u64::from(mean.to_bits()));
    }
}

fn take_history(bytes: &mut &[u8]) -> Option<History> {
    let mut history = History {
        from: take(bytes)?,
        ..History::default()
    };
    let mut is_good = true;
    each_of_history(&mut history, &mut |value| {
        let read = take_float(bytes).filter(|value| value.is_finite());
        is_good &= read.is_some();
        *value = read.unwrap_or_default();
    });
    for mean in history.means.iter_mut().flat_map(|ring| &mut ring.0) {
        *mean = f32::from_bits(u32::try_from(take(bytes)?).ok()?);
        is_good &= mean.is_finite();
    }
    is_good.then_some(history)
}

fn each_of_history(history: &mut History, visit: &mut dyn FnMut(&mut f64)) {
    let single = [
        &mut history.open,
        &mut history.older.0,
        &mut history.older.1,
        &mut history.last,
    ];
    single.into_iter().chain(&mut history.near).for_each(visit);
}

fn put_shape(bytes: &mut Vec<u8>, shape: Option<Shape>) {
    let Some(shape) = shape else {
        return put(bytes, 0);
    };
    put(
        bytes,
        1 + KINDS
            .iter()
            .position(|kind| *kind == shape.kind)
            .unwrap_or_default() as u64,
    );
    for point in [shape.before, shape.within.0, shape.within.1] {
        put(bytes, point);
    }
    for ranged in [shape.slope, shape.amount] {
        for value in [ranged.best, ranged.low, ranged.high] {
            put_float(bytes, value);
        }
    }
}

fn take_shape(bytes: &mut &[u8]) -> Option<Option<Shape>> {
    let kind = take(bytes)?;
    if kind == 0 {
        return Some(None);
    }
    let kind = *KINDS.get(usize::try_from(kind - 1).ok()?)?;
    let (before, within) = (take(bytes)?, (take(bytes)?, take(bytes)?));
    let mut ranged = || {
        let mut value = || take_float(bytes).filter(|value| value.is_finite());
        Some(Ranged {
            best: value()?,
            low: value()?,
            high: value()?,
        })
    };
    Some(Some(Shape {
        kind,
        before,
        within,
        slope: ranged()?,
        amount: ranged()?,
    }))
}

const KINDS: [Kind; 3] = [Kind::Open, Kind::Step, Kind::Drift];

fn take_running(bytes: &mut &[u8], settings: &Settings, form: u64) -> Option<Running> {
    let (n, since, flags) = (take(bytes)?, take(bytes)?, take(bytes)?);
    let mut running = Running {
        profile: Profile {
            scale: Scale {
                is_log: flags & 1 == 1,
                ..Scale::default()
            },
            is_rare: flags & 4 == 4,
            ..Profile::default()
        },
        sums: Sums {
            n,
            ..Sums::default()
        },
        weekdays: Weekdays::new(settings.season, settings.points_per_day),
        noise: Noise::default(),
        windows: Windows::default(),
        holding: Holding {
            peak: 0.0,
            since,
            found: None,
        },
        last: 0.0,
        was_hot: flags & 2 == 2,
        evidence: 0.0,
        history: History::default(),
        shape: None,
    };
    let mut is_good = true;
    each(&mut running, &mut |value| {
        let read = take_float(bytes).filter(|value| value.is_finite());
        is_good &= read.is_some();
        *value = read.unwrap_or_default();
    });
    for offset in running.sums.offsets.iter_mut().flatten() {
        *offset = i32::try_from(take_signed(bytes)?).ok()?;
    }
    running.weekdays.look(n);
    let is_positive = |value: f64| value > 0.0;
    let profile = &running.profile;
    let scales = [profile.scale.typical, profile.noise, profile.innovation];
    let weights = running.windows.weights.iter().copied();
    is_good &= scales.into_iter().chain(weights).all(is_positive);
    running.holding.found = match take(bytes)? {
        0 => None,
        channel => Some(Change {
            channel: *CHANNELS.get(usize::try_from(channel - 1).ok()?)?,
            since: take(bytes)?,
            within: (take(bytes)?, take(bytes)?),
            evidence: take_float(bytes)?,
            per_day: None,
            is_larger: take(bytes)? == 1,
            size: take_size(bytes)?,
            interval: (take_size(bytes)?, take_size(bytes)?),
        }),
    };
    if form == WITHOUT_HISTORY {
        // What has been before is not known.
        running.history.from = n;
    } else {
        running.history = take_history(bytes)?;
        running.shape = take_shape(bytes)?;
        if take(bytes)? == 1 {
            let per_day = (take_size(bytes)?, (take_size(bytes)?, take_size(bytes)?));
            running.holding.found.as_mut()?.per_day = Some(per_day);
        }
    }
    is_good.then_some(running)
}

fn take_size(bytes: &mut &[u8]) -> Option<Size> {
    let (kind, value) = (take(bytes)?, take_float(bytes)?);
    match kind {
        0 => Some(Size::Times(value)),
        1 => Some(Size::By(value)),
        _ => None,
    }
}

const CHANNELS: [Channel; 4] = [
    Channel::Level,
    Channel::Spread,
    Channel::Tail,
    Channel::Drift,
];

fn number(channel: Channel) -> u64 {
    let place = CHANNELS.iter().position(|one| *one == channel);
    place.unwrap_or_default() as u64
}

/// Goes through all numbers of a detector, always in the same order.
fn each(running: &mut Running, visit: &mut dyn FnMut(&mut f64)) {
    let Running {
        profile,
        sums,
        weekdays,
        noise,
        windows,
        holding,
        last,
        evidence,
        was_hot: _,
        history: _,
        shape: _,
    } = running;
    let Profile {
        scale,
        level,
        season,
        half_range,
        noise: scatter,
        noise_season,
        phi,
        innovation,
        decile,
        is_rare: _,
    } = profile;
    let single = [
        &mut scale.typical,
        level,
        half_range,
        scatter,
        phi,
        innovation,
        decile,
        last,
        evidence,
        &mut holding.peak,
        &mut noise.short.count,
        &mut noise.long.count,
    ];
    let channels = [
        &mut noise.single,
        &mut noise.short.squares,
        &mut noise.long.squares,
        &mut noise.of_short,
        &mut noise.of_long,
        &mut sums.now,
        &mut weekdays.begun,
    ];
    let all = single
        .into_iter()
        .chain(season)
        .chain(noise_season)
        .chain(channels.into_iter().flatten())
        .chain(sums.blocks.iter_mut().flatten())
        .chain(weekdays.means.iter_mut().flatten())
        .chain(weekdays.expected.iter_mut().flatten())
        .chain(windows.squares.iter_mut().flatten())
        .chain(&mut windows.weights);
    all.for_each(visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the form before has written it: all but what this one has added at the end.
    fn without_history(shift: &Shift) -> Vec<u8> {
        let Phase::Running(_, running) = &shift.phase else {
            panic!("{shift:?}");
        };
        let mut added = Vec::new();
        put_history(&mut added, &mut running.history.clone());
        put_shape(&mut added, running.shape);
        put(&mut added, 0);
        let mut bytes = shift.pack();
        bytes.truncate(bytes.len() - added.len());
        bytes[0] = u8::try_from(WITHOUT_HISTORY).unwrap();
        bytes
    }

    #[test]
    fn what_the_form_before_has_written_is_read_and_scores_the_same() {
        let settings = Settings::new(96, 96.0, 192, 30.0).unwrap();
        let value = |i: u32| {
            let u = (f64::from(i.wrapping_mul(2_654_435_761) % 10_007) + 0.5) / 10_007.0;
            let step = if i >= 900 { 0.3 } else { 0.0 };
            Some((0.1 * (u / (1.0 - u)).ln() + step).exp())
        };
        let mut shift = Shift::new(settings);
        for i in 0..700 {
            shift.push(value(i));
        }
        let mut read = Shift::unpack(settings, &without_history(&shift)).unwrap();
        let mut found = None;
        for i in 700..1_400 {
            let (one, other) = (shift.push(value(i)), read.push(value(i)));
            assert_eq!(one.score, other.score, "{i}");
            assert_eq!(one.usual, other.usual, "{i}");
            found = other.change.or(found);
        }
        let found = found.unwrap();
        assert_eq!(found.channel, Channel::Level);
        assert!(found.since.abs_diff(900) < 12, "{found:?}");
        // And it is written in the new form from then on.
        assert_eq!(Shift::unpack(settings, &read.pack()), Some(read));
    }
}
