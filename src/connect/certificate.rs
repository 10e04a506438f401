//! The little that is read of a certificate which nobody verifies: whom it names and until when. DER, by hand and bounded;
//! what cannot be read is left out.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::text::one_line;

/// Common name of the subject, and the end of validity.
pub fn read(der: &[u8]) -> (Option<String>, Option<Timestamp>) {
    let Some(fields) = fields(der) else {
        return (None, None);
    };
    (common_name(fields.subject), fields.not_after)
}

struct Fields<'a> {
    subject: &'a [u8],
    not_after: Option<Timestamp>,
}

const SEQUENCE: u8 = 0x30;
/// `2.5.4.3`
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

fn fields(der: &[u8]) -> Option<Fields<'_>> {
    let (_, certificate, _) = element(der)?;
    let (_, body, _) = element(certificate)?;
    let mut rest = body;
    let (tag, _, after) = element(rest)?;
    // The version is optional: [0].
    if tag == 0xa0 {
        rest = after;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, after) = element(rest)?;
    let (_, _, end) = element(validity)?;
    let (tag, text, _) = element(end)?;
    let (_, subject, _) = element(after)?;
    Some(Fields {
        subject,
        not_after: time(tag, text),
    })
}

/// Tag, content, and what comes after.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(*short), rest),
        long => {
            let bytes = usize::from(long & 0x7f);
            if bytes == 0 || bytes > 3 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(bytes)?;
            let length = digits.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, rest)
        }
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

fn common_name(mut names: &[u8]) -> Option<String> {
    let mut found = None;
    while let Some((_, set, after)) = element(names) {
        names = after;
        let Some((SEQUENCE, pair, _)) = element(set) else {
            continue;
        };
        let Some((_, kind, value)) = element(pair) else {
            continue;
        };
        if let (true, Some((_, text, _))) = (kind == COMMON_NAME, element(value)) {
            found = Some(one_line(&String::from_utf8_lossy(text)));
        }
    }
    found
}

/// UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let whole = match tag {
        // Two digits of the year: 50 to 99 are of the last century.
        0x17 => {
            let century = if text.get(..2)? >= "50" { "19" } else { "20" };
            format!("{century}{text}")
        }
        _ => text.to_owned(),
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", &whole).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn der() -> Vec<u8> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        let pem = include_bytes!("tests/certificate.pem");
        CertificateDer::from_pem_slice(pem).unwrap().to_vec()
    }

    #[test]
    fn the_name_and_the_end_are_read_and_nothing_cut_short_panics() {
        let der = der();
        let (name, end) = read(&der);
        assert_eq!(name.as_deref(), Some("secure.payments.svc"));
        assert_eq!(end.unwrap().to_string(), "2126-10-29T03:39:52Z");
        for length in 0..der.len() {
            let _ = read(&der[..length]);
        }
        for at in 0..der.len() {
            let mut bent = der.clone();
            bent[at] ^= 0xff;
            let _ = read(&bent);
        }
    }
}
