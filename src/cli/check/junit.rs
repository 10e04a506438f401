//! The report as JUnit XML: a suite an area, a case an answer. What counts as a finding is a failure, a milder one is the
//! output of a case that passed, and what could not be judged is an error. What does not apply is no case.

use std::fmt::Write as _;

use super::{Report, Row, rank};

/// Text as XML takes it, in an element or in an attribute between double quotes. Characters that XML 1.0 has no place for are
/// replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn is_failure(report: &Report, row: &Row) -> bool {
    let severity = row.finding.as_ref().map_or("", |finding| finding.severity);
    row.answer == "finding" && rank(severity) <= rank(report.fail_on)
}

fn case(report: &Report, row: &Row) -> String {
    let mut out = format!(
        "    <testcase classname=\"{}.{}\" name=\"{}\"",
        escaped(row.area),
        escaped(row.check),
        escaped(&row.subject.words())
    );
    if let Some(place) = &row.place {
        let _ = write!(
            out,
            " file=\"{}\" line=\"{}\"",
            escaped(&place.file),
            place.line
        );
    }
    let Some(finding) = &row.finding else {
        out.push_str("/>\n");
        return out;
    };
    out.push_str(">\n");
    let mut lines = vec![finding.sentence.clone(), finding.meaning.clone()];
    let evidence = finding.evidence.iter();
    lines.extend(evidence.map(|fact| format!("{}: {}", fact.source, fact.text)));
    lines.push(finding.next.clone());
    lines.retain(|line| !line.is_empty());
    let body = escaped(&lines.join("\n"));
    let message = escaped(&format!("{}: {}", finding.severity, finding.sentence));
    if let Some(accepted) = &row.accepted {
        let why = format!("accepted until {}: {}", accepted.until, accepted.reason);
        let _ = writeln!(out, "      <skipped message=\"{}\"/>", escaped(&why));
        out.push_str("    </testcase>\n");
        return out;
    }
    let _ = match (row.answer, is_failure(report, row)) {
        ("unknown", _) => {
            writeln!(
                out,
                "      <error type=\"unknown\" message=\"{message}\">{body}</error>"
            )
        }
        (_, true) => writeln!(
            out,
            "      <failure type=\"{}\" message=\"{message}\">{body}</failure>",
            escaped(finding.severity)
        ),
        (_, false) => writeln!(out, "      <system-out>{message}&#10;{body}</system-out>"),
    };
    out.push_str("    </testcase>\n");
    out
}

/// The whole document.
pub(super) fn page(report: &Report) -> String {
    let sums = |of: &dyn Fn(&Row) -> bool| {
        let tests = report.answers.iter().filter(|row| of(row)).count();
        let failures = report
            .answers
            .iter()
            .filter(|row| of(row) && is_failure(report, row));
        let errors = report
            .answers
            .iter()
            .filter(|row| of(row) && row.answer == "unknown");
        format!(
            "tests=\"{tests}\" failures=\"{}\" errors=\"{}\"",
            failures.count(),
            errors.count()
        )
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"darner check\" {}>\n",
        sums(&|_| true)
    );
    for count in report.groups() {
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" {} timestamp=\"{}\">",
            count.area,
            sums(&|row| [row.area, row.criterion].contains(&count.area)),
            report.at.strftime("%Y-%m-%dT%H:%M:%S")
        );
        for row in report.of_group(count.area) {
            out.push_str(&case(report, row));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_can_end_it() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&apos;"),
            ("]]>", "]]&gt;"),
            ("two\nlines\t", "two&#10;lines&#9;"),
            ("\u{1b}[0m\u{0}", "\u{fffd}[0m\u{fffd}"),
            ("ü 世 \u{1f600}", "ü 世 \u{1f600}"),
        ] {
            assert_eq!(escaped(text), wanted);
        }
    }
}
