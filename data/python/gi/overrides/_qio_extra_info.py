"""What `get_extra_info` of a transport returns."""

from gi.repository import Gio, GLib, Qio


def _find(channel, kind):
    """The first channel of a class, among this one and its lower channels."""
    while channel is not None and not isinstance(channel, kind):
        if isinstance(channel, (Qio.ChannelTLS, Qio.ChannelWebsock)):
            channel = channel.get_master()
        elif isinstance(channel, Qio.ChannelFilter):
            channel = channel.get_base_channel()
        else:
            channel = None
    return channel


def _name(channel, which):
    """The address of a socket as the `socket` module has it."""
    bottom = _find(channel, Qio.ChannelSocket)
    try:
        address = bottom and which(bottom)
    except GLib.Error:
        return None
    if isinstance(address, Gio.InetSocketAddress):
        host = address.get_address().to_string(), address.get_port()
        is_six = address.get_family() == Gio.SocketFamily.IPV6
        return (*host, address.get_flowinfo(), address.get_scope_id()) if is_six else host
    if isinstance(address, Gio.UnixSocketAddress):
        return address.get_path()
    return address


def _of_tls(get):
    def find(channel):
        tls = _find(channel, Qio.ChannelTLS)
        return tls and get(tls)

    return find


def extra_info(channel, name):
    return _EXTRA[name](channel) if name in _EXTRA else None


_EXTRA = {
    "channel": lambda channel: channel,
    "socket_channel": lambda channel: _find(channel, Qio.ChannelSocket),
    "sockname": lambda channel: _name(channel, Qio.ChannelSocket.get_local_address),
    "peername": lambda channel: _name(channel, Qio.ChannelSocket.get_remote_address),
    "cipher": _of_tls(Qio.ChannelTLS.get_cipher),
    "peercert": _of_tls(Qio.ChannelTLS.get_peer_certificate),
    "alpn_protocol": _of_tls(Qio.ChannelTLS.get_alpn_protocol),
}
