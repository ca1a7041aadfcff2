//! Kubernetes quantities, as far as metric values need them.

mod parse;

use std::fmt;

pub use parse::QuantityError;

/// How a quantity is written; its value is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Powers of 1000: `m`, `k`, `M`.
    #[default]
    DecimalSi,
    /// Powers of 1024: `Ki`, `Mi`; used for bytes.
    BinarySi,
}

/// A metric value in thousandths, written as Kubernetes writes a quantity of its format. Two
/// quantities are equal only when they are written alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity {
    milli: i64,
    format: Format,
}

/// The value is NaN, infinite or beyond what 64 bits of thousandths hold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} cannot be written as a quantity")]
pub struct OutOfRange(pub f64);

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self::from_milli(0);

    /// A quantity of so many thousandths, in the decimal format.
    pub const fn from_milli(milli: i64) -> Self {
        Self {
            milli,
            format: Format::DecimalSi,
        }
    }

    /// Converts a float as prometheus-adapter does (`NewMilliQuantity(int64(v*1000))`):
    /// truncated toward zero at a thousandth. Unlike there, what does not fit is refused
    /// instead of wrapping around to the smallest integer.
    ///
    /// # Errors
    /// [`OutOfRange`] for NaN, infinities and values of 2^63 thousandths and more.
    pub fn from_f64(value: f64) -> Result<Self, OutOfRange> {
        // 2^63 is exact as a float, i64::MAX is not.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        let milli = (value * 1000.0).trunc();
        if !(-LIMIT..LIMIT).contains(&milli) {
            return Err(OutOfRange(value));
        }
        // Inside the range checked above, so nothing is cut off.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Self::from_milli(milli as i64))
    }

    /// The same value, written in another format.
    #[must_use]
    pub const fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// The format.
    pub const fn format(self) -> Format {
        self.format
    }

    /// The value in thousandths.
    pub const fn milli(self) -> i64 {
        self.milli
    }

    /// Powers of 1000: as few digits as possible, the exponent a multiple of three.
    fn write_decimal(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mantissa = self.milli;
        let mut exponent = -3;
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        while exponent % 3 != 0 {
            // Undoes at most two of the divisions above, so it cannot overflow.
            mantissa *= 10;
            exponent -= 1;
        }
        let suffix = match exponent {
            -3 => "m",
            0 => "",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            _ => unreachable!("19 digits reach no further than 10^15"),
        };
        write!(f, "{mantissa}{suffix}")
    }

    /// The mantissa and suffix in powers of 1024; `None` where apimachinery falls back to the
    /// decimal format: below 1024, and where a fraction would be lost.
    fn binary(self) -> Option<(i64, &'static str)> {
        let mut mantissa = self.milli / 1000;
        if self.milli % 1000 != 0 || mantissa.unsigned_abs() < 1024 {
            return None;
        }
        // 2^63 thousandths are less than 2^60, so the last suffix is enough.
        let mut suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi"].into_iter();
        let mut suffix = suffixes.next()?;
        while mantissa % 1024 == 0 {
            mantissa /= 1024;
            suffix = suffixes.next()?;
        }
        Some((mantissa, suffix))
    }
}

impl fmt::Display for Quantity {
    /// apimachinery's canonical form: `10500m`, `1k`, `1500`, `64Mi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milli == 0 {
            return f.write_str("0");
        }
        match (self.format, self.binary()) {
            (Format::BinarySi, Some((mantissa, suffix))) => write!(f, "{mantissa}{suffix}"),
            _ => self.write_decimal(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_apimachinery_writes() {
        // Left: float; right: resource.NewMilliQuantity(int64(v*1000), DecimalSI).String().
        for (value, text) in [
            (0.5, "500m"),
            (10.0, "10"),
            (10.5, "10500m"),
            (1000.0, "1k"),
            (1500.0, "1500"),
            (1e6, "1M"),
            (0.0009, "0"),
            (-0.25, "-250m"),
            (-0.0009, "0"),
            (12_345.678, "12345678m"),
            (100.0, "100"),
            (9_000_000_000_000_000.0, "9P"),
            (123e9, "123G"),
        ] {
            assert_eq!(
                Quantity::from_f64(value).unwrap().to_string(),
                text,
                "{value}"
            );
        }
    }

    #[test]
    fn writes_bytes_in_powers_of_1024() {
        // Left: bytes in thousandths; right: resource.NewMilliQuantity(left, BinarySI).String().
        for (milli, text) in [
            (0, "0"),
            (1_023_000, "1023"),
            (1_024_000, "1Ki"),
            (-1_024_000, "-1Ki"),
            (1_025_000, "1025"),
            (1_024_001, "1024001m"),
            (67_108_864_000, "64Mi"),
            (1_000_000, "1k"),
            (1_124_800_395_214_848_000, "1023Ti"),
        ] {
            let quantity = Quantity::from_milli(milli);
            let binary = quantity.with_format(Format::BinarySi);
            assert_eq!(binary.to_string(), text, "{milli}");
            assert_ne!(binary, quantity);
        }
    }

    #[test]
    fn keeps_the_extremes() {
        assert_eq!(
            Quantity::from_milli(i64::MIN).to_string(),
            "-9223372036854775808m"
        );
        assert_eq!(
            Quantity::from_milli(i64::MAX).to_string(),
            "9223372036854775807m"
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for value in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e19,
            -1e19,
            9.3e15,
        ] {
            assert!(Quantity::from_f64(value).is_err(), "{value}");
        }
    }
}
