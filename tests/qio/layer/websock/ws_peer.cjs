// A WebSocket peer by the package ws, for Node: see peers.rs.
//
//     ws_peer.cjs client plain|tls none|deflate|small FOLDER PORT
//     ws_peer.cjs server plain|tls none|deflate|small FOLDER
//
// A server prints its port. FOLDER has the certificates for TLS. Prints what it has seen to the standard output.

const assert = require("assert");
const { once } = require("events");
const fs = require("fs");
const { createServer } = { plain: require("http"), tls: require("https") }[process.argv[3]];
const { WebSocket, WebSocketServer } = require("ws");

const [role, transport, compression, folder, port] = process.argv.slice(2);
const file = (name) => fs.readFileSync(`${folder}/${name}`);
const SIZES = [0, 1, 125, 126, 65535, 65536, ...(compression === "small" ? [] : [1 << 20])];

const options = {
  perMessageDeflate: {
    none: false,
    deflate: true,
    small: {
      threshold: 0,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 9,
    },
  }[compression],
};

function* messages() {
  for (const size of SIZES) {
    yield Buffer.alloc(size, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
    yield "größer als 1 € ".repeat(size / 15 + 1).slice(0, size);
  }
}

async function runClient() {
  const scheme = { plain: "ws", tls: "wss" }[transport];
  const tls = transport === "tls" ? { ca: file("ca-cert.pem"), servername: "server.test" } : {};
  for (const closesFirst of [true, false]) {
    const uri = `${scheme}://127.0.0.1:${port}/chat`;
    const socket = new WebSocket(uri, ["other", "echo"], { ...options, ...tls });
    socket.on("upgrade", (response) => {
      console.log(`protocol ${response.headers["sec-websocket-protocol"]}`);
      console.log(`extensions ${response.headers["sec-websocket-extensions"] ?? "none"}`);
    });
    await once(socket, "open");
    const closed = once(socket, "close");
    for (const message of messages()) {
      socket.send(message);
      const [data, isBinary] = await once(socket, "message");
      assert.strictEqual(isBinary, typeof message !== "string");
      assert(data.equals(Buffer.from(message)), `${message.length}`);
    }
    if (closesFirst) {
      socket.close(3001, "that is all");
    } else {
      socket.send("close");
    }
    const [code, reason] = await closed;
    console.log(`closed ${code} ${reason}`);
  }
}

function runServer() {
  const tls = transport === "tls" ? { cert: file("server-cert.pem"), key: file("server-key.pem") } : {};
  const server = createServer(tls);
  const handleProtocols = (offered) => (offered.has("echo") ? "echo" : false);
  const sockets = new WebSocketServer({ server, handleProtocols, ...options });
  sockets.on("connection", (socket) => {
    socket.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
    socket.on("message", (data, isBinary) => {
      if (!isBinary && data.equals(Buffer.from("close"))) {
        socket.close(4000, "as requested");
      } else {
        socket.send(data, { binary: isBinary });
      }
    });
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

if (role === "client") {
  runClient();
} else {
  runServer();
}
