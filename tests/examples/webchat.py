"""A client of the example webchat by Python's websockets, with compression: see webchat.rs.

    webchat.py URI

Sends a message when another client's has come. Prints the extensions and what it receives.
"""

import sys

from websockets.sync.client import connect

with connect(sys.argv[1], compression="deflate") as connection:
    print("extensions", connection.response.headers["Sec-WebSocket-Extensions"], flush=True)
    for message in connection:
        print(message, flush=True)
        if message.startswith("from qio "):
            connection.send("from Python " + "grün " * 100)
