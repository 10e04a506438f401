//! Colours as theme files write them, and what becomes of them on terminals that show fewer.

use ratatui::style::Color;

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ColourDepth {
    /// None: `NO_COLOR` is set, or the terminal is dumb.
    None,
    /// The sixteen that the reader's terminal defines.
    Ansi16,
    /// The fixed 256.
    Indexed256,
    /// All of them.
    #[default]
    True,
}

impl ColourDepth {
    /// Told from the environment, which the caller has read: `NO_COLOR` (any non-empty value, no-color.org),
    /// `COLORTERM` and `TERM`.
    pub fn told_by(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        if no_color.is_some_and(|value| !value.is_empty()) || term == "dumb" {
            return Self::None;
        }
        let colorterm = colorterm.unwrap_or_default();
        if matches!(colorterm, "truecolor" | "24bit") || term.ends_with("-direct") {
            Self::True
        } else if term.contains("256color") || !colorterm.is_empty() {
            Self::Indexed256
        } else {
            Self::Ansi16
        }
    }

    /// The nearest colour that the terminal shows. At [`ColourDepth::None`] every colour is the terminal's own.
    pub fn nearest(self, colour: Color) -> Color {
        match self {
            Self::True => colour,
            Self::None => Color::Reset,
            Self::Indexed256 => match colour {
                Color::Rgb(r, g, b) => Color::Indexed(nearest_256([r, g, b])),
                other => other,
            },
            Self::Ansi16 => match (colour, rgb(colour)) {
                (Color::Rgb(..) | Color::Indexed(16..), Some(wanted)) => nearest_16(wanted),
                (other, _) => other,
            },
        }
    }
}

/// The names of the sixteen, in the order of their numbers.
const NAMES: [(&str, Color, [u8; 3]); 16] = [
    ("black", Color::Black, [0, 0, 0]),
    ("red", Color::Red, [205, 0, 0]),
    ("green", Color::Green, [0, 205, 0]),
    ("yellow", Color::Yellow, [205, 205, 0]),
    ("blue", Color::Blue, [0, 0, 238]),
    ("magenta", Color::Magenta, [205, 0, 205]),
    ("cyan", Color::Cyan, [0, 205, 205]),
    ("white", Color::Gray, [229, 229, 229]),
    ("bright-black", Color::DarkGray, [127, 127, 127]),
    ("bright-red", Color::LightRed, [255, 0, 0]),
    ("bright-green", Color::LightGreen, [0, 255, 0]),
    ("bright-yellow", Color::LightYellow, [255, 255, 0]),
    ("bright-blue", Color::LightBlue, [92, 92, 255]),
    ("bright-magenta", Color::LightMagenta, [255, 0, 255]),
    ("bright-cyan", Color::LightCyan, [0, 255, 255]),
    ("bright-white", Color::White, [255, 255, 255]),
];

/// Reads `#rrggbb`, an ANSI name (`red`, `bright-black`), a number from 0 to 255, or `default` (the terminal's own).
pub(super) fn parse(text: &str) -> Option<Color> {
    let text = text.trim().to_ascii_lowercase();
    if text == "default" {
        return Some(Color::Reset);
    }
    if let Some(hex) = text.strip_prefix('#') {
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let [_, r, g, b] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
        return Some(Color::Rgb(r, g, b));
    }
    if let Ok(number) = text.parse::<u8>() {
        return Some(Color::Indexed(number));
    }
    let text = text.replace("grey", "gray");
    let text = match text.as_str() {
        "gray" => "bright-black",
        other => other,
    };
    NAMES
        .iter()
        .find(|(name, ..)| *name == text)
        .map(|(_, colour, _)| *colour)
}

/// The names that [`parse`] knows, for suggestions.
pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    NAMES.iter().map(|(name, ..)| *name).chain(["default"])
}

/// Red, green and blue of a colour; of the sixteen, as xterm has them. `None` for the terminal's own.
pub(super) fn rgb(colour: Color) -> Option<[u8; 3]> {
    match colour {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Reset => None,
        Color::Indexed(number @ 0..16) => NAMES.get(usize::from(number)).map(|(_, _, rgb)| *rgb),
        Color::Indexed(number) => Some(indexed_rgb(number)),
        named => NAMES
            .iter()
            .find(|(_, colour, _)| *colour == named)
            .map(|(_, _, rgb)| *rgb),
    }
}

/// Levels of each channel in the 6x6x6 cube of the 256 colours.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The cube (16 to 231) and the greys (232 to 255), as xterm fixes them.
fn indexed_rgb(number: u8) -> [u8; 3] {
    if number >= 232 {
        let level = 8 + 10 * (number - 232);
        return [level; 3];
    }
    let n = number.saturating_sub(16);
    [n / 36, n / 6 % 6, n % 6].map(|i| CUBE.get(usize::from(i)).copied().unwrap_or(0))
}

fn nearest_256(wanted: [u8; 3]) -> u8 {
    // The first sixteen are left out: the reader may have given them any look.
    (16..=255)
        .min_by_key(|number| apart(indexed_rgb(*number), wanted))
        .unwrap_or(7)
}

/// Greys go to the nearest grey; everything else to the one of the six hues that it leans to, because a dull red that
/// turned grey, or a leaf green that turned cyan, would mean something else.
fn nearest_16(wanted: [u8; 3]) -> Color {
    let [r, g, b] = wanted;
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most - least <= 40 {
        let greys = NAMES
            .iter()
            .filter(|(_, _, [r, g, b])| r == g && g == b)
            .min_by_key(|(_, _, rgb)| apart(*rgb, wanted));
        return greys.map_or(Color::Reset, |(_, colour, _)| *colour);
    }
    // The numbers of the six count red as 1, green as 2 and blue as 4; the bright ones stand eight further.
    let middle = least + (most - least) / 2;
    let hue: usize = [(r, 1), (g, 2), (b, 4)]
        .iter()
        .filter(|(channel, _)| *channel > middle)
        .map(|(_, bit)| bit)
        .sum();
    let bright = if most >= 192 { 8 } else { 0 };
    NAMES
        .get(hue + bright)
        .map_or(Color::Reset, |(_, colour, _)| *colour)
}

/// How different two colours look, roughly: squared distance with the channels weighted as eyes weigh them.
fn apart(a: [u8; 3], b: [u8; 3]) -> u32 {
    let mut sum = 0;
    for ((x, y), weight) in a.iter().zip(b).zip([3, 6, 1]) {
        let d = u32::from(x.abs_diff(y));
        sum += weight * d * d;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_in_every_spelling() {
        for (given, wanted) in [
            ("#ff8000", Some(Color::Rgb(255, 128, 0))),
            ("#FF8000", Some(Color::Rgb(255, 128, 0))),
            ("bright-black", Some(Color::DarkGray)),
            ("gray", Some(Color::DarkGray)),
            ("white", Some(Color::Gray)),
            ("204", Some(Color::Indexed(204))),
            ("default", Some(Color::Reset)),
            ("256", None),
            ("#ff80", None),
            ("#ff800g", None),
            ("#+f8000", None),
            ("crimson", None),
            ("", None),
        ] {
            assert_eq!(parse(given), wanted, "{given}");
        }
    }

    #[test]
    fn fewer_colours_keep_the_meaning() {
        let few = ColourDepth::Indexed256;
        assert_eq!(few.nearest(Color::Rgb(255, 255, 255)), Color::Indexed(231));
        assert_eq!(few.nearest(Color::Rgb(18, 18, 18)), Color::Indexed(233));
        assert_eq!(few.nearest(Color::Red), Color::Red);
        let fewer = ColourDepth::Ansi16;
        for (given, wanted) in [
            (Color::Rgb(22, 24, 29), Color::Black),
            (Color::Rgb(230, 230, 230), Color::Gray),
            (Color::Rgb(224, 80, 80), Color::LightRed),
            (Color::Rgb(17, 99, 41), Color::Green),
            (Color::Rgb(111, 207, 138), Color::LightGreen),
            (Color::Indexed(231), Color::White),
            (Color::Indexed(1), Color::Indexed(1)),
            (Color::Reset, Color::Reset),
        ] {
            assert_eq!(fewer.nearest(given), wanted, "{given:?}");
        }
        assert_eq!(ColourDepth::None.nearest(Color::Red), Color::Reset);
    }

    #[test]
    fn depth_is_told_by_the_environment() {
        for (no_color, colorterm, term, wanted) in [
            (
                Some("1"),
                Some("truecolor"),
                Some("xterm"),
                ColourDepth::None,
            ),
            (
                Some(""),
                Some("truecolor"),
                Some("xterm"),
                ColourDepth::True,
            ),
            (None, Some("24bit"), None, ColourDepth::True),
            (None, None, Some("xterm-256color"), ColourDepth::Indexed256),
            (None, None, Some("xterm-direct"), ColourDepth::True),
            (None, Some("yes"), Some("xterm"), ColourDepth::Indexed256),
            (None, None, Some("linux"), ColourDepth::Ansi16),
            (None, None, Some("dumb"), ColourDepth::None),
            (None, None, None, ColourDepth::Ansi16),
        ] {
            assert_eq!(ColourDepth::told_by(no_color, colorterm, term), wanted);
        }
    }
}
