//! Objects of a watched kind that could not be understood: named here, so that they are never silently missing.

use std::sync::Arc;

use super::words::list;
use super::{Answer, Area, Case, Check, Severity, Shown, Situation, State, Subject};
use crate::domain::Kind;

/// The check.
pub const CHECK: Check = Check {
    id: "garbled-object",
    area: Area::Access,
    title: "Objects not understood",
    why: "An object that cannot be read may be an instance or a node that is missing from every table.",
    reads: "every watched object",
    next: "Look at the object as it is, with kubectl get -o yaml.",
    situations: &[&GARBLED],
    needs: Check::NOTHING,
    run,
};

const GARBLED: Situation = Situation {
    id: "garbled-object",
    word: "not understood",
    class: State::Degraded,
    rule: "a watched object came that does not say its name, or is no object at all; a field that is missing or odd leaves only itself out",
    meaning: "It is left out of everything that is shown and judged.",
    shown: Shown::By(&["nameless-object"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Subject::Context(id) = case.subject else {
        return Answer::NOT_APPLICABLE;
    };
    let garbled = &case.context.garbled;
    if garbled.is_empty() {
        return Answer::PASS;
    }
    let names: Vec<String> = garbled
        .keys()
        .map(|(kind, namespace, name)| {
            let name = match (&**namespace, &**name) {
                ("", "") => "without a name".to_owned(),
                ("", name) => name.to_owned(),
                (ns, "") => format!("without a name in {ns}"),
                (ns, name) => format!("{ns}/{name}"),
            };
            format!("{} {name}", kind.resource())
        })
        .collect();
    // Of several, the first: what is wrong with one is mostly wrong with all.
    let shown = garbled.keys().next().map_or(String::new(), look_at);
    let mut finding = case.finding(
        &CHECK,
        &GARBLED,
        Severity::Warning,
        match names.len() {
            1 => format!("an object in {id} cannot be understood: {}", list(&names)),
            n => format!("{n} objects in {id} cannot be understood: {}", list(&names)),
        },
    );
    finding = finding.next(shown);
    for ((kind, namespace, name), problem) in garbled {
        finding = finding.resting_on(
            problem.clone(),
            match &**name {
                "" => format!("list of {}", kind.resource()),
                name => format!("{} {namespace}/{name}", kind.resource()),
            },
            case.now,
        );
    }
    finding.into()
}

/// How to look at such an object as it is.
fn look_at((kind, namespace, name): &(Kind, Arc<str>, Arc<str>)) -> String {
    let place = match &**namespace {
        "" => "-A".to_owned(),
        namespace => format!("-n {namespace}"),
    };
    let named = match &**name {
        "" => String::new(),
        name => format!(" {name}"),
    };
    format!(
        "Look at it as it comes: what stands before the API server (a gateway, a proxy) may have stripped it.\n\
         $ {{kubectl}} {place} get {}{named} -o yaml",
        kind.resource()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use crate::domain::{Fact, Kind};
    use std::sync::Arc;

    #[test]
    fn what_cannot_be_read_is_named() {
        let mut f = healthy().build();
        let about = Subject::Context(infra());
        assert_eq!(line(&answer_about(&CHECK, &f, &about)), "pass");
        for (namespace, name) in [("shop", ""), ("", "x")] {
            f.tell(
                Fact::Garbled {
                    context: infra(),
                    kind: Kind::Dragonfly,
                    namespace: Arc::from(namespace),
                    name: Arc::from(name),
                    problem: "it has no metadata.name".to_owned(),
                },
                ago(1),
            );
        }
        assert_eq!(
            line(&answer_about(&CHECK, &f, &about)),
            "warning degraded: 2 objects in infra cannot be understood: dragonflies x and dragonflies without a name in \
             shop"
        );
        let answer = answer_about(&CHECK, &f, &about);
        let crate::checks::Verdict::Finding(finding) = answer.verdict else {
            panic!()
        };
        let sources: Vec<&str> = finding.evidence.iter().map(|e| &*e.source).collect();
        assert_eq!(sources, ["dragonflies /x", "list of dragonflies"]);
        assert!(
            finding
                .next_step()
                .ends_with(": kubectl --context infra -A get dragonflies x -o yaml"),
            "{}",
            finding.next_step()
        );
    }
}
