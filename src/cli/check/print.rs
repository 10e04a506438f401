//! The report for people: plain text and Markdown.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Counts, Report, Row};
use crate::cli::report::{Finding, Overall};
use crate::cli::status::incomplete;
use crate::domain::text;

/// `since 3m`, or `seen for 3s` where only our own watching vouches for it.
fn since(finding: &Finding, now: Timestamp) -> String {
    let age = text::age(finding.since, now);
    match finding.since_is_exact {
        true => format!("since {age}"),
        false => format!("seen for {age}"),
    }
}

/// Rows of an area that say something. What several checks cannot judge of one subject for the same reason is told once,
/// with how many they are.
fn told<'a>(report: &'a Report, area: &'a str) -> Vec<(&'a Row, &'a Finding, usize)> {
    let mut told: Vec<(&Row, &Finding, usize)> = Vec::new();
    for row in report.of_group(area) {
        let Some(finding) = &row.finding else {
            continue;
        };
        let same = told.iter_mut().find(|(other, why, _)| {
            row.answer == "unknown"
                && other.answer == "unknown"
                && other.subject == row.subject
                && why.sentence == finding.sentence
        });
        match same {
            Some((_, _, times)) => *times += 1,
            None => told.push((row, finding, 1)),
        }
    }
    told
}

/// `warning or worse`; nothing is worse than critical.
fn or_worse(severity: &str) -> String {
    match severity {
        "critical" => severity.to_owned(),
        milder => format!("{milder} or worse"),
    }
}

/// What is not known, and why.
fn lacking(report: &Report) -> String {
    match report.is_of_files {
        true => format!("could not be read: {}", report.unanswered.join("; ")),
        false => incomplete(&report.unanswered),
    }
}

fn verdict(report: &Report) -> String {
    match report.verdict {
        Overall::Well => format!("nothing was found that is {}", or_worse(report.fail_on)),
        Overall::Findings => {
            let found = report.answers.iter().filter(|row| row.answer == "finding");
            format!(
                "{} found, some of them {}",
                text::count(found.count() as u64),
                or_worse(report.fail_on)
            )
        }
        Overall::Unjudged => format!(
            "nothing was found that is {}, but not everything could be judged",
            or_worse(report.fail_on)
        ),
    }
}

/// Areas in which something was asked; all of a profile, and all where nothing was asked anywhere.
fn asked(report: &Report) -> impl Iterator<Item = &Counts> {
    let areas = report.groups().iter();
    let is_asked = |count: &Counts| count.pass + count.finding + count.accepted + count.unknown > 0;
    let are_all = report.profile.is_some() || !report.groups().iter().any(is_asked);
    areas.filter(move |count| are_all || is_asked(count))
}

/// `AC1 Operator installed`, or an area's title.
fn heading(report: &Report, count: &Counts) -> String {
    match report.profile {
        Some(_) => format!("{} {}", count.area, count.title),
        None => count.title.to_owned(),
    }
}

/// Where it stands, before what is so: `clusters/db.yaml:12: `.
fn placed(row: &Row) -> String {
    let place = row.place.as_ref();
    place.map_or(String::new(), |place| format!("{place}: "))
}

/// Plain text.
pub(super) fn plain(report: &Report) -> String {
    let mut out = String::new();
    for count in asked(report) {
        let _ = writeln!(
            out,
            "{}: {} pass, {} {}{}, {} unknown, {} n/a",
            heading(report, count),
            count.pass,
            count.finding,
            if count.finding == 1 {
                "finding"
            } else {
                "findings"
            },
            match count.accepted {
                0 => String::new(),
                some => format!(", {some} accepted"),
            },
            count.unknown,
            count.not_applicable
        );
        for (row, finding, times) in told(report, count.area) {
            let checks = match times {
                1 => row.check.to_owned(),
                more => format!("{more} checks"),
            };
            let facts = match finding.evidence.len() {
                1 => "1 fact".to_owned(),
                many => format!("{many} facts"),
            };
            let _ = writeln!(
                out,
                "  {:<8} {}{}: {}, {} [{checks}, {facts}]",
                if row.answer == "accepted" {
                    "accepted"
                } else {
                    finding.severity
                },
                placed(row),
                row.subject.words(),
                finding.sentence,
                since(finding, report.at)
            );
            if let Some(accepted) = &row.accepted {
                let _ = writeln!(
                    out,
                    "           accepted until {}: {}",
                    accepted.until, accepted.reason
                );
                continue;
            }
            // What could not be judged is mended where the reason lies, which is told by its own check.
            let next = if times == 1 {
                finding.next.as_str()
            } else {
                ""
            };
            for (at, line) in next.lines().filter(|line| !line.is_empty()).enumerate() {
                let head = if at == 0 { "next: " } else { "      " };
                let _ = writeln!(out, "           {head}{line}");
            }
        }
        out.push('\n');
    }
    if !report.complete {
        let _ = writeln!(out, "{}", lacking(report));
    }
    let _ = writeln!(out, "{}", verdict(report));
    out
}

/// A Markdown page.
pub(super) fn markdown(report: &Report) -> String {
    let escape = text::markdown;
    let mut out = format!(
        "# Dragonfly check, {}\n\n{}.\n\n| {} | pass | finding | accepted | unknown | n/a |\n| --- | --- | --- | --- | --- | --- |\n",
        report.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        verdict(report),
        match report.profile {
            Some(_) => "criterion",
            None => "area",
        }
    );
    for count in report.groups() {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            count.area,
            count.pass,
            count.finding,
            count.accepted,
            count.unknown,
            count.not_applicable
        );
    }
    for count in asked(report) {
        let told = told(report, count.area);
        if told.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {}\n", heading(report, count));
        for (row, finding, times) in told {
            let _ = writeln!(
                out,
                "- **{}** {}{}: {}; {} ({}).",
                match &row.accepted {
                    Some(_) => "accepted",
                    None => finding.severity,
                },
                escape(&placed(row)),
                escape(&row.subject.words()),
                escape(&finding.sentence),
                since(finding, report.at),
                match times {
                    1 => row.check.to_owned(),
                    more => format!("{more} checks"),
                }
            );
            if let Some(accepted) = &row.accepted {
                let reason = escape(&accepted.reason);
                let _ = writeln!(out, "  - accepted until {}: {reason}", accepted.until);
                continue;
            }
            for evidence in &finding.evidence {
                let _ = writeln!(
                    out,
                    "  - {}: {}",
                    escape(&evidence.source),
                    escape(&evidence.text)
                );
            }
            if !finding.next.is_empty() {
                let _ = writeln!(out, "  - next: {}", escape(&finding.next));
            }
        }
    }
    if !report.complete {
        let _ = writeln!(out, "\n{}", escape(&lacking(report)));
    }
    out
}
