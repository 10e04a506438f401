//! A text that must not be seen: what was typed into a masked line.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A password on its way from the line where it was typed to where it is kept. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text over.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// For whoever keeps it.
    pub fn into_inner(self) -> SecretString {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Secret {}
