//! Detectors: each keeps a small state of its own for one series and is fed one point at a time, in order.
//!
//! A point is the value of one closed block of time, or `None` where there is none. A detector uses nothing later than
//! the point it judges, so its verdicts are the same live and over recorded data.

pub mod shift;
