//! Statistics, one file per family. Undefined results are `None`, never NaN.

mod moments;
mod quantile;

pub use moments::{Moments, Sum};
pub(crate) use quantile::{between, ranks};
pub use quantile::{linear, std_dev};
