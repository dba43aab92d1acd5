//! Rules: a condition with what it applies to, how long it must hold, and what its alerts say.

use std::fmt;
use std::time::Duration;

use super::condition::Condition;
use super::selector::Selector;
use super::series::Labels;
use super::template::Template;

/// How bad it is; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth looking at.
    Medium,
    /// Needs someone.
    High,
    /// Needs someone now.
    Critical,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a firing alert whose data ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoData {
    /// It stays, until `stale_after` has passed.
    #[default]
    Keep,
    /// It resolves at once, as in Prometheus.
    Resolve,
    /// It stays, and an alert of type `no_data` says that data is missing.
    Alert,
}

/// What is said when a rule cannot be evaluated. Its alerts stay as they are in any case, as in Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The health of the rule says so.
    #[default]
    Keep,
    /// An alert of type `rule_error` says so as well, until the rule is healthy.
    Alert,
}

/// Whether a rule's alerts are told to anyone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    #[default]
    Active,
    /// They are judged and shown, but nobody is told.
    Shadow,
    /// The rule is not evaluated.
    Off,
}

/// `k of n`: how many of the last evaluations that gained data must have been breached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForSamples {
    /// Breached evaluations needed, 1 to `of`.
    pub breached: u32,
    /// Evaluations looked at, at most 64.
    pub of: u32,
}

/// How long a condition must stand before its alert moves on. All on the steady clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// A breach must last this long to fire.
    pub hold: Duration,
    /// So many evaluations must have been breached to fire.
    pub for_samples: Option<ForSamples>,
    /// A firing alert stays this long after its condition has ended.
    pub keep_firing_for: Duration,
    /// What becomes of a firing alert whose data ends.
    pub no_data: NoData,
    /// Without data for this long, a pending alert ends and a kept one resolves.
    pub stale_after: Duration,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            hold: Duration::ZERO,
            for_samples: None,
            keep_firing_for: Duration::ZERO,
            no_data: NoData::Keep,
            stale_after: Duration::from_secs(3_600),
        }
    }
}

/// A label or annotation whose text is a template.
#[derive(Clone, Debug)]
pub struct Templated {
    /// Name of the label or annotation.
    pub name: String,
    /// Its text.
    pub template: Template,
}

/// One alerting rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The `alertname` of its alerts.
    pub name: String,
    /// Which series it looks at.
    pub select: Selector,
    /// Labels that make an instance; series that share them are judged together.
    pub by: Vec<String>,
    /// What it asks.
    pub condition: Condition,
    /// How long it must stand.
    pub hold: Hold,
    /// What is said when it cannot be evaluated.
    pub on_error: OnError,
    /// Names of rules: while an alert of one of them fires for the same instance, nobody is told of this rule's anew.
    pub depends_on: Vec<String>,
    /// Names of the actions that its alerts bring about.
    pub actions: Vec<String>,
    /// Whether anyone is told.
    pub mode: Mode,
    /// Labels of its alerts, over those of the instance.
    pub labels: Vec<Templated>,
    /// What its alerts say.
    pub annotations: Vec<Templated>,
    /// Changes whenever anything of the rule's definition does; state is carried over only for equal ones.
    pub definition: u64,
}

/// Rules evaluated together, in order, at one interval.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// The file it comes from, as written in the configuration or found.
    pub file: String,
    /// Its name, unique in the file.
    pub name: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// Most alerts a rule of the group may have; 0 is no limit.
    pub limit: usize,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What the templates of annotations may refer to by `$name`; those of labels only to the first four.
pub const TEMPLATE_VARIABLES: &[&str] = &[
    "labels",
    "externalLabels",
    "externalURL",
    "value",
    "threshold",
    "n",
    "metric",
    "stat",
    "severity",
    "since",
    "baseline",
    "change",
    "pvalue",
    "interval",
    "feature",
    "within",
    "perday",
];

/// What is the same for every alert of this opwatch.
#[derive(Clone, Debug, Default)]
pub struct External {
    /// Labels added to alerts that leave, where the alert has none of that name.
    pub labels: Labels,
    /// Address of this opwatch as others reach it, without a slash at the end.
    pub url: String,
}
