//! A guard before the RESP parser: lets bytes through only as long as they are a reply of sensible size.
//!
//! The library's parser believes every length that it reads: a header that promises 2 GB is waited for, and gathered; a
//! line without an end is kept growing; arrays are nested on its own stack. So each byte is looked at here first, by a
//! machine with a few words of state, and a reply that breaks a bound ends the stream with an error before the parser
//! sees the byte that broke it. What ended it is kept in a [`Breach`], because the library tells only that there was an
//! error.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest single text, bytes: CLIENT LIST of 64,000 clients is some 16 MB.
const TEXT: u64 = 24 << 20;
/// Longest line that is no text of told length, bytes.
const LINE: u32 = 64 << 10;
/// Most bytes of one whole reply.
const REPLY: u64 = 32 << 20;
/// Most parts of one whole reply, counted over all its arrays.
const PARTS: u64 = 200_000;
/// Deepest nesting of arrays. The deepest reply there is (SLOWLOG GET) has three levels.
const DEPTH: usize = 8;

/// Why a reply was cut off, once it was.
#[derive(Debug, Clone, Default)]
pub(super) struct Breach(Arc<OnceLock<String>>);

impl Breach {
    /// What was wrong with it.
    pub(super) fn told(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// A stream whose incoming bytes are looked at.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    frames: Frames,
    breach: Breach,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> (Self, Breach) {
        let breach = Breach::default();
        let guarded = Self {
            stream,
            frames: Frames::default(),
            breach: breach.clone(),
        };
        (guarded, breach)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let cut_off = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        if let Some(why) = this.breach.told() {
            return Poll::Ready(Err(cut_off(why)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let seen = this
            .frames
            .see(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(match seen {
            Ok(()) => Ok(()),
            Err((sound, why)) => {
                // What came before it is let through, so that replies before the broken one are heard.
                buf.set_filled(before + sound);
                let error = cut_off(&why);
                let _ = this.breach.0.set(why);
                // No byte at all would mean the end of the stream.
                if sound > 0 { Ok(()) } else { Err(error) }
            }
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Follows replies as they come, byte by byte.
#[derive(Debug, Default)]
struct Frames {
    place: Place,
    /// Parts still to come of each array that is open, the innermost last.
    open: Vec<u64>,
    /// Bytes of the reply so far.
    bytes: u64,
    /// Parts of the reply so far.
    parts: u64,
}

#[derive(Debug, Default)]
enum Place {
    /// Before a type byte.
    #[default]
    Type,
    /// In a line whose text does not matter here; how long it is so far.
    Line(u32),
    /// In the length of a text or of an array.
    Length {
        of: u8,
        negative: bool,
        digits: u32,
        length: u64,
    },
    /// In a text of told length, its line end included.
    Text(u64),
}

impl Frames {
    /// Looks at the next bytes. An error comes with how many of them were sound.
    fn see(&mut self, bytes: &[u8]) -> Result<(), (usize, String)> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            // A text is passed over in one step.
            let step = match self.place {
                Place::Text(left) => usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at),
                _ => 1,
            };
            self.count(step as u64).map_err(|why| (at, why))?;
            match &mut self.place {
                Place::Text(left) => {
                    *left -= step as u64;
                    if *left == 0 {
                        self.part_is_over();
                    }
                }
                _ => self.step(byte).map_err(|why| (at, why))?,
            }
            at += step;
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > REPLY {
            return Err(format!("sends a reply of more than {} MiB", REPLY >> 20));
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), String> {
        match &mut self.place {
            Place::Type => {
                self.parts += 1;
                if self.parts > PARTS {
                    return Err(format!("sends a reply of more than {PARTS} parts"));
                }
                self.place = match byte {
                    b'$' | b'*' | b'=' | b'!' | b'%' | b'~' | b'>' | b'|' => Place::Length {
                        of: byte,
                        negative: false,
                        digits: 0,
                        length: 0,
                    },
                    b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => Place::Line(0),
                    // The parser says best what it is not.
                    _ => Place::Line(0),
                };
            }
            Place::Line(long) => {
                *long += 1;
                if *long > LINE {
                    return Err(format!("sends a line of more than {} KiB", LINE >> 10));
                }
                if byte == b'\n' {
                    self.part_is_over();
                }
            }
            Place::Length {
                of,
                negative,
                digits,
                length,
            } => match byte {
                b'-' => *negative = true,
                b'+' | b' ' | b'\r' => *digits += 1,
                b'0'..=b'9' => {
                    *length = length
                        .saturating_mul(10)
                        .saturating_add(u64::from(byte - b'0'));
                    *digits += 1;
                }
                b'\n' => {
                    let (of, length) = (*of, if *negative { 0 } else { *length });
                    let is_nothing = *negative;
                    self.sized(of, length, is_nothing)?;
                }
                // No length at all: the parser says so.
                _ => self.place = Place::Line(0),
            },
            Place::Text(_) => {}
        }
        if matches!(self.place, Place::Length { digits, .. } if digits > 64) {
            return Err("sends a length that has no end".to_owned());
        }
        Ok(())
    }

    /// A length has been read.
    fn sized(&mut self, of: u8, length: u64, is_nothing: bool) -> Result<(), String> {
        if matches!(of, b'$' | b'=' | b'!') {
            if length > TEXT {
                return Err(format!(
                    "announces a text of {length} bytes; more than {} MiB are not read",
                    TEXT >> 20
                ));
            }
            if is_nothing {
                self.part_is_over();
            } else {
                self.place = Place::Text(length + 2);
            }
            return Ok(());
        }
        let parts = match of {
            b'%' => length.saturating_mul(2),
            b'|' => length.saturating_mul(2).saturating_add(1),
            _ => length,
        };
        // Those that are announced and still to come count, for each array can announce as many.
        let announced = self
            .open
            .iter()
            .fold(self.parts, |sum, left| sum.saturating_add(*left));
        if announced.saturating_add(parts) > PARTS {
            return Err(format!(
                "announces an array of {length} parts; more than {PARTS} are not read"
            ));
        }
        if parts == 0 {
            self.part_is_over();
            return Ok(());
        }
        if self.open.len() >= DEPTH {
            return Err(format!("nests arrays more than {DEPTH} deep"));
        }
        self.open.push(parts);
        self.place = Place::Type;
        Ok(())
    }

    /// A part has ended, and with it every array of which it was the last.
    fn part_is_over(&mut self) {
        self.place = Place::Type;
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        (self.bytes, self.parts) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;

    /// Whole, and in pieces of every small size.
    fn see(bytes: &[u8]) -> Result<(), String> {
        let whole = Frames::default().see(bytes);
        for size in [1, 2, 3, 7] {
            let mut frames = Frames::default();
            let mut pieces = bytes.chunks(size).enumerate();
            let seen = pieces.try_for_each(|(n, piece)| {
                frames.see(piece).map_err(|(at, why)| (n * size + at, why))
            });
            assert_eq!(seen, whole, "in pieces of {size}");
        }
        whole.map_err(|(_, why)| why)
    }

    #[test]
    fn sensible_replies_pass_and_their_bounds_start_anew() {
        let mut bytes = Vec::new();
        for reply in [
            "+PONG\r\n",
            "-LOADING x\r\n",
            ":-7\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "$0\r\n\r\n",
            "*0\r\n",
            "$5\r\na\r\nbc\r\n",
            "*2\r\n$6\r\nmaster\r\n*2\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n*0\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            "%1\r\n+a\r\n+b\r\n",
            "nonsense\r\n",
            "$x\r\n",
        ] {
            bytes.extend_from_slice(reply.as_bytes());
        }
        for _ in 0..20_000 {
            bytes.extend_from_slice(b"*20\r\n");
            bytes.extend_from_slice(&b"+a\r\n".repeat(20));
        }
        assert_eq!(Frames::default().see(&bytes), Ok(()));
        let mut frames = Frames::default();
        assert_eq!(frames.see(&bytes), Ok(()));
        assert!(frames.open.is_empty() && frames.bytes == 0, "{frames:?}");
        assert_eq!(see(&bytes[..400]), Ok(()));
    }

    #[test]
    fn what_breaks_a_bound_is_named() {
        let long = |text: &str, times: usize| text.repeat(times).into_bytes();
        for (bytes, wanted) in [
            (b"$2147483648\r\n".to_vec(), "a text of 2147483648 bytes"),
            (
                b"$99999999999999999999999\r\n".to_vec(),
                "a text of 18446744073709551615 bytes",
            ),
            (b"*2147483648\r\n".to_vec(), "an array of 2147483648 parts"),
            (b"%9223372036854775808\r\n".to_vec(), "an array of"),
            (long("*1\r\n", 10_000), "nests arrays more than 8 deep"),
            (long("*100000\r\n", 3), "an array of 100000 parts"),
            (
                [b"+".to_vec(), long("x", 70_000)].concat(),
                "a line of more than 64 KiB",
            ),
            (
                [b"$".to_vec(), long("0", 70_000)].concat(),
                "a length that has no end",
            ),
            (long("x", 70_000), "a line of more than 64 KiB"),
        ] {
            let told = see(&bytes).unwrap_err();
            assert!(told.contains(wanted), "{told}");
        }
        // Many texts, each within its bound.
        let mut frames = Frames::default();
        let text = [
            b"$20000000\r\n".to_vec(),
            vec![b'x'; 20_000_000],
            b"\r\n".to_vec(),
        ]
        .concat();
        frames.see(b"*3\r\n").unwrap();
        frames.see(&text).unwrap();
        assert!(
            frames
                .see(&text)
                .unwrap_err()
                .1
                .contains("more than 32 MiB")
        );
    }
}
