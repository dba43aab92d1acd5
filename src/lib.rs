//! opwatch
