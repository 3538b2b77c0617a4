//! `odometer serve`: the service until a signal or a fatal condition ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Failure;
use crate::config::Settings;
use crate::http;
use crate::http::live::Live;
use crate::http::operator;
use crate::http::test_clock;
use crate::runtime::catalog_apply;
use crate::runtime::clock::{Clock, Stopwatch};
use crate::runtime::commands::Commands;
use crate::runtime::fatal::Fatal;
use crate::runtime::fault::Fault;
use crate::runtime::operator::Operator;
use crate::runtime::supervisor::Service;
use crate::runtime::test_clock::TestClock;
use crate::telemetry::events::{Emit, Listening, ShutdownDone, ShutdownStarted, Starting};
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;

/// Flags of `odometer serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Let tests set the clock and seed both logs over HTTP; on the embedded logs and loopback only
    #[arg(long)]
    test_clock: bool,
}

/// What a service is started with besides its settings.
struct Start {
    clock: Clock,
    fault: Fault,
    /// Whether the routes of the test mode are there.
    test: bool,
}

/// A service that answers HTTP.
pub struct Running {
    /// The service.
    pub service: Service,
    /// Where it answers.
    pub address: SocketAddr,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    close: watch::Sender<()>,
    server: tokio::task::JoinHandle<()>,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    /// Starts the service and listens.
    pub fn start(settings: &Settings, clock: Clock) -> Result<Self, Fatal> {
        Self::start_with(settings, Start { clock, fault: Fault::None, test: false })
    }

    /// [`Running::start`] with something that goes wrong on purpose.
    pub fn start_with_fault(
        settings: &Settings,
        clock: Clock,
        fault: Fault,
    ) -> Result<Self, Fatal> {
        Self::start_with(settings, Start { clock, fault, test: false })
    }

    fn start_with(settings: &Settings, start: Start) -> Result<Self, Fatal> {
        let Start { clock, fault, test } = start;
        let metrics = Arc::new(Metrics::new());
        let brokers = settings.kafka.brokers.as_deref();
        Starting { file: None, brokers }.emit(&metrics);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("http")
            .build()
            .map_err(|_| Fatal::Thread("http".to_owned()))?;
        let asked = settings.http.listen;
        let listen = |error| Fatal::Listen { address: asked, error };
        // The address is taken first: a second instance on it ends before it touches the store.
        let listener = runtime.block_on(TcpListener::bind(asked)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let service = Service::start_with(settings, clock, Arc::clone(&metrics), fault)?;
        if let Some(file) = &settings.catalog.file {
            catalog_apply::apply_to_running(&service, settings, file)?;
        }
        let commands = Commands::of(&service, settings)?;
        let (shared, publisher) = (Arc::clone(&service.shared), Arc::clone(&service.publisher));
        let backend = Arc::new(Live::new(shared, commands, publisher));
        let (close, mut closed) = watch::channel(());
        let shutdown = async move {
            // The sender is dropped to close.
            let _ = closed.changed().await;
        };
        let further = TestClock::of(&service).filter(|_| test).map(Arc::new);
        let further = further.map(test_clock::routes).unwrap_or_default();
        let operator = Operator::of(&service, settings);
        let further = further.merge(operator::routes(operator, &settings.http.operator_key));
        let http = settings.http.clone();
        let counted = Arc::clone(&metrics);
        let server = runtime.spawn(async move {
            http::serve_with(listener, backend, http, counted, further, shutdown).await;
        });
        Listening { address }.emit(&metrics);
        Ok(Self { service, address, metrics, close, server, runtime })
    }

    /// Waits for SIGTERM, SIGINT or a fatal condition. Returns the cause.
    pub fn wait(&self) -> &'static str {
        let mut fatal = self.service.fatal.clone();
        self.runtime.block_on(async move {
            let (Ok(mut term), Ok(mut int)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return "no signals";
            };
            tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = int.recv() => "SIGINT",
                _ = fatal.wait_for(Option::is_some) => "a fatal condition",
            }
        })
    }

    /// Lets running requests end, writes a last checkpoint and stops.
    pub fn stop(self, cause: &'static str) -> Result<(), Fatal> {
        let watch = Stopwatch::start();
        ShutdownStarted { cause }.emit(&self.metrics);
        drop(self.close);
        let _ = self.runtime.block_on(self.server);
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        let stopped = self.service.stop();
        ShutdownDone { took: watch.elapsed() }.emit(&self.metrics);
        stopped
    }
}

/// Runs the service until it is told to stop.
pub fn serve(settings: &Settings, fault: Fault, args: &ServeArgs) -> Result<(), Failure> {
    let clock = if args.test_clock { test_clock_of(settings)? } else { Clock::System };
    logging::init(&settings.log)?;
    let running = Running::start_with(settings, Start { clock, fault, test: args.test_clock })?;
    let cause = running.wait();
    Ok(running.stop(cause)?)
}

/// A clock for tests, which shows the present until it is set. Whoever can set it can write into
/// every tenant, so it is for this machine alone.
fn test_clock_of(settings: &Settings) -> Result<Clock, Failure> {
    let listen = settings.http.listen;
    if !listen.ip().is_loopback() {
        return Err(format!(
            "a test clock cannot be served on {listen}\n  \
             hint: set http.listen to a loopback address, such as 127.0.0.1:0"
        )
        .into());
    }
    if settings.kafka.brokers.is_some() {
        return Err("a test clock goes with the embedded logs only\n  \
                    hint: leave kafka.brokers empty"
            .into());
    }
    Ok(Clock::Manual(Arc::new(AtomicI64::new(Clock::System.now().micros()))))
}
