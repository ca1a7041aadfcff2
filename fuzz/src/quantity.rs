//! Quantities: from text and back, and from what Prometheus answers.

use metrics_adapter::model::{Format, Quantity};

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "quantity",
    run,
    seeds,
    words: &[
        "m",
        "k",
        "M",
        "G",
        "T",
        "P",
        "E",
        "Ki",
        "Mi",
        "Gi",
        "Ti",
        "Pi",
        "Ei",
        "n",
        "u",
        ".",
        "-",
        "+",
        "e3",
        "000000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "NaN",
        "inf",
        "-0",
        "1e-320",
        "5e-4",
        "\u{0660}",
    ],
    cases: 12000,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::golden("quantity", "0", 31);
    seeds.extend(seed::golden("quantity", "1", 31));
    seeds.extend(seed::all(&[
        "500m",
        "+1.5k",
        "-.25",
        "5.",
        "64Mi",
        "9P",
        "1.5Ki",
        "-9223372036854775808m",
    ]));
    seeds
}

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(quantity) = text.parse::<Quantity>() {
        written(quantity);
    }
    if let Ok(value) = text.parse::<f64>() {
        match Quantity::from_f64(value) {
            Ok(quantity) => {
                written(quantity);
                // Truncated toward zero at a thousandth.
                let milli = value * 1000.0;
                #[allow(clippy::cast_precision_loss, reason = "compared with a float")]
                let kept = quantity.milli() as f64;
                assert!(
                    kept.abs() <= milli.abs() && (milli - kept).abs() < 1.0,
                    "{value}"
                );
            }
            Err(_) => assert!(!value.is_finite() || value.abs() > 9.2e15, "{value} fits"),
        }
    }
}

/// The number is the same in both formats, and when it is read again.
fn written(quantity: Quantity) {
    for format in [Format::DecimalSi, Format::BinarySi] {
        let text = quantity.with_format(format).to_string();
        let again: Quantity = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.milli(), quantity.milli(), "{text}");
        assert_eq!(again.with_format(format).to_string(), text);
    }
}
