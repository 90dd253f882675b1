// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Cheats} from "./Cheats.sol";
import {EscrowHandler} from "./EscrowHandler.sol";
import {PlainToken} from "./Tokens.sol";

/// What no sequence of calls may break: I1 to I7.
contract EscrowInvariantTest is Cheats {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    EscrowHandler private handler;
    Escrow private escrow;
    PlainToken private token;
    address private payer;
    address private hub;
    uint256 private minted;

    function setUp() public {
        handler = new EscrowHandler();
        escrow = handler.ledger();
        address of_;
        (payer, hub, of_) = handler.parties();
        token = PlainToken(of_);
        minted = token.balanceOf(payer);
        for (uint256 n = 0; n < handler.escrows(); n++) {
            minted += handler.channel(n).deposit;
        }
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[18] memory all = [
            handler.devicesPay.selector,
            handler.settleByVoucher.selector,
            handler.postBatch.selector,
            handler.postBatch.selector,
            handler.demand.selector,
            handler.makeFinal.selector,
            handler.makeFinal.selector,
            handler.voidBatch.selector,
            handler.takeBack.selector,
            handler.requestExit.selector,
            handler.topUp.selector,
            handler.leave.selector,
            handler.leaveOnItsOwn.selector,
            handler.closeByHub.selector,
            handler.claimCredits.selector,
            handler.stealBond.selector,
            handler.timePasses.selector,
            handler.liarAnswers.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](all.length);
        for (uint256 n = 0; n < all.length; n++) {
            targets[0].selectors[n] = all[n];
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// I1, I3: what the payee and the payer have received is what the books say, to the unit.
    function invariant_everyUnitLeavesOnce() public view {
        uint256 settled;
        uint256 deposited;
        uint256 refunded;
        for (uint256 n = 0; n < handler.escrows(); n++) {
            IEscrow.Channel memory channel = handler.channel(n);
            vm.assertLe(channel.settled, channel.deposit);
            settled += channel.settled;
            deposited += channel.deposit;
            if (channel.finalized) refunded += channel.deposit - channel.settled;
        }
        vm.assertEq(token.balanceOf(hub), settled, "paid to the payee");
        vm.assertEq(token.balanceOf(payer), minted - deposited + refunded, "returned to the payer");
    }

    /// I2: the contract holds exactly what it owes, in tokens and in the chain's own currency.
    function invariant_whatIsHeldIsWhatIsOwed() public view {
        uint256 owed = escrow.bonds(hub, address(token)) + escrow.credits(payer, address(token));
        uint256 owedWei = escrow.bonds(hub, address(0)) + escrow.credits(payer, address(0));
        owed += escrow.credits(hub, address(token));
        owedWei += escrow.credits(hub, address(0)) + handler.prepaid();
        for (uint256 n = 0; n < handler.escrows(); n++) {
            IEscrow.Channel memory channel = handler.channel(n);
            if (!channel.finalized) owed += channel.deposit - channel.settled;
            (uint256 inToken, uint256 inWei) = handler.atStake(n);
            owed += inToken;
            owedWei += inWei;
        }
        vm.assertEq(token.balanceOf(address(escrow)), owed, "tokens");
        vm.assertEq(address(escrow).balance, owedWei, "own currency");
    }

    /// I4: an honest hub's escrow never pays more than was signed for.
    function invariant_noTheft() public view {
        for (uint256 n = 0; n < handler.escrows(); n++) {
            vm.assertLe(handler.channel(n).settled, handler.justified(n));
        }
    }

    /// I5 to I7.
    function invariant_exitsBondsAndLies() public view {
        vm.assertEq(handler.exitsBarred(), 0, "a payer was kept in");
        vm.assertEq(handler.honestVoided(), 0, "an honest hub lost its bond");
        vm.assertEq(handler.liesFinal(), 0, "a challenged lie became final");
    }
}
