// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batches} from "./Batches.sol";
import {Challenges} from "./Challenges.sol";
import {Evidence} from "./Forms.sol";

/// Payers' deposits, and what hubs are paid out of them. The rules are numbered in SPECIFICATION.md:
///
/// | contract | rules |
/// | --- | --- |
/// | Credits | V: money in and out, bonds, vaults |
/// | EscrowCore | C: the draft's core |
/// | Mandates | M: revocations, registered roots, watchers |
/// | LeafRules | L: what makes a leaf right |
/// | Batches | B1 to B4: a night's claim |
/// | Challenges | B5 to B8: demands, answers, void batches |
contract Escrow is Challenges {
    constructor(uint256 bondWei_, uint256 answerGasPriceMin_) Batches(bondWei_) Challenges(answerGasPriceMin_) {}

    /// Pays the payee up to a total that the signer's ticks or voucher on the escrow itself prove: a lone payer's night.
    /// The signer's key alone counts here.
    function settleEvidence(bytes32 escrowId, uint128 total, Evidence calldata evidence) external nonReentrant {
        Record storage escrow = _ofPayee(escrowId);
        if (_worth(escrowId, _signer(escrow), evidence) < total) revert BadEvidence();
        _payUpTo(escrow, msg.sender, escrowId, total);
    }
}
