//! Maintenance is started and ended here.

use std::sync::Arc;

use super::Engine;
use super::dispatch::Maintenance;
use super::dispatch::maintenance::{MaintenanceError, Started, Window};
use super::time::Now;

impl Engine {
    /// All maintenance.
    pub fn maintenance(&self) -> &Arc<Maintenance> {
        &self.dispatcher.maintenance
    }

    /// Starts maintenance now; gives its id.
    ///
    /// # Errors
    /// Why it is not taken; then nothing has changed.
    pub fn start_maintenance(
        &mut self,
        wanted: Started,
        now: Now,
    ) -> Result<String, MaintenanceError> {
        let started = Arc::make_mut(&mut self.dispatcher.maintenance).start(wanted, now.wall)?;
        self.note_maintenance(&started);
        Ok(started.id.clone())
    }

    /// Ends the maintenance of that id now, or all of that name; gives the ids.
    ///
    /// # Errors
    /// When there is none, or it has ended.
    pub fn end_maintenance(
        &mut self,
        which: &str,
        now: Now,
    ) -> Result<Vec<String>, MaintenanceError> {
        let ended = Arc::make_mut(&mut self.dispatcher.maintenance).end(which, now.wall)?;
        for one in &ended {
            self.note_maintenance(one);
        }
        Ok(ended.iter().map(|one| one.id.clone()).collect())
    }

    /// Takes the maintenance that recurs as the configuration has it now.
    pub(super) fn set_windows(&mut self, windows: Vec<Window>) {
        if self.maintenance().windows() != windows {
            Arc::make_mut(&mut self.dispatcher.maintenance).set_windows(windows);
        }
    }

    /// Takes maintenance that was started elsewhere, so that the same is learned here.
    pub fn take_maintenance(&mut self, started: &Maintenance) {
        let all = Arc::make_mut(&mut self.dispatcher.maintenance);
        for one in started.started() {
            all.take_back(Started::clone(one));
        }
    }

    /// Takes maintenance back that was kept elsewhere than with the engine's state, unless it is there in a later form;
    /// whether it was taken.
    pub fn take_back_maintenance(&mut self, one: &Started) -> bool {
        let is_taken = Arc::make_mut(&mut self.dispatcher.maintenance).take_back(one.clone());
        if is_taken {
            self.note_maintenance(one);
        }
        is_taken
    }

    /// Forgets maintenance that ended long ago.
    pub(super) fn forget_maintenance(&mut self, now: Now) {
        let learned = self.store.settings().retention;
        let gone = self.maintenance().forgettable(now.wall, learned);
        for id in gone {
            Arc::make_mut(&mut self.dispatcher.maintenance).forget(&id);
            self.note_maintenance_gone(id);
        }
    }
}
