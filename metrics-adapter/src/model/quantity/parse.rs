//! Quantities as people write them: `500m`, `1.5k`, `64Mi`.

use std::str::FromStr;

use super::{Format, Quantity};

/// A text is not a quantity that can be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a quantity in whole thousandths, such as 0, 500m, 1.5k or 64Mi")]
pub struct QuantityError {
    text: String,
}

/// Thousandths per unit of each suffix. `n` and `u` are finer than a thousandth, `E` and `Ei`
/// larger than what fits; exponents (`1e3`) are left out.
const SUFFIXES: [(&str, i128, Format); 12] = [
    ("m", 1, Format::DecimalSi),
    ("", 1000, Format::DecimalSi),
    ("k", 1_000_000, Format::DecimalSi),
    ("M", 1_000_000_000, Format::DecimalSi),
    ("G", 1_000_000_000_000, Format::DecimalSi),
    ("T", 1_000_000_000_000_000, Format::DecimalSi),
    ("P", 1_000_000_000_000_000_000, Format::DecimalSi),
    ("Ki", 1000 << 10, Format::BinarySi),
    ("Mi", 1000 << 20, Format::BinarySi),
    ("Gi", 1000 << 30, Format::BinarySi),
    ("Ti", 1000 << 40, Format::BinarySi),
    ("Pi", 1000 << 50, Format::BinarySi),
];

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text).ok_or_else(|| QuantityError {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (_, scale, format) = SUFFIXES.into_iter().find(|(name, ..)| *name == suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = digits.checked_mul(scale)?;
    if scaled % divisor != 0 {
        return None;
    }
    let milli = i64::try_from(sign * (scaled / divisor)).ok()?;
    Some(Quantity::from_milli(milli).with_format(format))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, milli, written) in [
            ("0", 0, "0"),
            ("500m", 500, "500m"),
            ("10", 10_000, "10"),
            ("+1.5k", 1_500_000, "1500"),
            ("-.25", -250, "-250m"),
            ("5.", 5000, "5"),
            ("64Mi", 67_108_864_000, "64Mi"),
            ("1.5Ki", 1_536_000, "1536"),
            ("9P", 9_000_000_000_000_000_000, "9P"),
        ] {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!(
                (quantity.milli(), quantity.to_string()),
                (milli, written.to_owned())
            );
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "m",
            ".",
            "-",
            "--1",
            "1.2.3",
            "0.1m",
            "0.0001",
            "5u",
            "5n",
            "1e3",
            "1E",
            "10P",
            "1K",
            "1 k",
            "NaN",
            "0x1",
            "99999999999999999999999999999999999999999",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(milli: i64) {
            let quantity = Quantity::from_milli(milli);
            prop_assert_eq!(quantity.to_string().parse(), Ok(quantity));
        }
    }
}
