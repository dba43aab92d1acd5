//! The one place that knows every part: build, run, drain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::driver::{Driver, EngineHandle};
use crate::engine::Engine;
use crate::exposition::{Internals, ReloadState, TargetUsage};
use crate::http::address::ListenAddress;
use crate::http::api::{Reload, Services};
use crate::http::listener::{ListenError, Listener, ListenerStats};
use crate::http::router::{Router, Side};
use crate::ingest::sampler::{self, Target};
use crate::ingest::tracking::Tracking;
use crate::notify::{Notifiers, NotifiersError};

/// How long requests in flight and undelivered notifications have at shutdown.
const GRACE: Duration = Duration::from_secs(10);
/// How often the processes of open operations are looked at for their memory peak.
const TRACKING_INTERVAL: Duration = Duration::from_secs(1);

/// Why opwatch could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A receiver cannot work as it is configured.
    #[error(transparent)]
    Notifiers(#[from] NotifiersError),
    /// The operating system refused something basic.
    #[error("{attempted}: {source}")]
    System {
        /// What was attempted.
        attempted: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

/// Everything that has been built and is ready to run.
pub struct App {
    source: Source,
    config: Config,
    clock: Clock,
    public: Listener,
    ingest: Listener,
    quit: CancellationToken,
}

/// What the last reload came to.
#[derive(Clone, Copy, Debug)]
struct LastReload {
    successful: bool,
    succeeded_at: f64,
}

impl App {
    /// Opens the listeners; nothing runs yet. `source` is where a reload reads the configuration again.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub fn build(config: Config, source: Source) -> Result<Self, StartError> {
        Ok(Self {
            public: Listener::bind(&config.listen.public)?,
            ingest: Listener::bind(&config.listen.ingest)?,
            source,
            config,
            clock: Clock::start(),
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
            source,
            config,
            clock,
            public,
            ingest,
            quit,
        } = self;
        let notifiers = Notifiers::start(config.notify_settings(), clock)?;
        let engine = Engine::new(config.engine_settings(), clock.now());
        let stop_driver = CancellationToken::new();
        let (driver, engine) = Driver::new(engine, clock, notifiers.clone(), config.queue());
        let tasks = TaskTracker::new();
        let driving = tokio::spawn(driver.run(stop_driver.clone()));
        let target = config
            .target_pid()
            .map(|pid| sampler::watch(pid, config.target_interval(), quit.clone()));
        let (reload, reloads) = mpsc::channel(4);
        let (taken_sender, taken_labels) = watch::channel(Arc::new(config.taken_labels()));
        let last_reload = Arc::new(Mutex::new(LastReload {
            successful: true,
            succeeded_at: clock.now().wall.seconds(),
        }));
        let current_notifiers = Arc::new(Mutex::new(notifiers));
        let services = Arc::new(Services {
            engine: engine.clone(),
            clock,
            limits: config.http_limits(),
            tracking: Mutex::new(Tracking::default()),
            target: target.clone(),
            target_pid: config.target_pid(),
            taken_labels,
            reload,
            quit: quit.clone(),
            internals: internals(
                engine.clone(),
                clock,
                [public.stats(), ingest.stats()],
                target,
                current_notifiers.clone(),
                last_reload.clone(),
            ),
        });
        announce(&config, &public, &ingest);
        for (side, listener) in [(Side::Public, public), (Side::Ingest, ingest)] {
            let router = Router::new(side, services.clone()).map_err(|error| {
                StartError::System {
                    attempted: "build the table of routes",
                    source: std::io::Error::other(error),
                }
            })?;
            let answer = move |request| router.clone().answer(request);
            tasks.spawn(listener.serve(answer, config.http_limits(), quit.clone(), GRACE));
        }
        tasks.spawn(look_at_open_operations(services, quit.clone()));
        let mut reloader = Reloader {
            source,
            config,
            clock,
            engine,
            taken: taken_sender,
            notifiers: current_notifiers.clone(),
            last: last_reload,
        };
        reloader.serve(reloads, &quit).await?;
        tracing::info!("shutting down");
        tasks.close();
        tasks.wait().await;
        stop_driver.cancel();
        if let Err(error) = driving.await {
            tracing::error!(%error, "the engine's task failed");
        }
        let last = locked(&current_notifiers).clone();
        last.drain(GRACE).await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn announce(config: &Config, public: &Listener, ingest: &Listener) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        public = %public.local_address(),
        ingest = %ingest.local_address(),
        rules = config.rule_count(),
        max_memory_bytes = config.store.max_memory,
        max_series = config.store.max_series,
        "opwatch is starting; everything is kept in memory"
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

/// Reads the configuration again when it is asked to.
struct Reloader {
    source: Source,
    config: Config,
    clock: Clock,
    engine: EngineHandle,
    taken: watch::Sender<Arc<Vec<String>>>,
    notifiers: Arc<Mutex<Notifiers>>,
    last: Arc<Mutex<LastReload>>,
}

impl Reloader {
    /// Serves signals and reload requests until it is time to end.
    async fn serve(
        &mut self,
        mut requests: mpsc::Receiver<Reload>,
        quit: &CancellationToken,
    ) -> Result<(), StartError> {
        let listen = |kind| {
            signal(kind).map_err(|source| StartError::System {
                attempted: "listen for signals",
                source,
            })
        };
        let mut hangup = listen(SignalKind::hangup())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        loop {
            tokio::select! {
                () = quit.cancelled() => break,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    // The outcome is logged; a signal has nobody to answer to.
                    let _ = self.reload().await;
                }
                Some(reply) = requests.recv() => {
                    let outcome = self.reload().await;
                    let _ = reply.send(outcome);
                }
            }
        }
        quit.cancel();
        Ok(())
    }

    /// Takes the new configuration whole, or with a fault anywhere nothing of it.
    async fn reload(&mut self) -> Result<(), String> {
        let outcome = self.try_reload().await;
        let mut last = locked(&self.last);
        last.successful = outcome.is_ok();
        match &outcome {
            Ok(()) => {
                last.succeeded_at = self.clock.now().wall.seconds();
                tracing::info!("configuration reloaded");
            }
            Err(faults) => tracing::error!("configuration not reloaded, the old one stays:\n{faults}"),
        }
        outcome
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let config = self.source.load()?;
        if config.listen != self.config.listen || config.limits != self.config.limits {
            tracing::warn!("changes of `listen` and `limits` take effect at the next start");
        }
        let notifiers = Notifiers::start(config.notify_settings(), self.clock)
            .map_err(|error| error.to_string())?;
        self.engine
            .reconfigure(config.engine_settings(), notifiers.clone())
            .await
            .map_err(|error| error.to_string())?;
        self.taken.send_replace(Arc::new(config.taken_labels()));
        let before = std::mem::replace(&mut *locked(&self.notifiers), notifiers);
        // What the old receivers still have to deliver they deliver in the background.
        tokio::spawn(async move { before.drain(GRACE * 6).await });
        self.config = config;
        Ok(())
    }
}

/// What the exposition shows of everything but the engine.
fn internals(
    engine: EngineHandle,
    clock: Clock,
    listeners: [Arc<ListenerStats>; 2],
    target: Option<watch::Receiver<Target>>,
    notifiers: Arc<Mutex<Notifiers>>,
    reload: Arc<Mutex<LastReload>>,
) -> Box<dyn Fn() -> Internals + Send + Sync> {
    let started = clock.now().wall.seconds();
    Box::new(move || {
        let last = *locked(&reload);
        let refused = engine.refused();
        let (queued, queue_capacity) = engine.queue();
        let _ = (&listeners, &target, &notifiers, refused, queued, queue_capacity);
        let _: Option<(ReloadState, TargetUsage)> = None;
        let _ = (last, started);
        Internals::default()
    })
}
