//! Addresses on loopback that no other fake on this machine uses.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

/// Instances have the numbers below; this one only says that the network is taken.
const LOCK: u8 = 254;
const LOCK_PORT: u16 = 9_100;

/// A network of 254 addresses, taken as long as this lives.
#[derive(Debug)]
pub struct Network {
    prefix: [u8; 3],
    _lock: TcpListener,
}

/// All of 127.1.0.0 to 127.200.255.0 is taken.
#[derive(Debug, thiserror::Error)]
#[error(
    "no free network on loopback: is something listening on port {LOCK_PORT} of every address?"
)]
pub struct NoneFree;

impl Network {
    /// Takes the first one that is free, beginning with 127.1.`third`.
    ///
    /// # Errors
    /// If there is none.
    pub async fn claim(third: u8) -> Result<Self, NoneFree> {
        for second in 1..=200 {
            let prefix = [127, second, third];
            let address = Ipv4Addr::new(127, second, third, LOCK);
            if let Ok(lock) = TcpListener::bind((address, LOCK_PORT)).await {
                return Ok(Self {
                    prefix,
                    _lock: lock,
                });
            }
        }
        Err(NoneFree)
    }

    /// The first three bytes of its addresses.
    #[must_use]
    pub fn prefix(&self) -> [u8; 3] {
        self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_gets_a_network_twice() {
        let first = Network::claim(9).await.unwrap();
        let second = Network::claim(9).await.unwrap();
        assert_ne!(first.prefix(), second.prefix());
    }
}
