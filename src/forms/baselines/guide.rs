//! Baselines in the style of the original guide: numbers in its units.

/// The name of baselines that the guide gives none.
pub const GUIDE: &str = "guide";
/// Bytes of a MB, as the guide counts them.
const MB: f64 = 1_048_576.0;
/// Percent of CPU that are one core.
const CORE: f64 = 100.0;

/// The metric and the value of each number that is given: execution time in seconds, memory in MB, CPU in percent of one
/// core, and samples per second.
pub fn guide_numbers(
    [execution_time, memory_usage, cpu_usage, throughput]: [Option<f64>; 4],
) -> impl Iterator<Item = (&'static str, f64)> {
    [
        ("duration", execution_time),
        ("memory", memory_usage.map(|mb| mb * MB)),
        ("cpu", cpu_usage.map(|percent| percent / CORE)),
        ("throughput", throughput),
    ]
    .into_iter()
    .filter_map(|(metric, value)| Some((metric, value?)))
}
