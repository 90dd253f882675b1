// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batch, ChannelLeaf, LaneLeaf, LaneProof} from "../src/Forms.sol";
import {JournalCursor, Leg} from "../src/NetForms.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {FormsHarness} from "./FormsHarness.sol";
import {VectorFiles} from "./VectorFiles.sol";

/// Trees of batches and operations of participants against the golden vectors of the embedded ledger.
contract LedgerVectorsTest is VectorFiles {
    using BatchTrees for BatchTrees.Channel[];

    function test_ledgerTrees() public view {
        string memory json = vm.readFile("../ledger/tests/vectors/ledger.json");
        uint256 met = 0;
        for (uint256 n = 1; vm.keyExistsJson(json, field("trees", n, "")); n++) {
            BatchTrees.Channel[] memory channels = tree(json, n);
            bytes32 root = vm.parseJsonBytes32(json, field("trees", n, ".root"));
            uint128 total = uint128(number(json, field("trees", n, ""), ".total"));
            uint128 before = 0;
            for (uint32 channel = 0; channel < channels.length; channel++) {
                for (uint32 lane = 0; lane < channels[channel].lanes.length; lane++) {
                    LaneProof memory proof = channels.proof(channel, lane);
                    vm.assertEq(forms.checkPlace(uint32(channels.length), root, total, proof), before);
                    before += proof.lane.total;
                    met++;
                }
            }
            vm.assertEq(before, total);
        }
        vm.assertEq(met, 45);
    }

    function tree(string memory json, uint256 n) private view returns (BatchTrees.Channel[] memory channels) {
        bytes32 escrow = vm.parseJsonBytes32(json, field("trees", n, ".escrow"));
        uint256 count = 0;
        while (vm.keyExistsJson(json, field("trees", n, string.concat(".channels[", vm.toString(count), "]")))) count++;
        channels = new BatchTrees.Channel[](count);
        for (uint256 m = 0; m < count; m++) {
            string memory entry = field("trees", n, string.concat(".channels[", vm.toString(m), "]"));
            ChannelLeaf memory leaf = channels[m].leaf;
            leaf.device = account(json, string.concat(entry, ".device"));
            leaf.limit = uint128(number(json, entry, ".limit"));
            leaf.expiry = uint64(number(json, entry, ".expiry"));
            leaf.serial = uint64(number(json, entry, ".serial"));
            channels[m].lanes = lanes(json, entry, forms.channelId(escrow, leaf.device));
            BatchTrees.seal(channels[m]);
        }
    }

    function lanes(string memory json, string memory entry, bytes32 channel)
        private
        view
        returns (LaneLeaf[] memory leaves)
    {
        uint256 count = 0;
        while (vm.keyExistsJson(json, string.concat(entry, ".lanes[", vm.toString(count), "]"))) count++;
        leaves = new LaneLeaf[](count);
        for (uint256 m = 0; m < count; m++) {
            string memory lane = string.concat(entry, ".lanes[", vm.toString(m), "]");
            leaves[m].payee = account(json, string.concat(lane, ".payee"));
            leaves[m].ratingGroup = uint32(number(json, lane, ".group"));
            leaves[m].total = uint128(number(json, lane, ".total"));
            leaves[m].laneId = forms.laneId(channel, leaves[m].payee, leaves[m].ratingGroup);
        }
        BatchTrees.sort(leaves);
    }

    function test_ledgerOperations() public {
        string memory json = vm.readFile("../ledger/tests/vectors/ledger.json");
        vm.chainId(0x66_6172_7468);
        address here = address(bytes20(hex"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"));
        vm.etch(here, address(forms).code);
        uint256 met = 0;
        for (uint256 n = 0; vm.keyExistsJson(json, field("operations", n, "")); n++) {
            (bool ours, bytes32 hash) = operationHash(json, field("operations", n, ""));
            if (!ours) continue;
            met++;
            same(FormsHarness(here).digest(hash), json, field("operations", n, ".digest"));
        }
        vm.assertEq(met, 16);
    }

    function operationHash(string memory json, string memory key) private view returns (bool, bytes32) {
        bytes32 kind = keccak256(bytes(vm.parseJsonString(json, string.concat(key, ".kind"))));
        string memory said = string.concat(key, ".message");
        if (kind == keccak256("RegisterAccount")) {
            string memory label = vm.parseJsonString(json, string.concat(said, ".label"));
            uint8 code = uint8(number(json, said, ".kind"));
            address who = account(json, string.concat(said, ".account"));
            return (true, forms.registerAccount(who, code, label, uint64(number(json, said, ".revision"))));
        }
        if (kind == keccak256("SetPayout")) {
            address who = account(json, string.concat(said, ".account"));
            address payout = account(json, string.concat(said, ".payout"));
            return (true, forms.setPayout(who, payout, uint64(number(json, said, ".revision"))));
        }
        if (kind == keccak256("Payout")) {
            bytes32 named = vm.parseJsonBytes32(json, string.concat(said, ".reference"));
            address who = account(json, string.concat(said, ".account"));
            return (true, forms.payout(named, who, uint128(number(json, said, ".amount"))));
        }
        if (kind == keccak256("SetParticipant")) {
            address who = account(json, string.concat(said, ".account"));
            uint128 cap = uint128(number(json, said, ".netDebitCap"));
            address[] memory approvers = vm.parseJsonAddressArray(json, string.concat(said, ".approvers"));
            return (true, forms.setParticipant(who, cap, approvers, uint64(number(json, said, ".revision"))));
        }
        if (kind == keccak256("RevokeMandate")) {
            bytes32 escrow = vm.parseJsonBytes32(json, string.concat(said, ".escrowId"));
            address device = account(json, string.concat(said, ".device"));
            return (true, forms.revokeMandate(escrow, device, uint64(number(json, said, ".serial"))));
        }
        if (kind == keccak256("SettleBatch")) return (true, forms.settleBatch(batchSaid(json, said)));
        if (kind == keccak256("TransferBatch")) return (true, transferSaid(json, said));
        if (kind == keccak256("CloseEpoch")) return (true, epochSaid(json, said));
        return (false, 0);
    }

    function batchSaid(string memory json, string memory said) private pure returns (Batch memory batch) {
        batch.escrowId = vm.parseJsonBytes32(json, string.concat(said, ".escrowId"));
        batch.prevSettled = uint128(number(json, said, ".prevSettled"));
        batch.total = uint128(number(json, said, ".total"));
        batch.root = vm.parseJsonBytes32(json, string.concat(said, ".root"));
        batch.channels = uint32(number(json, said, ".channels"));
        batch.lanes = uint32(number(json, said, ".lanes"));
        batch.journalRoot = vm.parseJsonBytes32(json, string.concat(said, ".journalRoot"));
        batch.epoch = uint64(number(json, said, ".epoch"));
    }

    function transferSaid(string memory json, string memory said) private view returns (bytes32) {
        uint256 count = 0;
        while (vm.keyExistsJson(json, string.concat(said, ".legs[", vm.toString(count), "]"))) count++;
        Leg[] memory legs = new Leg[](count);
        for (uint256 m = 0; m < count; m++) {
            string memory leg = string.concat(said, ".legs[", vm.toString(m), "]");
            legs[m].from = account(json, string.concat(leg, ".from"));
            legs[m].to = account(json, string.concat(leg, ".to"));
            legs[m].amount = uint128(number(json, leg, ".amount"));
        }
        bytes32 proposal = vm.parseJsonBytes32(json, string.concat(said, ".proposalId"));
        return forms.transferBatch(proposal, uint64(number(json, said, ".epoch")), legs);
    }

    function epochSaid(string memory json, string memory said) private view returns (bytes32) {
        uint256 count = 0;
        while (vm.keyExistsJson(json, string.concat(said, ".cursors[", vm.toString(count), "]"))) count++;
        JournalCursor[] memory cursors = new JournalCursor[](count);
        for (uint256 m = 0; m < count; m++) {
            string memory cursor = string.concat(said, ".cursors[", vm.toString(m), "]");
            cursors[m].thread = uint16(number(json, cursor, ".thread"));
            cursors[m].term = uint64(number(json, cursor, ".term"));
            cursors[m].sequence = uint64(number(json, cursor, ".sequence"));
            cursors[m].blockHash = vm.parseJsonBytes32(json, string.concat(cursor, ".blockHash"));
        }
        return forms.closeEpoch(
            account(json, string.concat(said, ".hub")),
            uint64(number(json, said, ".epoch")),
            vm.parseJsonBytes32(json, string.concat(said, ".proposalId")),
            cursors,
            vm.parseJsonBytes32(json, string.concat(said, ".journalRoot"))
        );
    }
}
