// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// Money in and out, and what is held for whom: rules V1 to V4. The zero address stands for the chain's own currency.
abstract contract Credits is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// The balance did not rise by exactly what was to come in: a fee on transfer, or a token that lies.
    error TransferMismatch();
    /// Nothing is credited.
    error NothingToClaim();
    /// Only the account's vault claims this.
    error NotVault();
    /// The vault is named already, or is no vault.
    error BadVault();
    /// The bond that is free is too small.
    error BondTooSmall();

    event Credited(address indexed account, address indexed token, uint256 amount);
    event Claimed(address indexed account, address indexed token, address to, uint256 amount);
    event VaultNamed(address indexed account, address indexed token, address vault);
    event BondAdded(address indexed account, address indexed token, uint256 amount);
    event BondTaken(address indexed account, address indexed token, uint256 amount);

    /// What a payee is paid from: one for each pair of payee and token, shared by all escrows of the pair.
    struct Till {
        address token;
        /// Whether the payee has named a vault for the token.
        bool toVault;
    }

    /// What an account may claim.
    mapping(address account => mapping(address token => uint256)) public credits;
    /// What an account has put down and is not at stake.
    mapping(address account => mapping(address token => uint256)) public bonds;
    /// Where an account's payouts go, for good.
    mapping(address account => mapping(address token => address)) public vaults;

    mapping(uint40 number => Till) internal _tills;
    /// From 1; zero where no escrow was opened for the pair.
    mapping(address payee => mapping(address token => uint40)) private _tillNumbers;
    uint40 private _tillsCount;

    /// Sends what is credited to `account`, to it or to its vault. Anybody may call, unless there is a vault.
    function claim(address account, address token) external nonReentrant returns (uint256 amount) {
        amount = credits[account][token];
        if (amount == 0) revert NothingToClaim();
        credits[account][token] = 0;
        address vault = vaults[account][token];
        if (vault != address(0) && msg.sender != vault) revert NotVault();
        address to = vault == address(0) ? account : vault;
        emit Claimed(account, token, to, amount);
        _transfer(token, to, amount);
    }

    /// Names the caller's vault for a token: once, and for good.
    function setVault(address token, address vault) external {
        bool named = vaults[msg.sender][token] != address(0);
        if (named || vault == address(0) || token == address(0) || vault == address(this)) revert BadVault();
        vaults[msg.sender][token] = vault;
        uint40 till = _tillNumbers[msg.sender][token];
        if (till != 0) _tills[till].toVault = true;
        emit VaultNamed(msg.sender, token, vault);
    }

    /// Puts down a bond for `account`: of a token, or of what the call carries.
    function addBond(address account, address token, uint256 amount) external payable nonReentrant {
        if (token == address(0)) {
            if (msg.value != amount) revert TransferMismatch();
        } else {
            if (msg.value != 0) revert TransferMismatch();
            _pull(token, amount);
        }
        bonds[account][token] += amount;
        emit BondAdded(account, token, amount);
    }

    /// Takes back what is not at stake.
    function takeBond(address token, uint256 amount) external nonReentrant {
        _lockBond(msg.sender, token, amount);
        emit BondTaken(msg.sender, token, amount);
        _transfer(token, msg.sender, amount);
    }

    function _lockBond(address account, address token, uint256 amount) internal {
        uint256 free = bonds[account][token];
        if (free < amount) revert BondTooSmall();
        unchecked {
            bonds[account][token] = free - amount;
        }
    }

    function _credit(address account, address token, uint256 amount) internal {
        if (amount == 0) return;
        credits[account][token] += amount;
        emit Credited(account, token, amount);
    }

    /// Takes exactly `amount` from the caller.
    function _pull(address token, uint256 amount) internal {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        if (IERC20(token).balanceOf(address(this)) - before != amount) revert TransferMismatch();
    }

    /// The number of the pair's till, which its first escrow sets up.
    function _tillOf(address payee, address token) internal returns (uint40 number) {
        number = _tillNumbers[payee][token];
        if (number != 0) return number;
        number = ++_tillsCount;
        _tillNumbers[payee][token] = number;
        _tills[number] = Till(token, vaults[payee][token] != address(0));
    }

    /// Pays an account, or credits it where it has a vault or the token refuses.
    function _payOut(address account, address token, bool toVault, uint256 amount) internal {
        if (toVault || !IERC20(token).trySafeTransfer(account, amount)) _credit(account, token, amount);
    }

    function _transfer(address token, address to, uint256 amount) private {
        if (token == address(0)) {
            Address.sendValue(payable(to), amount);
        } else {
            IERC20(token).safeTransfer(to, amount);
        }
    }
}
