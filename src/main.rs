//! opwatch
fn main() {}
