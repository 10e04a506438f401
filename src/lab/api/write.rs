//! Create, update, patch and delete.

use serde_json::{Value, json};

use super::call::Call;
use super::reply::{self, Reply};
use super::{Desk, apply, defaults, list, patch, protobuf, schema, shape, validate};
use crate::lab::status::Status;
use crate::lab::store::{Delete, Deleted, Expect, FieldSet, Object, Propagation, Writer, metadata};

/// What a create or update may be sent as.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Reads a body as JSON, or YAML or protobuf where the client says so.
pub(super) fn parse(body: &[u8], call: &Call) -> Result<Value, Status> {
    match call.heads.content_type.as_str() {
        "application/yaml" => {
            serde_saphyr::from_str(&String::from_utf8_lossy(body)).map_err(|error| {
                Status::bad_request(format!("error converting YAML to JSON: yaml: {error}"))
            })
        }
        "" | "application/json" => {
            serde_json::from_slice(body).map_err(|error| unreadable(body, &error, call))
        }
        protobuf::CONTENT_TYPE => protobuf::read(body).ok_or_else(|| {
            Status::unsupported_media_type(
                "application/json, application/yaml (protobuf of this kind is not read)",
            )
        }),
        _ => Err(Status::unsupported_media_type(ACCEPTED)),
    }
}

/// A body that is no JSON, in the words of Go's decoder.
fn unreadable(body: &[u8], error: &serde_json::Error, call: &Call) -> Status {
    let why = if error.is_eof() {
        "unexpected end of JSON input".to_owned()
    } else {
        let line = body
            .split(|byte| *byte == b'\n')
            .nth(error.line().saturating_sub(1))
            .unwrap_or_default();
        let bad = line
            .get(error.column().saturating_sub(1))
            .copied()
            .map_or('\u{0}', char::from);
        format!("invalid character '{bad}' looking for beginning of value")
    };
    let shown: String = String::from_utf8_lossy(body).chars().take(1024).collect();
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {why} \
         ({shown})",
        call.resource.kind
    ))
}

/// Reads the object of a create or update and checks that it is what the path says.
fn object(body: &[u8], call: &Call) -> Result<Value, Status> {
    let value = parse(body, call)?;
    if !value.is_object() {
        return Err(Status::bad_request(
            "couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct",
        ));
    }
    check_kind(&value, call)?;
    let mut value = if call.resource.stored_as.is_some() {
        shape::core_event(value)
    } else {
        value
    };
    check_place(&mut value, call)?;
    Ok(value)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn check_kind(value: &Value, call: &Call) -> Result<(), Status> {
    let (version, kind) = (text(value, "/apiVersion"), text(value, "/kind"));
    if kind.is_empty() {
        return Err(Status::bad_request(format!(
            "Object 'Kind' is missing in '{value}'"
        )));
    }
    if version.is_empty() {
        return Err(Status::bad_request(format!(
            "Object 'apiVersion' is missing in '{value}'"
        )));
    }
    let expected = call.resource.api_version();
    if version != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if kind != call.resource.kind {
        let short = version.rsplit('/').next().unwrap_or_default();
        return Err(Status::bad_request(format!(
            "{kind} in version \"{short}\" cannot be handled as a {of}: converting ({short}.{kind}) to ({short}.{of}): \
             unknown conversion",
            of = call.resource.kind
        )));
    }
    Ok(())
}

/// Name and namespace of the object must be those of the path.
fn check_place(value: &mut Value, call: &Call) -> Result<(), Status> {
    let (namespace, name) = (
        text(value, "/metadata/namespace"),
        text(value, "/metadata/name"),
    );
    if !namespace.is_empty() && !call.namespace.is_empty() && namespace != call.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if call.namespace.is_empty() && call.resource.namespaced {
        return Err(Status::bad_request(
            "an empty namespace may not be set during creation",
        ));
    }
    if !call.name.is_empty() && !name.is_empty() && name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    Ok(())
}

fn writer<'a>(call: &'a Call, applied: Option<&'a FieldSet>) -> Result<Writer<'a>, Status> {
    let subresource = match call.subresource.as_str() {
        "finalize" => "",
        other => other,
    };
    Ok(Writer {
        manager: call.manager(),
        subresource,
        applied,
        dry_run: call.dry_run()?,
    })
}

/// Answers a POST to a collection.
pub(super) fn create(desk: &Desk, call: &Call, body: impl AsRef<[u8]>) -> Result<Reply, Status> {
    let value = object(body.as_ref(), call)?;
    let by = writer(call, None)?;
    let (object, warnings) = add(desk, call, value, by)?;
    respond(desk, call, 201, &object, &warnings)
}

/// Makes an object as the API would, filling in and checking.
fn add(
    desk: &Desk,
    call: &Call,
    mut value: Value,
    by: Writer<'_>,
) -> Result<(std::sync::Arc<Object>, Vec<String>), Status> {
    let resource = &call.resource;
    let meta = metadata(&mut value);
    if meta
        .get("resourceVersion")
        .and_then(Value::as_str)
        .is_some_and(|revision| !revision.is_empty())
    {
        return Err(Status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    for key in [
        "uid",
        "creationTimestamp",
        "managedFields",
        "resourceVersion",
        "generation",
    ] {
        meta.remove(key);
    }
    if let (true, Some(map)) = (resource.status, value.as_object_mut()) {
        map.remove("status");
    }
    let warnings = schema::fitted(resource, &mut value, call.query.get("fieldValidation"))?;
    defaults::fill(resource, &mut value, &call.namespace);
    validate::creation(resource, &value)?;
    Ok((
        desk.store
            .create(call.stored(), &call.namespace, value, by)?,
        warnings,
    ))
}

fn respond(
    desk: &Desk,
    call: &Call,
    code: u16,
    object: &Object,
    warnings: &[String],
) -> Result<Reply, Status> {
    let mut reply = shape::one(desk, call, code, object)?;
    for warning in warnings {
        let text = format!("299 - \"{}\"", warning.replace('"', "\\\""));
        if let Ok(value) = hyper::header::HeaderValue::from_str(&text) {
            reply.headers_mut().append(hyper::header::WARNING, value);
        }
    }
    Ok(reply)
}

/// Answers a PUT.
pub(super) fn update(desk: &Desk, call: &Call, body: impl AsRef<[u8]>) -> Result<Reply, Status> {
    let new = object(body.as_ref(), call)?;
    let expect = expectation(&new);
    if call.resource.custom() && expect.revision.is_none() {
        let cause = crate::lab::status::Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: 0x0: must be specified for an update".into(),
            field: "metadata.resourceVersion".into(),
        };
        // Here the text names the plural instead of the kind.
        return Err(Status::invalid(
            &call.resource.group,
            &call.resource.plural,
            &call.name,
            &[cause],
        ));
    }
    let by = writer(call, None)?;
    let mut warnings = Vec::new();
    let object = desk.store.try_update(
        call.stored(),
        &call.namespace,
        &call.name,
        by,
        &expect,
        |live| {
            warnings = replace(call, live, new)?;
            Ok(())
        },
    )?;
    respond(desk, call, 200, &object, &warnings)
}

/// What the metadata of a sent object expects to find.
fn expectation(value: &Value) -> Expect {
    let set = |pointer: &str| Some(text(value, pointer).to_owned()).filter(|text| !text.is_empty());
    Expect {
        uid: set("/metadata/uid"),
        revision: set("/metadata/resourceVersion"),
    }
}

/// Puts `new` in place of `live`, as far as the path written to allows; returns warnings.
pub(super) fn replace(
    call: &Call,
    live: &mut Value,
    mut new: Value,
) -> Result<Vec<String>, Status> {
    let resource = &call.resource;
    if call.subresource == "status" {
        let mut merged = live.clone();
        set_or_remove(&mut merged, "status", new.get("status").cloned());
        if !resource.custom() {
            let sent = metadata(&mut new).clone();
            let meta = metadata(&mut merged);
            for key in ["labels", "annotations", "finalizers"] {
                match sent.get(key) {
                    Some(value) => meta.insert(key.into(), value.clone()),
                    None => meta.remove(key),
                };
            }
        }
        *live = merged;
        return Ok(Vec::new());
    }
    if resource.status {
        set_or_remove(&mut new, "status", live.get("status").cloned());
    }
    let warnings = schema::fitted(resource, &mut new, call.query.get("fieldValidation"))?;
    defaults::keep(resource, live, &mut new);
    validate::metadata(resource, &new)?;
    validate::change(resource, live, &new)?;
    *live = new;
    Ok(warnings)
}

fn set_or_remove(value: &mut Value, key: &str, to: Option<Value>) {
    if let Some(map) = value.as_object_mut() {
        match to {
            Some(to) => map.insert(key.into(), to),
            None => map.remove(key),
        };
    }
}

/// Answers a PATCH.
pub(super) fn patch(desk: &Desk, call: &Call, body: impl AsRef<[u8]>) -> Result<Reply, Status> {
    if call.heads.content_type == "application/apply-patch+yaml" {
        return server_side_apply(desk, call, body.as_ref());
    }
    if call.query.has("force") {
        let cause = crate::lab::status::Cause {
            reason: "FieldValueForbidden",
            message: "Forbidden: may not be specified for non-apply patch".into(),
            field: "force".into(),
        };
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[cause]));
    }
    let patch = patch::Patch::read(&call.heads.content_type, body.as_ref(), &call.resource)?;
    let by = writer(call, None)?;
    let mut warnings = Vec::new();
    let object = desk.store.try_update(
        call.stored(),
        &call.namespace,
        &call.name,
        by,
        &Expect::default(),
        |live| {
            let new = if call.resource.stored_as.is_some() {
                let mut shown = shape::newer_event(live.clone());
                shape::stamp(&call.resource, &mut shown);
                shape::core_event(patch.apply(&shown)?)
            } else {
                patch.apply(live)?
            };
            check_patched(call, live, &new)?;
            warnings = replace(call, live, new)?;
            Ok(())
        },
    )?;
    respond(desk, call, 200, &object, &warnings)
}

/// A patch may not turn the object into another, and a version it carries must be the stored one.
pub(super) fn check_patched(call: &Call, live: &Value, new: &Value) -> Result<(), Status> {
    if call.resource.stored_as.is_none() {
        check_kind(new, call)?;
    }
    let name = text(new, "/metadata/name");
    if name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    for (pointer, what) in [("/metadata/uid", "UID"), ("/metadata/resourceVersion", "")] {
        let (sent, stored) = (text(new, pointer), text(live, pointer));
        if sent.is_empty() || sent == stored {
            continue;
        }
        return Err(match what {
            "" => Status::modified(call.resource.id(), &call.name),
            _ => Status::conflict(
                call.resource.id(),
                &call.name,
                &format!(
                    "Precondition failed: UID in precondition: {sent}, UID in object meta: {stored}"
                ),
            ),
        });
    }
    Ok(())
}

/// Answers a server-side apply: creates what is missing, else merges and keeps book of who wants what.
fn server_side_apply(desk: &Desk, call: &Call, body: &[u8]) -> Result<Reply, Status> {
    let yaml = String::from_utf8_lossy(body);
    let mut sent: Value = serde_json::from_slice(body)
        .or_else(|_| serde_saphyr::from_str(&yaml))
        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
    if call.query.get("fieldManager").is_empty() {
        let cause =
            crate::lab::status::Cause::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[cause]));
    }
    check_kind(&sent, call)?;
    check_place(&mut sent, call)?;
    if sent
        .pointer("/metadata/managedFields")
        .is_some_and(|fields| !fields.is_null())
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    metadata(&mut sent).insert("name".into(), call.name.clone().into());
    if call.resource.stored_as.is_some() {
        sent = shape::core_event(sent);
    }
    let expect = expectation(&sent);
    let fields = FieldSet::of(&sent, call.resource.custom());
    let by = writer(call, Some(&fields))?;
    if expect.uid.is_none()
        && desk
            .store
            .get(call.stored(), &call.namespace, &call.name)
            .is_err()
    {
        if expect.revision.is_some() {
            return Err(Status::not_found(call.resource.id(), &call.name));
        }
        let (object, warnings) = add(desk, call, sent, by)?;
        return respond(desk, call, 201, &object, &warnings);
    }
    let force = call.query.flag("force");
    let mut warnings = Vec::new();
    let object = desk.store.try_update(
        call.stored(),
        &call.namespace,
        &call.name,
        by,
        &expect,
        |live| {
            let new = apply::merge(live, &sent, &fields, by, force, call.resource.custom())?;
            warnings = replace(call, live, new)?;
            Ok(())
        },
    )?;
    respond(desk, call, 200, &object, &warnings)
}

/// How a delete was asked for: by its body first, then by its query.
pub(super) fn how(call: &Call, body: &[u8]) -> Result<Delete, Status> {
    let options = if body.is_empty() {
        json!({})
    } else {
        parse(body, call)?
    };
    let how = from_options(call, &options)?;
    // Options in the body count instead of those of the query, not beside them: `?dryRun=All` does not make a dry run of a
    // deletion with a body (measured on kube-apiserver v1.33.13, where the pod was gone).
    let dry_run = match body.is_empty() {
        true => how.dry_run,
        false => is_dry(&options),
    };
    Ok(Delete { dry_run, ..how })
}

fn is_dry(options: &Value) -> bool {
    options
        .get("dryRun")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

/// `DeleteOptions`.
pub(super) fn from_options(call: &Call, options: &Value) -> Result<Delete, Status> {
    let grace = match options.get("gracePeriodSeconds") {
        Some(Value::Null) | None => call.query.number("gracePeriodSeconds")?,
        Some(value) => value.as_u64(),
    };
    let word = match options.get("propagationPolicy").and_then(Value::as_str) {
        Some(word) => word,
        None => call.query.get("propagationPolicy"),
    };
    let orphan = options
        .get("orphanDependents")
        .and_then(Value::as_bool)
        .or_else(|| {
            call.query
                .has("orphanDependents")
                .then(|| call.query.flag("orphanDependents"))
        });
    let propagation = match (word, orphan) {
        ("Foreground", _) => Propagation::Foreground,
        ("Orphan", _) | ("", Some(true)) => Propagation::Orphan,
        ("Background" | "", _) => Propagation::Background,
        (other, _) => {
            let cause = crate::lab::status::Cause {
                reason: "FieldValueInvalid",
                message: format!(
                    "Invalid value: \"{other}\": DeletePropagation need to be one of \"Foreground\", \"Background\", \
                     \"Orphan\" or nil"
                ),
                field: "propagationPolicy".into(),
            };
            return Err(Status::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                &[cause],
            ));
        }
    };
    let expected = |key: &str| {
        let value = options
            .pointer(&format!("/preconditions/{key}"))
            .and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    Ok(Delete {
        grace,
        propagation,
        expect: Expect {
            uid: expected("uid"),
            revision: expected("resourceVersion"),
        },
        dry_run: is_dry(options) || call.dry_run()?,
    })
}

/// Answers a DELETE of one object.
pub(super) fn delete(desk: &Desk, call: &Call, body: impl AsRef<[u8]>) -> Result<Reply, Status> {
    let how = how(call, body.as_ref())?;
    let deleted = desk
        .store
        .delete(call.stored(), &call.namespace, &call.name, &how)?;
    // Some kinds answer with the object even when it is gone at once.
    let shows = [
        "pods",
        "services",
        "persistentvolumeclaims",
        "serviceaccounts",
    ];
    match deleted {
        Deleted::Marked(object) => shape::one(desk, call, 200, &object),
        Deleted::Gone(object)
            if call.resource.group.is_empty() && shows.contains(&call.resource.plural.as_ref()) =>
        {
            shape::one(desk, call, 200, &object)
        }
        Deleted::Gone(object) => {
            let mut details =
                json!({ "name": object.name, "kind": call.resource.plural, "uid": object.uid });
            if let (false, Some(map)) = (call.resource.group.is_empty(), details.as_object_mut()) {
                map.insert("group".into(), call.resource.group.as_ref().into());
            }
            Ok(reply::json(
                200,
                &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details }),
            ))
        }
    }
}

/// Answers a DELETE of a collection.
pub(super) fn delete_collection(
    desk: &Desk,
    call: &Call,
    body: impl AsRef<[u8]>,
) -> Result<Reply, Status> {
    let how = how(call, body.as_ref())?;
    let selector = list::selector(call)?;
    let listed = desk.store.list(call.stored(), call.scope())?;
    let mut out = Vec::new();
    for object in listed
        .items
        .iter()
        .filter(|object| selector.matches(object))
    {
        match desk
            .store
            .delete(call.stored(), &object.namespace, &object.name, &how)
        {
            Ok(Deleted::Gone(object) | Deleted::Marked(object)) => {
                if !out.is_empty() {
                    out.push(b',');
                }
                shape::write_item(&call.resource, &object, &mut out);
            }
            // Gone meanwhile is as good as deleted.
            Err(status) if status.code == 404 => (),
            Err(status) => return Err(status),
        }
    }
    let head = format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{{\"resourceVersion\":\"{}\"}},\"items\":[",
        call.resource.kind,
        call.resource.api_version(),
        desk.store.revision()
    );
    Ok(reply::json_text(
        200,
        [head.as_bytes(), &out, b"]}\n"].concat(),
    ))
}
