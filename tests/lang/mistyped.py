"""What mypy rejects by the stubs: each line that is wrong has the code of its error. It is not run."""

from gi.repository import GLib, Qio

here, there = Qio.ChannelSocket.new_pair()
here.write_bytes("text")  # arg-type
here.read_byte(5)  # attr-defined
count: str = here.write_bytes(b"bytes")  # assignment
here.read_frame(5, 100)  # arg-type
here.read_line(100).get_data()  # union-attr
Qio.NetListener(max_clients="many")  # arg-type
here.close(5)  # call-arg
here.props.closed = True  # misc


async def awaiting() -> bytes:
    await here.read_bytes_async()  # call-overload
    return await here.read_bytes_async(100)  # return-value


async def receiving(websocket: Qio.ChannelWebsock) -> None:
    async for message in websocket:
        message.decode()  # union-attr


class Wrong(Qio.Channel):
    def do_io_close(self) -> str:  # override
        return ""


Qio.run(awaiting)  # arg-type
number: int = Qio.run(awaiting())  # assignment
here.add_watch(GLib.IOCondition.IN, lambda *_: "text")  # arg-type
