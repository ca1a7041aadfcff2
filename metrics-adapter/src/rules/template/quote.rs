//! Go's strconv.Quote and QuoteRune, which `%q` uses; also how prometheus-adapter writes the
//! values of label matchers.

use std::sync::LazyLock;

use regex::Regex;

/// A string between double quotes; `ascii` escapes everything beyond ASCII as well.
pub(in crate::rules) fn string(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        escape(character, '"', ascii, &mut out);
    }
    out.push('"');
    out
}

/// A code point between single quotes; what is none becomes U+FFFD.
pub(super) fn character(code: i64, ascii: bool) -> String {
    let character = u32::try_from(code)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut out = String::from("'");
    escape(character, '\'', ascii, &mut out);
    out.push('\'');
    out
}

fn escape(character: char, quote: char, ascii: bool, out: &mut String) {
    let code = u32::from(character);
    match character {
        '\\' => out.push_str("\\\\"),
        c if c == quote => out.extend(['\\', c]),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if is_printable(c) && (c.is_ascii() || !ascii) => out.push(c),
        c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// Go's `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols, and the space.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return character == ' ' || character.is_ascii_graphic();
    }
    PRINTABLE
        .as_ref()
        .is_some_and(|printable| printable.is_match(character.encode_utf8(&mut [0; 4])))
}

/// Of the Unicode version that Go has had since 1.21. Without it (it always compiles) everything
/// beyond ASCII would be escaped, which means the same.
static PRINTABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[[\p{L}\p{M}\p{N}\p{P}\p{S}]&&\p{age:15.0}]").ok());
