//! What the log is told of the clocks.

use crate::engine::ClockEvent;

pub(super) fn clock_event(event: ClockEvent) {
    match event {
        ClockEvent::Forward(by) => tracing::warn!(
            seconds = by.as_secs_f64(),
            "the wall clock jumped forward, or the machine was suspended: windows of time that reach across are judged only where that is certain"
        ),
        ClockEvent::Backward(by) => tracing::warn!(
            seconds = by.as_secs_f64(),
            "the wall clock jumped back or stands still: windows of time have no data until it has passed what it had reached"
        ),
        ClockEvent::Stalled(by) => tracing::warn!(
            seconds = by.as_secs_f64(),
            "the process stood still: the time counts for no alert"
        ),
        ClockEvent::Down(by) => tracing::info!(
            seconds = by.as_secs_f64(),
            "there was no process: the time counts for no alert"
        ),
    }
}
