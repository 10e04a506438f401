//! Get and list.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Desk;
use super::call::{Call, Format};
use super::reply::{self, Reply};
use super::selector::Selector;
use super::shape;
use crate::lab::base64;
use crate::lab::status::{Cause, Status};
use crate::lab::store::{Listed, Object};

/// One object.
pub(super) fn get(desk: &Desk, call: &Call) -> Result<Reply, Status> {
    reached(desk, call.query.get("resourceVersion"))?;
    let object = desk.store.get(call.stored(), &call.namespace, &call.name)?;
    shape::one(desk, call, 200, &object)
}

/// A collection, whole or in chunks.
pub(super) fn list(desk: &Desk, call: &Call) -> Result<Reply, Status> {
    let format = Format::negotiate(&call.heads.accept)?;
    let selector = selector(call)?;
    let limit = call.query.number("limit")?.unwrap_or(0);
    // The cache of an API server answers "any version" whole, whatever the limit.
    let limit = if call.query.get("resourceVersion") == "0" {
        0
    } else {
        usize::try_from(limit).unwrap_or(0)
    };
    let token = call.query.get("continue");
    let (listed, after) = if token.is_empty() {
        (at_revision(desk, call)?, None)
    } else {
        chunk(desk, call, token)?
    };
    let mut items: Vec<&Object> = listed
        .items
        .iter()
        .map(AsRef::as_ref)
        .filter(|object| selector.matches(object))
        .collect();
    if let Some(after) = &after {
        items.retain(|object| key(object) > *after);
    }
    let left = if limit == 0 {
        0
    } else {
        items.len().saturating_sub(limit)
    };
    items.truncate(items.len() - left);
    let next = match items.last() {
        Some(last) if left > 0 => Continue {
            revision: listed.revision,
            after: key(last),
        }
        .write(),
        _ => String::new(),
    };
    let mut metadata = json!({ "resourceVersion": listed.revision.to_string() });
    if let (false, Some(map)) = (next.is_empty(), metadata.as_object_mut()) {
        map.insert("continue".into(), next.into());
        // Not told when a selector is in force: the server would have to look at everything.
        if selector.is_empty() {
            map.insert("remainingItemCount".into(), left.into());
        }
    }
    if format == Format::Table {
        let mut table = shape::table(desk, call, &listed.revision.to_string(), &items, true);
        if let Some(map) = table.as_object_mut() {
            map.insert("metadata".into(), metadata);
        }
        return Ok(reply::json(200, &table));
    }
    let (kind, version) = match format {
        Format::Partial => (
            "PartialObjectMetadataList".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        ),
        _ => (
            format!("{}List", call.resource.kind),
            call.resource.api_version(),
        ),
    };
    let mut out = format!(
        "{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\",\"metadata\":{metadata},\"items\":["
    )
    .into_bytes();
    for (at, object) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match format {
            Format::Partial => out.extend_from_slice(object.metadata_json()),
            _ => shape::write_item(&call.resource, object, &mut out),
        }
    }
    out.extend_from_slice(b"]}\n");
    Ok(reply::json_text(200, out))
}

/// The selectors of a request.
pub(super) fn selector(call: &Call) -> Result<Selector, Status> {
    Selector::parse(
        call.query.get("labelSelector"),
        call.query.get("fieldSelector"),
        &call.resource,
    )
}

/// A revision as the client wrote it; `None` when it wrote none.
pub(super) fn revision(text: &str) -> Result<Option<u64>, Status> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            let why = format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
            let cause = Cause::invalid("resourceVersion", &text.into(), &why);
            Status::invalid("meta.k8s.io", "ListOptions", "", &[cause])
        }),
    }
}

/// How long a request for a version to come waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waits a little for the version that a read asks for; whether it came is for [`reached`] to say.
pub(super) async fn wait_until_reached(desk: &Desk, call: &Call) {
    let waits = matches!(call.verb, "get" | "list") || call.query.has("sendInitialEvents");
    let Ok(Some(asked)) = revision(call.query.get("resourceVersion")) else {
        return;
    };
    let deadline = Instant::now() + PATIENCE;
    while waits && asked > desk.store.revision() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Refuses a revision that this cluster has not reached.
pub(super) fn reached(desk: &Desk, text: &str) -> Result<(), Status> {
    let current = desk.store.revision();
    match revision(text)? {
        Some(asked) if asked > current => Err(Status::too_large_revision(asked, current)),
        _ => Ok(()),
    }
}

fn at_revision(desk: &Desk, call: &Call) -> Result<Listed, Status> {
    let (asked, how) = (
        call.query.get("resourceVersion"),
        call.query.get("resourceVersionMatch"),
    );
    let forbidden = |why: &str| {
        let cause = Cause {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why}"),
            field: "resourceVersionMatch".into(),
        };
        Err(Status::invalid("meta.k8s.io", "ListOptions", "", &[cause]))
    };
    match (how, asked) {
        ("", _) | ("NotOlderThan" | "Exact", _) if how.is_empty() || !asked.is_empty() => (),
        ("NotOlderThan" | "Exact", _) => {
            return forbidden(
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            );
        }
        _ => {
            let cause = Cause {
                reason: "FieldValueNotSupported",
                message: format!(
                    "Unsupported value: \"{how}\": supported values: \"Exact\", \"NotOlderThan\", \"\""
                ),
                field: "resourceVersionMatch".into(),
            };
            return Err(Status::invalid("meta.k8s.io", "ListOptions", "", &[cause]));
        }
    }
    if how == "Exact" && asked == "0" {
        return forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    reached(desk, asked)?;
    // With a limit and a version but no rule, an API server takes the version as exact.
    let chunked = how.is_empty() && asked != "0" && call.query.number("limit")?.unwrap_or(0) > 0;
    match revision(asked)? {
        Some(revision) if how == "Exact" || chunked => desk
            .store
            .list_at(call.stored(), call.scope(), revision)
            .map_err(|status| match status.code {
                410 => Status::list_expired(),
                _ => status,
            }),
        _ => desk.store.list(call.stored(), call.scope()),
    }
}

/// The rest of a list, as it was when its first chunk was answered.
fn chunk(
    desk: &Desk,
    call: &Call,
    token: &str,
) -> Result<(Listed, Option<(String, String)>), Status> {
    let given = call.query.get("resourceVersion");
    if !given.is_empty() && given != "0" {
        return Err(Status::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let token = Continue::read(token).map_err(|why| {
        Status::bad_request(format!(
            "invalid continue token: continue key is not valid: {why}"
        ))
    })?;
    // 0 goes on in whatever is current, as after an expired token.
    let listed = if token.revision == 0 {
        desk.store.list(call.stored(), call.scope())?
    } else {
        desk.store
            .list_at(call.stored(), call.scope(), token.revision)
            .map_err(|status| match status.code {
                410 => expired(&token),
                _ => status,
            })?
    };
    Ok((listed, Some(token.after)))
}

/// 410 with a token that goes on, inconsistently, from the same place.
fn expired(token: &Continue) -> Status {
    let mut status = Status::continue_expired();
    let next = Continue {
        revision: 0,
        after: token.after.clone(),
    }
    .write();
    status.metadata = json!({ "continue": next });
    status
}

fn key(object: &Object) -> (String, String) {
    (object.namespace.clone(), object.name.clone())
}

/// Where a chunked list goes on: opaque to clients, and the same JSON in URL-safe base64 as a real server's.
struct Continue {
    revision: u64,
    after: (String, String),
}

impl Continue {
    fn write(&self) -> String {
        let start = format!("{}/{}\u{0}", self.after.0, self.after.1);
        let text =
            json!({ "v": "meta.k8s.io/v1", "rv": self.revision, "start": start }).to_string();
        base64::encode(text.as_bytes())
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_")
    }

    /// # Errors
    /// Why it is no token, in the words of Go's decoders.
    fn read(token: &str) -> Result<Self, String> {
        let standard = token.replace('-', "+").replace('_', "/");
        let bytes = base64::decode(&standard).ok_or("illegal base64 data at input byte 0")?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| match bytes.first() {
            Some(byte) => format!(
                "invalid character '{}' looking for beginning of value",
                char::from(*byte)
            ),
            None => "unexpected end of JSON input".to_owned(),
        })?;
        let start = value
            .get("start")
            .and_then(Value::as_str)
            .and_then(|start| start.strip_suffix('\u{0}'));
        let after = start.and_then(|start| start.split_once('/'));
        match (value.get("rv").and_then(Value::as_u64), after) {
            (Some(revision), Some((namespace, name))) => Ok(Self {
                revision,
                after: (namespace.to_owned(), name.to_owned()),
            }),
            _ => Err("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn continue_tokens_come_back() {
        for namespace in ["ns", ""] {
            let token = Continue {
                revision: 7,
                after: (namespace.into(), "a".into()),
            };
            let back = Continue::read(&token.write()).unwrap();
            assert_eq!((back.revision, back.after), (7, token.after));
        }
        let table = [
            ("", "unexpected end of JSON input"),
            (
                "xyz",
                "invalid character '\u{c7}' looking for beginning of value",
            ),
            ("!", "illegal base64 data at input byte 0"),
            (
                "e30",
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
        ];
        for (bad, why) in table {
            assert_eq!(Continue::read(bad).err().as_deref(), Some(why), "{bad}");
        }
    }
}
