//! The contracts' words, as `settlement/contracts` declares them.

use alloy_primitives::Address as ChainAddress;
use alloy_sol_types::{SolInterface as _, sol};
use farthing_channel::id::{Address, Hash32};

#[allow(missing_docs, missing_debug_implementations, clippy::all)]
mod declared {
    use super::sol;

    sol! {
        #[derive(Debug, PartialEq, Eq)]
        struct Batch {
            bytes32 escrowId;
            uint128 prevSettled;
            uint128 total;
            bytes32 root;
            uint32 channels;
            uint32 lanes;
            bytes32 journalRoot;
            uint64 epoch;
        }
        #[derive(Debug)]
        struct SumNode { bytes32 hash; uint128 sum; }
        #[derive(Debug)]
        struct SumProof { uint32 index; SumNode[] siblings; }
        #[derive(Debug)]
        struct LaneLeaf { bytes32 laneId; address payee; uint32 ratingGroup; uint128 total; }
        #[derive(Debug)]
        struct ChannelLeaf {
            address device;
            uint128 limit;
            uint64 expiry;
            uint64 serial;
            uint32 lanes;
            uint128 total;
            bytes32 lanesRoot;
        }
        #[derive(Debug)]
        struct LaneProof { LaneLeaf lane; SumProof laneProof; ChannelLeaf channel; SumProof channelProof; }
        #[derive(Debug)]
        struct MandateProof { address[] payees; bool inTree; bytes signature; uint64 index; bytes32[] siblings; }
        #[derive(Debug)]
        struct AnchorTerms {
            uint128 baseAmount;
            uint64 baseTicks;
            uint32 tickAmount;
            uint32 ticksPerAmount;
            uint16 length;
            bytes32 tariff;
            bytes32 root;
        }
        #[derive(Debug)]
        struct Evidence {
            bool isTick;
            bytes signature;
            uint128 amount;
            AnchorTerms anchor;
            uint16 index;
            bytes32 link;
        }
        #[derive(Debug)]
        struct BatchState {
            bytes32 batchId;
            uint64 postedAt;
            uint256 openDemands;
            uint256 demands;
            bytes32 establishedId;
            uint64 epoch;
            bool lastBatchPosted;
            address watcher;
        }
        #[derive(Debug)]
        struct Leg { address from; address to; uint128 amount; }
        #[derive(Debug)]
        struct JournalCursor { uint16 thread; uint64 term; uint64 sequence; bytes32 blockHash; }
        #[derive(Debug)]
        struct Approval { address account; bytes first; bytes second; }

        #[derive(Debug)]
        contract Escrow {
            event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address token, address authorizedSigner, uint256 deposit);
            event ChannelSalt(bytes32 indexed channelId, bytes32 salt);
            event Settled(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 cumulativeAmount, uint256 deltaPaid, uint256 newSettled);
            event CloseRequested(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd);
            event TopUp(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 additionalDeposit, uint256 newDeposit);
            event ChannelClosed(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 settledToPayee, uint256 refundedToPayer);
            event BatchPosted(bytes32 indexed escrowId, bytes32 indexed batchId, Batch batch, uint64 postedAt);
            event BatchFinal(bytes32 indexed escrowId, bytes32 indexed batchId, bool agreed, bool established);
            event BatchVoided(bytes32 indexed escrowId, bytes32 indexed batchId);
            event MandateRevoked(bytes32 indexed escrowId, address indexed device, uint64 serial);
            event Credited(address indexed account, address indexed token, uint256 amount);
            event Demanded(bytes32 indexed escrowId, bytes32 indexed batchId, uint256 number, address by, bool bySum, uint128 position, uint64 deadline);

            error ChannelAlreadyExists();
            error ChannelNotFound();
            error ChannelFinalized();
            error NotPayee();
            error NotPayer();
            error AmountNotIncreasing();
            error AmountExceedsDeposit();
            error InvalidSignature();
            error CloseNotReady();
            error ZeroDeposit();
            error DepositOverflow();
            error ZeroAddress();
            error CloseAlreadyRequested();
            error BatchPending();
            error WrongPrevSettled();
            error StaleEpoch();
            error NoLeaves();
            error LastBatchPosted();
            error GraceOver();
            error NotPending();
            error NotDecided();
            error WindowOver();
            error NotSigner();
            error RevocationNotNewer();
            error TransferMismatch();
            error NothingToClaim();
            error NotVault();
            error BadVault();
            error BondTooSmall();
            error NotChallenger();
            error NoSuchPlace();
            error TooManyDemands();
            error PrepaymentTooSmall();
            error NoSuchDemand();
            error DeadlineOver();
            error DeadlineNotOver();
            error WrongPlace();
            error BadEvidence();

            function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner) external returns (bytes32);
            function topUp(bytes32 channelId, uint128 additionalDeposit) external;
            function requestClose(bytes32 channelId) external;
            function withdraw(bytes32 channelId) external;
            function close(bytes32 channelId, uint128 cumulativeAmount, bytes signature) external;
            function settleEvidence(bytes32 escrowId, uint128 total, Evidence evidence) external;
            function settleBatch(Batch batch, bytes agreement) external;
            function finalizeBatch(Batch batch) external;
            function answer(Batch batch, uint256 number, LaneProof leaf, MandateProof mandate, Evidence evidence) external;
            function answerCarried(Batch batch, uint256 number, LaneProof leaf, MandateProof mandate, Batch last, uint64 lastPostedAt, LaneProof lastLeaf) external;
            function revokeMandate(bytes32 escrowId, address device, uint64 serial, bytes signature) external;
            function setVault(address token, address vault) external;
            function addBond(address account, address token, uint256 amount) external payable;
            function batchState(bytes32 escrowId) external view returns (BatchState);
            function demands(bytes32 batchId, uint256 number) external view returns (address by, uint96 prepaid, uint64 deadline, bool bySum, uint128 position);
            function bonds(address account, address token) external view returns (uint256);
            function credits(address account, address token) external view returns (uint256);
            function vaults(address account, address token) external view returns (address);
            function bondWei() external view returns (uint256);
        }

        #[derive(Debug)]
        contract NetSettlement {
            event AccountRegistered(address indexed account, uint8 kind, string label);
            event ParticipantSet(address indexed account, uint128 netDebitCap, address[] approvers);
            event PayoutChanged(address indexed account, address payout, uint64 effective);
            event Deposited(address indexed account, uint256 amount);
            event Withdrawn(address indexed account, address to, uint256 amount, bytes32 paymentReference);
            event Transferred(bytes32 indexed proposalId, address indexed from, address indexed to, uint64 epoch, uint256 leg, address credited, uint128 amount);
            event EpochClosed(address indexed hub, uint64 indexed epoch, bytes32 proposalId, JournalCursor[] cursors, bytes32 journalRoot);

            error BadApprovers();
            error BadAccount();
            error BadLabel();
            error WrongRevision();
            error NotAnApprover(address signer);
            error SameApprover();
            error WrongApproval();
            error NotTheAccount();
            error NotAParticipant(address account);
            error NotAProvider();
            error BadLegs();
            error ProposalExecuted();
            error ProposalUnknown();
            error NotApproved(address account);
            error Defaulted(address account, uint256 missing);
            error OverCap(address account, uint256 netDebit);
            error ParticipantMoney();
            error InsufficientBalance();
            error ReferenceUsed();
            error WrongEpoch();
            error BadCursors();

            function registerAccount(address account, uint8 kind, string label, uint64 revision, Approval approval) external;
            function setParticipant(address account, uint128 netDebitCap, address[] approvers, uint64 revision, Approval approval) external;
            function setPayout(address account, address payout, uint64 revision, bytes signature) external;
            function deposit(address account, uint256 amount) external;
            function collect(address account) external;
            function payOut(bytes32 paymentReference, address account, uint128 amount, Approval approval) external;
            function settleNet(bytes32 proposalId, uint64 epoch, Leg[] legs, Approval[] approvals) external;
            function closeEpoch(address hub, uint64 epoch, bytes32 proposalId, JournalCursor[] cursors, bytes32 journalRoot, JournalCursor[] lastCursors, Approval approval) external;
            function balances(address account) external view returns (uint256);
        }

        #[derive(Debug)]
        contract Token {
            error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
            error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
            function approve(address spender, uint256 amount) external returns (bool);
            function transfer(address to, uint256 amount) external returns (bool);
            function mint(address to, uint256 amount) external;
            function decimals() external view returns (uint8);
            function balanceOf(address account) external view returns (uint256);
            function allowance(address owner, address spender) external view returns (uint256);
        }
    }
}

pub(crate) use declared::*;

/// A contract's refusal by its name.
pub(crate) fn refusal(data: &[u8]) -> String {
    if let Ok(error) = Escrow::EscrowErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    if let Ok(error) = NetSettlement::NetSettlementErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    if let Ok(error) = Token::TokenErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    match alloy_sol_types::decode_revert_reason(data) {
        Some(reason) => reason,
        None => format!("0x{}", hex::encode(data)),
    }
}

pub(crate) fn to_chain(address: &Address) -> ChainAddress {
    ChainAddress::new(address.0)
}

pub(crate) fn from_chain(address: &ChainAddress) -> Address {
    Address(address.into_array())
}

pub(crate) fn word(hash: &Hash32) -> alloy_primitives::B256 {
    alloy_primitives::B256::new(hash.0)
}
