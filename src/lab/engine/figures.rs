//! Numbers as the server prints them.

/// Bytes as `1.39GiB`, with the server's digits.
pub(super) fn human(bytes: u64) -> String {
    let units = [
        (1_u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    for (size, unit) in units {
        if bytes >= size {
            let value = bytes as f64 / size as f64;
            return if unit == "KiB" {
                format!("{value:.1}{unit}")
            } else {
                format!("{value:.2}{unit}")
            };
        }
    }
    format!("{bytes}B")
}

/// A number as C++ streams print it: six significant digits, no trailing zeros, exponents from 1e+06.
pub(super) fn general(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".into();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-5..6).contains(&exponent) {
        let digits = usize::try_from(5 - exponent).unwrap_or(0);
        let text = format!("{value:.digits$}");
        return match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        };
    }
    let mantissa = format!("{:.5}", value / 10_f64.powi(exponent));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_streams_print_them() {
        let cases = [
            (0.26437, "0.26437"),
            (2_156_242.0, "2.15624e+06"),
            (50.125, "50.125"),
            (15.0, "15"),
            (4.45e-06, "4.45e-06"),
            (0.0, "0"),
            (227.03, "227.03"),
            (181.1658, "181.166"),
            (194_004.4, "194004"),
        ];
        for (value, text) in cases {
            assert_eq!(general(value), text);
        }
    }

    #[test]
    fn sizes_read_as_recorded() {
        let cases = [
            (565_392, "552.1KiB"),
            (21_835_776, "20.82MiB"),
            (6_442_450_944, "6.00GiB"),
            (12, "12B"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
    }
}
