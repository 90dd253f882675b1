//! Free ports.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::Context as _;

/// Ports to choose from: below those that systems hand out by themselves, so that nobody takes a hub's port by chance
/// while it is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

const TRIES: u32 = 200;

/// A port of this machine that nobody listens on at the moment, neither for UDP nor for TCP.
pub(super) fn free_port() -> anyhow::Result<u16> {
    let mut tries = (0..TRIES).filter_map(|_| getrandom::u32().ok()).filter_map(|random| {
        let port = FIRST + u16::try_from(random % u32::from(COUNT)).ok()?;
        is_free(port).then_some(port)
    });
    tries.next().context("no free port was found")
}

fn is_free(port: u16) -> bool {
    let here = (Ipv4Addr::LOCALHOST, port);
    UdpSocket::bind(here).is_ok() && TcpListener::bind(here).is_ok()
}
