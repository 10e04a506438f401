//! What can be wrong with an API server: faults that a scenario switches on and off while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::access::{Attempt, User};

/// What happens to a request that meets a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// 403 in the authorizer's words; requests that are not for objects pass.
    Forbid,
    /// It is answered, but later.
    Delay(Duration),
    /// 429 with `Retry-After` in seconds, in plain text, as priority and fairness answers.
    TooManyRequests {
        /// Seconds.
        retry_after: u64,
    },
    /// 500 with a `Status` without a reason, as while etcd does not answer.
    InternalError,
    /// 503 with a `Status`, as of a server that has just been started.
    Unavailable,
    /// 409, as of an object that somebody changes all the time.
    Conflict,
    /// 410, as a status: what a list or watch is told whose version is forgotten.
    Expired,
    /// 502 with a page of HTML, as a load balancer answers.
    BadGateway,
    /// The last object of a list comes without its name, as through a gateway that filters what it does not know.
    Nameless,
    /// Half an answer, then the connection ends.
    CloseHalfway,
    /// No answer until the fault is taken away. Streams that run already fall silent too.
    Hang,
}

/// Which requests meet an effect. Empty means "any".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Users.
    pub user: Option<String>,
    /// Kubernetes verbs.
    pub verbs: Vec<String>,
    /// Plural of the kind, or `plural/subresource`. Set, it spares discovery, health and version.
    pub resource: Option<String>,
    /// Namespace; `Some("")` is requests at the cluster scope.
    pub namespace: Option<String>,
    /// What happens.
    pub effect: Effect,
    /// How often; then it is used up. `None` is until it is taken away.
    pub times: Option<u32>,
    /// So many requests that it would meet pass first.
    pub spares: u32,
}

/// What becomes of a port-forward that carries a certain word to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snare {
    /// Half of the message reaches the pod, then the connection ends on both sides: the command is never run.
    CutBefore,
    /// The message reaches the pod, then the connection ends: the command runs, nobody hears how it went.
    CutAfter,
    /// The message reaches the pod, and nothing comes back any more, though the connection stands.
    Swallow,
}

impl From<Effect> for Fault {
    fn from(effect: Effect) -> Self {
        Self {
            user: None,
            verbs: Vec::new(),
            resource: None,
            namespace: None,
            effect,
            times: None,
            spares: 0,
        }
    }
}

impl Fault {
    /// For requests for one kind (`pods`, `pods/portforward`) only.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// For one namespace only; empty for the cluster scope.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// For these verbs only.
    #[must_use]
    pub fn verbs(mut self, verbs: &[&str]) -> Self {
        self.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self
    }

    /// So many times only.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only after so many requests that it would meet.
    #[must_use]
    pub fn after(mut self, spares: u32) -> Self {
        self.spares = spares;
        self
    }

    fn meets(&self, user: &User, attempt: Option<&Attempt<'_>>) -> bool {
        if self.user.as_ref().is_some_and(|name| *name != user.name) {
            return false;
        }
        let Some(attempt) = attempt else {
            let any_object =
                self.resource.is_none() && self.namespace.is_none() && self.verbs.is_empty();
            return any_object && self.effect != Effect::Forbid;
        };
        let full = if attempt.subresource.is_empty() {
            attempt.what.plural.to_owned()
        } else {
            format!("{}/{}", attempt.what.plural, attempt.subresource)
        };
        (self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == attempt.verb))
            && self
                .resource
                .as_ref()
                .is_none_or(|resource| *resource == full)
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| namespace == attempt.namespace)
    }
}

/// The faults of one server. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Mutex<Vec<(u64, Fault)>>,
    /// Grows with every change of the rules.
    changed: watch::Sender<u64>,
    /// Grows whenever running watches are to be cut.
    cuts: watch::Sender<u64>,
    refusing: watch::Sender<bool>,
    /// Words, in capitals, and what they do to the port-forward that carries them.
    snares: Mutex<Vec<(String, Snare)>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self(Arc::new(Inner {
            rules: Mutex::new(Vec::new()),
            changed: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            refusing: watch::Sender::new(false),
            snares: Mutex::default(),
        }))
    }
}

impl Faults {
    /// Switches a fault on; the number takes it away again with [`Faults::remove`].
    pub fn add(&self, fault: impl Into<Fault>) -> u64 {
        let number = *self.0.changed.borrow() + 1;
        self.rules().push((number, fault.into()));
        self.0.changed.send_replace(number);
        number
    }

    /// Switches one fault off.
    pub fn remove(&self, number: u64) {
        self.rules().retain(|(of, _)| *of != number);
        self.0.changed.send_modify(|changed| *changed += 1);
    }

    /// Switches all faults off and accepts connections again.
    pub fn clear(&self) {
        self.rules().clear();
        self.snares().clear();
        self.0.changed.send_modify(|changed| *changed += 1);
        self.refuse(false);
    }

    /// Lays a snare for every port-forward that carries that word to a pod.
    pub fn snare(&self, word: &str, snare: Snare) {
        self.snares().push((word.to_ascii_uppercase(), snare));
    }

    /// What becomes of a port-forward by this message to the pod.
    pub(super) fn caught(&self, message: &[u8]) -> Option<Snare> {
        let snares = self.snares();
        if snares.is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(message).to_ascii_uppercase();
        let caught = snares.iter().find(|(word, _)| text.contains(word.as_str()));
        caught.map(|(_, snare)| *snare)
    }

    fn snares(&self) -> MutexGuard<'_, Vec<(String, Snare)>> {
        self.0.snares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses connections: the port is closed and every open connection ends, as when the server process is gone.
    pub fn refuse(&self, refuse: bool) {
        self.0.refusing.send_replace(refuse);
    }

    /// Cuts every running watch, log follow, exec and port-forward off, in the middle.
    pub fn drop_streams(&self) {
        self.0.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(super) fn refusing(&self) -> watch::Receiver<bool> {
        self.0.refusing.subscribe()
    }

    /// Waits until every connection is to end.
    pub(super) async fn until_refusing(&self) {
        let mut refusing = self.refusing();
        // An error means that the server is gone, which ends connections as well.
        let _ = refusing.wait_for(|refusing| *refusing).await.is_ok();
    }

    pub(super) fn cuts(&self) -> watch::Receiver<u64> {
        self.0.cuts.subscribe()
    }

    /// The effects a request meets, in the order they were switched on; those counted are used up by it.
    pub(super) fn meet(&self, user: &User, attempt: Option<&Attempt<'_>>) -> Vec<Effect> {
        let mut rules = self.rules();
        let mut met = Vec::new();
        for (_, fault) in rules
            .iter_mut()
            .filter(|(_, fault)| fault.meets(user, attempt))
        {
            if fault.spares > 0 {
                fault.spares -= 1;
                continue;
            }
            met.push(fault.effect);
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
            }
        }
        rules.retain(|(_, fault)| fault.times != Some(0));
        met
    }

    /// Waits while a request (or a running stream) of this kind hangs.
    pub(super) async fn wait_while_hanging(&self, user: &User, attempt: Option<&Attempt<'_>>) {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let hangs = self
                .rules()
                .iter()
                .any(|(_, fault)| fault.effect == Effect::Hang && fault.meets(user, attempt));
            if !hangs || changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn rules(&self) -> MutexGuard<'_, Vec<(u64, Fault)>> {
        self.0.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::resources::{PODS, SECRETS};

    #[test]
    fn a_fault_meets_what_it_names() {
        let user = User {
            name: "u".into(),
            groups: Vec::new(),
        };
        let list = Attempt {
            verb: "list",
            what: PODS,
            subresource: "",
            namespace: "a",
            name: "",
        };
        let forward = Attempt {
            verb: "get",
            what: PODS,
            subresource: "portforward",
            namespace: "a",
            name: "p",
        };
        let secrets = Attempt {
            verb: "list",
            what: SECRETS,
            subresource: "",
            namespace: "",
            name: "",
        };
        let table: [(Fault, [bool; 4]); 5] = [
            (Effect::InternalError.into(), [true, true, true, true]),
            (
                Fault::from(Effect::InternalError).on("pods"),
                [true, false, false, false],
            ),
            (
                Fault::from(Effect::InternalError).on("pods/portforward"),
                [false, true, false, false],
            ),
            (
                Fault::from(Effect::InternalError).within(""),
                [false, false, true, false],
            ),
            (
                Fault::from(Effect::Forbid).verbs(&["list"]),
                [true, false, true, false],
            ),
        ];
        for (fault, expected) in table {
            let met = [Some(&list), Some(&forward), Some(&secrets), None]
                .map(|attempt| fault.meets(&user, attempt));
            assert_eq!(met, expected, "{fault:?}");
        }
    }

    #[test]
    fn some_pass_before_a_fault_meets() {
        let user = User {
            name: "u".into(),
            groups: Vec::new(),
        };
        let faults = Faults::default();
        faults.add(Fault::from(Effect::Unavailable).after(1));
        let met: Vec<usize> = (0..3).map(|_| faults.meet(&user, None).len()).collect();
        assert_eq!(met, [0, 1, 1]);
    }

    #[test]
    fn a_snare_catches_its_word_in_any_case_until_all_is_cleared() {
        let faults = Faults::default();
        faults.snare("repltakeover", Snare::CutAfter);
        let command = b"\x00*2\r\n$12\r\nReplTakeover\r\n$1\r\n3\r\n";
        assert_eq!(faults.caught(command), Some(Snare::CutAfter));
        assert_eq!(faults.caught(b"\x00*1\r\n$4\r\nPING\r\n"), None);
        faults.clear();
        assert_eq!(faults.caught(command), None);
    }

    #[test]
    fn counted_faults_are_used_up() {
        let user = User {
            name: "u".into(),
            groups: Vec::new(),
        };
        let faults = Faults::default();
        faults.add(Fault::from(Effect::Unavailable).times(2));
        let met: Vec<usize> = (0..3).map(|_| faults.meet(&user, None).len()).collect();
        assert_eq!(met, [1, 1, 0]);
    }
}
