//! The front door: arguments to modes, files to settings, the headless verbs.
//!
//! Never: rules about Dragonfly or Kubernetes; those are asked of the ground floor.
//!
//! Start with [`run`]. One file a verb.

pub mod act;
pub mod args;
pub mod check;
pub mod compare;
pub mod console;
pub mod elsewhere;
pub mod explain;
pub mod files;
pub mod fleet;
pub mod gather;
pub mod lab;
pub mod remedy;
pub mod report;
pub mod status;
pub mod wait;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Verb};
use files::Folders;
use fleet::Nothing;

use crate::runtime::log::Log;

/// Exit code of wrong usage, after sysexits.h.
pub const USAGE: u8 = 64;

/// Exit code of output that could not be written, after sysexits.h.
pub const OUTPUT: u8 = 74;

/// Runs darner with the process's arguments.
///
/// # Errors
/// What nobody foresaw; what was foreseen is a sentence on standard error and an exit code.
pub fn run() -> color_eyre::Result<ExitCode> {
    match verb() {
        Err(report) => unwritten(&report).map_or(Err(report), |code| Ok(ExitCode::from(code))),
        done => done,
    }
}

/// The exit code of output that found no place: whoever closed the pipe has read enough, anything else is told.
fn unwritten(report: &color_eyre::Report) -> Option<u8> {
    let error = report.downcast_ref::<io::Error>()?;
    match error.kind() {
        io::ErrorKind::BrokenPipe => Some(0),
        io::ErrorKind::StorageFull | io::ErrorKind::WriteZero => {
            eprintln!("darner: the output could not be written: {error}");
            Some(OUTPUT)
        }
        _ => None,
    }
}

fn verb() -> color_eyre::Result<ExitCode> {
    if let Some(code) = crate::connect::detach::take_part(std::env::args_os()) {
        return Ok(code);
    }
    crate::runtime::terminal::install_panic_hook()?;
    // Two TLS providers in one program would leave rustls unable to choose; a second installation is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = Cli::command().subcommands(act::commands());
    let parsed = command.try_get_matches().and_then(|matches| {
        let acts = act::asked(&matches);
        let cli = match &acts {
            // Of an action's verb only what stands beside every verb is read so.
            Some(_) => Cli::beside(&matches),
            None => Cli::from_arg_matches(&matches),
        };
        cli.map(|cli| (cli, acts))
    });
    let (cli, acts) = match parsed {
        Ok(parsed) => parsed,
        Err(told) => {
            let code = if told.use_stderr() { USAGE } else { 0 };
            told.print()?;
            return Ok(ExitCode::from(code));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let code = runtime.block_on(async {
        match acts {
            Some(acts) => act(acts, cli).await,
            None => dispatch(cli).await,
        }
    })?;
    // A credential plugin or a name lookup that hangs in a blocking thread must not hold the exit.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn act(acts: act::Asked, cli: Cli) -> color_eyre::Result<u8> {
    let folders = Folders::of_platform();
    match headless(&cli.reach) {
        Ok((fleet, _log)) => {
            let own = match files::read(&folders, cli.reach.settings.as_deref()) {
                Ok(own) => own,
                Err(sentence) => {
                    eprintln!("darner: {sentence}");
                    return Ok(USAGE);
                }
            };
            act::run(acts, fleet, own, &folders, cli.reach.read_only).await
        }
        Err(code) => Ok(code),
    }
}

async fn dispatch(cli: Cli) -> color_eyre::Result<u8> {
    if let (Some(address), Some(_)) = (&cli.address, &cli.command) {
        eprintln!("darner: {address} stands before the command; write it after it");
        return Ok(USAGE);
    }
    match cli.command {
        None => console::run(&cli.reach, &cli.look, cli.address.as_deref()).await,
        Some(Verb::Lab(args)) => lab::run(&args, &cli.reach, &cli.look).await,
        Some(Verb::Status(args)) => match headless(&cli.reach) {
            Ok((fleet, _log)) => status::run(&args, fleet).await,
            Err(code) => Ok(code),
        },
        Some(Verb::Explain(args)) => match headless(&cli.reach) {
            Ok((fleet, _log)) => explain::run(&args, fleet).await,
            Err(code) => Ok(code),
        },
        Some(Verb::Check(args)) if args.manifests.is_some() => check::manifests(&args, &cli.reach),
        Some(Verb::Remedy(args)) => match headless(&cli.reach) {
            Ok((fleet, _log)) => remedy::run(&args, fleet).await,
            Err(code) => Ok(code),
        },
        Some(Verb::Check(args)) => match headless(&cli.reach) {
            Ok((fleet, _log)) => check::run(&args, fleet).await,
            Err(code) => Ok(code),
        },
        Some(Verb::Compare(args)) => match headless(&cli.reach) {
            Ok((fleet, _log)) => compare::run(&args, fleet).await,
            Err(code) => Ok(code),
        },
        Some(Verb::Wait(args)) => match headless(&cli.reach) {
            Ok((fleet, _log)) => wait::run(&args, fleet).await,
            Err(code) => Ok(code),
        },
    }
}

/// The fleet of a command without a screen and its log, or the exit code after it was said why there is none.
fn headless(reach: &args::Reach) -> Result<(fleet::Fleet, Log), u8> {
    let log = crate::runtime::log::to_stderr();
    let own =
        files::read(&Folders::of_platform(), reach.settings.as_deref()).map_err(|sentence| {
            eprintln!("darner: {sentence}");
            USAGE
        })?;
    let chosen = fleet::choose(reach, &own.settings, own.problems);
    chosen.map(|fleet| (fleet, log)).map_err(|nothing| {
        match nothing {
            Nothing::Wrong(sentence) => eprintln!("darner: {sentence}"),
            Nothing::NoKubeconfig(searched) => eprintln!(
                "darner: there is no kubeconfig (looked at KUBECONFIG, {}, and for a pod's service account); to try darner without a cluster: darner lab",
                searched.join(", ")
            ),
        }
        USAGE
    })
}
