//! Silences are set and called off here, and alerts are shown with what keeps them from being told.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::dispatch::silence::SilencesChanged;
use super::dispatch::{Dispatcher, Silence, SilenceError, Silences};
use super::time::Now;

impl Engine {
    /// All silences.
    pub fn silences(&self) -> &Arc<Silences> {
        &self.dispatcher.silences
    }

    /// Who is told what: groups, routes, and alerts with what keeps them from being told.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// How long others may take it that an alert fires after they were told so.
    pub fn valid_for(&self) -> Duration {
        let interval = self.groups.iter().map(|group| group.interval).max();
        self.resend_delay.max(interval.unwrap_or_default()) * 4
    }

    /// Takes a new silence, whose id is empty, or another form of one; gives the id that it has then.
    ///
    /// # Errors
    /// Why it is not taken; then nothing has changed.
    pub fn set_silence(&mut self, wanted: Silence, now: Now) -> Result<String, SilenceError> {
        self.change_silences(|all, changed| all.set(wanted, now.wall, changed))
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// When there is none, or it has ended.
    pub fn expire_silence(&mut self, id: &str, now: Now) -> Result<(), SilenceError> {
        self.change_silences(|all, changed| all.expire(id, now.wall, changed))
    }

    /// Takes a silence back that was kept elsewhere than with the engine's state, unless it is there in a later form;
    /// whether it was taken.
    pub fn take_back_silence(&mut self, silence: &Silence) -> bool {
        let is_taken = self.put_silence(silence.clone());
        if is_taken {
            self.note_silence(silence);
        }
        is_taken
    }

    /// Forgets silences that expired long ago.
    pub(super) fn forget_silences(&mut self, now: Now) {
        let is_old =
            |one: &Arc<Silence>| now.wall.since(one.ends_at) >= super::dispatch::silence::RETENTION;
        if self.silences().iter().any(is_old) {
            self.change_silences(|all, changed| all.forget(now.wall, changed));
        }
    }

    pub(super) fn put_silence(&mut self, silence: Silence) -> bool {
        Arc::make_mut(&mut self.dispatcher.silences).take_back(silence)
    }

    fn change_silences<T>(
        &mut self,
        change: impl FnOnce(&mut Silences, &mut SilencesChanged) -> T,
    ) -> T {
        let mut changed = SilencesChanged::default();
        let outcome = change(Arc::make_mut(&mut self.dispatcher.silences), &mut changed);
        for silence in &changed.kept {
            self.note_silence(silence);
        }
        for id in changed.gone {
            self.note_silence_gone(id);
        }
        outcome
    }
}
