//! Errors as a Kubernetes API server words them: the `Status` object.
//!
//! Texts follow `k8s.io/apimachinery/pkg/api/errors`.

use std::fmt;

use serde_json::{Value, json};

use super::resources::GroupResource;

/// A failed request, as the body of the answer will say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// The machine-readable reason, for example `NotFound`.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `details`, or null.
    pub details: Value,
    /// List metadata, mostly null: an expired list tells there where it can go on.
    pub metadata: Value,
}

/// One field that was wrong, for [`Status::invalid`].
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, `FieldValueDuplicate`, `FieldManagerConflict`...
    pub reason: &'static str,
    /// The text, without the field.
    pub message: String,
    /// The path, for example `metadata.name`.
    pub field: String,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            details: Value::Null,
            metadata: Value::Null,
        }
    }

    fn of(mut self, what: GroupResource<'_>, name: &str) -> Self {
        let mut details = serde_json::Map::new();
        if !name.is_empty() {
            details.insert("name".into(), name.into());
        }
        if !what.group.is_empty() {
            details.insert("group".into(), what.group.into());
        }
        details.insert("kind".into(), what.plural.into());
        self.details = Value::Object(details);
        self
    }

    /// 404 for an object.
    pub fn not_found(what: GroupResource<'_>, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{what} \"{name}\" not found")).of(what, name)
    }

    /// 404 for a path or a resource that is not served.
    pub fn no_such_resource() -> Self {
        let mut status = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource".into(),
        );
        status.details = json!({});
        status
    }

    /// 409 on create.
    pub fn already_exists(what: GroupResource<'_>, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{what} \"{name}\" already exists"),
        )
        .of(what, name)
    }

    /// 409 when the `resourceVersion` sent is not the stored one.
    pub fn modified(what: GroupResource<'_>, name: &str) -> Self {
        Self::conflict(
            what,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 409 with a text of its own.
    pub fn conflict(what: GroupResource<'_>, name: &str, why: &str) -> Self {
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {what} \"{name}\": {why}"),
        )
        .of(what, name)
    }

    /// 409 of a server-side apply.
    pub fn apply_conflict(message: String, causes: &[Cause]) -> Self {
        let mut status = Self::new(409, "Conflict", message);
        status.details = json!({ "causes": causes.iter().map(Cause::value).collect::<Vec<_>>() });
        status
    }

    /// 403 by an authorizer. `what` in the words `cannot VERB resource ...`.
    pub fn forbidden(
        user: &str,
        verb: &str,
        what: GroupResource<'_>,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> Self {
        let resource = if subresource.is_empty() {
            what.plural.to_owned()
        } else {
            format!("{}/{subresource}", what.plural)
        };
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let subject = if name.is_empty() {
            what.to_string()
        } else {
            format!("{what} \"{name}\"")
        };
        Self::new(
            403,
            "Forbidden",
            format!(
                "{subject} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{}\" {scope}",
                what.group
            ),
        )
        .of(what, name)
    }

    /// 403 by admission, with a text of its own.
    pub fn refused(what: GroupResource<'_>, name: &str, why: &str) -> Self {
        Self::new(
            403,
            "Forbidden",
            format!("{what} \"{name}\" is forbidden: {why}"),
        )
        .of(what, name)
    }

    /// 422 with the fields that were wrong. `kind` is the kind, not the plural.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let full = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let mut status = Self::new(
            422,
            "Invalid",
            format!("{full} \"{name}\" is invalid: {list}"),
        );
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
        details.insert("causes".into(), causes.iter().map(Cause::value).collect());
        status.details = Value::Object(details);
        status
    }

    /// 410: the watch history no longer reaches back to `asked`.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    /// 410 of a list whose continue token is too old.
    pub fn continue_expired() -> Self {
        Self::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a new \
             list without the continue parameter, or use the continue token in this response to retrieve the \
             remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
             that were created, modified, or deleted between the time the first chunk was returned and now may show \
             up in the list."
                .into(),
        )
    }

    /// 410 of a list exactly as it was at a version that is forgotten.
    pub fn list_expired() -> Self {
        Self::new(
            410,
            "Expired",
            "The resourceVersion for the provided list is too old.".into(),
        )
    }

    /// 504: a list or watch at a resource version this server has not reached.
    pub fn too_large_revision(asked: u64, current: u64) -> Self {
        let mut status = Self::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        );
        status.details = json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        });
        status
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        let mut status = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".into(),
        );
        status.details = json!({});
        status
    }

    /// 406.
    pub fn not_acceptable(offered: &str) -> Self {
        let mut status = Self::new(
            406,
            "NotAcceptable",
            format!("406: Not Acceptable\n\nAvailable representations: {offered}"),
        );
        status.details = json!({});
        status
    }

    /// 415.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted}"
            ),
        )
    }

    /// 429; `Retry-After` is sent with `seconds`.
    pub fn too_many_requests(message: impl Into<String>, seconds: u64) -> Self {
        let mut status = Self::new(429, "TooManyRequests", message.into());
        status.details = json!({ "retryAfterSeconds": seconds });
        status
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".into())
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let mut status = Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {message}"),
        );
        status.details = json!({ "causes": [{ "message": message }] });
        status
    }

    /// 503.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message.into())
    }

    /// 503 of a server that has just been started.
    pub fn starting() -> Self {
        let mut status = Self::unavailable(
            "the request has been made before all known HTTP paths have been installed, please try again",
        );
        status.details = json!({ "retryAfterSeconds": 5 });
        status
    }

    /// Seconds a client is asked to wait, where the status says so.
    pub fn retry_after(&self) -> Option<u64> {
        self.details
            .get("retryAfterSeconds")
            .and_then(Value::as_u64)
    }

    /// The `Status` object.
    pub fn value(&self) -> Value {
        let mut value = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": if self.metadata.is_null() { json!({}) } else { self.metadata.clone() },
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let (true, Some(map)) = (self.reason.is_empty(), value.as_object_mut()) {
            map.remove("reason");
        }
        if let (false, Some(map)) = (self.details.is_null(), value.as_object_mut()) {
            map.insert("details".into(), self.details.clone());
        }
        value
    }
}

impl Cause {
    /// `FieldValueInvalid` with the bad value quoted as the server quotes it.
    pub fn invalid(field: &str, bad: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {bad}: {why}"),
            field: field.to_owned(),
        }
    }

    /// `FieldValueRequired`.
    pub fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Self {
            reason: "FieldValueRequired",
            message,
            field: field.to_owned(),
        }
    }

    fn value(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::resources::{DEPLOYMENTS, PODS};

    #[test]
    fn texts_are_those_of_an_api_server() {
        let table = [
            (
                Status::not_found(PODS, "a"),
                404,
                "NotFound",
                "pods \"a\" not found",
            ),
            (
                Status::already_exists(DEPLOYMENTS, "d"),
                409,
                "AlreadyExists",
                "deployments.apps \"d\" already exists",
            ),
            (
                Status::modified(DEPLOYMENTS, "d"),
                409,
                "Conflict",
                "Operation cannot be fulfilled on deployments.apps \"d\": the object has been modified; please apply \
                 your changes to the latest version and try again",
            ),
            (
                Status::forbidden("u", "list", PODS, "", "y", ""),
                403,
                "Forbidden",
                "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" in the namespace \"y\"",
            ),
            (
                Status::forbidden("u", "create", PODS, "portforward", "y", "p"),
                403,
                "Forbidden",
                "pods \"p\" is forbidden: User \"u\" cannot create resource \"pods/portforward\" in API group \"\" in \
                 the namespace \"y\"",
            ),
            (
                Status::forbidden("u", "list", DEPLOYMENTS, "", "", ""),
                403,
                "Forbidden",
                "deployments.apps is forbidden: User \"u\" cannot list resource \"deployments\" in API group \"apps\" \
                 at the cluster scope",
            ),
            (
                Status::expired(5, 9),
                410,
                "Expired",
                "too old resource version: 5 (9)",
            ),
        ];
        for (status, code, reason, message) in table {
            assert_eq!(
                (status.code, status.reason, status.message.as_str()),
                (code, reason, message)
            );
        }
    }
}
