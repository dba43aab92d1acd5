//! What is said of requests: that they were taken, what became of them, and that nobody could be asked.

use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::action::{
    self, Action, Case, EndsBy, Outcome, Report, ReportError, Reported, Stage,
};
use crate::engine::time::{Now, Timestamp};

impl Engine {
    /// Takes word that whoever was asked has taken the request, with by what they know it, or has refused it for good.
    pub fn take_answer(&mut self, key: &str, answer: Result<Option<String>, String>, now: Now) {
        let judging = self.judging(now);
        let Some((case_key, action)) = self.under_way(key, |stage| *stage == Stage::Requested)
        else {
            return;
        };
        match answer {
            Ok(_) if action.ends_by == EndsBy::Answer => {
                self.succeed(&case_key, &action, judging.wall, judging);
            }
            Ok(job) => {
                let case = self.case(&case_key);
                case.say("");
                case.enter(Stage::Running { job });
            }
            Err(message) => self.end(&case_key, Outcome::Failed, &message, judging),
        }
    }

    /// Takes word that an attempt to request or to ask has failed and is made again.
    pub fn take_trouble(&mut self, key: &str, message: &str) {
        if let Some((case_key, _)) = self.under_way(key, Stage::is_in_flight) {
            self.actions.count(&case_key.0).failed_attempts += 1;
            self.case(&case_key).say(message);
        }
    }

    /// Takes what is reported of a request; gives how it stands then.
    ///
    /// # Errors
    /// When there is no such request, or it is over in another way.
    pub fn take_report(
        &mut self,
        key: &str,
        report: Report,
        now: Now,
    ) -> Result<Case, ReportError> {
        let judging = self.judging(now);
        let waits = |stage: &Stage| matches!(stage, Stage::Requested | Stage::Running { .. });
        let Some((case_key, action)) = self.under_way(key, waits) else {
            return self.told_again(key, &report);
        };
        if report.status == Reported::Running {
            let case = self.case(&case_key);
            if case.stage == Stage::Requested {
                case.enter(Stage::Running { job: None });
            }
            case.say(&report.message);
        } else if report.status == Reported::Failed {
            let message = match report.message.as_str() {
                "" => "reported without a reason",
                said => said,
            };
            self.end(&case_key, Outcome::Failed, message, judging);
        } else {
            let run = self.case(&case_key).run.as_mut();
            let begun = run.map_or(now.wall, |run| {
                run.metrics = report.metrics;
                run.at
            });
            self.case(&case_key).say(&report.message);
            let since = report
                .since
                .unwrap_or(now.wall)
                .clamp(begun, now.wall.max(begun));
            self.succeed(&case_key, &action, since, judging);
        }
        (self.actions.cases.get(&case_key).cloned())
            .ok_or_else(|| ReportError::NotFound(key.to_owned()))
    }

    /// How a request stands of which no more was to be reported: the same again is no fault.
    fn told_again(&mut self, key: &str, report: &Report) -> Result<Case, ReportError> {
        let not_found = || ReportError::NotFound(key.to_owned());
        let case = self.actions.find(key).ok_or_else(not_found)?;
        let is_in_probation = case.run.as_ref().is_some_and(|run| run.key == key)
            && matches!(case.stage, Stage::Probation { .. });
        let outcome = case.past(key).map(|past| past.outcome);
        let agrees = match (report.status, outcome) {
            (Reported::Failed, outcome) => outcome == Some(Outcome::Failed),
            (Reported::Succeeded | Reported::Running, None) => is_in_probation,
            (Reported::Running, Some(_)) => false,
            (Reported::Succeeded, Some(outcome)) => !matches!(
                outcome,
                Outcome::Failed | Outcome::TimedOut | Outcome::CalledOff
            ),
        };
        if agrees {
            return Ok(case.clone());
        }
        Err(ReportError::Over {
            key: key.to_owned(),
            outcome: outcome.map_or("succeeded", Outcome::as_str),
        })
    }

    /// The case that has a request under way, where it is at such a stage, and its action.
    fn under_way(
        &mut self,
        key: &str,
        is_at: impl Fn(&Stage) -> bool,
    ) -> Option<(action::CaseKey, Arc<Action>)> {
        let cases = self.actions.cases.iter();
        let (case_key, _) = cases
            .filter(|(_, case)| case.run.as_ref().is_some_and(|run| run.key == key))
            .find(|(_, case)| is_at(&case.stage))?;
        let case_key = case_key.clone();
        let action = self.actions.get(&case_key.0)?.clone();
        Some((case_key, action))
    }

    /// Goes on after a success: what is worse than what there is is refused, and else what it led to has to prove itself.
    fn succeed(&mut self, key: &action::CaseKey, action: &Action, from: Timestamp, now: Now) {
        if let Some(fault) = self.is_worse(key) {
            self.end(key, Outcome::Refused, &fault, now);
        } else if action.probation.is_some() {
            let begun = now.steady;
            self.case(key).enter(Stage::Probation { from, begun });
        } else {
            let said = self.case(key).run.as_ref().map(|run| run.message.clone());
            self.end(key, Outcome::Succeeded, &said.unwrap_or_default(), now);
        }
    }

    /// Why what was made is worse than what there is, by what was reported of it.
    fn is_worse(&self, key: &action::CaseKey) -> Option<String> {
        let run = self.actions.cases.get(key)?.run.as_ref()?;
        let (state, instance) = self.instance_of(key)?;
        let condition = &state.rule.condition;
        let metric = action::metric(condition)?.to_string();
        let reported = *run.metrics.get(&metric)?;
        let current = instance.levels.iter().find_map(|level| level.value);
        let current = current.or(run.bar.value)?;
        let worse = action::worse(condition)?;
        (worse.sign() * (reported - current) > 0.0)
            .then(|| format!("{metric} was reported as {reported:.6}, now it is {current:.6}"))
    }
}
