//! Who pays how: the shapes that profiles stand for.

use std::fmt;

use anyhow::ensure;
use clap::ValueEnum;
use serde::Serialize;

use super::args::BenchArgs;
use super::lane::Means;

/// What the simulated devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One tick per packet.
    Tick,
    /// Gateways: many lanes per connection, some ticks of distinct lanes per packet.
    Batch,
    /// Ticks back to back, packets filled.
    Stream,
    /// Vouchers of distinct lanes, signed ahead.
    Voucher,
    /// Every other lane by vouchers, one payment per packet.
    Mixed,
    /// Devices drop and come back while the others go on paying.
    ReconnectStorm,
    /// Strangers connect and never attach while honest devices pay.
    HandshakeStorm,
    /// Connections attached and silent.
    Idle,
    /// Channels without connections.
    IdleChannels,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

/// A profile in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Connections.
    pub connections: usize,
    /// Devices behind one connection, a lane each.
    pub lanes_per_connection: usize,
    /// Payments in one packet, as far as they fit.
    pub payments_per_packet: usize,
    /// Packets under way per connection in a closed loop.
    pub in_flight: u32,
    /// Lanes of even numbers pay by vouchers.
    pub vouchers_even: bool,
    /// Lanes of odd numbers pay by vouchers.
    pub vouchers_odd: bool,
}

/// Channels of the profile of that name.
const IDLE_CHANNELS: usize = 1_000_000;

/// More than fits into any packet.
const AS_MANY_AS_FIT: usize = 1 << 20;

impl Shape {
    /// The shape that the arguments ask for.
    ///
    /// # Errors
    /// Where two of them exclude each other.
    pub fn of(args: &BenchArgs) -> anyhow::Result<Self> {
        let (connections, lanes_per_connection, payments, in_flight) = match args.profile {
            Profile::Tick | Profile::Mixed => (1_000, 1, 1, 1),
            Profile::Batch => (100, 64, args.ticks_per_packet, 1),
            Profile::Stream => (100, 1, AS_MANY_AS_FIT, 4),
            Profile::Voucher => (100, 16, args.vouchers_per_packet, 1),
            Profile::ReconnectStorm | Profile::HandshakeStorm => (10_000, 1, 1, 1),
            Profile::Idle => (10_000, 1, 1, 1),
            Profile::IdleChannels => (8, 0, 1, 1),
        };
        let connections = args.connections.unwrap_or(connections);
        let mut lanes_per_connection = args.lanes_per_connection.unwrap_or(lanes_per_connection);
        if let Some(lanes) = args.lanes {
            ensure!(args.lanes_per_connection.is_none(), "--lanes and --lanes-per-connection exclude each other");
            lanes_per_connection = lanes.div_ceil(connections);
        }
        if args.profile == Profile::IdleChannels {
            lanes_per_connection = args.channels.unwrap_or(IDLE_CHANNELS).div_ceil(connections);
        }
        ensure!(connections > 0 && lanes_per_connection > 0, "there must be a connection and a lane on it");
        let (vouchers_even, vouchers_odd) = match args.profile {
            Profile::Voucher => (true, true),
            Profile::Mixed => (true, false),
            _ => (false, false),
        };
        Ok(Self {
            connections,
            lanes_per_connection,
            payments_per_packet: payments.max(1),
            in_flight: args.in_flight.unwrap_or(in_flight).max(1),
            vouchers_even,
            vouchers_odd,
        })
    }

    /// Lanes in all.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.connections.saturating_mul(self.lanes_per_connection)
    }

    /// How the lane at `place` is paid.
    #[must_use]
    pub fn means(&self, place: usize) -> Means {
        let vouchers = if place.is_multiple_of(2) { self.vouchers_even } else { self.vouchers_odd };
        if vouchers { Means::Vouchers } else { Means::Ticks }
    }
}
