//! What happens to an engine, in the proportions in which the random test has it happen.

use proptest::prelude::*;

/// The operations that are measured.
pub(super) const OPERATIONS: [&str; 2] = ["a", "b"];

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An operation, of how long ago in seconds, and how long it took.
    Measure(usize, i64, u8),
    /// Time passes.
    Pass(u64),
    /// Time passes, and what is due is judged.
    Tick(u64),
    /// The configuration is read again; with or without a rule more.
    Reload(bool),
    /// Everything of the series is saved.
    SaveSeries,
    /// The process is killed; the next begins so many seconds later.
    Crash(i64),
    Jump(i64),
    /// The machine is suspended for so long, with a steady clock that goes on or not.
    Suspend(u64, bool),
}

/// Any of them, the usual ones most often.
pub(super) fn act() -> impl Strategy<Value = Act> {
    let age = prop_oneof![
        6 => Just(0i64),
        3 => 0i64..30,
        1 => -15i64..0,
        1 => 0i64..20_000,
    ];
    let hours = prop_oneof![
        Just(3_600i64),
        Just(-3_600),
        Just(1_800),
        Just(-1_800),
        Just(-60),
        Just(90),
        Just(86_400),
        Just(-86_400),
    ];
    prop_oneof![
        30 => (0..OPERATIONS.len(), age, 0u8..20).prop_map(|(operation, age, value)| Act::Measure(operation, age, value)),
        5 => (1u64..9).prop_map(Act::Pass),
        40 => (1u64..12).prop_map(Act::Tick),
        2 => any::<bool>().prop_map(Act::Reload),
        2 => Just(Act::SaveSeries),
        2 => prop_oneof![Just(0i64), 0i64..200, Just(7_200)].prop_map(Act::Crash),
        2 => hours.prop_map(Act::Jump),
        1 => ((30u64..8_000), any::<bool>()).prop_map(|(seconds, goes_on)| Act::Suspend(seconds, goes_on)),
    ]
}
