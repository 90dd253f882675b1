//! The fake hub's side of a connection.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::eip712::Attach;
use farthing_channel::id::{Address, ChannelId, Hash32, LaneId};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{LibSecp, Recover as _, UncheckedSignature, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{
    Answer, Attached, ClosedLane, Hello, LaneOffer, LaneRef, Notice, Payment, Payments, Request, Response, Role,
    ServiceMessage, SignedReceipt,
};
use quinn::{Connection, Endpoint, RecvStream, SendStream};

use super::{Hub, LIMIT, LaneModel, address_of};

const NONCE: Hash32 = Hash32([0x55; 32]);

/// One connection: the handles given on it.
struct Peer {
    hub: Arc<Hub>,
    quic: Connection,
    handles: Mutex<HashMap<u32, LaneId>>,
}

pub(super) async fn accept(hub: Arc<Hub>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connecting) = incoming.accept() else {
            continue;
        };
        // A server may always speak before the handshake ends; so early data is read as it comes.
        let Ok((quic, _)) = connecting.into_0rtt() else {
            continue;
        };
        hub.connections.lock().unwrap().push(quic.clone());
        let peer = Arc::new(Peer { hub: Arc::clone(&hub), quic, handles: Mutex::default() });
        tokio::spawn(Arc::clone(&peer).greet());
        tokio::spawn(Arc::clone(&peer).datagrams());
        tokio::spawn(peer.streams());
    }
}

async fn write_frame(stream: &mut SendStream, message: &[u8]) -> Option<()> {
    let length = u16::try_from(message.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).await.ok()?;
    stream.write_all(message).await.ok()
}

async fn read_frame(stream: &mut RecvStream) -> Option<Vec<u8>> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).await.ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

impl Peer {
    async fn greet(self: Arc<Self>) -> Option<()> {
        let mut stream = self.quic.open_uni().await.ok()?;
        let hello = Hello::Hub {
            nonce: NONCE,
            hub: address_of(&self.hub),
            chain_id: self.hub.domain.chain_id(),
            contract: self.hub.domain.contract(),
            time: UnixSeconds(1_700_000_000),
        };
        write_frame(&mut stream, &encode_to_vec(&hello)).await?;
        // Kept open: a reset would take the frame with it.
        stream.stopped().await.ok()?;
        Some(())
    }

    async fn datagrams(self: Arc<Self>) {
        while let Ok(datagram) = self.quic.read_datagram().await {
            let lost = self.hub.lose_datagrams.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
                usize::MAX => Some(usize::MAX),
                left => left.checked_sub(1),
            });
            if lost.is_ok() {
                continue;
            }
            self.hub.datagrams.fetch_add(1, Ordering::SeqCst);
            let mut answers = Vec::new();
            for payment in Payments::new(&datagram) {
                let answer = self.pay(&payment.unwrap());
                // Many answers share a datagram, which must not grow past the path's limit.
                let answer = encode_to_vec(&answer);
                if answers.len() + answer.len() > 1100 {
                    self.send(std::mem::take(&mut answers));
                }
                answers.extend(answer);
            }
            self.send(answers);
        }
    }

    fn send(&self, answers: Vec<u8>) {
        if !self.hub.mute.load(Ordering::SeqCst) {
            let _ = self.quic.send_datagram(answers.into());
        }
    }

    fn pay(&self, payment: &Payment) -> Answer {
        self.hub.payments.fetch_add(1, Ordering::SeqCst);
        let lane = match payment.lane() {
            LaneRef::Id(id) => {
                self.hub.payments_by_id.fetch_add(1, Ordering::SeqCst);
                Some(*id)
            }
            LaneRef::Handle(handle) => self.handles.lock().unwrap().get(handle).copied(),
        };
        let refusal = *self.hub.refuse.lock().unwrap();
        let mut lanes = self.hub.lanes();
        let model = lane.and_then(|lane| lanes.get_mut(&lane));
        match (model, refusal) {
            (Some(model), None) => {
                let answer = model.pay(payment);
                let notice = Notice::Authorised {
                    lane: *model.state.lane(),
                    device: model.device,
                    rating_group: model.rating_group,
                    authorised: model.state.total().amount(),
                    grant: model.grant(),
                };
                let _ = self.hub.notices.send(notice);
                answer
            }
            (_, refusal) => Answer::Refused {
                lane: Some(*payment.lane()),
                refusal: refusal.unwrap_or(Refusal::UnknownLane),
                authorised: None,
            },
        }
    }

    async fn streams(self: Arc<Self>) {
        while let Ok((send, receive)) = self.quic.accept_bi().await {
            tokio::spawn(Arc::clone(&self).stream(send, receive));
        }
    }

    async fn stream(self: Arc<Self>, mut send: SendStream, mut receive: RecvStream) -> Option<()> {
        let request: Request = decode_exact(&read_frame(&mut receive).await?).unwrap();
        let ready = encode_to_vec(&Response::Ready {});
        match request {
            Request::PaymentStream {} => {
                self.hub.streams.fetch_add(1, Ordering::SeqCst);
                write_frame(&mut send, &ready).await?;
                while let Some(frame) = read_frame(&mut receive).await {
                    let answer = self.pay(&decode_exact(&frame).unwrap());
                    write_frame(&mut send, &encode_to_vec(&answer)).await?;
                }
                None
            }
            Request::Subscribe { .. } => {
                let notices = self.hub.notices.subscribe();
                write_frame(&mut send, &ready).await?;
                self.hub.subscriptions.fetch_add(1, Ordering::SeqCst);
                self.converse(send, receive, notices).await
            }
            request => {
                let response = match self.respond(request) {
                    Ok(response) => response,
                    Err(refusal) => Response::Refused { refusal },
                };
                write_frame(&mut send, &encode_to_vec(&response)).await?;
                send.finish().ok()
            }
        }
    }

    async fn converse(
        &self,
        mut send: SendStream,
        mut receive: RecvStream,
        mut notices: tokio::sync::broadcast::Receiver<Notice>,
    ) -> Option<()> {
        // Reading in a task of its own: a frame must not be cut by the other branch.
        let (reports, mut incoming) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(frame) = read_frame(&mut receive).await {
                if reports.send(frame).await.is_err() {
                    return;
                }
            }
        });
        loop {
            let notice = tokio::select! {
                notice = notices.recv() => notice.ok()?,
                frame = incoming.recv() => {
                    let ServiceMessage::Report(report) = decode_exact(&frame?).unwrap();
                    let grant = self.hub.lanes().get(&report.lane).map(LaneModel::grant);
                    match grant {
                        Some(grant) => Notice::Reported {
                            lane: report.lane,
                            revision: report.revision,
                            grant,
                        },
                        None => Notice::ReportRefused {
                            lane: report.lane,
                            refusal: Refusal::UnknownLane,
                        },
                    }
                }
            };
            write_frame(&mut send, &encode_to_vec(&notice)).await?;
        }
    }

    fn respond(&self, request: Request) -> Result<Response, Refusal> {
        match request {
            Request::Attach { role, signature, escrow, lanes, .. } => {
                self.hub.attaches.fetch_add(1, Ordering::SeqCst);
                if let Some(refusal) = *self.hub.refuse_attach.lock().unwrap() {
                    return Err(refusal);
                }
                let address = self.recover(role, signature)?;
                let channel = escrow.map(|escrow| ChannelId::derive(&escrow, &address));
                Ok(Response::Attached(self.attach(address, channel, &lanes)))
            }
            Request::Query { lane } => {
                let id = self.resolve(lane)?;
                let lanes = self.hub.lanes();
                let model = lanes.get(&id).ok_or(Refusal::UnknownLane)?;
                Ok(Response::Lane(model.view(0)))
            }
            Request::Receipt { lane } => {
                let id = self.resolve(lane)?;
                Ok(Response::Receipt(self.receipt(id)))
            }
            Request::Tariff { hash } => {
                let tariff = self.hub.tariff.lock().unwrap();
                let tariff = tariff.as_ref().filter(|tariff| tariff.hash() == hash);
                let tariff = tariff.ok_or(Refusal::UnknownTariff)?;
                Ok(Response::Tariff(tariff.to_cbor().into()))
            }
            Request::Close { .. } => {
                let ids: Vec<_> = self.handles.lock().unwrap().values().copied().collect();
                let lanes = ids.into_iter().map(|id| ClosedLane { receipt: self.receipt(id) });
                Ok(Response::Closed(lanes.collect()))
            }
            _ => Err(Refusal::Unexpected),
        }
    }

    fn recover(&self, role: Role, signature: UncheckedSignature) -> Result<Address, Refusal> {
        let attach = Attach {
            binding: Attach::binding(&NONCE, &self.hub.certificate),
            hub: address_of(&self.hub),
            role: role.code(),
        };
        let digest = self.hub.domain.digest(&attach);
        Ok(LibSecp.recover(&digest, &signature.check()?)?)
    }

    fn resolve(&self, lane: LaneRef) -> Result<LaneId, Refusal> {
        match lane {
            LaneRef::Id(id) => Ok(id),
            LaneRef::Handle(handle) => {
                let handles = self.handles.lock().unwrap();
                handles.get(&handle).copied().ok_or(Refusal::UnknownLane)
            }
        }
    }

    fn attach(&self, address: Address, channel: Option<ChannelId>, offers: &[LaneOffer]) -> Attached {
        let tariff = self.hub.tariff.lock().unwrap().as_ref().map(|t| t.hash());
        let mut views = Vec::new();
        for offer in offers {
            let id = LaneId::derive(&channel.unwrap(), &offer.payee, offer.rating_group);
            let mut lanes = self.hub.lanes();
            let model = lanes.entry(id).or_insert_with(|| {
                let mut model = LaneModel::new(id, address, self.hub.domain, LIMIT);
                model.payee = offer.payee;
                model.rating_group = offer.rating_group;
                model.tariff = tariff.unwrap_or(model.tariff);
                model
            });
            let mut handles = self.handles.lock().unwrap();
            let handle = u32::try_from(handles.len()).unwrap();
            handles.insert(handle, id);
            views.push(model.view(handle));
        }
        Attached {
            address,
            channel,
            limit: channel.map(|_| LIMIT),
            authorised: channel.map(|_| 0),
            expiry: channel.map(|_| UnixSeconds(u64::MAX)),
            serial: channel.map(|_| 1),
            lanes: views,
        }
    }

    fn receipt(&self, lane: LaneId) -> SignedReceipt {
        let mut receipt = SignedReceipt {
            lane,
            authorised: self.hub.total(lane),
            used: 0,
            tariff: farthing_channel::id::TariffHash::ZERO,
            time: UnixSeconds(1_700_000_000),
            signature: UncheckedSignature([0; 64]),
        };
        let signature = sign_typed(&self.hub.key, &self.hub.domain, &receipt.typed());
        receipt.signature = signature.unwrap().into();
        receipt
    }
}
