"""One QUIC connection to a hub, on aioquic: frames on streams, messages in datagrams."""

import asyncio
import hashlib
import ssl

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, DatagramFrameReceived, StreamDataReceived, StreamReset
from cryptography.hazmat.primitives.serialization import Encoding
from proofs import ProtocolError, decode, decode_all, encode

ALPN = "farthing/1"
FRAME_BYTES_MAX = 16384
DATAGRAM_BYTES_MAX = 1200


class Connection(QuicConnectionProtocol):
    """Turns QUIC events into frames and messages."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.partial = {}
        self.frames = {}
        self.hello = asyncio.get_running_loop().create_future()
        self.answers = asyncio.Queue()
        self.payment_stream = None
        self.certificate = None

    def quic_event_received(self, event):
        try:
            if isinstance(event, DatagramFrameReceived):
                for message in decode_all(event.data):
                    self.answers.put_nowait(message)
            elif isinstance(event, StreamDataReceived):
                self.stream_data(event)
            elif isinstance(event, StreamReset):
                self.fail(ProtocolError(f"the hub reset a stream with code {event.error_code}"), event.stream_id)
            elif isinstance(event, ConnectionTerminated):
                self.fail(ProtocolError(f"closed with code {event.error_code}: {event.reason_phrase}"))
        except ProtocolError as error:
            self.fail(error)

    def stream_data(self, event):
        data = self.partial.pop(event.stream_id, b"") + event.data
        while len(data) >= 2:
            length = int.from_bytes(data[:2], "big")
            if length > FRAME_BYTES_MAX:
                raise ProtocolError(f"a frame of {length} bytes")
            if len(data) < 2 + length:
                break
            self.frame(event.stream_id, decode(data[2 : 2 + length]))
            data = data[2 + length :]
        if data and event.end_stream:
            raise ProtocolError("a stream ends within a frame")
        self.partial[event.stream_id] = data

    def frame(self, stream, message):
        # Bit 1 of a stream's number: unidirectional. The hub opens just one, for its hello.
        if stream & 2:
            self.hello.set_result(message)
        elif stream == self.payment_stream and message[0] in (16, 17):
            self.answers.put_nowait(message)
        else:
            self.frames[stream].put_nowait(message)

    def fail(self, error, stream=None):
        if stream is None and not self.hello.done():
            self.hello.set_exception(error)
        queues = [self.answers, *self.frames.values()] if stream is None else [self.frames.get(stream, self.answers)]
        for queue in queues:
            queue.put_nowait(error)

    def send_frame(self, stream, message, end=False):
        payload = encode(message)
        self._quic.send_stream_data(stream, len(payload).to_bytes(2, "big") + payload, end)
        self.transmit()

    def open_stream(self, request, end):
        stream = self._quic.get_next_available_stream_id()
        self.frames[stream] = asyncio.Queue()
        self.send_frame(stream, request, end)
        return stream

    async def request(self, request, end=True):
        """Sends a request on a stream of its own. Returns the response and the stream."""
        stream = self.open_stream(request, end)
        return await taken(self.frames[stream]), stream

    async def open_payment_stream(self):
        response, stream = await self.request([37, {}], end=False)
        if response != [53, {}]:
            raise ProtocolError(f"no payment stream: {response}")
        self.payment_stream = stream

    def send_payment_bytes(self, payload):
        """Sends an encoded payment by whichever way this connection pays."""
        if self.payment_stream is None:
            self._quic.send_datagram_frame(payload)
        else:
            framed = len(payload).to_bytes(2, "big") + payload
            self._quic.send_stream_data(self.payment_stream, framed)
        self.transmit()

    async def next_answer(self):
        return await taken(self.answers)


async def taken(queue):
    item = await queue.get()
    if isinstance(item, Exception):
        raise item
    return item


def open_connection(host, port, pin, server_name, datagrams):
    """An asynchronous context manager for a connection whose certificate is the pinned one."""
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=[ALPN],
        server_name=server_name,
        # The pin decides, not a certificate authority.
        verify_mode=ssl.CERT_NONE,
        max_datagram_frame_size=DATAGRAM_BYTES_MAX if datagrams else None,
        idle_timeout=30.0,
    )
    return Pinned(connect(host, port, configuration=configuration, create_protocol=Connection), pin)


class Pinned:
    """Checks the pin before anything is sent on a connection."""

    def __init__(self, connecting, pin):
        self.connecting, self.pin = connecting, pin

    async def __aenter__(self):
        connection = await self.connecting.__aenter__()
        try:
            # aioquic checked the handshake's signature against this certificate; it shows it nowhere else.
            certificate = connection._quic.tls._peer_certificate.public_bytes(Encoding.DER)
            if hashlib.sha256(certificate).digest() != self.pin:
                raise ProtocolError("the server's certificate is not the pinned one")
            connection.certificate = certificate
            return connection
        except BaseException:
            await self.connecting.__aexit__(None, None, None)
            raise

    async def __aexit__(self, *raised):
        return await self.connecting.__aexit__(*raised)
