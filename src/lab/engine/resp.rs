//! RESP 2 and 3 as the server speaks it: commands in, replies out.

/// One command: its name and arguments, as bytes.
pub(super) type Args = Vec<Vec<u8>>;

/// The longest bulk a client may announce (the server's limit on a value is larger; the lab's need not be).
const MAX_BULK: usize = 256 << 20;
const MAX_ARGS: usize = 1 << 20;
const MAX_INLINE: usize = 64 << 10;

/// What the beginning of a read buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A whole command and the bytes it took; no arguments for an empty line.
    Command(Args, usize),
    /// More bytes are needed.
    Incomplete,
    /// Not RESP; the connection is told why and closed.
    Bad(&'static str),
}

/// Reads the first command of `buf`: an array of bulk strings, or an inline line.
pub(super) fn parse(buf: &[u8]) -> Parsed {
    match buf.first() {
        None => Parsed::Incomplete,
        Some(b'*') => parse_array(buf),
        Some(_) => parse_inline(buf),
    }
}

fn parse_array(buf: &[u8]) -> Parsed {
    let (count, mut at) = match number(buf, 1) {
        Ok(Some(found)) => found,
        Ok(None) => return Parsed::Incomplete,
        Err(()) => return Parsed::Bad("Protocol error: invalid multibulk length"),
    };
    let Ok(count) = usize::try_from(count.max(0)) else {
        return Parsed::Bad("Protocol error: invalid multibulk length");
    };
    if count > MAX_ARGS {
        return Parsed::Bad("Protocol error: invalid multibulk length");
    }
    let mut args = Args::with_capacity(count.min(64));
    while args.len() < count {
        match buf.get(at) {
            None => return Parsed::Incomplete,
            Some(b'$') => {}
            Some(_) => return Parsed::Bad("Protocol error: expected '$'"),
        }
        let (len, start) = match number(buf, at + 1) {
            Ok(Some(found)) => found,
            Ok(None) => return Parsed::Incomplete,
            Err(()) => return Parsed::Bad("Protocol error: invalid bulk length"),
        };
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= MAX_BULK) else {
            return Parsed::Bad("Protocol error: invalid bulk length");
        };
        let (Some(body), Some(_)) = (buf.get(start..start + len), buf.get(start + len + 1)) else {
            return Parsed::Incomplete;
        };
        args.push(body.to_vec());
        at = start + len + 2;
    }
    Parsed::Command(args, at)
}

/// The number between `from` and the line end, and where the next line starts.
fn number(buf: &[u8], from: usize) -> Result<Option<(i64, usize)>, ()> {
    let rest = buf.get(from..).unwrap_or_default();
    let Some(end) = rest.iter().position(|b| *b == b'\n') else {
        return if rest.len() > 32 { Err(()) } else { Ok(None) };
    };
    let line = rest.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| ())?;
    let value = text.parse().map_err(|_| ())?;
    Ok(Some((value, from + end + 1)))
}

fn parse_inline(buf: &[u8]) -> Parsed {
    let Some(end) = buf.iter().position(|b| *b == b'\n') else {
        return if buf.len() > MAX_INLINE {
            Parsed::Bad("Protocol error: too big inline request")
        } else {
            Parsed::Incomplete
        };
    };
    let line = buf.get(..end).unwrap_or_default();
    match split_inline(line) {
        Some(args) => Parsed::Command(args, end + 1),
        None => Parsed::Bad("Protocol error: unbalanced quotes in request"),
    }
}

fn split_inline(line: &[u8]) -> Option<Args> {
    let mut args = Args::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    for byte in line.iter().copied() {
        match quote {
            Some(q) if byte == q => quote = None,
            Some(_) => word.get_or_insert_default().push(byte),
            None if byte == b'"' || byte == b'\'' => {
                word.get_or_insert_default();
                quote = Some(byte);
            }
            None if byte.is_ascii_whitespace() => args.extend(word.take()),
            None => word.get_or_insert_default().push(byte),
        }
    }
    args.extend(word);
    quote.is_none().then_some(args)
}

/// The protocol a connection has chosen by HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Proto {
    #[default]
    Resp2,
    Resp3,
}

/// One reply. Where the protocols differ, RESP 2 gets what the server sends there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Simple(String),
    /// The whole text after `-`, its code included.
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    /// Text that RESP 3 marks as such (INFO, CLIENT LIST).
    Verbatim(String),
    Double(f64),
    Null,
    NullArray,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    /// Several replies in a row, as SUBSCRIBE to several channels gives.
    Many(Vec<Reply>),
}

impl Reply {
    pub(super) fn ok() -> Self {
        Self::Simple("OK".into())
    }

    /// `-ERR text`
    pub(super) fn err(text: impl AsRef<str>) -> Self {
        Self::Error(format!("ERR {}", text.as_ref()))
    }

    pub(super) fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(text.as_ref().to_vec())
    }

    pub(super) fn int(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(super) fn flag(value: bool) -> Self {
        Self::Int(i64::from(value))
    }

    /// A bulk, or null.
    pub(super) fn maybe(value: Option<Vec<u8>>) -> Self {
        value.map_or(Self::Null, Self::Bulk)
    }

    pub(super) fn bulks<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Array(items.into_iter().map(Self::bulk).collect())
    }

    /// Appends the wire form.
    pub(super) fn encode(&self, proto: Proto, out: &mut Vec<u8>) {
        let three = proto == Proto::Resp3;
        match self {
            Self::Simple(text) => line(out, '+', text),
            Self::Error(text) => line(out, '-', text),
            Self::Int(value) => line(out, ':', &value.to_string()),
            Self::Bulk(body) => bulk(out, body),
            Self::Verbatim(text) if three => {
                line(out, '=', &(text.len() + 4).to_string());
                out.extend_from_slice(b"txt:");
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Self::Verbatim(text) => bulk(out, text.as_bytes()),
            Self::Double(value) if three => line(out, ',', &shortest(*value)),
            Self::Double(value) => bulk(out, shortest(*value).as_bytes()),
            Self::Null | Self::NullArray if three => out.extend_from_slice(b"_\r\n"),
            Self::Null => out.extend_from_slice(b"$-1\r\n"),
            Self::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Self::Array(items) => sequence(out, '*', items, proto),
            Self::Set(items) => sequence(out, if three { '~' } else { '*' }, items, proto),
            Self::Push(items) => sequence(out, if three { '>' } else { '*' }, items, proto),
            Self::Map(pairs) => {
                let (mark, count) = if three {
                    ('%', pairs.len())
                } else {
                    ('*', pairs.len() * 2)
                };
                line(out, mark, &count.to_string());
                for (key, value) in pairs {
                    key.encode(proto, out);
                    value.encode(proto, out);
                }
            }
            Self::Many(items) => items.iter().for_each(|item| item.encode(proto, out)),
        }
    }
}

fn line(out: &mut Vec<u8>, mark: char, text: &str) {
    out.push(mark as u8);
    out.extend(
        text.bytes()
            .map(|b| if b == b'\r' || b == b'\n' { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, body: &[u8]) {
    line(out, '$', &body.len().to_string());
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

fn sequence(out: &mut Vec<u8>, mark: char, items: &[Reply], proto: Proto) {
    line(out, mark, &items.len().to_string());
    items.iter().for_each(|item| item.encode(proto, out));
}

/// A double as the server prints scores: no needless zeros.
pub(super) fn shortest(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 {
            "inf".into()
        } else {
            "-inf".into()
        };
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn words(list: &[&str]) -> Args {
        list.iter().map(|w| w.as_bytes().to_vec()).collect()
    }

    #[test]
    fn commands_are_read_whole_or_not_at_all() {
        let wire = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nrest";
        assert_eq!(parse(wire), Parsed::Command(words(&["GET", "k"]), 20));
        for end in 0..20 {
            assert_eq!(parse(wire.get(..end).unwrap()), Parsed::Incomplete, "{end}");
        }
        assert_eq!(parse(b"PING\r\n"), Parsed::Command(words(&["PING"]), 6));
        assert_eq!(
            parse(b"SET a 'b c' \"\"\n"),
            Parsed::Command(words(&["SET", "a", "b c", ""]), 15)
        );
        assert_eq!(parse(b"\r\n"), Parsed::Command(vec![], 2));
    }

    #[test]
    fn nonsense_is_named() {
        let cases: &[(&[u8], &str)] = &[
            (b"*x\r\n", "Protocol error: invalid multibulk length"),
            (b"*1\r\n+OK\r\n", "Protocol error: expected '$'"),
            (b"*1\r\n$-5\r\n", "Protocol error: invalid bulk length"),
            (
                b"SET a 'b\r\n",
                "Protocol error: unbalanced quotes in request",
            ),
        ];
        for (wire, text) in cases {
            assert_eq!(parse(wire), Parsed::Bad(text));
        }
    }

    #[test]
    fn replies_differ_by_protocol_where_they_should() {
        let two = |reply: &Reply| {
            let mut out = vec![];
            reply.encode(Proto::Resp2, &mut out);
            String::from_utf8(out).unwrap()
        };
        let three = |reply: &Reply| {
            let mut out = vec![];
            reply.encode(Proto::Resp3, &mut out);
            String::from_utf8(out).unwrap()
        };
        let map = Reply::Map(vec![(Reply::bulk("a"), Reply::Int(1))]);
        let cases = [
            (Reply::ok(), "+OK\r\n", "+OK\r\n"),
            (Reply::err("no"), "-ERR no\r\n", "-ERR no\r\n"),
            (Reply::Null, "$-1\r\n", "_\r\n"),
            (Reply::NullArray, "*-1\r\n", "_\r\n"),
            (map, "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"),
            (Reply::Double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (
                Reply::Verbatim("x".into()),
                "$1\r\nx\r\n",
                "=5\r\ntxt:x\r\n",
            ),
        ];
        for (reply, in_two, in_three) in cases {
            assert_eq!(two(&reply), in_two);
            assert_eq!(three(&reply), in_three);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            if let Parsed::Command(_, used) = parse(&bytes) {
                proptest::prop_assert!(used <= bytes.len());
            }
        }

        #[test]
        fn a_command_is_read_as_it_was_written(words: Vec<Vec<u8>>) {
            let mut wire = vec![];
            Reply::bulks(&words).encode(Proto::Resp2, &mut wire);
            proptest::prop_assert_eq!(parse(&wire), Parsed::Command(words, wire.len()));
        }
    }
}
