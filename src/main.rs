//! The thin binary: everything is in the library.

fn main() -> color_eyre::Result<std::process::ExitCode> {
    darner::cli::run()
}
