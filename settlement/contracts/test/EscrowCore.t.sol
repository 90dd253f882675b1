// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Credits} from "../src/Credits.sol";
import {Escrow} from "../src/Escrow.sol";
import {AnchorTerms, Evidence, LaneLeaf} from "../src/Forms.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {LeafRules} from "../src/LeafRules.sol";
import {EscrowWorld} from "./EscrowWorld.sol";
import {FeeToken} from "./Tokens.sol";

/// The draft's core: rules C1 to C8.
contract EscrowCoreTest is EscrowWorld {
    function test_anEscrowOpensOnce() public {
        vm.prank(payer);
        vm.expectRevert(IEscrow.ChannelAlreadyExists.selector);
        escrow.open(hub, address(token), DEPOSIT, bytes32(0), address(0));
        bytes32 computed = escrow.computeChannelId(payer, hub, address(token), bytes32(0), address(0));
        vm.assertEq(computed, escrowId);
        IEscrow.Channel memory channel = escrow.getChannel(escrowId);
        vm.assertEq(channel.payer, payer);
        vm.assertEq(channel.payee, hub);
        vm.assertEq(channel.deposit, DEPOSIT);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT + escrow.bonds(hub, address(token)));
    }

    function test_openRefusesNothingAndNobody() public {
        vm.startPrank(payer);
        vm.expectRevert(IEscrow.ZeroDeposit.selector);
        escrow.open(hub, address(token), 0, bytes32(uint256(1)), address(0));
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.open(address(0), address(token), 1, bytes32(uint256(1)), address(0));
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.open(hub, address(0), 1, bytes32(uint256(1)), address(0));
        vm.expectRevert();
        escrow.open(hub, stranger, 1, bytes32(uint256(1)), address(0));
    }

    function test_aTokenThatTakesAFeeIsRefused() public {
        FeeToken fee = new FeeToken();
        fee.mint(payer, 1000);
        vm.startPrank(payer);
        fee.approve(address(escrow), 1000);
        vm.expectRevert(Credits.TransferMismatch.selector);
        escrow.open(hub, address(fee), 1000, bytes32(0), address(0));
    }

    function test_theDepositStaysWithin128Bits() public {
        token.mint(payer, type(uint128).max);
        vm.prank(payer);
        vm.expectRevert(IEscrow.DepositOverflow.selector);
        escrow.topUp(escrowId, type(uint128).max);
    }

    function testFuzz_settlePaysTheDifferenceOnce(uint128 first, uint128 second) public {
        first = uint128(bound(first, 1, DEPOSIT - 1));
        second = uint128(bound(second, first + 1, DEPOSIT));
        uint256 before = token.balanceOf(hub);
        vm.startPrank(hub);
        escrow.settle(escrowId, first, voucher(PAYER_KEY, escrowId, first));
        vm.assertEq(token.balanceOf(hub), before + first);
        bytes memory again = voucher(PAYER_KEY, escrowId, first);
        vm.expectRevert(IEscrow.AmountNotIncreasing.selector);
        escrow.settle(escrowId, first, again);
        escrow.settle(escrowId, second, voucher(PAYER_KEY, escrowId, second));
        vm.assertEq(token.balanceOf(hub), before + second);
        vm.assertEq(settled(), second);
    }

    function test_settleNeedsThePayeeTheSignerAndTheDeposit() public {
        bytes memory good = voucher(PAYER_KEY, escrowId, 5);
        vm.prank(stranger);
        vm.expectRevert(IEscrow.NotPayee.selector);
        escrow.settle(escrowId, 5, good);
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, 6, good);
        bytes memory own = voucher(HUB_KEY, escrowId, 5);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, 5, own);
        bytes memory above = voucher(PAYER_KEY, escrowId, DEPOSIT + 1);
        vm.expectRevert(IEscrow.AmountExceedsDeposit.selector);
        escrow.settle(escrowId, DEPOSIT + 1, above);
        vm.expectRevert(IEscrow.ChannelNotFound.selector);
        escrow.settle(bytes32(uint256(1)), 5, good);
    }

    /// The twin of a signature is as good to the precompile, and refused here; so are the short forms.
    function testFuzz_oneFormOfSignature(uint128 total) public {
        total = uint128(bound(total, 1, DEPOSIT));
        bytes32 hash = escrow.getVoucherDigest(escrowId, total);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, hash);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes32 high = bytes32(order - uint256(s));
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, total, abi.encodePacked(r, high, 55 - v));
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, total, abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255)));
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, total, abi.encodePacked(r, s, v - 27));
        escrow.settle(escrowId, total, abi.encodePacked(r, s, v));
    }

    function test_aVoucherIsGoodOnOneChainAndContract() public {
        bytes memory here = voucher(PAYER_KEY, escrowId, 5);
        vm.chainId(77);
        vm.prank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, 5, here);
        vm.chainId(31337);
        Escrow other = new Escrow(BOND_WEI, 1 gwei);
        vm.startPrank(payer);
        token.approve(address(other), DEPOSIT);
        bytes32 otherId = other.open(hub, address(token), DEPOSIT, bytes32(0), address(0));
        vm.stopPrank();
        vm.assertTrue(otherId != escrowId);
        vm.prank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        other.settle(otherId, 5, here);
    }

    function test_closePaysAndRefunds() public {
        uint256 before = token.balanceOf(payer);
        bytes memory last = voucher(PAYER_KEY, escrowId, 400);
        vm.prank(hub);
        escrow.close(escrowId, 400, last);
        vm.assertEq(token.balanceOf(hub), 400);
        vm.assertEq(token.balanceOf(payer), before + DEPOSIT - 400);
        vm.assertTrue(escrow.getChannel(escrowId).finalized);
        vm.expectRevert(IEscrow.ChannelFinalized.selector);
        escrow.settle(escrowId, 500, last);
        vm.prank(hub);
        vm.expectRevert(IEscrow.ChannelFinalized.selector);
        escrow.close(escrowId, 500, last);
        vm.startPrank(payer);
        vm.expectRevert(IEscrow.ChannelFinalized.selector);
        escrow.requestClose(escrowId);
        vm.expectRevert(IEscrow.ChannelFinalized.selector);
        escrow.topUp(escrowId, 1);
        vm.expectRevert(IEscrow.ChannelAlreadyExists.selector);
        escrow.open(hub, address(token), DEPOSIT, bytes32(0), address(0));
    }

    function test_closeAtOrBelowSettledForfeits() public {
        bytes memory first = voucher(PAYER_KEY, escrowId, 400);
        vm.startPrank(hub);
        escrow.settle(escrowId, 400, first);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.close(escrowId, 401, "");
        escrow.close(escrowId, 0, "");
        vm.assertEq(token.balanceOf(hub), 400);
        vm.assertEq(settled(), 400);
    }

    function test_withdrawNeedsARequestAndItsTime() public {
        vm.startPrank(payer);
        vm.expectRevert(IEscrow.CloseNotReady.selector);
        escrow.withdraw(escrowId);
        escrow.requestClose(escrowId);
        vm.expectRevert(IEscrow.CloseAlreadyRequested.selector);
        escrow.requestClose(escrowId);
        vm.warp(vm.getBlockTimestamp() + escrow.CLOSE_GRACE_PERIOD() - 1);
        vm.expectRevert(IEscrow.CloseNotReady.selector);
        escrow.withdraw(escrowId);
        vm.warp(vm.getBlockTimestamp() + 1);
        uint256 before = token.balanceOf(payer);
        escrow.withdraw(escrowId);
        vm.assertEq(token.balanceOf(payer), before + DEPOSIT);
        vm.expectRevert(IEscrow.ChannelFinalized.selector);
        escrow.withdraw(escrowId);
    }

    function test_onlyThePayerMovesItsSide() public {
        vm.startPrank(stranger);
        vm.expectRevert(IEscrow.NotPayer.selector);
        escrow.topUp(escrowId, 1);
        vm.expectRevert(IEscrow.NotPayer.selector);
        escrow.requestClose(escrowId);
        vm.expectRevert(IEscrow.NotPayer.selector);
        escrow.withdraw(escrowId);
        vm.expectRevert(IEscrow.NotPayer.selector);
        escrow.setWatcher(escrowId, stranger);
    }

    function test_aTopUpCancelsTheExit() public {
        vm.startPrank(payer);
        escrow.requestClose(escrowId);
        escrow.topUp(escrowId, 7);
        vm.warp(vm.getBlockTimestamp() + escrow.CLOSE_GRACE_PERIOD());
        vm.expectRevert(IEscrow.CloseNotReady.selector);
        escrow.withdraw(escrowId);
        vm.assertEq(escrow.getChannel(escrowId).deposit, DEPOSIT + 7);
    }

    function test_anAuthorisedSignerSignsInThePayersPlace() public {
        uint256 key = 0x51;
        escrowId = openEscrow(address(token), bytes32(uint256(9)), vm.addr(key));
        bytes memory payers = voucher(PAYER_KEY, escrowId, 5);
        bytes memory signers = voucher(key, escrowId, 5);
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, 5, payers);
        escrow.settle(escrowId, 5, signers);
    }

    /// A lone payer's ticks settle on the escrow itself.
    function testFuzz_ticksSettleALonePayer(uint16 length, uint16 index) public {
        length = uint16(bound(length, 1, 64));
        index = uint16(bound(index, 0, length));
        LaneLeaf memory lane = LaneLeaf(escrowId, hub, 0, 1000);
        Evidence memory evidence = byTick(PAYER_KEY, lane, length, index);
        vm.startPrank(hub);
        vm.expectRevert(LeafRules.BadEvidence.selector);
        escrow.settleEvidence(escrowId, 1001, evidence);
        escrow.settleEvidence(escrowId, 1000, evidence);
        vm.assertEq(settled(), 1000);
        evidence.index = length + 1;
        vm.expectRevert(LeafRules.BadEvidence.selector);
        escrow.settleEvidence(escrowId, 1000, evidence);
    }
}
