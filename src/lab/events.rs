//! Events as the recorder of client-go writes them: one object per message, counted when it repeats.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::clock;
use super::json::{number, set, text};
use super::resources::EVENTS;
use super::store::{Delete, Store};

/// How long an API server keeps events.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Writes events in the name of one component; cloning shares its memory of what it has said.
#[derive(Clone)]
pub(in crate::lab) struct Recorder {
    store: Store,
    component: String,
    host: String,
    said: Arc<Mutex<Said>>,
}

struct Said {
    /// Event names by what they say.
    names: HashMap<String, String>,
    swept: Timestamp,
}

/// One thing to say, at a moment that may lie in the past.
pub(in crate::lab) struct Message<'a> {
    /// The object it is about.
    pub(in crate::lab) about: &'a Value,
    /// `Normal` or `Warning`.
    pub(in crate::lab) kind: &'a str,
    /// For example `Scheduled`.
    pub(in crate::lab) reason: &'a str,
    /// The sentence.
    pub(in crate::lab) text: &'a str,
    /// When.
    pub(in crate::lab) at: Timestamp,
    /// `spec.containers{dragonfly}`, or empty.
    pub(in crate::lab) field: &'a str,
    /// How often it has happened, when it is told for the first time.
    pub(in crate::lab) count: i64,
}

impl Recorder {
    /// A recorder of `component`, on machine `host` (empty for controllers).
    pub(in crate::lab) fn new(store: &Store, component: &str, host: &str) -> Self {
        Self {
            store: store.clone(),
            component: component.to_owned(),
            host: host.to_owned(),
            said: Arc::new(Mutex::new(Said {
                names: HashMap::new(),
                swept: store.now(),
            })),
        }
    }

    /// The same component on another machine.
    pub(in crate::lab) fn on(&self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..self.clone()
        }
    }

    /// Says that something went as it should.
    pub(in crate::lab) fn normal(&self, about: &Value, reason: &str, text: &str) {
        self.now(about, "Normal", reason, text, "");
    }

    /// Says that something is wrong.
    pub(in crate::lab) fn warning(&self, about: &Value, reason: &str, text: &str) {
        self.now(about, "Warning", reason, text, "");
    }

    /// Says something about a part of an object.
    pub(in crate::lab) fn now(
        &self,
        about: &Value,
        kind: &str,
        reason: &str,
        text: &str,
        field: &str,
    ) {
        self.say(&Message {
            about,
            kind,
            reason,
            text,
            at: self.store.now(),
            field,
            count: 1,
        });
    }

    /// Says something at a given time.
    pub(in crate::lab) fn say(&self, message: &Message<'_>) {
        let about = message.about;
        let uid = text(about, "/metadata/uid");
        let name = text(about, "/metadata/name");
        // Events of cluster-scoped objects live in `default`.
        let namespace = match text(about, "/metadata/namespace") {
            "" => "default",
            own => own,
        };
        let same = format!(
            "{uid}/{}/{}/{}/{}",
            message.field, message.reason, message.text, self.host
        );
        let at = clock::seconds(message.at);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = said.names.get(&same) {
            let again = self
                .store
                .update(EVENTS, namespace, event, "lab-recorder", |event| {
                    let count = number(event, "/count").unwrap_or(1) + 1;
                    set(event, &["count"], count.into());
                    set(event, &["lastTimestamp"], at.clone().into());
                });
            if again.is_ok() {
                return;
            }
        }
        // Several events of one object may be told for the same moment.
        let event_name = (0..20)
            .map(|more| format!("{name}.{:x}", message.at.as_nanosecond() + more))
            .find(|name| self.store.get(EVENTS, namespace, name).is_err())
            .unwrap_or_default();
        let first = message
            .at
            .checked_sub(SignedDuration::from_secs((message.count - 1) * 300))
            .map_or_else(|_| at.clone(), clock::seconds);
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event_name, "namespace": namespace, "creationTimestamp": first},
            "involvedObject": self.reference(about, message.field),
            "reason": message.reason,
            "message": message.text,
            "type": message.kind,
            "count": message.count,
            "firstTimestamp": first,
            "lastTimestamp": at,
            "eventTime": null,
            "reportingComponent": self.component,
            "reportingInstance": self.host,
            "source": match self.host.as_str() {
                "" => json!({"component": self.component}),
                host => json!({"component": self.component, "host": host}),
            },
        });
        if let Ok(event) = self
            .store
            .create(EVENTS, namespace, event, self.component.as_str())
        {
            said.names.insert(same, event.name.clone());
        }
        self.sweep(&mut said);
    }

    fn reference(&self, about: &Value, field: &str) -> Value {
        let mut reference = json!({
            "apiVersion": text(about, "/apiVersion"),
            "kind": text(about, "/kind"),
            "name": text(about, "/metadata/name"),
            "uid": text(about, "/metadata/uid"),
        });
        for (key, value) in [
            ("namespace", text(about, "/metadata/namespace")),
            ("resourceVersion", text(about, "/metadata/resourceVersion")),
            ("fieldPath", field),
        ] {
            if !value.is_empty() {
                set(&mut reference, &[key], value.into());
            }
        }
        reference
    }

    /// Removes what is too old; at most once a minute.
    fn sweep(&self, said: &mut Said) {
        let now = self.store.now();
        if now.duration_since(said.swept) < SignedDuration::from_mins(1) {
            return;
        }
        said.swept = now;
        let Ok(listed) = self.store.list(EVENTS, None) else {
            return;
        };
        for event in listed.items {
            let last = clock::parse(text(&event.value(), "/lastTimestamp"));
            if last.is_some_and(|last| now.duration_since(last) > KEPT) {
                said.names.retain(|_, name| *name != event.name);
                let _ = self
                    .store
                    .delete(EVENTS, &event.namespace, &event.name, &Delete::now());
            }
        }
    }
}
