// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// Who signed.
library Signatures {
    /// Whether `signature` (65 bytes, low s) over `digest` recovers to `signer`.
    function byKey(address signer, bytes32 digest, bytes calldata signature) internal pure returns (bool) {
        // The third value explains a failure, which is none here: it means that another signed.
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    /// The same, or the signer is a contract wallet that says so now. The key is tried first, so that a key that has been
    /// given code cannot take back what it signed.
    function byKeyOrWallet(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (byKey(signer, digest, signature)) return true;
        return signer.code.length > 0 && SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }
}
