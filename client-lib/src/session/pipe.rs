//! The way payments take: datagrams, or one stream.

use bytes::{Bytes, BytesMut};
use farthing_channel::codec::{decode_exact, encode_into};
use farthing_channel::wire::{Answer, Payment, Request, Response};
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::connection::Link;
use crate::error::{ClientError, HubFault};
use crate::frame;

/// Answers that wait for the session's task. A hub that sends more waits itself, by flow control.
const ANSWERS_WAITING_MAX: usize = 256;

#[derive(Debug)]
pub(super) enum Pipe {
    Datagrams,
    Stream(PaymentStream),
}

#[derive(Debug)]
pub(super) struct PaymentStream {
    send: SendStream,
    answers: mpsc::Receiver<Answer>,
    reader: AbortHandle,
}

impl Drop for PaymentStream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Pipe {
    /// Opens a payment stream.
    pub(super) async fn stream(link: &Link) -> Result<Self, ClientError> {
        let (send, mut receive) = link.open(&Request::PaymentStream {}).await?;
        match frame::read_response(&mut receive).await? {
            Response::Ready {} => {}
            _ => return Err(HubFault::Unexpected.into()),
        }
        let (sender, answers) = mpsc::channel(ANSWERS_WAITING_MAX);
        let reader = tokio::spawn(read_answers(receive, sender)).abort_handle();
        Ok(Self::Stream(PaymentStream { send, answers, reader }))
    }

    /// The next answer on the stream; `None` when it ended. Never resolves for datagrams, which are read from the
    /// connection.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        match self {
            Self::Datagrams => std::future::pending().await,
            Self::Stream(stream) => stream.answers.recv().await,
        }
    }

    /// Sends groups of payments, each group in order and, where it fits, in one datagram: many groups share one.
    pub(super) async fn send(&mut self, quic: &quinn::Connection, groups: &[Vec<Payment>]) -> Result<(), ClientError> {
        match self {
            Self::Datagrams => {
                let Some(room) = quic.max_datagram_size() else {
                    return Err(ClientError::Unreachable("the path takes no datagrams".into()));
                };
                for datagram in pack(groups, room) {
                    match quic.send_datagram_wait(datagram).await {
                        // Too large after the path shrank: it counts as lost, and is packed anew when repeated.
                        Ok(()) | Err(quinn::SendDatagramError::TooLarge) => {}
                        Err(quinn::SendDatagramError::ConnectionLost(lost)) => {
                            return Err(lost.into());
                        }
                        Err(error) => {
                            return Err(ClientError::Unreachable(error.to_string().into()));
                        }
                    }
                }
                Ok(())
            }
            Self::Stream(stream) => {
                let mut frames = Vec::new();
                for payment in groups.iter().flatten() {
                    frame::append(&mut frames, |out| encode_into(payment, out))?;
                }
                stream.send.write_all(&frames).await?;
                Ok(())
            }
        }
    }
}

/// Payments packed into datagrams of at most `room` bytes.
pub(super) fn pack(groups: &[Vec<Payment>], room: usize) -> Vec<Bytes> {
    let mut datagrams = Vec::new();
    let mut datagram = BytesMut::new();
    let mut group_bytes = Vec::new();
    for group in groups {
        let mut ends = Vec::with_capacity(group.len());
        group_bytes.clear();
        for payment in group {
            encode_into(payment, &mut group_bytes);
            ends.push(group_bytes.len());
        }
        if datagram.len() + group_bytes.len() > room && !datagram.is_empty() {
            datagrams.push(datagram.split().freeze());
        }
        // A group larger than a datagram is cut between its payments.
        let mut start = 0;
        for end in ends {
            let message = &group_bytes[start..end];
            if datagram.len() + message.len() > room && !datagram.is_empty() {
                datagrams.push(datagram.split().freeze());
            }
            datagram.extend_from_slice(message);
            start = end;
        }
    }
    if !datagram.is_empty() {
        datagrams.push(datagram.freeze());
    }
    datagrams
}

/// Reads answers until the stream ends or says something that is none.
async fn read_answers(mut receive: RecvStream, answers: mpsc::Sender<Answer>) {
    while let Ok(Some(bytes)) = frame::read(&mut receive).await {
        let Ok(answer) = decode_exact(&bytes) else {
            return;
        };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farthing_channel::id::Preimage;
    use farthing_channel::wire::{LaneRef, Payments};

    fn tick(lane: u32, index: u16) -> Payment {
        Payment::Tick { lane: LaneRef::Handle(lane), index, link: Preimage([7; 32]) }
    }

    #[test]
    fn groups_share_datagrams_and_stay_in_order() {
        let groups: Vec<Vec<Payment>> = (0..100).map(|lane| (1..=3).map(|index| tick(lane, index)).collect()).collect();
        let datagrams = pack(&groups, 1200);
        assert!(datagrams.iter().all(|datagram| datagram.len() <= 1200));
        assert!(datagrams.len() < 15);
        let read: Vec<Payment> =
            datagrams.iter().flat_map(|datagram| Payments::new(datagram).map(Result::unwrap)).collect();
        assert_eq!(read, groups.concat());
    }

    #[test]
    fn a_group_larger_than_a_datagram_is_cut_between_payments() {
        let group: Vec<Payment> = (1..=40).map(|index| tick(1, index)).collect();
        let datagrams = pack(std::slice::from_ref(&group), 300);
        assert!(datagrams.iter().all(|datagram| datagram.len() <= 300));
        let read: Vec<Payment> =
            datagrams.iter().flat_map(|datagram| Payments::new(datagram).map(Result::unwrap)).collect();
        assert_eq!(read, group);
        assert!(pack(&[], 300).is_empty());
    }
}
