//! What the engine is told by its configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use super::action::Action;
use super::alert::RESOLVED_RETENTION;
use super::dispatch::maintenance::Window;
use super::dispatch::{Digest, FlapSettings, InhibitRule, Receiver, Route, TimeIntervals};
use super::rule::{External, RuleGroup};
use super::store::StoreSettings;

/// Everything the engine is told by its configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds of the store.
    pub store: StoreSettings,
    /// The rules.
    pub groups: Vec<RuleGroup>,
    /// The root of the routes; `None` when nobody is told by opwatch itself.
    pub route: Option<Route>,
    /// Those who can be told.
    pub receivers: Vec<Receiver>,
    /// Which alerts keep others from being told.
    pub inhibit_rules: Vec<InhibitRule>,
    /// The intervals that routes name.
    pub time_intervals: TimeIntervals,
    /// When alerts flap; `None` where that is not looked at.
    pub flapping: Option<FlapSettings>,
    /// What is collected, to be told later.
    pub digests: Vec<Digest>,
    /// Maintenance that recurs.
    pub maintenance: Vec<Window>,
    /// What all alerts share.
    pub external: External,
    /// How often Alertmanagers are told again.
    pub resend_delay: Duration,
    /// How long they are told again of an alert that has ended.
    pub resolved_retention: Duration,
    /// Announce every firing level instead of the highest only.
    pub send_levels: bool,
    /// How far the starts of alerts may lie apart that are one incident; `None` where there are no incidents.
    pub incidents: Option<Duration>,
    /// Integrations, by receiver and number, that know what they are told of by its group: they are told of each group by
    /// itself.
    pub told_by_group: BTreeSet<(String, usize)>,
    /// What alerts bring about.
    pub actions: Vec<Action>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: StoreSettings::default(),
            groups: Vec::new(),
            route: None,
            receivers: Vec::new(),
            inhibit_rules: Vec::new(),
            time_intervals: TimeIntervals::new(),
            flapping: None,
            digests: Vec::new(),
            maintenance: Vec::new(),
            external: External::default(),
            resend_delay: Duration::from_secs(60),
            resolved_retention: RESOLVED_RETENTION,
            send_levels: false,
            incidents: None,
            told_by_group: BTreeSet::new(),
            actions: Vec::new(),
        }
    }
}
