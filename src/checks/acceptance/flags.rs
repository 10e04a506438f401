//! Arguments of the server, as it reads them (abseil flags): `--name=value`, `--name value`, `--name` and `--noname`.

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its name, without dashes.
    pub name: String,
    /// Its value; `None` for one that is just named.
    pub value: Option<String>,
}

impl Flag {
    /// As it would be written: `--maxmemory=2gb`.
    pub fn words(&self) -> String {
        match &self.value {
            Some(value) => format!("--{}={value}", self.name),
            None => format!("--{}", self.name),
        }
    }

    /// What it comes to for a flag that is on or off.
    pub fn is_on(&self) -> bool {
        let value = self.value.as_deref().map(str::to_ascii_lowercase);
        !matches!(value.as_deref(), Some("false" | "no" | "n" | "f" | "0"))
    }
}

/// The arguments in their order. What is no flag and follows one that has no value is its value.
pub(super) fn flags(args: &[String]) -> Vec<Flag> {
    let mut found: Vec<Flag> = Vec::new();
    for arg in args {
        let bare = arg.trim_start_matches('-');
        if bare.len() == arg.len() {
            if let Some(last) = found.last_mut().filter(|last| last.value.is_none()) {
                last.value = Some(arg.clone());
            }
            continue;
        }
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        if !name.is_empty() {
            found.push(Flag {
                name: name.to_owned(),
                value,
            });
        }
    }
    found
}

/// The value of a flag. Where it is given twice, the last one counts, as abseil has it.
pub(super) fn value<'a>(flags: &'a [Flag], name: &str) -> Option<&'a str> {
    let mut of_that_name = flags.iter().rev().filter(|flag| flag.name == name);
    of_that_name.next()?.value.as_deref()
}

/// Bytes, as the server reads them: units are powers of 1024 (`2gb`, `800mb`, `1.5G`, `1073741824`); `None` for what is no
/// size.
pub(super) fn size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit)
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let bytes = number * (1_u64 << power) as f64;
    (bytes.is_finite() && bytes < 1e18).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_the_server_reads_them() {
        let read = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            let words: Vec<String> = flags(&args).iter().map(Flag::words).collect();
            words.join(" ")
        };
        for (args, wanted) in [
            (&[][..], ""),
            (&["--a=1", "-b=2"], "--a=1 --b=2"),
            (&["--a", "1", "--b"], "--a=1 --b"),
            (&["--a=1=2"], "--a=1=2"),
            (&["stray", "--a", "--b", "x", "y"], "--a --b=x"),
            (&["--", "-"], ""),
        ] {
            assert_eq!(read(args), wanted, "{args:?}");
        }
        let twice = flags(&["--a=1".to_owned(), "--a=2".to_owned()]);
        assert_eq!(value(&twice, "a"), Some("2"));
        assert_eq!(value(&twice, "b"), None);
        for (text, on) in [
            ("--x", true),
            ("--x=true", true),
            ("--x=False", false),
            ("--x=0", false),
        ] {
            assert_eq!(
                flags(&[text.to_owned()]).iter().all(Flag::is_on),
                on,
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1073741824", Some(1 << 30)),
            ("2gb", Some(2 << 30)),
            ("2G", Some(2 << 30)),
            ("2GiB", Some(2 << 30)),
            ("800mb", Some(800 << 20)),
            ("1.5k", Some(1536)),
            ("1t", Some(1 << 40)),
            ("", None),
            ("gb", None),
            ("-1gb", None),
            ("1x", None),
            ("99999999999t", None),
        ] {
            assert_eq!(size(text), wanted, "{text:?}");
        }
    }
}
