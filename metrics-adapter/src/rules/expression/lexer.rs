//! Tokens of PromQL.

/// A token; texts are slices of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name of a metric, function, label or keyword; metric names may have colons.
    Word(&'a str),
    /// A number, or a duration.
    Number(&'a str),
    /// A string without its quotes, as it stands there.
    Text(&'a str),
    /// Anything else.
    Symbol(&'a str),
}

/// Two bytes that belong together.
const PAIRS: [&str; 6] = ["==", "!=", "=~", "!~", ">=", "<="];

/// Cuts a query into tokens; `None` for what is not understood, comments among it.
pub(super) fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = run(rest, |c| {
                    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
                });
                (Token::Word(&rest[..length]), length)
            }
            '0'..='9' | '.' => {
                let length = number(rest);
                (Token::Number(&rest[..length]), length)
            }
            '"' | '\'' | '`' => {
                let length = string(rest, first)?;
                (Token::Text(&rest[1..length - 1]), length)
            }
            '(' | ')' | '{' | '}' | '[' | ']' | ',' | ':' | '=' | '!' | '<' | '>' | '+' | '-'
            | '*' | '/' | '%' | '^' | '@' => {
                let pair = PAIRS.iter().any(|pair| rest.starts_with(pair));
                let length = if pair { 2 } else { 1 };
                (Token::Symbol(&rest[..length]), length)
            }
            _ => return None,
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// Bytes at the beginning that are all of a kind; only ASCII is.
fn run(text: &str, kind: impl Fn(char) -> bool) -> usize {
    text.chars().take_while(|c| kind(*c)).count()
}

/// `1.5e-3`, `0x1F`, `1h30m`: what begins with a digit or a point. A sign belongs to it behind an
/// exponent only, and `0xe-3` is a difference.
fn number(text: &str) -> usize {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let length = run(text, part);
    let exponent = !text.starts_with("0x")
        && !text.starts_with("0X")
        && text[..length].ends_with(['e', 'E'])
        && text[length..].starts_with(['+', '-']);
    if exponent {
        length + 1 + run(&text[length + 1..], part)
    } else {
        length
    }
}

/// Bytes of a string, both quotes counted.
fn string(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote != '`' => {
                characters.next()?;
            }
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Token::{Number, Symbol, Text, Word};
    use super::*;

    #[test]
    fn a_query_falls_into_its_tokens() {
        let source = r#"sum by(pod)(rate(job:x_total{a="b\"c",d!~'e'}[1h30m])) >= 1.5e-3*`f\`"#;
        let expected = [
            Word("sum"),
            Word("by"),
            Symbol("("),
            Word("pod"),
            Symbol(")"),
            Symbol("("),
            Word("rate"),
            Symbol("("),
            Word("job:x_total"),
            Symbol("{"),
            Word("a"),
            Symbol("="),
            Text(r#"b\"c"#),
            Symbol(","),
            Word("d"),
            Symbol("!~"),
            Text("e"),
            Symbol("}"),
            Symbol("["),
            Number("1h30m"),
            Symbol("]"),
            Symbol(")"),
            Symbol(")"),
            Symbol(">="),
            Number("1.5e-3"),
            Symbol("*"),
            Text(r"f\"),
        ];
        assert_eq!(tokens(source).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn what_is_not_understood_is_no_query() {
        for source in ["x # comment", "x{a=\"b}", "x{a='\\", "x$y", "é", "x;"] {
            assert_eq!(tokens(source), None, "{source}");
        }
        assert_eq!(
            tokens("0xe-3").as_deref(),
            Some(&[Number("0xe"), Symbol("-"), Number("3")][..])
        );
    }
}
