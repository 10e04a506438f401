//! `docs/reference/checks.md`, made from the list of checks. A test compares it with the file.

use std::fmt::Write as _;

use super::{ALL, Limits, State};

/// The page.
pub fn checks() -> String {
    let mut out = String::from(
        "# Checks\n\n<!-- Made from the lists in src/checks; edit those. -->\n\n\
         A check answers *pass*, a *finding*, *unknown* (a source is silent: neither healthy nor ill), or *not \
         applicable*. An instance's state is the worst of its findings; `status.phase` is never asked.\n\n\
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
    out.push_str("\n## Every check\n");
    for check in ALL {
        let _ = write!(
            out,
            "\n### {}\n\n{}. {}\n\nReads: {}.\n\nNext: {}\n",
            check.id, check.title, check.why, check.reads, check.next
        );
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

    /// `DARNER_WRITE_REFERENCE=1 cargo test --lib checks::reference` writes the page anew.
    #[test]
    fn the_page_is_fresh() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/checks.md");
        let page = super::checks();
        if std::env::var_os("DARNER_WRITE_REFERENCE").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == page,
            "docs/reference/checks.md is stale; the comment above says how to write it anew"
        );
    }
}
