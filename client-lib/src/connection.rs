//! One connection to the hub: its first words, attach proofs, requests.

use std::future::Future;
use std::time::Duration;

use farthing_channel::codec::decode_exact;
use farthing_channel::eip712::{Attach, Domain};
use farthing_channel::id::{Address, Hash32};
use farthing_channel::sign::{LibSecp, UncheckedSignature, sign_typed, verify_typed};
use farthing_channel::tariff::Tariff;
use farthing_channel::wire::{Attached, Hello, LaneRef, LaneView, Request, Response, Role, SignedReceipt, close_code};
use quinn::{RecvStream, SendStream, VarInt};
use rustls_pki_types::CertificateDer;

use crate::config::ConnectorConfig;
use crate::error::{ClientError, HubFault};
use crate::frame;
use crate::key::DeviceKey;

/// Runs `future` for at most `deadline`.
pub(crate) async fn within<T>(
    deadline: Duration,
    future: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(deadline, future).await.unwrap_or(Err(ClientError::Timeout(deadline)))
}

/// A connection whose hub has introduced itself.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) quic: quinn::Connection,
    pub(crate) hub: Address,
    pub(crate) domain: Domain,
    binding: Hash32,
}

impl Link {
    /// Waits for the hub's first words on a connection whose handshake is done, and checks that it is the one
    /// expected.
    pub(crate) async fn introduce(quic: quinn::Connection, config: &ConnectorConfig) -> Result<Self, ClientError> {
        let mut stream = quic.accept_uni().await?;
        let bytes = frame::read(&mut stream).await?.ok_or(HubFault::Unexpected)?;
        let Hello::Hub { nonce, hub, chain_id, contract, .. } =
            decode_exact(&bytes).map_err(|_| HubFault::Malformed)?;
        let domain = Domain::new(chain_id, contract);
        if let Some(expected) = &config.expected
            && (expected.hub != hub || expected.ledger != domain)
        {
            return Err(HubFault::OtherHub.into());
        }
        let certificate = quic
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
            .and_then(|chain| chain.first().cloned())
            .ok_or(HubFault::Unexpected)?;
        Ok(Self { binding: Attach::binding(&nonce, &certificate), quic, hub, domain })
    }

    /// The key's proof that it speaks on this connection.
    pub(crate) fn attach_proof(&self, key: &DeviceKey, role: Role) -> Result<UncheckedSignature, ClientError> {
        let attach = Attach { binding: self.binding, hub: self.hub, role: role.code() };
        Ok(sign_typed(key, &self.domain, &attach)?.into())
    }

    /// Opens a stream and sends `request` on it.
    pub(crate) async fn open(&self, request: &Request) -> Result<(SendStream, RecvStream), ClientError> {
        let (mut send, receive) = self.quic.open_bi().await?;
        frame::write_request(&mut send, request).await?;
        Ok((send, receive))
    }

    /// A plain request and its response.
    pub(crate) async fn request(&self, request: &Request) -> Result<Response, ClientError> {
        let (mut send, mut receive) = self.open(request).await?;
        // Finishing fails only on a stream that was reset, which reading will tell.
        let _ = send.finish();
        frame::read_response(&mut receive).await
    }

    pub(crate) async fn attach(&self, request: &Request) -> Result<Attached, ClientError> {
        match self.request(request).await? {
            Response::Attached(attached) => Ok(attached),
            _ => Err(HubFault::Unexpected.into()),
        }
    }

    pub(crate) async fn query(&self, lane: LaneRef) -> Result<LaneView, ClientError> {
        match self.request(&Request::Query { lane }).await? {
            Response::Lane(view) if names(&lane, &view) => Ok(view),
            _ => Err(HubFault::Unexpected.into()),
        }
    }

    /// A receipt whose signature is checked.
    pub(crate) async fn receipt(&self, lane: LaneRef) -> Result<SignedReceipt, ClientError> {
        match self.request(&Request::Receipt { lane }).await? {
            Response::Receipt(receipt) => {
                if let LaneRef::Id(lane) = lane
                    && receipt.lane != lane
                {
                    return Err(HubFault::Unexpected.into());
                }
                self.check_receipt(&receipt)?;
                Ok(receipt)
            }
            _ => Err(HubFault::Unexpected.into()),
        }
    }

    pub(crate) fn check_receipt(&self, receipt: &SignedReceipt) -> Result<(), HubFault> {
        let signature = receipt.signature.check().map_err(|_| HubFault::BadReceipt)?;
        verify_typed(&LibSecp, &self.domain, &receipt.typed(), &signature, &self.hub).map_err(|_| HubFault::BadReceipt)
    }

    /// A tariff, which must hash to what was asked for.
    pub(crate) async fn tariff(&self, hash: farthing_channel::id::TariffHash) -> Result<Tariff, ClientError> {
        match self.request(&Request::Tariff { hash }).await? {
            Response::Tariff(bytes) => {
                let tariff =
                    Tariff::from_cbor(&bytes).map_err(|error| ClientError::Tariff(std::sync::Arc::new(error)))?;
                if tariff.hash() != hash {
                    return Err(HubFault::WrongTariff.into());
                }
                Ok(tariff)
            }
            _ => Err(HubFault::Unexpected.into()),
        }
    }

    pub(crate) fn close(&self) {
        self.quic.close(VarInt::from_u32(close_code::SHUTDOWN), b"done");
    }
}

fn names(lane: &LaneRef, view: &LaneView) -> bool {
    match lane {
        LaneRef::Handle(handle) => view.handle == *handle,
        LaneRef::Id(id) => view.lane == *id,
    }
}
