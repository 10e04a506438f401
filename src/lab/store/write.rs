//! Create, update and delete.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::fields::{self, FieldSet};
use super::object::{self, Object};
use super::{Key, State, Store, id};
use crate::lab::clock;
use crate::lab::resources::{DEFINITIONS, GroupResource, NAMESPACES, Resource};
use crate::lab::status::{Cause, Status};

/// Who writes, for `managedFields`. A plain name converts into an ordinary write of the main object.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// `status`, `scale`, or empty.
    pub subresource: &'a str,
    /// The fields sent, when this is a server-side apply.
    pub applied: Option<&'a FieldSet>,
    /// Carry everything out but store nothing.
    pub dry_run: bool,
}

impl<'a> From<&'a str> for Writer<'a> {
    fn from(manager: &'a str) -> Self {
        Self {
            manager,
            subresource: "",
            applied: None,
            dry_run: false,
        }
    }
}

/// What a write expects to find.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// `metadata.uid`.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`.
    pub revision: Option<String>,
}

impl Store {
    /// Adds an object. `metadata.namespace` is filled in from `namespace`. A `uid` or `creationTimestamp` that is
    /// already there is kept, so that a scenario can tell of older objects; the HTTP front removes both first.
    ///
    /// # Errors
    /// 409 when it exists, 404 without its namespace, 403 in a namespace that is going, 422 without a valid name.
    pub fn create<'a>(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        mut value: Value,
        by: impl Into<Writer<'a>>,
    ) -> Result<Arc<Object>, Status> {
        let by = by.into();
        let now = self.now();
        let mut state = self.lock();
        let resource = Arc::clone(&state.table(what)?.resource);
        let uid = state.random.uid();
        let meta = object::metadata(&mut value);
        if resource.namespaced {
            meta.insert("namespace".into(), namespace.into());
        } else {
            meta.remove("namespace");
        }
        let name = match (text(meta, "name"), text(meta, "generateName")) {
            (name, _) if !name.is_empty() => name,
            (_, prefix) if !prefix.is_empty() => format!("{prefix}{}", state.random.suffix()),
            _ => {
                let cause = Cause::required("metadata.name", "name or generateName is required");
                return Err(Status::invalid(
                    &resource.group,
                    &resource.kind,
                    "",
                    &[cause],
                ));
            }
        };
        if let Some(cause) = check_name(&resource, &name) {
            return Err(Status::invalid(
                &resource.group,
                &resource.kind,
                &name,
                &[cause],
            ));
        }
        meta.insert("name".into(), name.clone().into());
        if resource.namespaced {
            state.check_namespace(what, namespace, &name)?;
        }
        let key: Key = (
            if resource.namespaced {
                namespace.to_owned()
            } else {
                String::new()
            },
            name.clone(),
        );
        if state.table(what)?.objects.contains_key(&key) {
            return Err(Status::already_exists(what, &name));
        }
        if text(meta, "uid").is_empty() {
            meta.insert("uid".into(), uid.into());
        }
        let born = text(meta, "creationTimestamp");
        if born.is_empty() {
            meta.insert("creationTimestamp".into(), clock::seconds(now).into());
        }
        for key in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            meta.remove(key);
        }
        if resource.generation && !state.mirrored {
            meta.insert("generation".into(), 1.into());
        } else {
            meta.remove("generation");
        }
        let top = value.as_object_mut();
        if let Some(top) = top {
            top.insert("apiVersion".into(), resource.api_version().into());
            top.insert("kind".into(), resource.kind.as_ref().into());
        }
        if what == NAMESPACES {
            settle_namespace(&mut value, &name);
        }
        if what == DEFINITIONS {
            settle_definition(&mut value, &clock::seconds(now));
        }
        // An object that tells of an older birth was written then.
        let written = clock::parse(&born).unwrap_or(now);
        if !state.mirrored {
            fields::record(&mut value, None, by, &resource, written);
        }
        if by.dry_run {
            return Ok(Arc::new(Object::new(&value, 0, &resource)));
        }
        let revision = state.next_revision();
        state.stamp(&mut value, revision);
        state
            .put(&id(what), &value, revision)
            .ok_or_else(Status::no_such_resource)
    }

    /// Reads, changes and writes one object, with nothing between. Do not use the store inside `change`.
    ///
    /// # Errors
    /// 404.
    pub fn update<'a>(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        name: &str,
        by: impl Into<Writer<'a>>,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Object>, Status> {
        self.try_update(what, namespace, name, by, &Expect::default(), |value| {
            change(value);
            Ok(())
        })
    }

    /// [`Store::update`] with expectations, and a change that may refuse.
    ///
    /// # Errors
    /// 404, 409 when the object is not the expected one, and whatever `change` returns.
    pub fn try_update<'a>(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        name: &str,
        by: impl Into<Writer<'a>>,
        expect: &Expect,
        change: impl FnOnce(&mut Value) -> Result<(), Status>,
    ) -> Result<Arc<Object>, Status> {
        let by = by.into();
        let now = self.now();
        let mut state = self.lock();
        let key: Key = (namespace.to_owned(), name.to_owned());
        let table = state.table(what)?;
        let resource = Arc::clone(&table.resource);
        let before = table
            .objects
            .get(&key)
            .cloned()
            .ok_or_else(|| Status::not_found(what, name))?;
        expect.check_write(what, name, &before)?;
        let old = before.value();
        let mut value = old.clone();
        change(&mut value)?;
        keep_identity(&mut value, &old);
        // Who fills in defaults knows what a change of the wish is.
        if resource.generation && !state.mirrored {
            let count = old
                .pointer("/metadata/generation")
                .and_then(Value::as_u64)
                .unwrap_or(1);
            let count = count + u64::from(desired_changed(&resource, &old, &value));
            object::metadata(&mut value).insert("generation".into(), count.into());
        }
        let applies = by.applied.is_some();
        let rewritten = value.pointer(BOOK) != old.pointer(BOOK);
        if !applies && !rewritten && same_but_managed(&value, &old) {
            return Ok(before);
        }
        if !state.mirrored {
            fields::record(&mut value, Some(&old), by, &resource, now);
        }
        if applies && value == old {
            return Ok(before);
        }
        if by.dry_run {
            return Ok(Arc::new(Object::new(&value, before.revision, &resource)));
        }
        let id = id(what);
        let revision = state.next_revision();
        state.stamp(&mut value, revision);
        let object = state
            .put(&id, &value, revision)
            .ok_or_else(Status::no_such_resource)?;
        state.finish_deletion(&id, &key);
        Ok(object)
    }
}

impl State {
    fn check_namespace(
        &self,
        what: GroupResource<'_>,
        namespace: &str,
        name: &str,
    ) -> Result<(), Status> {
        let object = self
            .namespace_exists(namespace)
            .ok_or_else(|| Status::not_found(NAMESPACES, namespace))?;
        if object.deleting {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(Status::refused(what, name, &why));
        }
        Ok(())
    }
}

impl Expect {
    fn check_write(
        &self,
        what: GroupResource<'_>,
        name: &str,
        object: &Object,
    ) -> Result<(), Status> {
        if let Some(uid) = self.uid.as_ref().filter(|uid| **uid != object.uid) {
            // The key is that of etcd, which an API server lets shine through here.
            let group = if what.group.is_empty() {
                String::new()
            } else {
                format!("{}/", what.group)
            };
            let place = if object.namespace.is_empty() {
                String::new()
            } else {
                format!("{}/", object.namespace)
            };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{group}{}/{place}{name}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                what.plural, object.uid
            );
            return Err(Status::conflict(what, name, &why));
        }
        match &self.revision {
            Some(revision) if *revision != object.revision.to_string() => {
                Err(Status::modified(what, name))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_delete(
        &self,
        resource: &Resource,
        name: &str,
        object: &Object,
    ) -> Result<(), Status> {
        // Here, and only here, the text names the kind instead of its plural.
        let what = GroupResource::new(&resource.group, &resource.kind);
        if let Some(uid) = self.uid.as_ref().filter(|uid| **uid != object.uid) {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
                 deleted and then recreated",
                object.uid
            );
            return Err(Status::conflict(what, name, &why));
        }
        match &self.revision {
            Some(revision) if *revision != object.revision.to_string() => {
                let why = format!(
                    "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record \
                     ({}). The object might have been modified",
                    object.revision
                );
                Err(Status::conflict(what, name, &why))
            }
            _ => Ok(()),
        }
    }
}

const BOOK: &str = "/metadata/managedFields";

/// What a write may not change.
fn keep_identity(value: &mut Value, old: &Value) {
    for key in ["apiVersion", "kind"] {
        if let (Some(map), Some(was)) = (value.as_object_mut(), old.get(key)) {
            map.insert(key.into(), was.clone());
        }
    }
    let was = old.get("metadata").and_then(Value::as_object);
    let meta = object::metadata(value);
    for key in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "generation",
        "generateName",
    ] {
        match was.and_then(|was| was.get(key)) {
            Some(was) => meta.insert(key.into(), was.clone()),
            None => meta.remove(key),
        };
    }
    // Who leaves the book of managers out, or empty, leaves it as it is; who writes one rewrites it. `[{}]` clears it.
    let book = meta.get("managedFields").and_then(Value::as_array);
    match (
        book.is_some_and(|book| !book.is_empty()),
        was.and_then(|was| was.get("managedFields")),
    ) {
        (true, _) => (),
        (false, Some(was)) => {
            meta.insert("managedFields".into(), was.clone());
        }
        (false, None) => {
            meta.remove("managedFields");
        }
    }
    for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match meta.get(key) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if empty {
            meta.remove(key);
        }
    }
}

/// Whether anything but metadata and status differs: that is what `generation` counts.
fn desired_changed(resource: &Resource, old: &Value, new: &Value) -> bool {
    // A pod's machine is given to it by its binding, which is no change of the wish.
    let mut new = new.clone();
    if resource.kind == "Pod"
        && old.pointer("/spec/nodeName").is_none()
        && let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.remove("nodeName");
    }
    let skip = |key: &str| key == "metadata" || (key == "status" && resource.status);
    let differs = |a: &Value, b: &Value| {
        a.as_object()
            .into_iter()
            .flatten()
            .any(|(key, value)| !skip(key) && b.get(key) != Some(value))
    };
    differs(old, &new) || differs(&new, old)
}

/// Whether two states differ in nothing but the book of who wrote what.
fn same_but_managed(a: &Value, b: &Value) -> bool {
    fn stripped(value: &Value) -> Value {
        let mut value = value.clone();
        object::metadata(&mut value).remove("managedFields");
        value
    }
    stripped(a) == stripped(b)
}

pub(super) fn text(map: &Map<String, Value>, key: &str) -> String {
    map.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// DNS-1123, as most kinds demand; RBAC names are freer.
pub(in crate::lab) fn check_name(resource: &Resource, name: &str) -> Option<Cause> {
    let free = resource.group == "rbac.authorization.k8s.io";
    let label = ["namespaces", "services"].contains(&resource.plural.as_ref());
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = |c: char| letter(c) || c == '-' || (c == '.' && !label);
    let good = name.starts_with(letter) && name.ends_with(letter) && name.chars().all(inner);
    if free || (good && name.len() <= if label { 63 } else { 253 }) {
        return None;
    }
    let why = if label {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
         with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    } else {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
         and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    };
    Some(Cause::invalid("metadata.name", &name.into(), why))
}

fn settle_namespace(value: &mut Value, name: &str) {
    let meta = object::metadata(value);
    let labels = meta.entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("kubernetes.io/metadata.name".into(), name.into());
    }
    if let Some(top) = value.as_object_mut() {
        top.insert("spec".into(), json!({ "finalizers": ["kubernetes"] }));
        top.insert("status".into(), json!({ "phase": "Active" }));
    }
}

/// What the definition controllers of an API server write once they have looked at it.
fn settle_definition(value: &mut Value, now: &str) {
    let names = value.pointer("/spec/names").cloned().unwrap_or(Value::Null);
    let stored: Vec<Value> = value
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|version| version.get("storage").and_then(Value::as_bool) == Some(true))
        .filter_map(|version| version.get("name").cloned())
        .collect();
    let conditions = json!([
        {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found",
         "lastTransitionTime": now},
        {"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
         "message": "the initial names have been accepted", "lastTransitionTime": now},
    ]);
    if let Some(top) = value.as_object_mut() {
        top.insert(
            "status".into(),
            json!({ "acceptedNames": names, "conditions": conditions, "storedVersions": stored }),
        );
    }
}
