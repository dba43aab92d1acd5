//! Statistics, one file per family. Undefined results are `None`, never NaN.

mod moments;
mod quantile;
mod shift;
mod tails;

pub use moments::{Moments, Sum};
pub(crate) use quantile::{between, ranks};
pub use quantile::{linear, std_dev};
pub use shift::{counted_quantile_interval, shift};
pub use tails::{ln_beta, ln_choose, normal_quantile, student_t_above};
