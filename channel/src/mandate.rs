//! Permissions to spend: single, or thousands under one signature.
//!
//! Many mandates are signed at once as the root of a Merkle tree: leaf `keccak256(0x00 || structHash)`, node
//! `keccak256(0x01 || left || right)`, padding up to a power of two `keccak256(0x02)`. The tags keep a node from
//! passing for a leaf. A [`MandateBundle`] is an aligned subtree that shares one path to the root, so a million
//! mandates need neither a million signatures nor a million paths.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::codec::uint128;
use crate::eip712::{Domain, Mandate, MandateRoot, TypedData as _};
use crate::id::{Address, EscrowId, Hash32, abi, keccak256};
use crate::lane::Verified;
use crate::limits::{MANDATE_BUNDLE_HEIGHT_MAX, MANDATE_TREE_DEPTH_MAX, PAYEES_PER_MANDATE_MAX};
use crate::refusal::Refusal;
use crate::sign::{Recover, Signer, UncheckedSignature, sign_typed, verify_typed};
use crate::time::UnixSeconds;

/// `keccak256` over the payees as 32-byte words in ascending order; zero for an empty list, which allows anyone.
#[must_use]
pub fn payees_hash(payees: &[Address]) -> Hash32 {
    if payees.is_empty() {
        return Hash32::ZERO;
    }
    let words: Vec<u8> = payees.iter().flat_map(abi::address).collect();
    Hash32(keccak256(&[&words]))
}

/// A mandate with the list behind its `payees` hash.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MandateTerms {
    /// The device key's address.
    #[n(0)]
    pub device: Address,
    /// Most the channel may ever owe, base units.
    #[cbor(n(1), with = "uint128")]
    pub limit: u128,
    /// From this second on nothing new is accepted.
    #[n(2)]
    pub expiry: UnixSeconds,
    /// A higher serial replaces a lower one.
    #[n(3)]
    pub serial: u64,
    /// Whom the device may pay, strictly ascending; empty for anyone.
    #[n(4)]
    pub payees: Vec<Address>,
}

impl MandateTerms {
    /// What is signed.
    #[must_use]
    pub fn typed(&self, escrow: &EscrowId) -> Mandate {
        Mandate {
            escrow: *escrow,
            device: self.device,
            limit: self.limit,
            expiry: self.expiry,
            serial: self.serial,
            payees: payees_hash(&self.payees),
        }
    }

    /// Whether the device may pay `payee`.
    #[must_use]
    pub fn allows(&self, payee: &Address) -> bool {
        self.payees.is_empty() || self.payees.binary_search(payee).is_ok()
    }

    fn well_formed(&self) -> bool {
        self.payees.len() <= PAYEES_PER_MANDATE_MAX && self.payees.is_sorted_by(|a, b| a < b)
    }
}

/// How mandates are signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Authority {
    /// One mandate, signed itself.
    #[n(0)]
    Direct {
        /// By the escrow's signer over [`Mandate`].
        #[n(0)]
        signature: UncheckedSignature,
    },
    /// An aligned subtree of a signed tree.
    #[n(1)]
    Tree {
        /// By the escrow's signer over [`MandateRoot`].
        #[n(0)]
        signature: UncheckedSignature,
        /// Index of the first mandate among the tree's leaves; a multiple of the subtree's width.
        #[n(1)]
        first_index: u64,
        /// Hashes beside the path from the subtree to the root, lowest first.
        #[n(2)]
        siblings: Vec<Hash32>,
    },
}

/// Mandates that are verified together.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MandateBundle {
    /// The escrow they draw on.
    #[n(0)]
    pub escrow: EscrowId,
    /// The mandates, in the order of the tree's leaves; at most 256, exactly one under [`Authority::Direct`].
    #[n(1)]
    pub mandates: Vec<MandateTerms>,
    /// The signature over them.
    #[n(2)]
    pub authority: Authority,
}

fn leaf(mandate: &Mandate) -> Hash32 {
    Hash32(keccak256(&[&[0], &mandate.struct_hash()]))
}

fn node(left: &Hash32, right: &Hash32) -> Hash32 {
    Hash32(keccak256(&[&[1], &left.0, &right.0]))
}

fn padding() -> Hash32 {
    Hash32(keccak256(&[&[2]]))
}

/// All levels of the tree over `leaves`, leaves first; padded to a power of two.
fn levels(mut leaves: Vec<Hash32>) -> Vec<Vec<Hash32>> {
    leaves.resize(leaves.len().next_power_of_two(), padding());
    let mut levels = Vec::new();
    while leaves.len() > 1 {
        let above = leaves.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
        levels.push(core::mem::replace(&mut leaves, above));
    }
    levels.push(leaves);
    levels
}

impl MandateBundle {
    /// Checks form, path and signature against the key `signer` of the escrow.
    ///
    /// # Errors
    /// [`Refusal::BadMandate`] where anything does not hold.
    pub fn verify(self, recover: &impl Recover, domain: &Domain, signer: &Address) -> Result<Verified<Self>, Refusal> {
        self.check(recover, domain, signer).ok_or(Refusal::BadMandate)?;
        Ok(Verified::new(self))
    }

    fn check(&self, recover: &impl Recover, domain: &Domain, signer: &Address) -> Option<()> {
        if !self.mandates.iter().all(MandateTerms::well_formed) {
            return None;
        }
        match &self.authority {
            Authority::Direct { signature } => {
                let [mandate] = self.mandates.as_slice() else {
                    return None;
                };
                verify_typed(recover, domain, &mandate.typed(&self.escrow), &signature.check().ok()?, signer).ok()
            }
            Authority::Tree { signature, first_index, siblings } => {
                let root = MandateRoot { escrow: self.escrow, root: self.root(*first_index, siblings)? };
                verify_typed(recover, domain, &root, &signature.check().ok()?, signer).ok()
            }
        }
    }

    /// The root that the bundle's mandates lead to.
    fn root(&self, first_index: u64, siblings: &[Hash32]) -> Option<Hash32> {
        let count = self.mandates.len();
        if count == 0 || count > 1 << MANDATE_BUNDLE_HEIGHT_MAX || siblings.len() > MANDATE_TREE_DEPTH_MAX {
            return None;
        }
        let width = u64::try_from(count.next_power_of_two()).ok()?;
        if !first_index.is_multiple_of(width) {
            return None;
        }
        let leaves = self.mandates.iter().map(|terms| leaf(&terms.typed(&self.escrow))).collect();
        let mut hash = *levels(leaves).last()?.first()?;
        let mut place = first_index.checked_div(width)?;
        for sibling in siblings {
            hash = if place & 1 == 0 { node(&hash, sibling) } else { node(sibling, &hash) };
            place >>= 1;
        }
        // What is left of the index must be nothing, or one leaf would have many positions.
        (place == 0).then_some(hash)
    }

    /// The bundle of one of its mandates, as a device carries it; `None` where `position` is not in the bundle.
    #[must_use]
    pub fn single(&self, position: usize) -> Option<Self> {
        let terms = self.mandates.get(position)?.clone();
        let authority = match &self.authority {
            Authority::Direct { .. } => self.authority.clone(),
            Authority::Tree { signature, first_index, siblings } => {
                let leaves = self.mandates.iter().map(|terms| leaf(&terms.typed(&self.escrow))).collect();
                let mut path = path(&levels(leaves), position);
                path.extend_from_slice(siblings);
                Authority::Tree {
                    signature: *signature,
                    first_index: first_index.checked_add(u64::try_from(position).ok()?)?,
                    siblings: path,
                }
            }
        };
        Some(Self { escrow: self.escrow, mandates: alloc::vec![terms], authority })
    }
}

/// Siblings on the way from leaf `position` to the top of `levels`, lowest first.
fn path(levels: &[Vec<Hash32>], position: usize) -> Vec<Hash32> {
    let mut place = position;
    let mut siblings = Vec::with_capacity(levels.len());
    for level in levels {
        if let Some(sibling) = level.get(place ^ 1) {
            siblings.push(*sibling);
        }
        place >>= 1;
    }
    siblings
}

/// Signs one mandate.
///
/// # Errors
/// As [`Signer::sign`].
pub fn sign_mandate<S: Signer>(
    signer: &S,
    domain: &Domain,
    escrow: EscrowId,
    terms: MandateTerms,
) -> Result<MandateBundle, S::Error> {
    let signature = sign_typed(signer, domain, &terms.typed(&escrow))?.into();
    Ok(MandateBundle { escrow, mandates: alloc::vec![terms], authority: Authority::Direct { signature } })
}

/// Signs all of `mandates` at once and cuts them into bundles of up to 256.
///
/// # Errors
/// As [`Signer::sign`].
pub fn sign_mandates<S: Signer>(
    signer: &S,
    domain: &Domain,
    escrow: EscrowId,
    mandates: &[MandateTerms],
) -> Result<Vec<MandateBundle>, S::Error> {
    let levels = levels(mandates.iter().map(|terms| leaf(&terms.typed(&escrow))).collect());
    let root = levels.last().and_then(|top| top.first()).copied().unwrap_or_else(padding);
    let signature = sign_typed(signer, domain, &MandateRoot { escrow, root })?.into();
    let bundle_width = 1_usize << MANDATE_BUNDLE_HEIGHT_MAX;
    let mut first = 0_usize;
    let mut bundles = Vec::new();
    for chunk in mandates.chunks(bundle_width) {
        // The last bundle may be a smaller subtree; its path then starts lower.
        let height = usize::try_from(chunk.len().next_power_of_two().trailing_zeros()).unwrap_or(0);
        let upper = levels.get(height..).unwrap_or_default();
        let siblings = path(upper, first >> height);
        bundles.push(MandateBundle {
            escrow,
            mandates: chunk.to_vec(),
            authority: Authority::Tree { signature, first_index: u64::try_from(first).unwrap_or(u64::MAX), siblings },
        });
        first = first.saturating_add(chunk.len());
    }
    Ok(bundles)
}

#[cfg(test)]
mod tests;
