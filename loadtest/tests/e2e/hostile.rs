//! Floods of what no honest device sends.

use std::net::UdpSocket;

use farthing_channel::id::keccak256;
use farthing_client::Connector;

use crate::support::{World, runtime};

/// What a hub may grow by under a flood: buffers that are bounded, and what its allocator keeps of them.
const GROWTH_BYTES_MAX: u64 = 96 << 20;

const DATAGRAMS: u32 = 30_000;

/// Bytes that look random, each time the same.
fn noise(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut part = 0_u32;
    while bytes.len() < length {
        bytes.extend(keccak256(&[&number.to_be_bytes(), &part.to_be_bytes()]));
        part += 1;
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn noise_changes_nothing_and_costs_no_memory() {
    let world = World::new(2);
    world.pay(2, 5);
    let before = world.site.hub_resident_bytes().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let hub = &*world.site.contact().hub;
    for number in 0..DATAGRAMS {
        let length = usize::try_from(number % 1_400).unwrap() + 1;
        let mut datagram = noise(number, length);
        if let Some(first) = datagram.first_mut() {
            // A third looks like packets of connections, a third like beginnings of them, the rest like nothing.
            match number % 3 {
                0 => *first = 0x40 | (*first & 0x3f),
                1 => *first = 0xc0 | (*first & 0x0f),
                _ => {}
            }
        }
        if number % 3 == 1 && datagram.len() > 5 {
            datagram[1..5].copy_from_slice(&[0, 0, 0, 1]);
        }
        // Where the hub is slower than this loop the system drops some; what arrives is enough.
        let _ = socket.send_to(&datagram, hub);
    }
    world.pay(2, 5);
    assert_eq!(world.authorised(), 20);
    let after = world.site.hub_resident_bytes().unwrap();
    assert!(after < before + GROWTH_BYTES_MAX, "{before} bytes before, {after} after");
    world.site.finish().unwrap();
}

#[test]
fn devices_without_permission_get_nowhere() {
    let world = World::new(1);
    runtime().block_on(async {
        let mut config = world.config();
        config.sockets = 1;
        let connector = Connector::new(config).unwrap();
        for place in 0..50 {
            let name = format!("stranger-{place}");
            let config = world.fleet.device(&name, 1, farthing_client::PayMode::Voucher).unwrap();
            let error = farthing_client::Device::connect(&connector, config).await.unwrap_err();
            assert!(matches!(error, farthing_client::ClientError::Refused(_)), "{error}");
        }
    });
    world.pay(1, 3);
    assert_eq!(world.authorised(), 3);
    assert_eq!(world.site.status().unwrap().channels, 1);
    world.site.finish().unwrap();
}
