// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {EscrowCore} from "./EscrowCore.sol";
import {TypedData} from "./Forms.sol";
import {Identities} from "./Identities.sol";
import {Signatures} from "./Signatures.sol";

/// What a payer says about its devices on the ledger: rules M1 to M3.
abstract contract Mandates is EscrowCore {
    using Checkpoints for Checkpoints.Trace160;

    /// Not the escrow's signer.
    error NotSigner();
    /// A revocation up to this serial exists already.
    error RevocationNotNewer();

    event MandateRevoked(bytes32 indexed escrowId, address indexed device, uint64 serial);
    event MandateRootRegistered(bytes32 indexed escrowId, bytes32 root);
    event WatcherNamed(bytes32 indexed escrowId, address watcher);

    /// Times of revocation by serial, for each channel. Both only rise.
    mapping(bytes32 channelId => Checkpoints.Trace160) private _revocations;

    /// Roots that the signer registered. They stay.
    mapping(bytes32 escrowId => mapping(bytes32 root => bool)) public registeredRoots;

    /// Ends mandates of a device up to a serial: by the signer itself, with no signature, or by anybody with the signer's.
    function revokeMandate(bytes32 escrowId, address device, uint64 serial, bytes calldata signature) external {
        address signer = _liveSigner(escrowId);
        if (signature.length == 0) {
            if (msg.sender != signer) revert NotSigner();
        } else {
            bytes32 digest = _hashTypedDataV4(TypedData.revokeMandate(escrowId, device, serial));
            if (!Signatures.byKeyOrWallet(signer, digest, signature)) revert InvalidSignature();
        }
        Checkpoints.Trace160 storage revocations = _revocations[Identities.channel(escrowId, device)];
        // slither-disable-next-line unused-return
        (bool exists, uint96 last,) = revocations.latestCheckpoint();
        if (exists && serial <= last) revert RevocationNotNewer();
        // What it returns are the times before and now.
        // slither-disable-next-line unused-return
        revocations.push(serial, uint160(block.timestamp));
        emit MandateRevoked(escrowId, device, serial);
    }

    /// Makes every mandate under `root` good without a signature; a tree of one leaf registers a single one.
    function registerMandateRoot(bytes32 escrowId, bytes32 root) external {
        if (msg.sender != _liveSigner(escrowId)) revert NotSigner();
        registeredRoots[escrowId][root] = true;
        emit MandateRootRegistered(escrowId, root);
    }

    /// Names who, beside the payer, may demand leaves; zero for nobody.
    function setWatcher(bytes32 escrowId, address watcher) external {
        (Record storage escrow,) = _ofPayer(escrowId);
        escrow.watcher = watcher;
        emit WatcherNamed(escrowId, watcher);
    }

    function _liveSigner(bytes32 escrowId) private view returns (address) {
        return _signer(_live(escrowId));
    }

    /// When a mandate was revoked; zero where it was not.
    function revokedAt(bytes32 escrowId, address device, uint64 serial) public view returns (uint64) {
        return uint64(_revocations[Identities.channel(escrowId, device)].lowerLookup(serial));
    }
}
