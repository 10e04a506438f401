//! What to do next, as data: one step after the other, each a sentence and at most one command, which stands on a line of
//! its own so that it can be copied as it is.
//!
//! A check writes its steps as lines: a line that begins with `$ ` is the command of the sentence above it. The places of
//! [`Finding::steps`] are filled in, so a shown command needs nothing but to be run.

use super::{Finding, Subject};
use crate::domain::text::shell_word;
use crate::domain::{ConsumerId, Fault, InstanceId};

/// What a line that is a command begins with.
const COMMAND: &str = "$ ";
/// `{redis-cli}`: how an engine is asked on its admin port, in its own container. Of every server from v1.17.
const REDIS_CLI: &str = "{kubectl} exec {pod} -c dragonfly -- redis-cli -p 9999";

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do, and what it shows or brings about: a sentence or two.
    pub say: String,
    /// The command for it, ready to be run.
    pub command: Option<String>,
}

/// The steps that a text says line by line.
pub fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.strip_prefix(COMMAND), steps.last_mut()) {
            (Some(command), Some(step)) if step.command.is_none() => {
                step.command = Some(command.to_owned());
            }
            // A second command of a sentence is a step of its own, which the sentence before it speaks for.
            (Some(command), _) => steps.push(Step {
                say: String::new(),
                command: Some(command.to_owned()),
            }),
            (None, _) => steps.push(Step {
                say: line.to_owned(),
                command: None,
            }),
        }
    }
    steps
}

/// How one engine is asked, as a line of steps: `$ {kubectl} exec orders-1 ... CLIENT LIST`.
pub(super) fn ask(pod: &str, question: &str) -> String {
    let redis_cli = REDIS_CLI.replace("{pod}", pod);
    format!("\n{COMMAND}{redis_cli} {question}")
}

/// The same lines, about the engine of that pod.
pub(super) fn on(text: &str, pod: &str) -> String {
    text.replace("{redis-cli}", REDIS_CLI)
        .replace("{pod}", &shell_word(pod))
}

/// What a fault says can be done about it, as lines of steps: the command within its hint on a line of its own.
pub(super) fn of_fault(fault: &Fault) -> String {
    let sentence = |text: &str| {
        let text = text.trim().trim_end_matches(['.', ',', ';', ':']);
        let mut chars = text.chars();
        match chars.next() {
            // What begins with an address or a command stays as it is written.
            Some(first) if !text.starts_with("http") => {
                format!("{}{}.", first.to_uppercase(), chars.as_str())
            }
            Some(_) => format!("{text}."),
            None => String::new(),
        }
    };
    if let Some(command) = fault
        .hint
        .strip_prefix("run `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return format!("Run this, then press r in the console to try again.\n{COMMAND}{command}");
    }
    let Some((before, command)) = fault.hint.split_once(": kubectl ") else {
        return sentence(&fault.hint);
    };
    let end = [", and ", "; "]
        .iter()
        .filter_map(|mark| command.find(mark))
        .min()
        .unwrap_or(command.len());
    let (command, rest) = command.split_at_checked(end).unwrap_or((command, ""));
    let rest = rest.trim_start_matches([',', ';', ' ']);
    format!(
        "{}\n{COMMAND}kubectl {command}\n{}",
        sentence(before),
        sentence(rest.strip_prefix("and ").unwrap_or(rest))
    )
}

impl Finding {
    /// What to do next, step by step. `{kubectl}` becomes kubectl with the context and the namespace, `{cluster}` with the
    /// context alone, `{redis-cli}` a
    /// question to the engine of `{pod}`, `{context}`, `{namespace}`, `{name}` the subject's, `{pod}` the first pod that the
    /// finding speaks of (else the instance's first).
    pub fn steps(&self) -> Vec<Step> {
        steps(&self.filled())
    }

    /// The same as text, a line for each step: the sentence, then its command.
    pub fn next_step(&self) -> String {
        let lines: Vec<String> = self.steps().iter().map(Step::words).collect();
        lines.join("\n")
    }

    /// The lines of its steps, with every place filled in.
    pub(super) fn filled(&self) -> String {
        let context = shell_word(self.subject.context().as_str());
        let (kubectl, namespace, name) = match &self.subject {
            Subject::Context(_) | Subject::Operator(_) => (
                format!("kubectl --context {context}"),
                String::new(),
                String::new(),
            ),
            Subject::Instance(InstanceId {
                namespace, name, ..
            })
            | Subject::Consumer(ConsumerId {
                namespace, name, ..
            }) => {
                let namespace = shell_word(namespace);
                (
                    format!("kubectl --context {context} -n {namespace}"),
                    namespace,
                    shell_word(name),
                )
            }
        };
        let pod = match self.about.first() {
            Some(pod) => shell_word(pod),
            None => format!("{name}-0"),
        };
        self.next
            .replace("{redis-cli}", REDIS_CLI)
            .replace("{cluster}", &format!("kubectl --context {context}"))
            .replace("{kubectl}", &kubectl)
            .replace("{context}", &context)
            .replace("{namespace}", &namespace)
            .replace("{name}", &name)
            .replace("{pod}", &pod)
    }
}

impl Step {
    /// As one line: the sentence, then the command after a colon.
    pub fn words(&self) -> String {
        match &self.command {
            None => self.say.clone(),
            Some(command) if self.say.is_empty() => command.clone(),
            Some(command) => format!("{}: {command}", self.say.trim_end_matches('.')),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::ALL;
    use crate::domain::FaultKind;

    fn told(text: &str) -> Vec<(String, Option<String>)> {
        let steps = steps(text).into_iter();
        steps.map(|step| (step.say, step.command)).collect()
    }

    #[test]
    fn lines_are_sentences_each_with_at_most_one_command() {
        let step = |say: &str, command: Option<&str>| (say.to_owned(), command.map(str::to_owned));
        for (text, wanted) in [
            ("", vec![]),
            ("Wait.", vec![step("Wait.", None)]),
            (
                "Look.\n$ kubectl get pods\n\n  Then wait.  ",
                vec![
                    step("Look.", Some("kubectl get pods")),
                    step("Then wait.", None),
                ],
            ),
            (
                "Look at both.\n$ a\n$ b",
                vec![step("Look at both.", Some("a")), step("", Some("b"))],
            ),
            // A price is no command.
            (
                "It costs 5 $ a day.",
                vec![step("It costs 5 $ a day.", None)],
            ),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    /// A command within a sentence cannot be copied: none is left in any check's steps.
    #[test]
    fn every_step_of_every_check_is_a_sentence_with_its_command_apart() {
        for check in ALL {
            let steps = steps(check.next);
            assert!(!steps.is_empty(), "{}", check.id);
            for Step { say, command } in steps {
                let id = check.id;
                assert!(say.ends_with('.'), "{id}: {say}");
                assert!(
                    say.starts_with(|c: char| c.is_uppercase() || c == '{'),
                    "{id}: {say}"
                );
                assert!(
                    !say.contains("{kubectl}") && !say.contains("{redis-cli}"),
                    "{id}: a command stands in the sentence: {say}"
                );
                if let Some(command) = command {
                    let is_whole = ["{kubectl} ", "{cluster} ", "{redis-cli} ", "darner "]
                        .iter()
                        .any(|lead| command.starts_with(lead));
                    assert!(is_whole && !command.ends_with('.'), "{id}: {command}");
                }
            }
        }
    }

    #[test]
    fn the_command_within_a_fault_s_hint_stands_alone() {
        for (hint, wanted) in [
            ("", vec![]),
            (
                "check network and VPN",
                vec![("Check network and VPN.".to_owned(), None)],
            ),
            (
                "the right is missing: kubectl --context {context} -n shop create role darner --verb=create \
                 --resource=pods/portforward, and bind it; for /metrics alone --verb=get --resource=pods/proxy is enough",
                vec![
                    (
                        "The right is missing.".to_owned(),
                        Some(
                            "kubectl --context {context} -n shop create role darner --verb=create \
                             --resource=pods/portforward"
                                .to_owned(),
                        ),
                    ),
                    (
                        "Bind it; for /metrics alone --verb=get --resource=pods/proxy is enough."
                            .to_owned(),
                        None,
                    ),
                ],
            ),
            (
                "run `corp-login refresh`",
                vec![(
                    "Run this, then press r in the console to try again.".to_owned(),
                    Some("corp-login refresh".to_owned()),
                )],
            ),
            (
                "http://HOST:PORT works",
                vec![("http://HOST:PORT works.".to_owned(), None)],
            ),
        ] {
            let fault = Fault::new(FaultKind::Forbidden, "may not").with_hint(hint);
            assert_eq!(told(&of_fault(&fault)), wanted, "{hint}");
        }
    }
}
