//! ISO 20022 pain.001.001.09, customer credit transfer initiation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use farthing_channel::id::{Address, keccak256};

use super::{BankConfig, BankError, Order, Party, PaymentRun};
use crate::text::{TokenFormat, utc};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// Longest identifier (`Max35Text`).
const IDENTIFIER_CHARS_MAX: usize = 35;

/// Digits of an amount, before and after the point together.
const AMOUNT_DIGITS_MAX: usize = 18;

/// A file for a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditTransfer {
    /// Names the file; the same for the same run.
    pub message_id: String,
    /// Transfers in it.
    pub transactions: usize,
    /// Their sum in the currency.
    pub control_sum: String,
    /// The file.
    pub xml: String,
}

/// The file of a run; `None` where no leg comes to a whole minor unit.
///
/// # Errors
/// [`BankError::NoParticipant`], [`BankError::TooLarge`], [`BankError::ControlSum`].
pub fn credit_transfer(run: &PaymentRun, config: &BankConfig) -> Result<Option<CreditTransfer>, BankError> {
    if run.orders.is_empty() {
        return Ok(None);
    }
    let writer = Writer { run, config };
    let message_id = writer.identifier(&format!("F{}-", run.epoch), b"message");
    let control_sum = writer.amount(run.control_sum)?;
    let xml = writer.document(&message_id, &control_sum)?;
    let (transactions, orders) = read_back(&xml, &writer.format())?;
    if orders != run.control_sum || transactions != run.orders.len() {
        return Err(BankError::ControlSum { orders, runs: run.control_sum });
    }
    Ok(Some(CreditTransfer { message_id, transactions, control_sum, xml }))
}

/// How many amounts stand in a file, and their sum in minor units.
fn read_back(xml: &str, format: &TokenFormat) -> Result<(usize, u128), BankError> {
    let amounts = xml.split("<InstdAmt ").skip(1).filter_map(|rest| rest.split(['>', '<']).nth(1));
    let mut count = 0_usize;
    let mut sum = 0_u128;
    for amount in amounts {
        let minor_units = format.parse(amount).ok_or(BankError::TooLarge)?;
        count = count.saturating_add(1);
        sum = sum.checked_add(minor_units).ok_or(BankError::TooLarge)?;
    }
    Ok((count, sum))
}

struct Writer<'a> {
    run: &'a PaymentRun,
    config: &'a BankConfig,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An element that holds only text.
fn leaf(xml: &mut String, indent: usize, name: &str, text: &str) {
    let _ = writeln!(xml, "{:indent$}<{name}>{}</{name}>", "", escaped(text));
}

impl Writer<'_> {
    fn format(&self) -> TokenFormat {
        TokenFormat { decimals: self.config.currency.minor_digits(), symbol: String::new() }
    }

    fn amount(&self, minor_units: u128) -> Result<String, BankError> {
        let text = self.format().plain(minor_units);
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits > AMOUNT_DIGITS_MAX { Err(BankError::TooLarge) } else { Ok(text) }
    }

    /// `prefix` filled up with digits that follow from the run.
    fn identifier(&self, prefix: &str, purpose: &[u8]) -> String {
        let hash = hex::encode(keccak256(&[b"farthing/pain.001", &self.run.proposal.0, purpose]));
        let left = IDENTIFIER_CHARS_MAX.saturating_sub(prefix.len()).min(20);
        format!("{prefix}{}", hash.get(..left).unwrap_or_default())
    }

    fn document(&self, message_id: &str, control_sum: &str) -> Result<String, BankError> {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(xml, "<Document xmlns=\"{NAMESPACE}\">\n  <CstmrCdtTrfInitn>\n    <GrpHdr>");
        leaf(&mut xml, 6, "MsgId", message_id);
        let created = utc(self.run.closed_at).replace(" UTC", "Z").replacen(' ', "T", 1);
        leaf(&mut xml, 6, "CreDtTm", &created);
        leaf(&mut xml, 6, "NbOfTxs", &self.run.orders.len().to_string());
        leaf(&mut xml, 6, "CtrlSum", control_sum);
        let _ = writeln!(xml, "      <InitgPty>");
        leaf(&mut xml, 8, "Nm", &self.config.party(&self.run.hub)?.name);
        let _ = writeln!(xml, "      </InitgPty>\n    </GrpHdr>");
        // A bank takes the orders of one account together.
        let mut by_debtor: BTreeMap<Address, Vec<&Order>> = BTreeMap::new();
        self.run.orders.iter().for_each(|order| by_debtor.entry(order.from).or_default().push(order));
        for (debtor, orders) in &by_debtor {
            self.payments(&mut xml, debtor, orders)?;
        }
        let _ = writeln!(xml, "  </CstmrCdtTrfInitn>\n</Document>");
        Ok(xml)
    }

    fn payments(&self, xml: &mut String, debtor: &Address, orders: &[&Order]) -> Result<(), BankError> {
        let party = self.config.party(debtor)?;
        let sum = orders.iter().try_fold(0_u128, |sum, order| sum.checked_add(order.minor_units));
        let _ = writeln!(xml, "    <PmtInf>");
        leaf(xml, 6, "PmtInfId", &self.identifier(&format!("F{}P", self.run.epoch), &debtor.0));
        leaf(xml, 6, "PmtMtd", "TRF");
        leaf(xml, 6, "NbOfTxs", &orders.len().to_string());
        leaf(xml, 6, "CtrlSum", &self.amount(sum.ok_or(BankError::TooLarge)?)?);
        let sepa = self.config.currency.code() == "EUR";
        if sepa {
            let _ = writeln!(xml, "      <PmtTpInf>\n        <SvcLvl>\n          <Cd>SEPA</Cd>");
            let _ = writeln!(xml, "        </SvcLvl>\n      </PmtTpInf>");
        }
        let day = crate::text::utc_day(self.run.closed_at);
        let _ = writeln!(xml, "      <ReqdExctnDt>\n        <Dt>{day}</Dt>\n      </ReqdExctnDt>");
        named(xml, 6, "Dbtr", party);
        account(xml, 6, "DbtrAcct", party);
        agent(xml, 6, "DbtrAgt", party);
        leaf(xml, 6, "ChrgBr", if sepa { "SLEV" } else { "SHAR" });
        for order in orders {
            self.transaction(xml, order)?;
        }
        let _ = writeln!(xml, "    </PmtInf>");
        Ok(())
    }

    fn transaction(&self, xml: &mut String, order: &Order) -> Result<(), BankError> {
        let party = self.config.party(&order.to)?;
        let prefix = format!("F{}L{}-", self.run.epoch, order.leg);
        let _ = writeln!(xml, "      <CdtTrfTxInf>\n        <PmtId>");
        leaf(xml, 10, "EndToEndId", &self.identifier(&prefix, prefix.as_bytes()));
        let _ = writeln!(xml, "        </PmtId>\n        <Amt>");
        let (currency, amount) = (self.config.currency.code(), self.amount(order.minor_units)?);
        let _ = writeln!(xml, "          <InstdAmt Ccy=\"{currency}\">{amount}</InstdAmt>\n        </Amt>");
        if party.bic.is_some() {
            agent(xml, 8, "CdtrAgt", party);
        }
        named(xml, 8, "Cdtr", party);
        account(xml, 8, "CdtrAcct", party);
        let _ = writeln!(xml, "        <RmtInf>");
        leaf(xml, 10, "Ustrd", &format!("Settlement epoch {}, leg {}", self.run.epoch, order.leg));
        let _ = writeln!(xml, "        </RmtInf>\n      </CdtTrfTxInf>");
        Ok(())
    }
}

fn named(xml: &mut String, indent: usize, element: &str, party: &Party) {
    let _ = writeln!(xml, "{:indent$}<{element}>", "");
    leaf(xml, indent.saturating_add(2), "Nm", &party.name);
    let _ = writeln!(xml, "{:indent$}</{element}>", "");
}

fn account(xml: &mut String, indent: usize, element: &str, party: &Party) {
    let _ = writeln!(xml, "{:indent$}<{element}>\n{:indent$}  <Id>", "", "");
    leaf(xml, indent.saturating_add(4), "IBAN", &party.iban);
    let _ = writeln!(xml, "{:indent$}  </Id>\n{:indent$}</{element}>", "", "");
}

/// The party's bank; banks that need no BIC take `NOTPROVIDED`.
fn agent(xml: &mut String, indent: usize, element: &str, party: &Party) {
    let _ = writeln!(xml, "{:indent$}<{element}>\n{:indent$}  <FinInstnId>", "", "");
    let inner = indent.saturating_add(4);
    match &party.bic {
        Some(bic) => leaf(xml, inner, "BICFI", bic),
        None => {
            let _ = writeln!(xml, "{:inner$}<Othr>\n{:inner$}  <Id>NOTPROVIDED</Id>\n{:inner$}</Othr>", "", "", "");
        }
    }
    let _ = writeln!(xml, "{:indent$}  </FinInstnId>\n{:indent$}</{element}>", "", "");
}
