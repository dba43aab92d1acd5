//! Real peers beside opwatch: the Python servers of `tests/peers`, Alertmanager, Prometheus and VictoriaMetrics, on
//! free ports.
//!
//! A peer that is not installed makes a test print a line and pass; with `OPWATCH_TEST_PEERS=required` it fails. Python is what
//! the variable `PYTHON` names, else `python3`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Steps of waiting before a test gives up, and how long each is: a minute, because machines are slow at times.
const STEPS: u32 = 600;
const STEP: Duration = Duration::from_millis(100);

/// Waits until there is an answer, and fails with `what` if none comes.
pub fn wait_until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    for _ in 0..STEPS {
        if let Some(answer) = answer() {
            return answer;
        }
        thread::sleep(STEP);
    }
    panic!("waited in vain for {what}");
}

/// The status and body of a GET, or `None` if there is no answer.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(STEP * STEPS)).ok()?;
    // HTTP/1.0, so that the answer ends with its connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A folder that goes with its peer.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("opwatch-peer-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A running peer; it ends with this value.
pub struct Peer {
    child: Child,
    /// Its end also ends the Python peers, should this process be killed.
    _input: Option<ChildStdin>,
    folder: Folder,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// The authority to trust, of a mail server with TLS.
    pub authority: Option<PathBuf>,
}

impl Peer {
    /// A server of `tests/peers`; the file it keeps what it gets in is added to its arguments.
    pub fn python(script: &str, arguments: &[&str]) -> Option<Self> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/peers")
            .join(script);
        let folder = Folder::new();
        let mut command = Command::new(python);
        command
            .arg(path)
            .arg(folder.0.join("received"))
            .args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(command, &folder, script)?;
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(&"ready"), Some(port)) = (words.first(), words.get(1)) else {
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(folder.0.join("log")).unwrap();
            return missing(script, &format!("it does not start: {log}"));
        };
        Some(Self {
            _input: child.stdin.take(),
            child,
            folder,
            port: port.parse().unwrap(),
            authority: words.get(2).filter(|path| **path != "-").map(PathBuf::from),
        })
    }

    /// An Alertmanager with this configuration.
    pub fn alertmanager(config: &str) -> Option<Self> {
        Self::alertmanager_at(None, config)
    }

    /// The same at a port that others know already.
    pub fn alertmanager_at(port: Option<u16>, config: &str) -> Option<Self> {
        Self::server_at(
            port,
            "prometheus-alertmanager",
            "/-/ready",
            |folder, port| {
                vec![
                    configured(folder, config),
                    format!("--storage.path={}", folder.join("data").display()),
                    format!("--web.listen-address=127.0.0.1:{port}"),
                    // Without a cluster, for which it would look for a private address.
                    "--cluster.listen-address=".to_owned(),
                ]
            },
        )
    }

    /// A Prometheus with this configuration and further flags.
    pub fn prometheus(config: &str, flags: &[&str]) -> Option<Self> {
        Self::server("prometheus", "/-/ready", |folder, port| {
            let mut all = vec![
                configured(folder, config),
                format!("--storage.tsdb.path={}", folder.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
            ];
            all.extend(flags.iter().map(ToString::to_string));
            all
        })
    }

    /// A VictoriaMetrics of one node, which scrapes nothing.
    pub fn victoria_metrics() -> Option<Self> {
        Self::server("victoria-metrics", "/health", |folder, port| {
            vec![
                format!("-storageDataPath={}", folder.join("data").display()),
                format!("-httpListenAddr=127.0.0.1:{port}"),
            ]
        })
    }

    /// A program on a free port, with the flags for its folder and port, once the path `ready` answers 200.
    fn server(
        program: &str,
        ready: &str,
        flags: impl Fn(&Path, u16) -> Vec<String>,
    ) -> Option<Self> {
        Self::server_at(None, program, ready, flags)
    }

    fn server_at(
        port: Option<u16>,
        program: &str,
        ready: &str,
        flags: impl Fn(&Path, u16) -> Vec<String>,
    ) -> Option<Self> {
        // Between finding a free port and using it someone else may take it.
        for _ in 0..5 {
            let folder = Folder::new();
            let port = port.unwrap_or_else(free_port);
            let mut command = Command::new(program);
            command
                .args(flags(&folder.0, port))
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            let child = spawn(command, &folder, program)?;
            let mut peer = Self {
                child,
                _input: None,
                folder,
                port,
                authority: None,
            };
            let started = wait_until(program, || {
                if peer.child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                get(port, ready)
                    .filter(|(status, _)| *status == 200)
                    .map(|_| true)
            });
            if started {
                return Some(peer);
            }
            let log = peer.log();
            assert!(
                log.contains("address already in use"),
                "{program} has ended: {log}"
            );
        }
        panic!("{program} finds no free port");
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.0.join("log")).unwrap()
    }

    /// What a Python server has received so far.
    pub fn received(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.0.join("received")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until a Python server has received that many.
    pub fn wait_received(&self, count: usize) -> Vec<Value> {
        wait_until(&format!("{count} to arrive"), || {
            Some(self.received()).filter(|received| received.len() >= count)
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the configuration of a peer, and is the flag that names it.
fn configured(folder: &Path, config: &str) -> String {
    let file = folder.join("config.yml");
    fs::write(&file, config).unwrap();
    format!("--config.file={}", file.display())
}

fn spawn(mut command: Command, folder: &Folder, name: &str) -> Option<Child> {
    let log = File::create(folder.0.join("log")).unwrap();
    match command.stderr(log).spawn() {
        Ok(child) => Some(child),
        Err(error) => missing(name, &error.to_string()),
    }
}

/// Says that a peer is not there; fails where peers are required.
pub fn missing<T>(name: &str, why: &str) -> Option<T> {
    let required = std::env::var("OPWATCH_TEST_PEERS").is_ok_and(|value| value == "required");
    assert!(!required, "{name} is required: {why}");
    println!("skipped, {name} is not there: {why}");
    None
}

#[test]
fn prometheus_starts_and_ends_with_its_test() {
    let Some(prometheus) =
        Peer::prometheus("global: {scrape_interval: 1s}\n", &["--log.level=warn"])
    else {
        return;
    };
    let (status, body) = get(prometheus.port, "/api/v1/status/buildinfo").unwrap();
    assert_eq!(status, 200, "{body}");
    let port = prometheus.port;
    drop(prometheus);
    assert_eq!(get(port, "/-/ready"), None);
}
