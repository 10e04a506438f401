//! What can befall attached machines and engines while they run.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use super::LabNode;
use crate::lab::engine::Engine;
use crate::lab::running::LabError;

/// A fault, as it is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Fault<'a> {
    /// A machine is off the network: what runs there goes on, and nobody hears of it.
    Lost(&'a str),
    /// A machine has no power: the same to all others, but what ran there has ended when it comes back.
    Dead(&'a str),
    /// A machine is back.
    Back(&'a str),
    /// SIGSTOP to the process of a pod, by namespace and name.
    Freeze(&'a str, &'a str),
    /// SIGCONT.
    Thaw(&'a str, &'a str),
    /// SIGKILL.
    Kill(&'a str, &'a str),
    /// The simulated operator does no work, but renews its Lease.
    Stalled,
    /// Everything is well again.
    Heal,
}

/// What can be asked for, for those who ask for something else.
const KNOWN: &str = "lost-node:NODE, dead-node:NODE, node-back:NODE, freeze:NAMESPACE:POD, thaw:NAMESPACE:POD, \
                     kill:NAMESPACE:POD, operator-stalled, heal";

fn read(name: &str) -> Option<Fault<'_>> {
    let mut parts = name.split(':');
    let (word, first, second, rest) = (parts.next()?, parts.next(), parts.next(), parts.next());
    Some(match (word, first, second, rest) {
        ("lost-node", Some(node), None, None) => Fault::Lost(node),
        ("dead-node", Some(node), None, None) => Fault::Dead(node),
        ("node-back", Some(node), None, None) => Fault::Back(node),
        ("freeze", Some(namespace), Some(pod), None) => Fault::Freeze(namespace, pod),
        ("thaw", Some(namespace), Some(pod), None) => Fault::Thaw(namespace, pod),
        ("kill", Some(namespace), Some(pod), None) => Fault::Kill(namespace, pod),
        ("operator-stalled", None, None, None) => Fault::Stalled,
        ("heal", None, None, None) => Fault::Heal,
        _ => return None,
    })
}

impl LabNode {
    /// Lets a fault befall it; the answer is a sentence.
    ///
    /// # Errors
    /// When there is no such fault, machine or pod.
    pub(super) fn play(&self, name: &str) -> Result<String, LabError> {
        let machines = &self.0.machines;
        let unknown = || format!("there is no fault '{name}' of a node; there are {KNOWN}");
        let fault = read(name).ok_or_else(|| LabError::Refused(unknown()))?;
        Ok(match fault {
            Fault::Lost(node) => {
                self.known(node)?;
                machines.lose(node, true);
                format!("{node} is off the network")
            }
            Fault::Dead(node) => {
                self.known(node)?;
                self.dead().insert(node.to_owned());
                machines.lose(node, true);
                format!("{node} has no power")
            }
            Fault::Back(node) => {
                self.known(node)?;
                self.bring_back(node);
                format!("{node} is back")
            }
            Fault::Freeze(namespace, pod) => {
                self.engine(namespace, pod)?.freeze(true);
                format!("the process of {namespace}/{pod} is stopped")
            }
            Fault::Thaw(namespace, pod) => {
                self.engine(namespace, pod)?.freeze(false);
                format!("the process of {namespace}/{pod} goes on")
            }
            Fault::Kill(namespace, pod) => {
                if !machines.kill(namespace, pod) {
                    return Err(nothing_runs(namespace, pod));
                }
                format!("what ran in {namespace}/{pod} is killed")
            }
            Fault::Stalled => {
                machines.stall_operator(true);
                "the simulated operator does no work from now on".to_owned()
            }
            Fault::Heal => {
                machines.stall_operator(false);
                for node in self.names() {
                    self.bring_back(node);
                }
                for (_, engine) in machines.engines() {
                    engine.freeze(false);
                }
                "everything is well again".to_owned()
            }
        })
    }

    fn bring_back(&self, node: &str) {
        if self.dead().remove(node) {
            self.0.machines.kill_all_on(node);
        }
        if self.0.machines.is_lost(node) {
            self.0.machines.lose(node, false);
        }
    }

    fn known(&self, node: &str) -> Result<(), LabError> {
        let there = self.names().iter().any(|name| name == node);
        let sentence = || {
            let names = self.names().join(", ");
            LabError::Refused(format!(
                "there is no machine '{node}' here; there are {names}"
            ))
        };
        there.then_some(()).ok_or_else(sentence)
    }

    fn engine(&self, namespace: &str, pod: &str) -> Result<Engine, LabError> {
        let engine = self.0.machines.engine(namespace, pod);
        engine.ok_or_else(|| nothing_runs(namespace, pod))
    }

    fn dead(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nothing_runs(namespace: &str, pod: &str) -> LabError {
    LabError::Refused(format!(
        "nothing runs in a pod {namespace}/{pod} here; name it as NAMESPACE:POD"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read() {
        let table = [
            ("lost-node:node-1", Some(Fault::Lost("node-1"))),
            ("dead-node:node-1", Some(Fault::Dead("node-1"))),
            ("node-back:node-1", Some(Fault::Back("node-1"))),
            (
                "freeze:shop:orders-0",
                Some(Fault::Freeze("shop", "orders-0")),
            ),
            ("thaw:shop:orders-0", Some(Fault::Thaw("shop", "orders-0"))),
            ("kill:shop:orders-0", Some(Fault::Kill("shop", "orders-0"))),
            ("operator-stalled", Some(Fault::Stalled)),
            ("heal", Some(Fault::Heal)),
            ("heal:all", None),
            ("kill:orders-0", None),
            ("lost-node", None),
            ("kill:a:b:c", None),
        ];
        for (name, wanted) in table {
            assert_eq!(read(name), wanted, "{name}");
        }
        for word in KNOWN
            .split([',', ' ', ':'])
            .filter(|word| word.starts_with(char::is_lowercase))
        {
            let asked = [word.to_owned(), format!("{word}:a"), format!("{word}:a:b")];
            assert!(asked.iter().any(|name| read(name).is_some()), "{word}");
        }
    }
}
