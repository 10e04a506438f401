#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
//! Servers that mean no good, over real sockets: each ends in a clear fault, in bounded time and memory.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Asks PING and INFO SERVER of a server that does this with the connection.
async fn asked<F>(budget: Duration, server: impl FnOnce(TcpStream) -> F) -> (Vec<Reply>, Ended)
where
    F: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (served, _) = listener.accept().await.unwrap();
    let mut engine = Engine::over(stream, None, Duration::from_secs(2))
        .await
        .unwrap();
    let mut heard = Vec::new();
    let ended = {
        let asking = engine.ask(&["PING", "INFO SERVER"], budget, |told| {
            if let Heard::Reply(_, reply, _) = told {
                heard.push(reply);
            }
        });
        tokio::pin!(asking);
        let serving = async {
            server(served).await;
            // What ends the questions is what the server sent, not that it left.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = &mut asking => ended,
            () = serving => unreachable!(),
        }
    };
    (heard, ended)
}

/// Sends bytes again and again, until they are not taken any more, or so many were.
async fn pour(mut stream: TcpStream, first: &[u8], again: &[u8], most: usize) {
    let _ = stream.write_all(first).await;
    let mut sent = 0;
    while !again.is_empty() && sent < most && stream.write_all(again).await.is_ok() {
        sent += again.len();
    }
    // Kept open: an end would explain too much.
    let mut rest = [0; 1_024];
    while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
}

fn broken(ended: &Ended) -> (usize, String) {
    match ended {
        Ended::Broken(place, fault) => {
            assert_eq!(fault.kind, FaultKind::Protocol, "{fault:?}");
            (*place, fault.message.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn replies_beyond_every_measure_are_cut_off_and_named() {
    let megabyte = vec![b'x'; 1 << 20];
    let budget = Duration::from_secs(20);
    for (first, again, place, wanted) in [
        (
            &b"+PONG\r\n$2147483648\r\n"[..],
            &megabyte[..],
            1,
            "announces a text of 2147483648 bytes",
        ),
        (
            b"$2147483648\r\n",
            &[],
            0,
            "announces a text of 2147483648 bytes",
        ),
        (
            b"*2147483648\r\n",
            &[],
            0,
            "announces an array of 2147483648 parts",
        ),
        (b"+", &megabyte, 0, "sends a line of more than 64 KiB"),
        (
            b"$",
            &b"0".repeat(4_096),
            0,
            "sends a length that has no end",
        ),
        (
            b"",
            &b"*1\r\n".repeat(10_000),
            0,
            "nests arrays more than 8 deep",
        ),
        (
            b"+PONG\r\n",
            &b"*1\r\n".repeat(10_000),
            1,
            "nests arrays more than 8 deep",
        ),
        (
            b"*150000\r\n",
            &b"$1000\r\n"
                .iter()
                .chain(&[b'x'; 1_000])
                .chain(b"\r\n")
                .copied()
                .collect::<Vec<_>>(),
            0,
            "sends a reply of more than 32 MiB",
        ),
    ] {
        let began = Instant::now();
        let (heard, ended) = asked(budget, |stream| pour(stream, first, again, 256 << 20)).await;
        let (broken_at, message) = broken(&ended);
        assert_eq!(broken_at, place, "{message}");
        assert!(message.starts_with(wanted), "{message}");
        assert_eq!(heard.len(), place);
        assert!(began.elapsed() < budget, "{wanted}");
    }
}

#[tokio::test]
async fn a_parser_on_a_small_stack_is_never_nested_into_the_ground() {
    // What the guard lets through is shallow enough for the smallest stack that a thread of ours has.
    let deepest = [&b"*1\r\n".repeat(8)[..], b":7\r\n+x\r\n"].concat();
    let (heard, ended) = asked(Duration::from_secs(5), |stream| {
        pour(stream, &deepest, &[], 0)
    })
    .await;
    assert!(matches!(ended, Ended::Answered), "{ended:?}");
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn a_reply_that_drips_is_late_however_long_it_drips() {
    let budget = Duration::from_millis(300);
    let began = Instant::now();
    let (heard, ended) = asked(budget, |mut stream| async move {
        stream.write_all(b"+PONG\r\n$5000\r\n").await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let Ended::Late(1, fault) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(
        heard,
        [Reply::Value(Value::SimpleString("PONG".to_owned()))]
    );
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert_eq!(fault.message, "INFO SERVER: no answer within 0.3 s");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_not_resp_is_named_as_that() {
    let endless = vec![b'x'; 1 << 20];
    for (first, again) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[][..]),
        (b"", &endless),
    ] {
        let (_, ended) = asked(Duration::from_secs(5), |stream| {
            pour(stream, first, again, 256 << 20)
        })
        .await;
        assert_eq!(broken(&ended).1, "answered with something that is not RESP");
    }
}
