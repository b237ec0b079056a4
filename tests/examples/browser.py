"""Chromium with pages of the examples, by its DevTools protocol: see browser.rs.

    browser.py chat URI
    browser.py vnc URI MONITOR SCREENSHOT

Prints what it has seen to the standard output. MONITOR is QEMU's socket for its monitor protocol.
"""

import base64
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

LIMIT = 60
# The browser has no access to anything but this machine, and pages of tests have certificates of tests.
OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-extensions
    --disable-background-networking --disable-component-update --disable-default-apps --disable-sync --mute-audio
    --no-proxy-server --ignore-certificate-errors --force-device-scale-factor=1 --hide-scrollbars
    --remote-debugging-pipe about:blank""".split()
RESOLVER = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def until(condition):
    """Polls: a page reports no changes."""
    deadline = time.monotonic() + LIMIT
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.05)


class Browser:
    """It exits when its pipes are closed, so also with this program."""

    def __init__(self, folder):
        (its_input, self.output), (self.input, its_output) = os.pipe(), os.pipe()

        def set_up():
            # Which it reads from and writes to. The copies come first: they may be one of the two.
            copies = os.dup(its_input), os.dup(its_output)
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        command = ["chromium", f"--user-data-dir={folder}", RESOLVER, *OPTIONS]
        # In a file, as a pipe that is not read would block it.
        self.log = open(os.path.join(folder, "log"), "w+b")
        self.process = subprocess.Popen(
            command, pass_fds=(3, 4), preexec_fn=set_up, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        os.close(its_input)
        os.close(its_output)
        self.buffer = b""
        self.ids = itertools.count(1)

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.input, 1 << 16)
            if not data:
                self.log.seek(0)
                raise EOFError("Chromium has ended: " + self.log.read().decode(errors="replace"))
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.output, data) :]
        while True:
            message = self.receive()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def close(self):
        os.close(self.output)
        os.close(self.input)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Page:
    def __init__(self, browser, uri):
        self.browser = browser
        target = browser.call("Target.createTarget", url=uri, newWindow=True)
        self.session = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        # Even numbers: what is in the middle begins at a pixel.
        size = {"width": 1024, "height": 768}
        self.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression):
        return until(lambda: self.evaluate(expression))


def chat(browser, uri):
    pages = [Page(browser, uri) for _ in range(2)]
    for page in pages:
        page.until("document.querySelector('#state')?.textContent.startsWith('3 here; ')")
        print("state", page.evaluate("document.querySelector('#state').textContent"))
    for number, (page, other) in enumerate([pages, pages[::-1]]):
        # As text, not as elements.
        text = f"größer <b>als</b> {number} " + "€" * 100
        for field, value in (("name", f"page {number}"), ("text", text)):
            page.evaluate(f"document.querySelector('#{field}').value = {json.dumps(value)}")
        page.evaluate("document.forms[0].requestSubmit()")
        last = "document.querySelector('#log').lastElementChild"
        for each in (page, other):
            each.until(f"{last}?.innerText === {json.dumps(f'page {number}{text}')}")
            assert each.evaluate(f"{last}.children.length") == 1, "the name alone is an element"
    print("exchanged")


def rows_of_png(data):
    """The rows of an image of 8-bit RGB or RGBA, in bytes, and the bytes of a pixel."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, packed = 8, b""
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        chunk = data[position + 8 : position + 8 + length]
        if kind == b"IHDR":
            width, _, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            packed += chunk
        position += length + 12
    assert depth == 8 and color in (2, 6) and interlace == 0, (depth, color, interlace)
    size = {2: 3, 6: 4}[color]
    raw, stride, rows = zlib.decompress(packed), width * size, []
    above = bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        row = bytearray(raw[start + 1 : start + 1 + stride])
        unfilter(raw[start], row, above, size)
        rows.append(row)
        above = row
    return rows, size


def unfilter(kind, row, above, size):
    for i in range(len(row)):
        left = row[i - size] if i >= size else 0
        up, corner = above[i], above[i - size] if i >= size else 0
        if kind == 1:
            row[i] = (row[i] + left) & 255
        elif kind == 2:
            row[i] = (row[i] + up) & 255
        elif kind == 3:
            row[i] = (row[i] + (left + up) // 2) & 255
        elif kind == 4:
            estimate = left + up - corner
            nearest = min((abs(estimate - left), 0, left), (abs(estimate - up), 1, up), (abs(estimate - corner), 2, corner))
            row[i] = (row[i] + nearest[2]) & 255


def pixels_of_png(data):
    rows, size = rows_of_png(data)
    return [tuple(row[i : i + 3]) for row in rows for i in range(0, len(row), size)]


class Monitor:
    """That of QEMU."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("r")
        self.file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            message = json.loads(self.file.readline())
            assert "error" not in message, message
            if "return" in message:
                return

    def screen(self, folder):
        """The width, the height and the pixels that the virtual machine shows."""
        path = os.path.join(folder, "screen.ppm")
        self.execute("screendump", filename=path)
        with open(path, "rb") as file:
            assert file.readline() == b"P6\n"
            width, height = map(int, file.readline().split())
            assert file.readline() == b"255\n"
            data = file.read()
        return width, height, [tuple(data[i : i + 3]) for i in range(0, len(data), 3)]


def vnc(browser, folder, uri, monitor, screenshot):
    page = Page(browser, f"{uri}vnc.html?autoconnect=1&resize=off&path=websockify")
    monitor = Monitor(monitor)
    canvas = "document.querySelector('#noVNC_container canvas')"
    # Text of the firmware is there, and the page has as many pixels.
    width, height = until(lambda: (size := shown(monitor, folder)) and size)
    page.until(f"{canvas}?.width === {width} && {canvas}.height === {height}")
    # The bar with the status of the connection covers the screen for a while.
    page.until("!document.querySelector('#noVNC_status').classList.contains('noVNC_open')")
    page.evaluate("document.querySelector('#noVNC_control_bar_anchor').style.display = 'none'")

    def is_equal():
        clip = page.evaluate(f"(({{x, y}}) => ({{x, y}}))({canvas}.getBoundingClientRect())")
        clip.update(width=width, height=height, scale=1)
        data = base64.b64decode(page.call("Page.captureScreenshot", format="png", clip=clip)["data"])
        with open(screenshot, "wb") as file:
            file.write(data)
        found = pixels_of_png(data)
        _, _, expected = monitor.screen(folder)
        if len(found) != len(expected):
            return None
        # A cursor blinks.
        differences = sum(max(abs(a - b) for a, b in zip(*pair)) > 24 for pair in zip(found, expected))
        return differences < len(expected) // 200 and (differences, found)

    differences, found = until(is_equal)
    print(f"screen {width}x{height}: {sum(max(pixel) > 100 for pixel in found)} pixels are lit")
    print(f"{differences} differ from QEMU's", file=sys.stderr)


def shown(monitor, folder):
    width, height, pixels = monitor.screen(folder)
    return sum(max(pixel) > 100 for pixel in pixels) > 1000 and (width, height)


def main():
    kind, uri, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            if kind == "chat":
                chat(browser, uri)
            else:
                vnc(browser, folder, uri, *arguments)
        finally:
            browser.close()


main()
