//! Requests into answers.

use farthing_channel::admission::ChannelStatus;
use farthing_channel::codec::decode_exact;
use farthing_channel::id::{Address, ChannelId, RatingGroup};
use farthing_channel::lane::Evidence;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::EscrowState;
use farthing_channel::tariff::Tariff;
use serde::Serialize;

use super::encoded::{HexBytes, Text};
use super::hub::AdministeredHub;
use super::list;
use super::protocol::{
    AdminError, AnchorSummary, ChannelDetail, ChannelSummary, EscrowSummary, Imported, LaneDetail, LaneSummary,
    PROVIDER_NAME_BYTES_MAX, Page, ProviderSummary, Request, Status, TariffDetail, TariffSummary,
};
use super::risk_form::{self, FleetsSeen, RiskExplained};
use super::tariff_form::TariffForm;
use crate::control::ControlError;
use crate::risk::engine::ModelMode;
use crate::table::cold::Unreadable;
use crate::table::directory::Provider;
use crate::table::escrow::EscrowUse;
use crate::table::fold::FoldError;
use crate::table::{Channel, Escrow, Lane, TariffEntry};

/// An answer, as the method's documentation names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant is the type of its name")]
pub enum Answer {
    Status(Box<Status>),
    Channels(Page<ChannelSummary>),
    Channel(ChannelSummary),
    ChannelDetail(ChannelDetail),
    Imported(Imported),
    Lane(LaneDetail),
    Escrows(Page<EscrowSummary>),
    Escrow(EscrowSummary),
    Provider(ProviderSummary),
    Providers(Vec<ProviderSummary>),
    Tariff(TariffSummary),
    Tariffs(Vec<TariffSummary>),
    TariffDetail(TariffDetail),
    Risk(RiskExplained),
    Fleets(FleetsSeen),
}

impl From<ControlError> for AdminError {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::Refused(_) => "refused",
            ControlError::Unreadable(_) | ControlError::Unknown(FoldError::Unreadable(_)) => "checkpoint",
            ControlError::Unknown(_) => "not_found",
            ControlError::Journal(_) => "journal",
            ControlError::Timeout => "timeout",
            ControlError::TooLarge => "too_large",
        };
        Self::new(code, error.to_string())
    }
}

impl From<Unreadable> for AdminError {
    fn from(error: Unreadable) -> Self {
        Self::new("checkpoint", error.to_string())
    }
}

/// Does what is asked. Waits for the disk where something changes.
///
/// # Errors
/// [`AdminError`]; nothing was changed then, except for the bundles of an import before the one refused, and where the
/// error itself says that it cannot be known.
pub fn answer(hub: &dyn AdministeredHub, request: Request) -> Result<Answer, AdminError> {
    let table = hub.table();
    Ok(match request {
        Request::Status {} => Answer::Status(Box::new(hub.status())),
        Request::ChannelList { after, escrow, limit } => {
            let (after, escrow) = (after.map(|id| id.0), escrow.map(|id| id.0));
            Answer::Channels(list::channels(table, after, escrow, limit, channel_summary)?)
        }
        Request::ChannelShow { channel } => {
            let channel = table.channel(&channel.0)?.ok_or_else(|| AdminError::not_found("channel"))?;
            Answer::ChannelDetail(channel_detail(&channel))
        }
        Request::ChannelFreeze { channel } => set_status(hub, channel.0, ChannelStatus::Frozen)?,
        Request::ChannelThaw { channel } => set_status(hub, channel.0, ChannelStatus::Open)?,
        Request::ChannelClose { channel } => set_status(hub, channel.0, ChannelStatus::Closed)?,
        Request::MandatesImport { bundles } => Answer::Imported(import(hub, &bundles)?),
        Request::RiskExplain { channel } => explain_risk(hub, channel.0)?,
        Request::RiskOverride { channel, level, seconds } => {
            if hub.risk().mode() == ModelMode::Off {
                return Err(AdminError::new("refused", "there is no risk model: risk_model.mode is off"));
            }
            hub.override_risk(channel.0, level, seconds)?;
            explain_risk(hub, channel.0)?
        }
        Request::RiskFleets {} => Answer::Fleets(risk_form::fleets(hub.risk(), table)),
        Request::LaneShow { lane } => {
            let lane = table.lane(&lane.0)?.ok_or_else(|| AdminError::not_found("lane"))?;
            Answer::Lane(lane_detail(&lane))
        }
        Request::EscrowList { after, limit } => {
            Answer::Escrows(list::escrows(table, after.map(|id| id.0), limit, escrow_summary))
        }
        Request::EscrowShow { escrow } => {
            let escrow = table.escrow(&escrow.0).ok_or_else(|| AdminError::not_found("escrow"))?;
            Answer::Escrow(escrow_summary(&escrow))
        }
        Request::ProviderAdd { address, name } => add_provider(hub, address.0, name)?,
        Request::ProviderSetActive { address, active } => {
            let held = table.directory.provider(&address.0).ok_or_else(|| AdminError::not_found("provider"))?;
            set_provider(hub, address.0, held.name, active)?
        }
        Request::ProviderList {} => {
            let all = table.directory.providers();
            Answer::Providers(all.into_iter().map(|(address, held)| provider_summary(address, held)).collect())
        }
        Request::TariffAdd { payee, rating_group, tariff } => add_tariff(hub, payee.0, rating_group, &tariff)?,
        Request::TariffList {} => {
            let all = table.directory.current_tariffs();
            Answer::Tariffs(
                all.iter().map(|(payee, group, entry)| tariff_summary(*payee, group.0, entry.tariff())).collect(),
            )
        }
        Request::TariffShow { tariff } => {
            let entry = table.directory.tariff(&tariff.0).ok_or_else(|| AdminError::not_found("tariff"))?;
            Answer::TariffDetail(tariff_detail(&entry))
        }
    })
}

fn explain_risk(hub: &dyn AdministeredHub, id: ChannelId) -> Result<Answer, AdminError> {
    let channel = hub.table().channel(&id)?.ok_or_else(|| AdminError::not_found("channel"))?;
    Ok(Answer::Risk(risk_form::explain(hub.risk(), hub.table(), &channel)))
}

fn set_status(hub: &dyn AdministeredHub, id: ChannelId, status: ChannelStatus) -> Result<Answer, AdminError> {
    let channel = hub.table().channel(&id)?.ok_or_else(|| AdminError::not_found("channel"))?;
    hub.set_status(id, status)?;
    Ok(Answer::Channel(channel_summary(&channel)))
}

fn import(hub: &dyn AdministeredHub, bundles: &[HexBytes]) -> Result<Imported, AdminError> {
    let mut imported = Imported::default();
    for (position, bytes) in bundles.iter().enumerate() {
        let bundle: MandateBundle = decode_exact(&bytes.0)
            .map_err(|error| AdminError::new("bad_request", format!("bundle {position} of this request: {error}")))?;
        let outcome = hub.import_mandates(bundle).map_err(|error| {
            let error = AdminError::from(error);
            AdminError { message: format!("bundle {position} of this request: {}", error.message), ..error }
        })?;
        imported.bundles = imported.bundles.saturating_add(1);
        imported.accepted = imported.accepted.saturating_add(u64::try_from(outcome.accepted).unwrap_or(u64::MAX));
        imported.known = imported.known.saturating_add(u64::try_from(outcome.known).unwrap_or(u64::MAX));
    }
    Ok(imported)
}

fn add_provider(hub: &dyn AdministeredHub, address: Address, name: String) -> Result<Answer, AdminError> {
    let is_printable = !name.is_empty() && !name.chars().any(char::is_control);
    if !is_printable || name.len() > PROVIDER_NAME_BYTES_MAX {
        let message = format!("a provider's name has 1 to {PROVIDER_NAME_BYTES_MAX} bytes and no control characters");
        return Err(AdminError::new("bad_request", message));
    }
    if address.is_zero() {
        return Err(AdminError::new("bad_request", "a provider's address must not be zero"));
    }
    // A provider that was switched off stays off when it is renamed.
    let active = hub.table().directory.provider(&address).is_none_or(|held| held.active);
    set_provider(hub, address, name, active)
}

fn set_provider(hub: &dyn AdministeredHub, address: Address, name: String, active: bool) -> Result<Answer, AdminError> {
    hub.set_provider(address, name.clone(), active)?;
    Ok(Answer::Provider(provider_summary(address, Provider { name, active })))
}

fn add_tariff(hub: &dyn AdministeredHub, payee: Address, group: u32, encoded: &HexBytes) -> Result<Answer, AdminError> {
    let tariff =
        Tariff::from_cbor(&encoded.0).map_err(|error| AdminError::new("bad_request", format!("tariff: {error}")))?;
    hub.set_tariff(payee, RatingGroup(group), &tariff)?;
    Ok(Answer::Tariff(tariff_summary(payee, group, &tariff)))
}

fn provider_summary(address: Address, provider: Provider) -> ProviderSummary {
    ProviderSummary { address: Text(address), name: provider.name, active: provider.active }
}

fn tariff_summary(payee: Address, rating_group: u32, tariff: &Tariff) -> TariffSummary {
    let form = TariffForm::of_tariff(tariff);
    TariffSummary {
        payee: Text(payee),
        rating_group,
        tariff: Text(tariff.hash()),
        version: form.version,
        unit: form.unit.as_str().to_owned(),
        increment: form.increment,
        prices: form.price_lines(),
        windows: u64::try_from(form.windows.len()).unwrap_or(u64::MAX),
    }
}

fn tariff_detail(entry: &TariffEntry) -> TariffDetail {
    TariffDetail {
        tariff: Text(entry.hash()),
        encoded: HexBytes(entry.encoded().to_vec()),
        terms: TariffForm::of_tariff(entry.tariff()),
    }
}

fn channel_summary(channel: &Channel) -> ChannelSummary {
    let status = match channel.status() {
        ChannelStatus::Open => "open",
        ChannelStatus::Frozen => "frozen",
        ChannelStatus::Closed => "closed",
    };
    ChannelSummary {
        channel: Text(channel.id()),
        escrow: Text(channel.escrow().id()),
        device: Text(channel.device()),
        status: status.to_owned(),
        limit_base_units: channel.limit(),
        authorised_base_units: channel.authorised(),
        expiry: channel.expiry().0,
        serial: channel.serial(),
        revoked: channel.is_revoked(),
    }
}

fn channel_detail(channel: &Channel) -> ChannelDetail {
    ChannelDetail {
        summary: channel_summary(channel),
        payees: channel.payees().into_iter().map(Text).collect(),
        lanes: channel.lanes().iter().map(|lane| lane_summary(lane)).collect(),
    }
}

fn lane_summary(lane: &Lane) -> LaneSummary {
    LaneSummary {
        lane: Text(lane.id()),
        payee: Text(lane.payee()),
        rating_group: lane.rating_group().0,
        tariff: Text(lane.tariff().hash()),
        authorised_base_units: lane.durable(),
        used_units: lane.used_units(),
        credited_base_units: lane.credited(),
    }
}

fn lane_detail(lane: &Lane) -> LaneDetail {
    let state = lane.state();
    let tariff = lane.tariff();
    let (numerator, denominator) = state.total().fraction();
    let evidence = match state.evidence() {
        None => "none",
        Some(Evidence::Voucher(_)) => "voucher",
        Some(Evidence::Tick(_)) => "tick",
    };
    let anchor = |held: &farthing_channel::lane::HeldAnchor| AnchorSummary {
        base_amount: held.signed.terms.base_amount,
        tick_amount: held.signed.terms.tick_amount,
        ticks_per_amount: held.signed.terms.ticks_per_amount,
        length: held.signed.terms.length,
        index: held.index,
    };
    LaneDetail {
        summary: lane_summary(lane),
        channel: Text(lane.channel().id()),
        escrow: Text(lane.channel().escrow().id()),
        device: Text(lane.channel().device()),
        proven_base_units: state.total().amount(),
        proven_fraction: [numerator, denominator],
        evidence: evidence.to_owned(),
        anchors: state.anchors().iter().map(anchor).collect(),
        tariff_base_amount: tariff.base_amount,
        tariff_base_units: tariff.base_units,
    }
}

fn escrow_summary(escrow: &Escrow) -> EscrowSummary {
    let state = match escrow.state() {
        EscrowState::Open => "open",
        EscrowState::CloseRequested => "close_requested",
        EscrowState::Finalized => "finalized",
    };
    let usage = match escrow.usage() {
        EscrowUse::Unused => "unused",
        EscrowUse::Mandates => "mandates",
        EscrowUse::Itself => "itself",
    };
    EscrowSummary {
        escrow: Text(escrow.id()),
        payer: Text(escrow.terms().payer),
        signer: Text(escrow.signer()),
        token: Text(escrow.terms().token),
        state: state.to_owned(),
        usage: usage.to_owned(),
        deposit_base_units: escrow.deposit(),
        authorised_base_units: escrow.authorised(),
        settled_base_units: escrow.settled(),
    }
}
