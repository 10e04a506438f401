//! `darner lab`.
use super::args::{LabArgs, Looks, Reach};

/// How a lab begins.
#[derive(Default)]
pub struct Beginning;

/// x
pub async fn run(_args: &LabArgs, _reach: &Reach, _looks: &Looks) -> color_eyre::Result<u8> {
    Ok(2)
}
/// x
pub async fn console(_b: &Beginning, _reach: &Reach, _looks: &Looks) -> color_eyre::Result<u8> {
    Ok(2)
}
