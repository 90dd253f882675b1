//! The bank file: the currency that a token stands for, and where participants hold their accounts.

use std::collections::BTreeMap;
use std::str::FromStr;

use farthing_channel::id::Address;
use serde::Deserialize;

use super::BankError;

/// Longest name that the format takes (`Max70Text` is the shortest that banks hold it to).
const NAME_CHARS_MAX: usize = 70;

/// Currencies whose minor unit has not two digits (ISO 4217).
const MINOR_DIGITS: &[(u8, &[&str])] = &[
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
];

/// An ISO 4217 currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency(String);

impl Currency {
    /// Its three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }

    /// Digits of its minor unit.
    #[must_use]
    pub fn minor_digits(&self) -> u8 {
        let listed = MINOR_DIGITS.iter().find(|(_, codes)| codes.contains(&self.code()));
        listed.map_or(2, |(digits, _)| *digits)
    }
}

impl FromStr for Currency {
    type Err = BankError;

    fn from_str(code: &str) -> Result<Self, BankError> {
        if code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Ok(Self(code.to_owned()));
        }
        Err(BankError::Value(format!("{code:?} is no currency: three capitals as in ISO 4217")))
    }
}

/// A participant's account at a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Whose.
    pub name: String,
    /// Its number, without spaces.
    pub iban: String,
    /// The bank, where it has to be named.
    pub bic: Option<String>,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankConfig {
    /// The currency of which one unit is one token.
    pub currency: Currency,
    /// The first epoch whose legs are paid by the bank.
    pub first_epoch: u64,
    participants: BTreeMap<Address, Party>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    currency: String,
    #[serde(default = "first")]
    first_epoch: u64,
    participant: Vec<Participant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Participant {
    #[serde(with = "crate::text")]
    account: Address,
    name: String,
    iban: String,
    bic: Option<String>,
}

const fn first() -> u64 {
    1
}

impl BankConfig {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`BankError::Config`] and [`BankError::Value`].
    pub fn parse(text: &str) -> Result<Self, BankError> {
        let file: File = toml::from_str(text)?;
        let mut participants = BTreeMap::new();
        for participant in file.participant {
            let account = participant.account;
            if participants.insert(account, participant.party()?).is_some() {
                return Err(BankError::Value(format!("{account} stands there twice")));
            }
        }
        Ok(Self { currency: file.currency.parse()?, first_epoch: file.first_epoch.max(1), participants })
    }

    /// A participant's account at its bank.
    ///
    /// # Errors
    /// [`BankError::NoParticipant`].
    pub fn party(&self, account: &Address) -> Result<&Party, BankError> {
        self.participants.get(account).ok_or(BankError::NoParticipant(*account))
    }
}

impl Participant {
    fn party(self) -> Result<Party, BankError> {
        let wrong = |what: &str, value: &str| Err(BankError::Value(format!("{value:?} is no {what}")));
        let letters = self.name.chars().count();
        if self.name.trim().is_empty() || letters > NAME_CHARS_MAX || self.name.chars().any(char::is_control) {
            return wrong("name of 1 to 70 letters", &self.name);
        }
        let iban: String = self.iban.chars().filter(|letter| *letter != ' ').collect();
        if !is_iban(&iban) {
            return wrong("IBAN", &self.iban);
        }
        match self.bic {
            Some(bic) if !is_bic(&bic) => wrong("BIC", &bic),
            bic => Ok(Party { name: self.name, iban, bic }),
        }
    }
}

/// Form and check digits (ISO 13616: moved to the end, letters as 10 to 35, the number is 1 modulo 97).
fn is_iban(iban: &str) -> bool {
    let form = iban.bytes().enumerate().all(|(place, byte)| match place {
        0 | 1 => byte.is_ascii_uppercase(),
        2 | 3 => byte.is_ascii_digit(),
        _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
    });
    let Some((country, account)) = iban.split_at_checked(4) else { return false };
    let digits = account.chars().chain(country.chars()).filter_map(|letter| letter.to_digit(36));
    let remainder = digits.fold(0, |rest: u32, digit| (rest * if digit < 10 { 10 } else { 100 } + digit) % 97);
    form && (5..=34).contains(&iban.len()) && remainder == 1
}

fn is_bic(bic: &str) -> bool {
    let form = bic.bytes().enumerate().all(|(place, byte)| match place {
        4 | 5 => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
    });
    form && matches!(bic.len(), 8 | 11)
}
