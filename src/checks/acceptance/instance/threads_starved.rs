//! More threads than `maxmemory` allows: the server wants 256 MiB for each and does not start (df#418, df#3155). At run time
//! it takes a smaller maxmemory all the same, so that only the next start fails.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::flags::{flags, size, value};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "threads-starved",
    area: Area::Instance,
    title: "Too little memory for its threads",
    why: "The server wants 256 MiB of maxmemory for each thread, and ends at once where it has less.",
    reads: "spec.args and spec.resources of the Dragonfly object",
    next: "Lower --proactor_threads in spec.args of the Dragonfly object, or raise --maxmemory and the memory limit.",
    situations: &[&STARVED],
    needs: Check::NOTHING,
    run,
};

/// What the server wants for each thread, bytes.
const EACH: u64 = 256 << 20;

const STARVED: Situation = Situation {
    id: "threads-starved",
    word: "threads starved",
    rule: "--proactor_threads x 256 MiB is more than --maxmemory (without it, than 80 % of the memory limit)",
    meaning: "A pod that starts anew ends at once, and again each time.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let flags = flags(&held.value.args);
    let Some(threads) = value(&flags, "proactor_threads")
        .and_then(|threads| threads.parse::<u64>().ok())
        .filter(|threads| *threads > 0)
    else {
        return Answer::NOT_APPLICABLE;
    };
    let told = value(&flags, "maxmemory")
        .and_then(size)
        .filter(|max| *max > 0);
    let by_limit = || held.value.memory_limit.map(|limit| limit / 10 * 8);
    let Some(max) = told.or_else(by_limit) else {
        // It is a part of its machine's memory, which is not read.
        return Answer::NOT_APPLICABLE;
    };
    let wanted = threads.saturating_mul(EACH);
    if max >= wanted {
        return Answer::PASS;
    }
    let name = &instance.view.id;
    case.finding(
        &CHECK,
        &STARVED,
        Severity::Critical,
        format!(
            "{} of {name} {} {} of maxmemory, which is {}",
            text::counted(threads, "thread", "threads"),
            if threads == 1 { "wants" } else { "want" },
            text::bytes(wanted),
            text::bytes(max)
        ),
    )
    .resting_on(
        format!("spec.args is {}", words(&flags)),
        format!("Dragonfly {name}"),
        held.changed,
    )
    .since(Since::Seen(held.changed))
    .into()
}

/// The two that matter: others may be secret.
fn words(flags: &[super::super::flags::Flag]) -> String {
    let ours = |name: &str| name == "proactor_threads" || name == "maxmemory";
    let words: Vec<String> = flags
        .iter()
        .filter(|f| ours(&f.name))
        .map(|f| f.words())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn each_thread_wants_its_share() {
        let with = |args: &'static [&'static str], limit: Option<u64>| {
            move |f: &mut _| {
                dragonfly(f, |d| {
                    d.args = args.iter().map(|a| (*a).to_owned()).collect();
                    d.memory_limit = limit.map(|mib| mib << 20);
                });
            }
        };
        table(
            &CHECK,
            &[
                (
                    "no threads told",
                    &with(&["--maxmemory=100mb"], None),
                    "n/a",
                ),
                (
                    "exactly",
                    &with(&["--maxmemory=512mb", "--proactor_threads=2"], None),
                    "pass",
                ),
                (
                    "too little",
                    &with(
                        &[
                            "--requirepass=x",
                            "--maxmemory=512mb",
                            "--proactor_threads=4",
                        ],
                        None,
                    ),
                    "critical critical: 4 threads of shop/orders want 1.0 GiB of maxmemory, which is 512 MiB",
                ),
                (
                    "by the limit",
                    &with(&["--proactor_threads=4"], Some(1024)),
                    "critical critical: 4 threads of shop/orders want 1.0 GiB of maxmemory, which is 819 MiB",
                ),
                (
                    "by a limit that is enough",
                    &with(&["--proactor_threads=4"], Some(2048)),
                    "pass",
                ),
                (
                    "nobody says how much",
                    &with(&["--proactor_threads=4"], None),
                    "n/a",
                ),
                (
                    "no number",
                    &with(&["--proactor_threads=many", "--maxmemory=1mb"], None),
                    "n/a",
                ),
            ],
        );
    }
}
