//! Enums as label values, in Prometheus' lower case.

use std::fmt::{self, Debug, Write as _};

use prometheus_client::encoding::LabelValueEncoder;

/// Lets enums be label values: `ClientCertificate` is written `client_certificate`.
///
/// `prometheus-client`'s own derive writes variants as Rust spells them.
#[macro_export]
macro_rules! snake_case_labels {
    ($($name:ty),+ $(,)?) => {$(
        impl ::prometheus_client::encoding::EncodeLabelValue for $name {
            fn encode(
                &self,
                encoder: &mut ::prometheus_client::encoding::LabelValueEncoder<'_>,
            ) -> ::std::result::Result<(), ::std::fmt::Error> {
                $crate::label::encode_snake_case(self, encoder)
            }
        }
    )+};
}

/// Writes the variant's name in snake case; for [`snake_case_labels`].
///
/// # Errors
///
/// The encoder's.
pub fn encode_snake_case(value: &impl Debug, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
    for (index, character) in format!("{value:?}").char_indices() {
        if character.is_uppercase() && index > 0 {
            encoder.write_char('_')?;
        }
        encoder.write_char(character.to_ascii_lowercase())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::EncodeLabelSet;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::registry::Registry;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    enum Way {
        ClientCertificate,
        Token,
    }
    snake_case_labels!(Way);

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Labels {
        way: Way,
    }

    #[test]
    fn variants_are_written_in_lower_case() {
        let family = Family::<Labels, Counter>::default();
        for way in [Way::ClientCertificate, Way::Token] {
            family.get_or_create(&Labels { way }).inc();
        }
        let mut registry = Registry::default();
        registry.register("ways_total", "Ways", family);
        let text = crate::text::encode(&registry);
        for line in [
            "ways_total{way=\"client_certificate\"} 1",
            "ways_total{way=\"token\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{text}");
        }
    }
}
