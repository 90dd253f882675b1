// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// One movement between participants.
struct Leg {
    address from;
    /// Who is paid; the money goes to its payout address.
    address to;
    uint128 amount;
}

/// How far into one thread of a hub's journal an epoch reaches.
struct JournalCursor {
    uint16 thread;
    uint64 term;
    uint64 sequence;
    bytes32 blockHash;
}

/// Two different approvers' signatures over the same data.
struct Approval {
    /// Whose approvers they are: an account that has its own, or zero for the contract's.
    address account;
    bytes first;
    bytes second;
}

/// The hash of every struct that NetSettlement takes signed, as in EIP-712's `hashStruct`.
library NetTypedData {
    bytes32 internal constant REGISTER_ACCOUNT =
        keccak256("RegisterAccount(address account,uint8 kind,string label,uint64 revision)");
    bytes32 internal constant SET_PARTICIPANT =
        keccak256("SetParticipant(address account,uint128 netDebitCap,address[] approvers,uint64 revision)");
    bytes32 internal constant SET_PAYOUT = keccak256("SetPayout(address account,address payout,uint64 revision)");
    bytes32 internal constant PAYOUT = keccak256("Payout(bytes32 reference,address account,uint128 amount)");
    bytes32 internal constant LEG = keccak256("Leg(address from,address to,uint128 amount)");
    bytes32 internal constant TRANSFER_BATCH = keccak256(
        "TransferBatch(bytes32 proposalId,uint64 epoch,Leg[] legs)Leg(address from,address to,uint128 amount)"
    );
    bytes32 internal constant JOURNAL_CURSOR =
        keccak256("JournalCursor(uint16 thread,uint64 term,uint64 sequence,bytes32 blockHash)");
    bytes32 internal constant CLOSE_EPOCH = keccak256(
        "CloseEpoch(address hub,uint64 epoch,bytes32 proposalId,JournalCursor[] cursors,bytes32 journalRoot)JournalCursor(uint16 thread,uint64 term,uint64 sequence,bytes32 blockHash)"
    );

    function registerAccount(address account, uint8 kind, string calldata label, uint64 revision)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(REGISTER_ACCOUNT, account, kind, keccak256(bytes(label)), revision));
    }

    function setParticipant(address account, uint128 cap, address[] calldata approvers, uint64 revision)
        internal
        pure
        returns (bytes32)
    {
        bytes32 listed = keccak256(abi.encodePacked(approvers));
        return keccak256(abi.encode(SET_PARTICIPANT, account, cap, listed, revision));
    }

    function setPayout(address account, address target, uint64 revision) internal pure returns (bytes32) {
        return keccak256(abi.encode(SET_PAYOUT, account, target, revision));
    }

    function payout(bytes32 paymentReference, address account, uint128 amount) internal pure returns (bytes32) {
        return keccak256(abi.encode(PAYOUT, paymentReference, account, amount));
    }

    function transferBatch(bytes32 proposalId, uint64 epoch, Leg[] calldata legs) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](legs.length);
        for (uint256 place = 0; place < legs.length; place++) {
            hashes[place] = keccak256(abi.encode(LEG, legs[place]));
        }
        return keccak256(abi.encode(TRANSFER_BATCH, proposalId, epoch, keccak256(abi.encodePacked(hashes))));
    }

    function closeEpoch(
        address hub,
        uint64 epoch,
        bytes32 proposalId,
        JournalCursor[] calldata cursors,
        bytes32 journalRoot
    ) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](cursors.length);
        for (uint256 place = 0; place < cursors.length; place++) {
            hashes[place] = keccak256(abi.encode(JOURNAL_CURSOR, cursors[place]));
        }
        bytes32 all = keccak256(abi.encodePacked(hashes));
        return keccak256(abi.encode(CLOSE_EPOCH, hub, epoch, proposalId, all, journalRoot));
    }
}
