use super::*;

const DAY_MILLIS: i64 = 86_400_000;

/// Points of a bucket each, the first one begins at 1970.
fn points(values: &[f64], bucket: Duration) -> Vec<Point> {
    let length = millis(bucket);
    let at = |number: i64| Timestamp::from_millis(number * length);
    (0i64..)
        .zip(values)
        .map(|(number, value)| Point {
            begin: at(number),
            end: at(number + 1),
            value: *value,
            n: 1,
            is_partial: false,
        })
        .collect()
}

fn daily(values: &[f64]) -> Trend {
    of(&points(values, DAY), DAY, LEAST_BUCKETS)
}

/// `n` values from `from` to `to` at equal steps.
fn ramp(from: f64, to: f64, n: u32) -> Vec<f64> {
    let step = (to - from) / f64::from(n - 1);
    (0..n).map(|i| from + step * f64::from(i)).collect()
}

/// Noise of standard deviation 1 that follows a first-order autoregression.
fn noise(seed: u64, persistence: f64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        count(state >> 11) / 9_007_199_254_740_992.0
    };
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    (0..20).for_each(|_| {
        normal();
    });
    let mut value = normal();
    std::iter::repeat_with(move || {
        value = persistence * value + (1.0 - persistence * persistence).sqrt() * normal();
        value
    })
}

#[test]
fn case_31_accuracy_that_declines_over_ten_days_degrades() {
    let trend = daily(&ramp(0.90, 0.72, 10));
    assert_eq!(trend.direction.word(Some(Worse::Down)), "degrading");
    assert_eq!((trend.buckets, trend.samples), (10, 10));
    let fitted = trend.fitted.unwrap();
    assert!((fitted.drift.slope.value + 0.02).abs() < 1e-6, "{fitted:?}");
    assert!((fitted.change() + 0.18).abs() < 1e-6, "{fitted:?}");
    let (change, (low, high)) = fitted.change_ratio().unwrap();
    assert!((change + 0.2).abs() < 1e-6 && low <= change && change <= high);
    assert_eq!(daily(&[0.9]).direction.word(None), "insufficient data");
    assert_eq!(daily(&[]).direction, Direction::Insufficient);
}

#[test]
fn case_32_a_line_is_a_line_and_a_constant_is_stable() {
    let trend = daily(&ramp(0.0, 18.0, 10));
    let fitted = trend.fitted.unwrap();
    let line = fitted.line.unwrap();
    assert!((line.slope - 2.0).abs() < 1e-12 && line.intercept.abs() < 1e-12);
    assert_eq!(line.r_squared, Some(1.0));
    assert!((fitted.drift.slope.value - 2.0).abs() < 1e-6 && fitted.drift.intercept.abs() < 1e-6);
    let constant = daily(&[5.0; 20]);
    let fitted = constant.fitted.unwrap();
    assert_eq!(constant.direction.word(Some(Worse::Up)), "stable");
    assert_eq!(
        (fitted.drift.slope.value, fitted.line.unwrap().slope),
        (0.0, 0.0)
    );
    assert_eq!(fitted.reaches(6.0, Timestamp::default()), None);
}

#[test]
fn case_33_flat_noise_is_stable_and_a_rise_is_not() {
    let hour = DAY / 24;
    for persistence in [0.0, 0.5, 0.8] {
        let mut stable = 0;
        for seed in 1..=200 {
            let flat: Vec<f64> = (noise(seed, persistence).take(168))
                .map(|v| (0.3 * v).exp())
                .collect();
            let trend = of(&points(&flat, hour), hour, LEAST_BUCKETS);
            stable += u32::from(trend.direction == Direction::Stable);
        }
        assert!(stable >= 196, "{persistence}: {stable} of 200");
    }
    let rising = |value: f64, day: f64| value + 0.5 * day / 7.0;
    let values = noise(7, 0.0).take(168).zip(ramp(0.0, 7.0, 168));
    let values: Vec<f64> = values
        .map(|(v, day)| rising((0.3 * v).exp(), day))
        .collect();
    let trend = of(&points(&values, hour), hour, LEAST_BUCKETS);
    assert_eq!(trend.direction.word(Some(Worse::Up)), "degrading");
    assert_eq!(trend.direction.word(Some(Worse::Down)), "improving");
    assert_eq!(trend.direction.word(None), "rising");
}

#[test]
fn case_34_what_gets_better_improves_whichever_way_that_is() {
    let precision = daily(&ramp(0.5, 0.95, 10));
    assert_eq!(precision.direction.word(Some(Worse::Down)), "improving");
    let time = daily(&ramp(0.100, 0.055, 10));
    assert_eq!(time.direction.word(Some(Worse::Up)), "improving");
}

#[test]
fn case_36_a_gap_makes_no_trend_and_a_hump_does_not_fall() {
    let hour = DAY / 24;
    let flat: Vec<f64> = noise(3, 0.0).take(168).map(|v| (0.3 * v).exp()).collect();
    let mut with_gap = points(&flat, hour);
    with_gap.drain(60..90);
    assert_eq!(
        of(&with_gap, hour, LEAST_BUCKETS).direction,
        Direction::Stable
    );
    let mut hump = ramp(1.0, 5.0, 11);
    hump.extend(ramp(4.6, 1.0, 10));
    let trend = daily(&hump);
    assert_ne!(trend.direction, Direction::Falling);
    assert_ne!(trend.direction, Direction::Rising);
}

#[test]
fn partial_buckets_do_not_count() {
    let mut points = points(&ramp(1.0, 3.0, 12), DAY);
    points[11].is_partial = true;
    points[11].value = -1e9;
    let trend = of(&points, DAY, LEAST_BUCKETS);
    assert_eq!((trend.buckets, trend.direction), (11, Direction::Rising));
}

#[test]
fn a_line_says_when_it_reaches_a_value() {
    let fitted = daily(&ramp(1.0, 10.0, 10)).fitted.unwrap();
    // The middle of the last bucket, where the line is at 10.
    let now = Timestamp::from_millis(DAY_MILLIS / 2 + 9 * DAY_MILLIS);
    let after = |value| fitted.reaches(value, now).map(|forecast| forecast.after);
    assert!((after(13.0).unwrap() - 3.0).abs() < 1e-6);
    assert_eq!(after(8.0), Some(0.0));
    // It was above it from the first.
    assert_eq!(after(0.5), None);
    let forecast = fitted.reaches(13.0, now).unwrap();
    assert!(forecast.earliest <= forecast.after && forecast.after <= forecast.latest.unwrap());
    let needed = fitted.slope_to(20.0, now.after(DAY * 10)).unwrap();
    assert!((needed - 14.5 / 14.5).abs() < 1e-6, "{needed}");
    let falling = daily(&ramp(10.0, 1.0, 10)).fitted.unwrap();
    assert!((falling.reaches(0.0, now).unwrap().after - 1.0).abs() < 1e-6);
    assert_eq!(falling.reaches(11.0, now), None);
}

#[test]
fn a_slope_is_a_share_of_the_level_in_the_middle() {
    let fitted = daily(&ramp(95.0, 105.0, 11)).fitted.unwrap();
    assert!((fitted.level - 100.0).abs() < 1e-6);
    assert!((fitted.relative().unwrap() - 0.01).abs() < 1e-8);
}

#[test]
fn a_frame_has_buckets_that_the_store_keeps() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    for (window, bucket, expected) in [
        (7 * 24 * 60, 60, None),
        (2 * 24 * 60, 10, None),
        (180, 1, None),
        (7 * 24 * 60, 10, Some(FrameError::Number(5, 1_000))),
        (7 * 24 * 60, 90, Some(FrameError::Finer(minutes(60)))),
        (2 * 24 * 60, 15, Some(FrameError::Finer(minutes(10)))),
        (60, 15, Some(FrameError::Number(5, 1_000))),
        (60, 0, Some(FrameError::Number(5, 1_000))),
    ] {
        let frame = Frame::new(minutes(window), minutes(bucket));
        assert_eq!(frame.err(), expected, "{window} {bucket}");
    }
}
