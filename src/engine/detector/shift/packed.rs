//! A detector as bytes, exactly, and back: for whoever keeps it over a restart.

use super::channels::Channel;
use super::holding::Holding;
use super::noise::Noise;
use super::profile::{Profile, Scale};
use super::running::Running;
use super::sums::Sums;
use super::weekdays::Weekdays;
use super::windows::Windows;
use super::{Change, Phase, Settings, Shift, Size};
use crate::engine::packing::{put, put_float, put_signed, take, take_float, take_signed};

/// What the bytes are. A later form gets a number of its own.
const FORM: u64 = 2;

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
        if take(bytes)? != FORM {
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
            1 => Phase::Running(take(bytes)?, Box::new(take_running(bytes, &settings)?)),
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
                let (kind, value) = match size {
                    Size::Times(value) => (0, value),
                    Size::By(value) => (1, value),
                };
                put(bytes, kind);
                put_float(bytes, value);
            }
        }
    }
}

fn take_running(bytes: &mut &[u8], settings: &Settings) -> Option<Running> {
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
    running.weekdays.look();
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
            is_larger: take(bytes)? == 1,
            size: take_size(bytes)?,
            interval: (take_size(bytes)?, take_size(bytes)?),
        }),
    };
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

const CHANNELS: [Channel; 3] = [Channel::Level, Channel::Spread, Channel::Tail];

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
