"""A layer in Python: a throttle, over TLS and under TLS. QIO_TEST_PKI is a directory in QEMU's layout."""

import os
import time

from common import check, error_of, is_io, make_pair
from gi.repository import Gio, GLib, Qio

RATE = 1_000_000


class Throttle(Qio.ChannelFilter):
    """Reads at most RATE bytes per second."""

    def __init__(self, base):
        super().__init__(base_channel=base)
        self.ready_at = 0
        self.reads = 0

    def left(self):
        """The seconds until the next read is allowed."""
        return self.ready_at - time.monotonic()

    def do_io_read_bytes(self, count, flags):
        if self.left() > 0:
            raise GLib.Error.new_literal(Gio.io_error_quark(), "Too fast", Gio.IOErrorEnum.WOULD_BLOCK)
        data, fds = Qio.ChannelFilter.do_io_read_bytes(self, min(count, 10_000), flags)
        self.reads += 1
        self.ready_at = time.monotonic() + data.get_size() / RATE
        return data, fds

    def do_io_wait_fd(self, condition):
        if condition & GLib.IOCondition.IN and self.left() > 0:
            return Qio.CHANNEL_WAIT_WATCH, 0
        return Qio.ChannelFilter.do_io_wait_fd(self, condition)

    def do_io_create_watch(self, condition):
        left = self.left()
        if condition & GLib.IOCondition.IN and left > 0:
            return GLib.timeout_source_new(int(left * 1000) + 1)
        return Qio.ChannelFilter.do_io_create_watch(self, condition)


def pem(name):
    with open(os.path.join(os.environ["QIO_TEST_PKI"], name), "rb") as file:
        return GLib.Bytes.new(file.read())


def tls(here, there):
    client, server = map(Qio.TlsCredsBuilder.new, (Qio.TlsEndpoint.CLIENT, Qio.TlsEndpoint.SERVER))
    client.add_trust_pem(pem("ca-cert.pem"))
    server.set_certificate_pem(pem("server-cert.pem"), pem("server-key.pem"))
    return (
        Qio.ChannelTLS.new_client(here, client.build(), "localhost"),
        Qio.ChannelTLS.new_server(there, server.build()),
    )


async def transfer(writer, reader, size):
    """Sends data in both directions."""
    data = bytes(range(250)) * (size // 250)
    for one, other in ((writer, reader), (reader, writer)):
        written = one.write_bytes_all_async(data)
        read = await other.read_bytes_all_async(size)
        await written
        check(read.get_data() == data)


async def over_and_under():
    for size in (1000, 50_000):
        one, other = make_pair()
        throttle = Throttle(one)
        check(throttle.get_base_channel() == one and throttle.props.base_channel == one)
        throttle.set_blocking(False)
        await transfer(other, throttle, size)
        check(throttle.reads >= size / 10_000)

        one, other = make_pair()
        client, server = tls(one, other)
        throttle = Throttle(client)
        throttle.set_blocking(False)
        await transfer(server, throttle, size)

        one, other = make_pair()
        throttle = Throttle(one)
        client, server = tls(throttle, other)
        await transfer(server, client, size)


def plain():
    one, other = make_pair()
    filter = Qio.ChannelFilter.new(one)
    other.write_bytes_all(b"unchanged")
    check(filter.read_bytes(100).get_data() == b"unchanged")
    filter.close()
    check(one.is_closed() and other.read_bytes(1).get_size() == 0)
    check(is_io(error_of(Qio.ChannelFilter().read_bytes, 1), Gio.IOErrorEnum.INVALID_ARGUMENT))


plain()
Qio.run(over_and_under())
print("filter: ok")
