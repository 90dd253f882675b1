mod memory_hub;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32};
use farthing_channel::mandate::{MandateTerms, sign_mandate};
use farthing_channel::record::{EscrowImage, EscrowState, Record};
use farthing_channel::sign::{LibSecpKey, Signer as _};
use farthing_channel::tariff::{Price, Tariff, Unit};
use farthing_channel::time::UnixSeconds;

use super::client::{AdminClient, ClientError};
use super::encoded::{HexBytes, Text};
use super::protocol::*;
use super::server::AdminSocket;
use memory_hub::{MemoryHub, domain};

fn payer() -> LibSecpKey {
    LibSecpKey::from_bytes([3; 32]).unwrap()
}

fn funded(hub: &MemoryHub) -> EscrowId {
    let image = EscrowImage {
        id: EscrowId([0; 32]),
        payer: payer().address(),
        payee: Address([1; 20]),
        token: Address::ZERO,
        salt: Hash32::ZERO,
        authorized_signer: Address::ZERO,
        deposit: 1000,
        settled: 0,
        state: EscrowState::Open,
    };
    let image = EscrowImage { id: image.terms().id(&domain().contract(), domain().chain_id()), ..image };
    hub.change(&Record::Escrow(image)).unwrap();
    image.id
}

fn bundle(escrow: EscrowId, device: u8) -> HexBytes {
    let terms = MandateTerms {
        device: Address([device; 20]),
        limit: 100,
        expiry: UnixSeconds(u64::MAX),
        serial: 1,
        payees: Vec::new(),
    };
    HexBytes(encode_to_vec(&sign_mandate(&payer(), &domain(), escrow, terms).unwrap()))
}

/// Serves `hub` on a socket in a fresh directory and lets `operate` talk to it.
async fn with_socket(hub: MemoryHub, operate: impl FnOnce(&Path) + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let socket = AdminSocket::bind(&path).unwrap();
    let server = tokio::spawn(socket.serve(Arc::new(hub)));
    let operated = path.clone();
    tokio::task::spawn_blocking(move || operate(&operated)).await.unwrap();
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    assert!(!path.exists(), "the socket's file goes with the server");
}

fn code<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> String {
    match outcome {
        Err(ClientError::Hub(error)) => error.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn channels_are_imported_listed_frozen_and_closed() {
    let hub = MemoryHub::default();
    let escrow = funded(&hub);
    with_socket(hub, move |path| {
        let mut client = AdminClient::connect(path).unwrap();
        let bundles = (1..=5).map(|device| bundle(escrow, device)).collect();
        let imported: Imported = client.ask(&Request::MandatesImport { bundles }).unwrap();
        assert_eq!(imported, Imported { bundles: 5, accepted: 5, known: 0 });

        let mut ids = Vec::new();
        let mut after = None;
        loop {
            let request = Request::ChannelList { after, escrow: Some(Text(escrow)), limit: 2 };
            let page: Page<ChannelSummary> = client.ask(&request).unwrap();
            ids.extend(page.items.iter().map(|item| item.channel));
            match page.next {
                Some(next) => after = Some(Text(next.parse().unwrap())),
                None => break,
            }
        }
        let distinct: std::collections::BTreeSet<_> = ids.iter().map(|id| id.0).collect();
        assert_eq!((ids.len(), distinct.len()), (5, 5));

        let channel = ids[0];
        let steps = [
            (Request::ChannelFreeze { channel }, "frozen"),
            (Request::ChannelThaw { channel }, "open"),
            (Request::ChannelClose { channel }, "closed"),
        ];
        for (request, status) in steps {
            let summary: ChannelSummary = client.ask(&request).unwrap();
            assert_eq!(summary.status, status);
        }
        let detail: ChannelDetail = client.ask(&Request::ChannelShow { channel }).unwrap();
        assert_eq!((detail.summary.status.as_str(), detail.summary.limit_base_units), ("closed", 100));
        let escrow: EscrowSummary = client.ask(&Request::EscrowShow { escrow: Text(escrow) }).unwrap();
        assert_eq!((escrow.deposit_base_units, escrow.usage.as_str()), (1000, "mandates"));
        let status: Status = client.ask(&Request::Status {}).unwrap();
        assert_eq!((status.channels, status.deposit_base_units), (5, u128::MAX));
    })
    .await;
}

#[tokio::test]
async fn providers_and_tariffs_are_added_and_shown() {
    with_socket(MemoryHub::default(), |path| {
        let mut client = AdminClient::connect(path).unwrap();
        let address = Text(Address([5; 20]));
        let tariff = Tariff::flat(1, Unit::Octets, Price::new(3, 1024).unwrap()).unwrap();
        let add = || Request::TariffAdd { payee: address, rating_group: 4, tariff: HexBytes(tariff.to_cbor()) };
        assert_eq!(code(client.ask::<TariffSummary>(&add())), "refused");

        let named = Request::ProviderAdd { address, name: "Bikes".into() };
        assert!(client.ask::<ProviderSummary>(&named).unwrap().active);
        let off: ProviderSummary = client.ask(&Request::ProviderSetActive { address, active: false }).unwrap();
        assert_eq!((off.name.as_str(), off.active), ("Bikes", false));
        let renamed = Request::ProviderAdd { address, name: "Bicycles".into() };
        assert!(!client.ask::<ProviderSummary>(&renamed).unwrap().active, "renaming switches nothing on");

        let added: TariffSummary = client.ask(&add()).unwrap();
        assert_eq!((added.prices.as_slice(), added.unit.as_str()), (&["3/1024".to_owned()][..], "octets"));
        let all: Vec<TariffSummary> = client.ask(&Request::TariffList {}).unwrap();
        assert_eq!(all, [added]);
        let detail: TariffDetail = client.ask(&Request::TariffShow { tariff: Text(tariff.hash()) }).unwrap();
        assert_eq!(detail.encoded.0, tariff.to_cbor());
        assert_eq!(detail.terms.to_tariff().unwrap().hash(), tariff.hash());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_an_error_with_a_code() {
    let hub = MemoryHub::default();
    let escrow = funded(&hub);
    with_socket(hub, move |path| {
        let mut client = AdminClient::connect(path).unwrap();
        let channel = Text(ChannelId([1; 32]));
        assert_eq!(code(client.ask::<ChannelDetail>(&Request::ChannelShow { channel })), "not_found");
        let nameless = Request::ProviderAdd { address: Text(Address([5; 20])), name: String::new() };
        assert_eq!(code(client.ask::<ProviderSummary>(&nameless)), "bad_request");
        let garbage = Request::MandatesImport { bundles: vec![HexBytes(vec![0xff])] };
        assert_eq!(code(client.ask::<Imported>(&garbage)), "bad_request");
        // Signed for this ledger and escrow, but by nobody in particular.
        let mut forged = bundle(escrow, 1);
        let last = forged.0.len() - 5;
        forged.0[last] ^= 1;
        assert_eq!(code(client.ask::<Imported>(&Request::MandatesImport { bundles: vec![forged] })), "refused");
        let huge = HexBytes(vec![0; REQUEST_BYTES_MAX]);
        let outcome = client.ask::<Imported>(&Request::MandatesImport { bundles: vec![huge] });
        // The hub hangs up on what it will not read, so the writer may notice that first.
        assert!(matches!(outcome, Err(ClientError::Hub(_) | ClientError::Broken(_))), "{outcome:?}");
    })
    .await;
}

#[tokio::test]
async fn lines_are_json_that_a_script_can_write() {
    use std::io::{BufRead as _, BufReader, Write as _};
    with_socket(MemoryHub::default(), |path| {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.write_all(b"{\"method\":\"provider_list\"}\n{\"method\":\"dance\"}\nnonsense\n").unwrap();
        let lines: Vec<String> = BufReader::new(stream).lines().take(3).map(Result::unwrap).collect();
        assert_eq!(lines[0], r#"{"ok":[]}"#);
        assert!(lines[1].starts_with(r#"{"error":{"code":"bad_request","message":"unknown variant"#), "{}", lines[1]);
        assert!(lines[2].starts_with(r#"{"error":{"code":"bad_request""#), "{}", lines[2]);
    })
    .await;
}

#[tokio::test]
async fn a_socket_is_private_and_replaces_only_what_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    // A hub that died leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = AdminSocket::bind(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let taken = AdminSocket::bind(&path).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(socket);
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(AdminSocket::bind(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}
