//! What is acknowledged is kept: opwatch is killed at any moment, its disk fails, the power goes, and it goes on where it was.

mod alerts;
mod client;
mod damage;
mod disk;
mod faults;
mod golden;
mod kill;
mod points;
mod power;
mod scraped;
mod strace;
mod told;

pub const CONFIG: &str = "data_dir: data\n";

/// How much of something to do: the number in the environment variable, else that of the short run.
fn setting(variable: &str, short: usize) -> usize {
    let asked = std::env::var(variable).ok();
    asked.map_or(short, |text| text.parse().unwrap())
}
