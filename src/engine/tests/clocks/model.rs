//! A slow and plain model of what the engine must say: every sample, every look at the clocks and every verdict in a
//! vector, and everything computed anew from them.

use std::collections::BTreeMap;

use super::*;

/// Steps of the tiers of buckets and how long each is kept, in milliseconds, and how long both wait after a jump.
const TIERS: [(i64, i64); 4] = [
    (10_000, 900_000),
    (60_000, 10_800_000),
    (600_000, 172_800_000),
    (3_600_000, i64::MAX),
];
const HELD: [i64; 4] = [900_000, 900_000, 900_000, 86_400_000];
const JUMP: i64 = 5_000;

/// One measurement that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) operation: usize,
    pub(super) at: i64,
    pub(super) value: f64,
    pub(super) is_late: bool,
    /// Its bucket: the tier; `None` once it is gone.
    tier: Option<usize>,
    /// The same as of when its series was saved, if it was.
    saved: Option<Option<usize>>,
    /// When it came.
    taken: Now,
}

/// A look at the clocks: from the one before until this one the wall clock ran through this stretch.
#[derive(Clone, Copy, Debug)]
struct Lived {
    from: i64,
    to: i64,
    /// By how much the clock was ahead then.
    ahead: i64,
}

/// What is known of a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

/// What the clocks have done.
#[derive(Clone, Debug)]
struct Clocks {
    lived: Vec<Lived>,
    /// The last look: wall and steady, both in milliseconds.
    last: (i64, i64),
    /// What the clock of judging leaves out of the steady one.
    left_out: i64,
    /// By how much the wall was ahead of the steady clock before a jump forward, and when the last jump was.
    held: Option<(i64, i64)>,
    /// Back, forward, stalled.
    jumps: [u64; 3],
}

/// What the engine should know.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) samples: Vec<Sample>,
    clocks: Clocks,
    /// Those that are on disk.
    saved: Clocks,
    retention: i64,
    every: i64,
    frontiers: [i64; 4],
    /// Verdicts of each rule and operation, each with the time of judging.
    pub(super) verdicts: BTreeMap<(&'static str, usize), Vec<(i64, Standing)>>,
}

fn parts(now: Now) -> (i64, i64) {
    let steady = i64::try_from(now.steady.as_millis()).unwrap();
    (now.wall.millis(), steady)
}

impl Model {
    pub(super) fn new(now: Now, retention: Duration, every: Duration) -> Self {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap();
        let clocks = Clocks {
            lived: Vec::new(),
            last: parts(now),
            left_out: 0,
            held: None,
            jumps: [0; 3],
        };
        let mut model = Self {
            samples: Vec::new(),
            saved: clocks.clone(),
            clocks,
            retention: millis(retention),
            every: millis(every),
            frontiers: [i64::MIN; 4],
            verdicts: BTreeMap::new(),
        };
        model.begin(now);
        model.sweep(now);
        model.save();
        model
    }

    /// A stretch that begins, or goes on, at this moment.
    fn begin(&mut self, now: Now) {
        let from = parts(now).0;
        self.clocks.lived.push(Lived {
            from,
            to: from,
            ahead: 0,
        });
    }

    /// A look at the clocks; whether the process had stood still.
    pub(super) fn look(&mut self, now: Now) -> bool {
        let (wall, steady) = parts(now);
        let passed = steady - self.clocks.last.1;
        let shift = wall - self.clocks.last.0 - passed;
        let stalled = passed - self.every;
        let (is_jump, is_stall) = (shift.abs() > JUMP, stalled > JUMP);
        if is_jump {
            self.clocks.jumps[usize::from(shift > 0)] += 1;
            self.note_jump(shift, steady);
        }
        if is_stall {
            self.clocks.jumps[2] += 1;
            self.clocks.left_out += stalled;
        }
        if is_jump || is_stall {
            self.advance(now);
            self.begin(now);
        } else {
            self.clocks.lived.push(Lived {
                from: self.clocks.last.0,
                to: wall,
                ahead: 0,
            });
        }
        self.clocks.last = (wall, steady);
        is_stall
    }

    fn note_jump(&mut self, shift: i64, steady: i64) {
        for lived in &mut self.clocks.lived {
            lived.ahead -= shift;
        }
        let before = self.clocks.last.0 - self.clocks.last.1;
        self.clocks.held = match self
            .clocks
            .held
            .filter(|(_, since)| steady - since < HELD[3])
        {
            Some((offset, _)) => Some((offset.min(before), steady)),
            None => (shift > 0).then_some((before, steady)),
        };
    }

    /// The clock of judging.
    pub(super) fn judged(&self, now: Now) -> i64 {
        parts(now).1 - self.clocks.left_out
    }

    /// What has come so far is on disk.
    pub(super) fn save(&mut self) {
        self.saved = self.clocks.clone();
    }

    /// How often each kind of jump has been seen.
    pub(super) fn jumps(&self) -> [u64; 3] {
        self.clocks.jumps
    }

    /// The last moment that a new process knows of.
    pub(super) fn saved_at(&self) -> (i64, i64) {
        self.saved.last
    }

    /// A new process begins.
    pub(super) fn resume(&mut self, now: Now) {
        self.resume_clocks(now);
        // What was not saved with its series comes again, as it did then.
        for place in 0..self.samples.len() {
            let Sample {
                at, saved, taken, ..
            } = self.samples[place];
            self.advance(taken);
            self.samples[place].tier = saved.unwrap_or_else(|| self.place(at));
        }
    }

    fn resume_clocks(&mut self, now: Now) {
        self.clocks = self.saved.clone();
        let last = self.clocks.last;
        let (wall, steady) = parts(now);
        let shift = wall - last.0 - (steady - last.1);
        if shift.abs() > JUMP {
            self.clocks.jumps[0] += u64::from(shift < 0);
            self.note_jump(shift, steady);
            self.begin(now);
        } else {
            self.clocks.lived.push(Lived {
                from: last.0,
                to: wall,
                ahead: 0,
            });
        }
        self.clocks.last = (wall, steady);
    }

    /// Whether a measurement of that time is taken.
    pub(super) fn admits(&self, at: i64, now: Now) -> bool {
        at <= now.wall.millis() + 10_000 && at > self.frontiers[3]
    }

    fn place(&self, at: i64) -> Option<usize> {
        (0..4).find(|tier| at > self.frontiers[*tier])
    }

    /// All series are on disk.
    pub(super) fn save_series(&mut self) {
        for sample in &mut self.samples {
            sample.saved = Some(sample.tier);
        }
    }

    pub(super) fn take(&mut self, operation: usize, at: i64, value: f64, now: Now) {
        let tier = self.place(at);
        self.samples.push(Sample {
            operation,
            at,
            value,
            is_late: at < now.wall.millis() - 3_600_000,
            tier,
            saved: None,
            taken: now,
        });
    }

    /// Where the tiers end now.
    fn advance(&mut self, now: Now) {
        let (wall, steady) = parts(now);
        let time = |span: i64| match self.clocks.held {
            Some((offset, since)) if steady - since < span => wall.min(steady + offset),
            _ => wall,
        };
        let kept_from = time(HELD[3]) - self.retention;
        for tier in 0..4 {
            let step = TIERS[(tier + 1).min(3)].0;
            let from = time(HELD[tier]).saturating_sub(TIERS[tier].1);
            let from = if tier == 3 {
                kept_from
            } else {
                from.max(kept_from)
            };
            self.frontiers[tier] = from.div_euclid(step) * step;
        }
    }

    /// Time moves on in the store: buckets that are old merge into coarser ones.
    pub(super) fn sweep(&mut self, now: Now) {
        self.advance(now);
        for sample in &mut self.samples {
            while let Some(tier) = sample.tier
                && bucket(sample.at, tier).1 <= self.frontiers[tier]
            {
                sample.tier = (tier < 3).then_some(tier + 1);
            }
        }
    }

    /// What the window of an operation holds.
    pub(super) fn window(&self, operation: usize, span: i64, now: Now) -> Summary {
        let (start, end) = (now.wall.millis() - span, now.wall.millis());
        let mut summary = Summary::default();
        for sample in self.samples.iter().filter(|s| s.operation == operation) {
            let Some(tier) = sample.tier else { continue };
            let (from, to) = bucket(sample.at, tier);
            if to > start && from < end {
                summary.count += 1;
                summary.sum += sample.value;
                let value = sample.value;
                summary.min = Some(summary.min.map_or(value, |min| min.min(value)));
                summary.max = Some(summary.max.map_or(value, |max| max.max(value)));
            }
        }
        summary
    }

    /// Whether the window was lived through as a whole, or since the start of service, and whether it holds other times.
    fn coverage(&self, span: i64, now: Now) -> (bool, bool, bool) {
        let (start, end) = (now.wall.millis() - span, now.wall.millis());
        let (right, wrong): (Vec<&Lived>, Vec<&Lived>) = self
            .clocks
            .lived
            .iter()
            .partition(|lived| lived.ahead <= JUMP);
        let is_mixed = wrong
            .iter()
            .any(|lived| lived.to > start && lived.from <= end);
        let mut right: Vec<_> = right.iter().map(|lived| (lived.from, lived.to)).collect();
        right.sort_unstable();
        let reaches = |from: i64| {
            let mut reached = from;
            for (from, to) in &right {
                if *from <= reached {
                    reached = reached.max(*to);
                }
            }
            reached >= end
        };
        let began = right.first().map_or(start, |(from, _)| *from);
        (reaches(start), reaches(began.max(start)), is_mixed)
    }

    /// How many there are in the window, against a limit: the standing of a rule on a count.
    pub(super) fn standing(
        &self,
        operation: usize,
        span: i64,
        is_bad: impl Fn(u64) -> bool,
        now: Now,
    ) -> Standing {
        let count = self.window(operation, span, now).count;
        let (is_whole, is_whole_since_start, is_mixed) = self.coverage(span, now);
        // However many more there may have been.
        let (is_bad, is_bad_with_more) = (is_bad(count), is_bad(u64::MAX));
        match (is_bad, is_bad_with_more) {
            _ if count == 0 || is_mixed => Standing::NoData,
            (true, false) if !is_whole => Standing::NoData,
            (false, true) if !is_whole_since_start => Standing::NoData,
            (true, _) => Standing::Breached,
            (false, _) => Standing::Holds,
        }
    }

    /// The last run of an operation.
    pub(super) fn last_run(&self, operation: usize) -> Option<f64> {
        let mut samples = self.samples.iter().rev();
        let last = samples.find(|s| s.operation == operation && !s.is_late);
        last.map(|sample| sample.value)
    }
}

/// The bucket of a time: (from, to].
fn bucket(at: i64, tier: usize) -> (i64, i64) {
    let step = TIERS[tier].0;
    let from = (at - 1).div_euclid(step) * step;
    (from, from + step)
}

/// Where an alert stands after these verdicts, by the words of the documentation: `.` inactive, `p` pending, `F` firing.
pub(super) fn alert(verdicts: &[(i64, Standing)], hold: i64, keep: i64, stale: i64) -> char {
    let (mut state, mut held) = ('.', 0);
    let (mut breached_at, mut good_since, mut blind_since) = (None, None, None);
    for (at, standing) in verdicts {
        let is_blind = matches!(standing, Standing::NoData | Standing::Insufficient);
        blind_since = is_blind.then(|| blind_since.unwrap_or(*at));
        let is_stale = blind_since.is_some_and(|since| at - since >= stale);
        match (state, standing) {
            ('.', Standing::Breached) => {
                (state, held, good_since) = (if hold == 0 { 'F' } else { 'p' }, 0, None);
                breached_at = Some(*at);
            }
            ('p', Standing::Breached) => {
                held += breached_at.map_or(0, |before| at - before);
                breached_at = Some(*at);
                if held >= hold {
                    (state, good_since) = ('F', None);
                }
            }
            ('p', Standing::Holds) => state = '.',
            ('p', _) => {
                breached_at = None;
                if is_stale {
                    state = '.';
                }
            }
            ('F', Standing::Breached) => good_since = None,
            ('F', Standing::Holds) => {
                let since = *good_since.get_or_insert(*at);
                if at - since >= keep {
                    state = '.';
                }
            }
            ('F', _) if is_stale => state = '.',
            _ => {}
        }
    }
    state
}
