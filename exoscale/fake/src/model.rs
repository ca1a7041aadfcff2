//! What the cloud does by itself: a pool that follows its size, instances that take their time.
//!
//! Pure: the clock is passed in, as the time since some beginning. Law: while anything moves the
//! pool is not `running`, and takes no orders.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Serialize;

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the creation of an instance to `running`.
    pub boot: Duration,
    /// From the order to remove it to its end.
    pub stop: Duration,
}

/// What the pool is doing, in the API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolState {
    /// Nothing.
    Running,
    /// Getting more members.
    ScalingUp,
    /// Getting fewer members.
    ScalingDown,
}

/// What an instance is doing, in the API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Booting.
    Starting,
    /// Up.
    Running,
    /// On its way out.
    Stopping,
}

/// A member of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its ID.
    pub id: String,
    /// Its public address.
    pub ip: Ipv4Addr,
    /// What it is doing.
    pub state: InstanceState,
    since: Duration,
}

/// An operation's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its ID.
    pub id: String,
    /// Whether it is over.
    pub done: bool,
}

/// The pool is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// One zone with one pool.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// The pool's ID.
    pub id: String,
    /// What the pool is doing.
    pub state: PoolState,
    /// How many members it is to have.
    pub size: u32,
    /// The members, the oldest first.
    pub instances: Vec<Instance>,
    /// The orders that were accepted.
    pub operations: Vec<Operation>,
    timing: Timing,
    network: [u8; 3],
    created: u32,
}

impl Cloud {
    /// A pool whose first members are being created; their addresses are `network` and a number.
    #[must_use]
    pub fn new(id: &str, size: u32, network: [u8; 3], timing: Timing) -> Self {
        let mut cloud = Self {
            id: id.to_owned(),
            state: PoolState::Running,
            size,
            instances: Vec::new(),
            operations: Vec::new(),
            timing,
            network,
            created: 0,
        };
        cloud.tick(Duration::ZERO);
        cloud
    }

    /// Orders another size.
    ///
    /// # Errors
    /// [`Busy`] while an earlier order is under way.
    pub fn scale(&mut self, size: u32, now: Duration) -> Result<Operation, Busy> {
        self.idle()?;
        self.size = size;
        Ok(self.order(now))
    }

    /// Orders the end of these members; the pool shrinks by them.
    ///
    /// # Errors
    /// [`Busy`] while an earlier order is under way.
    pub fn evict(&mut self, ids: &[String], now: Duration) -> Result<Operation, Busy> {
        self.idle()?;
        for id in ids {
            if self.destroy(id, now) {
                self.size = self.size.saturating_sub(1);
            }
        }
        Ok(self.order(now))
    }

    /// Ends an instance behind the pool's back, which will replace it; false if there is none.
    pub fn destroy(&mut self, id: &str, now: Duration) -> bool {
        let stopping = InstanceState::Stopping;
        let member = self
            .instances
            .iter_mut()
            .find(|it| it.id == id && it.state != stopping);
        let Some(member) = member else { return false };
        (member.state, member.since) = (stopping, now);
        true
    }

    /// Lets the time pass.
    pub fn tick(&mut self, now: Duration) {
        let Timing { boot, stop } = self.timing;
        for instance in &mut self.instances {
            if instance.state == InstanceState::Starting && now >= instance.since + boot {
                instance.state = InstanceState::Running;
            }
        }
        self.instances
            .retain(|it| it.state != InstanceState::Stopping || now < it.since + stop);
        self.reconcile(now);
        let settled = |it: &Instance| it.state == InstanceState::Running;
        if self.instances.iter().all(settled) {
            self.state = PoolState::Running;
            for operation in &mut self.operations {
                operation.done = true;
            }
        }
    }

    /// Makes the members as many as they should be; the oldest go first.
    fn reconcile(&mut self, now: Duration) {
        let staying = |it: &&mut Instance| it.state != InstanceState::Stopping;
        let mut members = self.instances.iter_mut().filter(staying).count();
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        while members > size {
            self.state = PoolState::ScalingDown;
            if let Some(oldest) = self.instances.iter_mut().find(staying) {
                (oldest.state, oldest.since) = (InstanceState::Stopping, now);
            }
            members -= 1;
        }
        while members < size {
            self.state = PoolState::ScalingUp;
            let instance = self.create(now);
            self.instances.push(instance);
            members += 1;
        }
    }

    fn create(&mut self, now: Duration) -> Instance {
        let [a, b, c] = self.network;
        let free = |ip: &Ipv4Addr| self.instances.iter().all(|it| it.ip != *ip);
        // Round and round, so that an address is not used again at once.
        let number = |step: u32| u8::try_from((self.created + step) % 200 + 1).unwrap_or(1);
        let ip = (0..200).map(|step| Ipv4Addr::new(a, b, c, number(step)));
        let ip = ip.into_iter().find(free);
        self.created += 1;
        Instance {
            id: format!("00000000-0000-4000-8000-{:012x}", self.created),
            ip: ip.unwrap_or(Ipv4Addr::LOCALHOST),
            state: InstanceState::Starting,
            since: now,
        }
    }

    fn idle(&self) -> Result<(), Busy> {
        if self.state == PoolState::Running {
            Ok(())
        } else {
            Err(Busy)
        }
    }

    fn order(&mut self, now: Duration) -> Operation {
        let number = self.operations.len() + 1;
        let operation = Operation {
            id: format!("00000000-0000-4000-9000-{number:012x}"),
            done: false,
        };
        self.operations.push(operation.clone());
        self.tick(now);
        operation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn mk_cloud() -> Cloud {
        let timing = Timing {
            boot: at(10),
            stop: at(5),
        };
        let mut cloud = Cloud::new("pool", 2, [127, 1, 0], timing);
        cloud.tick(at(10));
        cloud
    }

    fn ids(cloud: &Cloud) -> Vec<&str> {
        cloud.instances.iter().map(|it| &it.id[35..]).collect()
    }

    #[test]
    fn a_pool_is_busy_until_its_members_are_there() {
        let mut cloud = mk_cloud();
        assert_eq!(
            (cloud.state, ids(&cloud)),
            (PoolState::Running, vec!["1", "2"])
        );
        cloud.scale(3, at(20)).unwrap();
        assert_eq!(cloud.state, PoolState::ScalingUp);
        assert_eq!(cloud.scale(4, at(21)), Err(Busy));
        assert!(!cloud.operations[0].done);
        cloud.tick(at(30));
        assert_eq!((cloud.state, cloud.size), (PoolState::Running, 3));
        assert!(cloud.operations[0].done);
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut cloud = mk_cloud();
        cloud.scale(1, at(20)).unwrap();
        assert_eq!(cloud.state, PoolState::ScalingDown);
        cloud.tick(at(25));
        assert_eq!((cloud.state, ids(&cloud)), (PoolState::Running, vec!["2"]));
    }

    #[test]
    fn destroyed_members_are_replaced_and_evicted_ones_are_not() {
        let mut cloud = mk_cloud();
        for id in cloud.instances.clone() {
            assert!(cloud.destroy(&id.id, at(20)));
        }
        cloud.tick(at(20));
        assert_eq!(ids(&cloud), ["1", "2", "3", "4"]);
        let mut ips: Vec<_> = cloud.instances.iter().map(|it| it.ip).collect();
        ips.dedup();
        assert_eq!(ips.len(), 4, "no address twice");
        cloud.tick(at(40));
        assert_eq!((ids(&cloud), cloud.size), (vec!["3", "4"], 2));
        let first = cloud.instances[0].id.clone();
        cloud.evict(&[first], at(50)).unwrap();
        cloud.tick(at(60));
        assert_eq!((ids(&cloud), cloud.size), (vec!["4"], 1));
    }
}
