//! `docs/reference/checks.md`, made from the list of checks. A test compares it with the file.

use std::fmt::Write as _;

use super::steps::steps;
use super::{ACCEPTANCE, ALL, Check, Limits, Shown, Situation, State, situations};

/// The page.
pub fn checks() -> String {
    let mut out = String::from(
        "# Checks\n\n<!-- Made from the lists in src/checks; edit those. -->\n\n\
         A check answers *pass*, a *finding*, *unknown* (a source is silent: neither healthy nor ill), or *not \
         applicable*. An instance's state is the worst of its findings; `status.phase` is never taken for health.\n\n\
         ## States, from best to worst\n\n| state | in JSON | meaning |\n| --- | --- | --- |\n",
    );
    for state in State::ALL {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} |",
            state.word(),
            state.id(),
            state.meaning()
        );
    }
    out.push_str("\n## Limits\n\n| limit | value |\n| --- | --- |\n");
    for (what, value) in limits(&Limits::default()) {
        let _ = writeln!(out, "| {what} | {value} |");
    }
    out.push_str(
        "\n## Every check\n\nIn commands `{kubectl}` is kubectl with the context and the namespace, `{cluster}` with the context \
         alone, `{redis-cli}` a question to the engine of `{pod}` on its admin port; the console and `darner explain` fill them \
         in, and name more where they know more.\n",
    );
    for check in ALL {
        out.push_str(&section(check));
    }
    out.push_str(
        "\n## Acceptance: whether it is as it should be\n\nAsked by `darner check` beside those above. They have no say in a \
         state: what is found may serve its clients well today.\n",
    );
    for check in ACCEPTANCE {
        out.push_str(&section(check));
        out.push_str("\nFinds:\n\n");
        for Situation { id, rule, .. } in check.situations {
            let _ = writeln!(out, "- `{id}`: {rule}");
        }
    }
    out
}

/// What there is to know of one check.
fn section(check: &Check) -> String {
    let mut out = format!(
        "\n### {}\n\nArea: {}. {}. {}\n\nReads: {}.\n\nNext:\n\n",
        check.id,
        check.area.word(),
        check.title,
        check.why,
        check.reads
    );
    for step in steps(check.next) {
        let _ = writeln!(out, "- {}", step.say);
        if let Some(command) = step.command {
            let _ = writeln!(out, "\n  ```sh\n  {command}\n  ```\n");
        }
    }
    out
}

/// The page of states: every situation, with what raises it.
pub fn states() -> String {
    let mut out = String::from(
        "# States\n\n<!-- Made from the situations that the checks in src/checks list; edit those. -->\n\n\
         What a finding is called. The worst finding of an instance leads: its state stands in the column STATE of the \
         Fleet, at the head of the Instance, in the column STATE of `darner status`, and by its id as `situation` in JSON. \
         The class decides order, sign and colour; it is the `state` in JSON. A finding that is critical puts its subject at \
         least in *critical*, whatever class stands here: where the node that serves clients refuses them, for instance. [checks.md](checks.md) says what to do about \
         each.\n\n\
         *Unknown* is a class of its own: neither well nor ill. An instance of which nothing is found is `healthy`.\n\n\
         A state that is the mere consequence of another one on the same nodes is not raised beside it, but is among its \
         evidence: *includes* names these.\n\n\
         *Scenario* names what raises exactly this state in a lab (`darner lab --scenario NAME`); a test plays each of \
         them.\n\n\
         | state | id | class | raised when | evidence | for clients | includes | scenario |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let word_of = |id: &str| {
        let all = situations();
        let known = all.into_iter().find(|(other, _)| other.id == id);
        known.map_or(id.to_owned(), |(other, _)| other.word.to_owned())
    };
    for (situation, checks) in situations() {
        let Situation {
            id,
            word,
            class,
            rule,
            meaning,
            accounts_for,
            shown,
        } = situation;
        let mut evidence: Vec<&str> = checks.iter().map(|check| check.reads).collect();
        evidence.dedup();
        let includes: Vec<String> = accounts_for.iter().map(|id| word_of(id)).collect();
        let scenario = match shown {
            Shown::By(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
            Shown::Not(why) => format!("none: {why}"),
        };
        let row = [
            (*word).to_owned(),
            format!("`{id}`"),
            class.word().to_owned(),
            (*rule).to_owned(),
            evidence.join("; "),
            (*meaning).to_owned(),
            includes.join(", "),
            scenario,
        ];
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

fn limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let seconds = |n: i64| format!("{n} s");
    vec![
        (
            "an engine's answer is believed for",
            seconds(limits.silent_after),
        ),
        (
            "the same, once the question after it failed",
            seconds(limits.patience),
        ),
        ("a lag is high beyond", format!("{} records", limits.lag)),
        (
            "a pod or an instance is being made for",
            seconds(limits.grace),
        ),
        (
            "a replica whose link is down, or that stays in preparation, is cut off after",
            seconds(limits.preparation),
        ),
        (
            "an operator without a leader is a finding after",
            seconds(limits.lease),
        ),
        (
            "labels, endpoints and engines have, to follow a role change",
            seconds(limits.settling),
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    /// `DARNER_WRITE_REFERENCE=1 cargo test --lib checks::reference` writes the pages anew.
    #[test]
    fn the_pages_are_fresh() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
        for (name, page) in [
            ("checks.md", super::checks()),
            ("states.md", super::states()),
        ] {
            let path = folder.join(name);
            if std::env::var_os("DARNER_WRITE_REFERENCE").is_some() {
                std::fs::write(&path, &page).unwrap();
            }
            let file = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                file == page,
                "docs/reference/{name} is stale; the comment above says how to write it anew"
            );
        }
    }
}
