//! What was read because somebody needed it, with its age.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Known;
use crate::domain::fault::Fault;
use crate::domain::log::{LogLine, LogTail};
use crate::domain::monitoring::{Query, Told};
use crate::domain::reach::Compiled;
use crate::domain::want::{Fetched, Foreign, ForeignObject, LogId, VolumeUse, Want};
use crate::domain::{ContextId, Scope};

/// What came of a want.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// What was read last, and when.
    pub found: Option<Known<Found>>,
    /// Why it cannot be read at present, and since when.
    pub fault: Option<(Fault, Timestamp)>,
    /// Of a kind of policy: what was read, compiled. A cluster may have thousands, and each is asked many times.
    pub policies: Option<Arc<Compiled>>,
}

impl Looked {
    /// There are more objects than are kept.
    pub fn is_cut(&self) -> bool {
        let found = self.found.as_ref().map(|known| &known.value);
        matches!(found, Some(Found::Objects(_, true)))
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub enum Found {
    /// All objects of a kind; whether there are more than are kept.
    Objects(Arc<[ForeignObject]>, bool),
    /// Volumes, by namespace and name of their claims.
    Volumes(BTreeMap<(Arc<str>, Arc<str>), Volume>),
    /// The end of a log.
    Log(LogTail),
    /// What a metrics store answered.
    Metrics(Told),
}

/// A volume, as its kubelet measured it.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// As it was measured last.
    pub now: VolumeUse,
    /// Bytes in use when it was first measured for us, and when that was: what growth is told by.
    pub first: Option<Known<u64>>,
}

/// Everything that was read on demand in one context.
#[derive(Debug, Clone, Default)]
pub struct OnDemand(BTreeMap<Want, Looked>);

impl OnDemand {
    /// What came of a want; `None` when nobody asked for it, or no answer has come yet.
    pub fn get(&self, want: &Want) -> Option<&Looked> {
        self.0.get(want)
    }

    /// The objects of a kind over a scope.
    pub fn objects(&self, context: &ContextId, what: Foreign, scope: &Scope) -> Reading<'_> {
        let want = Want::Objects {
            context: context.clone(),
            what,
            scope: scope.clone(),
        };
        match self.0.get(&want) {
            None => Reading::Unread,
            Some(Looked {
                fault: Some((fault, since)),
                ..
            }) => Reading::Failed(fault, *since),
            Some(Looked {
                found:
                    Some(Known {
                        value: Found::Objects(objects, more),
                        at,
                    }),
                ..
            }) => Reading::Known {
                objects,
                more: *more,
                at: *at,
            },
            Some(_) => Reading::Unread,
        }
    }

    /// What a metrics store answered, and when; `None` while no answer has come.
    ///
    /// # Errors
    /// Why it cannot be read at present, and since when.
    pub fn metrics(
        &self,
        query: &Query,
    ) -> Result<Option<(&Told, Timestamp)>, (&Fault, Timestamp)> {
        match self.0.get(&Want::Metrics(query.clone())) {
            Some(Looked {
                fault: Some((fault, since)),
                ..
            }) => Err((fault, *since)),
            Some(Looked {
                found:
                    Some(Known {
                        value: Found::Metrics(told),
                        at,
                    }),
                ..
            }) => Ok(Some((told, *at))),
            _ => Ok(None),
        }
    }

    /// How full volumes are was read of some machine, and is kept.
    pub fn knows_volumes(&self) -> bool {
        self.0.values().any(|looked| {
            let found = looked.found.as_ref().map(|known| &known.value);
            matches!(found, Some(Found::Volumes(_)))
        })
    }

    /// How full a claim's volume is, and when that was learned.
    pub fn volume(&self, namespace: &str, claim: &str) -> Option<(&Volume, Timestamp)> {
        let key = (Arc::from(namespace), Arc::from(claim));
        self.0.values().find_map(|looked| {
            let known = looked.found.as_ref()?;
            match &known.value {
                Found::Volumes(volumes) => Some((volumes.get(&key)?, known.at)),
                Found::Objects(..) | Found::Log(_) | Found::Metrics(_) => None,
            }
        })
    }

    /// Takes an answer in. Returns whether it tells anything new.
    pub(super) fn fetched(
        &mut self,
        want: Want,
        answer: Result<Fetched, Fault>,
        at: Timestamp,
    ) -> bool {
        let policy = match &want {
            Want::Objects { what, .. } => Compiled::is_of(*what).then_some(*what),
            _ => None,
        };
        let looked = self.0.entry(want).or_default();
        let fetched = match answer {
            Err(fault) => {
                let since = match &looked.fault {
                    Some((old, since)) if old.kind == fault.kind => *since,
                    _ => at,
                };
                let new = looked.fault.as_ref().is_none_or(|(old, _)| *old != fault);
                looked.fault = Some((fault, since));
                return new;
            }
            Ok(fetched) => fetched,
        };
        looked.fault = None;
        let value = match fetched {
            Fetched::Metrics(told) => Found::Metrics(told),
            Fetched::Objects { objects, more } => {
                looked.policies = policy
                    .and_then(|what| Compiled::of(what, &objects))
                    .map(Arc::new);
                Found::Objects(objects, more)
            }
            Fetched::Volumes(volumes) => {
                let before = match looked.found.take().map(|known| known.value) {
                    Some(Found::Volumes(before)) => before,
                    _ => BTreeMap::new(),
                };
                Found::Volumes(measured(volumes, &before, at))
            }
            Fetched::Log => match looked.found.take().map(|known| known.value) {
                Some(Found::Log(tail)) => Found::Log(tail),
                _ => Found::Log(LogTail::default()),
            },
        };
        looked.found = Some(Known { value, at });
        true
    }

    /// Takes lines of a log in.
    pub(super) fn logged(&mut self, log: LogId, lines: Vec<LogLine>, at: Timestamp) {
        let looked = self.0.entry(Want::Log(log)).or_default();
        looked.fault = None;
        match &mut looked.found {
            Some(Known {
                value: Found::Log(tail),
                at: heard,
            }) => {
                tail.extend(lines);
                *heard = at;
            }
            other => {
                let mut tail = LogTail::default();
                tail.extend(lines);
                let value = Found::Log(tail);
                *other = Some(Known { value, at });
            }
        }
    }

    /// Forgets a want. Returns whether there was anything to forget.
    pub(super) fn drop(&mut self, want: &Want) -> bool {
        self.0.remove(want).is_some()
    }
}

/// How a list that was asked for on demand stands.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// Not asked for, or no answer yet.
    Unread,
    /// It cannot be read, since then.
    Failed(&'a Fault, Timestamp),
    /// All objects.
    Known {
        /// The objects.
        objects: &'a [ForeignObject],
        /// There are more than are kept.
        more: bool,
        /// When they were read.
        at: Timestamp,
    },
}

fn measured(
    volumes: Vec<VolumeUse>,
    before: &BTreeMap<(Arc<str>, Arc<str>), Volume>,
    at: Timestamp,
) -> BTreeMap<(Arc<str>, Arc<str>), Volume> {
    volumes
        .into_iter()
        .map(|now| {
            let key = (now.namespace.clone(), now.claim.clone());
            let earlier = before.get(&key).and_then(|volume| volume.first.clone());
            let first = earlier.or(now.used.map(|value| Known { value, at }));
            (key, Volume { now, first })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::domain::FaultKind;
    use crate::domain::fixture::{ago, infra};

    fn volumes() -> Want {
        Want::Volumes {
            context: infra(),
            machine: Arc::from("m1"),
        }
    }

    fn used(bytes: u64) -> Result<Fetched, Fault> {
        Ok(Fetched::Volumes(vec![VolumeUse {
            namespace: Arc::from("shop"),
            claim: Arc::from("df-orders-0"),
            used: Some(bytes),
            ..VolumeUse::default()
        }]))
    }

    #[test]
    fn a_volume_remembers_what_it_held_at_first_and_a_fault_keeps_what_was_known() {
        let mut read = OnDemand::default();
        assert!(read.fetched(volumes(), used(10), ago(60)));
        assert!(read.fetched(volumes(), used(25), ago(9)));
        let fault = Fault::new(FaultKind::Timeout, "late");
        assert!(read.fetched(volumes(), Err(fault.clone()), ago(5)));
        assert!(!read.fetched(volumes(), Err(fault), ago(1)), "nothing new");
        let (volume, at) = read.volume("shop", "df-orders-0").unwrap();
        assert_eq!(volume.now.used, Some(25));
        assert_eq!(at, ago(9));
        assert_eq!(volume.first.as_ref().unwrap().value, 10);
        assert_eq!(
            read.get(&volumes()).unwrap().fault.as_ref().unwrap().1,
            ago(5)
        );
        assert!(read.drop(&volumes()));
        assert!(read.volume("shop", "df-orders-0").is_none());
    }

    #[test]
    fn a_list_is_unread_failed_or_known() {
        let mut read = OnDemand::default();
        let want = Want::Objects {
            context: infra(),
            what: Foreign::StorageClass,
            scope: Scope::Cluster,
        };
        let get = |read: &OnDemand| match read.objects(
            &infra(),
            Foreign::StorageClass,
            &Scope::Cluster,
        ) {
            Reading::Unread => "unread".to_owned(),
            Reading::Failed(fault, _) => fault.message.clone(),
            Reading::Known { objects, more, .. } => format!("{} {more}", objects.len()),
        };
        assert_eq!(get(&read), "unread");
        read.fetched(
            want.clone(),
            Err(Fault::new(FaultKind::Forbidden, "may not")),
            ago(9),
        );
        assert_eq!(get(&read), "may not");
        let objects = Fetched::Objects {
            objects: Arc::from([]),
            more: true,
        };
        read.fetched(want, Ok(objects), ago(5));
        assert_eq!(get(&read), "0 true");
    }
}
