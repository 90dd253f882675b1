//! The loop of one data-plane thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use farthing_udp::{Datagram, SendBatch, Socket, sort_beginnings};
use mio::{Events, Poll, Token, Waker};

use super::application::Application;
use super::close_code;
use super::config::TransportError;
use super::connection::Delivery;
use super::counters::TransportCounters;
use super::endpoint::Endpoint;
use super::fabric::Fabric;
use super::inlet::Inlet;
use super::io::Io;

const ESTABLISHED: Token = Token(0);
const BEGINNINGS: Token = Token(1);
const WAKER: Token = Token(2);

/// UDP datagrams taken in per turn, as many as leave with one system call. More make no batch larger, and by the end of a
/// longer turn the caches have forgotten the connections that are then answered: turns of 512 carry a fifth less.
const WORK_PER_TURN_MAX: usize = 64;

/// Of them, such as came to the socket of beginnings. Each may cost as much as several payments, and those who pay wait
/// for it at most this long.
const BEGINNINGS_PER_TURN_MAX: usize = 8;

/// Things told to the application about one connection per turn.
const DELIVERIES_PER_CONNECTION_MAX: usize = 256;

/// The loop looks at its stop flag at least this often, should nobody wake it.
const SLEEP_MAX: Duration = Duration::from_millis(250);

/// Wakes a driver from another thread: its application is then called at
/// [`woken`](Application::woken). Many wakes before that call become one.
#[derive(Clone, Debug)]
pub struct WakeHandle {
    waker: Arc<Waker>,
    wanted: Arc<AtomicBool>,
}

impl WakeHandle {
    /// Wakes the driver. Cheap if it has been woken already.
    pub fn wake(&self) {
        if !self.wanted.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            // The driver wakes by itself soon (`SLEEP_MAX`) and then sees the flag.
            tracing::warn!(%error, "a data-plane thread could not be woken");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// The application sends what it still has to say.
    Draining {
        until: Instant,
        deadline: Instant,
    },
    /// All connections are closed and their last packets go out.
    Closing {
        deadline: Instant,
    },
}

/// One data-plane thread's socket, endpoint and loop.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    /// What arrives for established connections, and all that is sent.
    established: Inlet,
    /// What arrives of handshakes, where the system tells them apart.
    beginnings: Option<Inlet>,
    endpoint: Endpoint,
    batch: SendBatch,
    fabric: Arc<Fabric>,
    thread: u16,
    clock: fn() -> Instant,
    wake: WakeHandle,
    local_addr: SocketAddr,
    /// The socket's send buffer is full.
    blocked: bool,
    handed_over_left: bool,
    stage: Stage,
}

impl Driver {
    /// Binds the socket of data-plane thread number `thread` of the fabric. With several threads
    /// all bind the same address; with port 0 the first one's `local_addr` tells the others theirs.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the thread's number is taken or out of range.
    pub fn bind(
        address: SocketAddr,
        fabric: &Arc<Fabric>,
        thread: u16,
        clock: fn() -> Instant,
    ) -> Result<Self, TransportError> {
        if thread >= fabric.threads() {
            return Err(TransportError::Thread(thread));
        }
        let first = thread == 0;
        let mut socket = if first { Socket::bind_shared(address) } else { Socket::bind_shared_with(address) }?;
        let local_addr = socket.local_addr()?;
        let mut beginnings = bind_beginnings(&socket, local_addr, fabric, thread)?;
        let poll = Poll::new()?;
        socket.register(poll.registry(), ESTABLISHED)?;
        if let Some(beginnings) = &mut beginnings {
            beginnings.register(poll.registry(), BEGINNINGS)?;
        }
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let endpoint = Endpoint::new(Arc::clone(fabric), thread, socket.may_fragment(), clock())?;
        fabric.join(thread, Arc::clone(&waker)).map_err(|_taken| TransportError::Thread(thread))?;
        Ok(Self {
            poll,
            established: Inlet::new(socket),
            beginnings: beginnings.map(Inlet::new),
            endpoint,
            batch: SendBatch::new(),
            fabric: Arc::clone(fabric),
            thread,
            clock,
            wake: WakeHandle { waker, wanted: Arc::new(AtomicBool::new(false)) },
            local_addr,
            blocked: false,
            handed_over_left: true,
            stage: Stage::Serving,
        })
    }

    /// The address the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A handle to wake this driver with.
    pub fn waker(&self) -> WakeHandle {
        self.wake.clone()
    }

    /// Runs until `stop` is set and everyone has been told goodbye, or the drain timeout has
    /// passed. Whoever sets `stop` wakes the driver, so that it notices at once.
    ///
    /// # Errors
    ///
    /// The operating system no longer tells what happens on the socket.
    pub fn run<A: Application>(&mut self, app: &mut A, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        while !self.is_over() {
            let timeout = self.sleep(app);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for event in &events {
                match event.token() {
                    ESTABLISHED => {
                        self.established.readable |= event.is_readable() || event.is_error();
                        self.blocked &= !event.is_writable();
                    }
                    BEGINNINGS => {
                        if let Some(beginnings) = &mut self.beginnings {
                            beginnings.readable |= event.is_readable() || event.is_error();
                        }
                    }
                    _ => self.handed_over_left = true,
                }
            }
            self.turn(app, stop.load(Ordering::Acquire));
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        match self.stage {
            Stage::Closing { deadline } => self.endpoint.connections() == 0 || self.endpoint.now >= deadline,
            _ => false,
        }
    }

    fn sleep<A: Application>(&self, app: &A) -> Duration {
        let waiting = self.endpoint.queued() > 0 || self.endpoint.has_waiting();
        let readable = self.established.readable || self.beginnings.as_ref().is_some_and(|inlet| inlet.readable);
        if readable || self.handed_over_left || (waiting && !self.blocked) {
            return Duration::ZERO;
        }
        let now = (self.clock)();
        [self.endpoint.next_timeout(), app.next_timeout()]
            .into_iter()
            .flatten()
            .map(|at| at.saturating_duration_since(now))
            .fold(SLEEP_MAX, Duration::min)
    }

    fn turn<A: Application>(&mut self, app: &mut A, stop: bool) {
        let now = (self.clock)();
        self.endpoint.now = now;
        if stop && self.stage == Stage::Serving {
            self.begin_draining(app, now);
        }
        if self.wake.wanted.swap(false, Ordering::AcqRel) {
            app.woken(&mut Io::new(&mut self.endpoint), now);
        }
        self.endpoint.work = 0;
        self.receive_handed_over(app);
        self.receive(app);
        work_off(&mut self.endpoint, &mut self.batch, app, now);
        self.endpoint.now = (self.clock)();
        self.flush();
        self.advance_drain(app);
    }

    /// First those who are connected, then some of those who wish to be.
    fn receive<A: Application>(&mut self, app: &mut A) {
        while self.endpoint.work < WORK_PER_TURN_MAX
            && let Some(datagram) = self.established.next()
        {
            self.take_in_received(app, datagram);
        }
        for _ in 0..BEGINNINGS_PER_TURN_MAX {
            let Some(datagram) = self.beginnings.as_mut().and_then(Inlet::next) else {
                return;
            };
            self.take_in_received(app, datagram);
        }
    }

    fn take_in_received<A: Application>(&mut self, app: &mut A, datagram: Datagram) {
        let counters = self.fabric.counters_of(self.thread);
        counters.packets_in.add(1);
        counters.bytes_in.add(u64::try_from(datagram.payload.len()).unwrap_or(0));
        if self.fabric.threads() > 1
            && let Some(owner) = self.fabric.owner(&datagram.payload)
            && owner != self.thread
        {
            self.endpoint.work += 1;
            if self.fabric.hand_over(owner, datagram) {
                counters.handed_over.add(1);
            } else {
                counters.handover_dropped.add(1);
            }
            return;
        }
        if self.batch.is_full() && !self.blocked {
            self.blocked = send(&mut self.batch, &self.established.socket, counters);
        }
        take_in(&mut self.endpoint, &mut self.batch, app, datagram);
    }

    /// Takes in what other threads passed on: before the socket, whose senders are the ones that
    /// would not let it come to its turn.
    fn receive_handed_over<A: Application>(&mut self, app: &mut A) {
        while self.handed_over_left && self.endpoint.work < WORK_PER_TURN_MAX / 2 {
            match self.fabric.take_handed_over(self.thread) {
                Some(datagram) => take_in(&mut self.endpoint, &mut self.batch, app, datagram),
                None => self.handed_over_left = false,
            }
        }
    }

    /// Sends what the queued connections have to say, each at most once per turn.
    fn flush(&mut self) {
        let counters = self.fabric.counters_of(self.thread);
        for _ in 0..self.endpoint.queued() {
            if self.batch.is_full() && !self.blocked {
                self.blocked = send(&mut self.batch, &self.established.socket, counters);
            }
            if self.blocked {
                break;
            }
            if let Some(slot) = self.endpoint.dequeue() {
                self.endpoint.flush(slot, &mut self.batch);
            }
        }
        if !self.blocked {
            self.blocked = send(&mut self.batch, &self.established.socket, counters);
        }
    }

    fn begin_draining<A: Application>(&mut self, app: &mut A, now: Instant) {
        let time = self.fabric.limits().drain_timeout;
        // Half for the application's last words, half for the goodbye itself.
        let until = now + time / 2;
        self.stage = Stage::Draining { until, deadline: now + time };
        self.endpoint.refuse_new();
        app.draining(&mut Io::new(&mut self.endpoint), now, until);
    }

    /// Runs after the turn's packets have left, so that last words leave before the goodbye.
    fn advance_drain<A: Application>(&mut self, app: &mut A) {
        if let Stage::Draining { until, deadline } = self.stage
            && (app.drained() || self.endpoint.now >= until)
        {
            self.endpoint.close_all(close_code::SHUTDOWN, b"the hub is being stopped");
            self.stage = Stage::Closing { deadline };
        }
    }
}

/// The socket in which a thread's handshakes wait, so that a rush of them cannot crowd out what the thread's established
/// connections send. Without it all come to one socket, and a rush is felt by everyone.
fn bind_beginnings(
    established: &Socket,
    address: SocketAddr,
    fabric: &Fabric,
    thread: u16,
) -> Result<Option<Socket>, TransportError> {
    let sorted = match thread {
        0 => sort_beginnings(established, fabric.threads()),
        _ => Ok(()),
    };
    if let Err(error) = sorted {
        tracing::warn!(%error, "handshakes are not kept apart from payments");
        fabric.leave_unsorted();
    }
    Ok(if fabric.is_sorted() { Some(Socket::bind_shared_with(address)?) } else { None })
}

/// Sends what the batch holds. True if the socket's buffer is full and something waits.
fn send(batch: &mut SendBatch, socket: &Socket, counters: &TransportCounters) -> bool {
    let sent = batch.flush(socket);
    counters.packets_out.add(sent.packets);
    counters.bytes_out.add(sent.bytes);
    counters.packets_unsent.add(sent.failed);
    sent.blocked
}

pub(super) fn take_in<A: Application>(endpoint: &mut Endpoint, batch: &mut SendBatch, app: &mut A, datagram: Datagram) {
    if let Some(slot) = endpoint.receive(datagram, batch) {
        deliver(endpoint, app, slot);
    }
}

/// What a turn does between taking in and sending: attempts to connect, what time brings, what is to be told.
pub(super) fn work_off<A: Application>(endpoint: &mut Endpoint, batch: &mut SendBatch, app: &mut A, now: Instant) {
    endpoint.decide_waiting(batch);
    endpoint.expire();
    if app.next_timeout().is_some_and(|at| at <= now) {
        app.timeout(&mut Io::new(endpoint), now);
    }
    // What the application does here may queue further connections, but those only have something to send.
    for at in 0..endpoint.queued() {
        if let Some(slot) = endpoint.queued_slot(at) {
            deliver(endpoint, app, slot);
        }
    }
    app.batch_end(&mut Io::new(endpoint), now);
}

pub(super) fn deliver<A: Application>(endpoint: &mut Endpoint, app: &mut A, slot: u32) {
    for _ in 0..DELIVERIES_PER_CONNECTION_MAX {
        let Some((connection, delivery)) = endpoint.next_delivery(slot) else {
            return;
        };
        let io = &mut Io::new(endpoint);
        match delivery {
            Delivery::Opened(peer) => app.opened(io, connection, peer),
            Delivery::Established => app.established(io, connection),
            Delivery::Moved { from, to } => app.moved(io, connection, from, to),
            Delivery::Datagram { early, payload } => {
                app.datagram(io, connection, early, payload);
            }
            Delivery::Frame { stream, early, payload } => app.frame(io, connection, stream, early, payload),
            Delivery::StreamFinished { stream, .. } => {
                app.stream_finished(io, connection, stream);
            }
            Delivery::Closed => app.closed(io, connection),
        }
    }
}
