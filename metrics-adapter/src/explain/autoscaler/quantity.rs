//! Quantities in YAML: a text, or a plain number.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::Quantity;

/// Thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Milli(pub(super) i64);

impl<'de> Deserialize<'de> for Milli {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Milli;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 40, 1.5 or 500m")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Milli, E> {
                let quantity: Quantity = text.parse().map_err(E::custom)?;
                Ok(Milli(quantity.milli()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Milli, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Milli, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Milli, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}
