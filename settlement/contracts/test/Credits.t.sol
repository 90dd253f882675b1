// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Credits} from "../src/Credits.sol";
import {Batch} from "../src/Forms.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";
import {FeeToken, HookToken, PlainToken, RefusingToken} from "./Tokens.sol";

/// Money in and out: rules V1 to V4, and tokens that misbehave.
contract CreditsTest is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    address private vault = vm.addr(0xFA);

    /// A token refuses the payee: the payer's exit is not held up, and the payee's money waits for it.
    function test_aRefusedPayeeHoldsNobodyUp() public {
        RefusingToken refusing = new RefusingToken();
        escrowId = openEscrow(address(refusing), bytes32(0), address(0));
        fundBond(address(refusing), 1_000_000);
        Batch memory batch = claim(plan(3, 1, 1000), 1);
        post(batch);
        vm.prank(payer);
        escrow.requestClose(escrowId);
        refusing.refuse(hub, true);
        vm.warp(vm.getBlockTimestamp() + escrow.CLOSE_GRACE_PERIOD());
        escrow.finalizeBatch(batch);
        uint256 before = refusing.balanceOf(payer);
        vm.prank(payer);
        escrow.withdraw(escrowId);
        vm.assertEq(refusing.balanceOf(payer), before + DEPOSIT - batch.total);
        vm.assertEq(escrow.credits(hub, address(refusing)), batch.total);
        vm.expectRevert();
        escrow.claim(hub, address(refusing));
        refusing.refuse(hub, false);
        escrow.claim(hub, address(refusing));
        vm.assertEq(refusing.balanceOf(hub), batch.total);
        vm.expectRevert(Credits.NothingToClaim.selector);
        escrow.claim(hub, address(refusing));
    }

    function test_aRefusedPayerHoldsNobodyUp() public {
        RefusingToken refusing = new RefusingToken();
        escrowId = openEscrow(address(refusing), bytes32(0), address(0));
        refusing.refuse(payer, true);
        bytes memory last = voucher(PAYER_KEY, escrowId, 400);
        vm.prank(hub);
        escrow.close(escrowId, 400, last);
        vm.assertEq(refusing.balanceOf(hub), 400);
        vm.assertEq(escrow.credits(payer, address(refusing)), DEPOSIT - 400);
    }

    /// A token's hook calls back into whatever moves money, in the middle of a payout, and is the payee itself: the lock
    /// alone stops it.
    function test_noReentry() public {
        HookToken hook = new HookToken();
        hook.mint(payer, DEPOSIT);
        vm.startPrank(payer);
        hook.approve(address(escrow), DEPOSIT);
        escrowId = escrow.open(address(hook), address(hook), DEPOSIT, bytes32(0), address(0));
        vm.stopPrank();
        bytes memory more = voucher(PAYER_KEY, escrowId, 900);
        bytes[3] memory calls = [
            abi.encodeCall(escrow.settle, (escrowId, 900, more)),
            abi.encodeCall(escrow.close, (escrowId, 900, more)),
            abi.encodeCall(escrow.claim, (address(hook), address(hook)))
        ];
        for (uint128 turn = 0; turn < calls.length; turn++) {
            hook.hook(address(escrow), calls[turn]);
            bytes memory outer = voucher(PAYER_KEY, escrowId, 400 + turn);
            vm.prank(address(hook));
            escrow.settle(escrowId, 400 + turn, outer);
            vm.assertTrue(hook.reached());
            vm.assertFalse(hook.succeeded());
        }
        vm.assertEq(settled(), 402);
        hook.hook(address(0), "");
        vm.prank(address(hook));
        escrow.settle(escrowId, 900, more);
    }

    function test_aVaultTakesThePayouts() public {
        vm.prank(hub);
        escrow.setVault(address(token), vault);
        Batch memory batch = settleNight(plan(3, 1, 1000), 1);
        vm.assertEq(token.balanceOf(hub), 0);
        vm.assertEq(escrow.credits(hub, address(token)), batch.total);
        vm.prank(hub);
        vm.expectRevert(Credits.NotVault.selector);
        escrow.claim(hub, address(token));
        vm.prank(vault);
        escrow.claim(hub, address(token));
        vm.assertEq(token.balanceOf(vault), batch.total);
    }

    /// Whether escrows in its favour were opened before or after, in that token alone, and by `settle` as by a night.
    function test_aVaultTakesWhatEveryEscrowOfItsTokenPays() public {
        PlainToken other = new PlainToken();
        bytes32 elsewhere = openEscrow(address(other), bytes32(0), address(0));
        vm.prank(hub);
        escrow.setVault(address(token), vault);
        bytes32 later = openEscrow(address(token), bytes32(uint256(1)), provider(7));
        bytes32[3] memory ids = [escrowId, later, elsewhere];
        for (uint256 n = 0; n < 3; n++) {
            bytes memory signature = voucher(n == 1 ? 0x9007 : PAYER_KEY, ids[n], 10);
            vm.prank(hub);
            escrow.settle(ids[n], 10, signature);
        }
        vm.assertEq(escrow.credits(hub, address(token)), 20);
        vm.assertEq(token.balanceOf(hub), 0);
        vm.assertEq(other.balanceOf(hub), 10);
        // A vault that is named before the first escrow counts as well.
        vm.prank(watcher);
        escrow.setVault(address(token), vault);
        vm.prank(payer);
        bytes32 first = escrow.open(watcher, address(token), DEPOSIT, bytes32(0), address(0));
        bytes memory agreed = voucher(PAYER_KEY, first, 5);
        vm.prank(watcher);
        escrow.settle(first, 5, agreed);
        vm.assertEq(escrow.credits(watcher, address(token)), 5);
    }

    function test_aVaultIsForGood() public {
        vm.startPrank(hub);
        vm.expectRevert(Credits.BadVault.selector);
        escrow.setVault(address(token), address(0));
        vm.expectRevert(Credits.BadVault.selector);
        escrow.setVault(address(0), vault);
        vm.expectRevert(Credits.BadVault.selector);
        escrow.setVault(address(token), address(escrow));
        escrow.setVault(address(token), vault);
        vm.expectRevert(Credits.BadVault.selector);
        escrow.setVault(address(token), hub);
    }

    function test_bondsComeBackWhileFree() public {
        Batch memory batch = claim(plan(3, 1, 1000), 1);
        post(batch);
        uint256 free = escrow.bonds(hub, address(token));
        vm.startPrank(hub);
        vm.expectRevert(Credits.BondTooSmall.selector);
        escrow.takeBond(address(token), free + 1);
        escrow.takeBond(address(token), free);
        uint256 before = hub.balance;
        escrow.takeBond(address(0), 0.5 ether);
        vm.assertEq(hub.balance, before + 0.5 ether);
        vm.stopPrank();
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(batch);
        vm.assertEq(escrow.bonds(hub, address(token)), bondOf(batch));
    }

    function test_aBondIsWhatCameIn() public {
        FeeToken fee = new FeeToken();
        fee.mint(hub, 1000);
        vm.startPrank(hub);
        fee.approve(address(escrow), 1000);
        vm.expectRevert(Credits.TransferMismatch.selector);
        escrow.addBond(hub, address(fee), 1000);
        vm.expectRevert(Credits.TransferMismatch.selector);
        escrow.addBond{value: 1}(hub, address(0), 2);
        vm.expectRevert(Credits.TransferMismatch.selector);
        escrow.addBond{value: 1}(hub, address(token), 1);
    }

    /// The hub's key and a payer in league can burn the bond that was put down, and no payout.
    function test_aStolenHubKeyLosesTheBondAlone() public {
        vm.prank(hub);
        escrow.setVault(address(token), vault);
        Batch memory honest = settleNight(plan(3, 1, 1000), 1);
        uint256 bond = escrow.bonds(hub, address(token));
        BatchTrees.Channel[] memory channels = plan(3, 1, 50_000_000);
        Batch memory lie = claim(channels, 2);
        post(lie);
        voidUnanswered(lie, demandIndex(lie, 0, 0));
        vm.assertEq(escrow.bonds(hub, address(token)), bond - bondOf(lie));
        vm.assertEq(escrow.credits(hub, address(token)), honest.total);
    }
}
