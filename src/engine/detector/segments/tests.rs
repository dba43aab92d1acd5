use super::*;
use crate::engine::detector::noise::noise;
use proptest::prelude::*;

/// The series of `expected.csv`, by their names.
fn series(name: &str) -> Vec<Option<f64>> {
    let all = |n, seed, value: &dyn Fn(f64, f64) -> f64| -> Vec<Option<f64>> {
        let noise = noise(seed).take(n).zip(0u32..);
        noise
            .map(|(noise, at)| Some(value(f64::from(at), noise) / 10.0))
            .collect()
    };
    let from = |at: f64, begin: f64, size: f64| if at >= begin { size } else { 0.0 };
    match name {
        "quiet" => all(120, 1, &|_, noise| noise),
        "step" => all(160, 2, &|at, noise| {
            1_000.0 + noise + from(at, 70.0, 1_500.0)
        }),
        "faint" => all(110, 8, &|at, noise| noise + from(at, 70.0, 600.0)),
        "turn" => all(150, 3, &|at, noise| {
            noise + 30.0 * at.min(90.0) - from(at, 91.0, 40.0 * (at - 90.0))
        }),
        "stairs" => all(400, 4, &|at, noise| {
            noise + 2_000.0 * ((at / 40.0).floor() * 7.0 % 5.0)
        }),
        "gaps" => {
            let mut values = all(200, 5, &|at, noise| {
                noise + from(at, 60.0, 3_000.0) - from(at, 110.0, 3_000.0)
            });
            let missing = values.iter_mut().skip(2).step_by(5);
            missing.for_each(|value| *value = None);
            values
        }
        "slow" => {
            let slow = noise(6).scan(0.0, |level, noise| {
                *level = *level * 0.75 + noise - 500.0;
                Some(Some(*level / 10.0))
            });
            slow.take(300).collect()
        }
        "short" => [1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0]
            .map(Some)
            .to_vec(),
        "constant" => vec![Some(7.0); 50],
        "ten" => [0.0, 0.0, 0.0, 0.0, 1.0, 8.0, 8.0, 9.0, 8.0, 8.0]
            .map(Some)
            .to_vec(),
        "long" => all(3_210, 7, &|at, noise| {
            noise + from(at, 1_234.0, 2_000.0) + from(at, 2_500.0, at)
        }),
        _ => panic!("no series {name}"),
    }
}

fn of(name: &str) -> Segmentation {
    segment(&series(name), &Settings::default())
}

/// As `expected.csv` writes it.
fn lines(name: &str, found: &Segmentation) -> Vec<String> {
    let model = format!("{:?}", found.model).to_lowercase();
    let cuts = found.cuts.iter();
    let cuts = cuts.map(|Cut { index, score }| format!("{name},cut,{index},,{score:?},"));
    let parts = found.parts.iter().map(|part| {
        let Part {
            first,
            last,
            start,
            end,
        } = part;
        format!("{name},part,{first},{last},{start:?},{end:?}")
    });
    let model = std::iter::once(format!("{name},model,,,{model},"));
    model.chain(cuts).chain(parts).collect()
}

/// Fields of numbers may differ by one in a million, others not at all.
fn same(one: &str, other: &str) -> bool {
    let fields = |line: &str| -> Vec<String> { line.split(',').map(str::to_owned).collect() };
    let (one, other) = (fields(one), fields(other));
    let same = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-6 * a.abs().max(1.0),
        _ => a == b,
    };
    one.len() == other.len() && one.iter().zip(&other).all(same)
}

/// The results of an implementation in Python, which keeps the cost of every piece in a matrix.
#[test]
fn cuts_are_those_of_an_independent_implementation() {
    let expected = include_str!("expected.csv");
    for name in [
        "quiet", "step", "faint", "turn", "stairs", "gaps", "slow", "short", "constant", "ten",
        "long",
    ] {
        let own = format!("{name},");
        let expected = expected.lines().filter(|line| line.starts_with(&own));
        let expected: Vec<&str> = expected.collect();
        let lines = lines(name, &of(name));
        assert_eq!(lines.len(), expected.len(), "{lines:#?}\n{expected:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(same(line, expected), "{line}\n{expected}");
        }
    }
}

#[test]
fn the_best_cuts_are_those_of_trying_all() {
    let values: Vec<f64> = noise(9).take(14).collect();
    let costs = Costs::new(&values);
    for model in Model::ALL {
        let paths = search::best_cuts(&costs, model, 3, 3);
        assert_eq!(paths.len(), 3);
        let error = |cuts: &[usize]| {
            let pieces = pieces(cuts, values.len());
            let errors = pieces.map(|(from, to)| {
                let residuals = fit::residuals(&values[from..to], model);
                residuals.map(|residual| residual * residual).sum::<f64>()
            });
            errors.sum::<f64>()
        };
        let two = (3..=11).map(|cut| error(&[cut]));
        let three = (3..=8).flat_map(|a| (a + 3..=11).map(move |b| [a, b]));
        let three = three.map(|cuts| error(&cuts));
        let least = [
            error(&[]),
            two.fold(f64::INFINITY, f64::min),
            three.fold(f64::INFINITY, f64::min),
        ];
        for (path, least) in paths.iter().zip(least) {
            assert!(
                (path.error - least).abs() < 1e-6 * least,
                "{path:?} {least}"
            );
            assert!((error(&path.cuts) - least).abs() < 1e-6 * least);
        }
    }
}

#[test]
fn values_that_are_not_finite_are_left_out() {
    let mut values = series("step");
    let cuts = |values: &[Option<f64>]| segment(values, &Settings::default()).cuts;
    values.splice(30..30, [None, Some(f64::NAN), Some(f64::INFINITY)]);
    let moved: Vec<Cut> = of("step")
        .cuts
        .iter()
        .map(|cut| Cut {
            index: cut.index + 3,
            ..*cut
        })
        .collect();
    assert_eq!(cuts(&values), moved);
}

proptest! {
    #[test]
    fn pieces_cover_the_series_in_order_however_odd_it_is(
        values in prop::collection::vec(prop::option::of(prop::sample::select(&[
            0.0, -0.0, 1.0, 1.5, 2.0, 5e-324, -1e-200, 1e150, f64::MAX, f64::MIN, f64::NAN,
        ][..])), 0..120),
        segments in 0usize..20,
        shortest in 0usize..12,
        coarse in 0usize..60,
    ) {
        let settings = Settings { segments, shortest, coarse, ..Settings::default() };
        let Segmentation { cuts, parts, .. } = segment(&values, &settings);
        prop_assert!(parts.is_empty() && cuts.is_empty() || parts.len() == cuts.len() + 1);
        for (part, cut) in parts.iter().skip(1).zip(&cuts) {
            prop_assert_eq!(part.first, cut.index);
            prop_assert!((0.5..=1.0).contains(&cut.score));
        }
        for (before, after) in parts.iter().zip(parts.iter().skip(1)) {
            prop_assert!(before.first <= before.last && before.last < after.first);
        }
        for part in &parts {
            prop_assert!(values[part.first].is_some() && values[part.last].is_some());
        }
    }
}
