//! Every reason the ledger has to say no, numbered. Codes are only ever appended, each within its group's gap.

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why an operation was refused; nothing changed by it. The same operation may be accepted later only where
        /// the ledger's state, or the time, changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum LedgerRefusal { $($(#[$doc])* $name = $code,)* }

        impl LedgerRefusal {
            /// All refusals, by code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its number.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The refusal with this number.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The variant's name, for machines.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        impl std::fmt::Display for LedgerRefusal {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(Self::$name => f.write_str($text),)* }
            }
        }
    };
}

refusals! {
    // 1-9: who signs.
    /// The signature recovers to no key.
    BadSignature = 1, "a signature recovers to no key";
    /// Signed by another key than the operation needs.
    WrongSigner = 2, "not signed by the key this operation needs";
    /// An approval by a key that is no approver.
    NotAnApprover = 3, "approved by a key that is no approver";
    /// Both approvals are by one approver.
    SameApprover = 4, "both approvals are by the same approver";
    /// Two approvals of a payer's own approvers are missing.
    ApprovalMissing = 5, "a payer with approvers of its own did not approve";
    // 10-19: the form.
    /// An amount of zero.
    ZeroAmount = 10, "amount is zero";
    /// An amount, or a sum with it, does not fit 64 bits.
    AmountTooLarge = 11, "amount does not fit 64 bits";
    /// An empty label, one of over 64 bytes, or one with control characters.
    BadLabel = 12, "label must have 1 to 64 bytes and no control characters";
    /// The zero address where somebody must stand.
    ZeroAddress = 13, "address is zero";
    /// No legs, or over 4096.
    LegCount = 14, "a batch of transfers has 1 to 4096 legs";
    /// A leg from an account to itself.
    SelfTransfer = 15, "leg pays its own payer";
    /// Journal threads not strictly ascending, none or too many of them, or a place before the last epoch's.
    BadCursors = 16, "journal cursors must ascend by thread and never go back";
    // 20-29: the escrow.
    /// No escrow with this id.
    UnknownEscrow = 20, "unknown escrow";
    /// An escrow with these terms exists already.
    EscrowExists = 21, "escrow exists already";
    /// The escrow is final.
    EscrowFinalized = 22, "escrow is finalised";
    /// The exit is requested already.
    CloseAlreadyRequested = 23, "close is requested already";
    /// No exit was requested.
    CloseNotRequested = 24, "close was not requested";
    /// The grace period is not over.
    GraceNotOver = 25, "the grace period is not over";
    /// The escrow's payee is not registered as a hub.
    PayeeNotAHub = 26, "payee is not registered as a hub";
    /// The account's money moves only with two approvals.
    ParticipantMoney = 27, "money of a hub or provider moves only with two approvals";
    /// A token this ledger does not hold.
    UnknownToken = 28, "this ledger does not hold the token";
    // 30-39: uniqueness.
    /// The counter is not one more than the last.
    WrongCounter = 30, "counter is not the next one";
    /// The reference was issued on before.
    ReferenceUsed = 31, "reference was used before";
    /// The proposal was executed before.
    ProposalExecuted = 32, "proposal was executed before";
    /// No such proposal was executed.
    ProposalUnknown = 33, "proposal was not executed";
    /// Not the hub's next epoch.
    WrongEpoch = 34, "not the hub's next epoch";
    /// A revocation with this or a higher serial exists.
    RevocationNotNewer = 35, "a revocation up to this serial exists already";
    // 40-49: accounts.
    /// The account holds too little.
    InsufficientBalance = 40, "account holds too little";
    /// A hub or provider stays one.
    ParticipantForGood = 41, "a hub or provider cannot become a payer";
    /// A leg names an account that is neither hub nor provider.
    NotAParticipant = 42, "account is not registered as hub or provider";
    /// Only a provider names a payout address.
    NotAProvider = 43, "account is not registered as a provider";
    /// An approver would approve the movements of its own money.
    ApproverAsParticipant = 44, "an approver cannot be a hub or provider";
    /// Approvers of a participant that are not none, or 2 to 32, strictly ascending.
    BadApprovers = 45, "approvers are none, or 2 to 32, strictly ascending";
    /// The account's net debit is above its cap.
    OverCap = 46, "net debit is above the account's cap";
    // 50-59: the batch.
    /// `prev_settled` is not what is settled.
    WrongPrevSettled = 50, "prevSettled is not what is settled";
    /// The total does not raise what is settled.
    TotalNotAbove = 51, "total is not above what is settled";
    /// The total is above the deposit.
    TotalAboveDeposit = 52, "total is above the deposit";
    /// The grace period after a request to close is over.
    GraceOver = 53, "the grace period after the request to close is over";
    /// The one batch after a request to close was posted already.
    LastBatchPosted = 54, "the last batch after the request to close was posted already";
    /// The escrow's last batch is not decided.
    BatchPending = 55, "the escrow's last batch is not decided yet";
    // 60-79: the leaves.
    /// Devices not strictly ascending.
    ChannelsOutOfOrder = 60, "channels are not strictly ascending";
    /// Lane ids not strictly ascending, or none, or too many in a channel.
    LanesOutOfOrder = 61, "lanes of a channel are not strictly ascending, or none, or too many";
    /// The signed counts differ from the leaves.
    CountMismatch = 62, "counts differ from the leaves";
    /// The leaves sum to another total.
    SumMismatch = 63, "leaves sum to another total";
    /// The leaves have another root.
    RootMismatch = 64, "leaves have another root";
    /// A lane settled before is missing.
    LaneMissing = 65, "a lane settled before is missing";
    /// A lane's total is below what was settled for it.
    LaneShrinks = 66, "a lane's total is below what was settled for it";
    /// A lane grew and nothing proves it.
    EvidenceMissing = 67, "a lane grew without evidence";
    /// The evidence does not hold.
    BadEvidence = 68, "evidence does not hold";
    /// The evidence is worth less than the claim.
    EvidenceTooLow = 69, "evidence is worth less than the claim";
    /// The mandate a claim names is neither given nor remembered.
    MandateMissing = 70, "mandate is neither given nor remembered";
    /// A mandate's form, path or signature does not hold, or it is for another escrow.
    BadMandate = 71, "mandate is not signed by the escrow's signer";
    /// The channel's total is above its mandate's limit.
    MandateLimit = 72, "channel total is above the mandate's limit";
    /// The mandate does not allow the lane's payee.
    PayeeNotAllowed = 73, "mandate does not allow this payee";
    /// The mandate was revoked, or expired, more than 48 hours ago, and the channel grew.
    MandateEnded = 74, "channel grew under a mandate that ended more than 48 hours ago";
    /// The batch's leaves do not match its proof: counts or root given without leaves.
    LeavesNotGiven = 75, "counts are given but no leaves";
}

impl std::error::Error for LedgerRefusal {}

impl From<farthing_channel::sign::SignatureError> for LedgerRefusal {
    fn from(error: farthing_channel::sign::SignatureError) -> Self {
        match error {
            farthing_channel::sign::SignatureError::WrongSigner => Self::WrongSigner,
            _ => Self::BadSignature,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_read_back() {
        assert!(LedgerRefusal::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        for refusal in LedgerRefusal::ALL {
            assert_eq!(LedgerRefusal::from_code(refusal.code()), Some(*refusal));
        }
        assert_eq!(LedgerRefusal::from_code(0), None);
    }
}
