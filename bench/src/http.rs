//! An HTTP/1.1 client that costs next to nothing, so that the machine is left to the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context as _, Result};

/// A connection that is kept.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

/// What was answered.
pub struct Answer {
    pub status: u16,
    pub cookies: Vec<String>,
    pub location: String,
    pub body: String,
}

impl Connection {
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Asks for a path; `from` is the address that a proxy would name.
    pub fn get(&mut self, path: &str, cookie: &str, from: Option<&str>) -> Result<Answer> {
        let forwarded = from
            .map(|from| format!("x-forwarded-for: {from}\r\n"))
            .unwrap_or_default();
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n{forwarded}\r\n"
        ))
    }

    /// Posts an urlencoded form.
    pub fn post(&mut self, path: &str, cookie: &str, from: &str, form: &str) -> Result<Answer> {
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\nx-forwarded-for: {from}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        ))
    }

    /// Posts a SOAP message.
    pub fn soap(&mut self, path: &str, from: &str, envelope: &str) -> Result<Answer> {
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {from}\r\ncontent-type: application/soap+xml; charset=utf-8\r\ncontent-length: {}\r\n\r\n{envelope}",
            envelope.len()
        ))
    }

    fn exchange(&mut self, request: &str) -> Result<Answer> {
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .with_context(|| format!("no status in {line:?}"))?
            .parse()?;
        let mut answer = Answer {
            status,
            cookies: Vec::new(),
            location: String::new(),
            body: String::new(),
        };
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            match name {
                "content-length" => length = value.parse()?,
                "set-cookie" => answer
                    .cookies
                    .push(value.split(';').next().unwrap_or_default().to_owned()),
                "location" => value.clone_into(&mut answer.location),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        answer.body = String::from_utf8(body)?;
        Ok(answer)
    }
}
