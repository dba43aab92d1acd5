//! An HTTP server in this process that answers as it is told, or does not.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use serde_json::Value;

use crate::peers::wait_until;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// This status line, and headers if there are any: `429 Too Many\r\nRetry-After: 1`.
    Answer(String),
    /// The same, once the test has come to the barrier as well.
    AnswerAfter(Arc<Barrier>, String),
    /// No answer while the client stays.
    Silence,
    /// The connection is closed without an answer.
    Close,
}

impl Fate {
    /// An answer.
    pub fn answer(head: impl Into<String>) -> Self {
        Self::Answer(head.into())
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and headers, names in lower case.
    pub head: Vec<String>,
    /// Body as JSON.
    pub json: Value,
    /// Whether it is to be answered with 200.
    pub is_taken: bool,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.iter().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// The server: the first requests meet the given fates, all others are answered with 200.
pub struct Faulty {
    port: u16,
    state: Arc<Mutex<(VecDeque<Fate>, Vec<Request>)>>,
}

impl Faulty {
    pub fn start(fates: Vec<Fate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new((fates.into(), Vec::new())));
        let shared = state.clone();
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Answers well from now on.
    pub fn recover(&self) {
        self.state.lock().unwrap().0.clear();
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().1.clone()
    }

    /// Waits until that many have come.
    pub fn wait_requests(&self, count: usize) -> Vec<Request> {
        wait_until(&format!("{count} requests"), || {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
    }
}

fn serve(stream: TcpStream, state: &Mutex<(VecDeque<Fate>, Vec<Request>)>) {
    let mut reader = BufReader::new(stream);
    let mut head: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let line = match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        };
        head.push(line);
    }
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    let fate = {
        let mut state = state.lock().unwrap();
        let fate = state.0.pop_front();
        let fate = fate.unwrap_or_else(|| Fate::answer("200 OK"));
        let is_taken = match &fate {
            Fate::Answer(head) | Fate::AnswerAfter(_, head) => head.starts_with("200"),
            Fate::Silence | Fate::Close => false,
        };
        state.1.push(Request {
            head,
            json,
            is_taken,
        });
        fate
    };
    let head = match fate {
        Fate::Answer(head) => head,
        Fate::AnswerAfter(barrier, head) => {
            barrier.wait();
            head
        }
        Fate::Silence => {
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        Fate::Close => return,
    };
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n");
    let _ = reader.get_mut().write_all(answer.as_bytes());
}
