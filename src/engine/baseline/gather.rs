//! The values that a comparison is made of, from the store.

use crate::engine::cohort::{Course, Summary};
use crate::engine::metric::{Column, Metric};
use crate::engine::sample::Sample;
use crate::engine::stats::{Counted, Moments};
use crate::engine::store::{Cut, SeriesId, Store};
use crate::engine::time::Timestamp;
use crate::engine::window::{Reach, Window};

/// A window of time is looked at in about so many parts where it is not by single values.
const PARTS: u32 = 360;
/// So many values are looked at one by one at most: of more, the parts tell as much.
const SINGLE: usize = 1_024;

/// Which series are looked at, and what of them.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// Where they are.
    pub store: &'s Store,
    /// The series, merged.
    pub series: &'s [SeriesId],
    /// What of them.
    pub metric: &'s Metric,
    /// What the values are a share of, where they are a share.
    pub divisor: Option<f64>,
    /// Runs that ended later are not looked at, where it is given; without, also those are that lie ahead, because they came
    /// before the clock was set back.
    pub until: Option<Timestamp>,
}

/// Values in their order with what is known of the whole.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The values.
    pub course: Course,
    /// What is known of the whole; `None` without values.
    pub summary: Option<Summary>,
    /// The end of the first and of the last measurement, or of the buckets that they are in.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many values its series have ever taken in this column.
    pub arrivals: u64,
}

impl Gathered {
    /// Appends what came later.
    pub fn append(&mut self, later: Self) {
        self.course.append(later.course);
        self.summary = match (self.summary, later.summary) {
            (Some(one), Some(other)) => Some(one.merge(&other)),
            (one, other) => one.or(other),
        };
        self.span = match (self.span, later.span) {
            (Some((from, _)), Some((_, to))) => Some((from, to)),
            (one, other) => one.or(other),
        };
    }
}

/// The values that came after `after`, as far back from `end` as `reach` says, without those of `left_out` stretches.
pub fn gather(
    source: Source<'_>,
    reach: Reach,
    after: Option<Timestamp>,
    end: Timestamp,
    left_out: &[(Timestamp, Timestamp)],
) -> Gathered {
    let Some(column) = source.store.column(source.metric) else {
        return Gathered::default();
    };
    let stretch = |span| {
        let start = end.before(span);
        let start = after.map_or(start, |after| after.max(start));
        stretch_of(source, column, start, end, left_out)
    };
    let mut gathered = match reach {
        Reach::Runs(runs) => runs_of(source, column, runs, after, end, left_out),
        Reach::Time(span) => stretch(span),
        Reach::AtLeast(span, runs) => {
            let gathered = stretch(span);
            let n = gathered.summary.map_or(0, |summary| summary.n);
            if n < u64::from(runs) {
                runs_of(source, column, runs, after, end, left_out)
            } else {
                gathered
            }
        }
    };
    gathered.arrivals = source.store.arrivals(source.series, column);
    gathered
}

/// Whether what lies between these times overlaps a stretch that is left out.
fn is_left_out(first: Timestamp, last: Timestamp, left_out: &[(Timestamp, Timestamp)]) -> bool {
    left_out
        .iter()
        .any(|(from, to)| *from <= last && first <= *to)
}

/// The last runs, one by one.
fn runs_of(
    source: Source<'_>,
    column: Column,
    runs: u32,
    after: Option<Timestamp>,
    end: Timestamp,
    left_out: &[(Timestamp, Timestamp)],
) -> Gathered {
    // What came after `until` is among the last values, so that more of them are looked at.
    let looked_at = match source.until {
        Some(_) => source.store.settings().max_history * source.series.len(),
        None => runs as usize,
    };
    let mut samples = (source.store).recent_values(source.series, column, looked_at, end);
    let is_within = |at: Timestamp| {
        after.is_none_or(|after| at > after) && source.until.is_none_or(|until| at <= until)
    };
    samples.retain(|sample| is_within(sample.at) && !is_left_out(sample.at, sample.at, left_out));
    samples.drain(..samples.len().saturating_sub(runs as usize));
    one_by_one(source, &samples)
}

/// Values in the order of time.
fn one_by_one(source: Source<'_>, samples: &[Sample]) -> Gathered {
    let mut moments = Moments::default();
    for sample in samples {
        moments.add(sample.value, sample.weight);
    }
    let times = || samples.iter().map(|sample| sample.at);
    Gathered {
        course: Course::of(samples.iter().map(|sample| source.share(sample.value))),
        summary: source.summary(&moments),
        span: times().min().zip(times().max()),
        arrivals: 0,
    }
}

/// What lies in a stretch of time: value by value where these are still held, so that nothing from before it is among them,
/// else by parts, with the rest of the first one.
fn stretch_of(
    source: Source<'_>,
    column: Column,
    start: Timestamp,
    end: Timestamp,
    left_out: &[(Timestamp, Timestamp)],
) -> Gathered {
    let between = (start, end);
    let values = (source.store).values_between(source.series, column, between, SINGLE);
    if let Some(mut values) = values {
        values.retain(|value| !is_left_out(value.at, value.at, left_out));
        return one_by_one(source, &values);
    }
    let cut = Cut {
        from: start,
        to: end,
        step: end.since(start) / PARTS,
        with_quantiles: true,
    };
    let points = source.store.points(source.series, column, cut, end);
    let kept: Vec<(Timestamp, Window)> = (points.windows())
        // A block that the stretch begins in holds some of it already.
        .filter(|(begin, block)| {
            let last = block.last.map_or(*begin, |last| last.at);
            !is_left_out(*begin, last, left_out)
        })
        .collect();
    let mut gathered = Gathered::default();
    let mut moments = Moments::default();
    for (_, block) in &kept {
        moments.merge(&block.moments);
        let counted = match column {
            Column::Outcome => outcomes(&block.moments),
            _ => block.distribution.counted(),
        };
        if let Some(counted) = counted {
            let values = counted.pairs().iter();
            gathered
                .course
                .push(values.map(|(value, n)| (source.share(*value), *n)));
        }
    }
    gathered.summary = source.summary(&moments);
    let last = kept
        .iter()
        .filter_map(|(_, block)| Some(block.last?.at))
        .max();
    gathered.span = kept.first().map(|(begin, _)| *begin).zip(last);
    gathered
}

/// How many succeeded, 0, and how many failed, 1: buckets keep no distribution of outcomes, since their moments say it all.
fn outcomes(moments: &Moments) -> Option<Counted> {
    let n = moments.count();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of zeros and ones is neither negative nor more than there are"
    )]
    let failed = (moments.sum().round() as u64).min(n);
    Counted::from_pairs([(0.0, n - failed), (1.0, failed)])
}

impl Source<'_> {
    fn share(&self, value: f64) -> f64 {
        value / self.divisor.unwrap_or(1.0)
    }

    fn summary(&self, moments: &Moments) -> Option<Summary> {
        Some(Summary {
            n: moments.count(),
            mean: self.share(moments.mean()?),
            sd: moments.std_dev().map(|sd| self.share(sd)),
            min: self.share(moments.min()?),
            max: self.share(moments.max()?),
        })
    }
}
