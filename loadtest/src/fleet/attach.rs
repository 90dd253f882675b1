//! How a device of a fleet proves itself to the hub, for those who speak QUIC without the SDK.

use bitcoin_hashes::sha256;
use farthing_channel::codec::encode_to_vec;
use farthing_channel::eip712::Attach;
use farthing_channel::id::Hash32;
use farthing_channel::sign::{LibSecpKey, sign_typed};
use farthing_channel::wire::{LaneOffer, Request, Role};

use super::Fleet;

impl Fleet {
    /// What binds an attach proof to a connection: the hash of the hub's nonce and the certificate's pin.
    #[must_use]
    pub fn binding(&self, nonce: &Hash32) -> Hash32 {
        let binding = sha256::Hash::hash_byte_chunks([&nonce.0[..], &self.contact.pin.0[..]]);
        Hash32(binding.to_byte_array())
    }

    /// The request by which the device with this key attaches and opens lanes.
    #[must_use]
    pub fn attach(&self, key: &LibSecpKey, binding: Hash32, lanes: Vec<LaneOffer>) -> Vec<u8> {
        let typed = Attach { binding, hub: self.contact.address, role: Role::Device.code() };
        let Ok(signature) = sign_typed(key, &self.contact.ledger, &typed);
        let (signature, escrow) = (signature.into(), Some(self.escrow));
        encode_to_vec(&Request::Attach { role: Role::Device, signature, escrow, mandate: None, lanes })
    }
}
