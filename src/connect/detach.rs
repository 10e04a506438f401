//! Starting a program in a session of its own, so that it has no terminal to open.
//!
//! Closed streams are not enough: whatever shares our session can open `/dev/tty` and write over the console, or read
//! keys meant for it. A process can leave its session only by itself and only before it is a group's leader, and the
//! standard library runs nothing of ours in a child without `unsafe`. So the child is first darner again, under a verb
//! that no help shows, which leaves the session and then becomes the program.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use tokio::process::Command;

/// The verb, as the first argument; the program and its arguments follow.
const VERB: &str = "__detached";
/// What is said on standard output, with the system's error number, when the program cannot be started. Nothing that
/// a plugin answers begins like this.
const UNABLE: &str = "darner-cannot-start ";
/// Exit status that goes with it.
const UNABLE_STATUS: u8 = 126;

/// Ourselves, as a program that can be started; unset in programs that do not know the verb.
static SELF: OnceLock<PathBuf> = OnceLock::new();

/// Plays the part between the two programs if the arguments of this process ask for it, and does not come back then
/// except with an exit code. To be called first of all; from then on [`command`] can detach.
pub fn take_part(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.nth(1).is_none_or(|verb| verb != VERB) {
        // By this name Linux finds the program that runs, also when its file has been replaced by a newer one.
        let own = Path::new("/proc/self/exe");
        let own = match own.exists() {
            true => Ok(own.to_owned()),
            false => std::env::current_exe(),
        };
        if let Ok(own) = own {
            // A second call would say the same.
            let _ = SELF.set(own);
        }
        return None;
    }
    let error = become_program(args);
    let number = error.raw_os_error().unwrap_or_default();
    // Whoever asked has gone, if it cannot be told.
    let _ = write!(io::stdout(), "{UNABLE}{number}");
    Some(ExitCode::from(UNABLE_STATUS))
}

#[cfg(unix)]
fn become_program(mut args: impl Iterator<Item = OsString>) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    let Some(program) = args.next() else {
        return io::ErrorKind::InvalidInput.into();
    };
    // Refused only to the leader of a group, which a child of `command` is not.
    if let Err(error) = rustix::process::setsid() {
        return error.into();
    }
    std::process::Command::new(program).args(args).exec()
}

#[cfg(not(unix))]
fn become_program(_: impl Iterator<Item = OsString>) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// A command that will run `program` without our terminal, in a process group of its own: our Ctrl-C is not its, and
/// what it starts can be ended with it. In a program that does not know the verb (a test) it shares our session.
pub fn command(program: &str) -> Command {
    #[cfg(unix)]
    match SELF.get() {
        Some(own) => {
            let mut command = Command::new(own);
            command.args([VERB, program]);
            command
        }
        None => {
            let mut command = Command::new(program);
            command.process_group(0);
            command
        }
    }
    #[cfg(not(unix))]
    Command::new(program)
}

/// Why the program was not started, from what [`command`] said on standard output.
pub fn not_started(said: &[u8]) -> Option<io::Error> {
    SELF.get()?;
    error_in(said)
}

fn error_in(said: &[u8]) -> Option<io::Error> {
    let number = std::str::from_utf8(said.strip_prefix(UNABLE.as_bytes())?).ok()?;
    Some(io::Error::from_raw_os_error(number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_own_word_says_that_nothing_was_started() {
        let not_found = io::Error::from_raw_os_error(2).kind();
        for (said, wanted) in [
            ("darner-cannot-start 2", Some(not_found)),
            ("darner-cannot-start two", None),
            ("darner-cannot-start ", None),
            ("darner-cannot-start 2 {}", None),
            ("{\"kind\":\"ExecCredential\"}", None),
            ("", None),
        ] {
            let kind = error_in(said.as_bytes()).map(|error| error.kind());
            assert_eq!(kind, wanted, "{said}");
        }
        assert_eq!(not_found, io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn without_the_verb_a_program_is_started_directly() {
        let output = command("sh").args(["-c", "echo here"]).output().await;
        assert_eq!(output.unwrap().stdout, b"here\n");
    }
}
