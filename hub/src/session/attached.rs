//! On which connections each device key is attached: the newest few count.

use std::collections::{HashMap, VecDeque};

use farthing_channel::id::Address;

use crate::transport::ConnectionId;

/// The attachments of one data-plane thread, oldest first for each device.
#[derive(Debug, Default)]
pub(super) struct AttachedDevices {
    connections: HashMap<Address, VecDeque<ConnectionId>>,
}

impl AttachedDevices {
    /// Notes that `device` is attached on `connection`. Returns the connection that has to give way, where there are
    /// more than `most`.
    pub(super) fn attach(&mut self, device: Address, connection: ConnectionId, most: usize) -> Option<ConnectionId> {
        let held = self.connections.entry(device).or_default();
        if held.contains(&connection) {
            return None;
        }
        held.push_back(connection);
        if held.len() > most { held.pop_front() } else { None }
    }

    /// Forgets an attachment.
    pub(super) fn detach(&mut self, device: &Address, connection: ConnectionId) {
        if let Some(held) = self.connections.get_mut(device) {
            held.retain(|other| *other != connection);
            if held.is_empty() {
                self.connections.remove(device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_connections_of_a_device_count() {
        let mut attached = AttachedDevices::default();
        let device = Address([1; 20]);
        let ids: Vec<_> = (0..4).map(ConnectionId::of_slot).collect();
        assert_eq!(attached.attach(device, ids[0], 2), None);
        assert_eq!(attached.attach(device, ids[0], 2), None);
        assert_eq!(attached.attach(device, ids[1], 2), None);
        assert_eq!(attached.attach(device, ids[2], 2), Some(ids[0]));
        attached.detach(&device, ids[1]);
        assert_eq!(attached.attach(device, ids[3], 2), None);
        assert_eq!(attached.attach(Address([2; 20]), ids[3], 2), None);
        for id in ids {
            attached.detach(&device, id);
            attached.detach(&Address([2; 20]), id);
        }
        assert!(attached.connections.is_empty());
    }
}
