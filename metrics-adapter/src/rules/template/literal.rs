//! Go's constants: integers, characters, interpreted strings.

/// An integer in any of Go's bases. Whatever would be a float or a complex number is refused.
pub(super) fn number(text: &str) -> Result<i64, String> {
    let bad = || format!("{text} is not an integer (floats are not supported)");
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body, prefixed) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest, true)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest, true)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest, true)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[..], false)
    } else {
        (10, &lower[..], false)
    };
    // An underscore stands between digits, or between prefix and digit.
    let separated = body.ends_with('_')
        || body.contains("__")
        || (body.starts_with('_') && !prefixed)
        || body.is_empty();
    if separated {
        return Err(bad());
    }
    let body = body.replace('_', "");
    if !body.chars().all(|c| c.is_digit(radix)) {
        return Err(bad());
    }
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{body}"), radix)
        .map_err(|_| format!("{text} does not fit into 64 bits"))
}

/// A character constant with its quotes; its value is the code point.
pub(super) fn character(text: &str) -> Result<i64, String> {
    let body = &text[1..text.len() - 1];
    let mut rest = body;
    let found = unquote_one(&mut rest, '\'').filter(|_| rest.is_empty());
    match found {
        Some(Unquoted::Character(character)) => Ok(i64::from(u32::from(character))),
        Some(Unquoted::Byte(byte)) => Ok(i64::from(byte)),
        None => Err(format!("{text} is not a character constant")),
    }
}

/// An interpreted string with its quotes.
pub(super) fn string(text: &str) -> Result<String, String> {
    let bad = || format!("{text} is not a valid string");
    let mut rest = &text[1..text.len() - 1];
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        match unquote_one(&mut rest, '"').ok_or_else(bad)? {
            Unquoted::Character(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Unquoted::Byte(byte) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{text} is not valid UTF-8"))
}

enum Unquoted {
    Character(char),
    /// `\x` and octal escapes are bytes in strings.
    Byte(u8),
}

/// Go's `strconv.UnquoteChar`: takes one character or escape from the front.
fn unquote_one(rest: &mut &str, quote: char) -> Option<Unquoted> {
    let mut characters = rest.chars();
    let first = characters.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    if first != '\\' {
        *rest = characters.as_str();
        return Some(Unquoted::Character(first));
    }
    let kind = characters.next()?;
    let (digits, radix) = match kind {
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (3, 8),
        _ => {
            let character = match kind {
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                '\\' => '\\',
                c if c == quote => c,
                _ => return None,
            };
            *rest = characters.as_str();
            return Some(Unquoted::Character(character));
        }
    };
    let start = if radix == 8 { 1 } else { 2 };
    let code = rest.get(start..start + digits)?;
    if !code.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = u32::from_str_radix(code, radix).ok()?;
    *rest = &rest[start + digits..];
    match kind {
        'u' | 'U' => char::from_u32(value).map(Unquoted::Character),
        _ => u8::try_from(value).ok().map(Unquoted::Byte),
    }
}
