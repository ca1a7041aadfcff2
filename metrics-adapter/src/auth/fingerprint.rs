//! Cache keys of fixed size, whatever a caller sends, that do not give credentials away.

use sha2::{Digest as _, Sha256};

/// A finished key.
pub(super) type Fingerprint = [u8; 32];

/// Builds a key out of fields. Lengths go in as well, so that moving a character from one field
/// to the next makes another key.
#[derive(Default)]
pub(super) struct Fingerprinter(Sha256);

impl Fingerprinter {
    pub(super) fn field(mut self, text: &str) -> Self {
        self.0.update(text.len().to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    /// A finished key, whose length is always the same.
    pub(super) fn key(mut self, key: &Fingerprint) -> Self {
        self.0.update(key);
        self
    }

    pub(super) fn list<'a>(self, items: impl ExactSizeIterator<Item = &'a String>) -> Self {
        let start = self.count(items.len());
        items.fold(start, |this, item| this.field(item))
    }

    pub(super) fn count(mut self, number: usize) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    pub(super) fn finish(self) -> Fingerprint {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
        let of = |a: &str, b: &str| Fingerprinter::default().field(a).field(b).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("ab", "c"), of("ab", "c"));
        let (one, two) = (vec!["a".to_owned()], vec![]);
        assert_ne!(
            Fingerprinter::default()
                .list(one.iter())
                .list(two.iter())
                .finish(),
            Fingerprinter::default()
                .list(two.iter())
                .list(one.iter())
                .finish(),
        );
    }
}
