//! From the bytes of a file to the one YAML document that counts.
//!
//! Go's YAML reads version 1.1, UTF-8 or UTF-16, and nothing behind the first document.

use std::borrow::Cow;

/// Decodes a file: UTF-8, or UTF-16 with a byte order mark, which is left out.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| {
                let before = &bytes[..error.valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                format!("line {line}: not valid UTF-8")
            }),
    }
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().copied().map(read).collect();
    match String::from_utf16(&units) {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err("not valid UTF-16".to_owned()),
    }
}

/// The text up to the end of the first document. A line that begins with `---` or `...` ends a
/// document wherever it stands, inside quotes and blocks too, so no YAML has to be understood.
///
/// Directives other than `%TAG` and `%YAML 1.1` are errors.
pub(super) fn first(text: &str) -> Result<&str, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = 0;
    let mut begun = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim_end();
        let marker = |marker: &str| {
            content
                .strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        if begun && (marker("---") || marker("...")) {
            return Ok(&text[..at]);
        }
        if !begun && content.starts_with('%') {
            check_directive(content).map_err(|what| {
                let line = index + 1;
                format!("line {line}, column 1: {what}")
            })?;
        } else {
            let blank = content.is_empty() || content.trim_start().starts_with('#');
            begun |= !blank;
        }
        at += line.len();
    }
    Ok(text)
}

fn check_directive(line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("%TAG"), _) | (Some("%YAML"), Some("1.1")) => Ok(()),
        (Some("%YAML"), Some(version)) => Err(format!(
            "YAML {version} is not supported, only 1.1 (leave the directive out)"
        )),
        _ => Err(format!("unknown directive {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_document_only() {
        for (text, expected) in [
            ("a: 1\n---\nb: {{{", "a: 1\n"),
            ("# c\n---\na: 1\n...\n", "# c\n---\na: 1\n"),
            ("---\n---\na: 1", "---\n"),
            ("%YAML 1.1\n--- {a: 1}\n--- b", "%YAML 1.1\n--- {a: 1}\n"),
            ("a: |\n  ---\n----\n", "a: |\n  ---\n----\n"),
            ("\u{feff}a: 1", "a: 1"),
            ("", ""),
        ] {
            assert_eq!(first(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn refuses_directives_of_other_versions() {
        for text in ["%YAML 1.2\n---\n", "# c\n%FOO bar\n---\n", "%YAML\n"] {
            assert!(first(text).is_err_and(|error| error.contains("line")));
        }
    }

    #[test]
    fn decodes_both_encodings() {
        for bytes in [
            &b"\xff\xfea\0\x26\x26"[..],
            b"\xfe\xff\0a\x26\x26",
            b"a\xe2\x98\xa6",
        ] {
            assert_eq!(decode(bytes).as_deref(), Ok("a\u{2626}"));
        }
        assert_eq!(decode(b"a\nb\xff").unwrap_err(), "line 2: not valid UTF-8");
        assert!(decode(b"\xff\xfea").is_err());
    }
}
