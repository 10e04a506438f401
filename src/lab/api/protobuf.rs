//! Bodies in Kubernetes' protobuf form, for the kinds that typed clients send: `kubectl` since 1.32 writes access reviews,
//! evictions and what its `create` commands make in no other way. Answers are always JSON, which every client accepts.
//!
//! Field numbers from the `generated.proto` files of `k8s.io/api` and `k8s.io/apimachinery` v0.33.

mod kinds;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::lab::{base64, clock};

/// The content type.
pub(super) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What the envelope begins with.
const MAGIC: &[u8] = b"k8s\0";

/// How deep messages may lie in each other.
const DEEPEST: usize = 32;

/// The fields of a message: number, JSON name, type.
type Message = &'static [(u64, &'static str, Type)];

#[derive(Clone, Copy)]
enum Type {
    Text,
    /// Left out when 0, as `omitempty` does.
    Number,
    /// A pointer in Go: 0 and false are told too.
    Set,
    SetFlag,
    Flag,
    Message(Message),
    Time,
    IntOrString,
    /// A list.
    Texts,
    Messages(Message),
    /// A map with text keys.
    TextMap,
    BytesMap,
    QuantityMap,
    /// Told by the server, not by clients.
    Skip,
}

/// Reads an envelope into the JSON form of its object. `None` when it is none, or when it carries a kind or field that is
/// not known here.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let envelope = Reader(body.strip_prefix(MAGIC)?).object(UNKNOWN, 0)?;
    let text = |pointer: &str| envelope.pointer(pointer).and_then(Value::as_str);
    let (version, kind) = (text("/typeMeta/apiVersion")?, text("/typeMeta/kind")?);
    let message = kinds::KINDS
        .iter()
        .find(|(v, k, _)| *v == version && *k == kind)
        .map(|(_, _, message)| *message)?;
    // Raw bytes do not survive as text, so they are looked up a second time.
    let mut value = Reader(raw(body.strip_prefix(MAGIC)?)?).object(message, 0)?;
    let map = value.as_object_mut()?;
    map.insert("apiVersion".into(), version.into());
    map.insert("kind".into(), kind.into());
    Some(value)
}

const TYPE_META: Message = &[(1, "apiVersion", Type::Text), (2, "kind", Type::Text)];
const UNKNOWN: Message = &[
    (1, "typeMeta", Type::Message(TYPE_META)),
    (2, "raw", Type::Skip),
    (3, "contentEncoding", Type::Skip),
    (4, "contentType", Type::Skip),
];

fn raw(envelope: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(envelope);
    while !reader.0.is_empty() {
        let (number, wire) = reader.key()?;
        match (number, reader.wire(wire)?) {
            (2, Wire::Bytes(bytes)) => return Some(bytes),
            _ => continue,
        }
    }
    None
}

enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn key(&mut self) -> Option<(u64, u64)> {
        let key = self.varint()?;
        Some((key >> 3, key & 7))
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn wire(&mut self, wire: u64) -> Option<Wire<'b>> {
        Some(match wire {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Bytes(self.take(8)?),
            2 => {
                let count = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(count)?)
            }
            5 => Wire::Bytes(self.take(4)?),
            _ => return None,
        })
    }

    fn object(mut self, message: Message, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let mut out = Map::new();
        while !self.0.is_empty() {
            let (number, wire) = self.key()?;
            let wire = self.wire(wire)?;
            let Some((_, name, kind)) = message.iter().find(|(known, _, _)| *known == number)
            else {
                // Go writes empty fields too; one that says something would be lost.
                if hollow(&wire, depth) {
                    continue;
                }
                return None;
            };
            put(&mut out, name, *kind, wire, depth)?;
        }
        Some(Value::Object(out))
    }
}

/// Whether a field says nothing: zero, empty, or a message of such fields.
fn hollow(wire: &Wire<'_>, depth: usize) -> bool {
    match wire {
        Wire::Number(number) => *number == 0,
        Wire::Bytes(bytes) => {
            let mut reader = Reader(bytes);
            while depth < DEEPEST && !reader.0.is_empty() {
                let field = reader.key().and_then(|(_, wire)| reader.wire(wire));
                if !field.is_some_and(|field| hollow(&field, depth + 1)) {
                    return false;
                }
            }
            reader.0.is_empty()
        }
    }
}

fn put(
    out: &mut Map<String, Value>,
    name: &str,
    kind: Type,
    wire: Wire<'_>,
    depth: usize,
) -> Option<()> {
    let signed = |number: u64| number.cast_signed();
    match (kind, wire) {
        (Type::Skip, _)
        | (Type::Text, Wire::Bytes([]))
        | (Type::Number | Type::Flag, Wire::Number(0)) => (),
        (Type::Text, Wire::Bytes(bytes)) => {
            out.insert(name.into(), text(bytes)?.into());
        }
        (Type::Number | Type::Set, Wire::Number(number)) => {
            out.insert(name.into(), signed(number).into());
        }
        (Type::Flag | Type::SetFlag, Wire::Number(number)) => {
            out.insert(name.into(), (number != 0).into());
        }
        (Type::Message(message), Wire::Bytes(bytes)) => {
            let value = Reader(bytes).object(message, depth + 1)?;
            if value.as_object().is_some_and(|map| !map.is_empty()) {
                out.insert(name.into(), value);
            }
        }
        (Type::Time, Wire::Bytes(bytes)) => {
            let value = Reader(bytes).object(
                &[(1, "seconds", Type::Number), (2, "nanos", Type::Number)],
                depth + 1,
            )?;
            if let Some(seconds) = value.get("seconds").and_then(Value::as_i64) {
                let at = Timestamp::from_second(seconds).ok()?;
                out.insert(name.into(), clock::seconds(at).into());
            }
        }
        (Type::IntOrString, Wire::Bytes(bytes)) => {
            let parts: Message = &[
                (1, "type", Type::Number),
                (2, "int", Type::Set),
                (3, "text", Type::Text),
            ];
            let value = Reader(bytes).object(parts, depth + 1)?;
            let is_text = value.get("type").and_then(Value::as_i64) == Some(1);
            let part = if is_text {
                value.get("text")
            } else {
                value.get("int")
            };
            out.insert(name.into(), part.cloned().unwrap_or_else(|| 0.into()));
        }
        (Type::Texts, Wire::Bytes(bytes)) => push(out, name, text(bytes)?.into()),
        (Type::Messages(message), Wire::Bytes(bytes)) => {
            push(out, name, Reader(bytes).object(message, depth + 1)?);
        }
        (Type::TextMap | Type::BytesMap | Type::QuantityMap, Wire::Bytes(bytes)) => {
            let (key, value) = entry(kind, bytes, depth)?;
            let map = out.entry(name).or_insert_with(|| Value::Object(Map::new()));
            map.as_object_mut()?.insert(key, value);
        }
        _ => return None,
    }
    Some(())
}

fn push(out: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(list) = out
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()))
        .as_array_mut()
    {
        list.push(value);
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// One entry of a map: key 1, value 2.
fn entry(kind: Type, bytes: &[u8], depth: usize) -> Option<(String, Value)> {
    let (mut key, mut value) = (String::new(), Value::String(String::new()));
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        let (number, wire) = reader.key()?;
        let Wire::Bytes(bytes) = reader.wire(wire)? else {
            return None;
        };
        match (number, kind) {
            (1, _) => key = text(bytes)?.to_owned(),
            (2, Type::TextMap) => value = text(bytes)?.into(),
            (2, Type::BytesMap) => value = base64::encode(bytes).into(),
            (2, Type::QuantityMap) => {
                let quantity = Reader(bytes).object(&[(1, "string", Type::Text)], depth + 1)?;
                value = quantity.get("string")?.clone();
            }
            _ => return None,
        }
    }
    Some((key, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// Builds what a typed client sends.
    #[derive(Default)]
    struct Build(Vec<u8>);

    impl Build {
        fn bytes(mut self, number: u8, bytes: &[u8]) -> Self {
            self.0.push(number << 3 | 2);
            self.0.push(u8::try_from(bytes.len()).unwrap());
            self.0.extend_from_slice(bytes);
            self
        }

        fn number(mut self, number: u8, value: u8) -> Self {
            self.0.extend_from_slice(&[number << 3, value]);
            self
        }

        fn envelope(self, version: &str, kind: &str) -> Vec<u8> {
            let meta = Build::default()
                .bytes(1, version.as_bytes())
                .bytes(2, kind.as_bytes());
            let unknown = Build::default()
                .bytes(1, &meta.0)
                .bytes(2, &self.0)
                .bytes(3, b"")
                .bytes(4, b"");
            [MAGIC, &unknown.0].concat()
        }
    }

    #[test]
    fn an_access_review_is_read() {
        let asked = Build::default()
            .bytes(1, b"shop")
            .bytes(2, b"list")
            .bytes(3, b"")
            .bytes(5, b"pods");
        let spec = Build::default().bytes(1, &asked.0);
        let body = Build::default()
            .bytes(1, b"")
            .bytes(2, &spec.0)
            .bytes(3, &[8, 0]);
        let value =
            read(&body.envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview")).unwrap();
        assert_eq!(
            value,
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {"namespace": "shop", "verb": "list", "resource": "pods"}}})
        );
    }

    #[test]
    fn maps_lists_and_pointers_are_read() {
        let label = Build::default().bytes(1, b"app").bytes(2, b"df");
        let meta = Build::default()
            .bytes(1, b"cm")
            .bytes(11, &label.0)
            .bytes(14, b"x/y");
        let data = Build::default().bytes(1, b"k").bytes(2, b"v");
        let value = read(
            &Build::default()
                .bytes(1, &meta.0)
                .bytes(2, &data.0)
                .envelope("v1", "ConfigMap"),
        )
        .unwrap();
        assert_eq!(
            value.pointer("/metadata"),
            Some(&json!({"name": "cm", "labels": {"app": "df"}, "finalizers": ["x/y"]}))
        );
        assert_eq!(value.pointer("/data"), Some(&json!({"k": "v"})));
        let spec = Build::default().number(1, 0);
        let value = read(
            &Build::default()
                .bytes(2, &spec.0)
                .envelope("apps/v1", "Deployment"),
        )
        .unwrap();
        assert_eq!(value.pointer("/spec/replicas"), Some(&json!(0)));
    }

    #[test]
    fn what_is_not_known_is_not_half_read() {
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(MAGIC), None);
        assert_eq!(read(&Build::default().envelope("v1", "Pond")), None);
        let unknown_field = Build::default()
            .bytes(12, b"something")
            .envelope("v1", "ConfigMap");
        assert_eq!(read(&unknown_field), None);
        let whole = Build::default().bytes(1, b"").envelope("v1", "ConfigMap");
        for cut in 5..whole.len() {
            // Never panics; a shorter one may or may not be a message.
            let _ = read(whole.get(..cut).unwrap());
        }
    }
}
