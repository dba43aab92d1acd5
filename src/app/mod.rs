//! The one place that knows every part: build, run, drain.

pub mod arena;
mod backfill;
mod calling;
pub mod import;
pub mod open_files;
mod process;
pub mod regressions;
mod reload;
pub mod remote;
pub mod replay;
mod restore;
mod target;
pub mod vitals;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Content, to_alertmanager};
use crate::driver::Driver;
use crate::exposition::Internals;
use crate::http::address::{AddressError, ListenAddress, ListenError};
use crate::http::api::export::Kept;
use crate::http::api::{Services, metrics};
use crate::http::limits::Limits;
use crate::http::listener::Listener;
use crate::http::request::Side;
use crate::http::router::Router;
use crate::ingest::budget::Budget;
use crate::ingest::target::{SharedTarget, Watcher};
use crate::ingest::tracking::Tracking;
use crate::links::{LinkKey, Links};
use crate::notify::{Notifiers, SettingFault};
use backfill::{BackFill, BackFillStats};
use calling::Calling;
use reload::Reloader;
use vitals::{LastReload, Vitals, locked};

/// How often the processes of open operations are looked at for their memory peak.
const TRACKING_INTERVAL: Duration = Duration::from_secs(1);

/// Why opwatch could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// An address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A receiver cannot work as it is configured.
    #[error("cannot tell anyone: {}", list(.0))]
    Notifiers(Vec<SettingFault>),
    /// The task that everything depends on has failed.
    #[error("the engine's task failed: {0}")]
    Engine(#[from] tokio::task::JoinError),
    /// The operating system refused something basic.
    #[error("{attempted}: {source}")]
    System {
        /// What was attempted.
        attempted: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

/// Reads the configuration again, with all its faults as one text.
type LoadConfig = dyn Fn() -> Result<Config, String> + Send + Sync;

/// Everything that has been built and is ready to run.
pub struct App {
    reload: Box<LoadConfig>,
    config: Config,
    /// What the files of the configuration held when it was read.
    content: Option<Content>,
    public: Listener,
    ingest: Listener,
    quit: CancellationToken,
}

fn list(faults: &[SettingFault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl App {
    /// Opens the listeners; nothing runs yet. `reload` reads the configuration again when asked to.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub fn build(
        config: Config,
        reload: impl Fn() -> Result<Config, String> + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        Ok(Self {
            public: Listener::bind(&config.listen.public.parse()?)?,
            ingest: Listener::bind(&config.listen.ingest.parse()?)?,
            reload: Box::new(reload),
            // Looked at a moment after it was read: a change between the two is missed until the next one.
            content: config.files().map(|files| files.content()),
            config,
            quit: CancellationToken::new(),
        })
    }

    /// Where the public and the ingest listener really listen.
    pub fn addresses(&self) -> (ListenAddress, ListenAddress) {
        (
            self.public.local_address().clone(),
            self.ingest.local_address().clone(),
        )
    }

    /// Ends the run when cancelled.
    pub fn quit_token(&self) -> CancellationToken {
        self.quit.clone()
    }

    /// Runs until a signal, `/-/quit` or the quit token ends it; then drains: requests in flight, the
    /// queue, the outboxes, in this order.
    ///
    /// # Errors
    /// When something that must run cannot be started.
    pub async fn run(self) -> Result<(), StartError> {
        let Self {
            reload: load_config,
            config,
            content,
            public,
            ingest,
            quit,
        } = self;
        let restore::Start {
            mut engine,
            clock,
            storage,
            stats: store_stats,
            effects,
            waiting,
        } = restore::start(&config);
        // Notifiers outlive the listeners: they are drained last.
        let stop_notifiers = CancellationToken::new();
        let notify_settings = config.notify.clone();
        let keeper = storage.is_durable().then(Arc::default);
        let notifiers = Notifiers::start(&notify_settings, clock, keeper, &stop_notifiers)
            .map_err(StartError::Notifiers)?;
        let notifiers = Arc::new(notifiers);
        let link_key = LinkKey::load((config.data_dir.as_deref()).filter(|_| storage.is_durable()))
            .map_err(|source| StartError::System {
                attempted: "make a key for links",
                source,
            })?;
        let (links_sender, links) = watch::channel(links_of(&config, &link_key));
        notifiers.set_links(links.borrow().clone());
        notifiers.send_again(waiting);
        for effects in &effects {
            notifiers.announced(&effects.announced);
            notifiers.alertmanagers(&effects.to_alertmanager);
        }
        let mut watcher = Watcher::new(config.target.clone());
        target::look_first(&mut watcher, clock.now().steady);
        engine.set_cpu_limit(Some(watcher.cpu_limit().cores));
        let target = Arc::new(SharedTarget::new(watcher));
        let stop_driver = CancellationToken::new();
        // Of a directory that is not ours nothing is shown.
        let kept = (config.data_dir.as_deref()).filter(|_| storage.is_durable());
        let log = kept.map(crate::storage::database_of);
        let kept = kept.map(Kept::in_folder);
        let (driver, engine) = Driver::new(
            engine,
            clock,
            notifiers.clone(),
            storage,
            config.limits.queue,
        );
        let (calls, work) = mpsc::channel(calling::LANE);
        let driver = driver.calling(calls);
        let tasks = TaskTracker::new();
        let calling = Calling {
            engine: engine.clone(),
            notifiers: notifiers.clone(),
        };
        tasks.spawn(calling.serve(work, quit.clone()));
        // Without its engine opwatch could only refuse everything: then it ends, so that it is started anew.
        let without_engine = quit.clone().drop_guard();
        let stop = stop_driver.clone();
        let driving = tokio::spawn(async move {
            let _end_all = without_engine;
            driver.run(stop).await;
        });
        let refused = engine.refused().in_flight.clone();
        let budget = Budget::counting(config.limits.in_flight_bytes, refused);
        let (reload, reloads) = mpsc::channel(4);
        let (taken_sender, taken) = watch::channel(taken_labels(&config));
        let (routing_sender, routing) = watch::channel(Arc::from(to_alertmanager(&config)));
        let reloaded = Arc::new(Notify::new());
        let back_fill_stats = Arc::new(BackFillStats::default());
        let vitals = Arc::new(Vitals {
            back_fill: back_fill_stats.clone(),
            started_at: clock.now().wall,
            exposition: config.exposition,
            listeners: [("public", public.stats()), ("ingest", ingest.stats())],
            target: target.clone(),
            notifiers: notifiers.clone(),
            reload: Mutex::new(LastReload {
                successful: true,
                succeeded_at: clock.now().wall,
            }),
            engine: engine.clone(),
            storage: config.data_dir.is_some().then_some(store_stats),
            budget: budget.clone(),
        });
        let seen = vitals.clone();
        let services = Arc::new(Services {
            engine: engine.clone(),
            clock,
            limits: http_limits(&config),
            budget,
            pages: metrics::pages(),
            kept,
            tracking: Mutex::new(Tracking::new(target.clone())),
            taken_labels: taken,
            alertmanager_config: routing,
            links,
            reload,
            quit: quit.clone(),
            internals: Box::new(move || -> Internals { seen.read() }),
        });
        announce(&config, &public, &ingest);
        // At most half of it, so that there is always time for telling.
        let in_flight = config.drain_timeout / 2;
        for (side, listener) in [(Side::Public, public), (Side::Ingest, ingest)] {
            let router =
                Router::new(side, services.clone()).map_err(|error| StartError::System {
                    attempted: "build the table of routes",
                    source: std::io::Error::other(error),
                })?;
            let answer = move |request| router.clone().answer(request);
            tasks.spawn(listener.serve(answer, http_limits(&config), quit.clone(), in_flight));
        }
        tasks.spawn(look_at_open_operations(services, quit.clone()));
        tasks.spawn(target::watch(
            target.clone(),
            clock,
            engine.clone(),
            quit.clone(),
        ));
        if let Some(database) = log {
            let back_fill = BackFill {
                database,
                clock,
                engine: engine.clone(),
                stats: back_fill_stats,
                reloaded: reloaded.clone(),
            };
            tasks.spawn(back_fill.serve(quit.clone()));
        }
        let mut reloader = Reloader {
            reloaded,
            load_config,
            config,
            clock,
            engine,
            taken: taken_sender,
            routing: routing_sender,
            links: links_sender,
            link_key,
            notifiers: notifiers.clone(),
            target,
            vitals: vitals.clone(),
            notify_settings,
            taken_content: content,
        };
        reloader.serve(reloads, &quit).await?;
        let drain_timeout = reloader.config.drain_timeout;
        let end = clock.now().steady + drain_timeout;
        tracing::info!(?drain_timeout, "shutting down");
        tasks.close();
        tasks.wait().await;
        stop_driver.cancel();
        let driven = driving.await;
        // Something is left even after a slow disk: one attempt that is answered at once.
        let left = end.saturating_sub(clock.now().steady);
        notifiers.drain(left.max(drain_timeout / 4)).await;
        stop_notifiers.cancel();
        tracing::info!("stopped");
        driven.map_err(StartError::from)
    }
}

/// By what alerts are acknowledged from messages, where that is on.
fn links_of(config: &Config, key: &LinkKey) -> Option<Arc<Links>> {
    let valid_for = config.acknowledgement_links?;
    let links = Links::new(key.clone(), &config.external_url, valid_for);
    Some(Arc::new(links))
}

/// Label names that measurements may not have, because all alerts get them.
fn taken_labels(config: &Config) -> Arc<Vec<String>> {
    let names = config.external_labels.iter();
    Arc::new(names.map(|(name, _)| name.to_owned()).collect())
}

fn http_limits(config: &Config) -> Limits {
    Limits {
        body_bytes: config.limits.body_bytes,
        decompressed_bytes: config.limits.decompressed_bytes,
        connections: config.limits.connections,
        ..Limits::default()
    }
}

fn announce(config: &Config, public: &Listener, ingest: &Listener) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        public = %public.local_address(),
        ingest = %ingest.local_address(),
        rules = config.groups.iter().map(|group| group.rules.len()).sum::<usize>(),
        max_memory_bytes = config.store.max_memory,
        in_flight_bytes = config.limits.in_flight_bytes,
        max_series = config.store.max_series,
        data_dir = %config.data_dir.as_ref().map_or_else(|| "none: everything is kept in memory".to_owned(), |path| path.display().to_string()),
        "opwatch is starting"
    );
}

/// Samples memory peaks until shutdown.
async fn look_at_open_operations(services: Arc<Services>, quit: CancellationToken) {
    let mut ticks = tokio::time::interval(TRACKING_INTERVAL);
    loop {
        tokio::select! {
            () = quit.cancelled() => return,
            _ = ticks.tick() => locked(&services.tracking).sample(),
        }
    }
}
