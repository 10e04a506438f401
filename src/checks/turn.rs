//! Whose turn it is: what the operator does by itself, where one is at work, and what to do where none is.

use super::leader::{self, Leader, leader};
use super::operator_down::of_operator;
use super::{Case, Subject, Verdict};
use crate::domain::text;

/// Why nobody acts on what an operator does by itself, as it is said after `nobody does it: `; and what to do about that, as
/// lines of steps. `None` while somebody may act.
pub(super) fn nobody(case: &Case<'_>) -> Option<(String, String)> {
    let subject = Subject::Operator(case.context.id.clone());
    let operator = Case::of(case.world, &subject, case.limits, case.now)?;
    match of_operator(&operator).verdict {
        Verdict::Finding(down) => {
            let what = down.sentence.split_once(": ").map(|(what, _)| what);
            let what = what.unwrap_or(&down.sentence).to_owned();
            Some((what, down.filled()))
        }
        _ => None,
    }
}

/// What to do where it is the operator's to act, as lines of steps: to set it right where it is away, else to read in its
/// log what keeps it from `what`.
pub(super) fn its_turn(case: &Case<'_>, what: &str) -> String {
    if let Some((why, steps)) = nobody(case) {
        return format!("Nobody does it: {why}.\n{steps}");
    }
    let look = format!(
        "Look in the operator's log {what} (in the console: the screen Operator, key 5, has it for one instance)."
    );
    let name = match case.subject {
        Subject::Instance(id) => format!(" | grep {}", text::shell_word(&id.name)),
        Subject::Context(_) | Subject::Operator(_) | Subject::Consumer(_) => String::new(),
    };
    // The log of the pod that leads; of one that does not there is nothing to read.
    let whose = match leader(case.context, case.limits, case.now) {
        Leader::Fresh(lease, _) => leader::holder(&lease.value).map(|holder| {
            let namespace = &lease.value.meta.namespace;
            (namespace.to_string(), leader::pod_of(holder).to_owned())
        }),
        _ => None,
    };
    let whose = whose.or_else(|| {
        let meta = &case.context.operators.iter().next()?.value.meta;
        Some((
            meta.namespace.to_string(),
            format!("deployment/{}", meta.name),
        ))
    });
    match whose {
        Some((namespace, pod)) => format!(
            "{look}\n$ {{cluster}} -n {} logs {} -c manager --tail=500{name}",
            text::shell_word(&namespace),
            text::shell_word(&pod)
        ),
        None => look,
    }
}
