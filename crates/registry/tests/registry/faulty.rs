//! A registry that answers as a test tells it to, right or wrong, and remembers what it was asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What comes back.
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// A part of what was said to be so long.
    Cut(Vec<u8>, usize),
    /// Without a length, and without an end.
    Endless,
    /// A byte at a time, of what was said to be so long.
    Trickle(usize),
    /// Not even a head.
    Silence,
    /// The connection is closed.
    Hangup,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(body.into()) }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn of(body: Body) -> Self {
        Self { status: 200, headers: Vec::new(), body }
    }

    pub fn to(location: impl Into<String>) -> Self {
        Self::new(307, "").with("location", location)
    }
}

/// The registry; its threads end with the test's process.
pub struct Faulty {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Faulty {
    /// One that answers each request by this function, which also learns how many there were before.
    pub fn new(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &all, &*answer));
            }
        });
        Self { port, asked }
    }

    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test fails while it holds this").clone()
    }

    /// The methods and paths of that.
    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}

fn serve(stream: &TcpStream, all: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked, usize) -> Answer) {
    let mut first = [0];
    // TLS begins with this byte; we speak none.
    if stream.peek(&mut first).is_err() || first[0] == 0x16 {
        return;
    }
    let mut reader = BufReader::new(stream);
    let Some(asked) = read(&mut reader) else { return };
    let before = {
        let mut all = all.lock().expect("no test fails while it holds this");
        all.push(asked.clone());
        all.len() - 1
    };
    // A client that goes away in the middle is what many tests are about.
    _ = reply(stream, &asked, answer(&asked, before));
    _ = stream.shutdown(std::net::Shutdown::Both);
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        while let length @ 1.. = chunk_length(reader)? {
            reader.take(length).read_to_end(&mut body).ok()?;
            reader.read_line(&mut String::new()).ok()?;
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

fn chunk_length(reader: &mut BufReader<&TcpStream>) -> Option<u64> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn reply(mut stream: &TcpStream, asked: &Asked, answer: Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        _ = write!(head, "{name}: {value}\r\n");
    }
    let length = match &answer.body {
        Body::Whole(body) => Some(body.len()),
        Body::Cut(_, length) | Body::Trickle(length) => Some(*length),
        Body::Endless => None,
        Body::Silence => {
            std::thread::sleep(Duration::from_mins(1));
            return Ok(());
        }
        Body::Hangup => return Ok(()),
    };
    if let Some(length) = length.filter(|_| !answer.headers.iter().any(|(name, _)| *name == "content-length")) {
        _ = write!(head, "content-length: {length}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    match answer.body {
        Body::Whole(body) | Body::Cut(body, _) => stream.write_all(&body),
        Body::Endless => loop {
            stream.write_all(&[b' '; 16384])?;
        },
        Body::Trickle(length) => {
            for _ in 0..length {
                stream.write_all(b" ")?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Body::Silence | Body::Hangup => Ok(()),
    }
}
