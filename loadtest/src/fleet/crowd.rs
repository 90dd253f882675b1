//! Many devices at once, on connections of their own or behind gateways.

use std::time::Duration;

use anyhow::Context as _;
use farthing_client::{Connector, Device, Gateway, Lane, PayMode};
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use super::Fleet;

/// Handshakes begun at once: below the hub's limits for one address, and few enough that none times out on two cores.
const CONNECTING_AT_ONCE: usize = 128;

/// Who joins a crowd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recruit {
    /// The device's name in its fleet; its key follows from it.
    pub name: String,
    /// Its mandate's limit, base units, where it brings one.
    pub limit: u64,
    /// How it pays.
    pub mode: PayMode,
}

/// One device of a crowd.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The device.
    pub device: Device,
    /// The lane it pays on.
    pub lane: Lane,
}

/// Devices that are attached to a hub.
#[derive(Debug)]
pub struct Crowd {
    /// In the order of the recruits.
    pub members: Vec<Member>,
    /// Connections they share, or have.
    pub connections: usize,
}

impl Crowd {
    /// Connects all recruits, `per_connection` behind each connection, and waits until they are attached. `bar` moves
    /// with each device; `ramp_up` spreads the connections evenly over that time.
    ///
    /// # Errors
    /// The first device that cannot be attached.
    pub async fn gather(
        fleet: &Fleet,
        connector: &Connector,
        recruits: &[Recruit],
        per_connection: usize,
        ramp_up: Duration,
        bar: &ProgressBar,
    ) -> anyhow::Result<Self> {
        let per_connection = per_connection.max(1);
        let connections = recruits.len().div_ceil(per_connection);
        let pause = ramp_up.checked_div(u32::try_from(connections).unwrap_or(u32::MAX)).unwrap_or_default();
        let mut groups = vec![Vec::new(); connections];
        let mut joining = JoinSet::new();
        for (place, chunk) in recruits.chunks(per_connection).enumerate() {
            while joining.len() >= CONNECTING_AT_ONCE {
                take_group(&mut joining, &mut groups, bar).await?;
            }
            let (fleet, connector, chunk) = (fleet.clone(), connector.clone(), chunk.to_vec());
            joining.spawn(async move { Ok((place, connect(&fleet, &connector, chunk).await?)) });
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        while !joining.is_empty() {
            take_group(&mut joining, &mut groups, bar).await?;
        }
        Ok(Self { members: groups.into_iter().flatten().collect(), connections })
    }
}

type Joined = anyhow::Result<(usize, Vec<Member>)>;

async fn take_group(
    joining: &mut JoinSet<Joined>,
    groups: &mut [Vec<Member>],
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let Some(joined) = joining.join_next().await else {
        return Ok(());
    };
    let (place, members) = joined.context("a device's task ended early")??;
    bar.inc(u64::try_from(members.len()).unwrap_or(u64::MAX));
    if let Some(group) = groups.get_mut(place) {
        *group = members;
    }
    Ok(())
}

/// Connects the devices of one connection.
async fn connect(fleet: &Fleet, connector: &Connector, recruits: Vec<Recruit>) -> anyhow::Result<Vec<Member>> {
    let gateway = Gateway::start(connector)?;
    let mut members = Vec::with_capacity(recruits.len());
    for Recruit { name, limit, mode } in recruits {
        let device = gateway.add(fleet.device(&name, limit, mode)?)?;
        let lane = device.lane(fleet.lane.payee, fleet.lane.rating_group)?;
        members.push(Member { name, device, lane });
    }
    for member in &members {
        let attached = member.device.attached().await;
        attached.with_context(|| format!("device {} is not attached", member.name))?;
    }
    Ok(members)
}
