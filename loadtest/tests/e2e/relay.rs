//! A path between devices and hub that a test can break and change.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;

/// A UDP relay in front of a hub.
pub(crate) struct Relay {
    /// Where devices send to.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    hub: SocketAddr,
    front: UdpSocket,
    /// Where answers to the device come from, by the device's address.
    backs: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    silent: AtomicBool,
}

impl Relay {
    /// Relays to the hub at `hub`. Must be called in a runtime, whose tasks do the work.
    pub(crate) async fn start(hub: SocketAddr) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = front.local_addr().unwrap();
        let shared = Arc::new(Shared { hub, front, backs: Mutex::default(), silent: AtomicBool::new(false) });
        tokio::spawn(forward(Arc::clone(&shared)));
        Self { address, shared }
    }

    /// Lets nothing through any more, or everything again.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::Release);
    }

    /// From now on the hub sees every device at another address.
    pub(crate) fn move_devices(&self) {
        self.shared.backs.lock().unwrap().clear();
    }
}

async fn forward(shared: Arc<Shared>) {
    let mut buffer = [0; 2048];
    loop {
        let Ok((length, device)) = shared.front.recv_from(&mut buffer).await else {
            return;
        };
        if shared.silent.load(Ordering::Acquire) {
            continue;
        }
        let known = shared.backs.lock().unwrap().get(&device).cloned();
        let back = match known {
            Some(back) => back,
            None => {
                let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
                shared.backs.lock().unwrap().insert(device, Arc::clone(&back));
                tokio::spawn(answer(Arc::clone(&shared), Arc::clone(&back), device));
                back
            }
        };
        let _ = back.send_to(&buffer[..length], shared.hub).await;
    }
}

async fn answer(shared: Arc<Shared>, back: Arc<UdpSocket>, device: SocketAddr) {
    let mut buffer = [0; 2048];
    while let Ok(length) = back.recv(&mut buffer).await {
        if !shared.silent.load(Ordering::Acquire) {
            let _ = shared.front.send_to(&buffer[..length], device).await;
        }
    }
}
