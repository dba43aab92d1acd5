//! A running opwatch under test: the built binary, with its own folder and free ports.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The path of the binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_opwatch");

/// Gives up waiting after this long; generous, because machines are slow at times.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes with its test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("opwatch-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

/// One request over HTTP/1.0, whose answer ends with its connection.
pub fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    try_request(address, method, path, headers, body)
        .unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

/// The same, or `None` if there is no whole answer, as from a server that is killed meanwhile.
pub fn try_request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n");
    if method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    // A server that has refused already may close before it has read everything.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Reply {
        status,
        headers: head,
        body: answer[end + 4..].to_vec(),
    })
}

/// A running opwatch.
pub struct Sidecar {
    child: Child,
    pub public: String,
    pub ingest: String,
    pub folder: Folder,
    log: Arc<Mutex<String>>,
}

impl Sidecar {
    /// Starts with a configuration, to which free ports are added, and rule files beside it.
    pub fn start(config: &str, files: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        Self::start_in(folder, config)
    }

    pub fn start_in(folder: Folder, config: &str) -> Self {
        Self::start_under(&[], folder, config)
    }

    /// Starts it by way of another program, which is given with its arguments; that one has to be followed by `exec`, or
    /// to end with what it starts.
    pub fn start_under(wrapper: &[&str], folder: Folder, config: &str) -> Self {
        let mut sidecar = Self::spawn_under(wrapper, folder, config);
        assert!(sidecar.wait_until_ready(), "{}", sidecar.log());
        sidecar
    }

    /// Starts it and does not wait.
    pub fn spawn_under(wrapper: &[&str], folder: Folder, config: &str) -> Self {
        let listen = if config.contains("listen:") {
            ""
        } else {
            "listen: {public: '127.0.0.1:0', ingest: '127.0.0.1:0'}\n"
        };
        let data = if config.contains("data_dir:") {
            ""
        } else {
            "data_dir: none\n"
        };
        let path = folder.write("opwatch.yaml", &format!("{listen}{data}{config}"));
        let (program, arguments) = match wrapper.split_first() {
            Some((program, arguments)) => (*program, [arguments, &[BINARY]].concat()),
            None => (BINARY, Vec::new()),
        };
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--config")
            .arg(path)
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let kept = log.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self {
            child,
            public: String::new(),
            ingest: String::new(),
            folder,
            log,
        }
    }

    /// Waits until it says where it listens; false if it has ended before.
    pub fn wait_until_ready(&mut self) -> bool {
        let start = wait_for("opwatch to start", || {
            let has_ended = self.has_ended();
            let log = self.log.lock().unwrap();
            let start = log.lines().find(|line| line.contains(" ingest="));
            match start {
                Some(start) => Some(Some(start.to_owned())),
                None => has_ended.then_some(None),
            }
        });
        let Some(start) = start else { return false };
        let value = |name: &str| {
            let from = start.split(name).nth(1).unwrap();
            from.split_whitespace().next().unwrap().to_owned()
        };
        self.public = value(" public=");
        self.ingest = value(" ingest=");
        true
    }

    /// Whether its process, or the one it was started by, has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn get(&self, path: &str) -> Reply {
        request(&self.public, "GET", path, &[], b"")
    }

    pub fn data(&self, path: &str) -> Value {
        let mut reply = self.get(path).json();
        assert_eq!(reply["status"], "success", "{reply}");
        reply["data"].take()
    }

    pub fn metrics(&self) -> String {
        self.get("/metrics").text()
    }

    /// The value of a series, written as `name{label="value"}`, in the classic exposition.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics();
        let found = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.map(|value| value.parse().unwrap())
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        request(
            &self.ingest,
            "POST",
            path,
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        )
    }

    /// Posts measurements; panics unless all of them were accepted.
    pub fn measure(&self, body: &str) {
        let reply = self.post("/v1/operations", body);
        let answer = reply.json();
        assert_eq!(answer["rejected"], serde_json::json!([]), "{reply:?}");
    }

    /// Kills it at once, as a lack of memory would, unless it has ended, and keeps its folder.
    pub fn kill(mut self) -> Folder {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, Folder(PathBuf::new()))
    }

    /// Ends it as an orchestrator would, unless it has ended, and waits for it.
    pub fn terminate(&mut self) -> Option<i32> {
        if let Some(status) = self.child.try_wait().unwrap() {
            return status.code();
        }
        // The shell's own `kill`: not every system has it as a program.
        let command = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &command]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("--- log of opwatch\n{}", self.log());
        }
    }
}

/// Asks until there is an answer; panics after [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let pause = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(waited < PATIENCE, "waited {waited:?} for {what}");
        thread::sleep(pause);
        waited += pause;
    }
}

/// Runs the binary to its end; exit code, standard output, standard error.
pub fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .current_dir(&folder.0)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
