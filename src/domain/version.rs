//! Versions of operators and servers, as image tags and INFO write them.

use std::fmt;

/// A version of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `v1.39.0`, `1.39.0`, `df-v1.39.0`, `v1.39.0-ubuntu`. A tag that is no version (`latest`) is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("df-").unwrap_or(text);
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(text.len());
        let mut numbers = text.get(..end)?.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        let version = Self(next()?, next()?, next()?);
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "v{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_are_read_and_they_are_in_order() {
        for (text, wanted) in [
            ("v1.39.0", Some(Version(1, 39, 0))),
            ("1.6.1", Some(Version(1, 6, 1))),
            ("df-v1.40.1", Some(Version(1, 40, 1))),
            ("v1.17.0-ubuntu", Some(Version(1, 17, 0))),
            ("v1.40.0-rc1", Some(Version(1, 40, 0))),
            ("latest", None),
            ("v1.40", None),
            ("v1.40.0.2", None),
            ("v1..0", None),
            ("v99999999999.1.1", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(Version::parse(text), wanted, "{text}");
        }
        assert!(Version(1, 6, 1) > Version(1, 5, 9) && Version(1, 10, 0) > Version(1, 9, 9));
    }
}
