// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AnchorTerms, ChannelLeaf} from "../src/Forms.sol";
import {TickChain} from "../src/TickChain.sol";
import {FormsHarness} from "./FormsHarness.sol";
import {VectorFiles} from "./VectorFiles.sol";

/// Identities, signed data, chains and trees of mandates against the golden vectors of `channel/`.
contract VectorsTest is VectorFiles {
    string private constant CHANNEL = "../../channel/tests/vectors/";

    function test_identities() public {
        string memory json = vm.readFile(string.concat(CHANNEL, "identities.json"));
        for (uint256 n = 0; vm.keyExistsJson(json, field("escrows", n, "")); n++) {
            vm.chainId(vm.parseJsonUint(json, field("escrows", n, ".chain_id")));
            bytes32 id = forms.escrowId(
                account(json, field("escrows", n, ".payer")),
                account(json, field("escrows", n, ".payee")),
                account(json, field("escrows", n, ".token")),
                vm.parseJsonBytes32(json, field("escrows", n, ".salt")),
                account(json, field("escrows", n, ".authorized_signer")),
                account(json, field("escrows", n, ".contract"))
            );
            same(id, json, field("escrows", n, ".id"));
        }
        for (uint256 n = 0; vm.keyExistsJson(json, field("lanes", n, "")); n++) {
            bytes32 escrow = vm.parseJsonBytes32(json, field("lanes", n, ".escrow"));
            bytes32 channel = forms.channelId(escrow, account(json, field("lanes", n, ".device")));
            same(channel, json, field("lanes", n, ".channel"));
            uint32 group = uint32(vm.parseJsonUint(json, field("lanes", n, ".rating_group")));
            same(
                forms.laneId(channel, account(json, field("lanes", n, ".payee")), group), json, field("lanes", n, ".id")
            );
        }
        for (uint256 n = 0; vm.keyExistsJson(json, field("payees", n, "")); n++) {
            same(forms.payeesHash(payees(json, field("payees", n, ".payees"))), json, field("payees", n, ".hash"));
        }
    }

    function payees(string memory json, string memory key) private view returns (address[] memory listed) {
        uint256 count = 0;
        while (vm.keyExistsJson(json, string.concat(key, "[", vm.toString(count), "]"))) count++;
        listed = new address[](count);
        for (uint256 n = 0; n < count; n++) {
            listed[n] = account(json, string.concat(key, "[", vm.toString(n), "]"));
        }
    }

    function test_signedData() public {
        string memory json = vm.readFile(string.concat(CHANNEL, "signatures.json"));
        uint256 met = 0;
        for (uint256 n = 0; vm.keyExistsJson(json, field("signed", n, "")); n++) {
            (bool ours, bytes32 hash) = structHash(json, field("signed", n, ""));
            if (!ours) continue;
            met++;
            same(hash, json, field("signed", n, ".struct_hash"));
            checkSigned(json, field("signed", n, ""), hash);
        }
        vm.assertEq(met, 40);
    }

    function checkSigned(string memory json, string memory key, bytes32 hash) private {
        string memory domain = field("domains", number(json, key, ".domain"), "");
        vm.chainId(number(json, domain, ".chain_id"));
        address here = account(json, string.concat(domain, ".contract"));
        vm.etch(here, address(forms).code);
        same(FormsHarness(here).separator(), json, string.concat(domain, ".separator"));
        bytes32 digest = FormsHarness(here).digest(hash);
        same(digest, json, string.concat(key, ".digest"));
        address signer = account(json, string.concat(key, ".address"));
        vm.assertTrue(forms.byKey(signer, digest, vm.parseJsonBytes(json, string.concat(key, ".rsv"))));
        vm.assertFalse(forms.byKey(signer, digest, vm.parseJsonBytes(json, string.concat(key, ".compact"))));
    }

    function structHash(string memory json, string memory key) private view returns (bool, bytes32) {
        bytes32 kind = keccak256(bytes(vm.parseJsonString(json, string.concat(key, ".type"))));
        string memory said = string.concat(key, ".message");
        bytes32 first;
        if (kind == keccak256("Voucher")) {
            first = vm.parseJsonBytes32(json, string.concat(said, ".channelId"));
            return (true, forms.voucher(first, uint128(number(json, said, ".cumulativeAmount"))));
        }
        if (kind == keccak256("Anchor")) {
            first = vm.parseJsonBytes32(json, string.concat(said, ".channelId"));
            return (true, forms.anchor(first, anchorSaid(json, said)));
        }
        if (kind == keccak256("Mandate")) {
            first = vm.parseJsonBytes32(json, string.concat(said, ".escrowId"));
            ChannelLeaf memory leaf;
            leaf.device = account(json, string.concat(said, ".device"));
            leaf.limit = uint128(number(json, said, ".limit"));
            leaf.expiry = uint64(number(json, said, ".expiry"));
            leaf.serial = uint64(number(json, said, ".serial"));
            return (true, forms.mandate(first, leaf, vm.parseJsonBytes32(json, string.concat(said, ".payees"))));
        }
        if (kind == keccak256("MandateRoot")) {
            first = vm.parseJsonBytes32(json, string.concat(said, ".escrowId"));
            return (true, forms.mandateRoot(first, vm.parseJsonBytes32(json, string.concat(said, ".root"))));
        }
        return (false, 0);
    }

    function anchorSaid(string memory json, string memory said) private pure returns (AnchorTerms memory terms) {
        terms.baseAmount = uint128(number(json, said, ".baseAmount"));
        terms.baseTicks = uint64(number(json, said, ".baseTicks"));
        terms.tickAmount = uint32(number(json, said, ".tickAmount"));
        terms.ticksPerAmount = uint32(number(json, said, ".ticksPerAmount"));
        terms.length = uint16(number(json, said, ".length"));
        terms.tariff = vm.parseJsonBytes32(json, string.concat(said, ".tariff"));
        terms.root = vm.parseJsonBytes32(json, string.concat(said, ".root"));
    }

    function test_refusedSignatures() public view {
        string memory json = vm.readFile(string.concat(CHANNEL, "signatures.json"));
        for (uint256 n = 0; vm.keyExistsJson(json, field("refused", n, "")); n++) {
            bytes32 digest = vm.parseJsonBytes32(json, field("refused", n, ".digest"));
            address signer = account(json, field("refused", n, ".address"));
            // The empty one carries no prefix that would tell it from text.
            bytes memory text = bytes(vm.parseJsonString(json, field("refused", n, ".signature")));
            bytes memory signature;
            if (text.length != 0) signature = vm.parseJsonBytes(json, field("refused", n, ".signature"));
            vm.assertFalse(forms.byKey(signer, digest, signature));
        }
    }

    function test_chains() public view {
        string memory json = vm.readFile(string.concat(CHANNEL, "chains.json"));
        for (uint256 n = 0; vm.keyExistsJson(json, field("chains", n, "")); n++) {
            bytes32 lane = vm.parseJsonBytes32(json, field("chains", n, ".lane"));
            string memory links = field("chains", n, ".links");
            for (uint256 m = 0; vm.keyExistsJson(json, string.concat(links, "[", vm.toString(m), "]")); m++) {
                string memory pair = string.concat(links, "[", vm.toString(m), "]");
                uint16 index = uint16(number(json, pair, "[0]"));
                bytes32 link = vm.parseJsonBytes32(json, string.concat(pair, "[1]"));
                same(forms.walk(link, lane, index), json, field("chains", n, ".root"));
            }
        }
    }

    function test_worth() public {
        string memory json = vm.readFile(string.concat(CHANNEL, "chains.json"));
        for (uint256 n = 0; vm.keyExistsJson(json, field("worth", n, "")); n++) {
            AnchorTerms memory terms;
            terms.baseAmount = uint128(number(json, field("worth", n, ""), ".base_amount"));
            terms.baseTicks = uint64(number(json, field("worth", n, ""), ".base_ticks"));
            terms.tickAmount = uint32(number(json, field("worth", n, ""), ".tick_amount"));
            terms.ticksPerAmount = uint32(number(json, field("worth", n, ""), ".ticks_per_amount"));
            uint16 index = uint16(number(json, field("worth", n, ""), ".index"));
            if (vm.keyExistsJson(json, field("worth", n, ".error"))) {
                bool zero = terms.ticksPerAmount == 0;
                vm.expectRevert(zero ? TickChain.BadAnchorTerms.selector : TickChain.TickOverflow.selector);
                forms.worth(terms, index);
            } else {
                vm.assertEq(forms.worth(terms, index), number(json, field("worth", n, ""), ".amount"));
            }
        }
    }

    function test_mandateTrees() public {
        string memory json = vm.readFile(string.concat(CHANNEL, "mandates.json"));
        vm.chainId(vm.parseJsonUint(json, ".domain[0].chain_id"));
        address here = account(json, ".domain[0].contract");
        vm.etch(here, address(forms).code);
        for (uint256 n = 0; vm.keyExistsJson(json, field("trees", n, "")); n++) {
            bytes32 escrow = vm.parseJsonBytes32(json, field("trees", n, ".escrow"));
            bytes32 root = vm.parseJsonBytes32(json, field("trees", n, ".root"));
            bytes32[] memory leaves = mandateLeaves(json, field("trees", n, ".mandates"), escrow);
            // Every eighth place; a tree of a thousand leaves is walked often enough.
            for (uint64 place = 0; place < leaves.length; place += leaves.length > 16 ? 8 : 1) {
                vm.assertEq(forms.mandateTreeRoot(leaves[place], place, mandatePath(leaves, place)), root);
            }
            bytes32 digest = FormsHarness(here).digest(forms.mandateRoot(escrow, root));
            bytes memory compact = vm.parseJsonBytes(json, field("trees", n, ".signature"));
            vm.assertTrue(forms.byKey(account(json, ".domain[0].signer"), digest, expanded(compact)));
        }
    }

    function mandateLeaves(string memory json, string memory list, bytes32 escrow)
        private
        view
        returns (bytes32[] memory leaves)
    {
        uint256 count = 0;
        while (vm.keyExistsJson(json, string.concat(list, "[", vm.toString(count), "]"))) count++;
        leaves = new bytes32[](count);
        for (uint256 m = 0; m < count; m++) {
            string memory entry = string.concat(list, "[", vm.toString(m), "]");
            ChannelLeaf memory leaf;
            leaf.device = account(json, string.concat(entry, ".device"));
            leaf.limit = uint128(number(json, entry, ".limit"));
            leaf.expiry = uint64(number(json, entry, ".expiry"));
            leaf.serial = uint64(number(json, entry, ".serial"));
            leaves[m] = forms.mandate(escrow, leaf, forms.payeesHash(payees(json, string.concat(entry, ".payees"))));
        }
    }

    /// The path beside the leaf at `place`, over struct hashes padded to a power of two.
    function mandatePath(bytes32[] memory hashes, uint256 place) private pure returns (bytes32[] memory path) {
        uint256 depth = 0;
        while ((1 << depth) < hashes.length) depth++;
        bytes32[] memory level = new bytes32[](1 << depth);
        for (uint256 m = 0; m < level.length; m++) {
            bytes memory leaf = m < hashes.length ? abi.encodePacked(uint8(0), hashes[m]) : abi.encodePacked(uint8(2));
            level[m] = keccak256(leaf);
        }
        path = new bytes32[](depth);
        for (uint256 height = 0; height < depth; height++) {
            path[height] = level[place ^ 1];
            bytes32[] memory next = new bytes32[](level.length / 2);
            for (uint256 m = 0; m < next.length; m++) {
                next[m] = keccak256(abi.encodePacked(uint8(1), level[2 * m], level[2 * m + 1]));
            }
            level = next;
            place >>= 1;
        }
    }

    /// A compact signature (EIP-2098) as the 65 bytes that contracts take.
    function expanded(bytes memory compact) private pure returns (bytes memory) {
        (bytes32 r, uint256 vs) = abi.decode(compact, (bytes32, uint256));
        return abi.encodePacked(r, vs & type(uint256).max >> 1, uint8(27 + (vs >> 255)));
    }
}
