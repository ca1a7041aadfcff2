//! Whose turn it is: round robin over the endpoints that are usable.
//!
//! Law: a failed endpoint is skipped until it is back; a request waits only while an endpoint is
//! about to be usable, and fails at once when all have failed.

/// What an endpoint can do for a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Take it.
    Ready,
    /// Probably take it in a moment: its connection is being made.
    Pending,
    /// Nothing: its last connection attempt failed.
    Failed,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To the endpoint of this index.
    Use(usize),
    /// Nowhere yet.
    Wait,
    /// Nowhere: every endpoint has failed.
    Fail,
}

/// The memory of a round robin.
#[derive(Debug, Default)]
pub struct Rotation {
    /// The index whose turn it is.
    turn: usize,
}

impl Rotation {
    /// Chooses among endpoints by their standing; the turn moves past the one chosen.
    pub fn choose(&mut self, standings: &[Standing]) -> Choice {
        let count = standings.len();
        let order = (0..count).map(|step| (self.turn + step) % count);
        for index in order {
            if standings[index] == Standing::Ready {
                self.turn = (index + 1) % count;
                return Choice::Use(index);
            }
        }
        if standings.contains(&Standing::Pending) {
            Choice::Wait
        } else {
            Choice::Fail
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{Failed, Pending, Ready};
    use super::*;

    fn choices<const N: usize>(rotation: &mut Rotation, standings: &[Standing]) -> [Choice; N] {
        std::array::from_fn(|_| rotation.choose(standings))
    }

    #[test]
    fn takes_turns() {
        let mut rotation = Rotation::default();
        let expected = [0, 1, 2, 0].map(Choice::Use);
        assert_eq!(choices(&mut rotation, &[Ready, Ready, Ready]), expected);
    }

    #[test]
    fn skips_what_is_not_ready_until_it_is_back() {
        let mut rotation = Rotation::default();
        let expected = [0, 2, 0].map(Choice::Use);
        assert_eq!(choices(&mut rotation, &[Ready, Failed, Ready]), expected);
        let expected = [1, 2, 0].map(Choice::Use);
        assert_eq!(choices(&mut rotation, &[Ready, Ready, Ready]), expected);
    }

    #[test]
    fn waits_for_a_pending_one_and_fails_without() {
        let mut rotation = Rotation::default();
        assert_eq!(rotation.choose(&[Failed, Pending]), Choice::Wait);
        assert_eq!(rotation.choose(&[Failed, Failed]), Choice::Fail);
        assert_eq!(rotation.choose(&[]), Choice::Fail);
    }

    #[test]
    fn survives_a_shrinking_list() {
        let mut rotation = Rotation::default();
        let _: [Choice; 2] = choices(&mut rotation, &[Ready, Ready, Ready]);
        assert_eq!(rotation.choose(&[Ready]), Choice::Use(0));
    }
}
