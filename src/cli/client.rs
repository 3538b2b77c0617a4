//! One question to a running service over HTTP, as an operator asks it from a shell.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::Failure;

/// Longest wait for the connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for an answer: somewhat longer than the service takes for any.
const ANSWER_WAIT: Duration = Duration::from_secs(90);
/// Longest wait for a change to be carried out: gaps wait for the fold, replays for checkpoints.
const CHANGE_WAIT: Duration = Duration::from_mins(10);
/// Longest wait for a backup: the first one of a large store sends all of it.
const BACKUP_WAIT: Duration = Duration::from_hours(24);
/// Longest answer that is taken.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Where an address without a port leads.
const PORT_DEFAULT: u16 = 80;

/// Where a service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    /// What stands before every path, without a slash at its end.
    prefix: String,
}

impl Address {
    /// Reads `http://odometer[:PORT][/PREFIX]`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or_else(|| {
            let hint = "name the plain address behind it, the service speaks no TLS itself";
            format!("{url} is no http:// address\n  hint: {hint}")
        })?;
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // The colons of an IPv6 address stand in brackets.
        let colon = host.rfind(':').filter(|at| !host[*at..].contains(']'));
        let (name, port) = match colon {
            None => (host, Ok(PORT_DEFAULT)),
            Some(at) => (&host[..at], host[at + 1..].parse()),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let port = port.map_err(|_| format!("{url} has no port that could be one"))?;
        if name.is_empty() || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("{url} names no host"));
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { host: name.to_owned(), port, prefix })
    }

    /// Where a service on this machine answers that listens here.
    pub fn of_listener(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ip => ip,
        };
        Self { host: ip.to_string(), port: listen.port(), prefix: String::new() }
    }

    /// Asks for a path: status and body of the answer.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub fn get(&self, path: &str, key: &str) -> Result<(u16, String), Failure> {
        let (status, body) = self.ask("GET", path, key, "")?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Sends a request: status and bytes of the answer.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let wait = if method == "GET" { ANSWER_WAIT } else { CHANGE_WAIT };
        self.ask_within(wait, (method, path), key, body)
    }

    /// Sends a request without a body, and waits as long as a backup of a large store takes.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub fn ask_patiently(
        &self,
        method: &str,
        path: &str,
        key: &str,
    ) -> Result<(u16, Vec<u8>), Failure> {
        self.ask_within(BACKUP_WAIT, (method, path), key, "")
    }

    fn ask_within(
        &self,
        wait: Duration,
        (method, path): (&str, &str),
        key: &str,
        body: &str,
    ) -> Result<(u16, Vec<u8>), Failure> {
        if key.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("the API key holds a blank or a control character".into());
        }
        let failed = |error: std::io::Error| {
            format!("{}:{} does not answer\n  {error}", self.host, self.port)
        };
        let mut stream = self.connect(wait).map_err(failed)?;
        // Of this version no server sends a body in chunks, and each closes after its answer.
        let request = format!(
            "{method} {}{path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.prefix,
            self.host,
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        read_answer(&bytes)
            .ok_or_else(|| format!("{}:{} does not speak HTTP", self.host, self.port).into())
    }

    fn connect(&self, wait: Duration) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::other("the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(wait))?;
                    stream.set_write_timeout(Some(ANSWER_WAIT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Splits an answer into its status and its body.
fn read_answer(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let end = bytes.windows(END.len()).position(|four| four == END)?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, bytes.get(end + END.len()..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16, prefix: &str) -> Address {
        Address { host: host.into(), port, prefix: prefix.into() }
    }

    #[test]
    fn addresses_are_read() {
        for (url, expected) in [
            ("http://localhost:3000", address("localhost", 3000, "")),
            ("http://localhost", address("localhost", 80, "")),
            ("http://localhost:81/", address("localhost", 81, "")),
            ("http://127.0.0.1/usage/v2/", address("127.0.0.1", 80, "/usage/v2")),
            ("http://[::1]:3000", address("::1", 3000, "")),
            ("http://[::1]", address("::1", 80, "")),
        ] {
            assert_eq!(Address::parse(url), Ok(expected), "{url}");
        }
        for url in
            ["", "localhost", "https://localhost", "http://", "http://localhost:x", "http://:1"]
        {
            assert!(Address::parse(url).is_err(), "{url}");
        }
        let listener = |listen: &str| Address::of_listener(listen.parse().unwrap());
        assert_eq!(listener("0.0.0.0:3000"), address("127.0.0.1", 3000, ""));
        assert_eq!(listener("[::]:3000"), address("::1", 3000, ""));
        assert_eq!(listener("127.0.0.2:1"), address("127.0.0.2", 1, ""));
    }

    #[test]
    fn answers_are_split() {
        let answer = b"HTTP/1.0 404 Not Found\r\ncontent-length: 2\r\n\r\n\xff}";
        assert_eq!(read_answer(answer), Some((404, b"\xff}".to_vec())));
        assert_eq!(read_answer(b"HTTP/1.0 200 OK\r\n"), None);
        assert_eq!(read_answer(b"220 mail\r\n\r\n"), None);
    }
}
