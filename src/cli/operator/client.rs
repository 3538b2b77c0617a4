//! Asks a running service over HTTP, as its operator.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::cli::Failure;

/// Longest wait for an answer: gaps wait for the fold, and replays for checkpoints.
const ANSWER_WAIT: Duration = Duration::from_mins(10);
/// Longest answer that is taken: a record and what is told of it.
const BODY_BYTES_MAX: u64 = 256 << 20;
/// Longest line of an answer's head.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// A service and its operator's key.
pub struct Client<'a> {
    authority: &'a str,
    key: &'a str,
}

impl<'a> Client<'a> {
    /// For a service at `http://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// The address is of another form, or there is no key.
    pub fn new(url: &'a str, key: &'a str) -> Result<Self, Failure> {
        let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority.filter(|rest| !rest.is_empty() && !rest.contains('/'));
        let Some(authority) = authority else {
            return Err(format!("{url} is no address\n  hint: write http://HOST:PORT").into());
        };
        if key.is_empty() {
            return Err(
                "there is no key\n  hint: set http.operator_key as the service has it".into()
            );
        }
        Ok(Self { authority, key })
    }

    /// The body of an answer with status 200.
    ///
    /// # Errors
    ///
    /// Nobody answers, or with another status.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<Vec<u8>, Failure> {
        let Self { authority, key } = self;
        let mut stream = TcpStream::connect(authority)
            .map_err(|error| format!("no service at {authority}\n  {error}"))?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        let length = body.len();
        write!(
            stream,
            "{method} /odometer/v1/operator/{path} HTTP/1.1\r\nhost: {authority}\r\n\
             authorization: Bearer {key}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
             {body}"
        )?;
        let mut answer = BufReader::new(stream);
        let status = line(&mut answer)?;
        let mut length = 0;
        loop {
            let line = line(&mut answer)?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = Vec::new();
        answer.take(BODY_BYTES_MAX.min(length)).read_to_end(&mut body)?;
        if status.split(' ').nth(1) == Some("200") {
            return Ok(body);
        }
        let told = String::from_utf8_lossy(&body);
        Err(format!("the service answers {status}\n  {told}").into())
    }
}

/// A line of the head, without its end.
fn line(answer: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    answer.take(LINE_BYTES_MAX).read_line(&mut line)?;
    line.truncate(line.trim_end().len());
    Ok(line)
}
