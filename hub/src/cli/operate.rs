//! What a running hub is asked, and how its answers look to people.

use std::path::Path;

use farthing_channel::id::{ChannelId, EscrowId};
use farthing_channel::tariff::Tariff;

use super::args::{
    ChannelCommand, Cli, Command, EscrowCommand, LaneCommand, OverrideArgs, ProviderCommand, RiskCommand,
    TariffAddArgs, TariffCommand,
};
use super::failure::Failure;
use super::import::import;
use super::print::{Printer, fields};
use super::risk_history::{Explanation, explanation, history};
use super::{load, show};
use crate::admin::client::AdminClient;
use crate::admin::encoded::{HexBytes, Text};
use crate::admin::protocol::{
    ChannelDetail, ChannelSummary, EscrowSummary, LaneDetail, PAGE_MAX, Page, ProviderSummary, Request, Status,
    TariffDetail, TariffSummary,
};
use crate::admin::risk_form::{FleetsSeen, RiskExplained};
use crate::admin::tariff_form::{PriceText, TariffForm, UnitName};
use crate::config::Config;

/// Asks the hub that runs with the command line's configuration.
///
/// # Errors
/// [`Failure`].
pub fn operate(cli: &Cli, command: &Command, printer: Printer) -> Result<(), Failure> {
    // Before the hub is asked: a wrong file is the caller's to mend, running hub or not.
    let tariff = match command {
        Command::Tariff(TariffCommand::Add(options)) => Some(tariff_of(options)?),
        _ => None,
    };
    let mut client = AdminClient::connect(&load(cli)?.listen.admin)?;
    match command {
        Command::Status => {
            let status: Status = client.ask(&Request::Status {})?;
            printer.print(&status, show::status)
        }
        Command::Channel(command) => channel(&mut client, command, printer),
        Command::Lane(LaneCommand::Show { lane }) => {
            let lane: LaneDetail = client.ask(&Request::LaneShow { lane: Text(*lane) })?;
            printer.print(&lane, show::lane)
        }
        Command::Escrow(command) => escrow(&mut client, command, printer),
        Command::Provider(command) => provider(&mut client, command, printer),
        Command::Tariff(command) => tariffs(&mut client, command, tariff.as_ref(), printer),
        Command::Risk(command) => risk(&mut client, command, &load(cli)?, printer),
        Command::Init(_) | Command::Run | Command::CheckConfig | Command::Pin => Ok(()),
    }
}

fn risk(client: &mut AdminClient, command: &RiskCommand, config: &Config, printer: Printer) -> Result<(), Failure> {
    let request = match command {
        RiskCommand::Fit(_) | RiskCommand::Replay(_) => return Ok(()),
        RiskCommand::Fleets => {
            let seen: FleetsSeen = client.ask(&Request::RiskFleets {})?;
            return printer.print(&seen, show::fleets);
        }
        RiskCommand::Explain { channel } => Request::RiskExplain { channel: Text(*channel) },
        RiskCommand::Override(OverrideArgs { channel, level, seconds, clear: _ }) => {
            let seconds = seconds.unwrap_or(0);
            Request::RiskOverride { channel: Text(*channel), level: *level, seconds }
        }
    };
    let now: RiskExplained = client.ask(&request)?;
    let history = match command {
        RiskCommand::Explain { channel } => history(config, channel, &now)?,
        _ => Vec::new(),
    };
    printer.print(&Explanation { now, history }, explanation)
}

fn channel(client: &mut AdminClient, command: &ChannelCommand, printer: Printer) -> Result<(), Failure> {
    let change = |client: &mut AdminClient, request: Request| -> Result<(), Failure> {
        let channel: ChannelSummary = client.ask(&request)?;
        printer.print(&channel, |channel| format!("channel {} is {}", channel.channel, channel.status))
    };
    match command {
        ChannelCommand::List { escrow, after, limit } => {
            let page = channels(client, escrow.map(Text), *after, *limit)?;
            printer.print(&page, show::channels)
        }
        ChannelCommand::Show { channel } => {
            let channel: ChannelDetail = client.ask(&Request::ChannelShow { channel: Text(*channel) })?;
            printer.print(&channel, show::channel)
        }
        ChannelCommand::Freeze { channel } => change(client, Request::ChannelFreeze { channel: Text(*channel) }),
        ChannelCommand::Thaw { channel } => change(client, Request::ChannelThaw { channel: Text(*channel) }),
        ChannelCommand::Close { channel } => change(client, Request::ChannelClose { channel: Text(*channel) }),
        ChannelCommand::Import { file } => {
            let imported = import(client, file)?;
            printer.print(&imported, |imported| {
                fields(&[
                    ("bundles", imported.bundles.to_string()),
                    ("accepted", imported.accepted.to_string()),
                    ("known before", imported.known.to_string()),
                ])
            })
        }
    }
}

/// Pages until there are `limit` entries or no more.
fn channels(
    client: &mut AdminClient,
    escrow: Option<Text<EscrowId>>,
    after: Option<ChannelId>,
    limit: u32,
) -> Result<Page<ChannelSummary>, Failure> {
    let mut list = Page { items: Vec::new(), next: after.map(|id| id.to_string()) };
    let mut missing = limit;
    while missing > 0 {
        let after = next_id(list.next.as_deref())?;
        let limit = missing.min(PAGE_MAX);
        let page: Page<ChannelSummary> = client.ask(&Request::ChannelList { after, escrow, limit })?;
        missing = missing.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        list.items.extend(page.items);
        list.next = page.next;
        if list.next.is_none() {
            break;
        }
    }
    Ok(list)
}

fn next_id<T: std::str::FromStr>(next: Option<&str>) -> Result<Option<Text<T>>, Failure> {
    next.map(|text| text.parse().map(Text)).transpose().map_err(|_| Failure::Failed {
        code: "unexpected".to_owned(),
        message: "the hub's answer is not understood: its cursor is no id".to_owned(),
    })
}

fn escrow(client: &mut AdminClient, command: &EscrowCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        EscrowCommand::List { after, limit } => {
            let mut list = Page { items: Vec::new(), next: after.map(|id| id.to_string()) };
            let mut missing = *limit;
            while missing > 0 {
                let after = next_id(list.next.as_deref())?;
                let limit = missing.min(PAGE_MAX);
                let page: Page<EscrowSummary> = client.ask(&Request::EscrowList { after, limit })?;
                missing = missing.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
                list.items.extend(page.items);
                list.next = page.next;
                if list.next.is_none() {
                    break;
                }
            }
            printer.print(&list, show::escrows)
        }
        EscrowCommand::Show { escrow } => {
            let escrow: EscrowSummary = client.ask(&Request::EscrowShow { escrow: Text(*escrow) })?;
            printer.print(&escrow, show::escrow)
        }
    }
}

fn provider(client: &mut AdminClient, command: &ProviderCommand, printer: Printer) -> Result<(), Failure> {
    let request = match command {
        ProviderCommand::List => {
            let all: Vec<ProviderSummary> = client.ask(&Request::ProviderList {})?;
            return printer.print(&all, |all| show::providers(all));
        }
        ProviderCommand::Add { address, name } => Request::ProviderAdd { address: Text(*address), name: name.clone() },
        ProviderCommand::Enable { address } => Request::ProviderSetActive { address: Text(*address), active: true },
        ProviderCommand::Disable { address } => Request::ProviderSetActive { address: Text(*address), active: false },
    };
    let provider: ProviderSummary = client.ask(&request)?;
    printer.print(&provider, |provider| show::providers(std::slice::from_ref(provider)))
}

fn tariffs(
    client: &mut AdminClient,
    command: &TariffCommand,
    tariff: Option<&Tariff>,
    printer: Printer,
) -> Result<(), Failure> {
    match command {
        TariffCommand::Add(options) => {
            let Some(tariff) = tariff else { return Ok(()) };
            let request = Request::TariffAdd {
                payee: Text(options.payee),
                rating_group: options.rating_group,
                tariff: HexBytes(tariff.to_cbor()),
            };
            let added: TariffSummary = client.ask(&request)?;
            printer.print(&added, |added| show::tariffs(std::slice::from_ref(added)))
        }
        TariffCommand::List => {
            let all: Vec<TariffSummary> = client.ask(&Request::TariffList {})?;
            printer.print(&all, |all| show::tariffs(all))
        }
        TariffCommand::Show { tariff } => {
            let detail: TariffDetail = client.ask(&Request::TariffShow { tariff: Text(*tariff) })?;
            printer.print(&detail, show::tariff)
        }
    }
}

/// The tariff that the options give.
pub(super) fn tariff_of(options: &TariffAddArgs) -> Result<Tariff, Failure> {
    let form = match (&options.file, options.unit, options.price) {
        (Some(path), ..) => read_tariff(path)?,
        (None, Some(unit), Some(price)) => flat(options, unit, Text(price)),
        _ => {
            return Err(Failure::Usage("give --file, or --unit and --price".to_owned()));
        }
    };
    form.to_tariff().map_err(|error| Failure::Usage(format!("tariff: {error}")))
}

fn flat(options: &TariffAddArgs, unit: UnitName, price: Text<PriceText>) -> TariffForm {
    let (version, increment) = (options.number, options.increment);
    TariffForm { version, unit, increment, price, tiers: Vec::new(), windows: Vec::new() }
}

fn read_tariff(path: &Path) -> Result<TariffForm, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    // The error quotes the line itself.
    toml::from_str(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
