//! Reading the configuration again: on a signal, a request or a change of its files, and all of it or nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::vitals::{Vitals, locked};
use super::{LoadConfig, StartError, links_of, list, taken_labels};
use crate::clock::Clock;
use crate::config::{Config, Content, to_alertmanager};
use crate::driver::EngineHandle;
use crate::http::api::Reload;
use crate::ingest::target::SharedTarget;
use crate::links::{LinkKey, Links};
use crate::notify::{Notifiers, NotifySettings};

/// How often the files are looked at. What has changed is taken once two looks on end have seen the same, so that nothing
/// is read while it is being written. Looking rather than being told works on every file system and through the links of a
/// ConfigMap, of which the kubelet brings changes within a minute anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Reads the configuration again when it is asked to, or when its files have changed.
pub(super) struct Reloader {
    pub(super) load_config: Box<LoadConfig>,
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) engine: EngineHandle,
    pub(super) taken: watch::Sender<Arc<Vec<String>>>,
    pub(super) routing: watch::Sender<Arc<str>>,
    pub(super) links: watch::Sender<Option<Arc<Links>>>,
    pub(super) link_key: LinkKey,
    pub(super) notifiers: Arc<Notifiers>,
    pub(super) target: Arc<SharedTarget>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) notify_settings: NotifySettings,
    /// Told after each reload that has been taken.
    pub(super) reloaded: Arc<Notify>,
    /// What the files held when they were read last.
    pub(super) taken_content: Option<Content>,
}

impl Reloader {
    /// Serves signals and reload requests until it is time to end.
    pub(super) async fn serve(
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
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
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
                _ = looks.tick() => {
                    let now = self.look().await;
                    if now.is_some() && now != self.taken_content && now == seen {
                        tracing::info!("the files of the configuration have changed");
                        let _ = self.reload().await;
                    }
                    seen = now;
                }
            }
        }
        quit.cancel();
        Ok(())
    }

    /// What the files hold; `None` where there are none.
    async fn look(&self) -> Option<Content> {
        let files = self.config.files()?;
        // Files may lie on a disk that does not answer.
        let looking = tokio::task::spawn_blocking(move || files.content());
        looking.await.ok()
    }

    /// Takes the new configuration whole, or with a fault anywhere nothing of it.
    async fn reload(&mut self) -> Result<(), String> {
        // Before they are read: what changes meanwhile is then seen as a change. Also where they have a fault: that is told
        // once and not at each look.
        self.taken_content = self.look().await;
        let files = self.config.files();
        let outcome = self.try_reload().await;
        if self.config.files() != files {
            // Other files belong to it from now on.
            self.taken_content = self.look().await;
        }
        let mut last = locked(&self.vitals.reload);
        last.successful = outcome.is_ok();
        match &outcome {
            Ok(()) => {
                last.succeeded_at = self.clock.now().wall;
                self.reloaded.notify_one();
                tracing::info!("configuration reloaded");
            }
            Err(faults) => {
                tracing::error!("configuration not reloaded, the old one stays:\n{faults}");
            }
        }
        outcome
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let config = (self.load_config)()?;
        if config.listen != self.config.listen || config.limits != self.config.limits {
            tracing::warn!("changes of `listen` and `limits` take effect at the next start");
        }
        let settings = config.notify.clone();
        // As long as nothing about telling changes, nobody is tried again before the time.
        let prepared = if settings == self.notify_settings {
            None
        } else {
            let prepared = settings.prepare(self.clock);
            Some(prepared.map_err(|faults| list(&faults))?)
        };
        self.engine
            .reconfigure(config.engine_settings(), prepared)
            .await
            .map_err(|error| error.to_string())?;
        self.taken.send_replace(taken_labels(&config));
        self.routing.send_replace(to_alertmanager(&config).into());
        let links = links_of(&config, &self.link_key);
        self.notifiers.set_links(links.clone());
        self.links.send_replace(links);
        self.target.lock().reconfigure(config.target.clone());
        self.target.changed.notify_one();
        self.notify_settings = settings;
        self.config = config;
        Ok(())
    }
}
