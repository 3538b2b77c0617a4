//! Asks the service over HTTP, as a dashboard would: one connection that is kept.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::catalogue::API_KEY;
use super::workload::{customer_id, subscription_id};

/// Longest wait for an answer.
const ANSWER_WAIT: Duration = Duration::from_mins(1);
/// Longest body that is taken.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A connection to the service.
pub struct Client {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        Ok(Self { stream: BufReader::new(stream), body: Vec::new() })
    }

    /// The current usage of a subscription: the body of an answer with status 200.
    pub fn current_usage(&mut self, subscription: u64) -> io::Result<&[u8]> {
        self.get(&format!(
            "/api/v1/customers/{}/current_usage?external_subscription_id={}",
            customer_id(subscription),
            subscription_id(subscription),
        ))
    }

    /// The body of an answer with status 200.
    pub fn get(&mut self, path: &str) -> io::Result<&[u8]> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {API_KEY}\r\n\r\n",
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        self.body.resize(length.min(BODY_BYTES_MAX), 0);
        self.stream.read_exact(&mut self.body)?;
        if status.split(' ').nth(1) == Some("200") {
            return Ok(&self.body);
        }
        let answer = String::from_utf8_lossy(&self.body);
        Err(io::Error::other(format!("unexpected answer: {} {answer}", status.trim_end())))
    }
}
