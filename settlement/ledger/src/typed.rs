//! Encoding of EIP-712 structs: 32-byte words behind a type hash.

use farthing_channel::id::{Address, keccak256};

/// One word of `encodeData`.
pub(crate) type Word = [u8; 32];

pub(crate) fn address(address: &Address) -> Word {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address.0);
    word
}

pub(crate) fn uint(value: impl Into<u128>) -> Word {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&value.into().to_be_bytes());
    word
}

/// A dynamic string stands as its hash.
pub(crate) fn string(text: &str) -> Word {
    keccak256(&[text.as_bytes()])
}

/// An array stands as the hash of its members: structs by their hashes, others as words.
pub(crate) fn array(hashes: impl Iterator<Item = Word>) -> Word {
    keccak256(&[&hashes.flatten().collect::<Vec<u8>>()])
}

/// `keccak256(keccak256(encodeType) || words)`.
pub(crate) fn hash_struct(encoded_type: &str, words: &[Word]) -> Word {
    keccak256(&[&keccak256(&[encoded_type.as_bytes()]), words.as_flattened()])
}
