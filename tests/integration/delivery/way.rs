//! The way to a receiver, on which everything may go wrong: a proxy before a real server that keeps a record of every
//! attempt, what became of it, and what the sender can know of that.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use opwatch::clock::Clock;

use crate::oracle::Chance;

/// Of an answer that took longer the sender may not have waited for: its time for an attempt is at least twice this.
pub const PROMPT: Duration = Duration::from_secs(1);

/// What becomes of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It arrives and is answered.
    Arrives,
    /// It arrives, and the sender hears this: a status line for HTTP, a line for SMTP.
    ArrivesAs(&'static str),
    /// It arrives and the answer's body trickles until the sender goes.
    ArrivesWithSlowBody,
    /// It arrives, and the connection is reset before the answer.
    ArrivesUnanswered,
    /// It does not arrive, and the sender hears this.
    Refused(&'static str),
    /// The connection is reset before the message, or for SMTP before the greeting.
    ResetBefore,
    /// The message is read, but the connection is reset in place of an answer, and nothing arrives.
    ResetAfter,
    /// Everything happens after this time.
    Late(Duration, Box<Fate>),
    /// The connection stands, nothing is read and nothing answered, as where the other end has lost its power.
    HalfOpen,
    /// For SMTP: this in place of the greeting or of the answer to the recipient.
    RefusedEarly(&'static str),
}

/// What the sender can know of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// That it has arrived.
    Taken,
    /// That it has not.
    Refused,
    /// Nothing.
    Unknown,
}

/// One attempt to deliver a notification.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The id of the notification; empty where the sender did not come to say it.
    pub id: String,
    /// Whether the receiver has it.
    pub arrived: bool,
    pub outcome: Outcome,
    /// How often the sender had been killed.
    pub lives: u32,
}

/// A moment on the way at which a test wants to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The message has been read and has not arrived.
    Sent,
    /// It has arrived and is not answered.
    Arrived,
    /// The answer has been written.
    Answered,
}

type Hook = Box<dyn FnOnce() + Send>;

struct State {
    upstream: u16,
    speaks_smtp: bool,
    /// What is certain to come, before chance has its say.
    next: VecDeque<Fate>,
    /// All that may happen by chance; nothing does where it is empty.
    may: Vec<Fate>,
    chance: Chance,
    /// Bad fates one after the other.
    in_row: usize,
    attempts: Vec<Attempt>,
    lives: u32,
    hook: Option<(Moment, Hook)>,
}

/// The way to one receiver.
#[derive(Clone)]
pub struct Way {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Way {
    /// A way to a server at this port on which these things happen first, and then all goes well.
    pub fn http(upstream: u16, next: Vec<Fate>) -> Self {
        Self::start(upstream, false, next)
    }

    /// The same for mail without TLS.
    pub fn smtp(upstream: u16, next: Vec<Fate>) -> Self {
        Self::start(upstream, true, next)
    }

    fn start(upstream: u16, speaks_smtp: bool, next: Vec<Fate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            upstream,
            speaks_smtp,
            next: next.into(),
            may: Vec::new(),
            chance: Chance(0),
            in_row: 0,
            attempts: Vec::new(),
            lives: 0,
            hook: None,
        }));
        let shared = state.clone();
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || {
                    let _ = Passage::new(stream, shared).run();
                });
            }
        });
        Self { port, state }
    }

    /// From now on one of these may happen at each attempt, twice in a row at most.
    pub fn may(&self, may: Vec<Fate>, seed: u64) {
        let mut state = self.state.lock().unwrap();
        state.may = may;
        state.chance = Chance(seed);
    }

    /// Does this once at that moment.
    pub fn at(&self, moment: Moment, hook: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().hook = Some((moment, Box::new(hook)));
    }

    /// Notes that the sender has been killed, and that nothing is to be done any more.
    pub fn sender_died(&self) {
        let mut state = self.state.lock().unwrap();
        state.lives += 1;
        state.hook = None;
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        self.state.lock().unwrap().attempts.clone()
    }
}

/// One connection.
struct Passage {
    client: BufReader<TcpStream>,
    state: Arc<Mutex<State>>,
    clock: Clock,
    lives: u32,
}

type Done = std::io::Result<()>;

impl Passage {
    fn new(stream: TcpStream, state: Arc<Mutex<State>>) -> Self {
        let lives = state.lock().unwrap().lives;
        Self {
            client: BufReader::new(stream),
            state,
            clock: Clock::start(),
            lives,
        }
    }

    fn run(mut self) -> Done {
        let (mut fate, speaks_smtp) = {
            let mut state = self.state.lock().unwrap();
            (state.draw(), state.speaks_smtp)
        };
        if let Fate::Late(by, then) = fate {
            thread::sleep(by);
            fate = *then;
        }
        match fate {
            Fate::ResetBefore => {
                self.note("", false, Outcome::Refused);
                self.reset();
                Ok(())
            }
            Fate::HalfOpen => {
                self.note("", false, Outcome::Unknown);
                // Until the sender gives up; what it sends stays in the buffers of the system.
                let stream = self.client.get_ref();
                while stream.peek(&mut [0]).is_ok_and(|n| n > 0) {
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(())
            }
            fate if speaks_smtp => self.smtp(&fate),
            fate => self.http(&fate),
        }
    }

    fn http(&mut self, fate: &Fate) -> Done {
        let (head, body) = message(&mut self.client)?;
        let id = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            (name.eq_ignore_ascii_case("idempotency-key")).then(|| value.to_owned())
        });
        let id = id.unwrap_or_default();
        let message = [head.as_bytes(), &body].concat();
        self.moment(Moment::Sent);
        let answer = |status: &str| {
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        };
        match fate {
            Fate::Refused(status) | Fate::RefusedEarly(status) => {
                self.note(&id, false, Outcome::Refused);
                return self.say(&answer(status));
            }
            Fate::ResetAfter => {
                self.note(&id, false, Outcome::Unknown);
                self.reset();
                return Ok(());
            }
            _ => {}
        }
        let real = self.forward_http(&message)?;
        let place = self.note(&id, true, Outcome::Unknown);
        self.moment(Moment::Arrived);
        match fate {
            Fate::ArrivesUnanswered => {
                self.reset();
                return Ok(());
            }
            Fate::ArrivesAs(status) => self.say(&answer(status))?,
            Fate::ArrivesWithSlowBody => {
                self.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
                self.answered(place);
                while self.say(".").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
                return Ok(());
            }
            _ => self.say(&real)?,
        }
        self.answered(place);
        Ok(())
    }

    fn forward_http(&self, message: &[u8]) -> std::io::Result<String> {
        let mut real = self.upstream()?;
        real.get_mut().write_all(message)?;
        let (head, body) = self::message(&mut real)?;
        Ok(head + &String::from_utf8_lossy(&body))
    }

    /// A dialogue line by line; everything before the message goes through.
    fn smtp(&mut self, fate: &Fate) -> Done {
        let mut real = self.upstream()?;
        let greeting = reply(&mut real)?;
        if let Fate::RefusedEarly(line) = fate
            && line.starts_with("421")
        {
            self.note("", false, Outcome::Refused);
            return self.say(&format!("{line}\r\n"));
        }
        self.say(&greeting)?;
        loop {
            let line = read_line(&mut self.client)?;
            let is = |verb: &str| line.to_ascii_uppercase().starts_with(verb);
            if let Fate::RefusedEarly(answer) = fate
                && is("RCPT")
            {
                self.note("", false, Outcome::Refused);
                self.say(&format!("{answer}\r\n"))?;
                continue;
            }
            real.get_mut().write_all(line.as_bytes())?;
            let answer = reply(&mut real)?;
            self.say(&answer)?;
            if is("QUIT") {
                return Ok(());
            }
            if is("DATA") && answer.starts_with("354") && !self.mail(&mut real, fate)? {
                return Ok(());
            }
        }
    }

    /// The message and its end; whether the dialogue goes on.
    fn mail(&mut self, real: &mut BufReader<TcpStream>, fate: &Fate) -> std::io::Result<bool> {
        let (mut message, mut id) = (String::new(), String::new());
        loop {
            let line = read_line(&mut self.client)?;
            message += &line;
            if let Some(rest) = line.strip_prefix("Message-ID: <") {
                id = rest.split('@').next().unwrap_or_default().to_owned();
            }
            if line == ".\r\n" {
                break;
            }
        }
        self.moment(Moment::Sent);
        match fate {
            Fate::Refused(line) => {
                self.note(&id, false, Outcome::Refused);
                self.say(&format!("{line}\r\n"))?;
                return Ok(false);
            }
            Fate::ResetAfter => {
                self.note(&id, false, Outcome::Unknown);
                self.reset();
                return Ok(false);
            }
            _ => {}
        }
        real.get_mut().write_all(message.as_bytes())?;
        let answer = reply(real)?;
        let place = self.note(&id, answer.starts_with("250"), Outcome::Unknown);
        self.moment(Moment::Arrived);
        match fate {
            Fate::ArrivesUnanswered => {
                self.reset();
                return Ok(false);
            }
            Fate::ArrivesAs(line) => self.say(&format!("{line}\r\n"))?,
            _ => self.say(&answer)?,
        }
        self.answered(place);
        Ok(true)
    }

    fn upstream(&self) -> std::io::Result<BufReader<TcpStream>> {
        let port = self.state.lock().unwrap().upstream;
        Ok(BufReader::new(TcpStream::connect(("127.0.0.1", port))?))
    }

    fn say(&mut self, text: &str) -> Done {
        self.client.get_mut().write_all(text.as_bytes())
    }

    /// Ends the connection with RST: what has been sent and not read makes it one.
    fn reset(&self) {
        let stream = self.client.get_ref();
        rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
    }

    fn note(&self, id: &str, arrived: bool, outcome: Outcome) -> usize {
        let mut state = self.state.lock().unwrap();
        state.attempts.push(Attempt {
            id: id.to_owned(),
            arrived,
            outcome,
            lives: self.lives,
        });
        state.attempts.len() - 1
    }

    /// Notes that the sender has been told well, unless it may have gone before.
    fn answered(&self, place: usize) {
        if self.clock.now().steady < PROMPT {
            self.state.lock().unwrap().attempts[place].outcome = Outcome::Taken;
        }
        self.moment(Moment::Answered);
    }

    fn moment(&self, now: Moment) {
        let hook = {
            let mut state = self.state.lock().unwrap();
            let is_it = state.hook.as_ref().is_some_and(|(at, _)| *at == now);
            if is_it { state.hook.take() } else { None }
        };
        if let Some((_, hook)) = hook {
            hook();
        }
    }
}

impl State {
    fn draw(&mut self) -> Fate {
        if let Some(fate) = self.next.pop_front() {
            return fate;
        }
        let goes_well = self.may.is_empty() || self.in_row == 2 || self.chance.below(3) == 0;
        if goes_well {
            self.in_row = 0;
            return Fate::Arrives;
        }
        self.in_row += 1;
        let place = self.chance.below(self.may.len());
        self.may[place].clone()
    }
}

/// Head and body of an HTTP message with a length.
fn message(reader: &mut BufReader<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let line = read_line(reader)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

/// An answer of a mail server, with all its lines.
fn reply(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut all = String::new();
    loop {
        let line = read_line(reader)?;
        let is_last = line.as_bytes().get(3) != Some(&b'-');
        all += &line;
        if is_last {
            return Ok(all);
        }
    }
}

fn read_line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    match reader.read_line(&mut line)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}
