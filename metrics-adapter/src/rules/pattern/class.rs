//! Characters and character classes of Go's regexp, written for the regex crate.

use regex::Regex;

/// Go's surrogate code points, which no text contains.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;
const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// One code point.
pub(super) fn literal(code: u32, ignore_case: bool) -> String {
    match char::from_u32(code) {
        None => NOTHING.to_owned(),
        Some(character) if ignore_case && character.is_alphabetic() => {
            format!("(?i:{character})")
        }
        // Marks and numerals have cases too.
        Some(character) if ignore_case && !character.is_ascii() => {
            format!(r"(?i:\x{{{code:X}}})")
        }
        Some(character) if character.is_ascii_alphanumeric() => character.to_string(),
        Some(_) => format!(r"\x{{{code:X}}}"),
    }
}

fn ignoring_case(class: String, ignore_case: bool) -> String {
    if ignore_case {
        format!("(?i:{class})")
    } else {
        class
    }
}

/// A whole `[...]`, which is taken from the front.
pub(super) fn bracketed(rest: &mut &str, ignore_case: bool) -> Result<String, String> {
    let mut out = String::from("[");
    let mut text = &rest[1..];
    if let Some(after) = text.strip_prefix('^') {
        out.push('^');
        text = after;
    }
    let mut items = String::new();
    let mut first = true;
    while first || !text.starts_with(']') {
        first = false;
        if let Some(class) = posix(&mut text)? {
            items.push_str(&class);
        } else if let Some(class) = class_escape(&mut text)? {
            items.push_str(&class);
        } else {
            range(&mut text, &mut items)?;
        }
    }
    *rest = &text[1..];
    if items.is_empty() {
        // Only surrogates were named.
        items.push_str(NOTHING);
    }
    out.push_str(&items);
    out.push(']');
    Ok(ignoring_case(out, ignore_case))
}

/// A character or `a-z`; the parts that are surrogates are left out.
fn range(text: &mut &str, items: &mut String) -> Result<(), String> {
    let start = *text;
    let mut low = class_character(text)?;
    let mut high = low;
    if text.starts_with('-') && text.len() >= 2 && !text.starts_with("-]") {
        *text = &text[1..];
        high = class_character(text)?;
        if high < low {
            let range = &start[..start.len() - text.len()];
            return Err(format!("invalid character class range {range}"));
        }
    }
    if SURROGATES.contains(&low) {
        low = SURROGATES.end() + 1;
    }
    if SURROGATES.contains(&high) {
        high = SURROGATES.start() - 1;
    }
    if low <= high {
        items.push_str(&format!(r"\x{{{low:X}}}-\x{{{high:X}}}"));
    }
    Ok(())
}

fn class_character(text: &mut &str) -> Result<u32, String> {
    if text.starts_with('\\') {
        return escaped_code(text);
    }
    let character = text.chars().next().ok_or("missing closing ]")?;
    *text = &text[character.len_utf8()..];
    Ok(u32::from(character))
}

/// `[:alpha:]` or `[:^alpha:]` at the front, inside brackets.
fn posix(text: &mut &str) -> Result<Option<String>, String> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some((name, after)) = inner.split_once(":]") else {
        return Ok(None);
    };
    let known = matches!(
        name.strip_prefix('^').unwrap_or(name),
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    );
    if !known {
        return Err(format!("invalid character class range [:{name}:]"));
    }
    *text = after;
    Ok(Some(format!("[:{name}:]")))
}

/// `\d`, `\pL` and the like outside brackets; nothing if it is not a class that stands here.
pub(super) fn escaped(rest: &mut &str, ignore_case: bool) -> Result<Option<String>, String> {
    let class = class_escape(rest)?;
    Ok(class.map(|class| ignoring_case(class, ignore_case)))
}

fn class_escape(rest: &mut &str) -> Result<Option<String>, String> {
    let Some(kind) = rest.strip_prefix('\\').and_then(|r| r.chars().next()) else {
        return Ok(None);
    };
    // ASCII only, and no vertical tab among the white space.
    let class = match kind {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        'p' | 'P' => return unicode(rest, kind == 'P').map(Some),
        _ => return Ok(None),
    };
    *rest = &rest[2..];
    Ok(Some(class.to_owned()))
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}` and their negations.
fn unicode(rest: &mut &str, mut negated: bool) -> Result<String, String> {
    let invalid = |name: &str| format!("invalid character class range \\p{{{name}}}");
    let body = &rest[2..];
    let (mut name, after) = match body.strip_prefix('{') {
        Some(inner) => inner.split_once('}').ok_or_else(|| invalid(inner))?,
        None => {
            let length = body.chars().next().ok_or_else(|| invalid(""))?.len_utf8();
            body.split_at(length)
        }
    };
    *rest = after;
    if let Some(positive) = name.strip_prefix('^') {
        negated = !negated;
        name = positive;
    }
    let letter = if negated { 'P' } else { 'p' };
    let plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(invalid(name));
    }
    let canonical: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    match canonical.to_ascii_lowercase().as_str() {
        "any" | "assigned" | "ascii" => return Ok(format!(r"\{letter}{{{canonical}}}")),
        "cs" | "surrogate" if negated => return Ok(r"[\x{0}-\x{10FFFF}]".to_owned()),
        "cs" | "surrogate" => return Ok(NOTHING.to_owned()),
        _ => {}
    }
    // Nothing but categories and scripts; the crate knows other properties.
    ["gc", "sc"]
        .iter()
        .map(|property| format!(r"\{letter}{{{property}={canonical}}}"))
        .find(|class| Regex::new(class).is_ok())
        .ok_or_else(|| invalid(name))
}

/// An escape that stands for one code point, taken from the front.
pub(super) fn escaped_code(rest: &mut &str) -> Result<u32, String> {
    let mut characters = rest.chars();
    characters.next();
    let Some(kind) = characters.next() else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    let after = characters.as_str();
    let invalid = || format!("invalid escape sequence \\{kind}");
    let simple = match kind {
        'a' => Some(0x07),
        'f' => Some(0x0C),
        't' => Some(0x09),
        'n' => Some(0x0A),
        'r' => Some(0x0D),
        'v' => Some(0x0B),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
        _ => None,
    };
    if let Some(code) = simple {
        *rest = after;
        return Ok(code);
    }
    let (code, length) = match kind {
        // A single digit from 1 to 7 would be a back reference.
        '0'..='7' => {
            let more = after
                .bytes()
                .take(2)
                .take_while(|b| (b'0'..=b'7').contains(b));
            let digits = 1 + more.count();
            if kind != '0' && digits == 1 {
                return Err(invalid());
            }
            (u32::from_str_radix(&rest[1..=digits], 8), digits - 1)
        }
        'x' => match after.strip_prefix('{') {
            Some(inner) => {
                let (digits, _) = inner.split_once('}').ok_or_else(invalid)?;
                // Zeros in front of it are no harm; a sign would be.
                let significant = digits.trim_start_matches('0');
                let significant = match (significant, digits) {
                    ("", "") => return Err(invalid()),
                    ("", _) => "0",
                    (significant, _) => significant,
                };
                (hexadecimal(significant), digits.len() + 2)
            }
            None => (hexadecimal(after.get(..2).ok_or_else(invalid)?), 2),
        },
        _ => return Err(invalid()),
    };
    let code = code.map_err(|_| invalid())?;
    if code > u32::from(char::MAX) {
        return Err(invalid());
    }
    *rest = &after[length..];
    Ok(code)
}

/// Unlike `from_str_radix`, without a sign.
fn hexadecimal(digits: &str) -> Result<u32, std::num::ParseIntError> {
    u32::from_str_radix(if digits.starts_with('+') { "" } else { digits }, 16)
}
