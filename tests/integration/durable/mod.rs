//! What is acknowledged is kept: opwatch is killed at any moment, its disk fails, the power goes, and it goes on where it was.
//!
//! All tests have a short form, which runs always, and a long one by an environment variable:
//!
//! | Variable | What it counts |
//! |---|---|
//! | `OPWATCH_KILL_ROUNDS` | kills under load |
//! | `OPWATCH_POINTS_STEP` | calls from one kill to the next; 1 kills at each |
//! | `OPWATCH_POWER_CUTS` | power cuts of each kind |
//! | `OPWATCH_DAMAGES` | damaged databases |
//! | `OPWATCH_SCRAPED_KILLS` | kills while Prometheus scrapes |
//! | `OPWATCH_TOLD_ROUNDS` | lives of alerts with kills at random |

mod alerts;
pub mod client;
mod damage;
mod disk;
mod faults;
mod golden;
mod kill;
mod points;
mod power;
mod scraped;
mod small_disk;
mod strace;
mod told;

pub const CONFIG: &str = "data_dir: data\n";

/// How much of something to do: the number in the environment variable, else that of the short run.
pub fn setting(variable: &str, short: usize) -> usize {
    let asked = std::env::var(variable).ok();
    asked.map_or(short, |text| text.parse().unwrap())
}
