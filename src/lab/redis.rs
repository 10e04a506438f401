//! A small RESP2 client: what the simulated operator and `redis-cli` speak to engines.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lab) enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR ...`, without the minus.
    Error(String),
    /// `:1`
    Number(i64),
    /// A string; `None` is nil.
    Bulk(Option<Vec<u8>>),
    /// A list; `None` is nil.
    List(Option<Vec<Reply>>),
}

impl Reply {
    /// The text of a simple or bulk string; empty for anything else.
    pub(in crate::lab) fn text(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }
}

/// A connection.
pub(in crate::lab) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where unread bytes begin.
    at: usize,
    patience: Duration,
}

impl Client {
    /// Speaks over a connection; a reply may take `patience`.
    pub(in crate::lab) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            at: 0,
            patience,
        }
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes in time (`TimedOut`), or what comes is no RESP (`InvalidData`).
    pub(in crate::lab) async fn call(&mut self, args: &[&str]) -> io::Result<Reply> {
        let mut wire = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            wire.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
        }
        let exchange = async {
            self.stream.write_all(&wire).await?;
            Self::reply(&mut self.stream, &mut self.buffer, &mut self.at, 0).await
        };
        match tokio::time::timeout(self.patience, exchange).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
        }
    }

    async fn reply(
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
        at: &mut usize,
        depth: usize,
    ) -> io::Result<Reply> {
        let bad = |what: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{what} is no RESP reply"),
            )
        };
        let line = Self::line(stream, buffer, at).await?;
        let (kind, rest) = line
            .split_at_checked(1)
            .ok_or_else(|| bad("an empty line"))?;
        let count = || rest.parse::<i64>().map_err(|_| bad(&line));
        match kind {
            "+" => Ok(Reply::Simple(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Number(count()?)),
            "$" => match usize::try_from(count()?) {
                Err(_) => Ok(Reply::Bulk(None)),
                Ok(length) if length > 64 << 20 => Err(bad("a string of more than 64 MiB")),
                Ok(length) => {
                    while buffer.len() < *at + length + 2 {
                        Self::more(stream, buffer).await?;
                    }
                    let bytes = buffer.get(*at..*at + length).unwrap_or_default().to_vec();
                    *at += length + 2;
                    Ok(Reply::Bulk(Some(bytes)))
                }
            },
            "*" if depth > 8 => Err(bad("a list nine deep")),
            "*" => match usize::try_from(count()?) {
                Err(_) => Ok(Reply::List(None)),
                Ok(length) => {
                    let mut list = Vec::new();
                    for _ in 0..length {
                        list.push(Box::pin(Self::reply(stream, buffer, at, depth + 1)).await?);
                    }
                    Ok(Reply::List(Some(list)))
                }
            },
            _ => Err(bad(&line)),
        }
    }

    async fn line(
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
        at: &mut usize,
    ) -> io::Result<String> {
        // What was read before is done with.
        buffer.drain(..*at);
        *at = 0;
        loop {
            if let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line =
                    String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).into_owned();
                *at = end + 2;
                return Ok(line);
            }
            if buffer.len() > 1 << 20 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line of more than 1 MiB",
                ));
            }
            Self::more(stream, buffer).await?;
        }
    }

    async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
        match stream.read_buf(buffer).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF")),
            _ => Ok(()),
        }
    }
}

/// `INFO` text as its keys and values.
pub(in crate::lab) fn fields(info: &str) -> impl Iterator<Item = (&str, &str)> {
    info.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
}

/// One value of an `INFO` text.
pub(in crate::lab) fn field<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    fields(info)
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::net::TcpListener;

    async fn answered(bytes: &'static [u8]) -> io::Result<Reply> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for byte in bytes {
                // One byte at a time: replies never come whole.
                let _ = stream.write_all(&[*byte]).await;
            }
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        });
        let stream = TcpStream::connect(address).await.unwrap();
        Client::new(stream, Duration::from_millis(300))
            .call(&["PING"])
            .await
    }

    #[tokio::test]
    async fn replies_are_read() {
        let bulk = |text: &str| Reply::Bulk(Some(text.into()));
        let table: [(&'static [u8], Reply); 5] = [
            (b"+PONG\r\n", Reply::Simple("PONG".into())),
            (b"-ERR no\r\n", Reply::Error("ERR no".into())),
            (b"$4\r\na\r\nb\r\n", bulk("a\r\nb")),
            (b"$-1\r\n", Reply::Bulk(None)),
            (
                b"*2\r\n$6\r\nmaster\r\n*1\r\n*2\r\n:1\r\n$1\r\nx\r\n",
                Reply::List(Some(vec![
                    bulk("master"),
                    Reply::List(Some(vec![Reply::List(Some(vec![
                        Reply::Number(1),
                        bulk("x"),
                    ]))])),
                ])),
            ),
        ];
        for (bytes, wanted) in table {
            assert_eq!(answered(bytes).await.unwrap(), wanted);
        }
    }

    #[tokio::test]
    async fn garbage_and_silence_are_errors() {
        assert_eq!(
            answered(b"<html>\r\n").await.unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert_eq!(
            answered(b"$5\r\nab").await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    }

    #[test]
    fn info_is_looked_up_by_key() {
        let info = "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\n";
        assert_eq!(field(info, "master_host"), Some("10.0.0.1"));
        assert_eq!(field(info, "slave_repl_offset"), None);
    }
}
