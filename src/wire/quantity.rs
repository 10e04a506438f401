//! Kubernetes quantities: `512Mi`, `1.5G`, `1e3`, `128974848000m`.

/// A quantity in bytes, rounded up to a whole one, as Kubernetes rounds. `None` for what is no quantity, is negative or
/// does not fit.
pub fn bytes(text: &str) -> Option<u64> {
    whole(text, 0)
}

/// A quantity in thousandths, as of cores, rounded up as by [`bytes`].
pub fn millis(text: &str) -> Option<u64> {
    whole(text, 3)
}

/// A quantity times a power of ten.
fn whole(text: &str, power: i32) -> Option<u64> {
    let text = text.trim();
    let (number, suffix) = split(text);
    let (mantissa, decimals) = decimal(number)?;
    let (factor, exponent) = scale(suffix)?;
    let exponent = exponent.checked_sub(decimals)?.checked_add(power)?;
    let value = mantissa.checked_mul(factor)?;
    let power = 10_u128.checked_pow(exponent.unsigned_abs());
    let whole = if exponent >= 0 {
        value.checked_mul(power?)?
    } else {
        // So small a power that it overflows leaves less than one byte.
        power.map_or(u128::from(value > 0), |power| value.div_ceil(power))
    };
    u64::try_from(whole).ok()
}

/// Number and suffix. The `E` of `12E` is a suffix, that of `12E3` begins an exponent; both go to the suffix here.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '+')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Digits as one whole number, and how many of them stand behind the point.
fn decimal(number: &str) -> Option<(u128, i32)> {
    let number = number.strip_prefix('+').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa: u128 = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        mantissa = mantissa
            .checked_mul(10)?
            .checked_add(u128::from(digit.to_digit(10)?))?;
    }
    Some((mantissa, i32::try_from(fraction.len()).ok()?))
}

/// Binary factor and decimal exponent of a suffix.
fn scale(suffix: &str) -> Option<(u128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
            (1, exponent)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_read_in_thousandths() {
        for (text, wanted) in [
            ("2", Some(2_000)),
            ("500m", Some(500)),
            ("0.25", Some(250)),
            ("1e1", Some(10_000)),
            ("100u", Some(1)),
            ("two", None),
        ] {
            assert_eq!(millis(text), wanted, "{text}");
        }
    }

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1024", Some(1_024)),
            ("1Ki", Some(1_024)),
            ("512Mi", Some(536_870_912)),
            ("1.5Gi", Some(1_610_612_736)),
            ("2Ti", Some(2_199_023_255_552)),
            ("1k", Some(1_000)),
            ("5M", Some(5_000_000)),
            ("5G", Some(5_000_000_000)),
            ("128974848000m", Some(128_974_848)),
            ("1500m", Some(2)),
            ("1n", Some(1)),
            ("1e3", Some(1_000)),
            ("1E3", Some(1_000)),
            ("1.5e3", Some(1_500)),
            ("15e-1", Some(2)),
            ("12E", Some(12_000_000_000_000_000_000)),
            ("+1Gi", Some(1_073_741_824)),
            (" 1Gi ", Some(1_073_741_824)),
            (".5Ki", Some(512)),
            ("1e-400", Some(1)),
            ("0e-400", Some(0)),
            ("", None),
            (".", None),
            ("Gi", None),
            ("-1Gi", None),
            ("1 Gi", None),
            ("1gi", None),
            ("1e", None),
            ("1e400", None),
            ("99999999999999999999999999999999999999999", None),
            ("20Ei", None),
            ("1.2.3", None),
            ("<html>", None),
        ] {
            assert_eq!(bytes(text), wanted, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(text in ".{0,40}") {
            let _ = bytes(&text);
        }

        #[test]
        fn anything_shaped_like_a_quantity_never_panics(text in "[+-]?[0-9.]{0,45}([eE][+-]?[0-9]{0,12}|[KMGTPEkmun]i?)?") {
            let _ = bytes(&text);
        }
    }
}
