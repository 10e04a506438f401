//! Faults of one machine or one process, by its name: they befall a lab as well as machines attached to a real API server.

use super::engine::Engine;
use super::kubelet::Machines;
use super::running::LabError;

/// A fault, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Fault<'a> {
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
}

/// What can be asked for, and what it is, in one line.
pub const KNOWN: &[(&str, &str)] = &[
    ("lost-node:NODE", "that machine is off the network"),
    ("dead-node:NODE", "that machine has no power"),
    ("node-back:NODE", "that machine is back"),
    ("freeze:NAMESPACE:POD", "the process in that pod is stopped"),
    ("thaw:NAMESPACE:POD", "that process goes on"),
    ("kill:NAMESPACE:POD", "what runs in that pod is killed"),
];

/// The names, for those who ask for something else.
pub(in crate::lab) fn names() -> String {
    let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The fault of that name; `None` when there is none.
pub(in crate::lab) fn read(name: &str) -> Option<Fault<'_>> {
    let mut parts = name.split(':');
    let (word, first, second, rest) = (parts.next()?, parts.next(), parts.next(), parts.next());
    Some(match (word, first, second, rest) {
        ("lost-node", Some(node), None, None) => Fault::Lost(node),
        ("dead-node", Some(node), None, None) => Fault::Dead(node),
        ("node-back", Some(node), None, None) => Fault::Back(node),
        ("freeze", Some(namespace), Some(pod), None) => Fault::Freeze(namespace, pod),
        ("thaw", Some(namespace), Some(pod), None) => Fault::Thaw(namespace, pod),
        ("kill", Some(namespace), Some(pod), None) => Fault::Kill(namespace, pod),
        _ => return None,
    })
}

impl Fault<'_> {
    /// Whether it ends the fault of that name: that of the same machine or pod.
    pub(in crate::lab) fn ends(&self, name: &str) -> bool {
        match (*self, read(name)) {
            (Fault::Back(node), Some(Fault::Lost(other) | Fault::Dead(other))) => node == other,
            (Fault::Thaw(namespace, pod), Some(Fault::Freeze(other, its))) => {
                (namespace, pod) == (other, its)
            }
            _ => false,
        }
    }

    /// Whether it stays in force until something ends it.
    pub(in crate::lab) fn stays(&self) -> bool {
        matches!(self, Fault::Lost(_) | Fault::Dead(_) | Fault::Freeze(..))
    }

    /// Lets it befall these machines; the answer is a sentence. What the controllers make of it is not done here.
    ///
    /// # Errors
    /// When there is no such machine or nothing runs in that pod.
    pub(in crate::lab) fn befall(
        self,
        machines: &Machines,
        known: &[String],
    ) -> Result<String, LabError> {
        match self {
            Fault::Lost(node) | Fault::Dead(node) | Fault::Back(node) => there(node, known)?,
            Fault::Freeze(..) | Fault::Thaw(..) | Fault::Kill(..) => {}
        }
        Ok(match self {
            Fault::Lost(node) => {
                machines.lose(node, true);
                format!("{node} is off the network")
            }
            Fault::Dead(node) => {
                machines.power_off(node);
                format!("{node} has no power")
            }
            Fault::Back(node) => {
                machines.bring_back(node);
                format!("{node} is back")
            }
            Fault::Freeze(namespace, pod) => {
                engine(machines, namespace, pod)?.freeze(true);
                format!("the process of {namespace}/{pod} is stopped")
            }
            Fault::Thaw(namespace, pod) => {
                engine(machines, namespace, pod)?.freeze(false);
                format!("the process of {namespace}/{pod} goes on")
            }
            Fault::Kill(namespace, pod) => {
                if !machines.kill(namespace, pod) {
                    return Err(nothing_runs(namespace, pod));
                }
                format!("what ran in {namespace}/{pod} is killed")
            }
        })
    }
}

fn there(node: &str, known: &[String]) -> Result<(), LabError> {
    let sentence = || {
        let names = known.join(", ");
        LabError::Refused(format!(
            "there is no machine '{node}' here; there are {names}"
        ))
    };
    known
        .iter()
        .any(|name| name == node)
        .then_some(())
        .ok_or_else(sentence)
}

fn engine(machines: &Machines, namespace: &str, pod: &str) -> Result<Engine, LabError> {
    let engine = machines.engine(namespace, pod);
    engine.ok_or_else(|| nothing_runs(namespace, pod))
}

fn nothing_runs(namespace: &str, pod: &str) -> LabError {
    LabError::Refused(format!(
        "nothing runs in a pod {namespace}/{pod} here; name it as NAMESPACE:POD"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
            ("heal:all", None),
            ("kill:orders-0", None),
            ("lost-node", None),
            ("kill:a:b:c", None),
        ];
        for (name, wanted) in table {
            assert_eq!(read(name), wanted, "{name}");
        }
        for (name, _) in KNOWN {
            assert!(read(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_ends_a_fault_ends_that_of_the_same_machine_or_pod() {
        let table = [
            ("node-back:a", "lost-node:a", true),
            ("node-back:a", "dead-node:a", true),
            ("node-back:a", "lost-node:b", false),
            ("thaw:shop:a", "freeze:shop:a", true),
            ("thaw:shop:a", "freeze:farm:a", false),
            ("kill:shop:a", "freeze:shop:a", false),
            ("freeze:shop:a", "freeze:shop:a", false),
            ("node-back:a", "oom", false),
        ];
        for (name, other, wanted) in table {
            assert_eq!(read(name).unwrap().ends(other), wanted, "{name} {other}");
        }
    }
}
