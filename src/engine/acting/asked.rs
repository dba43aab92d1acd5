//! Actions that somebody asks for, whatever the cooldown says.

use std::time::Duration;

use super::Cause;
use crate::engine::Engine;
use crate::engine::action::{self, Action};
use crate::engine::time::Now;

/// Why nothing is run that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There is no such action.
    #[error("there is no action {name:?}, allowed: {}", listed(known))]
    NoAction {
        /// What was asked for.
        name: String,
        /// Those that are configured.
        known: Vec<String>,
    },
    /// There is no such alert.
    #[error(
        "no alert {0:?} fires, allowed: the fingerprint of an alert of a rule, or the name of a rule of which one alert fires"
    )]
    NoAlert(String),
    /// More than one alert fires by that name.
    #[error("{count} alerts {name:?} fire, allowed: the fingerprint of one of them")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// One is under way.
    #[error("it cannot be run now: {0}")]
    HeldBack(&'static str),
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "a name of `actions`, which there are none of".to_owned(),
        names => names.join(", "),
    }
}

impl Engine {
    /// Runs an action for an alert that fires because somebody asks for it, whatever the cooldown says; gives the key of the
    /// request. `alert` is a fingerprint, or the name of a rule of which one alert fires.
    ///
    /// # Errors
    /// When there is no such action or alert, or one is under way.
    pub fn run_action(&mut self, name: &str, alert: &str, now: Now) -> Result<String, RunError> {
        let Some(action) = self.actions.get(name).cloned() else {
            let known = self.actions.configured().map(|one| one.name.clone());
            return Err(RunError::NoAction {
                name: name.to_owned(),
                known: known.collect(),
            });
        };
        let mut causes = self.causes();
        let fingerprint = |cause: &Cause| format!("{:016x}", cause.alert.fingerprint);
        causes.retain(|(_, cause)| cause.rule == alert || fingerprint(cause) == alert);
        let cause = match causes.as_slice() {
            [] => return Err(RunError::NoAlert(alert.to_owned())),
            [(_, cause)] => cause.clone(),
            several => {
                return Err(RunError::Ambiguous {
                    name: alert.to_owned(),
                    count: several.len(),
                });
            }
        };
        let now = self.judging(now);
        let without_cooldown = Action {
            cooldown: Duration::ZERO,
            ..Action::clone(&action)
        };
        let held = (self.actions).holds_back(&without_cooldown, &cause.identity, now.steady);
        if let Some(why) = held {
            return Err(RunError::HeldBack(why));
        }
        let key = (name.to_owned(), cause.rule.clone(), cause.identity.clone());
        if !self.actions.cases.contains_key(&key) && !self.actions.make_room() {
            return Err(RunError::HeldBack("too many are under way"));
        }
        let case = self.case(&key);
        case.attempt = match case.has_acted_on(cause.since) {
            true => case.attempt + 1,
            false => 1,
        };
        let request = action::key(&key, cause.since, case.attempt);
        case.request(cause.run(request.clone(), now));
        Ok(request)
    }
}
