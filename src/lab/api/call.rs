//! A request, understood: path, query, wanted format.

use std::sync::Arc;

use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, USER_AGENT};

use super::access::User;
use crate::lab::resources::{GroupResource, Resource};
use crate::lab::status::{Cause, Status};
use crate::lab::store::Store;

/// Decoded query parameters, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key, true), decode(value, true))
                })
                .collect(),
        )
    }

    /// The first value, empty when the parameter is missing.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    /// A boolean as Kubernetes reads it: present without a value is true.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.has(key) && !matches!(self.get(key), "false" | "0" | "False" | "F")
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Status> {
        match self.get(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!(
                    "strconv.ParseInt: parsing \"{text}\": invalid syntax (parameter {key})"
                ))
            }),
        }
    }

    /// `dryRun=All`; `options` names the kind of options that this request carries.
    pub(super) fn dry_run(&self, options: &str) -> Result<bool, Status> {
        match self.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let cause = Cause {
                    reason: "FieldValueNotSupported",
                    message: format!(
                        "Unsupported value: []string{{\"{other}\"}}: supported values: \"All\""
                    ),
                    field: "dryRun".into(),
                };
                Err(Status::invalid("meta.k8s.io", options, "", &[cause]))
            }
        }
    }
}

/// In which shape the client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// As they are.
    Json,
    /// `PartialObjectMetadata` and its list.
    Partial,
    /// `meta.k8s.io/v1` `Table`.
    Table,
}

impl Format {
    /// The first media type that can be served.
    pub(super) fn negotiate(accept: &str) -> Result<Self, Status> {
        if accept.trim().is_empty() {
            return Ok(Self::Json);
        }
        accept
            .split(',')
            .find_map(|range| {
                let media = Media::parse(range);
                if !matches!(
                    media.name.as_str(),
                    "application/json" | "application/*" | "*/*"
                ) {
                    return None;
                }
                match media.param("as") {
                    None => Some(Self::Json),
                    Some(_) if media.param("g") != Some("meta.k8s.io") => None,
                    Some("Table") if matches!(media.param("v"), Some("v1" | "v1beta1")) => {
                        Some(Self::Table)
                    }
                    Some("PartialObjectMetadata" | "PartialObjectMetadataList")
                        if matches!(media.param("v"), Some("v1" | "v1beta1")) =>
                    {
                        Some(Self::Partial)
                    }
                    Some(_) => None,
                }
            })
            .ok_or_else(|| {
                Status::not_acceptable(
                    "application/json, application/yaml, application/vnd.kubernetes.protobuf",
                )
            })
    }
}

/// One media type with its parameters.
pub(super) struct Media {
    /// `application/json`.
    pub(super) name: String,
    params: Vec<(String, String)>,
}

impl Media {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let params = parts
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| {
                (
                    key.trim().to_owned(),
                    value.trim().trim_matches('"').to_owned(),
                )
            })
            .collect();
        Self { name, params }
    }

    pub(super) fn param(&self, key: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }
}

/// Headers that matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads {
    pub(super) accept: String,
    pub(super) content_type: String,
    pub(super) agent: String,
}

impl Heads {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let content_type = Media::parse(&text(CONTENT_TYPE)).name;
        Self {
            accept: text(ACCEPT),
            content_type,
            agent: text(USER_AGENT),
        }
    }
}

/// A request for objects.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) user: User,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub(super) verb: &'static str,
    pub(super) resource: Arc<Resource>,
    /// Empty for cluster-scoped kinds and for all namespaces.
    pub(super) namespace: String,
    /// Empty for collections.
    pub(super) name: String,
    /// `status`, `log`... or empty.
    pub(super) subresource: String,
    /// What follows the subresource, for `proxy`.
    pub(super) rest: String,
    pub(super) query: Query,
    pub(super) heads: Heads,
}

impl Call {
    /// Where the objects are kept.
    pub(super) fn stored(&self) -> GroupResource<'_> {
        self.resource
            .stored_as
            .unwrap_or_else(|| self.resource.id())
    }

    /// One namespace, or all.
    pub(super) fn scope(&self) -> Option<&str> {
        (!self.namespace.is_empty()).then_some(self.namespace.as_str())
    }

    /// The kind of options that this request carries.
    pub(super) fn options(&self) -> &'static str {
        match self.verb {
            "create" => "CreateOptions",
            "update" => "UpdateOptions",
            "patch" => "PatchOptions",
            _ => "DeleteOptions",
        }
    }

    /// Whether nothing is to be kept of what this request does.
    pub(super) fn dry_run(&self) -> Result<bool, Status> {
        self.query.dry_run(self.options())
    }

    /// `fieldManager`, else the first word of the User-Agent, as the API server chooses.
    pub(super) fn manager(&self) -> &str {
        match self.query.get("fieldManager") {
            "" => match self.heads.agent.split('/').next() {
                None | Some("") => "unknown",
                Some(word) => word,
            },
            manager => manager,
        }
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Route {
    /// Objects.
    Objects(Box<Target>),
    /// Anything else: discovery, health, version; by its segments.
    Other(Vec<String>),
}

/// The objects a path names.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) resource: Arc<Resource>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) subresource: String,
    pub(super) rest: String,
}

impl Target {
    /// The Kubernetes verb of a request to it.
    pub(super) fn verb(&self, method: &Method, query: &Query) -> Option<&'static str> {
        let one = !self.name.is_empty();
        let whole = self.subresource.is_empty();
        Some(match *method {
            Method::PUT | Method::PATCH if !one => return None,
            Method::POST if one && whole => return None,
            Method::GET | Method::HEAD if one => "get",
            Method::GET if query.flag("watch") => "watch",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if one => "delete",
            Method::DELETE => "deletecollection",
            _ => return None,
        })
    }
}

impl Route {
    /// Finds out what a path means in this cluster.
    ///
    /// # Errors
    /// 404 when it names a kind that is not served.
    pub(super) fn find(path: &str, store: &Store) -> Result<Self, Status> {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| decode(part, false))
            .collect();
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, below) = match words.as_slice() {
            ["api", version, below @ ..] if !below.is_empty() => ("", *version, below),
            ["apis", group, version, below @ ..] if !below.is_empty() => (*group, *version, below),
            _ => return Ok(Self::Other(parts)),
        };
        if !store
            .resources()
            .iter()
            .any(|resource| resource.group == group && resource.version == version)
        {
            return Ok(Self::Other(parts));
        }
        let (namespace, below) = match below {
            ["namespaces", name] => return found(store, group, version, "namespaces", "", &[name]),
            ["namespaces", name, sub @ ("status" | "finalize")] => {
                return found(store, group, version, "namespaces", "", &[name, sub]);
            }
            ["namespaces", namespace, below @ ..] if !below.is_empty() => (*namespace, below),
            _ => ("", below),
        };
        match below {
            [plural, below @ ..] => found(store, group, version, plural, namespace, below),
            [] => Err(Status::no_such_resource()),
        }
    }
}

fn found(
    store: &Store,
    group: &str,
    version: &str,
    plural: &str,
    namespace: &str,
    below: &[&str],
) -> Result<Route, Status> {
    let resource = store
        .resource(GroupResource::new(group, plural))
        .ok_or_else(Status::no_such_resource)?;
    if resource.version != version || (!namespace.is_empty() && !resource.namespaced) {
        return Err(Status::no_such_resource());
    }
    let mut below = below.iter();
    let name = below.next().copied().unwrap_or_default().to_owned();
    let subresource = below.next().copied().unwrap_or_default().to_owned();
    let rest = below.copied().collect::<Vec<_>>().join("/");
    if !name.is_empty() && resource.namespaced && namespace.is_empty() {
        return Err(Status::no_such_resource());
    }
    Ok(Route::Objects(Box::new(Target {
        resource,
        namespace: namespace.to_owned(),
        name,
        subresource,
        rest,
    })))
}

/// Percent-decoding; `+` is a space in queries only.
pub(super) fn decode(text: &str, query: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' if query => out.push(b' '),
            b'%' => {
                let mut ahead = bytes.clone();
                let digits = (ahead.next().and_then(hex), ahead.next().and_then(hex));
                match digits {
                    (Some(high), Some(low)) => {
                        out.push(high * 16 + low);
                        bytes = ahead;
                    }
                    _ => out.push(byte),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::lab::clock::Clock;

    #[test]
    fn the_first_servable_format_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let table = [
            ("", Format::Json),
            ("*/*", Format::Json),
            (kubectl, Format::Table),
            (
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                Format::Partial,
            ),
            (
                "application/vnd.kubernetes.protobuf, application/json",
                Format::Json,
            ),
            (
                "application/json;as=Table;v=v9;g=meta.k8s.io, application/json",
                Format::Json,
            ),
        ];
        for (accept, format) in table {
            assert_eq!(Format::negotiate(accept).unwrap(), format, "{accept}");
        }
        assert_eq!(
            Format::negotiate("application/vnd.kubernetes.protobuf")
                .unwrap_err()
                .code,
            406
        );
    }

    #[test]
    fn paths_are_understood() {
        let store = Store::new(1, Clock::default());
        let table = [
            ("/api/v1/pods", "pods", "", "", "", ""),
            ("/api/v1/namespaces/n/pods", "pods", "n", "", "", ""),
            ("/api/v1/namespaces/n/pods/p", "pods", "n", "p", "", ""),
            (
                "/api/v1/namespaces/n/pods/p/log",
                "pods",
                "n",
                "p",
                "log",
                "",
            ),
            (
                "/api/v1/namespaces/n/pods/p:80/proxy/a/b",
                "pods",
                "n",
                "p:80",
                "proxy",
                "a/b",
            ),
            ("/api/v1/namespaces", "namespaces", "", "", "", ""),
            ("/api/v1/namespaces/n", "namespaces", "", "n", "", ""),
            (
                "/api/v1/namespaces/n/status",
                "namespaces",
                "",
                "n",
                "status",
                "",
            ),
            (
                "/apis/apps/v1/namespaces/n/statefulsets/s/scale",
                "statefulsets",
                "n",
                "s",
                "scale",
                "",
            ),
            (
                "/api/v1/nodes/n1/proxy/stats/summary",
                "nodes",
                "",
                "n1",
                "proxy",
                "stats/summary",
            ),
        ];
        for (path, plural, namespace, name, subresource, rest) in table {
            let Route::Objects(target) = Route::find(path, &store).unwrap() else {
                panic!("{path}")
            };
            let told = (
                target.resource.plural.as_ref(),
                target.namespace.as_str(),
                target.name.as_str(),
                target.subresource.as_str(),
                target.rest.as_str(),
            );
            assert_eq!(told, (plural, namespace, name, subresource, rest), "{path}");
        }
        for path in [
            "/api/v1/ponds",
            "/apis/apps/v1/pods",
            "/api/v1/namespaces/n/nodes",
            "/api/v1/pods/p",
        ] {
            assert_eq!(Route::find(path, &store).unwrap_err().code, 404, "{path}");
        }
        for path in [
            "/",
            "/api",
            "/api/v1",
            "/apis/apps",
            "/apis/apps/v1",
            "/version",
            "/openapi/v3/api/v1",
            "/api/v2/pods",
        ] {
            assert!(
                matches!(Route::find(path, &store), Ok(Route::Other(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse(
            "labelSelector=a%3Db%2Cc+in+%28x%29&watch&limit=x&command=sh&command=-c&bad=%zz",
        );
        assert_eq!(query.get("labelSelector"), "a=b,c in (x)");
        assert!(query.flag("watch") && !query.flag("follow"));
        assert_eq!(query.number("limit").unwrap_err().code, 400);
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c"]);
        assert_eq!(query.get("bad"), "%zz");
    }
}
